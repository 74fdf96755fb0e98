//! Boot configurations that are known and not edited: each with the step for a person.

use std::path::Path;

use edge_host::{Error, Result, Root};

use crate::cgroup::cmdline::{self, DISABLE, ENABLE, Said};

const OSTREE: [&str; 2] = ["/ostree", "/usr/bin/rpm-ostree"];
const OSTREE_BOOTED: &str = "/run/ostree-booted";
const ARMBIAN: &str = "/boot/armbianEnv.txt";
const UENV: &str = "/boot/uEnv.txt";
const KERNEL_CMDLINE: &str = "/etc/kernel/cmdline";
const GRUB_DEFAULTS: &str = "/etc/default/grub";

/// What it is, and what a person does there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManualStep {
    /// What people call it.
    pub name: &'static str,
    /// The file with the command line, as the operator reaches it.
    pub shown: Option<String>,
    /// What that says.
    pub said: Said,
    /// The step.
    pub step: String,
}

impl ManualStep {
    pub(super) fn refuse(&self) -> Error {
        Error::refused(format!(
            "cannot turn the memory cgroup on: the kernel's command line of {} is left to you",
            self.name
        ))
        .hint(self.step.clone())
    }
}

pub(super) fn show(root: &Root, path: &str) -> String {
    root.display(Path::new(path)).display().to_string()
}

/// Fedora CoreOS and its kin: the command line belongs to each deployment.
pub(super) fn ostree(root: &Root) -> Result<Option<ManualStep>> {
    let booted = root.is_live() && root.find(Path::new(OSTREE_BOOTED))?.exists();
    let mut installed = true;
    for path in OSTREE {
        installed = installed && root.find(Path::new(path))?.exists();
    }
    let step = format!("rpm-ostree kargs --delete-if-present={DISABLE} --append-if-missing={ENABLE}, and reboot");
    let by_hand = ManualStep { name: "rpm-ostree", shown: None, said: Said::Nothing, step };
    Ok((booted || installed).then_some(by_hand))
}

/// Environments that U-Boot scripts read.
pub(super) fn u_boot(root: &Root) -> Result<Option<ManualStep>> {
    for (name, path, key) in [("Armbian", ARMBIAN, "extraargs"), ("uEnv.txt", UENV, "cmdline")] {
        let Some(bytes) = root.read(Path::new(path))? else { continue };
        let text = String::from_utf8_lossy(&bytes);
        let value = text.lines().filter_map(|line| line.trim().strip_prefix(key)?.strip_prefix('=')).next_back();
        let said = value.map_or(Said::Nothing, cmdline::said);
        let shown = show(root, path);
        let step = match said {
            Said::Disabled => format!("take {DISABLE} out of the line {key}= in {shown}, and reboot"),
            _ => format!("add {ENABLE} to the line {key}= in {shown} (make the line if there is none), and reboot"),
        };
        return Ok(Some(ManualStep { name, shown: Some(shown), said, step }));
    }
    Ok(None)
}

/// systemd-boot and unified kernel images.
pub(super) fn systemd_boot(root: &Root) -> Result<Option<ManualStep>> {
    let Some(bytes) = root.read(Path::new(KERNEL_CMDLINE))? else { return Ok(None) };
    let text = String::from_utf8_lossy(&bytes);
    let said = cmdline::said(text.trim_end());
    let shown = show(root, KERNEL_CMDLINE);
    let what = match said {
        Said::Disabled => format!("take {DISABLE} out of {shown}"),
        _ => format!("add {ENABLE} to {shown}"),
    };
    let step = format!("{what}; then run kernel-install add $(uname -r) /lib/modules/$(uname -r)/vmlinuz, and reboot");
    Ok(Some(ManualStep { name: "systemd-boot", shown: Some(shown), said, step }))
}

/// GRUB on Fedora and its kin, where each kernel's entry has a command line of its own.
pub(super) fn grubby(root: &Root, text: &str) -> ManualStep {
    let lines = text.lines().filter(|line| line.trim_start().starts_with("GRUB_CMDLINE_LINUX"));
    let disabled = lines.filter(|line| line.contains(DISABLE)).count() > 0;
    ManualStep {
        name: "GRUB with grubby",
        shown: Some(show(root, GRUB_DEFAULTS)),
        said: if disabled { Said::Disabled } else { Said::Nothing },
        step: format!("grubby --update-kernel=ALL --remove-args={DISABLE} --args={ENABLE}, and reboot"),
    }
}
