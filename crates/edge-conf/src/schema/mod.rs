//! What KubeEdge knows: the keys of edgecore.yaml and cloudcore.yaml, 1.4 to 1.23.
//!
//! Pure functions over the table in `data/`: no file is read, nothing is printed.

use std::fmt;
use std::str::FromStr;

pub mod lookup;
pub mod minor;
mod near;
pub mod render;
pub mod table;
pub mod types;

pub use lookup::{Found, Lookup, show};
pub use minor::{BadVersion, Minor};
pub use render::render;
pub use table::{Default, Key, Source, Table};
pub use types::{Ty, TypeError, check_type, typed};

/// Which component reads the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The node's agent: edgecore.yaml.
    EdgeCore,
    /// The cloud side: cloudcore.yaml.
    CloudCore,
}

/// A `kind:` that is neither.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("kind \"{0}\" is neither EdgeCore nor CloudCore")]
pub struct BadKind(String);

impl Kind {
    /// The value of `kind:` in its file.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::EdgeCore => "EdgeCore",
            Self::CloudCore => "CloudCore",
        }
    }

    /// The program that reads it.
    #[must_use]
    pub const fn program(self) -> &'static str {
        match self {
            Self::EdgeCore => "edgecore",
            Self::CloudCore => "cloudcore",
        }
    }

    /// The usual name of its file, in /etc/kubeedge/config.
    #[must_use]
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::EdgeCore => "edgecore.yaml",
            Self::CloudCore => "cloudcore.yaml",
        }
    }

    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::EdgeCore => Self::CloudCore,
            Self::CloudCore => Self::EdgeCore,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Kind {
    type Err = BadKind;

    /// Reads the value of `kind:`. KubeEdge never looks at it, so capitals do not matter.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::EdgeCore, Self::CloudCore]
            .into_iter()
            .find(|kind| kind.name().eq_ignore_ascii_case(text))
            .ok_or_else(|| BadKind(text.chars().take(40).collect()))
    }
}

/// Of several spellings of one key in one mapping (`Enable`, `enable`), the one whose value counts.
///
/// KubeEdge turns YAML into JSON, and on that way the keys are sorted by their bytes; the JSON is
/// then read from front to back without regard to capitals, each value over the one before. So the
/// greatest spelling wins, wherever it stands in the file: `enable` over `Enable` over `ENABLE`.
/// Sections under two spellings are merged key by key by the same rule. An exact duplicate is
/// settled earlier, in the YAML reader: the last one replaces the others, sections as a whole.
#[must_use]
pub fn winner<'a>(spellings: &[&'a str]) -> Option<&'a str> {
    spellings.iter().copied().max_by_key(|spelling| spelling.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_is_read_without_regard_to_capitals() {
        assert_eq!("EdgeCore".parse(), Ok(Kind::EdgeCore));
        assert_eq!("cloudcore".parse(), Ok(Kind::CloudCore));
        assert!("EdgeSite".parse::<Kind>().is_err());
    }

    #[test]
    fn the_greatest_spelling_wins_wherever_it_stands() {
        for order in [["server", "SERVER", "Server"], ["Server", "server", "SERVER"]] {
            assert_eq!(winner(&order), Some("server"));
        }
        assert_eq!(winner(&["ENABLE", "Enable"]), Some("Enable"));
        assert_eq!(winner(&[]), None);
    }
}
