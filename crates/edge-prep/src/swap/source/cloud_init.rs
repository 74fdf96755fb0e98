//! cloud-init's `swap:`: a swap file and its fstab line are made on first boot of an instance.
//!
//! Reported, not edited: user data from the provider may say the same and is not a file of ours.

use std::path::{Path, PathBuf};

use edge_host::{Result, Root};

use super::manual_step::ManualStep;
use super::{AfterReboot, SwapSource, files};

const MAIN: &str = "/etc/cloud/cloud.cfg";
const DIR: &str = "/etc/cloud/cloud.cfg.d";
const DISABLED: &str = "/etc/cloud/cloud-init.disabled";
const KEY: &str = "swap:";

pub(super) fn detect(root: &Root) -> Result<Vec<SwapSource>> {
    let disabled = root.find_link(Path::new(DISABLED))?.exists();
    let mut all = Vec::new();
    for file in std::iter::once(PathBuf::from(MAIN)).chain(files(root, DIR, ".cfg")?) {
        let text = super::text(root, &file)?.unwrap_or_default();
        // A key of the top level stands at the beginning of its line.
        let Some(line) = text.lines().position(|line| line.starts_with(KEY)).map(|index| index + 1) else { continue };
        let step = format!("take `swap:` out of {}:{line}", file.display());
        all.push(
            ManualStep {
                source: "cloud-init",
                file,
                line: Some(line),
                what: "swap:".to_owned(),
                after_reboot: if disabled { AfterReboot::Off } else { AfterReboot::Back },
                why: if disabled { "cloud-init is disabled" } else { "cloud-init makes it for each new instance" }
                    .to_owned(),
                step,
            }
            .found(),
        );
    }
    Ok(all)
}
