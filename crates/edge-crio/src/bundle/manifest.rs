//! The record of the files installed from a bundle, for the next install and for removal.

use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use edge_fetch::checksum;
use edge_host::{Error, Exit, Host, Result, ResultExt};
use serde::{Deserialize, Serialize};

use super::layout::BundlePaths;
use super::{Kind, MANIFEST};

/// One install.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The format of this record: 1.
    pub format: u32,
    /// CRI-O's release.
    pub version: String,
    /// Debian's name of the architecture.
    pub arch: String,
    /// The archive's SHA-256.
    pub archive: String,
    /// The installed files.
    pub files: Vec<Row>,
    /// The files of an install that has not finished: some may be installed already.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub next: Vec<Row>,
}

/// An installed file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Its path.
    pub path: PathBuf,
    /// Its kind.
    pub kind: Kind,
    /// Its length in bytes.
    pub size: u64,
    /// Its SHA-256 when it was installed.
    pub sha256: String,
}

/// The executable bits.
pub const EXECUTABLE: u32 = 0o111;
/// The format that is written.
pub const FORMAT: u32 = 1;
const CHANGED: &str = "revert the install by its journal, which still lists the installed files: edge-crio undo";

impl Manifest {
    /// Reads the host's manifest, if a bundle is installed. Refuses one that edge-crio cannot have written.
    pub fn read(host: &Host) -> Result<Option<Manifest>> {
        let path = Path::new(MANIFEST);
        let Some(bytes) = host.root.read_own(path)? else { return Ok(None) };
        let shown = host.root.display(path);
        let refused = |verb: &str, cause: String| Error::cannot(verb, &shown, cause).with_exit(Exit::Refused);
        let manifest: Manifest = serde_json::from_slice(&bytes)
            .map_err(|_| refused("read", "it is not a valid manifest".to_owned()).hint(CHANGED))?;
        if manifest.format != FORMAT {
            return Err(refused("read", format!("its format is {}, expected {FORMAT}", manifest.format))
                .hint("use the newer edge-crio that wrote it"));
        }
        match manifest.foreign()? {
            None => Ok(Some(manifest)),
            // Every listed file would be removed as edge-crio's.
            Some(path) => {
                Err(refused("use", format!("it lists {path:?}, which edge-crio does not install")).hint(CHANGED))
            }
        }
    }

    /// A path that edge-crio does not install, or that is listed twice. Several installs that have not finished may have
    /// a file for the same path.
    fn foreign(&self) -> Result<Option<&Path>> {
        let paths = BundlePaths::read()?;
        if let Some(row) = self.next.iter().find(|row| !paths.contains(&row.path)) {
            return Ok(Some(&row.path));
        }
        let mut seen: Vec<&Path> = Vec::new();
        for path in self.files.iter().map(|row| row.path.as_path()) {
            if !paths.contains(path) || seen.contains(&path) {
                return Ok(Some(path));
            }
            seen.push(path);
        }
        Ok(None)
    }

    /// The text to write.
    pub fn text(&self) -> Result<Vec<u8>> {
        let mut text = serde_json::to_vec_pretty(self).on("write", MANIFEST)?;
        text.push(b'\n');
        Ok(text)
    }

    /// The installed file of this path.
    pub fn row(&self, path: &Path) -> Option<&Row> {
        self.files.iter().find(|row| row.path == path)
    }

    /// Whether edge-crio installed a file with this path and checksum.
    pub fn contains(&self, path: &Path, sha256: &str) -> bool {
        self.files.iter().chain(&self.next).any(|row| row.path == path && row.sha256 == sha256)
    }

    /// The paths of all files, each once.
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

    /// The manifest while an install runs: the installed files, and those being installed. Without it, the next run
    /// after an interruption could not distinguish the new files from someone else's.
    #[must_use]
    pub fn before(new: &Manifest, old: Option<&Manifest>) -> Manifest {
        let mut record = old.cloned().unwrap_or_else(|| Manifest { files: Vec::new(), ..new.clone() });
        let earlier = std::mem::take(&mut record.next);
        record.next = new.files.clone();
        record.next.extend(earlier.into_iter().filter(|row| !new.files.contains(row)));
        record
    }

    /// Whether every file is unchanged. Files with an older ctime than the manifest are not read, as they are large.
    pub fn is_unchanged(&self, host: &Host) -> Result<bool> {
        let changed = |meta: &Metadata| (meta.ctime(), meta.ctime_nsec());
        let look = |path: &Path| -> Result<Option<(File, Metadata)>> {
            let Some(file) = host.root.open(path)? else { return Ok(None) };
            let meta = file.metadata().on("read", host.root.display(path))?;
            Ok(Some((file, meta)))
        };
        let Some((_, own)) = look(Path::new(MANIFEST))? else { return Ok(false) };
        if !self.next.is_empty() {
            return Ok(false);
        }
        // Files that the administrator may change, and plugins of edge-cni, only have to exist.
        let cni = edge_conflist::record::read(host)?;
        for row in &self.files {
            let Some((mut file, meta)) = look(&row.path)? else { return Ok(false) };
            if row.kind.is_editable() || cni.owns(&row.path) {
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
