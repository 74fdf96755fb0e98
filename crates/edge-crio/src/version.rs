//! Versions of CRI-O and KubeEdge as users write them: a minor version (1.34) or one release of it (1.34.2).

use std::fmt;
use std::str::FromStr;

use edge_kubeedge::Minor;

/// One release, or the newest release of a minor version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// 34 of 1.34.2.
    pub minor: u32,
    /// 2 of 1.34.2; `None` stands for any release of the minor version.
    pub patch: Option<u32>,
}

impl Version {
    /// 1.34.
    pub fn minor(minor: u32) -> Version {
        Version { minor, patch: None }
    }

    /// `1.34`, whatever the patch.
    pub fn minor_text(self) -> String {
        format!("1.{}", self.minor)
    }

    /// Whether `other` is this release, or a release of this minor version.
    pub fn matches(self, other: Version) -> bool {
        self.minor == other.minor && (self.patch.is_none() || self.patch == other.patch)
    }
}

impl FromStr for Version {
    type Err = String;

    fn from_str(text: &str) -> Result<Version, String> {
        let bad = || {
            format!("{text:?} is not a valid version of CRI-O: expected a minor version (1.34) or a release (1.34.2)")
        };
        let digits = |text: &str| -> Option<u32> {
            let plain = !text.is_empty() && text.len() < 6 && text.bytes().all(|byte| byte.is_ascii_digit());
            // Versions have no leading zeros.
            let plain = plain && (text == "0" || !text.starts_with('0'));
            plain.then(|| text.parse().ok()).flatten()
        };
        let parts: Vec<&str> = text.strip_prefix('v').unwrap_or(text).split('.').collect();
        match parts.as_slice() {
            ["1", minor] => Ok(Version::minor(digits(minor).ok_or_else(bad)?)),
            ["1", minor, patch] => {
                Ok(Version { minor: digits(minor).ok_or_else(bad)?, patch: Some(digits(patch).ok_or_else(bad)?) })
            }
            _ => Err(bad()),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.patch {
            Some(patch) => write!(f, "1.{}.{patch}", self.minor),
            None => write!(f, "1.{}", self.minor),
        }
    }
}

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

    #[test]
    fn version_is_parsed_with_and_without_a_release() {
        assert_eq!("v1.34.2".parse(), Ok(Version { minor: 34, patch: Some(2) }));
        assert_eq!("1.34".parse::<Version>().unwrap().to_string(), "1.34");
        for bad in ["", "1", "2.1", "1.x", "1.34.2.1", "1.34-rc1", "1..2", "1.34 ", "-1.34", "1.034", "1.9999999"] {
            assert!(bad.parse::<Version>().is_err(), "{bad:?}");
        }
        assert!(Version::minor(34).matches(Version { minor: 34, patch: Some(9) }));
        assert!(!Version { minor: 34, patch: Some(1) }.matches(Version { minor: 34, patch: Some(9) }));
    }
}
