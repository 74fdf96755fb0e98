//! Checks that live changes reach the host: in a chroot, container or private mount namespace they do not.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::unistd::geteuid;

use crate::error::{Error, Result};

const INIT_ROOT: &str = "/proc/1/root/.";
const INIT_MOUNTS: &str = "/proc/1/ns/mnt";
const OWN_MOUNTS: &str = "/proc/self/ns/mnt";
const OWN_PIDS: &str = "/proc/self/ns/pid";
const INIT_PIDS: &str = "pid:[4026531836]";
const OWN_ROOT: &str = "/";
/// Files by which container managers mark a container.
const CONTAINER_MARKS: [&str; 3] = ["/run/systemd/container", "/run/.containerenv", "/.dockerenv"];

/// Fails without root, which every live change needs.
pub(crate) fn check_root() -> Result<()> {
    if !geteuid().is_root() {
        return Err(Error::failed("cannot change this host: not run as root")
            .hint("run it with sudo, or see what it would do with --dry-run"));
    }
    Ok(())
}

/// Refuses (exit 4) live changes that would not reach the host.
pub(crate) fn check() -> Result<()> {
    let Some(reason) = elsewhere() else { return Ok(()) };
    Err(Error::refused(format!("cannot change this host: {reason}"))
        .hint("use --root / to change only the files of this tree, or --force-namespace to change this host anyway"))
}

fn elsewhere() -> Option<&'static str> {
    let (Ok(own), Ok(init)) = (fs::metadata(OWN_ROOT), fs::metadata(INIT_ROOT)) else {
        return Some("/proc is not readable, so this may be a chroot");
    };
    if (own.dev(), own.ino()) != (init.dev(), init.ino()) {
        return Some("this is a chroot");
    }
    if fs::read_link(OWN_MOUNTS).ok() != fs::read_link(INIT_MOUNTS).ok() {
        return Some("this is a private mount namespace");
    }
    // The inode of the initial PID namespace is part of the kernel's interface (proc_ns.h). Some container
    // runtimes leave no other mark.
    if fs::read_link(OWN_PIDS).is_ok_and(|link| link.as_os_str() != INIT_PIDS) {
        return Some("this is a private PID namespace, as in a container");
    }
    if CONTAINER_MARKS.iter().any(|mark| Path::new(mark).exists()) {
        return Some("this is a container");
    }
    None
}
