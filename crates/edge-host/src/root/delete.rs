//! Removing a directory with everything below it: the only recursive deletion in the project.
//!
//! Each directory is entered through [`step`], which proves that it is on the mount of the tree: a bind mount of the
//! same file system has the same `st_dev`, and its content is other data. A mount in the tree stays, everything
//! around it is removed, and the leftovers are reported.
//!
//! Memory and descriptors are bounded however deep and wide the tree is. Names are not collected. Only the innermost
//! [`OPEN_LEVELS`] directories are open; the way back up is `..`, accepted only if it is the directory that was
//! left.

mod left;
mod level;
mod step;
#[cfg(test)]
mod tests;

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, open};
use nix::sys::stat::{Mode, SFlag, fstatat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::read::kind;
pub(crate) use left::Leftovers;
use level::{Level, Open};
use step::Step;

/// Directories that are open at the same time, two descriptors each.
const OPEN_LEVELS: usize = 16;
/// A level that is not open costs 200 bytes and its name.
const MAX_DEPTH: usize = 1 << 16;
/// Subdirectories that could not be removed are remembered by number, so that none is tried twice.
const MAX_STUCK: usize = 1 << 17;
/// If someone moves a directory while we are in it, the walk begins again at the top.
const MAX_WALKS: u32 = 8;
/// Names at either end of a path that is too long to be shown whole.
const SHOWN_NAMES: usize = 4;

/// Whether to stop between two entries; the rest is then left over.
pub(crate) type Stop<'s> = &'s dyn Fn() -> bool;

/// Removes `name` in `dir` and everything below it. A missing name is success.
pub(crate) fn delete(dir: BorrowedFd<'_>, name: &OsStr) -> Leftovers {
    delete_until(dir, name, &|| false)
}

/// The same, until it is to stop.
pub(crate) fn delete_until(dir: BorrowedFd<'_>, name: &OsStr, stop: Stop<'_>) -> Leftovers {
    delete_by(Step::default(), dir, name, stop)
}

/// The same for a path of the caller; links in its parent directories are followed.
pub(crate) fn delete_path(path: &Path) -> Leftovers {
    let Some(name) = path.file_name() else { return Leftovers::of(Errno::EINVAL.into()) };
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match open(parent, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty()) {
        Ok(dir) => delete(dir.as_fd(), name),
        Err(Errno::ENOENT) => Leftovers::default(),
        Err(errno) => Leftovers::of(errno.into()),
    }
}

fn delete_by(step: Step, dir: BorrowedFd<'_>, name: &OsStr, stop: Stop<'_>) -> Leftovers {
    for _ in 0..MAX_WALKS {
        let mut walk = Walk { top: dir, step, stop, levels: Vec::new(), stuck: 0, left: Leftovers::default() };
        if let Ok(()) = walk.run(name) {
            return walk.left;
        }
    }
    Leftovers::of(io::Error::other("its directories are being moved by another process"))
}

/// `..` is not the directory that we came from.
struct Lost;

struct Walk<'d> {
    top: BorrowedFd<'d>,
    step: Step,
    stop: Stop<'d>,
    /// From the top directory of the tree to the current one.
    levels: Vec<Level>,
    /// Directories remembered in all levels.
    stuck: usize,
    left: Leftovers,
}

impl Walk<'_> {
    fn run(&mut self, name: &OsStr) -> Result<(), Lost> {
        match fstatat(self.top, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(stat) if kind(&stat) == SFlag::S_IFDIR => self.remove_directory(name, stat.st_ino),
            Ok(_) => match unlinkat(self.top, name, UnlinkatFlags::NoRemoveDir) {
                Ok(()) | Err(Errno::ENOENT) => {}
                Err(errno) => self.stays(None, 0, errno.into()),
            },
            Err(Errno::ENOENT) => {}
            Err(errno) => self.stays(None, 0, errno.into()),
        }
        while let Some(level) = self.levels.last_mut() {
            if (self.stop)() {
                self.report(None, io::ErrorKind::Interrupted.into());
                return Ok(());
            }
            match level.next_directory(self.stuck < MAX_STUCK) {
                Ok(Some((name, number))) => self.remove_directory(&name, number),
                Ok(None) => self.go_up()?,
                Err(cause) => {
                    self.report(None, cause);
                    self.go_up()?;
                }
            }
        }
        Ok(())
    }

    /// Removes a directory of the innermost level if it is empty, else enters it.
    fn remove_directory(&mut self, name: &OsStr, number: u64) {
        let parent = self.levels.last().and_then(Level::dir).unwrap_or(self.top);
        let entered = match unlinkat(parent, name, UnlinkatFlags::RemoveDir) {
            Ok(()) => return self.progress(),
            Err(Errno::ENOENT) => return,
            Err(_) if self.levels.len() >= MAX_DEPTH => Err(io::Error::other("it is nested too deeply")),
            Err(_) => self.step.enter(parent, name).and_then(Open::new),
        };
        match entered.and_then(|open| Level::new(name.to_owned(), number, open)) {
            Ok(level) => {
                self.levels.push(level);
                if let Some(far) = self.levels.len().checked_sub(OPEN_LEVELS + 1) {
                    self.levels[far].close();
                }
                self.remove_files();
            }
            Err(cause) if cause.raw_os_error() == Some(Errno::ENOENT as i32) => {}
            Err(cause) => self.stays(Some(name), number, cause),
        }
    }

    fn remove_files(&mut self) {
        let Some(level) = self.levels.last_mut() else { return };
        let (pass, ended) = level.remove_files(self.stop);
        level.has_left |= pass.count() > 0;
        let place = |name: PathBuf| path_of(&self.levels, Some(name.as_os_str()));
        self.left.absorb(pass, place);
        if let Err(cause) = ended {
            self.report(None, cause);
        }
    }

    /// The innermost level is done: it is removed, and the level above continues.
    fn go_up(&mut self) -> Result<(), Lost> {
        let Some(done) = self.levels.pop() else { return Ok(()) };
        self.stuck -= done.stuck.len();
        if let Some(above) = self.levels.last_mut()
            && above.dir().is_none()
        {
            let from = done.dir().ok_or(Lost)?;
            above.reopen(self.step.leave(from, above.is).map_err(|_| Lost)?).map_err(|_| Lost)?;
        }
        let parent = self.levels.last().and_then(Level::dir).unwrap_or(self.top);
        match unlinkat(parent, done.name.as_os_str(), UnlinkatFlags::RemoveDir) {
            Ok(()) => self.progress(),
            Err(Errno::ENOENT) => {}
            // What keeps it from being empty is reported already.
            Err(Errno::ENOTEMPTY | Errno::EEXIST) if done.has_left => self.remember(done.number),
            Err(errno) => self.stays(Some(&done.name), done.number, errno.into()),
        }
        Ok(())
    }

    fn progress(&mut self) {
        if let Some(level) = self.levels.last_mut() {
            level.progress = true;
        }
    }

    /// A directory of the innermost level cannot be removed.
    fn stays(&mut self, name: Option<&OsStr>, number: u64, cause: io::Error) {
        let name = if self.levels.is_empty() { None } else { name };
        self.report(name, cause);
        self.remember(number);
    }

    fn remember(&mut self, number: u64) {
        if let Some(level) = self.levels.last_mut() {
            level.has_left = true;
            self.stuck += usize::from(level.stuck.insert(number));
        }
    }

    /// Something in the innermost level, or the level itself, cannot be removed.
    fn report(&mut self, name: Option<&OsStr>, cause: io::Error) {
        if let Some(level) = self.levels.last_mut() {
            level.has_left = true;
        }
        self.left.add(cause, || path_of(&self.levels, name));
    }
}

/// The path below the top of the tree, shortened if it is long.
fn path_of(levels: &[Level], name: Option<&OsStr>) -> PathBuf {
    let mut path = PathBuf::new();
    for (at, level) in levels.iter().enumerate().skip(1) {
        let from_end = levels.len() - at;
        if at <= SHOWN_NAMES || from_end <= SHOWN_NAMES {
            path.push(&level.name);
        } else if at == SHOWN_NAMES + 1 {
            path.push("...");
        }
    }
    path.extend(name);
    path
}
