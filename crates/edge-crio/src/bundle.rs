//! Static bundles: verified, unpacked by us, put in place file by file, and known by a manifest.

mod archive;
mod layout;
mod manifest;
mod put;

pub use archive::{Staged, StagedFile, unpack};
pub use layout::{DAEMON, Kind, Place, Placed, Sysconfig, place};
pub use manifest::{EXECUTABLE, FORMAT, Manifest, Row};
pub use put::{Ready, Standing, put, standing, take_away};

use std::path::{Path, PathBuf};

/// What was put in place by whom: for a later install and for removal.
pub const MANIFEST: &str = "/var/lib/edgeutils/edge-crio.json";
/// Where archives are downloaded and unpacked before they are put in place; nobody else can enter it.
const STAGE: &str = "/var/lib/edgeutils/edge-crio";

/// Where an archive of this sum is unpacked.
pub fn stage_of(sha256: &str) -> PathBuf {
    Path::new(STAGE).join(sha256.get(..16).unwrap_or(sha256))
}

/// Where a download waits to be unpacked.
pub fn download_of(name: &str) -> PathBuf {
    Path::new(STAGE).join(name)
}

/// The directory of both.
pub fn stage() -> &'static Path {
    Path::new(STAGE)
}
