//! Scripts of the boot that turn swap on: rc.local, init scripts, scripts of OpenRC's local service, and udev rules.
//!
//! Reported, not edited: a script does other things too.

use std::path::{Path, PathBuf};

use edge_host::{Result, Root, State};
use edge_systemd::{Scope, Units};

use super::script::{self, Command};
use super::{AtBoot, SwapSource, files, show};

const RC_LOCAL: [&str; 2] = ["/etc/rc.local", "/etc/rc.d/rc.local"];
const RC_LOCAL_UNIT: &str = "rc-local.service";
const INIT_SCRIPTS: &str = "/etc/init.d";
const RUN_LEVELS: [&str; 5] = ["/etc/rcS.d", "/etc/rc2.d", "/etc/rc3.d", "/etc/rc4.d", "/etc/rc5.d"];
/// OpenRC's run levels, and the directory above them.
const OPENRC: &str = "/etc/runlevels";
const OPENRC_LEVELS: [&str; 3] = ["/etc/runlevels/sysinit", "/etc/runlevels/boot", "/etc/runlevels/default"];
/// Init scripts that are sources of their own, or turn on what others configure.
const KNOWN: [&str; 5] = ["dphys-swapfile", "rc.local", "swapspace", "zram-config", "zramswap"];
const LOCAL_D: &str = "/etc/local.d";
const RULES: [&str; 4] =
    ["/etc/udev/rules.d", "/usr/local/lib/udev/rules.d", "/usr/lib/udev/rules.d", "/lib/udev/rules.d"];

pub(super) fn detect(root: &Root) -> Result<Vec<SwapSource>> {
    let units = Units::read(root, Scope::NextBoot)?;
    let mut all = Vec::new();
    for path in RC_LOCAL.map(Path::new) {
        let is_masked = units.find(RC_LOCAL_UNIT)?.is_masked();
        let why = match executable(root, path)? {
            None => continue,
            Some(false) => Err("it is not executable"),
            Some(true) if is_masked => Err("rc-local.service is masked"),
            Some(true) => Ok("run at every boot"),
        };
        add(root, &mut all, "rc.local", program(root, path)?, why);
    }
    for name in root.list(Path::new(INIT_SCRIPTS))? {
        let Some(name) = name.to_str().filter(|name| !KNOWN.contains(name)) else { continue };
        let unit = units.find(&format!("{name}.service"))?;
        // A unit takes precedence over an init script of the same name.
        if unit.exists() && !unit.is_masked() {
            continue;
        }
        let found = script::in_program(root, &Path::new(INIT_SCRIPTS).join(name));
        if let Some(command) = found {
            let why = match starts(root, name)? {
                _ if unit.is_masked() => Err("its unit is masked".to_owned()),
                Some(link) => Ok(format!("enabled by {}", show(root, &link))),
                None => Err("the init script is not enabled".to_owned()),
            };
            let why = why.as_deref().map_err(String::as_str);
            add(root, &mut all, "init script", Some(command), why);
        }
    }
    for path in files(root, LOCAL_D, ".start")? {
        let is_run = executable(root, &path)? == Some(true);
        let why = if is_run { Ok("run at every boot") } else { Err("it is not executable") };
        add(root, &mut all, "local.d", script::in_program(root, &path), why);
    }
    all.extend(rules(root)?);
    Ok(all)
}

fn add(
    root: &Root,
    all: &mut Vec<SwapSource>,
    source: &'static str,
    command: Option<Command>,
    why: Result<&str, &str>,
) {
    let Some(command) = command else { return };
    all.push(match why {
        Ok(why) => command.source(root, source, AtBoot::Enabled, why),
        Err(why) => command.source(root, source, AtBoot::Disabled, why),
    });
}

/// Whether a file can be run; none where there is none.
fn executable(root: &Root, path: &Path) -> Result<Option<bool>> {
    Ok(match root.find(path)?.state {
        State::File { mode, .. } => Some(mode & 0o111 != 0),
        _ => None,
    })
}

/// rc.local may lack the line that names the shell: it is run by sh then.
fn program(root: &Root, path: &Path) -> Result<Option<Command>> {
    let text = super::text(root, path)?.unwrap_or_default();
    Ok(script::in_text(root, path, 0, &text))
}

/// The link that starts an init script: `S01name`, or OpenRC's `name`.
fn starts(root: &Root, name: &str) -> Result<Option<PathBuf>> {
    for level in RUN_LEVELS.into_iter().chain(OPENRC_LEVELS).map(Path::new) {
        let is_openrc = level.starts_with(OPENRC);
        for link in root.list(level)? {
            let text = link.to_string_lossy();
            let of_rc = text.strip_prefix('S').and_then(|rest| rest.get(2..));
            if (is_openrc && text == name) || of_rc == Some(name) {
                return Ok(Some(level.join(&link)));
            }
        }
    }
    Ok(None)
}

/// Rules that run a command for a device.
fn rules(root: &Root) -> Result<Vec<SwapSource>> {
    let (mut all, mut seen) = (Vec::new(), Vec::new());
    for dir in RULES {
        for path in files(root, dir, ".rules")? {
            // A rule file hides those of the same name in later directories.
            if seen.contains(&path.file_name().map(ToOwned::to_owned)) {
                continue;
            }
            seen.push(path.file_name().map(ToOwned::to_owned));
            let text = super::text(root, &path)?.unwrap_or_default();
            for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with('#')) {
                let commands = line.split("RUN").skip(1).filter_map(|rest| rest.split('"').nth(1));
                let found = commands.filter_map(|command| script::in_text(root, &path, number, command)).next();
                add(root, &mut all, "udev rule", found, Ok("run when its device appears"));
            }
        }
    }
    Ok(all)
}
