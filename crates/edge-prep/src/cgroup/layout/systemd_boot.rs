//! systemd-boot and unified kernel images: the options of the entries, and /etc/kernel/cmdline, from which
//! kernel-install makes the entries of the next kernel.

use std::path::{Path, PathBuf};

use edge_host::{Result, Root};

use super::manual_step::{ManualStep, OptionsLine, show};
use crate::cgroup::cmdline::MemoryOption;

/// The command line for kernel-install, the file that takes precedence first.
const CMDLINE: [&str; 2] = ["/etc/kernel/cmdline", "/usr/lib/kernel/cmdline"];
const ENTRIES: [&str; 3] = ["/efi/loader/entries", "/boot/loader/entries", "/boot/efi/loader/entries"];
const ENTRY: &str = ".conf";
const OPTIONS: &str = "options";
/// Debian's kernels are in /boot, those of others beside their modules.
const KERNELS: &str = "/boot";
const KERNEL: &str = "vmlinuz-";
const KERNEL_OF_BOOT: &str = "/boot/vmlinuz-$(uname -r)";
const KERNEL_OF_MODULES: &str = "/lib/modules/$(uname -r)/vmlinuz";

pub(super) fn find(root: &Root) -> Result<Option<ManualStep>> {
    let entries = entries(root)?;
    let mut file = None;
    for path in CMDLINE {
        if file.is_none()
            && let Some(bytes) = root.read(Path::new(path))?
        {
            file = command_line(&show(root, path), &String::from_utf8_lossy(&bytes));
        }
    }
    let has_root = |line: &OptionsLine| line.options.split_whitespace().any(|word| word.starts_with("root="));
    // kernel-install would drop the `root=` of the entries where the file has none.
    let is_whole = |file: &OptionsLine| !entries.iter().any(has_root) || has_root(file);
    // kernel-install does not run in an image, whose entries are what boots.
    let is_source = |file: &OptionsLine| entries.is_empty() || (root.is_live() && is_whole(file));
    let name = "systemd-boot";
    Ok(match (file.filter(is_source), entries.first()) {
        (Some(file), _) => {
            let option = if entries.is_empty() { file.option() } else { option_of(&entries) };
            let step = file.step(install(root)?.as_deref());
            Some(ManualStep { name, shown: Some(file.shown), option, step })
        }
        (None, Some(first)) => {
            let option = option_of(&entries);
            let at_fault = entries.iter().find(|entry| entry.option() == option).unwrap_or(first);
            Some(ManualStep { name, shown: Some(at_fault.shown.clone()), option, step: at_fault.step(None) })
        }
        (None, None) => None,
    })
}

/// The command that makes the entry of the running kernel again.
fn install(root: &Root) -> Result<Option<String>> {
    if !root.is_live() {
        return Ok(None);
    }
    let is_kernel = |name: &std::ffi::OsString| name.to_string_lossy().starts_with(KERNEL);
    let has_kernel = root.list(Path::new(KERNELS))?.iter().any(is_kernel);
    let kernel = if has_kernel { KERNEL_OF_BOOT } else { KERNEL_OF_MODULES };
    Ok(Some(format!("kernel-install add $(uname -r) {kernel}")))
}

/// The line with the options; the file is one command line, on however many lines.
fn command_line(shown: &str, text: &str) -> Option<OptionsLine> {
    let (line, first) = (1..).zip(text.lines()).find(|(_, line)| !line.trim().is_empty())?;
    let options = if text.trim().lines().count() > 1 {
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    } else {
        first.to_owned()
    };
    Some(OptionsLine { options, ..OptionsLine::new(shown, line, "", first) })
}

/// The lines with the options of all entries.
pub(super) fn entries(root: &Root) -> Result<Vec<OptionsLine>> {
    let mut all = Vec::new();
    for dir in ENTRIES.map(Path::new) {
        for name in root.list(dir)? {
            let path: PathBuf = dir.join(&name);
            if path.to_string_lossy().ends_with(ENTRY)
                && let Some(bytes) = root.read(&path)?
            {
                all.extend(options(&root.display(&path).to_string_lossy(), &String::from_utf8_lossy(&bytes)));
            }
        }
    }
    Ok(all)
}

fn options(shown: &str, text: &str) -> Option<OptionsLine> {
    (1..).zip(text.lines()).find_map(|(number, line)| {
        let value = line.trim_start().strip_prefix(OPTIONS)?;
        value.starts_with([' ', '\t']).then(|| OptionsLine::new(shown, number, OPTIONS, value))
    })
}

/// The option of the entries together: which one boots next is not known.
pub(super) fn option_of(entries: &[OptionsLine]) -> MemoryOption {
    let all: Vec<MemoryOption> = entries.iter().map(OptionsLine::option).collect();
    match all.first() {
        None => MemoryOption::Unknown,
        Some(_) if all.contains(&MemoryOption::Disabled) => MemoryOption::Disabled,
        Some(_) if all.contains(&MemoryOption::Unset) => MemoryOption::Unset,
        Some(first) => *first,
    }
}
