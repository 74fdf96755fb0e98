//! Resume from hibernation in the initramfs: it waits for the swap that it shall resume from.
//! Reported, not edited: it takes a new initramfs.

use std::path::Path;

use edge_host::{Result, Root};

use super::manual_step::{ManualStep, setting};
use super::{AfterReboot, SwapSource, text};

const FILE: &str = "/etc/initramfs-tools/conf.d/resume";
const CMDLINE: &str = "/proc/cmdline";
const OPTION: &str = "resume=";

pub(super) fn detect(root: &Root) -> Result<Vec<SwapSource>> {
    let mut all = Vec::new();
    let set = text(root, FILE)?.unwrap_or_default();
    if let Some((line, value)) = setting(&set, "RESUME").filter(|(_, value)| !value.is_empty() && *value != "none") {
        let step = format!("echo RESUME=none > {FILE} && update-initramfs -u");
        all.push(found(FILE, Some(line), format!("RESUME={value}"), step));
    }
    // The command line of the running kernel; an image has none.
    if root.is_live() {
        let line = text(root, CMDLINE)?.unwrap_or_default();
        if let Some(value) = line.split_whitespace().rev().find_map(|word| word.strip_prefix(OPTION)) {
            let step = format!("take {OPTION}{value} out of the kernel command line");
            all.push(found(CMDLINE, None, format!("{OPTION}{value}"), step));
        }
    }
    Ok(all)
}

fn found(file: &str, line: Option<usize>, what: String, step: String) -> SwapSource {
    ManualStep {
        source: "initramfs resume",
        file: Path::new(file).to_path_buf(),
        line,
        what,
        after_reboot: AfterReboot::Aside,
        why: "the boot may wait for it, and a hibernated system is lost without it".to_owned(),
        step,
    }
    .found()
}
