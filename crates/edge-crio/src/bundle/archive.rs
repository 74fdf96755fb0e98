//! Unpacks a bundle's archive: what makes an archive a bundle, and which of its files are kept.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use edge_fetch::Summed;
use edge_fetch::archive::{Archive, Entry, Kind, Limits};
use edge_host::{Error, Host, NewDir, Result};

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

/// Unpacks an archive whose checksum was verified into a new directory, or only reads it where there is none.
pub fn unpack(host: &Host, archive: &mut Archive, sha256: &str, into: Option<&mut NewDir<'_>>) -> Result<Staged> {
    let shown = archive.shown().to_owned();
    let mut bundle = Bundle { shown: &shown, into, staged: Staged::default(), texts: MAX_TEXTS, top: None };
    archive.read(sha256, LIMITS, &|| host.check_interrupt(), &mut |entry| bundle.take(entry))?;
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
        let mut content = Kept { entry: Summed::new(entry), text: Vec::new(), is_small };
        let came = match &mut self.into {
            Some(into) => into.file(Path::new(&inner), if executable { 0o700 } else { 0o600 }, &mut content)?,
            None => io::copy(&mut content, &mut io::sink())
                .map_err(|cause| Error::failed(format!("cannot unpack {}: {cause}", self.shown)))?,
        };
        if came != size {
            return Err(Error::failed(format!("cannot unpack {}: it ends in the middle of {inner}", self.shown))
                .hint("get it again"));
        }
        let Kept { entry, text, .. } = content;
        if let (true, Ok(text)) = (is_small, String::from_utf8(text)) {
            self.texts -= size;
            self.staged.texts.insert(inner.clone(), text);
        }
        self.staged.files.push(StagedFile { inner, size, sha256: entry.finish(), executable });
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

/// A file's bytes, summed up, and kept where they are few.
struct Kept<'e> {
    entry: Summed<Entry<'e>>,
    text: Vec<u8>,
    is_small: bool,
}

impl Read for Kept<'_> {
    fn read(&mut self, piece: &mut [u8]) -> io::Result<usize> {
        let read = self.entry.read(piece)?;
        if self.is_small {
            self.text.extend_from_slice(&piece[..read]);
        }
        Ok(read)
    }
}
