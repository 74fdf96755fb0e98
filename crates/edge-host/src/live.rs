//! Checks that live changes reach the host: in a chroot, container or private mount namespace they do not.
//!
//! Edits of files that the user names need none of it: they are the files that the user sees.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::unistd::geteuid;

use crate::error::{Error, Result, text_of};

const INIT_ROOT: &str = "/proc/1/root";
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

/// Refuses (exit 4) live changes that would not reach the host. `accepts_own_tree`: whether `--root /` is a way out.
pub(crate) fn check(accepts_own_tree: bool) -> Result<()> {
    let Some(reason) = elsewhere() else { return Ok(()) };
    let hint = if accepts_own_tree {
        "use --root / to change only the files of this tree, or --force-namespace to change this host anyway"
    } else {
        "run it on the host itself, or use --force-namespace to change this host anyway"
    };
    Err(Error::refused(format!("cannot change this host: {reason}")).hint(hint))
}

fn elsewhere() -> Option<String> {
    match is_elsewhere() {
        Ok(reason) => reason.map(str::to_owned),
        Err((path, cause)) => Some(format!(
            "cannot read {path}: {}, so it is unknown whether this is a chroot or container",
            text_of(&cause)
        )),
    }
}

/// Why this is not the host itself; none if it is.
///
/// Errors: what cannot be read. Without CAP_SYS_PTRACE, as in a unit with restricted capabilities, even root cannot
/// read the root and the namespaces of the first process.
fn is_elsewhere() -> Result<Option<&'static str>, (&'static str, io::Error)> {
    // A kernel without this kind of namespaces has no link.
    let read = |path: &'static str| match fs::read_link(path) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
        link => link.map(Some).map_err(|cause| (path, cause)),
    };
    // The link must be followed to the directory itself: a chroot has the same name, `/`.
    let stat = |path: &'static str| fs::metadata(Path::new(path).join(".")).map_err(|cause| (path, cause));
    let (own, init) = (stat(OWN_ROOT)?, stat(INIT_ROOT)?);
    if (own.dev(), own.ino()) != (init.dev(), init.ino()) {
        return Ok(Some("this is a chroot"));
    }
    if read(OWN_MOUNTS)? != read(INIT_MOUNTS)? {
        return Ok(Some("this is a private mount namespace"));
    }
    // The inode of the initial PID namespace is part of the kernel's interface (proc_ns.h). Some container
    // runtimes leave no other mark.
    if read(OWN_PIDS)?.is_some_and(|link| link != Path::new(INIT_PIDS)) {
        return Ok(Some("this is a private PID namespace, as in a container"));
    }
    if CONTAINER_MARKS.iter().any(|mark| Path::new(mark).exists()) {
        return Ok(Some("this is a container"));
    }
    Ok(None)
}
