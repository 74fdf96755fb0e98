//! Which mount is on which, which covers which, and which are unmounted together.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::{Mount, Propagation};

/// The mounts of a [`super::Mounts`] as a tree.
///
/// A mount can be covered: by one on its root, or by one on a directory above its mount point. It is reached by its
/// path only once that one is unmounted.
#[derive(Debug)]
pub struct MountTree<'m> {
    all: &'m [Mount],
    by_id: HashMap<u32, usize>,
    /// What is mounted on a mount, at which path. None: on one that the calling thread does not see.
    on: HashMap<(Option<usize>, &'m Path), usize>,
    /// The same, in the order in which they are unmounted.
    children: HashMap<Option<usize>, Vec<usize>>,
    groups: Groups,
}

/// The mounts of each peer group, and those that receive mounts from it.
#[derive(Debug, Default)]
struct Groups {
    members: HashMap<u32, Vec<usize>>,
    slaves: HashMap<u32, Vec<usize>>,
}

impl<'m> MountTree<'m> {
    pub(super) fn of(all: &'m [Mount]) -> MountTree<'m> {
        let by_id: HashMap<u32, usize> = (0..).zip(all).map(|(at, mount)| (mount.id, at)).collect();
        let mut tree =
            MountTree { all, by_id, on: HashMap::new(), children: HashMap::new(), groups: Groups::default() };
        for (at, mount) in (0..).zip(all) {
            let parent = tree.parent_of(mount);
            tree.on.insert((parent, &mount.point), at);
            tree.children.entry(parent).or_default().push(at);
            let Propagation { shared, master, from, .. } = mount.propagation;
            shared.into_iter().for_each(|group| tree.groups.members.entry(group).or_default().push(at));
            [master, from].iter().flatten().for_each(|group| tree.groups.slaves.entry(*group).or_default().push(at));
        }
        for children in tree.children.values_mut() {
            // One on a directory above another covers that; a later one can cover an earlier one.
            children.sort_by_key(|at| (all[*at].point.components().count(), Reverse(*at)));
        }
        tree
    }

    /// By its number.
    pub fn get(&self, id: u32) -> Option<&'m Mount> {
        self.by_id.get(&id).map(|at| &self.all[*at])
    }

    /// What it is mounted on; none if the calling thread does not see that.
    pub fn parent(&self, mount: &Mount) -> Option<&'m Mount> {
        self.parent_of(mount).map(|at| &self.all[at])
    }

    /// What is mounted directly on it.
    pub fn children(&self, mount: &Mount) -> impl Iterator<Item = &'m Mount> {
        let children = self.by_id.get(&mount.id).and_then(|at| self.children.get(&Some(*at)));
        children.into_iter().flatten().map(|at| &self.all[*at])
    }

    /// All mounts in an order in which they can be unmounted: each after what is mounted on it or covers it.
    pub fn post_order(&self) -> Vec<&'m Mount> {
        let of = |parent: Option<usize>| self.children.get(&parent).into_iter().flatten().copied();
        // The reverse of the way down, so that no nesting is too deep.
        let mut todo: Vec<usize> = of(None).collect();
        let mut down = Vec::with_capacity(self.all.len());
        while let Some(at) = todo.pop() {
            down.push(&self.all[at]);
            todo.extend(of(Some(at)));
        }
        down.reverse();
        down
    }

    /// Those strictly below a path, links resolved, in that order.
    pub fn below(&self, path: &Path) -> Vec<&'m Mount> {
        let mut all = self.post_order();
        all.retain(|mount| is_below(&mount.point, path));
        all
    }

    /// The mount that a path without links leads to.
    pub fn reached_by(&self, path: &Path) -> Option<&'m Mount> {
        self.walk(path).last().map(|at| &self.all[*at])
    }

    /// The mount that covers it, if it is not reached by its path.
    pub fn covered_by(&self, mount: &Mount) -> Option<&'m Mount> {
        let walked = self.walk(&mount.point);
        let chain = self.chain(mount);
        let covers = walked.iter().find(|at| !chain.contains(at));
        covers.map(|at| &self.all[*at])
    }

    /// The mounts elsewhere that the kernel unmounts with it: what it is mounted on shares its mounts with others.
    pub fn unmounted_with(&self, mount: &Mount) -> Vec<&'m Mount> {
        let Some((parent, place)) = self.place(mount) else { return Vec::new() };
        let receiver = |at: usize| {
            let receiver = &self.all[at];
            let point = receiver.point.join(place.strip_prefix(&receiver.root).ok()?);
            self.on.get(&(Some(at), point.as_path())).map(|at| &self.all[*at])
        };
        let all = self.receivers(parent).into_iter().filter_map(receiver);
        all.filter(|other| other.id != mount.id).collect()
    }

    /// The mount that it is mounted on, and where in the file system of that.
    fn place(&self, mount: &Mount) -> Option<(&'m Mount, PathBuf)> {
        let parent = self.parent(mount)?;
        Some((parent, parent.root.join(mount.point.strip_prefix(&parent.point).ok()?)))
    }

    /// Those that see what is mounted and unmounted on a mount, also by way of others.
    fn receivers(&self, mount: &Mount) -> Vec<usize> {
        let mut receivers = Vec::new();
        let mut todo: Vec<u32> = mount.propagation.shared.into_iter().collect();
        let mut groups: HashSet<u32> = todo.iter().copied().collect();
        let mut seen = HashSet::new();
        while let Some(group) = todo.pop() {
            let of = |map: &'_ HashMap<u32, Vec<usize>>| map.get(&group).cloned().unwrap_or_default();
            for at in of(&self.groups.members).into_iter().chain(of(&self.groups.slaves)) {
                if !seen.insert(at) {
                    continue;
                }
                receivers.push(at);
                todo.extend(self.all[at].propagation.shared.filter(|group| groups.insert(*group)));
            }
        }
        receivers
    }

    fn parent_of(&self, mount: &Mount) -> Option<usize> {
        self.by_id.get(&mount.parent).copied().filter(|at| self.all[*at].id != mount.id)
    }

    /// It and all that it is mounted on.
    fn chain(&self, mount: &Mount) -> HashSet<usize> {
        let mut chain = HashSet::new();
        let mut next = self.by_id.get(&mount.id).copied();
        while let Some(at) = next.filter(|at| chain.insert(*at)) {
            next = self.parent_of(&self.all[at]);
        }
        chain
    }

    /// The mounts that the lookup of a path comes through.
    fn walk(&self, path: &Path) -> Vec<usize> {
        let mut walked: Vec<usize> = Vec::new();
        let dirs: Vec<&Path> = path.ancestors().collect();
        for dir in dirs.into_iter().rev() {
            while let Some(at) = self.on.get(&(walked.last().copied(), dir)) {
                walked.push(*at);
            }
        }
        walked
    }
}

/// Whether a path is strictly below another.
pub(crate) fn is_below(path: &Path, top: &Path) -> bool {
    path != top && path.starts_with(top)
}
