//! Resume from hibernation in the initramfs, which waits at boot for the swap that it resumes from.
//! Reported, not edited: a change needs a new initramfs.

use edge_host::{Result, Root, quoted};

use super::key_value::last_value;
use super::{AtBoot, SwapSource, show, text};

const FILE: &str = "/etc/initramfs-tools/conf.d/resume";
const CMDLINE: &str = "/proc/cmdline";
const OPTION: &str = "resume=";

pub(super) fn detect(root: &Root) -> Result<Vec<SwapSource>> {
    let mut all = Vec::new();
    let set = text(root, FILE)?.unwrap_or_default();
    if let Some((line, value)) = last_value(&set, "RESUME").filter(|(_, value)| !value.is_empty() && *value != "none") {
        let file = quoted(&show(root, FILE));
        let chroot = if root.is_live() { String::new() } else { format!("chroot {} ", quoted(&show(root, "/"))) };
        let step = format!("echo RESUME=none > {file} && {chroot}update-initramfs -u");
        all.push(found(FILE, Some(line), format!("RESUME={value}"), step));
    }
    // The command line of the running kernel, which an image does not have.
    if root.is_live() {
        let line = text(root, CMDLINE)?.unwrap_or_default();
        if let Some(value) = line.split_whitespace().rev().find_map(|word| word.strip_prefix(OPTION)) {
            let step = format!("remove {OPTION}{value} from the kernel command line");
            all.push(found(CMDLINE, None, format!("{OPTION}{value}"), step));
        }
    }
    Ok(all)
}

fn found(file: &str, line: Option<usize>, what: String, step: String) -> SwapSource {
    let found = SwapSource::new("initramfs resume", file, what, AtBoot::Related)
        .because("the boot may wait for it, and a hibernated system cannot resume without it")
        .manual_step(step);
    SwapSource { line, ..found }
}
