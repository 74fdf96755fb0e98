//! Runs a trial in private namespaces: it changes nothing of the host.

use std::path::Path;
use std::thread;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use crate::error::{Error, Result, ResultExt};
use crate::mounts::{Mount, Mounts};

const TOP: &str = "/";
/// Kernel file systems: what is set there belongs to the namespace.
const VIRTUAL: [&str; 4] = ["/proc", "/sys", "/dev", "/run"];

/// Runs `trial` in private network and mount namespaces, in which everything is read-only except a tmpfs over each
/// of the directories `scratch`, which need not exist. Programs that it starts are in them too.
///
/// Needs root. Nothing is left when it ends: the kernel removes the namespaces.
pub fn in_private<T: Send>(scratch: &[&Path], trial: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    thread::scope(|scope| {
        let inside = scope.spawn(|| {
            // The calling thread keeps its own: unshare affects one thread.
            unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET).on("make", "private namespaces")?;
            close_view(scratch)?;
            trial()
        });
        inside.join().unwrap_or_else(|_| Err(Error::failed("internal error in the trial")))
    })
}

fn close_view(scratch: &[&Path]) -> Result<()> {
    const HIDE: &str = "make a private view of";
    let none: Option<&str> = None;
    let top = Path::new(TOP);
    mount(none, top, none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).on(HIDE, top)?;
    for found in Mounts::read()?.iter() {
        let path = &found.point;
        if VIRTUAL.iter().any(|top| path.starts_with(top)) {
            continue;
        }
        let flags = flags(found) | MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
        match mount(none, path, none, flags, none) {
            // It is covered by another mount and cannot be reached.
            Ok(()) | Err(nix::Error::EINVAL | nix::Error::ENOENT) => {}
            Err(errno) => return Err(errno).on(HIDE, path),
        }
    }
    for dir in scratch {
        let options = Some("mode=755,size=64m");
        // Over the deepest existing directory; the rest is made in the tmpfs.
        let there = dir.ancestors().find(|dir| dir.is_dir()).unwrap_or(top);
        mount(Some("tmpfs"), there, Some("tmpfs"), MsFlags::MS_NOSUID | MsFlags::MS_NODEV, options).on(HIDE, there)?;
        std::fs::create_dir_all(dir).on("make", dir)?;
    }
    Ok(())
}

/// The flags of a mount that a remount must name again to keep.
fn flags(mount: &Mount) -> MsFlags {
    let flag = |option: &String| match option.as_str() {
        "nosuid" => MsFlags::MS_NOSUID,
        "nodev" => MsFlags::MS_NODEV,
        "noexec" => MsFlags::MS_NOEXEC,
        "noatime" => MsFlags::MS_NOATIME,
        "nodiratime" => MsFlags::MS_NODIRATIME,
        "relatime" => MsFlags::MS_RELATIME,
        _ => MsFlags::empty(),
    };
    mount.options.iter().map(flag).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_those_of_the_mount() {
        let text = b"30 22 0:5 / /mnt/a\\040b ro,nosuid,nodev,noexec,relatime - tmpfs t rw,noatime\n";
        let mounts = Mounts::parse(text).unwrap();
        let want = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC | MsFlags::MS_RELATIME;
        assert_eq!(mounts.iter().map(flags).collect::<Vec<_>>(), [want]);
    }

    /// Logs a skip as the integration tests do, which depend on this crate, so that `cargo xtask test` counts it.
    fn skip(test: &str, reason: &str) {
        let Some(log) = std::env::var_os("EDGEUTILS_SKIP_LOG") else { return };
        let mut log = std::fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
        std::io::Write::write_all(&mut log, format!("SKIP {test}: {reason}\n").as_bytes()).unwrap();
    }

    #[test]
    fn trial_can_write_only_to_its_scratch_directories() {
        if !nix::unistd::geteuid().is_root() {
            return skip("private", "not run as root");
        }
        let dir = tempfile::tempdir().unwrap();
        let (there, other) = (dir.path().join("there"), dir.path().join("other"));
        let scratch = there.join("not/yet");
        std::fs::create_dir(&there).unwrap();
        let own = std::fs::read_link("/proc/self/ns/net").unwrap();
        in_private(&[&scratch], || {
            std::fs::write(scratch.join("a"), "a").unwrap();
            assert!(std::fs::write(&other, "a").is_err());
            assert_ne!(std::fs::read_link("/proc/thread-self/ns/net").unwrap(), own);
            Ok(())
        })
        .unwrap();
        assert!(!other.exists() && std::fs::read_dir(&there).unwrap().count() == 0);
        assert_eq!(std::fs::read_link("/proc/self/ns/net").unwrap(), own);
    }
}
