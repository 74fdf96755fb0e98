//! What a file has besides its bytes, mode and owner: extended attributes and the mount it is on.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStrExt;

use nix::errno::Errno;
use nix::sys::stat::{Mode, fchmod, fstat};
use nix::unistd::{Gid, Uid, fchown};
use serde::{Deserialize, Serialize};
use xattr::FileExt;

use super::state::Content;
use super::write::Meta;

const FDINFO: &str = "/proc/self/fdinfo";
const CAPABILITY: &str = "security.capability";
const ACL: &str = "system.posix_acl_access";
const DEFAULT_ACL: &str = "system.posix_acl_default";
/// More than file systems store in one inode, to limit the size of a record.
const MAX_BYTES: usize = 64 << 10;

/// Access control lists, capabilities and `user.*` attributes. Labels of security modules are set by the kernel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Xattrs(BTreeMap<String, Content>);

impl Xattrs {
    /// Those of an open file or directory; none if they cannot be read or are too many to record.
    pub(super) fn of(file: &File) -> Option<Box<Xattrs>> {
        let mut all = BTreeMap::new();
        let mut bytes = 0;
        for name in names(file).ok()? {
            let Some(name) = name.to_str().filter(|name| is_recorded(name)) else { continue };
            let Some(value) = file.get_xattr(name).ok()? else { continue };
            bytes += name.len() + value.len();
            if bytes > MAX_BYTES {
                return None;
            }
            all.insert(name.to_owned(), Content::of(&value));
        }
        Some(Box::new(Xattrs(all)))
    }

    /// Sets exactly these: an access list that a new file inherited from its directory is removed.
    fn give(&self, file: &File) -> io::Result<()> {
        for name in names(file)? {
            let is_surplus = |name: &&str| is_recorded(name) && !self.0.contains_key(*name);
            if let Some(name) = name.to_str().filter(is_surplus) {
                remove(file, name)?;
            }
        }
        for (name, value) in &self.0 {
            let value = value.bytes().ok_or_else(|| io::Error::other(format!("the record of {name} is damaged")))?;
            file.set_xattr(name, &value)?;
        }
        Ok(())
    }

    fn capability(&self) -> Option<Vec<u8>> {
        self.0.get(CAPABILITY).and_then(Content::bytes)
    }
}

fn is_recorded(name: &str) -> bool {
    [CAPABILITY, ACL, DEFAULT_ACL].contains(&name) || name.starts_with("user.")
}

/// Sets mode, owner and extended attributes of a new file before it is renamed: those of the file that it replaces or
/// copies (`from`), of a `record`, or both; the record takes precedence. Without a record, attributes inherited from
/// the directory are removed, as they could open the file to others.
pub(super) fn set_attributes(file: &File, meta: Meta, from: Option<&File>, record: Option<&Xattrs>) -> io::Result<()> {
    // A change of owner clears capabilities and set-id bits.
    if let Some((uid, gid)) = meta.owner {
        fchown(file, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
    }
    if record.is_none() {
        Xattrs::default().give(file)?;
    }
    if let Some(from) = from {
        copy(from, file, meta.mode)?;
    }
    if let Some(record) = record {
        record.give(file)?;
    }
    // Last: an access list sets the group's bits, and the mode limits what the list may allow.
    Ok(fchmod(file, Mode::from_bits_truncate(meta.mode))?)
}

/// Gives a new file the mode, owner and attributes of the one that it is about to replace. Without the right to set
/// the owner it stays the caller.
pub(crate) fn take_attributes(file: &File, from: &File) -> io::Result<()> {
    let stat = fstat(from)?;
    let meta = |owner| Meta { mode: stat.st_mode & 0o7777, owner };
    match set_attributes(file, meta(Some((stat.st_uid, stat.st_gid))), Some(from), None) {
        Err(cause) if cause.kind() == io::ErrorKind::PermissionDenied => {
            set_attributes(file, meta(None), Some(from), None)
        }
        done => done,
    }
}

/// Restores capabilities and set-id bits, which the kernel clears on a write in place.
pub(super) fn give_back(file: &File, mode: u32, xattrs: Option<&Xattrs>) -> io::Result<()> {
    if let Some(capability) = xattrs.and_then(Xattrs::capability)
        && file.get_xattr(CAPABILITY)?.is_none()
    {
        file.set_xattr(CAPABILITY, &capability)?;
    }
    let now = nix::sys::stat::fstat(file)?.st_mode & 0o7777;
    if now != mode && now == mode & 0o1777 {
        fchmod(file, Mode::from_bits_truncate(mode))?;
    }
    Ok(())
}

/// Gives a new file the extended attributes of another.
fn copy(from: &File, to: &File, mode: u32) -> io::Result<()> {
    for name in names(from)? {
        let Some(mut value) = from.get_xattr(&name)? else { continue };
        if name == ACL {
            limit(&mut value, mode);
        }
        match to.set_xattr(&name, &value) {
            Ok(()) => {}
            // Security modules label new files themselves; without the right to copy a label the file has the
            // default one.
            Err(_) if name.as_bytes().starts_with(b"security.") => {}
            Err(cause) => return Err(cause),
        }
    }
    Ok(())
}

/// Limits an access list to a mode. A new key must not be open to others even for a moment because the previous one
/// was.
fn limit(list: &mut [u8], mode: u32) {
    const HEADER: usize = 4;
    const MASK: u16 = 0x10;
    const OTHER: u16 = 0x20;
    // Entries of a tag, rights and an id, little-endian.
    for entry in list.get_mut(HEADER..).unwrap_or_default().chunks_exact_mut(8) {
        let [tag_low, tag_high, rights, ..] = entry else { continue };
        match u16::from_le_bytes([*tag_low, *tag_high]) {
            MASK => *rights &= (mode >> 3 & 7) as u8,
            OTHER => *rights &= (mode & 7) as u8,
            _ => {}
        }
    }
}

fn names(file: &File) -> io::Result<Vec<std::ffi::OsString>> {
    match file.list_xattr() {
        Ok(names) => Ok(names.collect()),
        Err(cause) if is_one_of(&cause, &[Errno::EOPNOTSUPP]) => Ok(Vec::new()),
        Err(cause) => Err(cause),
    }
}

fn remove(file: &File, name: impl AsRef<OsStr>) -> io::Result<()> {
    match file.remove_xattr(name) {
        Err(cause) if is_one_of(&cause, &[Errno::ENODATA]) => Ok(()),
        removed => removed,
    }
}

fn is_one_of(cause: &io::Error, list: &[Errno]) -> bool {
    list.iter().any(|errno| cause.raw_os_error() == Some(*errno as i32))
}

/// The mount that an open file is on.
pub(crate) fn mount_id(fd: impl AsFd) -> Option<u64> {
    let text = std::fs::read_to_string(format!("{FDINFO}/{}", fd.as_fd().as_raw_fd())).ok()?;
    text.lines().find_map(|line| line.strip_prefix("mnt_id:")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limit_leaves_a_list_no_more_than_the_mode() {
        let list = |mask: u8, other: u8| {
            let entries = [(1, 6), (2, 7), (4, 5), (0x10, mask), (0x20, other)];
            let body = entries.iter().flat_map(|(tag, rights)| [*tag, 0, *rights, 0, 255, 255, 255, 255]);
            [2, 0, 0, 0].into_iter().chain(body).collect::<Vec<u8>>()
        };
        for (mode, mask, other) in [(0o600, 0, 0), (0o640, 4, 0), (0o675, 7, 5), (0o677, 7, 5)] {
            let mut limited = list(7, 5);
            limit(&mut limited, mode);
            assert_eq!(limited, list(mask, other), "{mode:o}");
        }
        limit(&mut [], 0);
        limit(&mut [2, 0, 0, 0, 16], 0);
    }
}
