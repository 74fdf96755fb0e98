//! Control groups: which exist, the end of all processes in one, and the removal of empty ones; cgroup v2 and the
//! hierarchies of v1 (cgroups(7)).
//!
//! Every directory is entered from the one above it and must be one of a cgroup file system, so a removal never gets
//! anywhere else.

mod dir;
mod end;
#[cfg(test)]
mod tests;

use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;

use self::dir::Dir;
use crate::error::{Error, Result, ResultExt};
use crate::mounts::Mounts;

const KINDS: [&str; 2] = ["cgroup2", "cgroup"];
/// The hierarchy of v1 that can forbid new processes.
const PIDS: &str = "pids";
const REMOVE: &str = "remove the control group";
/// A group can be busy for a moment after its last process has ended.
const EMPTY_WITHIN: Duration = Duration::from_secs(2);
const RETRY_EVERY: Duration = Duration::from_millis(10);

/// A control group in one hierarchy.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cgroup {
    /// Where its hierarchy is mounted.
    mount: PathBuf,
    /// Its path in the hierarchy, relative.
    path: PathBuf,
}

/// The top group of every hierarchy that is mounted: v2 first, then those of v1, `pids` first.
pub fn hierarchies() -> Result<Vec<Cgroup>> {
    let mounts = Mounts::read()?;
    let mut found: Vec<(bool, bool, u64, PathBuf)> = Vec::new();
    for mount in mounts.iter().filter(|mount| KINDS.contains(&mount.kind.as_str())) {
        // One that is covered by another mount, or a second mount of the same hierarchy, is passed over.
        let Some(dir) = Dir::open(&mount.point).on("open", &mount.point)? else { continue };
        let device = dir.device().on("open", &mount.point)?;
        if !found.iter().any(|(.., other, _)| *other == device) {
            let is_v1 = mount.kind != KINDS[0];
            let has_pids = mount.super_options.iter().any(|option| option == PIDS);
            found.push((is_v1, !has_pids, device, mount.point.clone()));
        }
    }
    found.sort();
    Ok(found.into_iter().map(|(.., mount)| Cgroup { mount, path: PathBuf::new() }).collect())
}

impl Cgroup {
    /// Its directory.
    pub fn dir(&self) -> PathBuf {
        if self.path.as_os_str().is_empty() { self.mount.clone() } else { self.mount.join(&self.path) }
    }

    /// Its path in its hierarchy, as /proc/PID/cgroup shows it: `/system.slice`.
    pub fn path(&self) -> PathBuf {
        Path::new("/").join(&self.path)
    }

    /// The group of this name in it, or below it (`a/b`), if it exists.
    pub fn child(&self, name: impl AsRef<Path>) -> Result<Option<Cgroup>> {
        let child = Cgroup { mount: self.mount.clone(), path: self.path.join(name) };
        let exists = child.open()?.is_some();
        Ok(exists.then_some(child))
    }

    /// The groups in it, by name. One that is gone has none.
    pub fn children(&self) -> Result<Vec<Cgroup>> {
        let names = match self.open()? {
            Some(dir) => dir.children().on("read", self.dir())?,
            None => Vec::new(),
        };
        Ok(names.into_iter().map(|name| Cgroup { mount: self.mount.clone(), path: self.path.join(name) }).collect())
    }

    /// Its last name; empty for the top of a hierarchy.
    pub fn name(&self) -> &OsStr {
        self.path.file_name().unwrap_or_default()
    }

    /// The numbers of the processes in it and in all groups below it. One that is gone has none.
    ///
    /// A process of a PID namespace that this one cannot see has the number 0.
    pub fn processes(&self) -> Result<Vec<u32>> {
        let Some(dir) = self.open()? else { return Ok(Vec::new()) };
        let members = dir.members().on("read the processes of", self.dir())?;
        Ok(members.into_iter().collect())
    }

    /// The inode number: another one for a group of the same name that was made later.
    pub fn inode(&self) -> Result<Option<u64>> {
        match self.open()? {
            Some(dir) => dir.inode().on("read", self.dir()).map(Some),
            None => Ok(None),
        }
    }

    /// Ends every process in it and below it, also those that are started meanwhile.
    ///
    /// Errors: this process is one of them (exit 4); some still run after `within`.
    pub fn end(&self, within: Duration) -> Result<()> {
        match self.open()? {
            Some(dir) => end::all(&dir, &self.dir(), within),
            None => Ok(()),
        }
    }

    /// Thaws the frozen processes in it and in all groups below it. Only for the freezer hierarchy of v1: there, SIGKILL
    /// does not end a frozen process; in v2 it does.
    pub fn thaw(&self) -> Result<()> {
        match self.open()? {
            Some(dir) => end::thaw(&dir).on("thaw", self.dir()),
            None => Ok(()),
        }
    }

    /// Removes it and all groups below it, the innermost first. One that is gone is success.
    ///
    /// Fails where one has processes; the others are removed anyway.
    pub fn remove(&self) -> Result<()> {
        let (Some(above), Some(name)) = (self.path.parent(), self.path.file_name()) else {
            return Err(Error::cannot(REMOVE, self.dir(), "it is the top of its hierarchy"));
        };
        let above = Cgroup { mount: self.mount.clone(), path: above.to_path_buf() };
        match above.open()? {
            Some(dir) => remove_in(&dir, name, &self.dir(), Instant::now() + EMPTY_WITHIN),
            None => Ok(()),
        }
    }

    fn open(&self) -> Result<Option<Dir>> {
        let mut dir = Dir::open(&self.mount).on("open", &self.mount)?;
        for name in self.path.components() {
            // Never `..`.
            let (Some(above), Component::Normal(name)) = (dir, name) else { return Ok(None) };
            dir = above.enter(name).on("open", self.dir())?;
        }
        Ok(dir)
    }
}

fn remove_in(above: &Dir, name: &OsStr, shown: &Path, until: Instant) -> Result<()> {
    if above.remove(name).is_ok() {
        return Ok(());
    }
    let mut failed = None;
    if let Some(dir) = above.enter(name).on("open", shown)? {
        let children: Vec<OsString> = dir.children().on("read", shown)?;
        for child in children {
            failed = remove_in(&dir, &child, &shown.join(&child), until).err().or(failed);
        }
    }
    if let Some(error) = failed {
        return Err(error);
    }
    loop {
        match above.remove(name) {
            Err(Errno::EBUSY) if Instant::now() < until && !has_processes(above, name) => thread::sleep(RETRY_EVERY),
            Err(Errno::EBUSY) if has_processes(above, name) => {
                return Err(Error::cannot(REMOVE, shown, "it has processes").hint("run the same command again"));
            }
            done => return done.on(REMOVE, shown),
        }
    }
}

fn has_processes(above: &Dir, name: &OsStr) -> bool {
    let members = above.enter(name).and_then(|dir| dir.map(|dir| dir.members()).transpose());
    members.is_ok_and(|members| members.is_some_and(|members| !members.is_empty()))
}
