//! A private network namespace, used in place of a pod's.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};
use std::thread;

use edge_host::{Result, ResultExt};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getpid, gettid};

const PROC: &str = "/proc";

/// A network namespace that exists as long as this value.
#[derive(Debug)]
pub(crate) struct PrivateNet {
    path: PathBuf,
    /// Ends the thread in the namespace when it is dropped.
    _hold: Sender<()>,
}

impl PrivateNet {
    /// Creates one.
    pub(crate) fn new() -> Result<PrivateNet> {
        let (hold, held) = channel::<()>();
        let (made, wait) = channel();
        thread::spawn(move || {
            let path = Path::new(PROC).join(format!("{}/task/{}/ns/net", getpid(), gettid()));
            // Fails only where the caller is gone.
            made.send(unshare(CloneFlags::CLONE_NEWNET).map(|()| path)).ok();
            // Returns when the other side is dropped.
            held.recv().ok();
        });
        const WHAT: &str = "a network namespace";
        let path = wait.recv().on("create", WHAT)?.on("create", WHAT)?;
        Ok(PrivateNet { path, _hold: hold })
    }

    /// The path by which other programs can open it.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}
