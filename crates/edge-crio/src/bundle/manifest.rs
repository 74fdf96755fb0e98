//! What a bundle's install has put in place: the record for the next install and for removal.

use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use edge_fetch::checksum;
use edge_host::{Error, Host, Result};
use serde::{Deserialize, Serialize};

use super::layout::Places;
use super::{Kind, MANIFEST};

/// One install.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The form of this record: 1.
    pub format: u32,
    /// CRI-O's release.
    pub version: String,
    /// Debian's name of the architecture.
    pub arch: String,
    /// The archive's SHA-256.
    pub archive: String,
    /// What was put where.
    pub files: Vec<Row>,
    /// What an install that has not ended puts in place: some of it may be there, and is ours too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub next: Vec<Row>,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Where.
    pub path: PathBuf,
    /// What it is.
    pub kind: Kind,
    /// Its length.
    pub size: u64,
    /// Its SHA-256 as it was put there.
    pub sha256: String,
}

/// Somebody may run it.
pub const EXECUTABLE: u32 = 0o111;
/// The form that is written.
pub const FORMAT: u32 = 1;

impl Manifest {
    /// The host's, if a bundle was installed.
    pub fn read(host: &Host) -> Result<Option<Manifest>> {
        let path = Path::new(MANIFEST);
        let Some(bytes) = host.root.read_own(path)? else { return Ok(None) };
        let shown = host.root.display(path);
        let manifest: Manifest = serde_json::from_slice(&bytes).map_err(|error| {
            Error::refused(format!("cannot read {}: {error}", shown.display()))
                .hint("it was changed by someone else; edge-crio undo knows what was put in place all the same")
        })?;
        if manifest.format != FORMAT {
            return Err(Error::refused(format!(
                "cannot read {}: it is of format {}",
                shown.display(),
                manifest.format
            ))
            .hint("a newer edge-crio wrote it: use that one"));
        }
        match manifest.foreign()? {
            None => Ok(Some(manifest)),
            // What is listed is taken for ours, and removed.
            Some(path) => Err(Error::refused(format!(
                "cannot use {}: it lists {path:?}, where edge-crio puts nothing",
                shown.display()
            ))
            .hint("it was changed by someone else; edge-crio undo knows what was put in place all the same")),
        }
    }

    /// A path that cannot be ours, or stands there twice. Of installs that have not ended each may have its own
    /// file for a path.
    fn foreign(&self) -> Result<Option<&Path>> {
        let places = Places::known()?;
        if let Some(row) = self.next.iter().find(|row| !places.holds(&row.path)) {
            return Ok(Some(&row.path));
        }
        let mut seen: Vec<&Path> = Vec::new();
        for path in self.files.iter().map(|row| row.path.as_path()) {
            if !places.holds(path) || seen.contains(&path) {
                return Ok(Some(path));
            }
            seen.push(path);
        }
        Ok(None)
    }

    /// As it is written.
    pub fn text(&self) -> Result<Vec<u8>> {
        let mut text = serde_json::to_vec_pretty(self)
            .map_err(|error| Error::failed(format!("cannot write {MANIFEST}: {error}")))?;
        text.push(b'\n');
        Ok(text)
    }

    /// The row of a path.
    pub fn row(&self, path: &Path) -> Option<&Row> {
        self.files.iter().find(|row| row.path == path)
    }

    /// Whether a file of this checksum in this place was put there by edge-crio.
    pub fn is_ours(&self, path: &Path, sha256: &str) -> bool {
        self.files.iter().chain(&self.next).any(|row| row.path == path && row.sha256 == sha256)
    }

    /// Every place of a file of ours, once.
    pub fn paths(&self) -> Vec<&Path> {
        let next = self.next.iter().filter(|row| self.row(&row.path).is_none());
        let mut paths: Vec<&Path> = Vec::new();
        for row in self.files.iter().chain(next) {
            if !paths.contains(&row.path.as_path()) {
                paths.push(&row.path);
            }
        }
        paths
    }

    /// The record while an install runs: what was there, and what is about to be. Were it written only at the
    /// end, whatever follows an interruption would take the new files for someone else's.
    #[must_use]
    pub fn before(new: &Manifest, old: Option<&Manifest>) -> Manifest {
        let mut record = old.cloned().unwrap_or_else(|| Manifest { files: Vec::new(), ..new.clone() });
        let earlier = std::mem::take(&mut record.next);
        record.next = new.files.clone();
        record.next.extend(earlier.into_iter().filter(|row| !new.files.contains(row)));
        record
    }

    /// Whether every file stands there as it was put. One that nothing has touched since this record was written
    /// is not read again: all of them together are large.
    pub fn is_whole(&self, host: &Host) -> Result<bool> {
        let changed = |meta: &Metadata| (meta.ctime(), meta.ctime_nsec());
        let look = |path: &Path| -> Result<Option<(File, Metadata)>> {
            let Some(file) = host.root.open(path)? else { return Ok(None) };
            let meta = file.metadata().map_err(|cause| Error::io("read", host.root.display(path), &cause))?;
            Ok(Some((file, meta)))
        };
        let Some((_, own)) = look(Path::new(MANIFEST))? else { return Ok(false) };
        if !self.next.is_empty() {
            return Ok(false);
        }
        // What an administrator may change only has to be there.
        for row in &self.files {
            let Some((mut file, meta)) = look(&row.path)? else { return Ok(false) };
            if row.kind.is_theirs() {
                continue;
            }
            let rights = (meta.mode() & 0o7777, meta.uid(), meta.gid());
            if meta.len() != row.size || rights != (row.kind.mode(), own.uid(), own.gid()) {
                return Ok(false);
            }
            if changed(&meta) >= changed(&own) {
                let shown = host.root.display(&row.path).display().to_string();
                if checksum(&mut file, &shown, &|| host.check_interrupt())? != row.sha256 {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }
}
