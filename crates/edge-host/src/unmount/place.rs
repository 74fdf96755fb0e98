//! The directory that a mount point is in, and its name there: no link on the way is followed, and nothing of the
//! mount itself is looked at.

use std::ffi::OsString;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, open, openat};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::stat::{Mode, SFlag, fstatat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use crate::mounts::Mount;
use crate::root::mount_id;

const TOP: &str = "/";
const DESCRIPTORS: &str = "/proc/self/fd";
/// Opens a name without asking its file system.
const PATH: OFlag = OFlag::O_PATH.union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);

/// Where something is mounted.
#[derive(Debug)]
pub(super) struct Place {
    parent: OwnedFd,
    name: OsString,
}

impl Place {
    pub(super) fn of(mount: &Mount) -> nix::Result<Place> {
        let (parent, name) = mount.point.parent().zip(mount.point.file_name()).ok_or(Errno::EINVAL)?;
        let mut dir = open(Path::new(TOP), PATH | OFlag::O_DIRECTORY, Mode::empty())?;
        for component in parent.components() {
            if let Component::Normal(name) = component {
                dir = openat(&dir, name, PATH | OFlag::O_DIRECTORY, Mode::empty())?;
            }
        }
        Ok(Place { parent: dir, name: name.to_owned() })
    }

    /// ESTALE if something else is mounted there.
    pub(super) fn unmount(&self, what: &Mount, flags: MntFlags) -> nix::Result<()> {
        self.prove(what)?;
        umount2(&self.path(), flags)
    }

    /// With all that is mounted in it. ESTALE if something else is mounted there.
    pub(super) fn make_slave(&self, what: &Mount) -> nix::Result<()> {
        self.prove(what)?;
        let none: Option<&str> = None;
        mount(none, &self.path(), none, MsFlags::MS_REC | MsFlags::MS_SLAVE, none)
    }

    /// Opens the directory that is mounted there; this waits for its server. None if it is not a directory.
    pub(super) fn open_dir(&self, what: &Mount) -> nix::Result<Option<OwnedFd>> {
        self.prove(what)?;
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
        match openat(&self.parent, self.name.as_os_str(), flags, Mode::empty()) {
            Ok(dir) => Ok(Some(dir)),
            Err(Errno::ENOTDIR) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    /// Removes the empty file that was mounted on. Anything else stays.
    pub(super) fn remove_file(&self) -> nix::Result<()> {
        match fstatat(&self.parent, self.name.as_os_str(), AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(stat) if stat.st_mode & SFlag::S_IFMT.bits() == SFlag::S_IFREG.bits() && stat.st_size == 0 => {
                match unlinkat(&self.parent, self.name.as_os_str(), UnlinkatFlags::NoRemoveDir) {
                    // Another mount of the same kind is still on it.
                    Err(Errno::EBUSY | Errno::ENOENT) => Ok(()),
                    removed => removed,
                }
            }
            Ok(_) | Err(Errno::ENOENT) => Ok(()),
            Err(errno) => Err(errno),
        }
    }

    fn prove(&self, what: &Mount) -> nix::Result<()> {
        // Closed before the unmount, which it would prevent.
        let found = openat(&self.parent, self.name.as_os_str(), PATH, Mode::empty())?;
        if mount_id(&found) == Some(u64::from(what.id)) { Ok(()) } else { Err(Errno::ESTALE) }
    }

    fn path(&self) -> PathBuf {
        Path::new(DESCRIPTORS).join(self.parent.as_raw_fd().to_string()).join(&self.name)
    }
}
