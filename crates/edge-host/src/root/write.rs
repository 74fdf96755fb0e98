//! Changes what is at a path: by a temporary file that is fsynced and renamed, or in place if needed.
//!
//! Everything works on the descriptor of the parent directory. Whether a change may be made is decided by `apply`,
//! which records it first and compares with the facts.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, FallocateFlags, OFlag, fallocate, openat, renameat};
use nix::sys::stat::{FileStat, Mode, SFlag, fchmod, fstat, fstatat, mkdirat, umask};
use nix::unistd::{
    AccessFlags, Gid, UnlinkatFlags, faccessat, fsync, getegid, geteuid, getgroups, symlinkat, unlinkat,
};
use sha2::{Digest, Sha256};

use super::attributes::{Xattrs, give_back, mount_id, set_attributes};
use super::read::kind;
use super::resolve::ResolvedPath;
use super::state::State;

const NAME_MAX: usize = 255;

/// Mode and owner that a written file gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Meta {
    /// Permission bits.
    pub(crate) mode: u32,
    /// User and group; `None` leaves the caller's own.
    pub(crate) owner: Option<(u32, u32)>,
}

/// The name of a new file until it is complete. It depends only on the final name, so that a run after a crash finds
/// and removes it.
pub(crate) fn temporary_name(name: &OsStr) -> OsString {
    hidden_name(name, b".edgeutils-new")
}

/// A hidden name that belongs to `name`, however long that is.
pub(super) fn hidden_name(name: &OsStr, suffix: &[u8]) -> OsString {
    let bytes = name.as_bytes();
    if 1 + bytes.len() + suffix.len() <= NAME_MAX {
        return OsString::from_vec([b".", bytes, suffix].concat());
    }
    let digest = super::state::sha256(&Sha256::digest(bytes));
    OsString::from_vec([b".", digest.as_bytes(), suffix].concat())
}

impl ResolvedPath<'_> {
    /// Makes the missing parent directories (mode 0755, whatever the umask).
    pub(crate) fn make_parents(&mut self) -> io::Result<()> {
        self.make_parents_for(None)
    }

    /// The same for a file of a user, who owns them (mode 0700).
    pub(crate) fn make_parents_for(&mut self, owner: Option<(u32, u32)>) -> io::Result<()> {
        let meta = Meta { mode: if owner.is_some() { 0o700 } else { 0o755 }, owner };
        for name in std::mem::take(&mut self.missing) {
            if self.is_absent(&name) {
                self.make_directory(&name, |made| match owner {
                    Some(_) => set_attributes(made, meta, None, None),
                    None => Ok(fchmod(made, Mode::from_bits_truncate(meta.mode))?),
                })?;
            }
            let next = self.open_directory(&name)?;
            self.descend(next, name);
        }
        Ok(())
    }

    /// Whether the file must be written in place: a rename would break its hard links, the kernel refuses it for
    /// a mount point (a bind-mounted file), and a user may have the right to write to a file, but not to make another
    /// one with its name or owner.
    pub(crate) fn needs_in_place(&self) -> io::Result<bool> {
        match self.stat()? {
            Some(stat) if kind(&stat) == SFlag::S_IFREG => {
                Ok(stat.st_nlink > 1 || self.is_mount_point()? || self.can_only_write(&stat)?)
            }
            _ => Ok(false),
        }
    }

    fn can_only_write(&self, stat: &FileStat) -> io::Result<bool> {
        if geteuid().is_root() {
            return Ok(false);
        }
        let may_write = |name: &OsStr| faccessat(self.dir(), name, AccessFlags::W_OK, AtFlags::AT_EACCESS).is_ok();
        let gid = Gid::from_raw(stat.st_gid);
        let can_be_owner = stat.st_uid == geteuid().as_raw() && (gid == getegid() || getgroups()?.contains(&gid));
        Ok(may_write(&self.name) && !(can_be_owner && may_write(OsStr::new("."))))
    }

    /// Whether it is a mount point.
    pub(crate) fn is_mount_point(&self) -> io::Result<bool> {
        let own = self.open(OFlag::O_PATH)?;
        // Mount ids from fdinfo exist since Linux 3.15, those of statx only since 5.8. Without /proc it is unknown,
        // and the rename itself fails with EBUSY.
        Ok(match (mount_id(own.as_fd()), mount_id(self.dir())) {
            (Some(own), Some(parent)) => own != parent,
            _ => false,
        })
    }

    /// Writes a complete new file to a temporary name and renames it. It has the extended attributes of the file that it
    /// replaces, or those that are recorded.
    pub(crate) fn replace(&self, bytes: &[u8], meta: Meta, xattrs: Option<&Xattrs>) -> io::Result<()> {
        let old = self.existing();
        let staged = self.stage_file(meta, old.as_ref(), xattrs, |file| file.write_all(bytes));
        self.place_if(staged)
    }

    /// The first half of [`ResolvedPath::replace`]: the complete new file, fsynced, under its temporary name.
    pub(crate) fn stage(&self, bytes: &[u8], meta: Meta) -> io::Result<()> {
        self.stage_file(meta, self.existing().as_ref(), None, |file| file.write_all(bytes))
    }

    /// The second half: the staged file is renamed, or removed if that fails.
    pub(crate) fn place(&self) -> io::Result<()> {
        self.place_if(Ok(()))
    }

    /// The second half, if the first one succeeded.
    pub(crate) fn place_if(&self, staged: io::Result<()>) -> io::Result<()> {
        self.rename_staged(staged, &self.name)
    }

    fn rename_staged(&self, staged: io::Result<()>, name: &OsStr) -> io::Result<()> {
        let temporary = temporary_name(name);
        let renamed = staged.and_then(|()| Ok(renameat(self.dir(), temporary.as_os_str(), self.dir(), name)?));
        if let Err(cause) = renamed {
            // Best effort: the next run removes a leftover.
            self.clear(&temporary).ok();
            return Err(cause);
        }
        self.sync_dir()
    }

    /// The first half for any content, also content that is written in pieces.
    pub(super) fn stage_file(
        &self,
        meta: Meta,
        from: Option<&File>,
        xattrs: Option<&Xattrs>,
        content: impl FnOnce(&mut File) -> io::Result<()>,
    ) -> io::Result<()> {
        let temporary = temporary_name(&self.name);
        self.clear(&temporary)?;
        self.write_new(&temporary, meta, from, xattrs, content)
    }

    /// A new file under this name, empty. The umask limits its mode.
    pub(crate) fn create(&self, name: &OsStr, mode: u32) -> io::Result<File> {
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        Ok(File::from(openat(self.dir(), name, flags, Mode::from_bits_truncate(mode))?))
    }

    pub(super) fn write_new(
        &self,
        name: &OsStr,
        meta: Meta,
        from: Option<&File>,
        xattrs: Option<&Xattrs>,
        content: impl FnOnce(&mut File) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut file = self.create(name, 0o600)?;
        content(&mut file)?;
        set_attributes(&file, meta, from, xattrs)?;
        file.sync_all()
    }

    /// The file that is about to be replaced, for its attributes.
    pub(super) fn existing(&self) -> Option<File> {
        self.open(OFlag::O_RDONLY | OFlag::O_NONBLOCK).ok().map(File::from)
    }

    /// Fails if there is a file that cannot be replaced, because it is immutable or append-only. Nothing is written;
    /// the kernel refuses to open such a file.
    pub(crate) fn can_be_replaced(&self) -> io::Result<()> {
        match self.stat()? {
            Some(stat) if kind(&stat) == SFlag::S_IFREG => {}
            _ => return Ok(()),
        }
        match self.open(OFlag::O_WRONLY | OFlag::O_NONBLOCK) {
            Err(cause) if cause.raw_os_error() == Some(Errno::EPERM as i32) => Err(cause),
            // A mode that forbids writing does not forbid a rename.
            _ => Ok(()),
        }
    }

    /// Writes into the existing file, which keeps its inode.
    ///
    /// The bytes are written from the beginning and the rest is cut off last, so that a half-written file always begins
    /// with the new content and ends with the old: a recovery can recognize and complete it. If it fails, the content
    /// `before` is written again.
    pub(crate) fn overwrite(&self, bytes: &[u8], before: &[u8]) -> io::Result<()> {
        let mut file = File::from(self.open(OFlag::O_WRONLY | OFlag::O_NONBLOCK)?);
        let (mode, xattrs) = (fstat(&file)?.st_mode & 0o7777, Xattrs::of(&file));
        if bytes.len() > before.len() {
            // Reserve space first: a full disk would leave a half-written file.
            let room = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
            match fallocate(&file, FallocateFlags::FALLOC_FL_KEEP_SIZE, 0, room) {
                Ok(()) | Err(Errno::EOPNOTSUPP | Errno::ENOSYS) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        if let Err(cause) = put_bytes(&mut file, bytes) {
            // Best effort: if this fails too, the next run completes it from the journal.
            put_bytes(&mut file, before).ok();
            return Err(cause);
        }
        give_back(&file, mode, xattrs.as_deref())?;
        file.sync_all()
    }

    /// After an interrupted write in place: restores capabilities and set-id bits.
    pub(crate) fn give_back(&self, before: &State) -> io::Result<()> {
        let Some(((mode, ..), xattrs)) = before.rights() else { return Ok(()) };
        give_back(&File::from(self.open(OFlag::O_RDONLY | OFlag::O_NONBLOCK)?), mode, xattrs)
    }

    /// Makes or replaces a symbolic link.
    pub(crate) fn link_to(&self, target: &OsStr) -> io::Result<()> {
        self.place_if(self.stage_link(target))
    }

    /// The first half of it.
    pub(crate) fn stage_link(&self, target: &OsStr) -> io::Result<()> {
        let temporary = temporary_name(&self.name);
        self.clear(&temporary)?;
        Ok(symlinkat(target, self.dir(), temporary.as_os_str())?)
    }

    /// Removes a file or link; a missing one is success.
    pub(crate) fn remove_file(&self) -> io::Result<()> {
        if self.missing.is_empty() {
            self.unlink_if_there(&self.name)?;
            self.sync_dir()?;
        }
        Ok(())
    }

    /// Renames it; an existing target is replaced.
    pub(crate) fn rename_to(&self, to: &ResolvedPath<'_>) -> io::Result<()> {
        renameat(self.dir(), self.name.as_os_str(), to.dir(), to.name.as_os_str())?;
        to.sync_dir()?;
        self.sync_dir()
    }

    /// Removes an empty directory; a missing one is success.
    pub(crate) fn remove_dir(&self) -> io::Result<()> {
        if !self.missing.is_empty() {
            return Ok(());
        }
        match unlinkat(self.dir(), self.name.as_os_str(), UnlinkatFlags::RemoveDir) {
            Ok(()) => self.sync_dir(),
            Err(Errno::ENOENT) => Ok(()),
            Err(Errno::EROFS) if self.is_absent(&self.name) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Makes a directory with exactly this mode, owner and extended attributes. An existing one is not changed.
    pub(crate) fn make_dir(&self, meta: Meta, xattrs: Option<&Xattrs>) -> io::Result<()> {
        if !self.is_absent(&self.name) {
            return self.open_directory(&self.name).map(|_| ());
        }
        self.make_directory(&self.name, |made| set_attributes(made, meta, None, xattrs))
    }

    /// Makes a directory that others cannot write to, before the lock is held: another call may be making the same one,
    /// so it has its final name at once and an existing one is used. Missing parent directories get `parents`.
    pub(crate) fn make_private(&mut self, mode: u32, parents: u32) -> io::Result<()> {
        for name in std::mem::take(&mut self.missing) {
            self.make_at_once(&name, parents, |made| Ok(fchmod(made, Mode::from_bits_truncate(parents))?))?;
            let next = self.open_directory(&name)?;
            self.descend(next, name);
        }
        let meta = Meta { mode, owner: None };
        self.make_at_once(&self.name, meta.mode, |made| set_attributes(made, meta, None, None))
    }

    fn make_at_once(&self, name: &OsStr, mode: u32, set: impl FnOnce(&File) -> io::Result<()>) -> io::Result<()> {
        // It must have this mode from the beginning, as the process may be killed before it is set. Changing the umask
        // is safe: no program is started and no other thread makes files at this time.
        let mask = umask(Mode::empty());
        let made = mkdirat(self.dir(), name, Mode::from_bits_truncate(mode));
        umask(mask);
        match made {
            Ok(()) => {}
            Err(Errno::EEXIST) => return Ok(()),
            Err(errno) => return Err(errno.into()),
        }
        set(&File::from(self.open_directory(name)?))?;
        self.sync_dir()
    }

    /// Changes the permission bits of a regular file and nothing else.
    pub(crate) fn set_mode(&self, mode: u32) -> io::Result<()> {
        let file = File::from(self.open(OFlag::O_RDONLY | OFlag::O_NONBLOCK)?);
        fchmod(&file, Mode::from_bits_truncate(mode))?;
        file.sync_all()
    }

    /// Makes a directory that is renamed only after its attributes are `set`: a kill before that must not leave one that
    /// others cannot enter.
    fn make_directory(&self, name: &OsStr, set: impl FnOnce(&File) -> io::Result<()>) -> io::Result<()> {
        let temporary = temporary_name(name);
        self.clear(&temporary)?;
        mkdirat(self.dir(), temporary.as_os_str(), Mode::from_bits_truncate(0o700))?;
        let made = File::from(self.open_directory(&temporary)?);
        let made = set(&made).and_then(|()| made.sync_all());
        self.rename_staged(made, name)
    }

    /// Writes the value of a kernel file (such as a sysctl) with one write.
    pub(crate) fn set_value(&self, value: &str) -> io::Result<()> {
        File::from(self.open(OFlag::O_WRONLY)?).write_all(value.as_bytes())
    }

    /// Removes the temporary file of an interrupted write. The copy of a previous key is not removed.
    pub(crate) fn remove_temporary(&self) -> io::Result<()> {
        if self.missing.is_empty() {
            self.clear(&temporary_name(&self.name))?;
        }
        Ok(())
    }

    fn open_directory(&self, name: &OsStr) -> io::Result<OwnedFd> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        Ok(openat(self.dir(), name, flags, Mode::empty())?)
    }

    pub(super) fn unlink_if_there(&self, name: &OsStr) -> io::Result<()> {
        self.gone(name, unlinkat(self.dir(), name, UnlinkatFlags::NoRemoveDir))
    }

    /// Removes a temporary file or directory.
    fn clear(&self, temporary: &OsStr) -> io::Result<()> {
        let unlinked = match unlinkat(self.dir(), temporary, UnlinkatFlags::NoRemoveDir) {
            Err(Errno::EISDIR) => unlinkat(self.dir(), temporary, UnlinkatFlags::RemoveDir),
            unlinked => unlinked,
        };
        self.gone(temporary, unlinked)
    }

    fn gone(&self, name: &OsStr, unlinked: nix::Result<()>) -> io::Result<()> {
        match unlinked {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            // A read-only file system fails before it checks whether the name exists.
            Err(Errno::EROFS) if self.is_absent(name) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    pub(super) fn is_absent(&self, name: &OsStr) -> bool {
        fstatat(self.dir(), name, AtFlags::AT_SYMLINK_NOFOLLOW).is_err_and(|errno| errno == Errno::ENOENT)
    }

    pub(crate) fn sync_dir(&self) -> io::Result<()> {
        sync_directory(self.dir())
    }
}

/// Makes the names in a directory durable.
pub(super) fn sync_directory(dir: BorrowedFd<'_>) -> io::Result<()> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    match openat(dir, ".", flags, Mode::empty()).and_then(fsync) {
        // Some FUSE and network file systems cannot sync a directory, and a directory may be writable but not
        // readable; the rename is done anyway.
        Ok(()) | Err(Errno::EACCES | Errno::EINVAL | Errno::ENOSYS | Errno::EOPNOTSUPP) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

fn put_bytes(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    file.rewind()?;
    file.write_all(bytes)?;
    file.set_len(bytes.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temporary_name_of_a_long_name_is_short() {
        assert_eq!(temporary_name(OsStr::new("fstab")), ".fstab.edgeutils-new");
        let long = "x".repeat(NAME_MAX);
        let name = temporary_name(OsStr::new(&long));
        assert!(name.len() <= NAME_MAX && name.to_string_lossy().ends_with(".edgeutils-new"), "{name:?}");
    }
}
