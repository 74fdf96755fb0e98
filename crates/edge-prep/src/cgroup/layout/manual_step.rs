//! Boot configurations that are recognized and not edited, each with the manual step.

use std::path::Path;

use edge_host::{Error, Result, Root};

use crate::cgroup::cmdline::{self, DISABLE, ENABLE, MemoryOption};

const OSTREE: [&str; 2] = ["/ostree", "/usr/bin/rpm-ostree"];
const OSTREE_BOOTED: &str = "/run/ostree-booted";
const ARMBIAN: &str = "/boot/armbianEnv.txt";
const UENV: &str = "/boot/uEnv.txt";
const KERNEL_CMDLINE: &str = "/etc/kernel/cmdline";
const GRUB_DEFAULTS: &str = "/etc/default/grub";

/// A boot configuration and its manual step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManualStep {
    /// Its usual name.
    pub name: &'static str,
    /// The file with the command line, with the root prefix.
    pub shown: Option<String>,
    /// The option in that file.
    pub option: MemoryOption,
    /// The step, as a command where it is one.
    pub step: String,
}

impl ManualStep {
    pub(super) fn refuse(&self) -> Error {
        Error::refused(format!(
            "cannot turn the memory cgroup on: edge-prep does not edit the boot configuration of {}",
            self.name
        ))
        .hint(self.step.clone())
    }
}

pub(super) fn show(root: &Root, path: &str) -> String {
    root.display(Path::new(path)).display().to_string()
}

/// Fedora CoreOS and similar systems, where each deployment has its own command line.
pub(super) fn ostree(root: &Root) -> Result<Option<ManualStep>> {
    let booted = root.is_live() && root.find(Path::new(OSTREE_BOOTED))?.exists();
    let mut installed = true;
    for path in OSTREE {
        installed = installed && root.find(Path::new(path))?.exists();
    }
    let step = format!("rpm-ostree kargs --delete-if-present={DISABLE} --append-if-missing={ENABLE} && reboot");
    let manual_step = ManualStep { name: "rpm-ostree", shown: None, option: MemoryOption::Unset, step };
    Ok((booted || installed).then_some(manual_step))
}

/// Environment files that U-Boot scripts read.
pub(super) fn u_boot(root: &Root) -> Result<Option<ManualStep>> {
    for (name, path, key) in [("Armbian", ARMBIAN, "extraargs"), ("uEnv.txt", UENV, "cmdline")] {
        let Some(bytes) = root.read(Path::new(path))? else { continue };
        let text = String::from_utf8_lossy(&bytes);
        let value = text.lines().filter_map(|line| line.trim().strip_prefix(key)?.strip_prefix('=')).next_back();
        let option = value.map_or(MemoryOption::Unset, cmdline::memory_option);
        let shown = show(root, path);
        let step = match option {
            MemoryOption::Disabled => format!("remove {DISABLE} from the line {key}= in {shown}, then reboot"),
            _ => format!("add {ENABLE} to the line {key}= in {shown}, or add that line, then reboot"),
        };
        return Ok(Some(ManualStep { name, shown: Some(shown), option, step }));
    }
    Ok(None)
}

/// systemd-boot and unified kernel images.
pub(super) fn systemd_boot(root: &Root) -> Result<Option<ManualStep>> {
    let Some(bytes) = root.read(Path::new(KERNEL_CMDLINE))? else { return Ok(None) };
    let text = String::from_utf8_lossy(&bytes);
    let option = cmdline::memory_option(text.trim_end());
    let shown = show(root, KERNEL_CMDLINE);
    let what = match option {
        MemoryOption::Disabled => format!("remove {DISABLE} from {shown}"),
        _ => format!("add {ENABLE} to {shown}"),
    };
    let step = format!("{what}, run kernel-install add $(uname -r) /lib/modules/$(uname -r)/vmlinuz, then reboot");
    Ok(Some(ManualStep { name: "systemd-boot", shown: Some(shown), option, step }))
}

/// GRUB on Fedora and similar systems, where each kernel's entry has its own command line.
pub(super) fn grubby(root: &Root, text: &str) -> ManualStep {
    let lines = text.lines().filter(|line| line.trim_start().starts_with("GRUB_CMDLINE_LINUX"));
    let is_disabled = lines.filter(|line| line.contains(DISABLE)).count() > 0;
    ManualStep {
        name: "GRUB with grubby",
        shown: Some(show(root, GRUB_DEFAULTS)),
        option: if is_disabled { MemoryOption::Disabled } else { MemoryOption::Unset },
        step: format!("grubby --update-kernel=ALL --remove-args={DISABLE} --args={ENABLE} && reboot"),
    }
}
