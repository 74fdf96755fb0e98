//! Unpacks the archive of a bundle, and keeps the files that belong to a bundle.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use edge_fetch::Summed;
use edge_fetch::archive::{Archive, Entry, Kind, Limits, describe};
use edge_host::{Error, Exit, Host, NewDir, Result, ResultExt};

const LIMITS: Limits = Limits { kind: "bundle", entries: 1000, bytes: 2 << 30 };
/// The directories of a bundle, which the archive may have in a top directory of its own.
const TOPS: [&str; 6] = ["bin", "cni-plugins", "completions", "contrib", "etc", "man"];
/// Files up to this size are kept as text.
const MAX_TEXT: u64 = 64 << 10;
/// The size of all such texts together.
const MAX_TEXTS: u64 = 8 << 20;

/// A file of a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StagedFile {
    /// Its path in the bundle: `bin/crio`.
    pub inner: String,
    /// Its length in bytes.
    pub size: u64,
    /// SHA-256 in hex.
    pub sha256: String,
    /// It has the executable bit.
    pub executable: bool,
}

/// An unpacked bundle, or one that was only read, in a dry run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Staged {
    /// Its files.
    pub files: Vec<StagedFile>,
    /// The texts of its small files, some of which are changed before they are installed.
    pub texts: BTreeMap<String, String>,
}

/// Unpacks an archive, whose checksum must be verified, into a new directory, or only reads it without one.
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
    /// How many more bytes may be kept as text.
    texts: u64,
    top: Option<PathBuf>,
}

impl Bundle<'_, '_> {
    fn take(&mut self, entry: Entry<'_>) -> Result<()> {
        let Some(inner) = self.inner(&entry.path)? else { return Ok(()) };
        if entry.kind == Kind::Directory || !TOPS.iter().any(|top| inner.starts_with(top)) {
            return Ok(());
        }
        // The reader has refused paths that are not UTF-8.
        self.keep(entry, inner.to_string_lossy().into_owned())
    }

    fn keep(&mut self, entry: Entry<'_>, inner: String) -> Result<()> {
        let (size, executable) = (entry.size, entry.executable);
        let is_small = size <= MAX_TEXT.min(self.texts);
        let mut content = FileReader { entry: Summed::new(entry), text: Vec::new(), is_small };
        let copied = match &mut self.into {
            Some(into) => into.file(Path::new(&inner), if executable { 0o700 } else { 0o600 }, &mut content)?,
            None => io::copy(&mut content, &mut io::sink()).on("unpack", self.shown)?,
        };
        if copied != size {
            return Err(
                Error::cannot("unpack", self.shown, format!("it ends within {inner}")).hint("download it again")
            );
        }
        let FileReader { entry, text, .. } = content;
        if let (true, Ok(text)) = (is_small, String::from_utf8(text)) {
            self.texts -= size;
            self.staged.texts.insert(inner.clone(), text);
        }
        self.staged.files.push(StagedFile { inner, size, sha256: entry.finish(), executable });
        Ok(())
    }

    /// The path in the bundle, without the archive's top directory; none for that directory itself. Refuses paths
    /// outside of it.
    fn inner(&mut self, path: &Path) -> Result<Option<PathBuf>> {
        let Some(first) = path.iter().next() else { return Ok(None) };
        let is_top = TOPS.iter().any(|top| first == *top);
        let top = self.top.get_or_insert_with(|| if is_top { PathBuf::new() } else { PathBuf::from(first) });
        match path.strip_prefix(&*top) {
            Ok(inner) => Ok((!inner.as_os_str().is_empty()).then(|| inner.to_path_buf())),
            Err(_) => {
                let cause = format!("{} is outside of its top directory {}", path.display(), top.display());
                Err(Error::cannot("unpack", self.shown, cause)
                    .with_exit(Exit::Refused)
                    .hint("do not use this archive: it is not a bundle of CRI-O"))
            }
        }
    }
}

/// Reads a file, computes its checksum, and keeps its bytes if it is small.
struct FileReader<'e> {
    entry: Summed<Entry<'e>>,
    text: Vec<u8>,
    is_small: bool,
}

impl Read for FileReader<'_> {
    fn read(&mut self, piece: &mut [u8]) -> io::Result<usize> {
        // Without the words of the libraries that decode it.
        let read = self.entry.read(piece).map_err(|cause| io::Error::new(cause.kind(), describe(&cause)))?;
        if self.is_small {
            self.text.extend_from_slice(&piece[..read]);
        }
        Ok(read)
    }
}
