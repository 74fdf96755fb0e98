//! Where a path is: on which mount, whether it is a mount point or a link, and whether a boot mounts something there.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use edge_host::{EntryKind, Host, Mounts, Pattern, Result, TreeMount, is_trash};
use edge_systemd::Units;

const FSTAB: &str = "/etc/fstab";
/// Where the journal of this utility is.
pub(super) const JOURNAL: &str = "/var/lib/edgeutils";
const RUN: &str = "/run";
const VOLATILE: [&str; 2] = ["tmpfs", "ramfs"];
/// What a file system makes itself.
const LOST_FOUND: &str = "lost+found";

/// File systems of the kernel.
const KERNEL: [&str; 3] = ["/dev", "/proc", "/sys"];

/// Directories of the system with two names and more; all with one name are too.
const SYSTEM: [&str; 14] = [
    "/etc/systemd",
    "/etc/systemd/system",
    "/usr/bin",
    "/usr/lib",
    "/usr/libexec",
    "/usr/local",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/share",
    "/var/cache",
    "/var/lib",
    "/var/log",
    "/var/spool",
    "/var/tmp",
];

/// Whether others have their files there too, whatever a configuration says.
pub(super) fn is_system(path: &Path) -> bool {
    path.components().count() <= 2
        || SYSTEM.iter().any(|own| path == Path::new(own))
        || Path::new(JOURNAL).starts_with(path)
}

/// Whether a path of an administrator's entry names one place, whatever the working directory and links are.
pub(super) fn is_plain(path: &Path) -> Result<(), String> {
    let shown = path.display();
    if !path.is_absolute() || path.as_os_str().as_bytes().contains(&0) {
        return Err(format!("\"{shown}\" is not an absolute path"));
    }
    // What the kernel shows there is not stored.
    match path.components().find(|part| !matches!(part, Component::Normal(_) | Component::RootDir)) {
        Some(_) => Err(format!("\"{shown}\" must not contain ..")),
        None if KERNEL.iter().any(|own| path.starts_with(own)) => Err(format!("{shown} belongs to the kernel")),
        None => Ok(()),
    }
}

/// Whether these are names in a directory, and not paths.
pub(super) fn are_names<'p>(mut names: impl Iterator<Item = &'p Pattern>) -> Result<(), String> {
    let is_path = |name: &&Pattern| name.to_string().contains('/') || [".", ".."].contains(&name.front());
    match names.find(is_path) {
        Some(name) => Err(format!("{:?} is not a name in that directory", name.to_string())),
        None => Ok(()),
    }
}

/// Whether a name is one that every directory can have.
pub(super) fn is_neutral(name: &OsStr) -> bool {
    is_trash(name) || name == LOST_FOUND
}

/// The mounts of now and of the next boot.
pub(super) struct Places<'h> {
    host: &'h Host,
    mounts: Mounts,
    fstab: BTreeSet<PathBuf>,
    units: Units<'h>,
}

impl<'h> Places<'h> {
    pub(super) fn read(host: &'h Host, units: Units<'h>) -> Result<Places<'h>> {
        let fstab = host.root.read(Path::new(FSTAB))?.unwrap_or_default();
        Ok(Places { host, mounts: Mounts::read()?, fstab: mount_points(&fstab), units })
    }

    /// Why a directory itself stays and only what is in it goes.
    pub(super) fn stays(&self, path: &Path) -> Result<Option<&'static str>> {
        if self.host.root.entry_kind(path)? == Some(EntryKind::Link) {
            return Ok(Some("it is a symbolic link, which stays"));
        }
        if self.mounts.at(&self.host.root.mounted_path(path)?).is_some() {
            return Ok(Some("it is a mount point, which stays"));
        }
        if self.fstab.contains(path) || self.units.find(&mount_unit(path))?.exists() {
            return Ok(Some("it is a mount point at the next boot, and stays"));
        }
        Ok(None)
    }

    /// The mounts that keep a path: at it or below it, and those elsewhere that show it or a part of it.
    pub(super) fn mounts_of(&self, path: &Path) -> Result<Vec<TreeMount>> {
        self.host.root.mounts_of_tree(&self.mounts, path)
    }

    /// Whether something is mounted at it or below it.
    pub(super) fn has_mounts(&self, path: &Path) -> Result<bool> {
        Ok(self.mounts_of(path)?.iter().any(|mount| mount.is_inside))
    }

    /// All mounts.
    pub(super) fn mounts(&self) -> &Mounts {
        &self.mounts
    }

    /// On what it is lost at a reboot anyway, so that no trash is made of it. An image is not lost with the host
    /// that it is built on.
    pub(super) fn volatile(&self, path: &Path) -> Result<Option<&str>> {
        if !self.host.root.is_live() {
            return Ok(None);
        }
        // A link is removed itself, wherever it points.
        let place = self.host.root.mounted_path(path.parent().unwrap_or(path))?;
        let place = place.join(path.file_name().unwrap_or_default());
        let above = self.mounts.iter().filter(|mount| place.starts_with(&mount.point));
        // Of those with the longest path, the last one covers the others.
        let mount = above.max_by_key(|mount| mount.point.components().count());
        let kind = mount.map(|mount| mount.kind.as_str()).filter(|kind| VOLATILE.contains(kind));
        Ok(kind.or(path.starts_with(RUN).then_some(RUN)))
    }
}

/// The mount points of fstab(5).
fn mount_points(fstab: &[u8]) -> BTreeSet<PathBuf> {
    let lines = fstab.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii_start().starts_with(b"#"));
    let field = |line: &[u8]| {
        let mut fields = line.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty());
        fields.nth(1).map(|field| PathBuf::from(OsString::from_vec(unescaped(field))).components().collect())
    };
    lines.filter_map(field).collect()
}

/// White space and backslashes are written as a backslash and three octal digits.
fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = field;
    while let [first, after @ ..] = rest {
        let digits = after.get(..3).filter(|_| *first == b'\\').and_then(|digits| std::str::from_utf8(digits).ok());
        let code = digits.and_then(|digits| u8::from_str_radix(digits, 8).ok());
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { &after[3..] } else { after };
    }
    bytes
}

/// The name of the unit that mounts something at a path (systemd.unit(5), string escaping).
fn mount_unit(path: &Path) -> String {
    let text = path.to_string_lossy();
    let mut name = String::new();
    for (at, byte) in text.trim_matches('/').bytes().enumerate() {
        match byte {
            b'/' => name.push('-'),
            b'.' if at == 0 => name.push_str("\\x2e"),
            byte if byte.is_ascii_alphanumeric() || b":_.".contains(&byte) => name.push(char::from(byte)),
            byte => name.push_str(&format!("\\x{byte:02x}")),
        }
    }
    format!("{name}.mount")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_points_are_the_second_fields() {
        let fstab = b"# /dev/x /var/lib/kubelet ext4\n/dev/sda1 / ext4 defaults 0 1\n \t\n\
                      UUID=1 \t/var/lib/kubelet/ ext4 defaults 0 2\n/dev/sdb /a\\040b auto\nodd\n";
        let all: Vec<PathBuf> = mount_points(fstab).into_iter().collect();
        assert_eq!(all, ["/", "/a b", "/var/lib/kubelet"].map(PathBuf::from));
    }

    #[test]
    fn mount_unit_has_the_escaped_path() {
        assert_eq!(mount_unit(Path::new("/var/lib/kubelet")), "var-lib-kubelet.mount");
        assert_eq!(mount_unit(Path::new("/data/my-disk/.x")), "data-my\\x2ddisk-.x.mount");
    }

    #[test]
    fn system_directories_are_those_of_others_too() {
        for system in
            ["/", "/var", "/etc", "/usr", "/home", "/data", "/var/lib", "/var/lib/edgeutils", "/usr/local/bin"]
        {
            assert!(is_system(Path::new(system)), "{system}");
        }
        for own in ["/var/lib/kubelet", "/data/kubelet", "/etc/kubeedge", "/home/user"] {
            assert!(!is_system(Path::new(own)), "{own}");
        }
    }
}
