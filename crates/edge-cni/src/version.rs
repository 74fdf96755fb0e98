//! Versions of Go; those of releases and of CNI are in edge-conflist.

use std::fmt;
use std::str::FromStr;

use edge_conflist::version::triple;
pub use edge_conflist::version::{Cni, Release};

/// A version of Go: `go1.26.8`, or as a go.mod requires it: `1.24.2`, `1.20`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Go([u32; 3]);

impl Go {
    /// The first with `go install PACKAGE@VERSION`.
    pub const INSTALLS_MODULES: Go = Go([1, 16, 0]);
    /// The first with `-buildvcs`.
    pub const STAMPS: Go = Go([1, 18, 0]);
    /// The first with `GOMEMLIMIT`.
    pub const LIMITS_MEMORY: Go = Go([1, 19, 0]);
    /// The first that downloads a newer toolchain by itself.
    pub const SWITCHES: Go = Go([1, 21, 0]);
}

impl FromStr for Go {
    type Err = String;

    fn from_str(text: &str) -> Result<Go, String> {
        let plain = text.trim();
        let plain = plain.strip_prefix("go").unwrap_or(plain);
        // go1.24rc1, go1.26.8-X:nodwarf5, devel go1.27-abcdef
        let end = plain.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(plain.len());
        match triple(&plain[..end]) {
            Some((numbers, 2..)) => Ok(Go(numbers)),
            _ => Err(format!("{text:?} is not a valid version of Go: expected one such as go1.24.2")),
        }
    }
}

impl fmt::Display for Go {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [major, minor, 0] => write!(f, "{major}.{minor}"),
            [major, minor, patch] => write!(f, "{major}.{minor}.{patch}"),
        }
    }
}

/// The Go version that a go.mod requires.
pub fn required_go(go_mod: &str) -> Option<Go> {
    go_mod.lines().find_map(|line| line.trim().strip_prefix("go ")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_version_parses_every_spelling() {
        let of = |text: &str| text.parse::<Go>().unwrap().to_string();
        for (text, want) in
            [("go1.26.8", "1.26.8"), ("1.20", "1.20"), ("go1.24rc1", "1.24"), ("go1.26.8-X:a", "1.26.8")]
        {
            assert_eq!(of(text), want);
        }
        assert!("go".parse::<Go>().is_err() && "devel".parse::<Go>().is_err() && "1".parse::<Go>().is_err());
        assert_eq!(required_go("module x\n\ngo 1.24.2\n"), Some(Go([1, 24, 2])));
        assert_eq!(required_go("module go\n"), None);
    }
}
