//! Which component a configuration is for, and which version of it reads the file.

use std::path::Path;

use edge_host::{Error, Result, Root};
use edge_yaml::Value;

use crate::paths::PROGRAM_DIRS;
use crate::settings::written;
use crate::{Kind, Minor, program};

/// Where a version is known from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// The user gave it.
    Given(Minor),
    /// The `edgecoreVersion` that edgecore writes into its file (1.21 and newer).
    InFile(Minor),
    /// Read from the installed program, which was not run.
    InProgram(Minor),
    /// Two installed programs are of different versions.
    Disputed(Minor, Minor),
    /// It is not known.
    Nowhere,
}

impl Known {
    /// The version, if it is known.
    #[must_use]
    pub fn version(self) -> Option<Minor> {
        match self {
            Known::Given(version) | Known::InFile(version) | Known::InProgram(version) => Some(version),
            Known::Disputed(..) | Known::Nowhere => None,
        }
    }
}

/// The kind of a configuration: by its `kind:`, else by the name of its file.
///
/// KubeEdge never looks at `kind:`, so a file without it is judged by its name. One that says that it is something
/// else is something else.
#[must_use]
pub fn kind_of(document: &Value, path: Option<&Path>) -> Option<Kind> {
    match document.get("kind").and_then(Value::as_str) {
        Some(written) => written.parse().ok(),
        None => Kind::by_file_name(path?),
    }
}

/// The version that reads a configuration: the given one, else the one in the file, else that of the installed
/// programs, which counts only for the file that they read by default.
///
/// # Errors
/// A program cannot be read.
pub fn version(root: &Root, given: Option<Minor>, kind: Kind, document: &Value, path: Option<&Path>) -> Result<Known> {
    if let Some(version) = given {
        return Ok(Known::Given(version));
    }
    let in_file = written(document, "edgecoreVersion").and_then(Value::as_str);
    if let (Kind::EdgeCore, Some(Ok(version))) = (kind, in_file.map(str::parse)) {
        return Ok(Known::InFile(version));
    }
    // A file in another place may be meant for another machine than this one.
    if path != Some(kind.config_path().as_path()) {
        return Ok(Known::Nowhere);
    }
    installed(root, kind)
}

/// The version of the installed programs.
fn installed(root: &Root, kind: Kind) -> Result<Known> {
    let mut known = Known::Nowhere;
    for dir in PROGRAM_DIRS {
        let path = Path::new(dir).join(kind.program());
        let Some(mut file) = root.open(&path)? else { continue };
        let found = program::from_elf(&mut file).map_err(|cause| Error::io("read", root.display(&path), &cause))?;
        let Some(found) = found.map(|version| version.minor) else { continue };
        known = match known {
            Known::InProgram(other) if other != found => return Ok(Known::Disputed(other, found)),
            _ => Known::InProgram(found),
        };
    }
    Ok(known)
}
