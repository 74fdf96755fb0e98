//! One directory on the way down: its open descriptor, and how far it has been read.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use nix::dir::{Dir, Entry, OwningIter, Type};
use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::sys::stat::{SFlag, fstatat};
use nix::unistd::{UnlinkatFlags, Whence, lseek, unlinkat};

use super::super::read::kind;
use super::Stop;
use super::left::Leftovers;
use super::step::Identity;

/// Some file systems skip names while others are removed, so a directory is read until nothing more is removed; this
/// limits it if another process keeps creating files.
const MAX_PASSES: u32 = 64;

/// A directory that is being emptied.
pub(super) struct Level {
    /// Its name in the level above.
    pub(super) name: OsString,
    /// Its inode number as listed in the level above.
    pub(super) number: u64,
    pub(super) is: Identity,
    /// Whether something was removed in this pass.
    pub(super) progress: bool,
    /// Subdirectories that cannot be removed.
    pub(super) stuck: HashSet<u64>,
    /// Whether something below cannot be removed and is reported already.
    pub(super) has_left: bool,
    /// None while many levels below it are open.
    open: Option<Open>,
    has_directories: bool,
    passes: u32,
}

/// A directory that is open twice: to work in, and to read from.
pub(super) struct Open {
    dir: OwnedFd,
    names: OwningIter,
}

impl Level {
    pub(super) fn new(name: OsString, number: u64, open: Open) -> io::Result<Level> {
        let is = Identity::of(open.dir.as_fd())?;
        Ok(Level {
            name,
            number,
            is,
            progress: false,
            stuck: HashSet::new(),
            has_left: false,
            open: Some(open),
            has_directories: false,
            passes: 0,
        })
    }

    pub(super) fn dir(&self) -> Option<BorrowedFd<'_>> {
        self.open.as_ref().map(|open| open.dir.as_fd())
    }

    pub(super) fn close(&mut self) {
        self.open = None;
    }

    pub(super) fn reopen(&mut self, dir: OwnedFd) -> io::Result<()> {
        self.open = Some(Open::new(dir)?);
        Ok(())
    }

    /// Removes everything that is not a directory. Leftovers are counted even if reading ends early.
    pub(super) fn remove_files(&mut self, stop: Stop<'_>) -> (Leftovers, io::Result<()>) {
        let mut left = Leftovers::default();
        let Some(open) = &mut self.open else { return (left, Ok(())) };
        for _ in 0..MAX_PASSES {
            left = Leftovers::default();
            let mut removed = false;
            loop {
                let entry = match open.next() {
                    Ok(Some(entry)) => entry,
                    Ok(None) => break,
                    Err(cause) => return (left, Err(cause)),
                };
                if open.is_directory(&entry) {
                    self.has_directories = true;
                    continue;
                }
                if stop() {
                    return (left, Ok(()));
                }
                match unlinkat(&open.dir, entry.file_name(), UnlinkatFlags::NoRemoveDir) {
                    Ok(()) => removed = true,
                    Err(Errno::ENOENT) => {}
                    Err(Errno::EISDIR) => self.has_directories = true,
                    Err(errno) => left.add(errno.into(), || PathBuf::from(name_of(&entry))),
                }
            }
            match open.rewind() {
                Ok(()) if removed => {}
                ended => return (left, ended),
            }
        }
        (left, Err(io::Error::other("another process keeps creating files in it")))
    }

    /// The next subdirectory that has not been tried; none if all are done or no more can be remembered.
    pub(super) fn next_directory(&mut self, has_room: bool) -> io::Result<Option<(OsString, u64)>> {
        if !self.has_directories {
            return Ok(None);
        }
        if !has_room {
            return Err(io::Error::other("too many directories cannot be removed"));
        }
        let Some(open) = &mut self.open else { return Ok(None) };
        loop {
            while let Some(entry) = open.next()? {
                if !self.stuck.contains(&entry.ino()) && open.is_directory(&entry) {
                    return Ok(Some((name_of(&entry).to_owned(), entry.ino())));
                }
            }
            self.passes += 1;
            if !self.progress || self.passes >= MAX_PASSES {
                return Ok(None);
            }
            self.progress = false;
            open.rewind()?;
        }
    }
}

impl Open {
    pub(super) fn new(dir: OwnedFd) -> io::Result<Open> {
        let names = Dir::from_fd(dir.try_clone()?)?.into_iter();
        Ok(Open { dir, names })
    }

    fn rewind(&mut self) -> io::Result<()> {
        lseek(&self.dir, 0, Whence::SeekSet)?;
        self.names = Dir::from_fd(self.dir.try_clone()?)?.into_iter();
        Ok(())
    }

    fn next(&mut self) -> io::Result<Option<Entry>> {
        for entry in self.names.by_ref() {
            let entry = entry?;
            if ![c".", c".."].contains(&entry.file_name()) {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }

    fn is_directory(&self, entry: &Entry) -> bool {
        match entry.file_type() {
            Some(known) => known == Type::Directory,
            // Not every file system returns the type.
            None => fstatat(&self.dir, entry.file_name(), AtFlags::AT_SYMLINK_NOFOLLOW)
                .is_ok_and(|stat| kind(&stat) == SFlag::S_IFDIR),
        }
    }
}

fn name_of(entry: &Entry) -> &OsStr {
    OsStr::from_bytes(entry.file_name().to_bytes())
}
