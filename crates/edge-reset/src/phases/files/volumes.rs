//! Volumes whose directory contains files although nothing is mounted there: an application has written them while the
//! volume was not mounted, and nobody looks for them.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use edge_host::{EntryKind, Result};
use serde::Deserialize;

use super::finder::Finder;
use crate::context::Context;
use crate::ownership::Row;

const PODS: &str = "pods";
const VOLUMES: &str = "volumes";
/// Binds of a part of a volume: `volume-subpaths/VOLUME/CONTAINER/NUMBER`.
const SUBPATHS: &str = "volume-subpaths";
/// CSI volumes are mounted below their directory.
const MOUNT: &str = "mount";
/// How many are named.
const SHOWN: usize = 3;

/// A `[[volume_kind]]` of the data.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kinds {
    kinds: Vec<String>,
}

pub(super) fn check(context: &Context) -> Result<()> {
    context.ownership.rows::<Kinds>("volume_kind").map(drop)
}

/// A line for each of the first, and the number of the others.
pub(super) fn not_mounted(finder: &Finder<'_>, root: &Path) -> Result<Vec<String>> {
    let rows: Vec<Row<Kinds>> = finder.context.ownership.rows("volume_kind")?;
    let kinds: Vec<&str> = rows.iter().flat_map(|row| row.own.kinds.iter().map(String::as_str)).collect();
    let mut found = Vec::new();
    for pod in children(finder, &root.join(PODS))? {
        for kind in children(finder, &pod.join(VOLUMES))? {
            if !kind.file_name().is_some_and(|name| kinds.iter().any(|kind| name == *kind)) {
                continue;
            }
            for volume in children(finder, &kind)? {
                let inner = volume.join(MOUNT);
                let place = if finder.inode(&inner)?.is_some() { inner } else { volume };
                look(finder, &place, &mut found)?;
            }
        }
        for volume in children(finder, &pod.join(SUBPATHS))? {
            for container in children(finder, &volume)? {
                for place in children(finder, &container)? {
                    look(finder, &place, &mut found)?;
                }
            }
        }
    }
    let more = found.len().saturating_sub(SHOWN);
    let mut lines: Vec<String> = found
        .into_iter()
        .take(SHOWN)
        .map(|(path, count)| {
            let entries = if count == 1 { "entry" } else { "entries" };
            format!("{} holds {count} {entries} though nothing is mounted", path.display())
        })
        .collect();
    lines.extend((more > 0).then(|| format!("and so do {more} more")));
    Ok(lines)
}

fn look(finder: &Finder<'_>, place: &Path, found: &mut Vec<(PathBuf, usize)>) -> Result<()> {
    let count = children(finder, place)?.len();
    found.extend((count > 0).then(|| (place.to_path_buf(), count)));
    Ok(())
}

/// What is in a directory on which nothing is mounted. What is mounted is not touched: its server may be dead.
fn children(finder: &Finder<'_>, dir: &Path) -> Result<Vec<PathBuf>> {
    let found = match finder.inode(dir) {
        Err(error) if error.io_kind() == Some(ErrorKind::NotADirectory) => None,
        found => found?,
    };
    if found.is_none() || finder.places.is_mounted(dir)? {
        return Ok(Vec::new());
    }
    let root = &finder.host.root;
    if root.entry_kind(dir)? != Some(EntryKind::Directory) {
        return Ok(Vec::new());
    }
    Ok(root.list(dir)?.iter().map(|name| dir.join(name)).collect())
}
