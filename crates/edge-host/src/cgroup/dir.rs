//! The open directory of a control group.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::dir::{Dir as Names, Type};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::{Mode, fstat};
use nix::sys::statfs::{CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC, fstatfs};
use nix::unistd::{UnlinkatFlags, unlinkat};

const PROCESSES: &str = "cgroup.procs";
const ENTER: OFlag = OFlag::O_RDONLY.union(OFlag::O_DIRECTORY).union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);
/// The kernel has no limit by default; more levels than this are nobody's.
const MAX_DEPTH: usize = 64;

/// An open directory of a cgroup file system.
#[derive(Debug)]
pub(super) struct Dir(OwnedFd);

impl Dir {
    /// None if there is no such directory, or it is not one of a cgroup file system.
    pub(super) fn open(path: &Path) -> io::Result<Option<Dir>> {
        found(open(path, ENTER, Mode::empty()))
    }

    /// The same for a group in this one.
    pub(super) fn enter(&self, name: &OsStr) -> io::Result<Option<Dir>> {
        found(openat(&self.0, name, ENTER, Mode::empty()))
    }

    pub(super) fn device(&self) -> io::Result<u64> {
        #[allow(clippy::useless_conversion, reason = "32-bit machines have smaller numbers")]
        Ok(fstat(&self.0)?.st_dev.into())
    }

    pub(super) fn inode(&self) -> io::Result<u64> {
        #[allow(clippy::useless_conversion, reason = "32-bit machines have smaller numbers")]
        Ok(fstat(&self.0)?.st_ino.into())
    }

    /// The names of the groups in it.
    pub(super) fn children(&self) -> io::Result<Vec<OsString>> {
        let mut names = Names::from_fd(openat(&self.0, ".", ENTER, Mode::empty())?)?;
        let mut found = Vec::new();
        for entry in names.iter() {
            let entry = match entry {
                // It was removed meanwhile.
                Err(Errno::ENOENT) => break,
                entry => entry?,
            };
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if entry.file_type() == Some(Type::Directory) && name != "." && name != ".." {
                found.push(name.to_owned());
            }
        }
        found.sort();
        Ok(found)
    }

    /// The processes in it and below it.
    pub(super) fn members(&self) -> io::Result<BTreeSet<u32>> {
        let mut members = BTreeSet::new();
        self.add_members(&mut members, MAX_DEPTH)?;
        Ok(members)
    }

    fn add_members(&self, members: &mut BTreeSet<u32>, depth: usize) -> io::Result<()> {
        match self.read(PROCESSES) {
            Ok(text) => members.extend(text.lines().filter_map(|line| line.parse::<u32>().ok())),
            // In a threaded group of v2: its processes are listed further up. Or the group is gone.
            Err(error) if is(&error, &[Errno::EOPNOTSUPP, Errno::ENODEV, Errno::ENOENT]) => return Ok(()),
            Err(error) => return Err(error),
        }
        if depth == 0 {
            return Err(io::Error::other(format!("it is nested more than {MAX_DEPTH} levels deep")));
        }
        for child in self.children()? {
            if let Some(dir) = self.enter(&child)? {
                dir.add_members(members, depth - 1)?;
            }
        }
        Ok(())
    }

    /// Reads a file of the group.
    pub(super) fn read(&self, name: &str) -> io::Result<String> {
        let mut text = String::new();
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        File::from(openat(&self.0, name, flags, Mode::empty())?).read_to_string(&mut text)?;
        Ok(text)
    }

    /// Writes to a file of the group; whether it has such a file.
    pub(super) fn write(&self, name: &str, value: &str) -> io::Result<bool> {
        let flags = OFlag::O_WRONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        match openat(&self.0, name, flags, Mode::empty()) {
            Ok(file) => File::from(file).write_all(value.as_bytes()).map(|()| true),
            Err(Errno::ENOENT | Errno::ENODEV) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Removes a group in this one; the kernel refuses one with processes or groups. A missing one is success.
    pub(super) fn remove(&self, name: &OsStr) -> Result<(), Errno> {
        match unlinkat(&self.0, name, UnlinkatFlags::RemoveDir) {
            Ok(()) | Err(Errno::ENOENT | Errno::ENODEV) => Ok(()),
            Err(errno) => Err(errno),
        }
    }
}

fn found(opened: nix::Result<OwnedFd>) -> io::Result<Option<Dir>> {
    let dir = match opened {
        Ok(dir) => dir,
        Err(Errno::ENOENT | Errno::ENODEV | Errno::ENOTDIR | Errno::ELOOP) => return Ok(None),
        Err(errno) => return Err(errno.into()),
    };
    let kind = fstatfs(&dir)?.filesystem_type();
    Ok([CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC].contains(&kind).then_some(Dir(dir)))
}

pub(super) fn is(error: &io::Error, any: &[Errno]) -> bool {
    error.raw_os_error().is_some_and(|number| any.contains(&Errno::from_raw(number)))
}
