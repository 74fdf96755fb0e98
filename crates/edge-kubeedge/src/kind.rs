//! The two components with a configuration file, and where that file and the program are.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::paths::CONFIG_DIR;

/// The component that reads the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The node's agent: edgecore.yaml.
    EdgeCore,
    /// The cloud side: cloudcore.yaml.
    CloudCore,
}

/// A `kind:` that is neither of them.
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

    /// Whether a program is this one, by the name of its file.
    #[must_use]
    pub fn is_program(self, program: &Path) -> bool {
        program.file_name().is_some_and(|name| name == self.program())
    }

    /// The usual name of its file, in [`CONFIG_DIR`].
    #[must_use]
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::EdgeCore => "edgecore.yaml",
            Self::CloudCore => "cloudcore.yaml",
        }
    }

    /// Where keadm and the install guides put its file.
    #[must_use]
    pub fn config_path(self) -> PathBuf {
        [CONFIG_DIR, self.file_name()].iter().collect()
    }

    /// The kind that the name of a file suggests: `edgecore.yaml`, `edgecore-test.yaml`.
    #[must_use]
    pub fn by_file_name(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        [Self::EdgeCore, Self::CloudCore].into_iter().find(|kind| name.starts_with(kind.program()))
    }

    /// The other kind.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kind_is_read_without_regard_to_capitals() {
        assert_eq!("EdgeCore".parse(), Ok(Kind::EdgeCore));
        assert_eq!("cloudcore".parse(), Ok(Kind::CloudCore));
        assert!("EdgeSite".parse::<Kind>().is_err());
    }

    #[test]
    fn program_is_known_by_the_name_of_its_file() {
        let is_edgecore = |program: &str| Kind::EdgeCore.is_program(Path::new(program));
        assert!(is_edgecore("/usr/local/bin/edgecore") && is_edgecore("edgecore"));
        for other in ["/usr/local/bin/cloudcore", "/opt/edgecore/other", "/usr/bin/edgecore-old", ""] {
            assert!(!is_edgecore(other), "{other}");
        }
    }

    #[test]
    fn config_path_is_where_keadm_writes_the_file() {
        assert_eq!(Kind::EdgeCore.config_path().to_str(), Some("/etc/kubeedge/config/edgecore.yaml"));
    }
}
