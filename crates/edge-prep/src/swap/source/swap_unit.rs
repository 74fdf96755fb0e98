//! Native `.swap` units, in /etc or below /usr.
//!
//! A vendor's unit is masked by a link to /dev/null in /etc/systemd/system, so that nothing can start
//! it. A unit that is a file in /etc itself cannot be masked there without removing the administrator's
//! file, which `systemctl mask` refuses too: the links that enable it are removed instead, as
//! `systemctl disable` does. What another unit requires is left to the user.

use std::path::Path;

use edge_host::{Result, Root};
use edge_systemd::{ADMIN_UNITS, Boot, Link, Scope, Unit, Units};

use super::{AtBoot, Devices, SwapSource, disable, mask, pulled_in, show, unhook};
use crate::swap::device::device_path;
use crate::swap::units::{self, resolved};

pub(super) fn detect(root: &Root) -> Result<Vec<SwapSource>> {
    let mut all = Vec::new();
    let units = Units::read(root, Scope::NextBoot)?;
    let names = units::swap_names(&units);
    let boot = if names.is_empty() { Boot::default() } else { units.started_at_boot()? };
    for name in names {
        all.extend(found(root, &units, &boot, &units.find(&name)?)?);
    }
    Ok(all)
}

fn found(root: &Root, units: &Units<'_>, boot: &Boot, unit: &Unit) -> Result<Option<SwapSource>> {
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
    let pulled = boot.pulled_in(&unit.name);
    let reload = if root.is_live() { ", then run systemctl daemon-reload" } else { "" };
    let enabled = links.first().map(|link| format!("enabled by {}", show(root, &link.path)));
    Ok(Some(match enabled {
        _ if unit.is_masked() => found(AtBoot::Disabled, "masked".to_owned()),
        enabled if !file.path.starts_with(ADMIN_UNITS) => {
            let path = Path::new(ADMIN_UNITS).join(&unit.name);
            let was = root.find_link(&path)?;
            let why = enabled.or(pulled.map(|by| pulled_in(root, by)));
            let why = why.unwrap_or_else(|| "not enabled, but any unit may start it".to_owned());
            SwapSource { actions: mask(path, was, &changed), ..found(AtBoot::Enabled, why) }
        }
        Some(why) if !links.iter().all(Link::is_admins) => found(AtBoot::Enabled, why).manual_step(format!(
            "move {} out of {}{reload}",
            show(root, &file.path),
            show(root, ADMIN_UNITS)
        )),
        enabled => {
            let found = match (pulled, enabled) {
                (Some(by), _) => found(AtBoot::Enabled, pulled_in(root, by)).manual_step(unhook(root, by)),
                (None, Some(why)) => found(AtBoot::Enabled, why),
                (None, None) => found(AtBoot::Disabled, "not enabled".to_owned()),
            };
            SwapSource { actions: disable(links, &changed), ..found }
        }
    }))
}
