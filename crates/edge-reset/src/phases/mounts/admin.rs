//! Mounts of the administrator: those of /etc/fstab, and of units with a file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use edge_host::{Host, Result, mount_path};
use edge_systemd::{Scope, Units};

const FSTAB: &str = "/etc/fstab";
const UNITS: &str = "mount";
/// Fields of a line of fstab before the mount point.
const BEFORE_POINT: usize = 1;

/// The mount points, each with what sets it.
#[derive(Debug, Default)]
pub(super) struct Admin(BTreeMap<PathBuf, String>);

impl Admin {
    pub(super) fn read(host: &Host) -> Result<Admin> {
        let mut points = BTreeMap::new();
        let units = Units::read(&host.root, Scope::Now)?;
        for name in units.names(UNITS) {
            let unit = units.find(&name)?;
            if let Some(point) = units.settings(&unit)?.last("Mount", "Where") {
                points.insert(PathBuf::from(point.value.to_string()), format!("the unit {name} mounts it"));
            }
        }
        let fstab = host.root.read(Path::new(FSTAB))?.unwrap_or_default();
        points.extend(fstab_points(&fstab).map(|point| (point, format!("{FSTAB} has it"))));
        // What is mounted has no link in its path.
        let mut resolved = BTreeMap::new();
        for (point, why) in points {
            resolved.insert(host.root.canonical(&point).unwrap_or(point), why);
        }
        Ok(Admin(resolved))
    }

    /// Why a mount at this point is kept.
    pub(super) fn keeps(&self, point: &Path) -> Option<String> {
        self.0.get(point).cloned()
    }
}

fn fstab_points(text: &[u8]) -> impl Iterator<Item = PathBuf> {
    text.split(|byte| *byte == b'\n').filter_map(|line| {
        let mut fields = line.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty());
        let is_comment = line.trim_ascii_start().starts_with(b"#");
        let point = fields.nth(BEFORE_POINT).filter(|_| !is_comment)?;
        Some(mount_path(point)).filter(|point| point.is_absolute()).map(|point| point.components().collect())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_of_fstab_are_read() {
        let text = b"# /dev/x /no ext4\n/dev/sda1 / ext4\n\t/dev/sdb1\t/var/lib/kubelet/pods/ ext4\n\
            //s/x /mnt/a\\040b cifs\n/swap none swap\nshort\n";
        let points: Vec<PathBuf> = fstab_points(text).collect();
        assert_eq!(points, [Path::new("/"), Path::new("/var/lib/kubelet/pods"), Path::new("/mnt/a b")]);
    }
}
