//! A service of the administrator that turns swap on, found by the commands that it runs.
//!
//! Reported, not edited. The manual step disables a unit only if it does nothing else; otherwise it removes the command.

use std::path::Path;

use edge_host::{Result, Root, State};
use edge_systemd::{ADMIN_UNITS, Boot, Scope, Settings, Unit, Units};

use super::script::{self, Command};
use super::{AtBoot, SwapSource, pulled_in, show, systemctl, unhook};

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
    let boot = units.started_at_boot()?;
    let mut all = Vec::new();
    let mut names = units.names("service");
    names.extend(instances(root, &boot)?);
    for name in names {
        let unit = units.find(&name)?;
        if unit.name != name || unit.is_masked() || KNOWN.contains(&name.as_str()) {
            continue;
        }
        let settings = units.settings(&unit)?;
        if let Some(command) = command(root, &settings) {
            all.push(source(root, (&units, &boot), &unit, command, does_more(&settings))?);
        }
    }
    Ok(all)
}

/// The enabled instances of templates, whose files have other names, and those that other units start.
fn instances(root: &Root, boot: &Boot) -> Result<Vec<String>> {
    let is_instance = |name: &str| name.contains('@') && name.ends_with(".service");
    let mut all: Vec<String> = boot.names().filter(|name| is_instance(name)).map(str::to_owned).collect();
    for dir in root.list(Path::new(ADMIN_UNITS))?.iter().map(|name| Path::new(ADMIN_UNITS).join(name)) {
        let is_enabling = ENABLING.iter().any(|end| dir.to_string_lossy().ends_with(end));
        if is_enabling && matches!(root.find(&dir)?.state, State::Directory { .. }) {
            let names = root.list(&dir)?.into_iter().filter_map(|name| name.into_string().ok());
            all.extend(names.filter(|name| is_instance(name)));
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

fn source(
    root: &Root,
    (units, boot): (&Units<'_>, &Boot),
    unit: &Unit,
    command: Command,
    does_more: bool,
) -> Result<SwapSource> {
    let (name, text) = (&unit.name, command.text.clone());
    let Some(by) = started_by(units, unit)? else {
        let Some(by) = boot.pulled_in(name) else {
            let why = "its unit is not enabled".to_owned();
            return Ok(SwapSource { what: name.clone(), why, ..command.source(root, "service", AtBoot::Disabled, "") });
        };
        let why = format!("runs {text:?}; {}", pulled_in(root, by));
        let is_admins = unit.file().is_some_and(|file| file.path.starts_with(ADMIN_UNITS));
        let found = command.source(root, "service", AtBoot::Enabled, "");
        let found = match (does_more, is_admins) {
            (true, _) => found,
            (false, true) => found.manual_step(unhook(root, by)),
            (false, false) => found.manual_step(systemctl(root, "mask", name)),
        };
        return Ok(SwapSource { what: name.clone(), why, ..found });
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
