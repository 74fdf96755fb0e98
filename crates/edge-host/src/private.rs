//! Namespaces of our own for a trial: what is done in them touches nothing of the host and ends with
//! them.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};
use std::thread;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::gettid;

use crate::error::{Error, Result};

const OWN_MOUNTS: &str = "/proc/self/mountinfo";
const PROC: &str = "/proc";
const TOP: &str = "/";
/// Kernel file systems: what is set there belongs to the namespace, or is needed to be read.
const VIRTUAL: [&str; 4] = ["/proc", "/sys", "/dev", "/run"];

/// Runs `trial` with a network of its own and a view of the files of its own, in which everything is
/// read-only but memory over the directories `scratch`, which need not be there. Programs that it
/// starts are in it too.
///
/// Needs root. Nothing is left when it ends, however it ends: the kernel takes the namespaces down.
pub fn in_private<T: Send>(scratch: &[&Path], trial: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    thread::scope(|scope| {
        let inside = scope.spawn(|| {
            // The calling thread keeps its own: unshare is of one thread alone.
            unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET).map_err(|errno| {
                Error::failed(format!("cannot make namespaces of our own: {}", errno.desc())).hint("it needs root")
            })?;
            close_view(scratch)?;
            trial()
        });
        inside.join().unwrap_or_else(|_| Err(Error::failed("cannot end the trial: a defect in it")))
    })
}

/// A network namespace that lives as long as this value.
#[derive(Debug)]
pub struct PrivateNet {
    path: PathBuf,
    /// Dropped, it ends the thread that holds the namespace.
    _hold: Sender<()>,
}

impl PrivateNet {
    /// Makes one.
    pub fn new() -> Result<PrivateNet> {
        let (hold, held) = channel::<()>();
        let (made, wait) = channel();
        thread::spawn(move || {
            let path = Path::new(PROC).join(format!("{}/task/{}/ns/net", std::process::id(), gettid()));
            // Nobody waits any more only if the maker is gone as well.
            made.send(unshare(CloneFlags::CLONE_NEWNET).map(|()| path)).ok();
            // Ends with an error once the other side is dropped.
            held.recv().ok();
        });
        let fail = |text: &str| Error::failed(format!("cannot make a network namespace: {text}"));
        let path = wait.recv().map_err(|_| fail("a defect"))?.map_err(|errno| fail(errno.desc()))?;
        Ok(PrivateNet { path, _hold: hold })
    }

    /// The path by which other programs can open it.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn close_view(scratch: &[&Path]) -> Result<()> {
    let fail = |what: &Path, errno: nix::Error| Error::io("make a view of our own of", what, &errno.into());
    let none: Option<&str> = None;
    let top = Path::new(TOP);
    mount(none, top, none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).map_err(|errno| fail(top, errno))?;
    let text = std::fs::read_to_string(OWN_MOUNTS).map_err(|cause| Error::io("read", OWN_MOUNTS, &cause))?;
    for (path, flags) in mounts(&text) {
        if VIRTUAL.iter().any(|top| path.starts_with(top)) {
            continue;
        }
        let flags = flags | MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
        match mount(none, &path, none, flags, none) {
            // Covered by another mount, it cannot be reached either.
            Ok(()) | Err(nix::Error::EINVAL | nix::Error::ENOENT) => {}
            Err(errno) => return Err(fail(&path, errno)),
        }
    }
    for dir in scratch {
        let options = Some("mode=755,size=64m");
        // Over the deepest that is there; the rest is made in memory.
        let there = dir.ancestors().find(|dir| dir.is_dir()).unwrap_or(top);
        mount(Some("tmpfs"), there, Some("tmpfs"), MsFlags::MS_NOSUID | MsFlags::MS_NODEV, options)
            .map_err(|errno| fail(there, errno))?;
        std::fs::create_dir_all(dir).map_err(|cause| Error::io("make", dir, &cause))?;
    }
    Ok(())
}

/// The mounts of a mountinfo, with the flags that a remount must name again to keep.
fn mounts(text: &str) -> Vec<(PathBuf, MsFlags)> {
    let mut all = Vec::new();
    for line in text.lines() {
        let mut fields = line.split(' ').skip(4);
        let (Some(path), Some(options)) = (fields.next(), fields.next()) else { continue };
        let mut flags = MsFlags::empty();
        for option in options.split(',') {
            flags |= match option {
                "nosuid" => MsFlags::MS_NOSUID,
                "nodev" => MsFlags::MS_NODEV,
                "noexec" => MsFlags::MS_NOEXEC,
                "noatime" => MsFlags::MS_NOATIME,
                "nodiratime" => MsFlags::MS_NODIRATIME,
                "relatime" => MsFlags::MS_RELATIME,
                _ => MsFlags::empty(),
            };
        }
        all.push((PathBuf::from(unescaped(path)), flags));
    }
    all
}

/// The kernel writes white space and backslashes of paths as octal numbers.
fn unescaped(text: &str) -> String {
    ["040", "011", "012", "134"]
        .iter()
        .zip([" ", "\t", "\n", "\\"])
        .fold(text.to_owned(), |text, (code, char)| text.replace(&format!("\\{code}"), char))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_read_with_their_flags() {
        let text = "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n\
                    30 22 0:5 / /mnt/a\\040b ro,nosuid,nodev,noexec - tmpfs t rw\n";
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
        let want = [(PathBuf::from("/"), MsFlags::MS_RELATIME), (PathBuf::from("/mnt/a b"), flags)];
        assert_eq!(mounts(text), want);
        assert!(mounts("").is_empty());
    }

    /// As the integration tests say it, so that `cargo xtask test` counts it: those depend on this crate.
    fn skip(test: &str, reason: &str) {
        let Some(log) = std::env::var_os("EDGEUTILS_SKIP_LOG") else { return };
        let mut log = std::fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
        std::io::Write::write_all(&mut log, format!("SKIP {test}: {reason}\n").as_bytes()).unwrap();
    }

    #[test]
    fn a_trial_can_write_to_its_scratch_alone() {
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
            let net = PrivateNet::new()?;
            let said = crate::Cmd::find("readlink")?.arg(net.path()).run()?.stdout;
            assert_ne!(std::fs::read_link("/proc/thread-self/ns/net").unwrap().to_str(), Some(said.trim()));
            Ok(())
        })
        .unwrap();
        assert!(!other.exists() && std::fs::read_dir(&there).unwrap().count() == 0);
        assert_eq!(std::fs::read_link("/proc/self/ns/net").unwrap(), own);
    }
}
