//! Native `.swap` units, in /etc or below /usr.
//!
//! A vendor's unit is masked by a link to /dev/null in /etc/systemd/system: whatever asks for it,
//! it does not start. A unit that is a file in /etc itself cannot be masked there without taking the
//! administrator's file away, which `systemctl mask` refuses too: its enabling links are removed
//! instead, as `systemctl disable` does, and the file stays as it is.

use std::path::Path;

use edge_host::{Result, Root};
use edge_systemd::{ADMIN_UNITS, Link, MASK, Scope, Unit, Units};

use super::{AfterReboot, Brings, Change, Remedy, SwapSource};
use crate::swap::device::device_path;
use crate::swap::units::{self, resolved};

pub(super) fn detect(root: &Root) -> Result<Vec<SwapSource>> {
    let mut all = Vec::new();
    let units = Units::read(root, Scope::NextBoot)?;
    for name in units::swap_names(&units) {
        all.extend(found(root, &units, &units.find(&name)?)?);
    }
    Ok(all)
}

fn found(root: &Root, units: &Units<'_>, unit: &Unit) -> Result<Option<SwapSource>> {
    // A mask of a unit that a generator makes belongs to that generator's source.
    let Some(file) = unit.file().filter(|_| unit.files.iter().any(|file| !file.is_mask)) else { return Ok(None) };
    let what = units::what(units, unit)?.unwrap_or_else(|| unit.name.clone());
    let device = device_path(&what);
    let brings = Brings::Path(if root.is_live() { resolved(root, &device) } else { device });
    let links = units.links_to(unit)?;
    let enabled = links.first().map(|link| format!("enabled by {}", link.path.display()));
    let (after_reboot, why, remedy) = match enabled {
        _ if unit.is_masked() => (AfterReboot::Off, "masked".to_owned(), Remedy::Nothing),
        enabled if !file.path.starts_with(ADMIN_UNITS) => {
            let path = Path::new(ADMIN_UNITS).join(&unit.name);
            let was = root.find_link(&path)?;
            let why = enabled.unwrap_or_else(|| "nothing enables it, but any unit may ask for it".to_owned());
            (AfterReboot::Back, why, Remedy::Change(vec![Change::Link { path, was, target: MASK }]))
        }
        None => (AfterReboot::Off, "nothing enables it".to_owned(), Remedy::Nothing),
        Some(why) if links.iter().all(Link::is_admins) => {
            let changes = links.into_iter().map(|Link { path, itself }| Change::Remove { path, was: itself }).collect();
            (AfterReboot::Back, why, Remedy::Change(changes))
        }
        Some(why) => {
            let hand = format!("move {} out of {ADMIN_UNITS}, then run systemctl daemon-reload", file.path.display());
            (AfterReboot::Back, why, Remedy::ManualStep(hand))
        }
    };
    Ok(Some(SwapSource {
        source: "swap unit",
        file: file.path.clone(),
        line: None,
        what,
        brings,
        after_reboot,
        why,
        remedy,
        service: None,
    }))
}
