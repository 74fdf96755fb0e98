//! What CRI-O loads: its main file, then every file of its directory and of those in it, as a walk meets them.

use std::path::{Path, PathBuf};

use edge_host::{FileSnapshot, Host, Result, State};

use super::{ConfFile, DIR, MAIN};

/// What stands at a place that CRI-O loads.
struct Met {
    path: PathBuf,
    found: FileSnapshot,
}

/// Reads what CRI-O loads, in its order. What it cannot load is left out here, see [`unloadable`].
pub fn read(host: &Host) -> Result<Vec<ConfFile>> {
    let files = all(host)?.into_iter().filter(|met| matches!(met.found.state, State::File { .. }));
    Ok(files
        .map(|met| ConfFile { text: String::from_utf8_lossy(&met.found.bytes).into_owned(), path: met.path })
        .collect())
}

/// What CRI-O tries to load and cannot, with the reason: it does not start then.
///
/// It follows a link to a file, and takes one to a directory for a file.
pub fn unloadable(host: &Host) -> Result<Vec<(PathBuf, String)>> {
    let mut all_of_it = Vec::new();
    for Met { path, found } in all(host)? {
        let why = match &found.state {
            State::File { .. } if std::str::from_utf8(&found.bytes).is_err() => "is no UTF-8 text".to_owned(),
            State::File { .. } => continue,
            State::Absent => "is a link to nothing".to_owned(),
            State::Directory { .. } => "is a link to a directory, which it takes for a file".to_owned(),
            other => format!("is {}", other.describe()),
        };
        all_of_it.push((path, why));
    }
    Ok(all_of_it)
}

fn all(host: &Host) -> Result<Vec<Met>> {
    let mut met = Vec::new();
    let main = host.root.find(Path::new(MAIN))?;
    if main.exists() {
        met.push(Met { path: MAIN.into(), found: main });
    }
    if host.root.find(Path::new(DIR))?.exists() {
        walk(host, Path::new(DIR), &mut met)?;
    }
    Ok(met)
}

fn walk(host: &Host, path: &Path, met: &mut Vec<Met>) -> Result<()> {
    if !matches!(host.root.find_link(path)?.state, State::Directory { .. }) {
        met.push(Met { path: path.to_path_buf(), found: host.root.find(path)? });
        return Ok(());
    }
    for name in host.root.list(path)? {
        walk(host, &path.join(name), met)?;
    }
    Ok(())
}
