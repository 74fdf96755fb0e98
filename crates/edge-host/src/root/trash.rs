//! Moves a tree to the trash beside it, and back: `PARENT/.edgeutils-trash-RUN/NAME`, on the same mount, so that
//! nothing in it is read or copied, and private (0700), so that the keys in it are. Where that name is taken, such as by
//! a run of a journal that was lost, another one is used, and recorded.
//!
//! A mount in the tree would move along. What calls this looks at the mounts before and after.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use nix::dir::{Dir, Entry};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, renameat};
use nix::sys::stat::{Mode, SFlag, UtimensatFlags, fstat, fstatat, mkdirat, utimensat};
use nix::sys::statfs::{OVERLAYFS_SUPER_MAGIC, fstatfs};
use nix::sys::time::TimeSpec;
use nix::unistd::{UnlinkatFlags, fsync, geteuid, linkat, unlinkat};
use serde::{Deserialize, Serialize};

use super::Root;
use super::delete::{Leftovers, Stop, delete_until};
use super::read::kind;
use super::resolve::{LastLink, ResolvedPath};
use super::stage::DIR_FLAGS;
use crate::error::Result;

/// The number of the run follows.
const TRASH: &str = ".edgeutils-trash-";
/// Names that are tried.
const MAX_NUMBER: u32 = 100;
const DESCRIPTORS: &str = "/proc/self/fd";
const PRIVATE: u32 = 0o700;

/// Which file or directory is at a path, whatever is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Inode {
    /// Its number in the file system, which is used again when it is deleted; 0 on an overlay, where it does not last, if
    /// the next is known.
    number: u64,
    /// When it was created, in nanoseconds since 1970; none where the file system does not record it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    created: Option<u64>,
}

impl Inode {
    fn of(fd: OwnedFd) -> io::Result<Inode> {
        let is_overlay = is_overlay(&fd)?;
        let meta = File::from(fd).metadata()?;
        let created = meta.created().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let created = created.and_then(|time| u64::try_from(time.as_nanos()).ok());
        Ok(Inode { number: if is_overlay && created.is_some() { 0 } else { meta.ino() }, created })
    }
}

fn is_overlay(fd: impl AsFd) -> io::Result<bool> {
    Ok(fstatfs(fd)?.filesystem_type() == OVERLAYFS_SUPER_MAGIC)
}

/// A trash of a run; which one, if its first name was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Trash {
    pub(crate) run: u64,
    /// None: the usual one.
    pub(crate) number: Option<u32>,
}

impl Trash {
    fn name(self) -> OsString {
        let number = self.number.map(|number| format!(".{number}")).unwrap_or_default();
        OsString::from(format!("{TRASH}{}{number}", self.run))
    }

    /// Where a path is when it is in this trash.
    pub(crate) fn place_of(self, path: &Path) -> PathBuf {
        path.with_file_name(self.name()).join(path.file_name().unwrap_or_default())
    }
}

/// Whether a name is one of a trash.
pub fn is_trash(name: &OsStr) -> bool {
    name.as_bytes().starts_with(TRASH.as_bytes())
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

impl Root {
    /// The names of trashes in a directory, which may be a large one; none if it is not a directory.
    pub(crate) fn trashes(&self, dir: &Path) -> Result<Vec<OsString>> {
        match self.resolve(dir, LastLink::Follow).and_then(|resolved| resolved.trashes()) {
            // It leads to no directory.
            Err(cause) if [Errno::ELOOP, Errno::ENOTDIR].iter().any(|no| cause.raw_os_error() == Some(*no as i32)) => {
                Ok(Vec::new())
            }
            found => found.map_err(|cause| self.path_error("list", dir, &cause)),
        }
    }
}

impl ResolvedPath<'_> {
    fn trashes(&self) -> io::Result<Vec<OsString>> {
        let dir = match self.open(DIR_FLAGS) {
            Ok(dir) => dir,
            Err(cause) if cause.raw_os_error() == Some(Errno::ENOENT as i32) => return Ok(Vec::new()),
            Err(cause) => return Err(cause),
        };
        let names = Dir::from_fd(dir)?.into_iter().map(|entry| {
            let entry = entry?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            Ok(is_trash(name).then(|| name.to_owned()))
        });
        names.filter_map(io::Result::transpose).collect()
    }

    pub(crate) fn inode(&self) -> io::Result<Option<Inode>> {
        match self.open(ENTRY) {
            Ok(fd) => Inode::of(fd).map(Some),
            Err(cause) if cause.raw_os_error() == Some(Errno::ENOENT as i32) => Ok(None),
            Err(cause) => Err(cause),
        }
    }

    /// Brings it to the upper layer, if it is on an overlay: there it is another inode, and a rename would do the same.
    pub(crate) fn copy_up(&self) -> io::Result<()> {
        let Some(stat) = self.stat()?.filter(|_| is_overlay(self.dir()).unwrap_or(false)) else { return Ok(()) };
        let [read, written] = [(stat.st_atime, stat.st_atime_nsec), (stat.st_mtime, stat.st_mtime_nsec)]
            .map(|(seconds, nanos)| TimeSpec::new(seconds, nanos));
        // The times that it has: nothing else is changed of any kind of file.
        Ok(utimensat(self.dir(), self.name.as_os_str(), &read, &written, UtimensatFlags::NoFollowSymlink)?)
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
    pub(crate) fn mounted_path_in_trash(&self, trash: Trash) -> io::Result<PathBuf> {
        Ok(trash.place_of(&self.mounted_path()?))
    }

    /// What has its name in the trash of a run.
    pub(crate) fn inode_in_trash(&self, trash: Trash) -> io::Result<Option<Inode>> {
        let Some(dir) = self.trash(trash)? else { return Ok(None) };
        match openat(&dir, self.name.as_os_str(), ENTRY, Mode::empty()) {
            Ok(fd) => Inode::of(fd).map(Some),
            Err(Errno::ENOENT) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Moves it to the trash of a run. EXDEV: it is on the lower layer of an overlay; EBUSY: it is a mount point.
    pub(crate) fn move_to_trash(&self, trash: Trash) -> io::Result<()> {
        let dir = self.make_trash(trash)?;
        let moved = match fstatat(&dir, self.name.as_os_str(), AtFlags::AT_SYMLINK_NOFOLLOW) {
            // It was made for what is recorded: something else came there since.
            Ok(_) => {
                return Err(io::Error::other(format!("{} is taken", self.mounted_path_in_trash(trash)?.display())));
            }
            Err(_) => renameat(self.dir(), self.name.as_os_str(), &dir, self.name.as_os_str()),
        };
        if let Err(errno) = moved {
            self.remove_empty_trash(trash)?;
            return Err(errno.into());
        }
        fsync(&dir)?;
        self.sync_dir()
    }

    /// Moves it back. EEXIST, ENOTEMPTY or ENOTDIR: there is something else in its place; an empty directory is
    /// replaced by a directory.
    pub(crate) fn move_from_trash(&self, trash: Trash) -> io::Result<()> {
        let dir = self.trash(trash)?.ok_or(Errno::ENOENT)?;
        let name = self.name.as_os_str();
        let stat = fstatat(&dir, name, AtFlags::AT_SYMLINK_NOFOLLOW)?;
        if kind(&stat) == SFlag::S_IFDIR {
            renameat(&dir, name, self.dir(), name)?;
        } else {
            // Unlike a rename, a link does not replace what is there.
            linkat(&dir, name, self.dir(), name, AtFlags::empty())?;
            unlinkat(&dir, name, UnlinkatFlags::NoRemoveDir)?;
        }
        self.sync_dir()?;
        self.remove_empty_trash(trash)
    }

    /// Removes the trash of a run if nothing is in it, and of a file that is back in its place the name in it.
    pub(crate) fn clear_trash(&self, trash: Trash) -> io::Result<()> {
        let own = self.stat()?;
        if let (Some(own), Some(dir)) = (own, self.trash(trash)?)
            && kind(&own) != SFlag::S_IFDIR
            && self.inode_in_trash(trash)? == self.inode()?
        {
            unlinkat(&dir, self.name.as_os_str(), UnlinkatFlags::NoRemoveDir)?;
        }
        self.remove_empty_trash(trash)
    }

    /// Deletes what has its name in the trash of a run, and then the trash if nothing else is in it; mounts stay.
    pub(crate) fn delete_from_trash(&self, trash: Trash, stop: Stop<'_>) -> io::Result<Leftovers> {
        let Some(dir) = self.trash(trash)? else { return Ok(Leftovers::default()) };
        let leftovers = delete_until(dir.as_fd(), &self.name, stop);
        self.remove_empty_trash(trash)?;
        Ok(leftovers)
    }

    /// Deletes it with everything below it; mounts stay.
    pub(crate) fn delete_tree(&self, stop: Stop<'_>) -> Leftovers {
        delete_until(self.dir(), &self.name, stop)
    }

    /// Removes the trash of a run if nothing is in it.
    pub(crate) fn remove_empty_trash(&self, trash: Trash) -> io::Result<()> {
        if !self.missing.is_empty() {
            return Ok(());
        }
        match unlinkat(self.dir(), trash.name().as_os_str(), UnlinkatFlags::RemoveDir) {
            Ok(()) => self.sync_dir(),
            Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ENOTEMPTY | Errno::EEXIST) => Ok(()),
            // A read-only file system fails before it checks whether the name exists.
            Err(Errno::EROFS) if self.is_absent(&trash.name()) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    fn make_trash(&self, trash: Trash) -> io::Result<OwnedFd> {
        match mkdirat(self.dir(), trash.name().as_os_str(), Mode::from_bits_truncate(PRIVATE)) {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(errno) => return Err(errno.into()),
        }
        self.trash(trash)?.ok_or_else(|| Errno::ENOENT.into())
    }

    /// A trash for it that does not exist yet.
    pub(crate) fn free_trash(&self, run: u64) -> io::Result<Trash> {
        for number in [None].into_iter().chain((2..=MAX_NUMBER).map(Some)) {
            let trash = Trash { run, number };
            match fstatat(self.dir(), trash.name().as_os_str(), AtFlags::AT_SYMLINK_NOFOLLOW) {
                Ok(_) => {}
                Err(Errno::ENOENT) => return Ok(trash),
                Err(errno) => return Err(errno.into()),
            }
        }
        let all = self.mounted_path()?.with_file_name(Trash { run, number: None }.name());
        let all = all.display();
        Err(io::Error::other(format!("the names for its trash, {all} to {all}.{MAX_NUMBER}, are all taken")))
    }

    /// The trash of a run, if there is one. One that others can write, or that is not the caller's, is an error.
    fn trash(&self, trash: Trash) -> io::Result<Option<OwnedFd>> {
        if !self.missing.is_empty() {
            return Ok(None);
        }
        let name = trash.name();
        let foreign = |what: &str| -> io::Result<Option<OwnedFd>> {
            let shown = self.mounted_path()?.with_file_name(&name);
            Err(io::Error::other(format!("its trash {} {what}", shown.display())))
        };
        let dir = match openat(self.dir(), name.as_os_str(), DIR_FLAGS, Mode::empty()) {
            Ok(dir) => dir,
            Err(Errno::ENOENT) => return Ok(None),
            Err(Errno::ENOTDIR | Errno::ELOOP) => return foreign("is not a directory"),
            Err(errno) => return Err(errno.into()),
        };
        let stat = fstat(&dir)?;
        match () {
            () if stat.st_uid != geteuid().as_raw() => foreign(&format!("belongs to user {}", stat.st_uid)),
            () if stat.st_mode & 0o777 & !PRIVATE != 0 => {
                foreign(&format!("can be used by others: its mode is {:04o}", stat.st_mode & 0o7777))
            }
            () => Ok(Some(dir)),
        }
    }
}
