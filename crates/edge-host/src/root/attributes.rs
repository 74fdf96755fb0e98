//! What a file has besides its bytes, mode and owner: extended attributes and the mount it is on.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStrExt;

use nix::errno::Errno;
use xattr::FileExt;

const FDINFO: &str = "/proc/self/fdinfo";

/// Gives a new file the extended attributes of the one it replaces.
pub(super) fn copy_xattrs(from: &File, to: &File) -> io::Result<()> {
    let unsupported = |cause: &io::Error| cause.raw_os_error() == Some(Errno::EOPNOTSUPP as i32);
    let names = match from.list_xattr() {
        Ok(names) => names,
        Err(cause) if unsupported(&cause) => return Ok(()),
        Err(cause) => return Err(cause),
    };
    for name in names {
        let Some(value) = from.get_xattr(&name)? else { continue };
        match to.set_xattr(&name, &value) {
            Ok(()) => {}
            // The kernel's security modules label new files themselves; without the right to copy
            // a label the default one is what every other new file gets.
            Err(_) if name.as_bytes().starts_with(b"security.") => {}
            Err(cause) => return Err(cause),
        }
    }
    Ok(())
}

/// The mount that an open file is on.
pub(super) fn mount_id(fd: impl AsFd) -> Option<u64> {
    let text = std::fs::read_to_string(format!("{FDINFO}/{}", fd.as_fd().as_raw_fd())).ok()?;
    text.lines().find_map(|line| line.strip_prefix("mnt_id:")?.trim().parse().ok())
}
