//! What is mounted, for people.

use std::path::PathBuf;

use edge_host::{Mount, Mounts};

use super::NAMESPACE;

/// `bind of /srv/data, which stays`, `net namespace`, or type and source. `stays` is whether a mount is none of ours.
pub(super) fn of(mount: &Mount, mounts: &Mounts, stays: impl Fn(&Mount) -> bool) -> String {
    if mount.kind == NAMESPACE {
        let root = mount.root.to_string_lossy();
        return format!("{} namespace", root.split(':').next().unwrap_or_default());
    }
    // The same part of the file system elsewhere: of those the mount that shows the least besides.
    let elsewhere = mounts
        .iter()
        .filter(|other| other.device == mount.device && stays(other))
        .filter_map(|other| Some((other, other.point.join(mount.root.strip_prefix(&other.root).ok()?))))
        .max_by_key(|(other, _)| other.root.components().count());
    match elsewhere {
        Some((_, path)) => format!("bind of {}, which stays", path.components().collect::<PathBuf>().display()),
        None => format!("{} {}", mount.kind, mount.source.display()),
    }
}
