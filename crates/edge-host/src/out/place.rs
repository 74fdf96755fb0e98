//! Resolves the path of an output file to an open directory and a name in it.
//!
//! Under sudo the path may go through directories of another user, who can replace anything there with a link
//! between check and use. So each component is opened from the one before, and a link is followed only if no other
//! user could have made it.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, open, openat, readlinkat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, fstatat};
use nix::sys::statfs::{PROC_SUPER_MAGIC, fstatfs};
use nix::unistd::{getegid, geteuid};

use crate::error::{Error, Result, ResultExt};

/// As the kernel does it: more links than this are a loop.
const MAX_LINKS: usize = 40;
const STEP: OFlag = OFlag::O_PATH.union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);

/// A name in a directory, and what is there.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) dir: OwnedFd,
    pub(super) name: OsString,
    pub(super) what: PlaceKind,
    /// Whether parent directories are missing: `name` is the first of them.
    pub(super) lacks_way: bool,
    /// Whether another user can replace something on the way.
    pub(super) is_others: bool,
}

impl Place {
    /// Whether it is a link in /proc to an open file, as /dev/stdout and /dev/fd/63 are.
    pub(super) fn is_own_open_file(&self) -> io::Result<bool> {
        is_own_open_file(self.dir.as_fd(), &self.name)
    }
}

/// What is at a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PlaceKind {
    Nothing,
    /// A regular file with this mode.
    File(u32),
    /// A pipe, terminal or other device, or one of this process's own open files in /proc.
    Stream,
    Directory,
}

/// Resolves `path`. Exit 4 if another user may have put a link on the way.
pub(super) fn find(verb: &str, path: &Path) -> Result<Place> {
    let start = if path.is_absolute() { "/" } else { "." };
    let mut dir = open(start, STEP, Mode::empty()).on(verb, path)?;
    let mut todo = components(path);
    let mut links = 0;
    let mut is_others = false;
    while let Some(name) = todo.pop_front() {
        is_others |= Access::of(dir.as_fd()).on(verb, path)? == Access::Others;
        let lacks_way = !todo.is_empty();
        let place = |dir, name, what| Place { dir, name, what, lacks_way, is_others };
        let stat = match fstatat(&dir, name.as_os_str(), AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::ENOENT) => return Ok(place(dir, name, PlaceKind::Nothing)),
            Err(errno) => return Err(errno).on(verb, path),
        };
        match kind(&stat) {
            SFlag::S_IFLNK => {
                links += 1;
                if links > MAX_LINKS {
                    return Err(Errno::ELOOP).on(verb, path);
                }
                // The link itself is opened, so that the link that was checked is the one that is read.
                let link = openat(&dir, name.as_os_str(), STEP, Mode::empty()).on(verb, path)?;
                if !may_follow(dir.as_fd(), link.as_fd()).on(verb, path)? {
                    return Err(link_of_others(verb, path, &name));
                }
                if todo.is_empty() && is_own_open_file(dir.as_fd(), &name).on(verb, path)? {
                    return Ok(place(dir, name, PlaceKind::Stream));
                }
                let target = readlinkat(&link, "").on(verb, path)?;
                let target = Path::new(&target);
                if target.is_absolute() {
                    dir = open("/", STEP, Mode::empty()).on(verb, path)?;
                }
                for component in components(target).into_iter().rev() {
                    todo.push_front(component);
                }
            }
            SFlag::S_IFDIR if todo.is_empty() => return Ok(place(dir, name, PlaceKind::Directory)),
            // O_DIRECTORY: whatever it is by now, only a directory is opened.
            _ if !todo.is_empty() => {
                dir = openat(&dir, name.as_os_str(), STEP | OFlag::O_DIRECTORY, Mode::empty()).on(verb, path)?;
            }
            SFlag::S_IFREG => return Ok(place(dir, name, PlaceKind::File(stat.st_mode & 0o777))),
            _ => return Ok(place(dir, name, PlaceKind::Stream)),
        }
    }
    Ok(Place { dir, name: OsString::from("."), what: PlaceKind::Directory, lacks_way: false, is_others })
}

fn components(path: &Path) -> VecDeque<OsString> {
    let mut all: VecDeque<OsString> = path
        .components()
        .filter_map(|component| match component {
            Component::Normal(name) => Some(name.to_os_string()),
            Component::ParentDir => Some(OsString::from("..")),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
        })
        .collect();
    // A trailing slash asks for a directory.
    if path.as_os_str().as_bytes().ends_with(b"/") {
        all.push_back(OsString::from("."));
    }
    all
}

/// Who can change the names in a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    /// Root and the caller alone.
    Own,
    /// Everyone, but only their own: /tmp.
    Sticky,
    /// Another user.
    Others,
}

impl Access {
    fn of(dir: BorrowedFd<'_>) -> io::Result<Access> {
        let dir = fstat(dir)?;
        let by_group = dir.st_mode & 0o020 != 0 && ![0, getegid().as_raw()].contains(&dir.st_gid);
        let is_shared = by_group || dir.st_mode & 0o002 != 0;
        Ok(match (is_trusted(dir.st_uid), is_shared, dir.st_mode & 0o1000 != 0) {
            (true, false, _) => Access::Own,
            (true, true, true) => Access::Sticky,
            _ => Access::Others,
        })
    }
}

fn is_trusted(uid: u32) -> bool {
    uid == 0 || uid == geteuid().as_raw()
}

/// Whether only root or the caller can have put the link there.
fn may_follow(dir: BorrowedFd<'_>, link: BorrowedFd<'_>) -> io::Result<bool> {
    Ok(match Access::of(dir)? {
        Access::Own => true,
        Access::Sticky => is_trusted(fstat(link)?.st_uid),
        Access::Others => false,
    })
}

fn is_own_open_file(dir: BorrowedFd<'_>, name: &OsStr) -> io::Result<bool> {
    let is_number = !name.is_empty() && name.as_bytes().iter().all(u8::is_ascii_digit);
    Ok(is_number && fstatfs(dir)?.filesystem_type() == PROC_SUPER_MAGIC)
}

fn kind(stat: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits())
}

fn link_of_others(verb: &str, path: &Path, name: &OsStr) -> Error {
    let (path, name) = (path.display(), Path::new(name).display());
    Error::refused(format!("cannot {verb} {path}: {name} is a symbolic link in a directory that is writable by others"))
        .hint("use the path without the symbolic link")
}
