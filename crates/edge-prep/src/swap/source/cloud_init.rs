//! cloud-init's `swap:`: it creates a swap file and its fstab entry on the first boot of an instance.
//!
//! Reported, not edited: user data from the provider may set it too, and that is not a file on the host.

use std::path::{Path, PathBuf};

use edge_host::{Result, Root};

use super::{AtBoot, SwapSource, files};

const MAIN: &str = "/etc/cloud/cloud.cfg";
const DIR: &str = "/etc/cloud/cloud.cfg.d";
const DISABLED: &str = "/etc/cloud/cloud-init.disabled";
const KEY: &str = "swap:";

pub(super) fn detect(root: &Root) -> Result<Vec<SwapSource>> {
    let is_disabled = root.find_link(Path::new(DISABLED))?.exists();
    let mut all = Vec::new();
    for file in std::iter::once(PathBuf::from(MAIN)).chain(files(root, DIR, ".cfg")?) {
        let text = super::text(root, &file)?.unwrap_or_default();
        // A top-level key is at the beginning of its line.
        let Some(line) = text.lines().position(|line| line.starts_with(KEY)).map(|index| index + 1) else { continue };
        let (at_boot, why) = if is_disabled {
            (AtBoot::Disabled, "cloud-init is disabled")
        } else {
            (AtBoot::Enabled, "creates a swap file for each new instance")
        };
        let step = format!("remove `swap:` from {}:{line}", file.display());
        let found = SwapSource::new("cloud-init", file, "by cloud-init", at_boot).because(why).manual_step(step);
        all.push(SwapSource { line: Some(line), ..found });
    }
    Ok(all)
}
