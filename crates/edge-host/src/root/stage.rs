//! Writes large data that is not a change to the host: downloads, build results, unpacked archives.
//!
//! It is written under a temporary name, fsynced and renamed, so that what has its name is complete. The temporary
//! name of a killed run is removed by the next one. It is not in the journal; what uses it (a link) is.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, renameat};
use nix::sys::stat::{Mode, SFlag, fchmod, fstatat, mkdirat};

use super::Root;
use super::attributes::set_attributes;
use super::delete::delete;
use super::read::{kind, names_in};
use super::resolve::{LastLink, ResolvedPath};
use super::write::{Meta, sync_directory, temporary_name};
use crate::error::{Error, Result, ResultExt};

const PIECE: usize = 64 << 10;
pub(super) const DIR_FLAGS: OFlag =
    OFlag::O_RDONLY.union(OFlag::O_DIRECTORY).union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);
const NEW_FILE: OFlag =
    OFlag::O_WRONLY.union(OFlag::O_CREAT).union(OFlag::O_EXCL).union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);

/// A new file or directory under its temporary name; if it is dropped before it is renamed, nothing is left of it.
#[derive(Debug)]
struct Unplaced<'r> {
    resolved: ResolvedPath<'r>,
    temporary: OsString,
    shown: PathBuf,
    placed: bool,
}

/// A file that is renamed when it is complete; if it is dropped before, nothing is left of it.
#[derive(Debug)]
pub struct NewFile<'r> {
    file: File,
    place: Unplaced<'r>,
}

/// A directory that is renamed when it is complete; if it is dropped before, nothing is left of it.
#[derive(Debug)]
pub struct NewDir<'r> {
    top: OwnedFd,
    place: Unplaced<'r>,
}

impl Root {
    /// Begins a file at `path` with this mode; parent directories are made (0755).
    pub fn new_file(&self, path: &Path, mode: u32) -> Result<NewFile<'_>> {
        let place = self.beside(path)?;
        let make = || -> io::Result<File> {
            let file = place.resolved.create(&place.temporary, 0o600)?;
            set_attributes(&file, Meta { mode, owner: None }, None, None)?;
            Ok(file)
        };
        let file = make().on("write", &place.shown)?;
        Ok(NewFile { file, place })
    }

    /// Begins a directory at `path`, mode 0755; parent directories are made.
    pub fn new_dir(&self, path: &Path) -> Result<NewDir<'_>> {
        let place = self.beside(path)?;
        let make = || -> io::Result<OwnedFd> {
            let (dir, name) = (place.resolved.dir(), place.temporary.as_os_str());
            mkdirat(dir, name, Mode::from_bits_truncate(0o700))?;
            Ok(openat(dir, name, DIR_FLAGS, Mode::empty())?)
        };
        let top = make().on("make", &place.shown)?;
        Ok(NewDir { top, place })
    }

    /// Removes `path` and everything below it; a missing path is success.
    ///
    /// It is renamed first, so that it is never seen half-removed. Mounts in it stay, with their parent directories, and
    /// are an error after everything else is removed.
    pub fn remove_tree(&self, path: &Path) -> Result<()> {
        let shown = self.display(path);
        let resolved = self.resolve(path, LastLink::Keep).on("remove", &shown)?;
        if !resolved.missing.is_empty() {
            return Ok(());
        }
        let temporary = temporary_name(&resolved.name);
        let (dir, name) = (resolved.dir(), resolved.name.as_os_str());
        // What an interrupted run has left; it may contain a mount by now.
        let mut left = delete(dir, &temporary);
        if left.is_nothing() {
            left = match renameat(dir, name, dir, temporary.as_os_str()) {
                Ok(()) => delete(dir, &temporary),
                Err(Errno::ENOENT) => return Ok(()),
                Err(errno) => return Err(errno).on("remove", &shown),
            };
            if !left.is_nothing() {
                // What is left gets its name back. If that was taken meanwhile, it keeps this one.
                renameat(dir, temporary.as_os_str(), dir, name).ok();
            }
        }
        left.into_error("remove", &shown).map_or(Ok(()), Err)
    }

    /// Resolves the path of something new, and removes what an interrupted run has left of it.
    fn beside(&self, path: &Path) -> Result<Unplaced<'_>> {
        let shown = self.display(path);
        let fail = |cause: io::Error| self.path_error("write", path, &cause);
        let mut resolved = self.resolve(path, LastLink::Keep).map_err(fail)?;
        resolved.make_parents().map_err(fail)?;
        let temporary = temporary_name(&resolved.name);
        delete(resolved.dir(), &temporary).into_result().map_err(fail)?;
        Ok(Unplaced { resolved, temporary, shown, placed: false })
    }
}

impl Unplaced<'_> {
    /// Renames it.
    fn place(&mut self, verb: &str, complete: io::Result<()>) -> Result<()> {
        self.resolved.place_if(complete).map_err(|cause| Error::io(verb, &self.shown, &cause))?;
        self.placed = true;
        Ok(())
    }
}

impl Drop for Unplaced<'_> {
    fn drop(&mut self) {
        if !self.placed {
            // Best effort: the next run removes what is left.
            delete(self.resolved.dir(), &self.temporary);
        }
    }
}

impl NewFile<'_> {
    /// Renames it; an existing file is replaced.
    pub fn finish(mut self) -> Result<()> {
        self.place.place("write", self.file.sync_all())
    }
}

impl Write for NewFile<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl NewDir<'_> {
    /// Writes `content` to a file at `inner`, a path of plain names. Returns the number of bytes.
    ///
    /// Fails with `cannot unpack` if `content` fails, and if the name exists already.
    pub fn file(&mut self, inner: &Path, mode: u32, content: &mut dyn Read) -> Result<u64> {
        let shown = self.place.shown.join(inner);
        let (dir, name) = self.parent(inner).on("write", &shown)?;
        let mut file = File::from(openat(&dir, name, NEW_FILE, Mode::empty()).on("write", &shown)?);
        let mut piece = vec![0; PIECE];
        let mut written = 0;
        loop {
            let read = match content.read(&mut piece) {
                Ok(0) => break,
                Ok(read) => read,
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => continue,
                Err(cause) => return Err(Error::failed(format!("cannot unpack {}: {cause}", inner.display()))),
            };
            file.write_all(&piece[..read]).on("write", &shown)?;
            written += read as u64;
        }
        fchmod(&file, Mode::from_bits_truncate(mode)).on("write", &shown)?;
        file.sync_all().on("write", &shown)?;
        Ok(written)
    }

    /// Renames it; the name must be free.
    pub fn finish(mut self) -> Result<()> {
        let complete = || -> io::Result<()> {
            fchmod(&self.top, Mode::from_bits_truncate(0o755))?;
            sync_below(self.top.as_fd())
        };
        let complete = complete();
        self.place.place("make", complete)
    }

    fn parent<'p>(&self, inner: &'p Path) -> io::Result<(OwnedFd, &'p OsStr)> {
        let mut names: Vec<&OsStr> = Vec::new();
        for component in inner.components() {
            let Component::Normal(name) = component else { return Err(Errno::EINVAL.into()) };
            names.push(name);
        }
        let last = names.pop().ok_or(Errno::EINVAL)?;
        let mut dir = openat(&self.top, ".", DIR_FLAGS, Mode::empty())?;
        for name in names {
            match mkdirat(&dir, name, Mode::from_bits_truncate(0o755)) {
                Ok(()) => {
                    dir = openat(&dir, name, DIR_FLAGS, Mode::empty())?;
                    fchmod(&dir, Mode::from_bits_truncate(0o755))?;
                }
                Err(Errno::EEXIST) => dir = openat(&dir, name, DIR_FLAGS, Mode::empty())?,
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok((dir, last))
    }
}

/// Makes the directories durable; the files are already.
fn sync_below(dir: BorrowedFd<'_>) -> io::Result<()> {
    for name in names_in(openat(dir, ".", DIR_FLAGS, Mode::empty())?)? {
        let stat = fstatat(dir, name.as_os_str(), AtFlags::AT_SYMLINK_NOFOLLOW)?;
        if kind(&stat) == SFlag::S_IFDIR {
            sync_below(openat(dir, name.as_os_str(), DIR_FLAGS, Mode::empty())?.as_fd())?;
        }
    }
    sync_directory(dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names_in(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn new_file_has_its_name_only_when_it_is_complete() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::image(dir.path()).unwrap();
        let mut file = root.new_file(Path::new("/a/b"), 0o640).unwrap();
        file.write_all(b"half").unwrap();
        assert_eq!(names_in(&dir.path().join("a")), [".b.edgeutils-new"]);
        drop(file);
        assert!(names_in(&dir.path().join("a")).is_empty());
        // What a killed run has left does not prevent the next.
        std::fs::write(dir.path().join("a/.b.edgeutils-new"), "left").unwrap();
        let mut file = root.new_file(Path::new("/a/b"), 0o640).unwrap();
        file.write_all(b"whole").unwrap();
        file.finish().unwrap();
        assert_eq!(std::fs::read_to_string(dir.path().join("a/b")).unwrap(), "whole");
        assert_eq!(names_in(&dir.path().join("a")), ["b"]);
    }

    #[test]
    fn new_dir_appears_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::image(dir.path()).unwrap();
        std::fs::create_dir_all(dir.path().join("s/.v1.edgeutils-new/deep")).unwrap();
        let mut new = root.new_dir(Path::new("/s/v1")).unwrap();
        assert_eq!(new.file(Path::new("bin/x"), 0o755, &mut b"12345".as_slice()).unwrap(), 5);
        assert!(new.file(Path::new("bin/x"), 0o755, &mut b"again".as_slice()).is_err(), "the name is taken");
        for bad in ["../x", "/x", "", "bin/../../x"] {
            assert!(new.file(Path::new(bad), 0o755, &mut b"x".as_slice()).is_err(), "{bad:?}");
        }
        assert!(!dir.path().join("s/v1").exists());
        new.finish().unwrap();
        assert_eq!(std::fs::read_to_string(dir.path().join("s/v1/bin/x")).unwrap(), "12345");
        drop(root.new_dir(Path::new("/s/v2")).unwrap());
        assert_eq!(names_in(&dir.path().join("s")), ["v1"]);
        root.remove_tree(Path::new("/s/v1")).unwrap();
        root.remove_tree(Path::new("/s/v1")).unwrap();
        assert!(names_in(&dir.path().join("s")).is_empty());
    }

    #[test]
    fn remove_tree_does_not_follow_links() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::image(dir.path()).unwrap();
        std::fs::create_dir_all(dir.path().join("tree/in")).unwrap();
        std::fs::create_dir(dir.path().join("kept")).unwrap();
        std::fs::write(dir.path().join("kept/file"), "x").unwrap();
        std::os::unix::fs::symlink("../../kept", dir.path().join("tree/in/link")).unwrap();
        root.remove_tree(Path::new("/tree")).unwrap();
        assert_eq!(names_in(dir.path()), ["kept"]);
        assert_eq!(names_in(&dir.path().join("kept")), ["file"]);
    }
}
