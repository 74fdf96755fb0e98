//! Versions of Go, typed before they reach an argv; those of releases and of CNI are edge-conflist's.

use std::fmt;
use std::str::FromStr;

use edge_conflist::version::triple;
pub use edge_conflist::version::{Cni, Release};

/// A version of Go: `go1.26.8`, or what a go.mod asks for: `1.24.2`, `1.20`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Go([u32; 3]);

impl Go {
    /// `go install PACKAGE@VERSION` came with it.
    pub const INSTALLS_MODULES: Go = Go([1, 16, 0]);
    /// `-buildvcs` came with it.
    pub const STAMPS: Go = Go([1, 18, 0]);
    /// `GOMEMLIMIT` came with it.
    pub const LIMITS_MEMORY: Go = Go([1, 19, 0]);
    /// From here on go fetches a newer toolchain by itself, if it may.
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
            _ => Err(format!("{text:?} is no version of Go")),
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

/// The Go version that a go.mod asks for.
pub fn wanted_go(go_mod: &str) -> Option<Go> {
    go_mod.lines().find_map(|line| line.trim().strip_prefix("go ")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_versions_come_in_several_spellings() {
        let of = |text: &str| text.parse::<Go>().unwrap().to_string();
        for (text, want) in
            [("go1.26.8", "1.26.8"), ("1.20", "1.20"), ("go1.24rc1", "1.24"), ("go1.26.8-X:a", "1.26.8")]
        {
            assert_eq!(of(text), want);
        }
        assert!("go".parse::<Go>().is_err() && "devel".parse::<Go>().is_err() && "1".parse::<Go>().is_err());
        assert_eq!(wanted_go("module x\n\ngo 1.24.2\n"), Some(Go([1, 24, 2])));
        assert_eq!(wanted_go("module go\n"), None);
    }
}
