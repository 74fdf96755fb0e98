//! Reading below a root: files with their state, link texts, directory lists.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::{FileStat, SFlag, fstat};

use super::Root;
use super::attributes::Xattrs;
use super::resolve::{LastLink, ResolvedPath};
use super::state::{State, sha256};
use crate::error::{Error, Result};

/// Largest file that is read into memory. Configuration files are smaller by far.
pub const MAX_READ: u64 = 16 << 20;

/// What was found at a path: its state, and the bytes of a regular file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSnapshot {
    /// The state at the time of reading; it must be the same when an action writes.
    pub state: State,
    /// The bytes of a regular file, empty for anything else.
    pub bytes: Vec<u8>,
}

impl FileSnapshot {
    /// Whether anything is there.
    pub fn exists(&self) -> bool {
        self.state != State::Absent
    }
}

/// What [`Root::entry_kind`] tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// A socket.
    Socket,
    /// A device or pipe.
    Other,
}

impl Root {
    /// Reads the regular file at `path`, links followed; `None` if it does not exist.
    ///
    /// Anything else is an error, and so is a file larger than [`MAX_READ`]: neither is taken for absent.
    pub fn read(&self, path: &Path) -> Result<Option<Vec<u8>>> {
        let found = self.find(path)?;
        match found.state {
            State::Absent => Ok(None),
            State::File { .. } => Ok(Some(found.bytes)),
            other => Err(self.read_error(path, &io::Error::other(format!("it is {}, not a file", other.describe())))),
        }
    }

    /// What is at `path`, links followed, with the bytes of a regular file.
    pub fn find(&self, path: &Path) -> Result<FileSnapshot> {
        self.look(path, LastLink::Follow)
    }

    /// What is at `path` itself: a link is reported as a link.
    pub fn find_link(&self, path: &Path) -> Result<FileSnapshot> {
        self.look(path, LastLink::Keep)
    }

    /// What kind of thing `path` itself is, a link not followed; none if it does not exist. Nothing of it is read, so it
    /// can be of any size.
    pub fn entry_kind(&self, path: &Path) -> Result<Option<EntryKind>> {
        let stat = self.resolve(path, LastLink::Keep).and_then(|resolved| resolved.stat());
        let stat = stat.map_err(|cause| self.read_error(path, &cause))?;
        Ok(stat.map(|stat| match kind(&stat) {
            SFlag::S_IFREG => EntryKind::File,
            SFlag::S_IFDIR => EntryKind::Directory,
            SFlag::S_IFLNK => EntryKind::Link,
            SFlag::S_IFSOCK => EntryKind::Socket,
            _ => EntryKind::Other,
        }))
    }

    /// The path without any link in it, as it is below the root.
    pub fn canonical(&self, path: &Path) -> Result<PathBuf> {
        let resolved = self.resolve(path, LastLink::Follow).map_err(|cause| self.read_error(path, &cause))?;
        Ok(resolved.canonical())
    }

    /// Why a directory cannot be made: the first part of its path that is a dangling symbolic link (to a disk that is
    /// not mounted) or not a directory. None if it exists or can be made.
    pub fn obstacle(&self, dir: &Path) -> Result<Option<String>> {
        let way: Vec<&Path> = dir.ancestors().collect();
        for place in way.into_iter().rev() {
            let is_link = matches!(self.find_link(place)?.state, State::Link { .. });
            let what = match self.find(place)?.state {
                State::Absent if is_link => "a dangling symbolic link",
                state @ (State::File { .. } | State::Other) => state.describe(),
                _ => continue,
            };
            return Ok(Some(format!("{} is {what}", place.display())));
        }
        Ok(None)
    }

    /// Opens a regular file for reading in parts; `None` if it does not exist.
    pub fn open(&self, path: &Path) -> Result<Option<File>> {
        let fail = |cause: io::Error| self.read_error(path, &cause);
        let resolved = self.resolve(path, LastLink::Follow).map_err(fail)?;
        match resolved.stat().map_err(fail)? {
            None => Ok(None),
            Some(stat) if kind(&stat) == SFlag::S_IFREG => {
                let fd = resolved.open(OFlag::O_RDONLY | OFlag::O_NONBLOCK).map_err(fail)?;
                Ok(Some(File::from(fd)))
            }
            Some(_) => Err(fail(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"))),
        }
    }

    /// The names in a directory, sorted; empty where it does not exist.
    pub fn list(&self, path: &Path) -> Result<Vec<OsString>> {
        let fail = |cause: io::Error| self.path_error("list", path, &cause);
        self.resolve(path, LastLink::Follow).and_then(|resolved| resolved.list()).map_err(fail)
    }

    /// How many names are in a directory; 0 where it does not exist. A large one is not kept in memory.
    pub fn count(&self, path: &Path) -> Result<usize> {
        let fail = |cause: io::Error| self.path_error("list", path, &cause);
        self.resolve(path, LastLink::Follow).and_then(|resolved| resolved.count()).map_err(fail)
    }

    fn look(&self, path: &Path, last: LastLink) -> Result<FileSnapshot> {
        let resolved = self.resolve(path, last).map_err(|cause| self.read_error(path, &cause))?;
        resolved.find().map_err(|cause| self.read_error(path, &cause))
    }

    fn read_error(&self, path: &Path, cause: &io::Error) -> Error {
        self.path_error("read", path, cause)
    }

    /// [`Error::io`] with the path below the root, and a message for paths that are not available in an image.
    pub(crate) fn path_error(&self, verb: &str, path: &Path, cause: &io::Error) -> Error {
        if cause.raw_os_error() == Some(Errno::ENOTSUP as i32) && !self.is_live() {
            let shown = self.display(path);
            return Error::failed(format!(
                "cannot {verb} {}: the running system is not available under --root",
                shown.display()
            ))
            .hint("/proc, /sys, /run and /dev are neither read nor changed under --root");
        }
        Error::io(verb, self.display(path), cause)
    }
}

impl ResolvedPath<'_> {
    /// The names in this directory, sorted; empty where it does not exist.
    pub(crate) fn list(&self) -> io::Result<Vec<OsString>> {
        let fd = match self.open(OFlag::O_RDONLY | OFlag::O_DIRECTORY) {
            Ok(fd) => fd,
            Err(cause) if cause.raw_os_error() == Some(Errno::ENOENT as i32) => return Ok(Vec::new()),
            Err(cause) => return Err(cause),
        };
        let mut names = names_in(fd)?;
        names.sort();
        Ok(names)
    }

    /// How many names are in this directory; 0 where it does not exist.
    fn count(&self) -> io::Result<usize> {
        match self.open(OFlag::O_RDONLY | OFlag::O_DIRECTORY) {
            Ok(fd) => {
                let names = Dir::from_fd(fd)?
                    .into_iter()
                    .filter(|entry| !entry.as_ref().is_ok_and(|entry| [c".", c".."].contains(&entry.file_name())));
                names.map(|entry| Ok(entry.map(|_| 1)?)).sum()
            }
            Err(cause) if cause.raw_os_error() == Some(Errno::ENOENT as i32) => Ok(0),
            Err(cause) => Err(cause),
        }
    }

    /// State and bytes of what is here.
    pub(crate) fn find(&self) -> io::Result<FileSnapshot> {
        let nothing = FileSnapshot { state: State::Absent, bytes: Vec::new() };
        let Some(stat) = self.stat()? else { return Ok(nothing) };
        let of = |state| FileSnapshot { state, bytes: Vec::new() };
        let (mode, uid, gid) = (stat.st_mode & 0o7777, stat.st_uid, stat.st_gid);
        match kind(&stat) {
            SFlag::S_IFREG => {
                // Not blocking, in case it was replaced by a pipe meanwhile.
                let fd = match self.open(OFlag::O_RDONLY | OFlag::O_NONBLOCK) {
                    Ok(fd) => fd,
                    Err(cause) if cause.raw_os_error() == Some(Errno::ENOENT as i32) => return Ok(nothing),
                    Err(cause) => return Err(cause),
                };
                read_file(fd)
            }
            SFlag::S_IFLNK => {
                let target = self.link_target()?;
                let target = target.into_string().map_err(|_| io::Error::other("its target is not UTF-8"))?;
                Ok(of(State::Link { target }))
            }
            SFlag::S_IFDIR => {
                let opened = self.open(OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NONBLOCK);
                let xattrs = opened.ok().and_then(|fd| Xattrs::of(&File::from(fd)));
                Ok(of(State::Directory { mode, uid, gid, xattrs }))
            }
            _ => Ok(of(State::Other)),
        }
    }
}

fn read_file(fd: OwnedFd) -> io::Result<FileSnapshot> {
    let stat = fstat(&fd)?;
    if kind(&stat) != SFlag::S_IFREG {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(stat.st_size.clamp(0, 1 << 20)).unwrap_or(0) + 1);
    let mut file = File::from(fd);
    let read = file.by_ref().take(MAX_READ + 1).read_to_end(&mut bytes)?;
    if read as u64 > MAX_READ {
        return Err(io::Error::other(format!("it is larger than {} MiB", MAX_READ >> 20)));
    }
    let (mode, uid, gid) = (stat.st_mode & 0o7777, stat.st_uid, stat.st_gid);
    let state = State::File { sha256: sha256(&bytes), mode, uid, gid, xattrs: Xattrs::of(&file) };
    Ok(FileSnapshot { state, bytes })
}

/// The names in an open directory, in no order.
pub(super) fn names_in(dir: OwnedFd) -> io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in Dir::from_fd(dir)?.iter() {
        let entry = entry?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if name != "." && name != ".." {
            names.push(name.to_os_string());
        }
    }
    Ok(names)
}

pub(crate) fn kind(stat: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn obstacle_is_a_dangling_link_or_not_a_directory() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::image(dir.path()).unwrap();
        std::fs::create_dir_all(dir.path().join("opt/there")).unwrap();
        std::fs::write(dir.path().join("opt/file"), "").unwrap();
        symlink("/opt/there", dir.path().join("opt/link")).unwrap();
        symlink("/disk", dir.path().join("opt/gone")).unwrap();
        let of = |path: &str| root.obstacle(Path::new(path)).unwrap();
        for free in ["/", "/opt/there", "/opt/there/new/er", "/opt/link/new", "/new"] {
            assert_eq!(of(free), None, "{free}");
        }
        assert_eq!(of("/opt/gone/bin").as_deref(), Some("/opt/gone is a dangling symbolic link"));
        assert_eq!(of("/opt/gone").as_deref(), Some("/opt/gone is a dangling symbolic link"));
        assert_eq!(of("/opt/file/bin").as_deref(), Some("/opt/file is a file"));
        assert_eq!(of("/opt/link/../file").as_deref(), Some("/opt/link/../file is a file"));
    }
}
