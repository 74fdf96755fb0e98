//! Swap units of systemd: the device that each turns on.

use std::path::{Path, PathBuf};

use edge_host::{Result, Root};
use edge_systemd::{Scope, Settings, Unit, Units};

use super::device::device_path;

const KIND: &str = "swap";
const RUN: &str = "/run";

/// A swap unit of the running system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SwapUnit {
    pub(super) name: String,
    /// The path it turns on, links resolved.
    pub(super) path: PathBuf,
}

/// Every swap unit that has a file now, generated ones first, as systemd starts those.
pub(super) fn running_swap_units(root: &Root) -> Result<Vec<SwapUnit>> {
    let units = Units::read(root, Scope::Now)?;
    let (mut generated, mut others) = (Vec::new(), Vec::new());
    for name in swap_names(&units) {
        let unit = units.find(&name)?;
        let Some(what) = what(&units, &unit)?.filter(|_| !unit.is_masked()) else { continue };
        let is_generated = unit.file().is_some_and(|file| file.path.starts_with(RUN));
        let unit = SwapUnit { name, path: resolved(root, &device_path(&what)) };
        if is_generated { generated.push(unit) } else { others.push(unit) }
    }
    generated.extend(others);
    Ok(generated)
}

/// The names of all swap units.
pub(super) fn swap_names(units: &Units<'_>) -> Vec<String> {
    units.names(KIND)
}

/// What a swap unit turns on; of a masked one, what the file below the mask turns on.
pub(super) fn what(units: &Units<'_>, unit: &Unit) -> Result<Option<String>> {
    let mut settings = units.settings(unit)?;
    if let (true, Some(file)) = (unit.is_masked(), unit.files.iter().find(|file| !file.is_mask)) {
        settings = Settings::new(&unit.name);
        settings.add(&file.path, &units.content(file)?);
    }
    Ok(settings.last("Swap", "What").map(|setting| setting.value.clone()))
}

/// The path with its links resolved, as the kernel lists it.
pub(super) fn resolved(root: &Root, path: &Path) -> PathBuf {
    // A path that cannot be resolved (a loop, a component that is not a directory) is not active.
    root.canonical(path).unwrap_or_else(|_| path.to_path_buf())
}
