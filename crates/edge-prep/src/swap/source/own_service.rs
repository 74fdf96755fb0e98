//! A service of the administrator that turns swap on, found by the commands that it runs.
//!
//! Reported, not edited. The manual step disables a unit only if it does nothing else; otherwise it removes the command.

use std::path::Path;

use edge_host::{Result, Root, State};
use edge_systemd::{ADMIN_UNITS, Scope, Settings, Unit, Units};

use super::script::{self, Command};
use super::{AtBoot, SwapSource, show, systemctl};

/// The suffixes of directories with links that enable units.
const ENABLING: [&str; 2] = [".wants", ".requires"];
const KEYS: [&str; 3] = ["ExecStartPre", "ExecStart", "ExecStartPost"];
/// Further commands of a service.
const LATER_KEYS: [&str; 4] = ["ExecCondition", "ExecReload", "ExecStop", "ExecStopPost"];
/// Units that start a service, and the section that may name it.
const STARTERS: [(&str, &str); 2] = [("timer", "Timer"), ("path", "Path")];
/// Those that are sources of their own.
const KNOWN: [&str; 7] = [
    "armbian-zram-config.service",
    "dphys-swapfile.service",
    "nvzramconfig.service",
    "rc-local.service",
    "swapspace.service",
    "zram-config.service",
    "zramswap.service",
];

pub(super) fn detect(root: &Root) -> Result<Vec<SwapSource>> {
    let units = Units::read(root, Scope::NextBoot)?;
    let mut all = Vec::new();
    let mut names = units.names("service");
    names.extend(instances(root)?);
    for name in names {
        let unit = units.find(&name)?;
        if unit.name != name || unit.is_masked() || KNOWN.contains(&name.as_str()) {
            continue;
        }
        let settings = units.settings(&unit)?;
        if let Some(command) = command(root, &settings) {
            all.push(source(root, &units, &unit, command, does_more(&settings))?);
        }
    }
    Ok(all)
}

/// The enabled instances of templates, whose files have other names.
fn instances(root: &Root) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for dir in root.list(Path::new(ADMIN_UNITS))?.iter().map(|name| Path::new(ADMIN_UNITS).join(name)) {
        let is_enabling = ENABLING.iter().any(|end| dir.to_string_lossy().ends_with(end));
        if is_enabling && matches!(root.find(&dir)?.state, State::Directory { .. }) {
            let names = root.list(&dir)?.into_iter().filter_map(|name| name.into_string().ok());
            all.extend(names.filter(|name| name.contains('@') && name.ends_with(".service")));
        }
    }
    all.sort();
    all.dedup();
    Ok(all)
}

fn command(root: &Root, settings: &Settings) -> Option<Command> {
    let mut commands = KEYS.into_iter().flat_map(|key| settings.commands(key));
    commands.find_map(|command| script::in_command(root, &command.file, command.line, &command.argv))
}

fn does_more(settings: &Settings) -> bool {
    let mut commands = KEYS.into_iter().chain(LATER_KEYS).flat_map(|key| settings.commands(key));
    commands.any(|command| script::does_more(&command.argv))
}

fn source(root: &Root, units: &Units<'_>, unit: &Unit, command: Command, does_more: bool) -> Result<SwapSource> {
    let (name, text) = (&unit.name, command.text.clone());
    let Some(by) = started_by(units, unit)? else {
        let why = "its unit is not enabled".to_owned();
        return Ok(SwapSource { what: name.clone(), why, ..command.source(root, "service", AtBoot::Disabled, "") });
    };
    let is_admins = by.link.starts_with(ADMIN_UNITS);
    let verb = if is_admins { "disable" } else { "mask" };
    let why = format!("runs {text:?}; enabled by {}", show(root, &by.link));
    let found = command.source(root, "service", AtBoot::Enabled, "");
    let found = if does_more { found } else { found.manual_step(systemctl(root, verb, &by.unit)) };
    Ok(SwapSource { what: name.clone(), why, ..found })
}

/// What starts a service.
struct StartedBy {
    unit: String,
    link: std::path::PathBuf,
}

fn started_by(units: &Units<'_>, unit: &Unit) -> Result<Option<StartedBy>> {
    let enabled = |unit: &Unit| -> Result<Option<StartedBy>> {
        let links = if unit.is_masked() { Vec::new() } else { units.links_to(unit)? };
        Ok(links.into_iter().next().map(|link| StartedBy { unit: unit.name.clone(), link: link.path }))
    };
    if let Some(by) = enabled(unit)? {
        return Ok(Some(by));
    }
    for (kind, section) in STARTERS {
        for name in units.names(kind) {
            let starter = units.find(&name)?;
            let named = units.settings(&starter)?.last(section, "Unit").map(|setting| setting.value.clone());
            let stem = name.rsplit_once('.').map_or(name.as_str(), |(stem, _)| stem);
            let starts = named.unwrap_or_else(|| format!("{stem}.service"));
            if starts == unit.name
                && let Some(by) = enabled(&starter)?
            {
                return Ok(Some(by));
            }
        }
    }
    Ok(None)
}
