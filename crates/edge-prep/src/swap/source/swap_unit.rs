//! Native `.swap` units, in /etc or below /usr.
//!
//! A vendor's unit is masked by a link to /dev/null in /etc/systemd/system, so that nothing can start
//! it. A unit that is a file in /etc itself cannot be masked there without removing the administrator's
//! file, which `systemctl mask` refuses too: the links that enable it are removed instead, as
//! `systemctl disable` does.

use std::path::Path;

use edge_host::{Result, Root};
use edge_systemd::{ADMIN_UNITS, Link, Scope, Unit, Units};

use super::{AtBoot, Devices, SwapSource, disable, mask, show};
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
    // A mask of a generated unit belongs to the source of that generator.
    let Some(file) = unit.file().filter(|_| unit.files.iter().any(|file| !file.is_mask)) else { return Ok(None) };
    let what = units::what(units, unit)?.unwrap_or_else(|| unit.name.clone());
    let device = device_path(&what);
    let devices = Devices::Path(if root.is_live() { resolved(root, &device) } else { device });
    let changed = format!("{what} of swap unit");
    let found = |at_boot, why: String| {
        let found = SwapSource::new("swap unit", &file.path, &what, at_boot).because(why);
        SwapSource { devices, ..found }
    };
    let links = units.links_to(unit)?;
    let reload = if root.is_live() { ", then run systemctl daemon-reload" } else { "" };
    let enabled = links.first().map(|link| format!("enabled by {}", show(root, &link.path)));
    Ok(Some(match enabled {
        _ if unit.is_masked() => found(AtBoot::Disabled, "masked".to_owned()),
        enabled if !file.path.starts_with(ADMIN_UNITS) => {
            let path = Path::new(ADMIN_UNITS).join(&unit.name);
            let was = root.find_link(&path)?;
            let why = enabled.unwrap_or_else(|| "not enabled, but any unit may start it".to_owned());
            SwapSource { actions: mask(path, was, &changed), ..found(AtBoot::Enabled, why) }
        }
        None => found(AtBoot::Disabled, "not enabled".to_owned()),
        Some(why) if links.iter().all(Link::is_admins) => {
            SwapSource { actions: disable(links, &changed), ..found(AtBoot::Enabled, why) }
        }
        Some(why) => found(AtBoot::Enabled, why).manual_step(format!(
            "move {} out of {}{reload}",
            show(root, &file.path),
            show(root, ADMIN_UNITS)
        )),
    }))
}
