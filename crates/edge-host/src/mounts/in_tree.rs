//! The mounts that keep a tree at its place: those in it, and those elsewhere that show it or a part of it.
//!
//! A rename takes the ones along, and a deletion takes the files from the others. They are compared by their places in
//! the file system, because a directory that is bound elsewhere has several paths.

use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::parse::unescaped;
use super::{Mount, Mounts};
use crate::shell::quoted;
use crate::unmount::users_of;

/// Behind the root of a mount whose directory or file was deleted: it is in no tree any more.
const DELETED: &[u8] = b"//deleted";
/// The options of an overlay that name its layers.
const LAYERS: [&str; 4] = ["upperdir=", "workdir=", "lowerdir=", "lowerdir+="];

/// A mount that keeps a tree at its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeMount {
    /// Where it is mounted.
    pub point: PathBuf,
    /// Whether that is in the tree.
    pub is_inside: bool,
    /// What it does with the tree.
    what: String,
}

impl TreeMount {
    /// What is in the way, with the processes that hold it (`/srv/a is mounted, and in use by process 7 (/usr/bin/x)`);
    /// and what to do about it.
    pub fn explain(&self) -> (String, String) {
        let unmount = format!("unmount it (umount {})", quoted(&self.point.display().to_string()));
        match users_of(&self.point) {
            Some(users) => (
                format!("{}, and in use by {users}", self.what),
                format!("end what uses it, {unmount}, then run the command again"),
            ),
            None => (self.what.clone(), format!("{unmount}, then run the command again")),
        }
    }
}

impl Mounts {
    /// The mounts that keep the tree at `path`, which is without links and on the mount of this number.
    pub(crate) fn of_tree(&self, path: &Path, on: Option<u64>) -> Vec<TreeMount> {
        let by_id: HashMap<u32, &Mount> = self.iter().map(|mount| (mount.id, mount)).collect();
        let on = on.and_then(|on| by_id.get(&u32::try_from(on).ok()?));
        let place = on.and_then(|on| place_on(on, path));
        let is_in = |mount: &Mount| {
            mount.point.starts_with(path)
                || place.as_ref().is_some_and(|(device, tree)| {
                    let point = by_id.get(&mount.parent).and_then(|parent| place_on(parent, &mount.point));
                    point.is_some_and(|(of, point)| of == *device && point.starts_with(tree))
                })
        };
        let of_one = |mount: &Mount| {
            let point = mount.point.display();
            let is_inside = is_in(mount);
            let found = |what: String| Some(TreeMount { point: mount.point.clone(), is_inside, what });
            if is_inside {
                return found(format!("{point} is mounted"));
            }
            let shown = place.as_ref().filter(|(device, _)| *device == mount.device && !is_deleted(&mount.root));
            if let Some(part) = shown.and_then(|(_, tree)| mount.root.strip_prefix(tree).ok()) {
                return found(match part.as_os_str().is_empty() {
                    true => format!("it is also mounted on {point}"),
                    false => format!("{} is also mounted on {point}", path.join(part).display()),
                });
            }
            let layer = layers(mount).find(|layer| layer.starts_with(path))?;
            found(format!("{} is a layer of what is mounted on {point}", layer.display()))
        };
        self.iter().filter_map(of_one).collect()
    }
}

/// The device of a mount, and where in its file system a path on it is.
fn place_on(mount: &Mount, path: &Path) -> Option<((u32, u32), PathBuf)> {
    // The root of a mount that was deleted is a path of nothing.
    let rest = path.strip_prefix(&mount.point).ok().filter(|_| !is_deleted(&mount.root))?;
    Some((mount.device, mount.root.join(rest)))
}

fn is_deleted(root: &Path) -> bool {
    root.as_os_str().as_bytes().ends_with(DELETED)
}

fn layers(mount: &Mount) -> impl Iterator<Item = PathBuf> {
    let options = mount.super_options.iter().filter(|_| mount.kind == "overlay");
    let paths = options.filter_map(|option| LAYERS.iter().find_map(|name| option.strip_prefix(name)));
    paths.flat_map(|paths| paths.split(':')).map(|path| PathBuf::from(unescaped(path.as_bytes())))
}
