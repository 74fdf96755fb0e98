//! Directories of volumes that are not mounted now and hold something: an application ran without its volume.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use edge_host::{Host, Mounts, Result};
use serde::Deserialize;

use super::row::{Name, Shape};
use crate::context::Context;

/// A `[[volume]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct VolumeRow {
    path: Shape,
}

/// Directories in the root of a kubelet on which a volume is mounted as a rule, where nothing is mounted and something
/// is in them; each with the number of its entries.
pub(crate) fn unmounted_volumes(host: &Host, context: &Context, root: &Path) -> Result<Vec<(PathBuf, usize)>> {
    let root = host.root.canonical(root)?;
    let mounts = Mounts::read()?;
    let tree = mounts.tree();
    let own = tree.reached_by(&root).map(|mount| mount.id);
    let mut found = Vec::new();
    for row in context.ownership.rows::<VolumeRow>("volume")? {
        for dir in matching(host, &root, row.own.path.names())? {
            // What is mounted is not looked at.
            if tree.reached_by(&dir).map(|mount| mount.id) != own {
                continue;
            }
            // A file in the place of a volume is not a directory with something in it.
            let count = host.root.count(&dir).unwrap_or_default();
            if count > 0 {
                found.push((dir, count));
            }
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

/// What exists below a directory in this shape. Nothing is entered that a mount is on.
fn matching(host: &Host, root: &Path, parts: &[Name]) -> Result<Vec<PathBuf>> {
    let mounts = Mounts::read()?;
    let mut dirs = vec![root.to_path_buf()];
    for part in parts {
        let mut next = Vec::new();
        for dir in &dirs {
            let is_mounted = dir != root && mounts.at(dir).is_some();
            let names = if is_mounted { Vec::new() } else { names_in(host, dir)? };
            next.extend(names.iter().filter(|name| part.matches(name)).map(|name| dir.join(name)));
        }
        dirs = next;
    }
    Ok(dirs)
}

fn names_in(host: &Host, dir: &Path) -> Result<Vec<OsString>> {
    match host.root.list(dir) {
        // A file.
        Err(error) if error.io_kind() == Some(ErrorKind::NotADirectory) => Ok(Vec::new()),
        listed => listed,
    }
}
