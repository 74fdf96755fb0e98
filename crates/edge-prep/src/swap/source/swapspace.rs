//! swapspace: a daemon that adds swap files while memory is short.
//!
//! Reported, not edited: its files are in use, and it removes them itself when it is stopped properly.

use std::path::PathBuf;

use edge_host::{Result, Root};

use super::key_value::last_value;
use super::service::{self, Service};
use super::{AtBoot, Devices, SwapSource, systemctl, text};

const UNIT: &str = "swapspace.service";
const CONFIG: &str = "/etc/swapspace.conf";
const DEFAULT_DIR: &str = "/var/lib/swapspace";

pub(super) fn detect(root: &Root) -> Result<Vec<SwapSource>> {
    let config = text(root, CONFIG)?.unwrap_or_default();
    let dir = last_value(&config, "swappath").map_or(DEFAULT_DIR, |(_, dir)| dir.trim_matches(['"', '\'']));
    let service = Service { source: "swapspace", unit: UNIT, devices: Devices::Below(PathBuf::from(dir)) };
    let Some(found) = service::detect(root, service)? else { return Ok(Vec::new()) };
    if found.at_boot != AtBoot::Enabled {
        return Ok(vec![found]);
    }
    let command = systemctl(root, if root.is_live() { "disable --now" } else { "disable" }, UNIT);
    // The daemon would add swap again, so the plan does not stop it as a source of one device.
    Ok(vec![SwapSource { actions: Vec::new(), service: None, ..found }.manual_step(command)])
}
