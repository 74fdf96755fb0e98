//! What a build made: which release, by which Go, for which machine, and each plugin's checksum.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::Path;

use edge_fetch::sum_of;
use edge_host::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::arch::Arch;
use crate::version::Release;

/// Its name in the directory of the build. Written last: without it a directory is no build.
pub(crate) const NAME: &str = "edge-cni.json";
const FORMAT: u32 = 1;
const LARGEST: u64 = 1 << 20;

/// The manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    format: u32,
    /// The Go module, or the folder that was built.
    pub(crate) source: String,
    pub(crate) version: Release,
    /// The module's checksum as the checksum database has it; none of a folder.
    pub(crate) sum: Option<String>,
    pub(crate) arch: Arch,
    /// The Go that built it.
    pub(crate) go: String,
    /// What was asked for; empty stands for all.
    pub(crate) asked: Vec<String>,
    pub(crate) plugins: BTreeMap<String, Built>,
}

/// One plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Built {
    pub(crate) sha256: String,
    pub(crate) size: u64,
}

impl Manifest {
    pub(crate) fn new(source: &str, version: &Release, arch: Arch, asked: &[String]) -> Manifest {
        let mut asked = asked.to_vec();
        asked.sort();
        asked.dedup();
        Manifest {
            format: FORMAT,
            source: source.to_owned(),
            version: version.clone(),
            sum: None,
            arch,
            go: String::new(),
            asked,
            plugins: BTreeMap::new(),
        }
    }

    /// The bytes of the file.
    pub(crate) fn bytes(&self) -> Result<Vec<u8>> {
        let mut bytes =
            serde_json::to_vec_pretty(self).map_err(|cause| Error::failed(format!("cannot write {NAME}: {cause}")))?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Reads the manifest of a build; none where the directory has none.
    pub(crate) fn read(dir: &Path) -> Result<Option<Manifest>> {
        let path = dir.join(NAME);
        if !dir.is_dir() {
            return Ok(None);
        }
        let Some(file) = edge_fetch::find(&path)? else { return Ok(None) };
        let mut bytes = Vec::new();
        file.take(LARGEST).read_to_end(&mut bytes).map_err(|cause| Error::io("read", &path, &cause))?;
        let damaged = |cause: String| {
            Error::failed(format!("cannot read {}: {cause}", path.display())).hint("build again: edge-cni build")
        };
        let manifest: Manifest = serde_json::from_slice(&bytes).map_err(|cause| damaged(cause.to_string()))?;
        if manifest.format != FORMAT {
            return Err(damaged(format!("its format {} is not known", manifest.format)));
        }
        if let Some(name) = manifest.plugins.keys().find(|name| !crate::plugin::is_name(name)) {
            return Err(damaged(format!("{name:?} is no name of a plugin")));
        }
        Ok(Some(manifest))
    }

    /// Whether each plugin in the directory is as the manifest says.
    pub(crate) fn holds(&self, dir: &Path) -> bool {
        self.plugins.iter().all(|(name, built)| sum(&dir.join(name)).is_ok_and(|sum| sum == *built))
    }
}

/// The checksum and size of a file, read in pieces.
pub(crate) fn sum(path: &Path) -> Result<Built> {
    let fail = |cause: io::Error| Error::io("read", path, &cause);
    let (sha256, size) = sum_of(&mut edge_fetch::open(path)?).map_err(fail)?;
    Ok(Built { sha256, size })
}
