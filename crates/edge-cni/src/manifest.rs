//! The manifest of a build: release, Go version, architecture, and each plugin's checksum.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use edge_fetch::sum_of;
use edge_host::{Arch, Error, Result, ResultExt};
use nix::unistd::{getegid, geteuid};
use serde::{Deserialize, Serialize};

use crate::version::Release;

/// Its file name. It is written last: a directory without it is not a complete build.
pub(crate) const NAME: &str = "edge-cni.json";
const FORMAT: u32 = 1;
const LARGEST: u64 = 1 << 20;

/// The manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    format: u32,
    /// The Go module or the folder.
    pub(crate) source: String,
    pub(crate) version: Release,
    /// The module's checksum in the checksum database; none of a folder.
    pub(crate) sum: Option<String>,
    pub(crate) arch: Arch,
    /// The Go version that built it.
    pub(crate) go: String,
    /// The requested plugins; empty for all. The first manifests called them `asked`.
    #[serde(alias = "asked")]
    pub(crate) requested: Vec<String>,
    pub(crate) plugins: BTreeMap<String, Built>,
}

/// A plugin of the build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Built {
    pub(crate) sha256: String,
    pub(crate) size: u64,
}

impl Manifest {
    pub(crate) fn new(source: &str, version: &Release, arch: Arch, requested: &[String]) -> Manifest {
        let mut requested = requested.to_vec();
        requested.sort();
        requested.dedup();
        Manifest {
            format: FORMAT,
            source: source.to_owned(),
            version: version.clone(),
            sum: None,
            arch,
            go: String::new(),
            requested,
            plugins: BTreeMap::new(),
        }
    }

    /// The bytes of the file.
    pub(crate) fn bytes(&self) -> Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec_pretty(self).on("write", NAME)?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Reads the manifest in a directory; none where there is none.
    pub(crate) fn read(dir: &Path) -> Result<Option<Manifest>> {
        let path = dir.join(NAME);
        if !dir.is_dir() {
            return Ok(None);
        }
        let Some(file) = edge_fetch::find(&path)? else { return Ok(None) };
        let mut bytes = Vec::new();
        file.take(LARGEST).read_to_end(&mut bytes).on("read", &path)?;
        let damaged = |cause: &str| Error::cannot("read", &path, cause).hint("run edge-cni build again");
        let manifest: Manifest =
            serde_json::from_slice(&bytes).map_err(|_| damaged("it is not a valid manifest of a build"))?;
        if manifest.format != FORMAT {
            return Err(damaged(&format!("its format {} is unknown", manifest.format)));
        }
        if let Some(name) = manifest.plugins.keys().find(|name| !crate::plugin::is_name(name)) {
            return Err(damaged(&format!("{name:?} is not a valid plugin name")));
        }
        Ok(Some(manifest))
    }

    /// Whether the directory has each plugin with its checksum, and only the caller or root can have written it: the
    /// manifest of a build that another user left in /tmp proves nothing.
    pub(crate) fn is_intact_in(&self, dir: &Path) -> bool {
        let names = self.plugins.keys().map(String::as_str).chain([NAME]);
        fs::metadata(dir).is_ok_and(|found| is_trusted(&found))
            && names
                .map(|name| dir.join(name))
                .all(|path| fs::symlink_metadata(path).is_ok_and(|found| found.is_file() && is_trusted(&found)))
            && self.plugins.iter().all(|(name, built)| sum(&dir.join(name)).is_ok_and(|sum| sum == *built))
    }
}

/// Whether only the caller or root can write to a file. The caller's group counts as the caller, as many systems have
/// a group for each user.
fn is_trusted(found: &fs::Metadata) -> bool {
    let by_group = found.mode() & 0o020 != 0 && found.gid() != getegid().as_raw();
    [0, geteuid().as_raw()].contains(&found.uid()) && found.mode() & 0o002 == 0 && !by_group
}

/// The checksum and size of a file.
pub(crate) fn sum(path: &Path) -> Result<Built> {
    let (sha256, size) = sum_of(&mut edge_fetch::open(path)?).on("read", path)?;
    Ok(Built { sha256, size })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    use super::*;

    #[test]
    fn is_intact_in_trusts_only_builds_of_the_caller() {
        let dir = tempfile::tempdir().unwrap();
        let (out, bridge) = (dir.path().join("out"), dir.path().join("out/bridge"));
        let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        let make = || {
            fs::remove_dir_all(&out).ok();
            fs::create_dir(&out).unwrap();
            for name in ["bridge", NAME] {
                fs::write(out.join(name), "x").unwrap();
                mode(&out.join(name), 0o755);
            }
            mode(&out, 0o755);
        };
        make();
        let mut manifest = Manifest::new("module", &"v1.9.1".parse().unwrap(), Arch::Amd64, &[]);
        manifest.plugins.insert("bridge".to_owned(), sum(&bridge).unwrap());
        let is_intact = || manifest.is_intact_in(&out);
        assert!(is_intact());
        mode(&out, 0o775);
        assert!(is_intact(), "the caller's own group");
        for path in [&out, &bridge, &out.join(NAME)] {
            make();
            mode(path, 0o777);
            assert!(!is_intact(), "{}", path.display());
            if geteuid().is_root() {
                make();
                chown(path, Some(1000), None).unwrap();
                assert!(!is_intact(), "{}", path.display());
                make();
                mode(path, 0o775);
                chown(path, None, Some(1000)).unwrap();
                assert!(!is_intact(), "{}", path.display());
            }
        }
        make();
        fs::write(&bridge, "y").unwrap();
        assert!(!is_intact(), "another content");
        make();
        fs::rename(&bridge, dir.path().join("bridge")).unwrap();
        symlink("../bridge", &bridge).unwrap();
        assert!(!is_intact(), "a link");
    }
}
