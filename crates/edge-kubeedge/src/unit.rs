//! The configuration file that a component reads on this host: the one that its systemd unit names with `--config`.

use std::path::{Path, PathBuf};

use edge_host::{Result, Root};
use edge_systemd::{Scope, Units};

use crate::Kind;

/// Where the unit may be.
const UNIT_DIRS: [&str; 6] = [
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
    "/run/systemd/transient",
];
const CONFIG: &str = "--config";

/// A configuration file, and what names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigFile {
    /// Its path.
    pub path: PathBuf,
    /// The file and line that set `--config`; none for the default path.
    pub named_in: Option<(PathBuf, usize)>,
}

impl Kind {
    /// Its unit, made by keadm and by installation guides.
    #[must_use]
    pub const fn unit(self) -> &'static str {
        match self {
            Self::EdgeCore => "edgecore.service",
            Self::CloudCore => "cloudcore.service",
        }
    }

    /// The component of a unit.
    #[must_use]
    pub fn of_unit(unit: &str) -> Option<Self> {
        [Self::EdgeCore, Self::CloudCore].into_iter().find(|kind| kind.unit() == unit)
    }
}

/// The configuration that the unit of a component names, which is the default one if it names none; none without a unit.
///
/// # Errors
/// The units cannot be read.
pub fn config_of_unit(root: &Root, kind: Kind, scope: Scope) -> Result<Option<ConfigFile>> {
    // Without the unit, the others are not read: there are many.
    let has_unit = |dir: &str| root.find_link(&Path::new(dir).join(kind.unit())).is_ok_and(|file| file.exists());
    if !UNIT_DIRS.iter().any(|dir| has_unit(dir)) {
        return Ok(None);
    }
    let units = Units::read(root, scope)?;
    let unit = units.find(kind.unit())?;
    if !unit.exists() || unit.is_masked() {
        return Ok(None);
    }
    let settings = units.settings(&unit)?;
    let words = settings.exec_start_words(&settings.whole_environment(root)?);
    let named = position(words.iter().map(|word| word.text.as_str())).and_then(|at| words.get(at.0).zip(Some(at.1)));
    Ok(Some(match named {
        Some((word, path)) => ConfigFile { path, named_in: Some((word.file.clone(), word.line)) },
        None => ConfigFile { path: kind.config_path(), named_in: None },
    }))
}

/// The configuration that a component reads on this host: that of its unit, else the default one.
///
/// # Errors
/// As [`config_of_unit`].
pub fn config_in_use(root: &Root, kind: Kind) -> Result<ConfigFile> {
    let default = || ConfigFile { path: kind.config_path(), named_in: None };
    Ok(config_of_unit(root, kind, Scope::Now)?.unwrap_or_else(default))
}

/// The value of `--config` in the words of a command.
#[must_use]
pub fn config_option(argv: &[String]) -> Option<PathBuf> {
    position(argv.iter().map(String::as_str)).map(|(_, path)| path)
}

/// The value of `--config`, and the index of its word. Go's flags take the last one.
fn position<'a>(words: impl Iterator<Item = &'a str>) -> Option<(usize, PathBuf)> {
    let mut words = words.enumerate();
    let mut found = None;
    while let Some((at, word)) = words.next() {
        let value = match word.strip_prefix(CONFIG) {
            Some("") => words.next(),
            Some(value) => value.strip_prefix('=').map(|value| (at, value)),
            None => None,
        };
        // A relative path depends on the working directory.
        found = value.filter(|(_, value)| value.starts_with('/')).map(|(at, value)| (at, value.into())).or(found);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn config_is_the_value_of_its_option() {
        for (line, want) in [
            ("cloudcore", None),
            ("cloudcore --config /etc/a.yaml", Some("/etc/a.yaml")),
            ("cloudcore --v=4 --config=/etc/a.yaml", Some("/etc/a.yaml")),
            ("edgecore --config=/etc/a.yaml --config /etc/b.yaml", Some("/etc/b.yaml")),
            ("cloudcore --config", None),
            ("cloudcore --config=relative.yaml", None),
            ("cloudcore --configs /x", None),
        ] {
            let argv: Vec<String> = line.split(' ').map(str::to_owned).collect();
            assert_eq!(config_option(&argv).as_deref(), want.map(Path::new), "{line}");
        }
    }
}
