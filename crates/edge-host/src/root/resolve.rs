//! Resolves a path to the descriptor of its parent directory and the last name in it.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag, openat, openat2, readlinkat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, fstatat};

use super::{Root, VIRTUAL};

/// As the kernel does it: more links than this are a loop.
const MAX_LINKS: usize = 40;

/// What to do with a symbolic link as the last component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LastLink {
    /// Follow it: a symlinked fstab stays a symlink, and its target is edited.
    Follow,
    /// Resolve to the link itself.
    Keep,
}

/// A resolved path: the deepest existing directory, and the rest.
#[derive(Debug)]
pub(crate) struct ResolvedPath<'r> {
    root: &'r Root,
    /// Opened directories, each with its path below the one before.
    stack: Vec<(OwnedFd, OsString)>,
    /// Parent directories that do not exist yet.
    pub(crate) missing: Vec<OsString>,
    /// The last component.
    pub(crate) name: OsString,
}

impl ResolvedPath<'_> {
    /// The descriptor of the deepest existing directory; the parent itself unless some are missing.
    pub(crate) fn dir(&self) -> BorrowedFd<'_> {
        self.stack.last().map_or(self.root.top.as_fd(), |(fd, _)| fd.as_fd())
    }

    /// The path below the root with all links resolved.
    pub(crate) fn canonical(&self) -> PathBuf {
        let mut path = PathBuf::from(super::LIVE_ROOT);
        path.extend(self.stack.iter().map(|(_, name)| name));
        path.extend(&self.missing);
        path.push(&self.name);
        path
    }

    /// The last component itself, a link not followed; `None` if it does not exist.
    pub(crate) fn stat(&self) -> io::Result<Option<FileStat>> {
        if !self.missing.is_empty() {
            return Ok(None);
        }
        match fstatat(self.dir(), self.name.as_os_str(), AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::ENOENT) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Opens the last component, never through a link.
    pub(crate) fn open(&self, flags: OFlag) -> io::Result<OwnedFd> {
        if !self.missing.is_empty() {
            return Err(Errno::ENOENT.into());
        }
        let flags = flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        Ok(openat(self.dir(), self.name.as_os_str(), flags, Mode::empty())?)
    }

    /// Where the last component points, if it is a link.
    pub(crate) fn link_target(&self) -> io::Result<OsString> {
        Ok(readlinkat(self.dir(), self.name.as_os_str())?)
    }

    /// Goes one directory down, after a missing directory was made.
    pub(crate) fn descend(&mut self, fd: OwnedFd, name: OsString) {
        self.stack.push((fd, name));
    }
}

impl Root {
    /// Resolves `path` component by component.
    ///
    /// Fails with ELOOP on a link loop, ENOTDIR if a parent is not a directory, EINVAL on a path with NUL, ENOTSUP on
    /// proc, sys, run and dev of an image.
    pub(crate) fn resolve(&self, path: &Path, last: LastLink) -> io::Result<ResolvedPath<'_>> {
        let mut resolved = self.entry(OsString::from("."));
        let mut todo: VecDeque<OsString> = VecDeque::new();
        prepend(&mut todo, path);
        let mut skipped = self.skip_parents(&mut resolved, &mut todo)?;
        let mut links = 0;
        while let Some(name) = todo.pop_front() {
            // A trailing slash asks for a directory, as it does of the kernel.
            let mut directory = false;
            while todo.front().is_some_and(|next| next == ".") {
                todo.pop_front();
                directory = true;
            }
            if name == "." {
                continue;
            }
            if name == ".." {
                if !resolved.missing.is_empty() {
                    return Err(Errno::ENOENT.into());
                }
                resolved.stack.pop();
                continue;
            }
            self.refuse_virtual(&resolved, &name)?;
            if !resolved.missing.is_empty() {
                if todo.is_empty() {
                    resolved.name = name;
                    return Ok(resolved);
                }
                resolved.missing.push(name);
                continue;
            }
            if todo.is_empty() && last == LastLink::Keep && !directory {
                resolved.name = name;
                return Ok(resolved);
            }
            let here = match openat(resolved.dir(), name.as_os_str(), STEP, Mode::empty()) {
                Ok(fd) => fd,
                Err(Errno::ENOENT) if todo.is_empty() => {
                    resolved.name = name;
                    return Ok(resolved);
                }
                Err(Errno::ENOENT) => {
                    resolved.missing.push(name);
                    continue;
                }
                Err(errno) => return Err(errno.into()),
            };
            let kind = SFlag::from_bits_truncate(fstat(&here)?.st_mode & SFlag::S_IFMT.bits());
            match kind {
                SFlag::S_IFLNK => {
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(Errno::ELOOP.into());
                    }
                    // Read from the opened link itself, so that the link that was checked is followed.
                    let target = PathBuf::from(readlinkat(&here, OsStr::new(""))?);
                    if target.is_absolute() {
                        resolved.stack.clear();
                    }
                    if directory {
                        todo.push_front(OsString::from("."));
                    }
                    prepend(&mut todo, &target);
                    // The target may lead up, so each directory above the link is needed.
                    if let Some(parents) = skipped.take().filter(|_| !target.is_absolute()) {
                        resolved.stack.clear();
                        prepend(&mut todo, &parents);
                    }
                }
                _ if todo.is_empty() && directory && kind != SFlag::S_IFDIR => return Err(Errno::ENOTDIR.into()),
                _ if todo.is_empty() => {
                    resolved.name = name;
                    return Ok(resolved);
                }
                SFlag::S_IFDIR => resolved.stack.push((here, name)),
                _ => return Err(Errno::ENOTDIR.into()),
            }
        }
        // The path ended in `..` or is the root: the directory itself, named from inside.
        Ok(resolved)
    }

    /// Opens the parent directory with one call and returns its path, if there is no link and no `..` on the way to it;
    /// otherwise, also before Linux 5.6, each component is left to do.
    fn skip_parents(
        &self,
        resolved: &mut ResolvedPath<'_>,
        todo: &mut VecDeque<OsString>,
    ) -> io::Result<Option<PathBuf>> {
        let Some(first) = todo.front() else {
            return Ok(None);
        };
        if todo.len() < 3 || todo.iter().any(|name| name == "." || name == "..") {
            return Ok(None);
        }
        self.refuse_virtual(resolved, first)?;
        let parents: PathBuf = todo.iter().take(todo.len().saturating_sub(1)).collect();
        let how = OpenHow::new().flags(STEP | OFlag::O_DIRECTORY).resolve(WITHOUT_LINKS);
        let Ok(fd) = openat2(&self.top, &parents, how) else {
            return Ok(None);
        };
        todo.drain(..todo.len().saturating_sub(1));
        resolved.stack.push((fd, parents.clone().into_os_string()));
        Ok(Some(parents))
    }

    /// A name in the top directory; nothing is resolved or refused.
    pub(crate) fn entry(&self, name: OsString) -> ResolvedPath<'_> {
        ResolvedPath { root: self, stack: Vec::new(), missing: Vec::new(), name }
    }

    fn refuse_virtual(&self, resolved: &ResolvedPath<'_>, name: &OsStr) -> io::Result<()> {
        let at_top = resolved.stack.is_empty() && resolved.missing.is_empty();
        if !self.is_live() && at_top && VIRTUAL.iter().any(|virtual_dir| name == *virtual_dir) {
            return Err(Errno::ENOTSUP.into());
        }
        Ok(())
    }
}

const WITHOUT_LINKS: ResolveFlag =
    ResolveFlag::RESOLVE_NO_SYMLINKS.union(ResolveFlag::RESOLVE_NO_MAGICLINKS).union(ResolveFlag::RESOLVE_BENEATH);
const STEP: OFlag = OFlag::O_PATH.union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);

/// Puts the components of `path` before the remaining ones.
fn prepend(todo: &mut VecDeque<OsString>, path: &Path) {
    let bytes = path.as_os_str().as_bytes();
    if bytes.ends_with(b"/") || bytes.ends_with(b"/.") {
        todo.push_front(OsString::from("."));
    }
    for component in path.components().rev() {
        match component {
            Component::Normal(name) => todo.push_front(name.to_os_string()),
            Component::ParentDir => todo.push_front(OsString::from("..")),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn resolve_follows_links_that_lead_up_from_deep_directories() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("a/b/c");
        fs::create_dir_all(&deep).unwrap();
        for (link, target) in
            [("up", "../file"), ("top", "../../../../top"), ("beside", "d/file"), ("absolute", "/a/file")]
        {
            symlink(target, deep.join(link)).unwrap();
        }
        symlink("b/c", dir.path().join("a/through")).unwrap();
        let root = Root::image(dir.path()).unwrap();
        let resolved = |path: &str, last| root.resolve(Path::new(path), last).unwrap().canonical();
        for (path, target) in [
            ("/a/b/c/up", "/a/b/file"),
            ("/a/b/c/top", "/top"),
            ("/a/b/c/beside", "/a/b/c/d/file"),
            ("/a/b/c/absolute", "/a/file"),
            ("/a/through/up", "/a/b/file"),
            ("/a/b/c/../c/up", "/a/b/file"),
        ] {
            assert_eq!(resolved(path, LastLink::Follow), Path::new(target), "{path}");
        }
        assert_eq!(resolved("/a/b/c/up", LastLink::Keep), Path::new("/a/b/c/up"));
    }
}
