//! Volumes whose directory contains files although nothing is mounted there: an application has written them while the
//! volume was not mounted, and nobody looks for them.

use std::collections::HashSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use edge_host::{EntryKind, Host, Mounts, Result};
use serde::Deserialize;

use crate::context::Context;
use crate::ownership::{Ownership, Row};

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

/// Where to look.
struct Look<'h> {
    host: &'h Host,
    /// Where something is mounted.
    points: HashSet<&'h Path>,
    root: &'h Path,
    /// The root in the mount table. No link is followed below it.
    mounted: PathBuf,
}

/// A line for each of the first below the root of a kubelet or in one of its pods, and the number of the others.
pub(crate) fn not_mounted(host: &Host, ownership: &Ownership, mounts: &Mounts, root: &Path) -> Result<Vec<String>> {
    let rows: Vec<Row<Kinds>> = ownership.rows("volume_kind")?;
    let kinds: Vec<&str> = rows.iter().flat_map(|row| row.own.kinds.iter().map(String::as_str)).collect();
    let points = mounts.iter().map(|mount| mount.point.as_path()).collect();
    let look = Look { host, points, root, mounted: host.root.mounted_path(root)? };
    let mut found = Vec::new();
    // The root of a kubelet, or one of its pods.
    let pods = match root.parent().and_then(Path::file_name) {
        Some(name) if name == PODS => vec![root.to_path_buf()],
        _ => look.children(&root.join(PODS))?,
    };
    for pod in pods {
        for kind in look.children(&pod.join(VOLUMES))? {
            if !kind.file_name().is_some_and(|name| kinds.iter().any(|kind| name == *kind)) {
                continue;
            }
            for volume in look.children(&kind)? {
                let inner = volume.join(MOUNT);
                if !look.is_own(&volume)? || look.is_mounted(&inner) {
                    continue;
                }
                let place = if host.root.inode(&inner)?.is_some() { inner } else { volume };
                look.at(&place, &mut found)?;
            }
        }
        for volume in look.children(&pod.join(SUBPATHS))? {
            for container in look.children(&volume)? {
                for place in look.children(&container)? {
                    look.at(&place, &mut found)?;
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

impl Look<'_> {
    /// It may contain millions of files.
    fn at(&self, place: &Path, found: &mut Vec<(PathBuf, usize)>) -> Result<()> {
        let count = if self.is_own(place)? { self.host.root.count(place)? } else { 0 };
        found.extend((count > 0).then(|| (place.to_path_buf(), count)));
        Ok(())
    }

    fn children(&self, dir: &Path) -> Result<Vec<PathBuf>> {
        let names = if self.is_own(dir)? { self.host.root.list(dir)? } else { Vec::new() };
        Ok(names.iter().map(|name| dir.join(name)).collect())
    }

    /// Whether it is a directory on which nothing is mounted.
    fn is_own(&self, dir: &Path) -> Result<bool> {
        if self.is_mounted(dir) {
            return Ok(false);
        }
        match self.host.root.entry_kind(dir) {
            Err(error) if error.io_kind() == Some(ErrorKind::NotADirectory) => Ok(false),
            kind => Ok(kind? == Some(EntryKind::Directory)),
        }
    }

    /// Whether something is mounted at a path below the root. It is not touched, not even opened: the server of what is
    /// mounted may be dead.
    fn is_mounted(&self, path: &Path) -> bool {
        path.strip_prefix(self.root).is_ok_and(|below| self.points.contains(self.mounted.join(below).as_path()))
    }
}
