//! Moves a tree to the trash beside it, and back: `PARENT/.edgeutils-trash-RUN/NAME`, on the same mount, so that
//! nothing in it is read or copied, and private (0700), so that the keys in it are.
//!
//! A mount in the tree would move along. What calls this looks at the mounts before and after.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use nix::dir::{Dir, Entry};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, renameat};
use nix::sys::stat::{Mode, SFlag, fstat, fstatat, mkdirat};
use nix::unistd::{UnlinkatFlags, fsync, geteuid, linkat, unlinkat};
use serde::{Deserialize, Serialize};

use super::Root;
use super::delete::{Leftovers, delete};
use super::read::kind;
use super::resolve::{LastLink, ResolvedPath};
use super::stage::DIR_FLAGS;
use crate::error::Result;

/// The number of the run follows.
const TRASH: &str = ".edgeutils-trash-";
const DESCRIPTORS: &str = "/proc/self/fd";
const PRIVATE: u32 = 0o700;

/// Which file or directory is at a path, whatever is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inode {
    /// Its number in the file system, which is used again when it is deleted.
    number: u64,
    /// When it was created, in nanoseconds since 1970; none where the file system does not record it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    created: Option<u64>,
}

impl Inode {
    fn of(fd: OwnedFd) -> io::Result<Inode> {
        let meta = File::from(fd).metadata()?;
        let created = meta.created().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        Ok(Inode { number: meta.ino(), created: created.and_then(|time| u64::try_from(time.as_nanos()).ok()) })
    }
}

/// The entry of a directory itself, also a link.
const ENTRY: OFlag = OFlag::O_PATH.union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);

impl Root {
    /// What `path` itself is, a link not followed; none if it does not exist.
    pub fn inode(&self, path: &Path) -> Result<Option<Inode>> {
        let found = self.resolve(path, LastLink::Keep).and_then(|resolved| resolved.inode());
        found.map_err(|cause| self.path_error("read", path, &cause))
    }
}

impl ResolvedPath<'_> {
    pub(crate) fn inode(&self) -> io::Result<Option<Inode>> {
        match self.open(ENTRY) {
            Ok(fd) => Inode::of(fd).map(Some),
            Err(cause) if cause.raw_os_error() == Some(Errno::ENOENT as i32) => Ok(None),
            Err(cause) => Err(cause),
        }
    }

    /// Whether it is a directory with nothing in it.
    pub(crate) fn is_empty_dir(&self) -> io::Result<bool> {
        match self.open(DIR_FLAGS) {
            Ok(dir) => {
                let mut names = Dir::from_fd(dir)?.into_iter();
                let is_name = |entry: &nix::Result<Entry>| {
                    !entry.as_ref().is_ok_and(|entry| [c".", c".."].contains(&entry.file_name()))
                };
                Ok(names.find(is_name).transpose()?.is_none())
            }
            Err(cause) if cause.raw_os_error() == Some(Errno::ENOTDIR as i32) => Ok(false),
            Err(cause) => Err(cause),
        }
    }

    /// The path as mountinfo has it, with all links resolved.
    pub(crate) fn mounted_path(&self) -> io::Result<PathBuf> {
        Ok(fs::read_link(Path::new(DESCRIPTORS).join(self.dir().as_raw_fd().to_string()))?.join(&self.name))
    }

    /// The same in the trash of a run.
    pub(crate) fn mounted_path_in_trash(&self, run: u64) -> io::Result<PathBuf> {
        Ok(trash_path(&self.mounted_path()?, run))
    }

    /// What has its name in the trash of a run.
    pub(crate) fn inode_in_trash(&self, run: u64) -> io::Result<Option<Inode>> {
        let Some(trash) = self.trash(run)? else { return Ok(None) };
        match openat(&trash, self.name.as_os_str(), ENTRY, Mode::empty()) {
            Ok(fd) => Inode::of(fd).map(Some),
            Err(Errno::ENOENT) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Moves it to the trash of a run. EXDEV: it is on the lower layer of an overlay; EBUSY: it is a mount point.
    pub(crate) fn move_to_trash(&self, run: u64) -> io::Result<()> {
        let trash = self.make_trash(run)?;
        let moved = match fstatat(&trash, self.name.as_os_str(), AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(_) => Err(Errno::EEXIST),
            Err(_) => renameat(self.dir(), self.name.as_os_str(), &trash, self.name.as_os_str()),
        };
        if let Err(errno) = moved {
            self.remove_empty_trash(run)?;
            return Err(errno.into());
        }
        fsync(&trash)?;
        self.sync_dir()
    }

    /// Moves it back. EEXIST, ENOTEMPTY or ENOTDIR: there is something else in its place; an empty directory is
    /// replaced by a directory.
    pub(crate) fn move_from_trash(&self, run: u64) -> io::Result<()> {
        let trash = self.trash(run)?.ok_or(Errno::ENOENT)?;
        let name = self.name.as_os_str();
        let stat = fstatat(&trash, name, AtFlags::AT_SYMLINK_NOFOLLOW)?;
        if kind(&stat) == SFlag::S_IFDIR {
            renameat(&trash, name, self.dir(), name)?;
        } else {
            // Unlike a rename, a link does not replace what is there.
            linkat(&trash, name, self.dir(), name, AtFlags::empty())?;
            unlinkat(&trash, name, UnlinkatFlags::NoRemoveDir)?;
        }
        self.sync_dir()?;
        self.remove_empty_trash(run)
    }

    /// Removes the trash of a run if nothing is in it, and of a file that is back in its place the name in it.
    pub(crate) fn clear_trash(&self, run: u64) -> io::Result<()> {
        let own = self.stat()?;
        if let (Some(own), Some(trash)) = (own, self.trash(run)?)
            && kind(&own) != SFlag::S_IFDIR
            && self.inode_in_trash(run)? == self.inode()?
        {
            unlinkat(&trash, self.name.as_os_str(), UnlinkatFlags::NoRemoveDir)?;
        }
        self.remove_empty_trash(run)
    }

    /// Deletes what has its name in the trash of a run, and then the trash if nothing else is in it; mounts stay.
    pub(crate) fn delete_from_trash(&self, run: u64) -> io::Result<Leftovers> {
        let Some(trash) = self.trash(run)? else { return Ok(Leftovers::default()) };
        let leftovers = delete(trash.as_fd(), &self.name);
        self.remove_empty_trash(run)?;
        Ok(leftovers)
    }

    /// Deletes it with everything below it; mounts stay.
    pub(crate) fn delete_tree(&self) -> Leftovers {
        delete(self.dir(), &self.name)
    }

    /// Removes the trash of a run if nothing is in it.
    pub(crate) fn remove_empty_trash(&self, run: u64) -> io::Result<()> {
        if !self.missing.is_empty() {
            return Ok(());
        }
        match unlinkat(self.dir(), trash_name(run).as_os_str(), UnlinkatFlags::RemoveDir) {
            Ok(()) => self.sync_dir(),
            Err(Errno::ENOENT | Errno::ENOTEMPTY | Errno::EEXIST) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    fn make_trash(&self, run: u64) -> io::Result<OwnedFd> {
        match mkdirat(self.dir(), trash_name(run).as_os_str(), Mode::from_bits_truncate(PRIVATE)) {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(errno) => return Err(errno.into()),
        }
        self.trash(run)?.ok_or_else(|| Errno::ENOENT.into())
    }

    /// The trash of a run, if there is one. One that others can write, or that is not the caller's, is an error.
    fn trash(&self, run: u64) -> io::Result<Option<OwnedFd>> {
        if !self.missing.is_empty() {
            return Ok(None);
        }
        let name = trash_name(run);
        let trash = match openat(self.dir(), name.as_os_str(), DIR_FLAGS, Mode::empty()) {
            Ok(trash) => trash,
            Err(Errno::ENOENT) => return Ok(None),
            Err(errno) => return Err(errno.into()),
        };
        let stat = fstat(&trash)?;
        if stat.st_uid != geteuid().as_raw() || stat.st_mode & 0o777 & !PRIVATE != 0 {
            return Err(io::Error::other(format!("{} is not a private directory", OsStr::new(&name).display())));
        }
        Ok(Some(trash))
    }
}

/// Where a path is when it is in the trash of a run.
pub(crate) fn trash_path(path: &Path, run: u64) -> PathBuf {
    path.with_file_name(trash_name(run)).join(path.file_name().unwrap_or_default())
}

fn trash_name(run: u64) -> OsString {
    OsString::from(format!("{TRASH}{run}"))
}
