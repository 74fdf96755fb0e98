//! Partitions of the type "Linux swap" that systemd-gpt-auto-generator finds on the root disk.
//!
//! Nothing on the file system says so: it is seen on the running system alone, by the unit that the
//! generator writes at boot. Reported, not edited.

use std::path::Path;

use edge_host::{Result, Root};

use super::by_hand::ByHand;
use super::{AfterReboot, Brings, Found};
use crate::swap::units::{self, ETC, GENERATOR_LATE, resolved};

const SOURCE: &str = "SourcePath";
const BY: &str = "systemd-gpt-auto-generator";

pub(super) fn detect(root: &Root) -> Result<Vec<Found>> {
    if !root.is_live() {
        return Ok(Vec::new());
    }
    let mut all = Vec::new();
    for name in units::swap_names(root, &[GENERATOR_LATE])? {
        let file = Path::new(GENERATOR_LATE).join(&name);
        let Some(text) = units::read_unit(root, &file)? else { continue };
        // Other generators name the file they read.
        if units::value(&text, "Unit", SOURCE).is_some() || !text.contains(BY) {
            continue;
        }
        let what = units::what(&text).unwrap_or_else(|| name.clone());
        let masked = units::is_mask(&root.find_link(&Path::new(ETC).join(&name))?);
        let device = resolved(root, Path::new(&what));
        let found = ByHand {
            source: "GPT partition type",
            file,
            line: None,
            after_reboot: if masked { AfterReboot::Off } else { AfterReboot::Back },
            why: if masked { "masked".to_owned() } else { format!("{BY} turns it on by its partition type") },
            step: format!(
                "systemctl mask {name}, or set the partition's bit 63 (sgdisk -A N:set:63 DISK), \
                 or systemd.swap=0 on the kernel command line"
            ),
            what,
        };
        all.push(Found { brings: Brings::Path(device), ..found.found() });
    }
    Ok(all)
}
