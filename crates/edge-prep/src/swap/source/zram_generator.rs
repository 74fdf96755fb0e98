//! zram-generator: a section `[zramN]` for each device, in a main file and drop-ins.
//!
//! Turned off by our own drop-in with `host-memory-limit = 0` for each section that creates swap: the
//! generator skips a device where the machine has more memory than that. Masking
//! /etc/systemd/zram-generator.conf instead would not hide drop-ins, would replace an administrator's
//! file (a conffile on Debian), and would remove devices that are mounted as file systems.
//!
//! /run is not read: another source (rpi-swap) generates its files at every boot.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use edge_host::{Result, Root};
use edge_systemd::{effective_files, value};

use super::{AtBoot, Devices, SwapSource, drop_in, show, text};

const GENERATORS: [&str; 2] =
    ["/usr/lib/systemd/system-generators/zram-generator", "/lib/systemd/system-generators/zram-generator"];
const MAIN: [&str; 3] = [
    "/etc/systemd/zram-generator.conf",
    "/usr/local/lib/systemd/zram-generator.conf",
    "/usr/lib/systemd/zram-generator.conf",
];
/// A file in the first takes precedence over one of the same name in the others.
const DROPINS: [&str; 3] = [
    "/etc/systemd/zram-generator.conf.d",
    "/usr/local/lib/systemd/zram-generator.conf.d",
    "/usr/lib/systemd/zram-generator.conf.d",
];
/// Sorted after the usual `99-`: the last file takes precedence.
const OURS: &str = "/etc/systemd/zram-generator.conf.d/zz-edgeutils.conf";
const HEADER: &str = "# Created by edge-prep: swap is off; `edge-prep undo` removes it.\n";
const LIMIT: &str = "host-memory-limit";
const OFF: &str = "0";

/// A device, as all files together configure it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Device {
    file: PathBuf,
    line: usize,
    kind: Kind,
    /// The last limit that is set, and the file that sets it.
    limit: Option<(String, PathBuf)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Swap,
    FileSystem,
}

pub(super) fn detect(root: &Root) -> Result<Vec<SwapSource>> {
    let mut is_installed = false;
    for path in GENERATORS.map(Path::new) {
        is_installed = is_installed || root.find_link(path)?.exists();
    }
    if !is_installed {
        return Ok(Vec::new());
    }
    let mut devices = BTreeMap::new();
    for path in fragments(root)? {
        let config = text(root, &path)?.unwrap_or_default();
        add(&mut devices, &path, &config);
    }
    let ours = Path::new(OURS);
    let swaps: Vec<(String, Device)> = devices.into_iter().filter(|(_, device)| device.kind == Kind::Swap).collect();
    let sections = swaps.iter().map(|(name, _)| format!("[{name}]\n{LIMIT} = {OFF}\n"));
    // One write turns all devices off.
    let mut write = Some((root.find(ours)?, HEADER.to_owned() + &sections.collect::<String>()));
    let mut all = Vec::new();
    for (name, device) in swaps {
        let is_off = device.limit.as_ref().is_some_and(|(limit, _)| limit == OFF);
        let (at_boot, why) = if is_off {
            (AtBoot::Disabled, format!("{LIMIT} = {OFF}"))
        } else {
            (AtBoot::Enabled, "created at every boot".to_owned())
        };
        // A file that is read after ours takes precedence.
        let is_later =
            |file: &Path| DROPINS.iter().any(|dir| file.starts_with(dir)) && file.file_name() > ours.file_name();
        let later = device.limit.map(|(_, file)| file).filter(|file| is_later(file));
        let path = Path::new("/dev").join(&name);
        let found = SwapSource::new("zram-generator", device.file, format!("[{name}]"), at_boot).because(why);
        let mut found = SwapSource { line: Some(device.line), devices: Devices::Path(path), ..found };
        if let Some(file) = later {
            let step = format!("set {LIMIT} = {OFF} in {}, which takes precedence over a drop-in", show(root, &file));
            found = found.manual_step(step);
        } else if let Some((was, text)) = write.take_if(|_| !is_off) {
            found.actions = drop_in(OURS, was, text, &format!("[{name}] of zram-generator"));
        }
        all.push(found);
    }
    Ok(all)
}

/// The files in increasing order of precedence, the main file first.
fn fragments(root: &Root) -> Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for path in MAIN.map(Path::new) {
        if all.is_empty() && root.find_link(path)?.exists() {
            all.push(path.to_path_buf());
        }
    }
    all.extend(effective_files(root, &DROPINS)?);
    Ok(all)
}

fn add(devices: &mut BTreeMap<String, Device>, path: &Path, text: &str) {
    for (index, line) in text.lines().map(str::trim).enumerate() {
        let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) else { continue };
        let digits = name.strip_prefix("zram").filter(|rest| !rest.is_empty());
        if !digits.is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit())) {
            continue;
        }
        let device = devices.entry(name.to_owned()).or_insert_with(|| Device {
            file: path.to_path_buf(),
            line: index + 1,
            kind: Kind::Swap,
            limit: None,
        });
        let fs = value(text, name, "fs-type").is_some_and(|kind| kind != "swap");
        if fs || value(text, name, "mount-point").is_some() {
            device.kind = Kind::FileSystem;
        }
        device.limit = value(text, name, LIMIT).map(|limit| (limit, path.to_path_buf())).or(device.limit.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn add_merges_devices_of_all_files() {
        let mut devices = BTreeMap::new();
        add(
            &mut devices,
            Path::new("/a"),
            "# x\n[zram0]\nzram-size = ram\n[zram1]\nmount-point = /tmp\n[other]\n[zramx]\n",
        );
        add(&mut devices, Path::new("/b"), "[zram2]\nfs-type = ext4\n[zram3]\n[zram0]\nhost-memory-limit = 0\n");
        let short: Vec<_> = devices
            .iter()
            .map(|(name, d)| {
                (
                    name.as_str(),
                    d.file.to_str().unwrap(),
                    d.line,
                    d.kind,
                    d.limit.as_ref().map(|(limit, _)| limit.as_str()),
                )
            })
            .collect();
        assert_eq!(
            short,
            [
                ("zram0", "/a", 2, Kind::Swap, Some("0")),
                ("zram1", "/a", 4, Kind::FileSystem, None),
                ("zram2", "/b", 1, Kind::FileSystem, None),
                ("zram3", "/b", 3, Kind::Swap, None),
            ]
        );
    }
}
