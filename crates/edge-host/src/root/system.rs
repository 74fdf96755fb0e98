//! Whether a tree named by `--root` is a system, and not a directory on which no image is mounted.
//!
//! An empty tree has no fault that a check could find, and a change in it would reach no system.

use std::path::Path;

use nix::errno::Errno;
use nix::sys::stat::SFlag;

use super::{LastLink, Root};
use crate::error::{Error, Result, ResultExt};
use crate::exit::Exit;

/// Every distribution has one (os-release(5)).
const OS_RELEASE: [&str; 2] = ["/etc/os-release", "/usr/lib/os-release"];
/// A system that is being installed may not have an os-release yet.
const TOP_DIRS: [&str; 2] = ["/etc", "/usr"];

impl Root {
    /// Refuses (exit 4) a tree without an os-release that does not have /etc and /usr either. With `force` it is
    /// accepted, and the commands in hints repeat `--force-root`. The running system is always accepted.
    pub(crate) fn check_system(&mut self, force: bool) -> Result<()> {
        let Some(dir) = self.prefix.clone() else { return Ok(()) };
        let is_empty = match self.is_system() {
            Ok(true) => return Ok(()),
            Ok(false) => self.list(Path::new("/")).is_ok_and(|names| names.is_empty()),
            Err(_) if force => false,
            Err(error) => return Err(error),
        };
        self.is_forced = force;
        if force {
            return Ok(());
        }
        let cause = if is_empty {
            "it is empty, so probably no image is mounted there"
        } else {
            "it is not a system: it has neither an os-release nor both /etc and /usr"
        };
        Err(Error::cannot("work on", dir, cause)
            .with_exit(Exit::Refused)
            .hint("mount the image there first, or add --force-root to work on this directory anyway"))
    }

    fn is_system(&self) -> Result<bool> {
        for file in OS_RELEASE {
            if self.is_of_kind(file, SFlag::S_IFREG)? {
                return Ok(true);
            }
        }
        for dir in TOP_DIRS {
            if !self.is_of_kind(dir, SFlag::S_IFDIR)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether a file or directory exists, links followed.
    fn is_of_kind(&self, path: &str, kind: SFlag) -> Result<bool> {
        let path = Path::new(path);
        match self.resolve(path, LastLink::Follow).and_then(|resolved| resolved.stat()) {
            Ok(stat) => Ok(stat.is_some_and(|stat| stat.st_mode & SFlag::S_IFMT.bits() == kind.bits())),
            Err(cause) => match cause.raw_os_error().map(Errno::from_raw) {
                Some(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP | Errno::ENOTSUP) => Ok(false),
                _ => Err(cause).on("read", self.display(path)),
            },
        }
    }
}
