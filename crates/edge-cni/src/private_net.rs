//! A network namespace of our own, to which a trial adds a network as a runtime does to a pod's.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};
use std::thread;

use edge_host::{Result, ResultExt};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getpid, gettid};

const PROC: &str = "/proc";

/// A network namespace that lives as long as this value.
#[derive(Debug)]
pub(crate) struct PrivateNet {
    path: PathBuf,
    /// Dropped, it ends the thread that holds the namespace.
    _hold: Sender<()>,
}

impl PrivateNet {
    /// Makes one.
    pub(crate) fn new() -> Result<PrivateNet> {
        let (hold, held) = channel::<()>();
        let (made, wait) = channel();
        thread::spawn(move || {
            let path = Path::new(PROC).join(format!("{}/task/{}/ns/net", getpid(), gettid()));
            // Nobody waits any more only if the maker is gone as well.
            made.send(unshare(CloneFlags::CLONE_NEWNET).map(|()| path)).ok();
            // Ends with an error once the other side is dropped.
            held.recv().ok();
        });
        const WHAT: &str = "a network namespace";
        let path = wait.recv().on("make", WHAT)?.on("make", WHAT)?;
        Ok(PrivateNet { path, _hold: hold })
    }

    /// The path by which other programs can open it.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use edge_host::in_private;

    use super::*;

    #[test]
    fn a_private_net_is_another_one_than_the_trials() {
        if !nix::unistd::geteuid().is_root() {
            return;
        }
        in_private(&[], || {
            let net = PrivateNet::new()?;
            let said = edge_host::Cmd::find("readlink")?.arg(net.path()).run()?.stdout;
            assert_ne!(std::fs::read_link("/proc/thread-self/ns/net").unwrap().to_str(), Some(said.trim()));
            Ok(())
        })
        .unwrap();
    }
}
