//! Reads a bundle's archive as something that a stranger may have made.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek};
use std::path::{Component, Path, PathBuf};

use edge_host::{Error, Host, NewDir, Result};
use flate2::read::GzDecoder;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tar::EntryType;

use crate::fetch::hex;

const MAX_FILES: usize = 1000;
const MAX_UNPACKED: u64 = 2 << 30;
/// Headers, long names and padding.
const MAX_BETWEEN: u64 = 1 << 20;
/// The directories of a bundle; anything in front of them is the archive's own top directory.
const TOPS: [&str; 6] = ["bin", "cni-plugins", "completions", "contrib", "etc", "man"];
/// The list of what was unpacked, in its directory.
const LIST: &str = "files.json";

/// A file of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StagedFile {
    /// In the bundle: `bin/crio`.
    pub inner: String,
    /// Its length in bytes.
    pub size: u64,
    /// SHA-256 in hex.
    pub sha256: String,
    /// Whether it may be run.
    pub executable: bool,
}

/// An unpacked bundle, or in a dry run one that was only read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Staged {
    /// Its files.
    pub files: Vec<StagedFile>,
    /// The texts of its small files, for what is put in place in another form.
    pub texts: BTreeMap<String, String>,
}

impl Staged {
    /// What an earlier call has unpacked, if it has.
    pub fn read(host: &Host, dir: &Path) -> Result<Option<Staged>> {
        let Some(bytes) = host.root.read(&dir.join(LIST))? else { return Ok(None) };
        // Unreadable means unpacked anew.
        Ok(serde_json::from_slice(&bytes).ok())
    }
}

/// The SHA-256 of an archive, in hex.
pub fn sum_of(host: &Host, file: &mut File, shown: &str) -> Result<String> {
    let fail = |cause: std::io::Error| Error::failed(format!("cannot read {shown}: {cause}"));
    let (mut sum, mut piece) = (Sha256::new(), vec![0; 64 << 10]);
    loop {
        host.check_interrupt()?;
        match file.read(&mut piece).map_err(fail)? {
            0 => break,
            read => sum.update(&piece[..read]),
        }
    }
    file.rewind().map_err(fail)?;
    Ok(hex(&sum.finalize()))
}

/// Unpacks an archive into a new directory, or only reads it where there is none.
///
/// Takes plain files alone. Refuses (4) links, devices, `..`, absolute and double names, and more
/// than a bundle can hold; fails (1) where it is cut off or damaged. The archive's sum was checked
/// before; it is checked again while it is read, so that a file that is swapped meanwhile is found.
pub fn unpack(
    host: &Host,
    file: &mut File,
    shown: &str,
    sha256: &str,
    into: Option<&mut NewDir<'_>>,
) -> Result<Staged> {
    let summed = Summed { file, sum: Sha256::new() };
    let budget = Cell::new(MAX_BETWEEN);
    let mut archive = tar::Archive::new(Metered { inner: GzDecoder::new(summed), budget: &budget });
    let mut reader = Reader { host, shown, into, staged: Staged::default(), left: MAX_UNPACKED, entries: 0, top: None };
    let fail = |cause: std::io::Error| {
        Error::failed(format!("cannot unpack {shown}: {cause}")).hint("it is damaged or no bundle: get it again")
    };
    for entry in archive.entries().map_err(fail)? {
        host.check_interrupt()?;
        let entry = entry.map_err(fail)?;
        budget.set(entry.size().saturating_add(MAX_BETWEEN));
        reader.take(entry)?;
    }
    // The rest: padding, and what a checksum covers all the same.
    let mut metered = archive.into_inner();
    std::io::copy(&mut metered, &mut std::io::sink()).map_err(fail)?;
    let mut summed = metered.inner.into_inner();
    std::io::copy(&mut summed, &mut std::io::sink()).map_err(fail)?;
    if hex(&summed.sum.finalize()) != sha256 {
        return Err(Error::refused(format!("cannot unpack {shown}: it was changed while it was read")));
    }
    let Reader { into, staged, .. } = reader;
    if let Some(into) = into {
        let list =
            serde_json::to_vec(&staged).map_err(|error| Error::failed(format!("cannot list {shown}: {error}")))?;
        into.file(Path::new(LIST), 0o600, &mut list.as_slice())?;
    }
    Ok(staged)
}

/// Bytes of an archive, added up as they pass.
struct Summed<'f> {
    file: &'f mut File,
    sum: Sha256,
}

impl Read for Summed<'_> {
    fn read(&mut self, piece: &mut [u8]) -> std::io::Result<usize> {
        let read = self.file.read(piece)?;
        self.sum.update(&piece[..read]);
        Ok(read)
    }
}

/// What is unpacked, up to a budget that each file renews: a name is held in memory, however long it is.
struct Metered<'b, R> {
    inner: R,
    budget: &'b Cell<u64>,
}

impl<R: Read> Read for Metered<'_, R> {
    fn read(&mut self, piece: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(piece)?;
        let left = self.budget.get().checked_sub(read as u64);
        self.budget.set(left.ok_or_else(|| std::io::Error::other("what lies between its files is too long"))?);
        Ok(read)
    }
}

struct Reader<'a, 'r> {
    host: &'a Host,
    shown: &'a str,
    into: Option<&'a mut NewDir<'r>>,
    staged: Staged,
    left: u64,
    entries: usize,
    top: Option<String>,
}

impl Reader<'_, '_> {
    fn take<R: Read>(&mut self, mut entry: tar::Entry<'_, R>) -> Result<()> {
        let shown = self.shown;
        let fail = |cause: std::io::Error| Error::failed(format!("cannot unpack {shown}: {cause}"));
        let path = entry.path().map_err(fail)?.into_owned();
        let kind = entry.header().entry_type();
        // What is left out is read all the same.
        self.entries += 1;
        if self.entries > MAX_FILES {
            return Err(self.refused(&path, "makes them more files than any bundle has"));
        }
        let size = entry.size();
        self.left =
            self.left.checked_sub(size).ok_or_else(|| self.refused(&path, "makes it larger than any bundle"))?;
        if kind == EntryType::XGlobalHeader {
            return Ok(());
        }
        let Some(inner) = self.inner(&path)? else { return Ok(()) };
        match kind {
            EntryType::Directory => return Ok(()),
            EntryType::Regular | EntryType::Continuous => {}
            other => {
                let what = match other {
                    EntryType::Symlink | EntryType::Link => "is a link",
                    EntryType::Char | EntryType::Block | EntryType::Fifo => "is a device or pipe",
                    _ => "is no plain file",
                };
                return Err(self.refused(&path, what));
            }
        }
        let executable = entry.header().mode().map_err(fail)? & 0o111 != 0;
        if !TOPS.iter().any(|top| inner.starts_with(top)) {
            return Ok(());
        }
        let Some(inner) = inner.to_str().map(str::to_owned) else {
            return Err(self.refused(&path, "has a name that is no text"));
        };
        if self.staged.files.iter().any(|file| file.inner == inner) {
            return Err(self.refused(&path, "is in it twice"));
        }
        self.keep(&mut entry, inner, size, executable)
    }

    fn keep(&mut self, entry: &mut dyn Read, inner: String, size: u64, executable: bool) -> Result<()> {
        let mut content =
            Kept { entry, host: self.host, sum: Sha256::new(), text: Vec::new(), is_small: size <= MAX_TEXT };
        let came = match &mut self.into {
            Some(into) => into.file(Path::new(&inner), if executable { 0o700 } else { 0o600 }, &mut content)?,
            None => std::io::copy(&mut content, &mut std::io::sink())
                .map_err(|cause| Error::failed(format!("cannot unpack {}: {cause}", self.shown)))?,
        };
        self.host.check_interrupt()?;
        if came != size {
            return Err(Error::failed(format!("cannot unpack {}: it ends in the middle of {inner}", self.shown))
                .hint("get it again"));
        }
        let Kept { sum, text, .. } = content;
        if let (true, Ok(text)) = (size <= MAX_TEXT, String::from_utf8(text)) {
            self.staged.texts.insert(inner.clone(), text);
        }
        self.staged.files.push(StagedFile { inner, size, sha256: hex(&sum.finalize()), executable });
        Ok(())
    }

    /// The path in the bundle, without the archive's top directory; none for that directory itself.
    fn inner(&mut self, path: &Path) -> Result<Option<PathBuf>> {
        let mut names = Vec::new();
        for component in path.components() {
            match component {
                Component::Normal(name) => names.push(name),
                Component::CurDir => {}
                Component::ParentDir => return Err(self.refused(path, "leads upwards")),
                Component::RootDir | Component::Prefix(_) => return Err(self.refused(path, "is an absolute path")),
            }
        }
        let Some(first) = names.first().map(|name| name.to_string_lossy().into_owned()) else { return Ok(None) };
        if self.top.is_none() {
            self.top = Some(if TOPS.contains(&first.as_str()) { String::new() } else { first.clone() });
        }
        let top = self.top.as_deref().unwrap_or_default();
        if top.is_empty() {
            return Ok(Some(names.iter().collect()));
        }
        if first != top {
            return Err(self.refused(path, "lies beside the directory that all others are in"));
        }
        Ok((names.len() > 1).then(|| names[1..].iter().collect()))
    }

    fn refused(&self, path: &Path, why: &str) -> Error {
        let path = path.to_string_lossy();
        Error::refused(format!("cannot unpack {}: {} {why}", self.shown, path.escape_debug()))
            .hint("no bundle of CRI-O's is like this: do not use the archive")
    }
}

/// Files up to this size are kept as text.
const MAX_TEXT: u64 = 64 << 10;

/// A file's bytes, added up and kept where they are few.
struct Kept<'e> {
    entry: &'e mut dyn Read,
    host: &'e Host,
    sum: Sha256,
    text: Vec<u8>,
    is_small: bool,
}

impl Read for Kept<'_> {
    fn read(&mut self, piece: &mut [u8]) -> std::io::Result<usize> {
        if let Err(stop) = self.host.check_interrupt() {
            return Err(std::io::Error::other(stop.to_string()));
        }
        let read = self.entry.read(piece)?;
        self.sum.update(&piece[..read]);
        if self.is_small {
            self.text.extend_from_slice(&piece[..read]);
        }
        Ok(read)
    }
}
