//! Unmounts one mount, and nothing else: not another one that came to its place, and not one elsewhere that shares
//! its mounts with it.
//!
//! The kernel passes an unmount on to the peers and slaves of the mount *below*: of a tree that was bound with all
//! its mounts from a shared one, the unmount of a mount in the copy would unmount the original. So the whole copy is
//! made a slave before the first unmount in it; to do that for each mount right before its own unmount is too late.
//!
//! No file of the mount is looked at, as that never ends if its server is dead. What may hang is done in a thread
//! with a deadline.

mod holders;
mod place;
#[cfg(test)]
mod tests;
mod timed;

use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::mount::MntFlags;

pub use self::holders::namespaces_in_use;
use self::holders::{Holder, holders, members};
use self::place::Place;
use self::timed::{Answer, within};
use crate::action::{Effect, EffectVerb};
use crate::error::{Error, Result, ResultExt};
use crate::mounts::{Mount, MountTree, Mounts, is_below};
use crate::shell::quoted;

/// A server that has not answered by then counts as dead.
const DEADLINE: Duration = Duration::from_secs(10);
/// For what is still to be written to a server that answers.
const SYNC: Duration = Duration::from_secs(90);
/// A process that has just ended may hold it for a moment.
const BUSY_ATTEMPTS: u32 = 10;
const BUSY_PAUSE: Duration = Duration::from_millis(100);
/// Of the holders in a message.
const MAX_SHOWN: usize = 4;
const VERB: &str = "unmount";

/// File systems whose server can be elsewhere or dead.
const REMOTE: [&str; 12] =
    ["nfs", "nfs4", "cifs", "smb3", "ceph", "9p", "afs", "lustre", "glusterfs", "beegfs", "fuse", "fuseblk"];
const FUSE_SUBTYPE: &str = "fuse.";
/// File systems that show the kernel, and contain nothing that a process could still write. Not tmpfs: whoever holds
/// it may be writing data. Not bpf: it belongs to the host.
const PSEUDO: [&str; 7] = ["proc", "sysfs", "cgroup", "cgroup2", "nsfs", "mqueue", "devpts"];

/// What keeps a namespace.
const NAMESPACE: &str = "nsfs";

/// One mount that is to be unmounted.
#[derive(Debug, Clone)]
pub struct Unmount {
    mount: Mount,
    tops: Vec<PathBuf>,
    /// Numbers of mounts below them that stay.
    kept: Vec<u32>,
    deadline: Duration,
    removes_point: bool,
}

impl Unmount {
    /// A mount that is strictly below one of the directories `tops`, whose paths are without links. Mounts that are
    /// not are left as they are.
    pub fn new(mount: &Mount, tops: &[PathBuf]) -> Unmount {
        let (mount, tops) = (mount.clone(), tops.to_vec());
        Unmount { mount, tops, kept: Vec::new(), deadline: DEADLINE, removes_point: false }
    }

    /// The same with mounts, by their numbers, that are left as they are although they are below the directories.
    #[must_use]
    pub fn except(self, kept: &[u32]) -> Unmount {
        Unmount { kept: kept.to_vec(), ..self }
    }

    /// The same with another time for a server to answer than 10 seconds.
    #[must_use]
    pub fn with_deadline(self, deadline: Duration) -> Unmount {
        Unmount { deadline, ..self }
    }

    /// The same, and the empty file that it was mounted on is removed.
    #[must_use]
    pub fn and_remove_its_file(self) -> Unmount {
        Unmount { removes_point: true, ..self }
    }

    /// As a part of a plan.
    pub fn effect(self) -> Effect {
        let object = self.mount.point.display().to_string();
        Effect { verb: EffectVerb::Unmount, object, perform: Box::new(move || self.run()) }
    }

    /// Why it will be refused, if that is certain: a mount elsewhere would be unmounted too.
    pub fn refusal(&self, tree: &MountTree<'_>) -> Option<Error> {
        self.taken_along(tree, &self.mount).map(|other| self.takes_along(other))
    }

    /// Unmounts it.
    ///
    /// Success if it is no longer there. Exit 4 if it is another one by now, is covered, is in use, has something
    /// mounted on it, keeps a namespace that a process is in, or would take along a mount elsewhere.
    pub fn run(self) -> Result<()> {
        if self.is_ready()? {
            // The kernel lets go of the mount, but a process in its namespace keeps that.
            if self.mount.kind == NAMESPACE
                && let Some(users) = shown(&members(&self.mount.root))
            {
                return Err(self.in_use(&users));
            }
            self.carry_out()?;
        }
        if self.removes_point { self.remove_file() } else { Ok(()) }
    }

    /// Looks at it once more, and makes the tree that it is in a slave; false if it is gone.
    fn is_ready(&self) -> Result<bool> {
        let mounts = Mounts::read()?;
        let tree = mounts.tree();
        let Some(now) = self.now(&tree)? else { return Ok(false) };
        if let Some(cover) = tree.covered_by(now) {
            let on = cover.point.display().to_string();
            return Err(self.refused(&format!("it is covered by what is mounted on {on}")).hint(unmount_first(&on)));
        }
        if let Some(child) = tree.children(now).next() {
            let on = child.point.display().to_string();
            return Err(self.refused(&format!("{on} is mounted in it")).hint(unmount_first(&on)));
        }
        let is_shared =
            |tree: &MountTree<'_>| tree.parent(&self.mount).is_some_and(|parent| parent.propagation.shared.is_some());
        match self.top(&tree, now).filter(|_| is_shared(&tree)) {
            Some(top) => self.make_slave(top)?,
            None => return self.taken_along(&tree, now).map_or(Ok(true), |other| Err(self.takes_along(other))),
        }
        let mounts = Mounts::read()?;
        let tree = mounts.tree();
        let Some(now) = self.now(&tree)? else { return Ok(false) };
        match tree.unmounted_with(now).first() {
            Some(other) => Err(self.takes_along(other)),
            None => Ok(true),
        }
    }

    /// The mount as it is now, if it is there.
    fn now<'t>(&self, tree: &MountTree<'t>) -> Result<Option<&'t Mount>> {
        let now = tree.get(self.mount.id);
        if now.is_some_and(|now| now.identity() != self.mount.identity()) {
            return Err(self.replaced());
        }
        Ok(now)
    }

    fn carry_out(&self) -> Result<()> {
        let is_remote = is_remote(&self.mount.kind) && self.is_last_of_its_file_system()?;
        let mut flags = MntFlags::UMOUNT_NOFOLLOW;
        if is_remote && self.is_dead()? {
            flags |= MntFlags::MNT_FORCE;
        }
        let mut attempts = 0;
        loop {
            attempts += 1;
            match self.attempt(flags)? {
                Some(Ok(())) => return Ok(()),
                Some(Err(Errno::EBUSY)) if attempts < BUSY_ATTEMPTS => thread::sleep(BUSY_PAUSE),
                Some(Err(Errno::EBUSY))
                    if PSEUDO.contains(&self.mount.kind.as_str()) && !flags.contains(MntFlags::MNT_DETACH) =>
                {
                    flags |= MntFlags::MNT_DETACH;
                }
                Some(Err(Errno::EBUSY)) => return Err(self.busy()),
                Some(Err(Errno::ESTALE)) => return Err(self.replaced()),
                Some(Err(errno)) => {
                    return if self.is_gone()? { Ok(()) } else { Err(errno).on(VERB, &self.mount.point) };
                }
                // The kernel still writes what was in its memory.
                None if self.is_gone()? => return Ok(()),
                None if is_remote && !flags.contains(MntFlags::MNT_FORCE) => flags |= MntFlags::MNT_FORCE,
                None => return Err(self.hangs("its file system does not answer")),
            }
        }
    }

    /// None if it takes too long.
    fn attempt(&self, flags: MntFlags) -> Result<Option<nix::Result<()>>> {
        let mount = self.mount.clone();
        within(self.deadline, move || Place::of(&mount)?.unmount(&mount, flags)).on(VERB, &self.mount.point)
    }

    fn make_slave(&self, top: &Mount) -> Result<()> {
        let mount = top.clone();
        let made = within(self.deadline, move || Place::of(&mount)?.make_slave(&mount)).on(VERB, &self.mount.point)?;
        match made {
            Some(Ok(())) => Ok(()),
            Some(Err(Errno::ESTALE)) => Err(self.replaced()),
            Some(Err(errno)) => Err(errno).on("make a slave of", &top.point),
            None => Err(self.hangs("the path to it does not answer")),
        }
    }

    /// Whether its server does not answer. What it has not been sent yet, it is sent.
    fn is_dead(&self) -> Result<bool> {
        match timed::ask(&self.mount, self.deadline, SYNC).on(VERB, &self.mount.point)? {
            Answer::Synced => Ok(false),
            Answer::None => Ok(true),
            Answer::Writing => Err(self.hangs("its server answers, but is still being sent data")),
        }
    }

    /// Whether its file system is not mounted elsewhere, where it must go on working.
    fn is_last_of_its_file_system(&self) -> Result<bool> {
        let elsewhere = |mount: &Mount| mount.device == self.mount.device && !self.has(mount);
        Ok(!Mounts::read()?.iter().any(elsewhere))
    }

    fn is_gone(&self) -> Result<bool> {
        let mounts = Mounts::read()?;
        Ok(mounts.tree().get(self.mount.id).is_none_or(|now| !now.shows_the_same_as(&self.mount)))
    }

    fn remove_file(&self) -> Result<()> {
        let mount = self.mount.clone();
        let removed = within(self.deadline, move || Place::of(&mount)?.remove_file()).on(VERB, &self.mount.point)?;
        removed.unwrap_or(Err(Errno::ETIMEDOUT)).on("remove", &self.mount.point)
    }

    /// Whether a mount is strictly below one of the directories, and does not stay.
    fn has(&self, mount: &Mount) -> bool {
        self.tops.iter().any(|top| is_below(&mount.point, top)) && !self.kept.contains(&mount.id)
    }

    /// The highest mount above `mount` that is below the directories and reached by its path.
    fn top<'t>(&self, tree: &MountTree<'t>, mount: &Mount) -> Option<&'t Mount> {
        let mut top = None;
        let mut next = tree.parent(mount);
        while let Some(above) = next.filter(|above| self.has(above)) {
            top = if tree.covered_by(above).is_none() { Some(above) } else { top };
            next = tree.parent(above);
        }
        top
    }

    /// A mount elsewhere that the kernel would unmount with `mount`.
    ///
    /// What is mounted on a directory of ours is also seen where that directory is bound to, and is the same mount
    /// for all who mount and unmount.
    fn taken_along<'t>(&self, tree: &MountTree<'t>, mount: &Mount) -> Option<&'t Mount> {
        if self.top(tree, mount).is_some() {
            return None;
        }
        let is_ours = tree.parent(mount).is_some_and(|parent| self.has(parent));
        let others = tree.unmounted_with(mount);
        let is_image = |other: &Mount| !is_ours && !self.kept.contains(&other.id) && other.shows_the_same_as(mount);
        others.into_iter().find(|other| !self.has(other) && !is_image(other))
    }

    fn takes_along(&self, other: &Mount) -> Error {
        let (point, other) = (self.mount.point.display().to_string(), other.point.display().to_string());
        self.refused(&format!("{other} would be unmounted with it")).hint(format!(
            "if {other} is not needed, unmount both (umount {}), then run the command again",
            quoted(&point)
        ))
    }

    fn busy(&self) -> Error {
        match users_of(&self.mount.point) {
            Some(users) => self.in_use(&users),
            None => self
                .refused("it is in use, and not by a process that can be seen")
                .hint("a loop device, a swap file or an export may be on it: losetup; swapon --show; exportfs"),
        }
    }

    fn in_use(&self, users: &str) -> Error {
        self.refused(&format!("it is in use by {users}")).hint("end what uses it, then run the command again")
    }

    fn replaced(&self) -> Error {
        self.refused("it is another mount by now").hint("run the command again")
    }

    fn hangs(&self, cause: &str) -> Error {
        Error::cannot(VERB, &self.mount.point, cause).hint("run the command again when it answers, or reboot")
    }

    fn refused(&self, cause: &str) -> Error {
        Error::cannot(VERB, &self.mount.point, cause).with_exit(crate::exit::Exit::Refused)
    }
}

/// The processes that hold a mount, if there are any.
pub(crate) fn users_of(point: &Path) -> Option<String> {
    shown(&holders(point))
}

/// Some of them by name.
fn shown(holders: &[Holder]) -> Option<String> {
    let mut shown: Vec<String> = holders.iter().take(MAX_SHOWN).map(ToString::to_string).collect();
    if let Some(more) = holders.len().checked_sub(MAX_SHOWN).filter(|more| *more > 0) {
        shown.push(format!("{more} more"));
    }
    (!shown.is_empty()).then(|| shown.join(", "))
}

fn unmount_first(point: &str) -> String {
    format!("unmount that first (umount {}), then run the command again", quoted(point))
}

fn is_remote(kind: &str) -> bool {
    REMOTE.contains(&kind) || kind.starts_with(FUSE_SUBTYPE)
}
