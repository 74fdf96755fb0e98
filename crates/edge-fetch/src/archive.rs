//! The one reader of archives: gzipped tars, from front to back, as something that a stranger may have made.
//!
//! Memory is bounded whatever the archive claims, time is linear in what it unpacks to, and that is bounded too.
//! What no archive of programs has is refused before the caller sees it: links, devices, pipes, sparse files,
//! names that lead out, twice the same file. Owners, setuid bits and times are none of an archive's business.

#![allow(clippy::disallowed_types, reason = "the one reader of archives")]

mod contents;
mod file;
mod meter;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use edge_host::{Error, Result, is_hidden};
use flate2::read::MultiGzDecoder;
use tar::EntryType;

use crate::sum::Summed;
pub use contents::Contents;
pub use file::Archive;
use meter::{Budget, Metered};

/// Headers, long names, pax records and padding in front of one file.
const MAX_BETWEEN: u64 = 1 << 20;
/// The same of all files together.
const MAX_BETWEEN_ALL: u64 = 16 << 20;
/// As Linux has it.
const MAX_NAME: usize = 4096;
const MAX_DEPTH: usize = 32;
/// Of a name this much is shown.
const SHOWN: usize = 80;
const EXECUTABLE: u32 = 0o111;

/// What an archive of some kind can have at most.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// What the archive should be, for messages: `bundle`.
    pub kind: &'static str,
    /// Entries of any type.
    pub entries: usize,
    /// Bytes of all files.
    pub bytes: u64,
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
}

/// An entry and, read from it, its content.
#[allow(missing_debug_implementations, reason = "the content has none")]
pub struct Entry<'a> {
    /// Its path in the archive, of plain names only; empty for the top.
    pub path: PathBuf,
    /// What it is.
    pub kind: Kind,
    /// Its length in bytes.
    pub size: u64,
    /// Whether anyone may run it.
    pub executable: bool,
    /// Where its content begins in what the archive unpacks to, for [`Contents`].
    pub offset: u64,
    content: &'a mut dyn Read,
}

impl Read for Entry<'_> {
    fn read(&mut self, piece: &mut [u8]) -> io::Result<usize> {
        self.content.read(piece)
    }
}

/// Reads an archive to its end and hands each file and directory to `take`; the SHA-256 of what was read.
///
/// `stop` is asked all the time, and its error ends the reading. The caller compares the checksum with the one
/// that it knows: a file that is replaced while it is read is found by that.
///
/// Errors: exit 1 where the archive is damaged or cut off, exit 4 where it has what no archive of its kind has.
pub fn read(
    file: &mut dyn Read,
    shown: &str,
    limits: Limits,
    stop: &dyn Fn() -> Result<()>,
    take: &mut dyn FnMut(Entry<'_>) -> Result<()>,
) -> Result<String> {
    let kind = limits.kind;
    let fail = |cause: io::Error| match stop() {
        Ok(()) => Error::failed(format!("cannot unpack {shown}: {cause}"))
            .hint(format!("it is damaged or not a {kind}: get it again")),
        Err(stopped) => stopped,
    };
    let all = Cell::new(limits.bytes.saturating_add(MAX_BETWEEN_ALL));
    let budget = Budget { entry: Cell::new(MAX_BETWEEN), all };
    let mut archive =
        tar::Archive::new(Metered { inner: MultiGzDecoder::new(Summed::new(file)), budget: &budget, stop });
    let mut judge = Judge { shown, limits, left: limits.bytes, count: 0, files: BTreeSet::new() };
    for entry in archive.entries().map_err(fail)? {
        let mut entry = entry.map_err(fail)?;
        budget.entry.set(entry.size().saturating_add(MAX_BETWEEN));
        let Some((path, kind)) = judge.look(&mut entry)? else { continue };
        let executable = entry.header().mode().map_err(fail)? & EXECUTABLE != 0;
        let (size, offset) = (entry.size(), entry.raw_file_position());
        take(Entry { path, kind, size, executable, offset, content: &mut entry })?;
    }
    // The rest is padding, and the checksum of the compression comes behind it.
    let mut metered = archive.into_inner();
    let mut piece = [0; 8192];
    loop {
        match metered.read(&mut piece).map_err(fail)? {
            0 => break,
            // Other programs would go on here, and unpack something else than we did.
            count if piece[..count].iter().any(|byte| *byte != 0) => {
                return Err(judge.refused("something in it", "comes after its end"));
            }
            _ => {}
        }
    }
    let mut summed = metered.inner.into_inner();
    io::copy(&mut summed, &mut io::sink()).map_err(fail)?;
    Ok(summed.finish())
}

/// What all archives are held to.
struct Judge<'a> {
    shown: &'a str,
    limits: Limits,
    left: u64,
    count: usize,
    files: BTreeSet<PathBuf>,
}

impl Judge<'_> {
    /// The path and kind of an entry that the caller is to see.
    fn look<R: Read>(&mut self, entry: &mut tar::Entry<'_, R>) -> Result<Option<(PathBuf, Kind)>> {
        let bytes = entry.path_bytes().into_owned();
        let name = shortened(&bytes);
        let kind = self.limits.kind;
        // What is passed over is unpacked all the same.
        self.count += 1;
        if self.count > self.limits.entries {
            return Err(self.refused(&name, &format!("makes them more files than any {kind} has")));
        }
        let size = entry.size();
        match self.left.checked_sub(size) {
            Some(left) => self.left = left,
            None => return Err(self.refused(&name, &format!("makes it larger than any {kind}"))),
        }
        let entry_type = entry.header().entry_type();
        if entry_type == EntryType::XGlobalHeader {
            // A comment, as git writes it.
            return if size <= MAX_BETWEEN { Ok(None) } else { Err(self.refused(&name, "is a header of many bytes")) };
        }
        if bytes.len() > MAX_NAME {
            return Err(self.refused(&name, &format!("has a name of {} bytes", bytes.len())));
        }
        let Ok(text) = std::str::from_utf8(&bytes) else {
            return Err(self.refused(&name, "has a name that is not text"));
        };
        let path = self.plain(text)?;
        if let Some(why) = odd_record(entry) {
            return Err(self.refused(&name, why));
        }
        let kind = match entry_type {
            EntryType::Directory => Kind::Directory,
            // As the oldest tars write a directory.
            EntryType::Regular if text.ends_with('/') && size == 0 => Kind::Directory,
            EntryType::Regular | EntryType::Continuous if !text.ends_with('/') => Kind::File,
            EntryType::Symlink | EntryType::Link => return Err(self.refused(&name, "is a link")),
            EntryType::Char | EntryType::Block | EntryType::Fifo => {
                return Err(self.refused(&name, "is a device or pipe"));
            }
            EntryType::GNUSparse => return Err(self.refused(&name, "is a sparse file")),
            _ => return Err(self.refused(&name, "is not a regular file")),
        };
        if kind == Kind::File && path.as_os_str().is_empty() {
            return Err(self.refused(&name, "is not the name of a file"));
        }
        if kind == Kind::File && !self.files.insert(path.clone()) {
            return Err(self.refused(&name, "is in it twice"));
        }
        Ok(Some((path, kind)))
    }

    /// A path of plain names.
    fn plain(&self, text: &str) -> Result<PathBuf> {
        let shown = shortened(text.as_bytes());
        if text.contains(is_hidden) {
            return Err(self.refused(&shown, "has characters in its name that are not visible"));
        }
        let mut path = PathBuf::new();
        let mut depth = 0;
        for component in Path::new(text).components() {
            match component {
                Component::Normal(name) => path.push(name),
                Component::CurDir => continue,
                Component::ParentDir => return Err(self.refused(&shown, "leads upwards")),
                Component::RootDir | Component::Prefix(_) => {
                    return Err(self.refused(&shown, "is an absolute path"));
                }
            }
            depth += 1;
            if depth > MAX_DEPTH {
                return Err(self.refused(&shown, &format!("is more than {MAX_DEPTH} directories deep")));
            }
        }
        Ok(path)
    }

    fn refused(&self, name: &str, why: &str) -> Error {
        Error::refused(format!("cannot unpack {}: {name} {why}", self.shown))
            .hint(format!("a real {} is not like this: do not use the archive", self.limits.kind))
    }
}

/// A pax record that makes other programs see something else than we do.
fn odd_record<R: Read>(entry: &mut tar::Entry<'_, R>) -> Option<&'static str> {
    let (mut paths, mut sizes) = (0, 0);
    for record in entry.pax_extensions().ok()??.flatten() {
        match record.key_bytes() {
            b"path" => paths += 1,
            b"size" => sizes += 1,
            key if key.starts_with(b"GNU.sparse.") => return Some("is a sparse file"),
            _ => {}
        }
    }
    (paths > 1 || sizes > 1).then_some("has two names or sizes")
}

fn shortened(name: &[u8]) -> String {
    let text = String::from_utf8_lossy(&name[..name.len().min(MAX_NAME)]);
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.into_owned(),
    }
}

#[cfg(test)]
mod tests;
