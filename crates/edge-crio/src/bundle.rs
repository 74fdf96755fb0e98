//! Installs static bundles: unpacks a verified archive, installs its files, and records them in a manifest.

mod archive;
mod files;
mod layout;
mod manifest;

pub use archive::{Staged, StagedFile, unpack};
pub use files::{Content, Target, plan_install, plan_removal, read_targets};
pub use layout::{DAEMON, Kind, PlacedFile, assign_paths};
pub use manifest::{EXECUTABLE, FORMAT, Manifest, Row};

use std::path::{Path, PathBuf};

/// The record of installed files, for later installs and for removal.
pub const MANIFEST: &str = "/var/lib/edgeutils/edge-crio.json";
/// The stage, a private directory to download and unpack archives in.
const STAGE: &str = "/var/lib/edgeutils/edge-crio";

/// The directory to unpack an archive of this checksum in.
pub fn stage_of(sha256: &str) -> PathBuf {
    Path::new(STAGE).join(sha256.get(..16).unwrap_or(sha256))
}

/// The path of a download of this name.
pub fn download_of(name: &str) -> PathBuf {
    Path::new(STAGE).join(name)
}

/// The stage.
pub fn stage() -> &'static Path {
    Path::new(STAGE)
}
