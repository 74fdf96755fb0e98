//! A service that creates swap at boot: found, disabled as `systemctl disable` does, or masked.

use std::path::{Path, PathBuf};

use edge_host::{Result, Root, quoted};
use edge_systemd::{ADMIN_UNITS, Link, Scope, Units};

use super::{AtBoot, Devices, SwapSource, disable, mask, pulled_in, show, unhook};

const INIT_SCRIPTS: &str = "/etc/init.d";
/// The run levels that systemd reads for compatibility.
const RUN_LEVELS: [&str; 4] = ["/etc/rc2.d", "/etc/rc3.d", "/etc/rc4.d", "/etc/rc5.d"];

/// A service that creates swap.
pub(super) struct Service {
    pub(super) source: &'static str,
    pub(super) unit: &'static str,
    pub(super) devices: Devices,
}

/// The service, if it is installed.
///
/// The links that enable it are removed, and its own files are not changed. A link below /usr or of an
/// init script is not removed: then the unit is masked.
pub(super) fn detect(root: &Root, service: Service) -> Result<Option<SwapSource>> {
    let Service { source, unit, devices } = service;
    let units = Units::read(root, Scope::NextBoot)?;
    let own = units.find(unit)?;
    let script = init_script(root, unit)?;
    let links = units.links_to(&own)?;
    let (file, kind) = match (own.file(), &script) {
        (Some(file), _) => (file.path.clone(), "unit"),
        (None, Some(script)) => (script.file.clone(), "init script"),
        (None, None) => return Ok(None),
    };
    let found = |at_boot, why: String| {
        let found = SwapSource::new(source, file, unit, at_boot).because(why);
        SwapSource { devices, service: Some(unit.to_owned()), ..found }
    };
    if own.is_masked() {
        return Ok(Some(found(AtBoot::Disabled, "masked".to_owned())));
    }
    // A unit takes precedence over an init script of the same name.
    let started = if own.exists() { None } else { script.and_then(|script| script.started_by) };
    let boot = units.started_at_boot()?;
    let pulled = boot.pulled_in(&own.name);
    let by = links.first().map(|link| link.path.clone()).or(started.clone());
    let why = match (&by, pulled) {
        (Some(by), _) => format!("enabled by {}", show(root, by)),
        (None, Some(by)) => pulled_in(root, by),
        (None, None) => return Ok(Some(found(AtBoot::Disabled, format!("the {kind} is not enabled")))),
    };
    let found = found(AtBoot::Enabled, why);
    let what = format!("{unit} of {source}");
    if links.iter().all(Link::is_admins) && started.is_none() && pulled.is_none() {
        return Ok(Some(SwapSource { actions: disable(links, &what), ..found }));
    }
    let path = Path::new(ADMIN_UNITS).join(unit);
    let was = root.find_link(&path)?;
    Ok(Some(if was.exists() {
        // A file of the administrator is where the mask would be.
        match (pulled, &by) {
            (Some(by), _) => {
                let links = links.into_iter().filter(Link::is_admins).collect();
                SwapSource { actions: disable(links, &what), ..found.manual_step(unhook(root, by)) }
            }
            (None, Some(by)) => found.manual_step(removal(root, by)),
            (None, None) => found,
        }
    } else {
        SwapSource { actions: mask(path, was, &what), ..found }
    }))
}

/// The command that removes a link; systemd of a running host must know.
fn removal(root: &Root, link: &Path) -> String {
    let reload = if root.is_live() { " && systemctl daemon-reload" } else { "" };
    format!("rm {}{reload}", quoted(&show(root, link)))
}

struct InitScript {
    file: PathBuf,
    started_by: Option<PathBuf>,
}

fn init_script(root: &Root, unit: &str) -> Result<Option<InitScript>> {
    let name = unit.strip_suffix(".service").unwrap_or(unit);
    let file = Path::new(INIT_SCRIPTS).join(name);
    if !root.find_link(&file)?.exists() {
        return Ok(None);
    }
    for level in RUN_LEVELS.map(Path::new) {
        for link in root.list(level)? {
            // S01dphys-swapfile: started at position 01.
            let is_start =
                link.to_str().and_then(|link| link.strip_prefix('S')).and_then(|link| link.get(2..)) == Some(name);
            if is_start {
                return Ok(Some(InitScript { file, started_by: Some(level.join(&link)) }));
            }
        }
    }
    Ok(Some(InitScript { file, started_by: None }))
}
