//! Goes through the entries of a tar whose links and devices do not matter.

use std::cell::Cell;
use std::io::{self, Read};
use std::path::{Component, Path};

use edge_host::{Error, Exit, Result};

use crate::archive::meter::{Budget, Metered};
use crate::archive::{MAX_BETWEEN, NOT_VALID, describe, shortened};

/// More files than any image has, all of its layers together.
const MAX_ENTRIES: usize = 400_000;
/// The bytes that are unpacked, whatever the file claims.
const MAX_BYTES: u64 = 8 << 30;

/// Whether the rest is read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    Go,
    Stop,
}

/// A reader with a budget.
pub(super) type Unpacked<'w> = Metered<'w, Box<dyn Read + 'w>>;
/// Looks at an entry: its name without `.`, and itself.
pub(super) type Each<'e, 'w> = dyn FnMut(&str, &mut tar::Entry<'_, Unpacked<'w>>) -> Result<Next> + 'e;

/// The limits of everything that is read of one file.
pub(super) struct Walk<'s> {
    shown: &'s str,
    kind: &'static str,
    stop: &'s dyn Fn() -> Result<()>,
    left: Cell<usize>,
    /// Of the entries of tars, and of what is read beside them to get there.
    entries: Budget,
    beside: Budget,
}

impl<'s> Walk<'s> {
    /// A file by its name for messages and its kind.
    pub(super) fn new(shown: &'s str, kind: &'static str, stop: &'s dyn Fn() -> Result<()>) -> Walk<'s> {
        let budget = || Budget { entry: Cell::new(u64::MAX), all: Cell::new(MAX_BYTES) };
        Walk { shown, kind, stop, left: Cell::new(MAX_ENTRIES), entries: budget(), beside: budget() }
    }

    /// Reads the entries of a tar, until `each` stops it. An entry that leaves its directory is skipped.
    pub(super) fn entries<'w>(&'w self, from: Box<dyn Read + 'w>, each: &mut Each<'_, 'w>) -> Result<()> {
        self.entries.entry.set(MAX_BETWEEN);
        let metered = Metered { inner: from, budget: &self.entries, stop: self.stop };
        let mut archive = tar::Archive::new(metered);
        for entry in archive.entries().map_err(|cause| self.error(&cause))? {
            let mut entry = entry.map_err(|cause| self.error(&cause))?;
            self.entries.entry.set(entry.size().saturating_add(MAX_BETWEEN));
            let left = self.left.get().checked_sub(1).ok_or_else(|| {
                let cause = format!("it has more than {MAX_ENTRIES} files");
                Error::cannot("unpack", self.shown, cause).with_exit(Exit::Refused)
            })?;
            self.left.set(left);
            let bytes = entry.path_bytes().into_owned();
            let Some(name) = plain(Path::new(&*String::from_utf8_lossy(&bytes))) else { continue };
            if each(&name, &mut entry).map_err(|error| (self.stop)().err().unwrap_or(error))? == Next::Stop {
                return Ok(());
            }
        }
        Ok(())
    }

    /// A reader of what is not the content of an entry.
    pub(super) fn metered<'w, R: Read>(&'w self, inner: R) -> Metered<'w, R> {
        Metered { inner, budget: &self.beside, stop: self.stop }
    }

    /// What went wrong; an interrupt comes first.
    pub(super) fn error(&self, cause: &io::Error) -> Error {
        match (self.stop)() {
            Err(stopped) => stopped,
            Ok(()) => {
                // What the library says of an incomplete block.
                let cause = match describe(cause).as_str() {
                    NOT_VALID => "it is damaged or truncated".to_owned(),
                    other => other.to_owned(),
                };
                let hint = format!("the file is damaged or not a valid {}: get it again", self.kind);
                Error::cannot("unpack", self.shown, cause).hint(hint)
            }
        }
    }

    /// Refuses (exit 4) an entry.
    pub(super) fn refused(&self, name: &str, why: &str) -> Error {
        let name = shortened(name.as_bytes());
        Error::refused(format!("cannot use {}: {name} {why}", self.shown))
            .hint("this is not a genuine image: do not use it")
    }
}

/// The path of an entry below the top, without `.`; none if it leaves it.
fn plain(path: &Path) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => parts.push(name.to_str()?),
            Component::CurDir | Component::RootDir => {}
            Component::ParentDir | Component::Prefix(_) => return None,
        }
    }
    Some(parts.join("/"))
}

/// The path that a link in a tar names, of a symbolic link from its own directory on; none if it leaves the tar.
pub(super) fn target_of(name: &str, target: &str, is_hard: bool) -> Option<String> {
    if is_hard {
        return plain(Path::new(target));
    }
    let mut parts: Vec<&str> = name.split('/').collect();
    parts.pop();
    for component in Path::new(target).components() {
        match component {
            Component::Normal(name) => parts.push(name.to_str()?),
            Component::CurDir => {}
            Component::ParentDir => drop(parts.pop()?),
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(parts.join("/"))
}
