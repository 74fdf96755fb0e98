//! Native `.swap` units, in /etc or below /usr.
//!
//! A vendor's unit is masked by a link to /dev/null in /etc/systemd/system: whatever asks for it,
//! it does not start. A unit that is a file in /etc itself cannot be masked there without taking the
//! administrator's file away, which `systemctl mask` refuses too: its enabling links are removed
//! instead, as `systemctl disable` does, and the file stays as it is.

use std::path::Path;

use edge_host::{Result, Root};

use super::{AfterReboot, Brings, Change, Remedy, SwapSource};
use crate::swap::device::device_path;
use crate::swap::units::{self, ETC, NULL, PERSISTENT, Pulling, Unit, resolved};

pub(super) fn detect(root: &Root) -> Result<Vec<SwapSource>> {
    let mut all = Vec::new();
    let pulling = Pulling::find(root)?;
    for name in units::swap_names(root, &PERSISTENT)? {
        if let Some(unit) = units::find(root, &name)? {
            all.extend(found(root, unit, &pulling)?);
        }
    }
    Ok(all)
}

fn found(root: &Root, unit: Unit, pulling: &Pulling) -> Result<Option<SwapSource>> {
    let vendors = PERSISTENT.iter().skip(1).map(|dir| Path::new(dir).join(&unit.name));
    let mut text = None;
    for file in std::iter::once(unit.file.clone()).chain(vendors) {
        text = text.or(units::read_unit(root, &file)?.filter(|text| !text.is_empty()));
    }
    // A mask of a unit that a generator makes belongs to that generator's source.
    let Some(text) = text else { return Ok(None) };
    let what = units::what(&text).unwrap_or_else(|| unit.name.clone());
    let device = device_path(&what);
    let brings = Brings::Path(if root.is_live() { resolved(root, &device) } else { device });
    let links = pulling.enabling(root, &unit.name)?;
    let enabled = links.first().map(|(link, _)| format!("enabled by {}", link.display()));
    let (after_reboot, why, remedy) = match enabled {
        _ if unit.is_mask() => (AfterReboot::Off, "masked".to_owned(), Remedy::Nothing),
        enabled if !unit.is_admins() => {
            let path = Path::new(ETC).join(&unit.name);
            let was = root.find_link(&path)?;
            let why = enabled.unwrap_or_else(|| "nothing enables it, but any unit may ask for it".to_owned());
            (AfterReboot::Back, why, Remedy::Change(vec![Change::Link { path, was, target: NULL }]))
        }
        None => (AfterReboot::Off, "nothing enables it".to_owned(), Remedy::Nothing),
        Some(why) if links.iter().all(|(link, _)| link.starts_with(ETC)) => {
            let changes = links.into_iter().map(|(path, was)| Change::Remove { path, was }).collect();
            (AfterReboot::Back, why, Remedy::Change(changes))
        }
        Some(why) => {
            let hand = format!("move {} out of {ETC}, then run systemctl daemon-reload", unit.file.display());
            (AfterReboot::Back, why, Remedy::ManualStep(hand))
        }
    };
    Ok(Some(SwapSource {
        source: "swap unit",
        file: unit.file,
        line: None,
        what,
        brings,
        after_reboot,
        why,
        remedy,
        service: None,
    }))
}
