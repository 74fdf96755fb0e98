//! Opens the next directory, with proof that it is on the same mount.
//!
//! openat2 guarantees it. Before Linux 5.6, or if a seccomp filter blocks openat2, the mount ids in
//! /proc/self/fdinfo are compared before anything is read from the directory. Without either nothing is entered.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat, openat2};
use nix::sys::stat::{Mode, fstat};

use super::super::attributes::mount_id;

const FLAGS: OFlag = OFlag::O_RDONLY.union(OFlag::O_DIRECTORY).union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);
const SAME_MOUNT: ResolveFlag =
    ResolveFlag::RESOLVE_NO_XDEV.union(ResolveFlag::RESOLVE_NO_SYMLINKS).union(ResolveFlag::RESOLVE_NO_MAGICLINKS);
/// openat2 fails with EAGAIN if something is renamed at the same time.
const ATTEMPTS: u32 = 128;

/// Identifies a directory, also after it was moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    pub(super) fn of(dir: BorrowedFd<'_>) -> io::Result<Identity> {
        let stat = fstat(dir)?;
        #[allow(clippy::useless_conversion, reason = "32-bit machines have smaller numbers")]
        Ok(Identity { device: stat.st_dev.into(), inode: stat.st_ino.into() })
    }
}

/// How the mount is checked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    pub(super) by_openat2: bool,
}

impl Default for Step {
    fn default() -> Step {
        Step { by_openat2: true }
    }
}

impl Step {
    /// Opens a directory in `dir`; a link is not followed. EXDEV if it is a mount point.
    pub(super) fn enter(self, dir: BorrowedFd<'_>, name: &OsStr) -> io::Result<OwnedFd> {
        self.open(dir, name, SAME_MOUNT | ResolveFlag::RESOLVE_BENEATH)
    }

    /// Opens the parent directory of `dir`, if it is still `above`.
    pub(super) fn leave(self, dir: BorrowedFd<'_>, above: Identity) -> io::Result<OwnedFd> {
        let fd = self.open(dir, OsStr::new(".."), SAME_MOUNT)?;
        let is = Identity::of(std::os::fd::AsFd::as_fd(&fd))?;
        if is == above { Ok(fd) } else { Err(Errno::ESTALE.into()) }
    }

    fn open(self, dir: BorrowedFd<'_>, name: &OsStr, resolve: ResolveFlag) -> io::Result<OwnedFd> {
        for _ in 0..ATTEMPTS {
            if !self.by_openat2 {
                break;
            }
            match openat2(dir, name, OpenHow::new().flags(FLAGS).resolve(resolve)) {
                Ok(fd) => return Ok(fd),
                Err(Errno::EAGAIN | Errno::EINTR) => {}
                // An old kernel, or a seccomp filter that blocks it.
                Err(Errno::ENOSYS | Errno::EPERM) => break,
                Err(errno) => return Err(errno.into()),
            }
        }
        // Opened to be read only after that, as the server of another mount may be dead.
        let path = openat(dir, name, FLAGS | OFlag::O_PATH, Mode::empty())?;
        match (mount_id(&path), mount_id(dir)) {
            (Some(own), Some(above)) if own == above => Ok(openat(&path, OsStr::new("."), FLAGS, Mode::empty())?),
            (Some(_), Some(_)) => Err(Errno::EXDEV.into()),
            _ => Err(io::Error::other("it may be a mount point: neither openat2 nor /proc/self/fdinfo is available")),
        }
    }
}
