//! Finds the component that a configuration is for, and the version that reads the file.

use std::path::Path;

use edge_host::{Error, Result, Root};
use edge_yaml::Value;

use crate::paths::PROGRAM_DIRS;
use crate::settings::written;
use crate::unit::config_in_use;
use crate::{Kind, Minor, program};

/// Where a version is known from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VersionSource {
    /// The user gave it.
    Given(Minor),
    /// The `edgecoreVersion` that edgecore writes into its file (1.21 and newer).
    InFile(Minor),
    /// Read from the installed program, which was not run.
    InProgram(Minor),
    /// Two installed programs are of different versions.
    Conflicting(Minor, Minor),
    /// The version is unknown.
    Unknown,
}

impl VersionSource {
    /// The version, if it is known.
    #[must_use]
    pub fn version(self) -> Option<Minor> {
        match self {
            VersionSource::Given(version) | VersionSource::InFile(version) | VersionSource::InProgram(version) => {
                Some(version)
            }
            VersionSource::Conflicting(..) | VersionSource::Unknown => None,
        }
    }
}

/// The kind of a configuration: by its `kind:`, else by the name of its file.
///
/// KubeEdge does not read `kind:`, so a file without it is identified by its name. A file of another kind is not a
/// configuration of KubeEdge.
#[must_use]
pub fn kind_of(document: &Value, path: Option<&Path>) -> Option<Kind> {
    match document.get("kind").and_then(Value::as_str) {
        Some(written) => written.parse().ok(),
        None => Kind::by_file_name(path?),
    }
}

/// The version that reads a configuration: the given one, else the one in the file, else that of the installed
/// programs, but only for the file that they read.
///
/// # Errors
/// A program cannot be read.
pub fn version(
    root: &Root,
    given: Option<Minor>,
    kind: Kind,
    document: &Value,
    path: Option<&Path>,
) -> Result<VersionSource> {
    if let Some(version) = given {
        return Ok(VersionSource::Given(version));
    }
    let in_file = written(document, "edgecoreVersion").and_then(Value::as_str);
    if let (Kind::EdgeCore, Some(Ok(version))) = (kind, in_file.map(str::parse)) {
        return Ok(VersionSource::InFile(version));
    }
    // A file in another place may be for another host.
    let is_read_here = match path {
        Some(path) => path == kind.config_path() || path == config_in_use(root, kind)?.path,
        None => false,
    };
    if !is_read_here {
        return Ok(VersionSource::Unknown);
    }
    installed(root, kind)
}

/// The version of the installed programs.
fn installed(root: &Root, kind: Kind) -> Result<VersionSource> {
    let mut known = VersionSource::Unknown;
    for dir in PROGRAM_DIRS {
        let path = Path::new(dir).join(kind.program());
        let Some(mut file) = root.open(&path)? else { continue };
        let found = program::from_elf(&mut file).map_err(|cause| Error::io("read", root.display(&path), &cause))?;
        let Some(found) = found.map(|version| version.minor) else { continue };
        known = match known {
            VersionSource::InProgram(other) if other != found => return Ok(VersionSource::Conflicting(other, found)),
            _ => VersionSource::InProgram(found),
        };
    }
    Ok(known)
}
