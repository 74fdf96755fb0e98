//! A service that makes swap at boot: found, disabled as `systemctl disable` does, or masked.

use std::path::{Path, PathBuf};

use edge_host::{Result, Root};
use edge_systemd::{ADMIN_UNITS, Link, MASK, Scope, Units};

use super::{AfterReboot, Brings, Change, Remedy, SwapSource};

const INIT_SCRIPTS: &str = "/etc/init.d";
/// The run levels that systemd's compatibility looks at.
const RUN_LEVELS: [&str; 4] = ["/etc/rc2.d", "/etc/rc3.d", "/etc/rc4.d", "/etc/rc5.d"];

/// What one such service is.
pub(super) struct Service {
    pub(super) source: &'static str,
    pub(super) unit: &'static str,
    pub(super) brings: Brings,
}

/// The service, if it is installed.
///
/// Its enabling links are removed and its own files stay. What enables it from below /usr, or as an
/// init script, cannot be removed there: then the unit is masked.
pub(super) fn detect(root: &Root, service: Service) -> Result<Option<SwapSource>> {
    let Service { source, unit, brings } = service;
    let mask = Path::new(ADMIN_UNITS).join(unit);
    let units = Units::read(root, Scope::NextBoot)?;
    let own = units.find(unit)?;
    let script = init_script(root, unit)?;
    let links = units.links_to(&own)?;
    let found = |file: PathBuf, after_reboot, why, remedy| SwapSource {
        source,
        file,
        line: None,
        what: unit.to_owned(),
        brings,
        after_reboot,
        why,
        remedy,
        service: Some(unit.to_owned()),
    };
    let Some((at, kind)) = own
        .file()
        .map(|file| (file.path.clone(), "unit"))
        .or_else(|| script.as_ref().map(|script| (script.file.clone(), "init script")))
    else {
        return Ok(None);
    };
    if own.is_masked() {
        return Ok(Some(found(at, AfterReboot::Off, "masked".to_owned(), Remedy::Nothing)));
    }
    // A unit takes the place of an init script of the same name.
    let started = if own.exists() { None } else { script.and_then(|script| script.started_by) };
    let Some(by) = links.first().map(|link| link.path.clone()).or(started.clone()) else {
        return Ok(Some(found(at, AfterReboot::Off, format!("the {kind} is not enabled"), Remedy::Nothing)));
    };
    let why = format!("enabled by {}", by.display());
    let removable = links.iter().all(Link::is_admins) && started.is_none();
    let changes = if removable {
        links.into_iter().map(|Link { path, itself }| Change::Remove { path, was: itself }).collect()
    } else {
        let was = root.find_link(&mask)?;
        if was.exists() {
            let hand = format!(
                "{} is enabled by {}: move that link away, then run systemctl daemon-reload",
                mask.display(),
                by.display()
            );
            return Ok(Some(found(at, AfterReboot::Back, why, Remedy::ManualStep(hand))));
        }
        vec![Change::Link { path: mask, was, target: MASK }]
    };
    Ok(Some(found(at, AfterReboot::Back, why, Remedy::Change(changes))))
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
            // S01dphys-swapfile: started, at place 01.
            let is_ours =
                link.to_str().and_then(|link| link.strip_prefix('S')).and_then(|link| link.get(2..)) == Some(name);
            if is_ours {
                return Ok(Some(InitScript { file, started_by: Some(level.join(&link)) }));
            }
        }
    }
    Ok(Some(InitScript { file, started_by: None }))
}
