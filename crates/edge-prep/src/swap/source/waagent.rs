//! Azure's agent: ResourceDisk.EnableSwap creates a swap file on the temporary disk at every boot.
//! Reported, not edited.

use edge_host::{Result, Root};

use super::key_value::{is_yes, last_value};
use super::{AtBoot, SwapSource, show, text};

const FILE: &str = "/etc/waagent.conf";
const KEY: &str = "ResourceDisk.EnableSwap";

pub(super) fn detect(root: &Root) -> Result<Vec<SwapSource>> {
    let Some(text) = text(root, FILE)? else { return Ok(Vec::new()) };
    let Some((line, value)) = last_value(&text, KEY) else { return Ok(Vec::new()) };
    let (at_boot, why) = if is_yes(value) {
        (AtBoot::Enabled, "the agent creates it at every boot")
    } else {
        (AtBoot::Disabled, "turned off in this file")
    };
    let found = SwapSource::new("waagent", FILE, format!("{KEY}={value}"), at_boot)
        .because(why)
        .manual_step(format!("set {KEY}=n in {}:{line}, then restart walinuxagent or waagent", show(root, FILE)));
    Ok(vec![SwapSource { line: Some(line), ..found }])
}
