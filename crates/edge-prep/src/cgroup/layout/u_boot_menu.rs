//! u-boot-menu, whose u-boot-update generates extlinux.conf.
//!
//! The options are U_BOOT_PARAMETERS of the last file that sets it: /etc/default/u-boot, then the fragments below
//! /usr/share and /etc. Where it is empty, they are those of /etc/kernel/cmdline, so that setting it would drop the
//! `root=` and `console=` of that file (u-boot-menu 4.2.2).

use std::path::{Path, PathBuf};

use edge_host::{Result, Root, quoted};

use super::manual_step::{ManualStep, OptionsLine, program, show};
use super::u_boot::assignments;
use crate::cgroup::cmdline::{ENABLE, MemoryOption};

/// In the head of the file that it generates.
const MADE_BY: &str = "u-boot-update";
const GENERATED: &str = "/boot/extlinux/extlinux.conf";
const DEFAULTS: &str = "/etc/default/u-boot";
const FRAGMENTS: [&str; 2] = ["/usr/share/u-boot-menu/conf.d", "/etc/u-boot-menu/conf.d"];
const PARAMETERS: &str = "U_BOOT_PARAMETERS";
const UPDATE: &str = "U_BOOT_UPDATE";
const CMDLINE: &str = "/etc/kernel/cmdline";
/// Its own options where nothing sets any.
const OWN: &str = "ro quiet";

/// The manual step for an extlinux.conf that is generated; `option` is the one in it.
pub(super) fn find(root: &Root, extlinux: &str, option: MemoryOption) -> Result<Option<ManualStep>> {
    if !extlinux.contains(MADE_BY) {
        return Ok(None);
    }
    let (mut parameters, mut updates) = (None, None);
    for path in files(root)? {
        let text = root.read(&path)?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
        let shown = root.display(&path).display().to_string();
        parameters = assignments(&shown, &text, &[PARAMETERS]).pop().or(parameters);
        updates = assignments(&shown, &text, &[UPDATE]).pop().or(updates);
    }
    // Turned off: what is in extlinux.conf stays.
    if updates.is_some_and(|line: OptionsLine| !["", "true"].contains(&line.options.as_str())) {
        return Ok(None);
    }
    let then = program(root, "u-boot-update");
    let parameters = parameters.filter(|line: &OptionsLine| !line.options.is_empty());
    let is_of_cmdline = parameters.as_ref().is_none_or(|line| line.options.contains(CMDLINE));
    let source = if is_of_cmdline { cmdline(root)? } else { parameters.clone() };
    let of_source = source.as_ref().map_or(MemoryOption::Unset, OptionsLine::option);
    let is_outdated =
        of_source == MemoryOption::Enabled || (option == MemoryOption::Disabled && of_source != MemoryOption::Disabled);
    let step = match &source {
        _ if is_outdated => format!("generate extlinux.conf again, then reboot: {then}"),
        Some(line) => line.step(Some(&then)),
        None => {
            let (file, line) = match parameters {
                Some(_) => (CMDLINE, format!("{OWN} {ENABLE}")),
                None => (DEFAULTS, format!("{PARAMETERS}=\"{OWN} {ENABLE}\"")),
            };
            let file = show(root, file);
            let command = format!("echo '{line}' >> {} && {then}", quoted(&file));
            format!("add {ENABLE} to the default options in {file}, run {then}, then reboot: {command}")
        }
    };
    let shown = match source {
        _ if is_outdated => show(root, GENERATED),
        Some(line) => line.shown,
        None => show(root, DEFAULTS),
    };
    Ok(Some(ManualStep { name: "u-boot-menu", shown: Some(shown), option, step }))
}

/// The files in the order in which u-boot-update reads them.
fn files(root: &Root) -> Result<Vec<PathBuf>> {
    let mut all = vec![PathBuf::from(DEFAULTS)];
    for dir in FRAGMENTS.map(Path::new) {
        let names = root.list(dir)?;
        all.extend(names.iter().filter(|name| name.to_string_lossy().ends_with(".conf")).map(|name| dir.join(name)));
    }
    Ok(all)
}

/// The line of /etc/kernel/cmdline; none where it has no options.
fn cmdline(root: &Root) -> Result<Option<OptionsLine>> {
    let Some(bytes) = root.read(Path::new(CMDLINE))? else { return Ok(None) };
    let text = String::from_utf8_lossy(&bytes);
    let first = (1..).zip(text.lines()).find(|(_, line)| !line.trim().is_empty());
    Ok(first.map(|(line, value)| OptionsLine::new(&show(root, CMDLINE), line, "", value)))
}
