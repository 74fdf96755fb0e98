//! Reads the files that CRI-O loads, and the options of its unit.

use std::path::PathBuf;

use edge_conflist::crio::loaded;
use edge_host::{Host, Result, State};

use super::{ConfFile, Effective, Merged, Options, effective};

/// CRI-O's configuration as it is in use.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Current {
    /// The files that CRI-O loads, in its order.
    pub files: Vec<ConfFile>,
    /// The options of its unit.
    pub options: Options,
    /// The settings that edge-crio works with.
    pub effective: Effective,
    /// All settings.
    pub merged: Merged,
}

impl Current {
    /// Reads it from the host.
    pub fn read(host: &Host) -> Result<Current> {
        let options = Options::read(&host.root);
        Ok(Current::of(read(host, &options)?, options))
    }

    /// From files in CRI-O's order.
    pub fn of(files: Vec<ConfFile>, options: Options) -> Current {
        let effective = effective(&files).with_options(&options);
        let merged = Merged::of(&files, &options);
        Current { files, options, effective, merged }
    }
}

/// Reads the files that CRI-O loads, in its order. Leaves out what it cannot load, see [`unloadable`].
pub fn read(host: &Host, options: &Options) -> Result<Vec<ConfFile>> {
    let files = loaded(host, options)?.into_iter().filter(|(_, found)| matches!(found.state, State::File { .. }));
    Ok(files.map(|(path, found)| ConfFile { text: String::from_utf8_lossy(&found.bytes).into_owned(), path }).collect())
}

/// The paths that CRI-O tries to load and cannot, with the problem: it does not start then.
///
/// CRI-O follows a link to a file, and fails on a link to a directory, which it reads as a file.
pub fn unloadable(host: &Host, options: &Options) -> Result<Vec<(PathBuf, String)>> {
    let mut problems = Vec::new();
    for (path, found) in loaded(host, options)? {
        let problem = match &found.state {
            State::File { .. } if std::str::from_utf8(&found.bytes).is_err() => "is not UTF-8 text".to_owned(),
            State::File { .. } => continue,
            State::Absent => "is a broken symbolic link".to_owned(),
            State::Directory { .. } => "is a symbolic link to a directory, which CRI-O reads as a file".to_owned(),
            other => format!("is {}", other.describe()),
        };
        problems.push((path, problem));
    }
    Ok(problems)
}
