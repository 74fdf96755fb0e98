//! Reads gzipped tar archives, which are treated as untrusted.
//!
//! Memory is bounded whatever the archive claims, and so is the size of what it unpacks to, in which time is linear.
//! Entries that an archive of programs does not need are refused before the caller sees them: links, devices, pipes,
//! sparse files, paths outside the archive, duplicates. Owners, setuid bits and times are ignored.

#![allow(clippy::disallowed_types, reason = "the only reader of archives")]

mod contents;
mod file;
pub(crate) mod meter;

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
use meter::{Budget, Metered, TooLong};

/// Limit for headers, long names, pax records and padding before one file.
pub(crate) const MAX_BETWEEN: u64 = 1 << 20;
/// The same for all files together.
const MAX_BETWEEN_ALL: u64 = 16 << 20;
/// PATH_MAX of Linux.
const MAX_NAME: usize = 4096;
const MAX_DEPTH: usize = 32;
/// How many characters of a name are shown.
const SHOWN: usize = 80;
const EXECUTABLE: u32 = 0o111;
/// What is wrong with an archive that the libraries cannot decode.
pub(crate) const NOT_VALID: &str = "it is not a valid gzipped tar archive";

/// Limits for one kind of archive.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The kind, for messages: `bundle`.
    pub kind: &'static str,
    /// The number of entries of any type.
    pub entries: usize,
    /// The size of all files together, in bytes.
    pub bytes: u64,
}

/// The type of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
}

/// An entry; reading from it gives its content.
#[allow(missing_debug_implementations, reason = "the content has none")]
pub struct Entry<'a> {
    /// Its path in the archive, without `.` and `..`; empty for the top directory.
    pub path: PathBuf,
    /// Its type.
    pub kind: Kind,
    /// Its length in bytes.
    pub size: u64,
    /// Whether anyone may execute it.
    pub executable: bool,
    /// The offset of its content in the uncompressed archive, for [`Contents`].
    pub offset: u64,
    content: &'a mut dyn Read,
}

impl Read for Entry<'_> {
    fn read(&mut self, piece: &mut [u8]) -> io::Result<usize> {
        self.content.read(piece)
    }
}

/// Reads an archive to its end, hands each file and directory to `take`, and returns the SHA-256 of the bytes read.
///
/// `stop` is called all the time, and its error ends the reading. The caller compares the checksum with the expected
/// one, which detects a file that is replaced while it is read.
///
/// Errors: exit 1 where the archive is damaged or truncated, exit 4 where it has an entry that is refused.
pub fn read(
    file: &mut dyn Read,
    shown: &str,
    limits: Limits,
    stop: &dyn Fn() -> Result<()>,
    take: &mut dyn FnMut(Entry<'_>) -> Result<()>,
) -> Result<String> {
    let kind = limits.kind;
    let fail = |cause: io::Error| match stop() {
        Ok(()) => Error::cannot("unpack", shown, describe(&cause))
            .hint(format!("the file is damaged or not a {kind}: download it again")),
        Err(stopped) => stopped,
    };
    let all = Cell::new(limits.bytes.saturating_add(MAX_BETWEEN_ALL));
    let budget = Budget { entry: Cell::new(MAX_BETWEEN), all };
    let mut archive =
        tar::Archive::new(Metered { inner: MultiGzDecoder::new(Summed::new(file)), budget: &budget, stop });
    let mut checker = Checker { shown, limits, left: limits.bytes, count: 0, files: BTreeSet::new() };
    for entry in archive.entries().map_err(fail)? {
        let mut entry = entry.map_err(fail)?;
        budget.entry.set(entry.size().saturating_add(MAX_BETWEEN));
        let Some((path, kind)) = checker.check(&mut entry)? else { continue };
        let executable = entry.header().mode().map_err(fail)? & EXECUTABLE != 0;
        let (size, offset) = (entry.size(), entry.raw_file_position());
        // An interrupted read is only an error of reading to the caller.
        take(Entry { path, kind, size, executable, offset, content: &mut entry })
            .map_err(|error| stop().err().unwrap_or(error))?;
    }
    // Only padding may follow, and then gzip's checksum.
    let mut metered = archive.into_inner();
    let mut piece = [0; 8192];
    loop {
        match metered.read(&mut piece).map_err(fail)? {
            0 => break,
            // Other programs would unpack more entries from here on.
            count if piece[..count].iter().any(|byte| *byte != 0) => {
                return Err(checker.refused("an entry", "follows after its end"));
            }
            _ => {}
        }
    }
    let mut summed = metered.inner.into_inner();
    io::copy(&mut summed, &mut io::sink()).map_err(fail)?;
    Ok(summed.finish())
}

/// Why an archive, or an entry of it, cannot be read; without the words of the libraries that decode it.
pub fn describe(cause: &io::Error) -> String {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(cause);
    while let Some(error) = next {
        match (error.downcast_ref::<TooLong>(), error.downcast_ref::<io::Error>()) {
            (Some(TooLong(what)), _) => return (*what).to_owned(),
            (_, Some(io)) if io.raw_os_error().is_some() => return io.to_string(),
            (_, Some(io)) => next = io.get_ref().map(|inner| inner as _),
            _ => next = error.source(),
        }
    }
    match cause.kind() {
        io::ErrorKind::UnexpectedEof => "it is truncated".to_owned(),
        _ => NOT_VALID.to_owned(),
    }
}

/// Applies the rules for all archives to each entry.
struct Checker<'a> {
    shown: &'a str,
    limits: Limits,
    left: u64,
    count: usize,
    files: BTreeSet<PathBuf>,
}

impl Checker<'_> {
    /// The path and type of an entry; none of one that the caller does not need.
    fn check<R: Read>(&mut self, entry: &mut tar::Entry<'_, R>) -> Result<Option<(PathBuf, Kind)>> {
        let bytes = entry.path_bytes().into_owned();
        let name = shortened(&bytes);
        let kind = self.limits.kind;
        // Skipped entries count, too: they are unpacked anyway.
        self.count += 1;
        if self.count > self.limits.entries {
            return Err(self.refused(&name, &format!("exceeds the {} entries of any {kind}", self.limits.entries)));
        }
        let size = entry.size();
        match self.left.checked_sub(size) {
            Some(left) => self.left = left,
            None => return Err(self.refused(&name, &format!("makes it larger than any {kind}"))),
        }
        let entry_type = entry.header().entry_type();
        if entry_type == EntryType::XGlobalHeader {
            // git stores a comment in it.
            return if size <= MAX_BETWEEN { Ok(None) } else { Err(self.refused(&name, "is too large for a header")) };
        }
        if bytes.len() > MAX_NAME {
            return Err(self.refused(&name, &format!("has a name of {} bytes", bytes.len())));
        }
        let Ok(text) = std::str::from_utf8(&bytes) else {
            return Err(self.refused(&name, "has a name that is not UTF-8"));
        };
        let path = self.plain(text)?;
        if let Some(why) = odd_record(entry) {
            return Err(self.refused(&name, why));
        }
        let kind = match entry_type {
            EntryType::Directory => Kind::Directory,
            // The form of a directory in old archives.
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
            return Err(self.refused(&name, "is not a valid file name"));
        }
        if kind == Kind::File && !self.files.insert(path.clone()) {
            return Err(self.refused(&name, "is in the archive twice"));
        }
        Ok(Some((path, kind)))
    }

    /// The path of an entry, without `.`.
    fn plain(&self, text: &str) -> Result<PathBuf> {
        let shown = shortened(text.as_bytes());
        if text.contains(is_hidden) {
            return Err(self.refused(&shown, "has invisible characters in its name"));
        }
        let mut path = PathBuf::new();
        let mut depth = 0;
        for component in Path::new(text).components() {
            match component {
                Component::Normal(name) => path.push(name),
                Component::CurDir => continue,
                Component::ParentDir => return Err(self.refused(&shown, "has .. in its path")),
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
            .hint(format!("this is not a genuine {}: do not use it", self.limits.kind))
    }
}

/// A pax record that other programs interpret differently.
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

pub(crate) fn shortened(name: &[u8]) -> String {
    let text = String::from_utf8_lossy(&name[..name.len().min(MAX_NAME)]);
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.into_owned(),
    }
}

#[cfg(test)]
mod tests;
