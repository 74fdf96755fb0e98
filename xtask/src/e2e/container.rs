//! A container image with one layer: as an archive that a runtime imports, and in a registry.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tar::{Builder, Header};

use crate::workspace::write;

/// Types of a manifest and of what it names; the server sends the first one with every manifest.
pub(super) const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const CONFIG: &str = "application/vnd.docker.container.image.v1+json";
const LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar";

/// An image.
#[derive(Debug)]
pub(super) struct ContainerImage {
    config: Vec<u8>,
    layer: Vec<u8>,
}

impl ContainerImage {
    /// With these files, and the settings of its containers: their program and arguments.
    pub(super) fn new(arch: &str, settings: &Value, files: &[(&str, u32, &[u8])]) -> Result<ContainerImage> {
        let layer = archive(files)?;
        let config = json!({
            "architecture": arch, "os": "linux", "config": settings,
            "rootfs": {"type": "layers", "diff_ids": [digest(&layer)]},
        });
        Ok(ContainerImage { config: config.to_string().into_bytes(), layer })
    }

    /// As `docker save` writes it.
    pub(super) fn saved(&self, names: &[&str]) -> Result<Vec<u8>> {
        let manifest = json!([{"Config": "config.json", "RepoTags": names, "Layers": ["layer.tar"]}]).to_string();
        archive(&[
            ("config.json", 0o644, &self.config),
            ("layer.tar", 0o644, &self.layer),
            ("manifest.json", 0o644, manifest.as_bytes()),
        ])
    }

    /// As files below the directory of a server, which is then a registry that has it as `repository:tag`.
    pub(super) fn publish(&self, served: &Path, repository: &str, tag: &str) -> Result<()> {
        let dir = served.join("v2").join(repository);
        // The API's version is requested by its directory alone.
        write(&served.join("v2/index"), "{}")?;
        let described =
            |kind: &str, blob: &[u8]| json!({"mediaType": kind, "size": blob.len(), "digest": digest(blob)});
        for blob in [&self.config, &self.layer] {
            write(&dir.join("blobs").join(digest(blob)), blob)?;
        }
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": described(CONFIG, &self.config), "layers": [described(LAYER, &self.layer)],
        });
        let manifest = manifest.to_string();
        for name in [tag, &digest(manifest.as_bytes())] {
            write(&dir.join("manifests").join(name), &manifest)?;
        }
        Ok(())
    }
}

/// As registries write it.
fn digest(bytes: &[u8]) -> String {
    let hash: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hash}")
}

fn archive(files: &[(&str, u32, &[u8])]) -> Result<Vec<u8>> {
    let mut tar = Builder::new(Vec::new());
    for (name, mode, content) in files {
        let mut header = Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(*mode);
        tar.append_data(&mut header, name, *content).context("cannot make an image")?;
    }
    tar.into_inner().context("cannot make an image")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registry_has_every_file_under_the_digest_that_names_it() {
        let dir = tempfile::tempdir().unwrap();
        let image = ContainerImage::new("amd64", &json!({"Cmd": ["/a"]}), &[("a", 0o755, b"program")]).unwrap();
        image.publish(dir.path(), "site/pod", "1").unwrap();
        let at = |name: &str| std::fs::read(dir.path().join("v2").join(name)).unwrap();
        assert_eq!(at("index"), b"{}");
        let manifest = at("site/pod/manifests/1");
        assert_eq!(at(&format!("site/pod/manifests/{}", digest(&manifest))), manifest);
        let manifest: Value = serde_json::from_slice(&manifest).unwrap();
        for named in [&manifest["config"], &manifest["layers"][0]] {
            let blob = at(&format!("site/pod/blobs/{}", named["digest"].as_str().unwrap()));
            assert_eq!(named["digest"], digest(&blob));
            assert_eq!(named["size"], blob.len());
        }
        let config: Value = serde_json::from_slice(&image.config).unwrap();
        assert_eq!(config["rootfs"]["diff_ids"][0], manifest["layers"][0]["digest"]);
    }
}
