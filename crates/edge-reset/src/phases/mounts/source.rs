//! What is mounted, for people.

use edge_host::{Mount, Mounts};

/// `bind of /srv/data, which stays`, or type and source.
pub(super) fn of(mount: &Mount, mounts: &Mounts) -> String {
    // The same part of the file system elsewhere: of those the mount that shows the least besides.
    let elsewhere = mounts
        .iter()
        .filter(|other| other.id != mount.id && other.device == mount.device && mount.point != other.point)
        .filter(|other| other.id < mount.id || other.root != mount.root)
        .filter_map(|other| Some((other, other.point.join(mount.root.strip_prefix(&other.root).ok()?))))
        .max_by_key(|(other, _)| other.root.components().count());
    match elsewhere {
        Some((_, path)) => format!("bind of {}, which stays", path.components().collect::<std::path::PathBuf>().display()),
        None => format!("{} {}", mount.kind, mount.source.display()),
    }
}
