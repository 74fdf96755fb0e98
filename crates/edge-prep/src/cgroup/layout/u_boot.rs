//! Files with options of the kernel that scripts of U-Boot read, and the scripts themselves.

use std::path::Path;

use edge_host::{Result, Root, quoted};

use super::manual_step::{ManualStep, OptionsLine, program, show};
use super::partition;
use crate::cgroup::cmdline::{ENABLE, MemoryOption};

/// The mount points of the partition with these files.
const DIRS: [&str; 3] = ["/boot", "/boot/firmware", "/media/boot"];
/// Name of the layout, file, and the keys with options of the kernel, which the script adds to its own. Of `bootargs`,
/// the value is the whole command line.
const ENVIRONMENTS: [(&str, &str, &[&str]); 5] = [
    ("Armbian", "armbianEnv.txt", &["extraargs", "extraboardargs"]),
    ("Orange Pi", "orangepiEnv.txt", &["extraargs", "extraboardargs"]),
    ("DietPi", "dietpiEnv.txt", &["extraargs"]),
    ("Ubuntu for Rockchip", "ubuntuEnv.txt", &[WHOLE]),
    ("uEnv.txt", "uEnv.txt", &["cmdline", "optargs", "extraargs", WHOLE]),
];
const WHOLE: &str = "bootargs";
/// Odroid's script, as text.
const BOOT_INI: &str = "boot.ini";
/// The source of boot.scr, which has its text too, after a header.
const SCRIPTS: [&str; 2] = ["/boot/boot.cmd", "/boot/boot.scr"];
const COMPILE: &str = "mkimage -C none -A arm -T script -d /boot/boot.cmd /boot/boot.scr";
/// A variable of Armbian's script, which adds the enabling option after all others.
const OPTIMIZATIONS: &str = "docker_optimizations";

const FLASH_KERNEL: &str = "/etc/default/flash-kernel";
const FLASH_KERNEL_KEYS: [&str; 2] = ["LINUX_KERNEL_CMDLINE", "LINUX_KERNEL_CMDLINE_DEFAULTS"];

/// An environment file, or boot.ini.
pub(super) fn find(root: &Root) -> Result<Option<ManualStep>> {
    for dir in DIRS {
        for (name, file, keys) in ENVIRONMENTS {
            let path = format!("{dir}/{file}");
            let Some(content) = text(root, &path)? else { continue };
            let mut script = String::new();
            for path in SCRIPTS {
                script.push_str(&text(root, path)?.unwrap_or_default());
            }
            partition::check(root, Path::new(dir))?;
            return Ok(Some(environment(name, &show(root, &path), &content, keys, &script)));
        }
        let path = format!("{dir}/{BOOT_INI}");
        if let Some(content) = text(root, &path)? {
            partition::check(root, Path::new(dir))?;
            return Ok(Some(script("boot.ini", &show(root, &path), &content, None)));
        }
    }
    Ok(None)
}

fn text(root: &Root, path: &str) -> Result<Option<String>> {
    Ok(root.read(Path::new(path))?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

/// flash-kernel of Debian and Ubuntu, which makes boot.scr from its settings.
pub(super) fn flash_kernel(root: &Root) -> Result<Option<ManualStep>> {
    let Some(text) = text(root, FLASH_KERNEL)? else { return Ok(None) };
    if !root.find(Path::new(SCRIPTS[1]))?.exists() {
        return Ok(None);
    }
    let shown = show(root, FLASH_KERNEL);
    let lines = assignments(&shown, &text, &FLASH_KERNEL_KEYS);
    let then = program(root, "flash-kernel");
    let name = "flash-kernel";
    Ok(Some(match last(&lines) {
        Some(line) => ManualStep { name, shown: Some(shown), option: line.option(), step: line.step(Some(&then)) },
        None => {
            let key = FLASH_KERNEL_KEYS[0];
            let step = format!(
                "add the line {key}={ENABLE} to {shown}, run {then}, then reboot: echo {key}={ENABLE} >> {} && {then}",
                quoted(&shown)
            );
            ManualStep { name, shown: Some(shown), option: MemoryOption::Unset, step }
        }
    }))
}

/// A script of the administrator.
pub(super) fn boot_script(root: &Root) -> Result<Option<ManualStep>> {
    for path in SCRIPTS {
        let Some(text) = text(root, path)? else { continue };
        let shown = show(root, path);
        let then = program(root, COMPILE);
        let mut found = script("U-Boot script", &shown, &text, Some(&then));
        if path == SCRIPTS[1] {
            found.step =
                format!("add {ENABLE} to bootargs in the source of {shown}, compile it with mkimage, then reboot");
        }
        return Ok(Some(found));
    }
    Ok(None)
}

fn environment(name: &'static str, shown: &str, text: &str, keys: &[&str], script: &str) -> ManualStep {
    let lines = assignments(shown, text, keys);
    let at = last(&lines);
    // The command line is in the script then.
    let without = if keys == [WHOLE] { MemoryOption::Unknown } else { MemoryOption::Unset };
    let mut option = at.map_or(without, OptionsLine::option);
    if is_optimized(script, text) {
        option = MemoryOption::Enabled;
    }
    let step = match (at, keys.first()) {
        (Some(line), _) => line.step(None),
        // A line with the whole command line would need `root=`.
        (None, Some(&WHOLE) | None) => {
            format!("add {ENABLE} to the options of the kernel in the script that reads {shown}, then reboot")
        }
        (None, Some(key)) => format!(
            "add the line {key}={ENABLE} to {shown}, then reboot: printf '\\n%s\\n' {key}={ENABLE} >> {}",
            quoted(shown)
        ),
    };
    ManualStep { name, shown: Some(shown.to_owned()), option, step }
}

/// Whether Armbian's script adds the enabling option: by default, or as the environment says.
fn is_optimized(script: &str, environment: &str) -> bool {
    if !script.contains(ENABLE) {
        return false;
    }
    let mut set =
        script.lines().filter_map(|line| line.trim().strip_prefix("setenv ")?.trim_start().strip_prefix(OPTIMIZATIONS));
    let mut own = environment.lines().filter_map(|line| line.strip_prefix(OPTIMIZATIONS)?.strip_prefix('='));
    own.next_back().or(set.next_back()).is_some_and(|value| value.trim().trim_matches(['"', '\'']) == "on")
}

fn script(name: &'static str, shown: &str, text: &str, then: Option<&str>) -> ManualStep {
    let lines: Vec<OptionsLine> = (1..)
        .zip(text.lines())
        .filter_map(|(number, line)| {
            let value = line.trim().strip_prefix("setenv ")?.trim_start().strip_prefix(WHOLE)?;
            value.starts_with([' ', '\t']).then(|| OptionsLine::new(shown, number, "setenv bootargs", value))
        })
        .collect();
    let (option, step) = match last(&lines) {
        Some(line) => (line.option(), line.step(then)),
        None => {
            let step = format!("add {ENABLE} to the options of the kernel in {shown}, then reboot");
            (MemoryOption::Unknown, step)
        }
    };
    ManualStep { name, shown: Some(shown.to_owned()), option, step }
}

/// The lines `KEY=value` of these keys.
pub(super) fn assignments(shown: &str, text: &str, keys: &[&str]) -> Vec<OptionsLine> {
    let lines = (1..).zip(text.lines());
    let found = lines.filter_map(|(number, line)| {
        let line = line.trim();
        let line = line.strip_prefix("export ").map_or(line, str::trim_start);
        let (key, value) = line.split_once('=')?;
        keys.contains(&key).then(|| OptionsLine::new(shown, number, &format!("{key}="), value))
    });
    found.collect()
}

/// The line that decides: the last one with an option, or the last one.
fn last(lines: &[OptionsLine]) -> Option<&OptionsLine> {
    let with_option = lines.iter().rfind(|line| line.option() != MemoryOption::Unset);
    with_option.or(lines.last())
}
