//! The mounts that the calling thread sees, from mountinfo (proc_pid_mountinfo(5)).
//!
//! [`Mounts::tree`] has them as the kernel does: which is mounted on which, which covers which, and which are
//! unmounted together.

mod in_tree;
mod parse;
#[cfg(test)]
mod tests;
mod tree;

use std::ffi::OsString;
use std::fmt::Write;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

pub use self::in_tree::TreeMount;
pub use self::parse::mount_path;
pub use self::tree::MountTree;
pub(crate) use self::tree::is_below;
use crate::error::{Error, Result, ResultExt};

/// Not `self`: another thread can have another mount namespace.
const MOUNTINFO: &str = "/proc/thread-self/mountinfo";
/// The kernel allows 100,000 mounts (fs.mount-max).
const MAX_MOUNTINFO: u64 = 64 << 20;
/// Before Linux 5.8 the list may lack a mount while others are unmounted.
const ATTEMPTS: u32 = 8;

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Its number, which is used again after it was unmounted.
    pub id: u32,
    /// The number of the mount that it is mounted on.
    pub parent: u32,
    /// Major and minor number of its file system.
    pub device: (u32, u32),
    /// What of its file system is mounted: `/`, or for a bind mount a directory or file in it.
    pub root: PathBuf,
    /// The mount point.
    pub point: PathBuf,
    /// The type of file system.
    pub kind: String,
    /// What is mounted, such as a device.
    pub source: OsString,
    /// Options of the mount.
    pub options: Vec<String>,
    /// Options of the file system.
    pub super_options: Vec<String>,
    /// Who sees what is mounted and unmounted on it.
    pub propagation: Propagation,
}

/// The peer groups of a mount (mount_namespaces(7)).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Propagation {
    /// The group that it shares all mounts with.
    pub shared: Option<u32>,
    /// The group that it receives mounts from.
    pub master: Option<u32>,
    /// The nearest group above that one with a member that the calling thread sees.
    pub from: Option<u32>,
    /// It cannot be bound.
    pub unbindable: bool,
}

/// All mounts, in the kernel's order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mounts(Vec<Mount>);

impl Mounts {
    /// Reads the mounts of the running system.
    pub fn read() -> Result<Mounts> {
        let mut bytes = read()?;
        for _ in 1..ATTEMPTS {
            let again = read()?;
            if again == bytes {
                break;
            }
            bytes = again;
        }
        Mounts::parse(&bytes)
            .ok_or_else(|| Error::failed(format!("cannot read {MOUNTINFO}: not in the expected format")))
    }

    /// None if a line is not one of mountinfo.
    pub fn parse(text: &[u8]) -> Option<Mounts> {
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(parse::line).collect::<Option<_>>().map(Mounts)
    }

    /// The mount that is visible at a mount point.
    pub fn at(&self, point: &Path) -> Option<&Mount> {
        self.0.iter().rfind(|mount| mount.point == point)
    }

    /// All of them, also those that are covered by others.
    pub fn iter(&self) -> impl Iterator<Item = &Mount> {
        self.0.iter()
    }

    /// How they are mounted on each other.
    pub fn tree(&self) -> MountTree<'_> {
        MountTree::of(&self.0)
    }
}

impl Mount {
    /// Whether it or its file system is mounted read-only.
    pub fn is_read_only(&self) -> bool {
        [&self.options, &self.super_options].iter().any(|options| options.iter().any(|option| option == "ro"))
    }

    /// Whether both show the same part of the same file system.
    pub fn shows_the_same_as(&self, other: &Mount) -> bool {
        (self.device, &self.root, &self.kind, &self.source) == (other.device, &other.root, &other.kind, &other.source)
    }

    /// What is mounted where, in one line: another mount at the same point has another one.
    pub fn identity(&self) -> String {
        let (major, minor) = self.device;
        let [point, root, source] =
            [self.point.as_os_str(), self.root.as_os_str(), &self.source].map(|text| escaped(text.as_bytes()));
        format!("{point} {major}:{minor} {root} {} {source}", escaped(self.kind.as_bytes()))
    }
}

fn read() -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = File::open(MOUNTINFO).on("read", MOUNTINFO)?;
    file.take(MAX_MOUNTINFO + 1).read_to_end(&mut bytes).on("read", MOUNTINFO)?;
    if bytes.len() as u64 > MAX_MOUNTINFO {
        return Err(Error::cannot("read", MOUNTINFO, "there are too many mounts"));
    }
    Ok(bytes)
}

/// As mountinfo writes it, but for every byte that is not a printable ASCII character.
fn escaped(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len()), |mut text, byte| {
        if byte.is_ascii_graphic() && *byte != b'\\' {
            text.push(char::from(*byte));
        } else {
            // Into a String, which does not fail.
            let _ = write!(text, "\\{byte:03o}");
        }
        text
    })
}
