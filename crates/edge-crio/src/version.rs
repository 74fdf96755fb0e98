//! Versions of CRI-O and KubeEdge as users write them: a minor version (1.34) or one release of it (1.34.2).

use std::fmt;
use std::str::FromStr;

pub use edge_apt::Release as Version;
use edge_kubeedge::Minor;

/// A version of KubeEdge: 1.18, or one release of it, 1.18.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KubeEdge {
    /// 1.18.
    pub minor: Minor,
    /// 2 of 1.18.2; `None` stands for any release of the minor version.
    pub patch: Option<u16>,
}

impl FromStr for KubeEdge {
    type Err = String;

    fn from_str(text: &str) -> Result<KubeEdge, String> {
        let minor: Minor = text.parse().map_err(|error: edge_kubeedge::BadVersion| error.to_string())?;
        let patch = text.splitn(3, '.').nth(2).unwrap_or_default();
        let digits = patch.bytes().take_while(u8::is_ascii_digit).count();
        Ok(KubeEdge { minor, patch: patch[..digits].parse().ok() })
    }
}

impl fmt::Display for KubeEdge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.patch {
            Some(patch) => write!(f, "{}.{patch}", self.minor),
            None => write!(f, "{}", self.minor),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kubeedge_has_a_patch_release_where_it_is_named() {
        for (text, shown) in
            [("1.18", "1.18"), ("v1.18.2", "1.18.2"), ("1.23.1-beta.0+ab", "1.23.1"), ("v1.12.0-dirty", "1.12.0")]
        {
            assert_eq!(text.parse::<KubeEdge>().unwrap().to_string(), shown);
        }
        assert!("1.x".parse::<KubeEdge>().is_err());
    }
}
