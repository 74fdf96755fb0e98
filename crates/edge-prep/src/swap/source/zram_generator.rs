//! zram-generator: a section `[zramN]` for each device, in a main file and drop-ins.
//!
//! Turned off by one drop-in of our own with `host-memory-limit = 0` for each section that makes
//! swap: the device is then left out on every machine, which has more memory than that. A link from
//! /etc/systemd/zram-generator.conf to /dev/null would hide the vendor's main file only, not its
//! drop-ins; it would take the place of an administrator's file (a conffile on Debian); and it would
//! take away devices that are mounted as file systems. The drop-in does none of that: it is read
//! last and every other file stays.
//!
//! /run is not looked at: what stands there is made at each boot by another source (rpi-swap).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use edge_host::{Result, Root};
use edge_systemd::{effective_files, value};

use super::{AfterReboot, Brings, Change, Remedy, SwapSource, text};

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
/// Sorted behind the usual `99-`: the last file counts.
const OURS: &str = "/etc/systemd/zram-generator.conf.d/zz-edgeutils.conf";
const HEADER: &str = "# Made by edge-prep: swap is off; `edge-prep undo` takes it back.\n";
const LIMIT: &str = "host-memory-limit";
const OFF: &str = "0";

/// What is known of a device from all files.
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
    let mut installed = false;
    for path in GENERATORS.map(Path::new) {
        installed = installed || root.find_link(path)?.exists();
    }
    if !installed {
        return Ok(Vec::new());
    }
    let mut devices = BTreeMap::new();
    for path in fragments(root)? {
        let config = text(root, &path)?.unwrap_or_default();
        add(&mut devices, &path, &config);
    }
    let ours = Path::new(OURS);
    let swaps: Vec<(String, Device)> = devices.into_iter().filter(|(_, device)| device.kind == Kind::Swap).collect();
    let wanted =
        HEADER.to_owned() + &swaps.iter().map(|(name, _)| format!("[{name}]\n{LIMIT} = {OFF}\n")).collect::<String>();
    let was = root.find(ours)?;
    Ok(swaps
        .into_iter()
        .map(|(name, device)| {
            let off = device.limit.as_ref().is_some_and(|(limit, _)| limit == OFF);
            let path = Path::new("/dev").join(&name);
            let is_later =
                |file: &Path| DROPINS.iter().any(|dir| file.starts_with(dir)) && file.file_name() > ours.file_name();
            let remedy = match &device.limit {
                _ if off => Remedy::Nothing,
                // Ours would be read before it and not count.
                Some((limit, file)) if is_later(file) => Remedy::ManualStep(format!(
                    "{} is read last and sets {LIMIT} = {limit}: make it {LIMIT} = {OFF}",
                    file.display()
                )),
                _ => Remedy::Change(vec![Change::Write {
                    path: ours.to_path_buf(),
                    was: was.clone(),
                    text: wanted.clone(),
                }]),
            };
            SwapSource {
                source: "zram-generator",
                file: device.file,
                line: Some(device.line),
                what: format!("[{name}]"),
                brings: Brings::Path(path),
                after_reboot: if off { AfterReboot::Off } else { AfterReboot::Back },
                why: if off { format!("{LIMIT} = {OFF}") } else { "made at each boot".to_owned() },
                remedy,
                service: None,
            }
        })
        .collect())
}

/// The files in the order in which they count; the main file is the weakest.
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
    fn devices_are_put_together_from_all_files() {
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
