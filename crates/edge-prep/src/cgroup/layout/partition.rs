//! The boot partition: whether it is mounted at its mount point, and whether it can be written.
//!
//! Files below an unmounted /boot look real and are never read at boot: a write to them has no effect,
//! and a later mount hides them.

use std::path::Path;

use edge_host::{Error, Mount, Mounts, Result, Root};

const DIRS: [&str; 2] = ["/boot/firmware", "/boot"];
const FSTAB: &str = "/etc/fstab";

/// How the partition is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Partition {
    /// It can be written, as far as is known.
    Writable,
    /// It is mounted read-only.
    ReadOnly,
}

/// Checks the partition that fstab mounts at `dir`; refused where it is not mounted.
///
/// Read the files below it first: that triggers an automount.
pub(super) fn check(root: &Root, dir: &Path) -> Result<Partition> {
    let fstab = root.read(Path::new(FSTAB))?.unwrap_or_default();
    let device = entry(&String::from_utf8_lossy(&fstab), dir).map(str::to_owned);
    let mounts = if root.is_live() { Some(Mounts::read()?) } else { None };
    let is_empty = root.list(dir)?.is_empty();
    evaluate(&root.display(dir), device.as_deref(), find(mounts.as_ref(), dir), is_empty)
}

/// The mount point of a boot partition that is not mounted, as the caller sees it.
pub(super) fn missing(root: &Root) -> Option<String> {
    let dir = DIRS.into_iter().map(Path::new).find(|dir| check(root, dir).is_err())?;
    Some(root.display(dir).display().to_string())
}

/// What is known about the mount at a directory.
#[derive(Debug, Clone, Copy)]
enum Mounted<'m> {
    Here(&'m Mount),
    Not,
    Unknown,
}

fn find<'m>(mounts: Option<&'m Mounts>, dir: &Path) -> Mounted<'m> {
    match mounts.map(|mounts| mounts.at(dir)) {
        Some(Some(mount)) => Mounted::Here(mount),
        Some(None) => Mounted::Not,
        None => Mounted::Unknown,
    }
}

fn evaluate(shown: &Path, device: Option<&str>, mounted: Mounted<'_>, is_empty: bool) -> Result<Partition> {
    let shown = shown.display();
    match (mounted, device) {
        (Mounted::Here(mount), _) if mount.is_read_only() => Ok(Partition::ReadOnly),
        (Mounted::Not, Some(device)) => Err(Error::refused(format!(
            "cannot find the boot command line: {device} is not mounted at {shown} as in /etc/fstab"
        ))
        .hint(format!("mount {shown}"))),
        (Mounted::Unknown, Some(device)) if is_empty => Err(Error::refused(format!(
            "cannot find the boot command line: {shown} is empty, expected {device} mounted there"
        ))
        .hint(format!("mount the image's boot partition too: mount PARTITION {shown}"))),
        _ => Ok(Partition::Writable),
    }
}

/// The device that fstab mounts at `dir`.
fn entry<'t>(fstab: &'t str, dir: &Path) -> Option<&'t str> {
    fstab.lines().filter(|line| !line.trim_start().starts_with('#')).find_map(|line| {
        let mut fields = line.split_whitespace();
        let device = fields.next()?;
        (Path::new(fields.next()?) == dir).then_some(device)
    })
}

/// The error for a partition that is mounted read-only.
pub(super) fn read_only(shown: &str, dir: &Path) -> Error {
    Error::refused(format!("cannot edit {shown}: {} is mounted read-only", dir.display()))
        .hint(format!("mount -o remount,rw {}", dir.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FSTAB_TEXT: &str = "# /dev/x /boot vfat\nproc /proc proc defaults 0 0\n\
        PARTUUID=1-01  /boot/firmware/  vfat  defaults 0 2\nPARTUUID=1-02 / ext4 defaults 0 1\n";

    fn mount(options: &str) -> Mount {
        let line = format!("90 24 179:1 / /boot/firmware {options} - vfat /dev/mmcblk0p1 rw\n");
        Mounts::parse(line.as_bytes()).unwrap().at(Path::new("/boot/firmware")).unwrap().clone()
    }

    #[test]
    fn evaluate_refuses_a_partition_that_is_not_mounted() {
        let dir = Path::new("/boot/firmware");
        assert_eq!(entry(FSTAB_TEXT, dir), Some("PARTUUID=1-01"));
        assert_eq!(entry(FSTAB_TEXT, Path::new("/boot")), None);
        let (rw, ro) = (mount("rw,relatime"), mount("ro,relatime"));
        let device = Some("PARTUUID=1-01");
        assert_eq!(evaluate(dir, device, Mounted::Here(&rw), false).unwrap(), Partition::Writable);
        assert_eq!(evaluate(dir, device, Mounted::Here(&ro), false).unwrap(), Partition::ReadOnly);
        assert_eq!(evaluate(dir, None, Mounted::Not, false).unwrap(), Partition::Writable, "part of the root");
        assert_eq!(evaluate(dir, device, Mounted::Unknown, false).unwrap(), Partition::Writable);
        let error = evaluate(dir, device, Mounted::Not, false).unwrap_err();
        assert_eq!(error.hint_text(), Some("mount /boot/firmware"));
        let error = evaluate(dir, device, Mounted::Unknown, true).unwrap_err();
        assert_eq!(
            error.message(),
            "cannot find the boot command line: /boot/firmware is empty, expected PARTUUID=1-01 mounted there"
        );
    }
}
