//! Minor versions of KubeEdge: `1.N`.

use std::fmt;
use std::str::FromStr;

/// A minor version of KubeEdge: the 8 of 1.8.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Minor(u16);

/// A text that is not a KubeEdge version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a KubeEdge version such as 1.8 or v1.23.1")]
pub struct BadVersion(String);

impl Minor {
    /// Version 1.N.
    #[must_use]
    pub const fn new(minor: u16) -> Self {
        Self(minor)
    }

    /// The N of 1.N.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }

    /// Parses the form of the key table: `1.8` and nothing longer.
    pub(crate) fn bare(text: &str) -> Option<Self> {
        text.strip_prefix("1.")?.parse().ok().map(Self)
    }
}

impl fmt::Display for Minor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1.{}", self.0)
    }
}

impl FromStr for Minor {
    type Err = BadVersion;

    /// Parses `1.8`, `v1.8.2`, `v1.23.1-beta.0+0123abc`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || BadVersion(text.chars().take(40).collect());
        let rest = text.strip_prefix('v').unwrap_or(text);
        let rest = rest.strip_prefix("1.").ok_or_else(bad)?;
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (minor, tail) = rest.split_at(digits);
        let minor = minor.parse().map_err(|_| bad())?;
        let is_valid_tail = match tail.as_bytes() {
            [] => true,
            [b'.', b'0'..=b'9', more @ ..] | [b'-' | b'+', more @ ..] => {
                more.iter().all(|b| b.is_ascii_alphanumeric() || b"-+.".contains(b))
            }
            _ => false,
        };
        if is_valid_tail { Ok(Self(minor)) } else { Err(bad()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_in_every_form_that_kubeedge_prints() {
        for (text, minor) in [
            ("1.8", 8),
            ("v1.8", 8),
            ("v1.8.2", 8),
            ("1.23.1", 23),
            ("v1.23.1-beta.0+abc", 23),
            ("v1.12.0-dirty", 12),
            ("1.9.0+012345", 9),
        ] {
            assert_eq!(text.parse(), Ok(Minor::new(minor)), "{text}");
        }
        assert_eq!(Minor::new(8).to_string(), "1.8");
        assert!(Minor::new(9) < Minor::new(10));
    }

    #[test]
    fn versions_of_other_forms_are_refused() {
        for text in ["", "v", "1", "1.", "v0.0.0-master", "2.1", "1.x", "1.8.x", "1.8 ", "1.99999", "1.8\n", "1.-8"] {
            assert!(text.parse::<Minor>().is_err(), "{text}");
        }
    }
}
