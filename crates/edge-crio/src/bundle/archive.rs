//! Unpacks a bundle's archive: edge-fetch reads it, and here is what makes it a bundle.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};

use edge_fetch::archive::{Entry, Kind, Limits};
use edge_fetch::hex;
use edge_host::{Error, Host, NewDir, Result};
use sha2::{Digest, Sha256};

const LIMITS: Limits = Limits { kind: "bundle", entries: 1000, bytes: 2 << 30 };
/// The directories of a bundle; anything in front of them is the archive's own top directory.
const TOPS: [&str; 6] = ["bin", "cni-plugins", "completions", "contrib", "etc", "man"];
/// Files up to this size are kept as text.
const MAX_TEXT: u64 = 64 << 10;
/// Of all of them this much.
const MAX_TEXTS: u64 = 8 << 20;

/// A file of a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
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
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Staged {
    /// Its files.
    pub files: Vec<StagedFile>,
    /// The texts of its small files, for what is put in place in another form.
    pub texts: BTreeMap<String, String>,
}

/// The SHA-256 of an archive, in hex.
pub fn sum_of(host: &Host, file: &mut File, shown: &str) -> Result<String> {
    let fail = |cause: io::Error| Error::failed(format!("cannot read {shown}: {cause}"));
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
/// The archive's sum was checked before; it is checked again while it is read, so that a file that is swapped
/// meanwhile is found.
pub fn unpack(
    host: &Host,
    file: &mut File,
    shown: &str,
    sha256: &str,
    into: Option<&mut NewDir<'_>>,
) -> Result<Staged> {
    let mut bundle = Bundle { shown, into, staged: Staged::default(), texts: MAX_TEXTS, top: None };
    let stop = || host.check_interrupt();
    let read = edge_fetch::archive::read(file, shown, LIMITS, &stop, &mut |entry| bundle.take(entry))?;
    if read != sha256 {
        return Err(Error::refused(format!("cannot unpack {shown}: it was changed while it was read")));
    }
    Ok(bundle.staged)
}

struct Bundle<'a, 'r> {
    shown: &'a str,
    into: Option<&'a mut NewDir<'r>>,
    staged: Staged,
    /// How much may still be kept as text.
    texts: u64,
    top: Option<PathBuf>,
}

impl Bundle<'_, '_> {
    fn take(&mut self, entry: Entry<'_>) -> Result<()> {
        let Some(inner) = self.inner(&entry.path)? else { return Ok(()) };
        if entry.kind == Kind::Directory || !TOPS.iter().any(|top| inner.starts_with(top)) {
            return Ok(());
        }
        // The reader has refused what is not text.
        self.keep(entry, inner.to_string_lossy().into_owned())
    }

    fn keep(&mut self, entry: Entry<'_>, inner: String) -> Result<()> {
        let (size, executable) = (entry.size, entry.executable);
        let is_small = size <= MAX_TEXT.min(self.texts);
        let mut content = Kept { entry, sum: Sha256::new(), text: Vec::new(), is_small };
        let came = match &mut self.into {
            Some(into) => into.file(Path::new(&inner), if executable { 0o700 } else { 0o600 }, &mut content)?,
            None => io::copy(&mut content, &mut io::sink())
                .map_err(|cause| Error::failed(format!("cannot unpack {}: {cause}", self.shown)))?,
        };
        if came != size {
            return Err(Error::failed(format!("cannot unpack {}: it ends in the middle of {inner}", self.shown))
                .hint("get it again"));
        }
        let Kept { sum, text, .. } = content;
        if let (true, Ok(text)) = (is_small, String::from_utf8(text)) {
            self.texts -= size;
            self.staged.texts.insert(inner.clone(), text);
        }
        self.staged.files.push(StagedFile { inner, size, sha256: hex(&sum.finalize()), executable });
        Ok(())
    }

    /// The path in the bundle, without the archive's top directory; none for that directory itself.
    fn inner(&mut self, path: &Path) -> Result<Option<PathBuf>> {
        let Some(first) = path.iter().next() else { return Ok(None) };
        let is_top = TOPS.iter().any(|top| first == *top);
        let top = self.top.get_or_insert_with(|| if is_top { PathBuf::new() } else { PathBuf::from(first) });
        match path.strip_prefix(top) {
            Ok(inner) => Ok((!inner.as_os_str().is_empty()).then(|| inner.to_path_buf())),
            Err(_) => Err(Error::refused(format!(
                "cannot unpack {}: {} lies beside the directory that all others are in",
                self.shown,
                path.display()
            ))
            .hint("a real bundle is not like this: do not use the archive")),
        }
    }
}

/// A file's bytes, added up and kept where they are few.
struct Kept<'e> {
    entry: Entry<'e>,
    sum: Sha256,
    text: Vec<u8>,
    is_small: bool,
}

impl Read for Kept<'_> {
    fn read(&mut self, piece: &mut [u8]) -> io::Result<usize> {
        let read = self.entry.read(piece)?;
        self.sum.update(&piece[..read]);
        if self.is_small {
            self.text.extend_from_slice(&piece[..read]);
        }
        Ok(read)
    }
}
