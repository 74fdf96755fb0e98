//! cloud-init: `swap:` and `mounts:` create swap and its fstab entry on the first boot of an instance, `bootcmd:`,
//! `runcmd:` and scripts run commands.
//!
//! Reported, not edited: user data from the provider may set it too, and that is not a file on the host.

use std::path::{Path, PathBuf};

use edge_host::{Result, Root};

use super::cloud_config::{self, BOOT_COMMANDS, Item, Setting};
use super::script;
use super::{AtBoot, Devices, SwapSource, files, show};

const MAIN: &str = "/etc/cloud/cloud.cfg";
const DIR: &str = "/etc/cloud/cloud.cfg.d";
const DISABLED: &str = "/etc/cloud/cloud-init.disabled";
/// Directories with the data of an instance: on the boot partition of boards, and those of the NoCloud data source.
const SEEDS: [&str; 4] = ["/var/lib/cloud/seed/nocloud", "/var/lib/cloud/seed/nocloud-net", "/boot", "/boot/firmware"];
/// What takes precedence comes last.
const SEED_FILES: [&str; 2] = ["vendor-data", "user-data"];
/// The data that the present instance got, of which only `bootcmd:` is run again at every boot.
const INSTANCE: [&str; 2] = ["/var/lib/cloud/instance/vendor-data.txt", "/var/lib/cloud/instance/user-data.txt"];
const SCRIPTS: [&str; 4] = [
    "/var/lib/cloud/scripts/per-boot",
    "/var/lib/cloud/scripts/per-instance",
    "/var/lib/cloud/scripts/per-once",
    "/var/lib/cloud/scripts/vendor",
];

pub(super) fn detect(root: &Root) -> Result<Vec<SwapSource>> {
    let is_disabled = root.find_link(Path::new(DISABLED))?.exists();
    let mut paths = vec![PathBuf::from(MAIN)];
    paths.extend(files(root, DIR, ".cfg")?);
    let mut settings = Vec::new();
    for path in paths {
        let text = super::text(root, &path)?.unwrap_or_default();
        settings.extend(cloud_config::read(&text).into_iter().map(|setting| (path.clone(), setting)));
    }
    for path in seeds(root, &settings)? {
        let text = super::text(root, &path)?.unwrap_or_default();
        settings.extend(cloud_config::read(&text).into_iter().map(|setting| (path.clone(), setting)));
    }
    for path in INSTANCE.map(Path::new) {
        let text = super::text(root, path)?.unwrap_or_default();
        for setting in cloud_config::read(&text) {
            let is_boot = matches!(&setting.item, Item::Command { key, .. } if key == BOOT_COMMANDS);
            // It is a copy of the seed.
            if is_boot && !settings.iter().any(|(_, other)| other.item == setting.item) {
                settings.push((path.to_path_buf(), setting));
            }
        }
    }
    let mut all = Vec::new();
    let by_instance = "creates swap for each new instance";
    let last_swap = settings.iter().rposition(|(_, setting)| matches!(setting.item, Item::Swap { .. }));
    for (at, (path, Setting { line, item })) in settings.iter().enumerate() {
        let place = format!("{}:{line}", show(root, path));
        let (what, why, step) = match item {
            // Of several files, the last one with the key decides.
            Item::Swap { is_on: true, file } if Some(at) == last_swap => {
                (file.clone(), by_instance, format!("remove `swap:` from {place}"))
            }
            Item::Mount { device } => {
                (device.clone(), by_instance, format!("remove the swap entry from `mounts:` in {place}"))
            }
            Item::Command { text, key } => {
                let Some(command) = script::in_text(root, path, line.saturating_sub(1), text) else { continue };
                let why = if key == BOOT_COMMANDS { "run at every boot" } else { "run for each new instance" };
                all.push(SwapSource { line: Some(*line), ..command.source(root, "cloud-init", AtBoot::Enabled, why) });
                continue;
            }
            Item::Swap { .. } | Item::SeedFrom { .. } => continue,
        };
        let found = SwapSource::new("cloud-init", path, &what, AtBoot::Enabled).because(why).manual_step(step);
        all.push(SwapSource { line: Some(*line), devices: Devices::Path(PathBuf::from(what)), ..found });
    }
    for dir in SCRIPTS.map(Path::new) {
        for name in root.list(dir)? {
            if let Some(command) = script::in_program(root, &dir.join(name)) {
                all.push(command.source(root, "cloud-init", AtBoot::Enabled, "run at boot by cloud-init"));
            }
        }
    }
    if is_disabled {
        for found in &mut all {
            (found.at_boot, found.why, found.manual_step) =
                (AtBoot::Disabled, "cloud-init is disabled".to_owned(), None);
        }
    }
    Ok(all)
}

/// The files with data of an instance that exist.
fn seeds(root: &Root, settings: &[(PathBuf, Setting)]) -> Result<Vec<PathBuf>> {
    let named = settings.iter().filter_map(|(_, setting)| match &setting.item {
        Item::SeedFrom { dir } => Some(dir.as_path()),
        _ => None,
    });
    let mut all = Vec::new();
    for dir in SEEDS.map(Path::new).into_iter().chain(named) {
        for name in SEED_FILES {
            let path = dir.join(name);
            if !all.contains(&path) && matches!(root.find(&path)?.state, edge_host::State::File { .. }) {
                all.push(path);
            }
        }
    }
    Ok(all)
}
