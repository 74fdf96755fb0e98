//! Azure's agent: ResourceDisk.EnableSwap makes a swap file on the temporary disk at each boot.
//! Reported, not edited.

use std::path::Path;

use edge_host::{Result, Root};

use super::manual_step::{ManualStep, is_yes, setting};
use super::{AfterReboot, SwapSource, text};

const FILE: &str = "/etc/waagent.conf";
const KEY: &str = "ResourceDisk.EnableSwap";

pub(super) fn detect(root: &Root) -> Result<Vec<SwapSource>> {
    let Some(text) = text(root, FILE)? else { return Ok(Vec::new()) };
    let Some((line, value)) = setting(&text, KEY) else { return Ok(Vec::new()) };
    let on = is_yes(value);
    let found = ManualStep {
        source: "waagent",
        file: Path::new(FILE).to_path_buf(),
        line: Some(line),
        what: format!("{KEY}={value}"),
        after_reboot: if on { AfterReboot::Back } else { AfterReboot::Off },
        why: if on { "the agent makes it at each boot" } else { "turned off" }.to_owned(),
        step: format!("set {KEY}=n in {FILE}:{line} and restart walinuxagent or waagent"),
    };
    Ok(vec![found.found()])
}
