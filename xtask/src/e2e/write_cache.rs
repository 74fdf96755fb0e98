//! A disk with a volatile write cache, for power cuts: what the machine has written since its last flush is lost.
//!
//! nbdkit keeps such writes in a temporary file, and writes them to the disk when the machine flushes.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::sh::Sh;

const START: Duration = Duration::from_secs(10);

/// The server of a disk, ended with the value.
#[derive(Debug)]
pub(super) struct WriteCache {
    nbdkit: Child,
    socket: PathBuf,
}

impl WriteCache {
    /// Serves the disk at a socket in `dir`.
    pub(super) fn start(disk: &Path, dir: &Path) -> Result<WriteCache> {
        let socket = dir.join("disk");
        if socket.exists() {
            std::fs::remove_file(&socket).context("cannot remove the last socket of the disk")?;
        }
        let sh = Sh::new("setpriv --pdeathsig KILL -- nbdkit --foreground --filter=cache --unix").arg(&socket);
        let sh = sh.arg("file").arg(disk).arg("cache=writeback");
        let nbdkit = sh.into_command().stdin(Stdio::null()).spawn().context("cannot run nbdkit")?;
        let mut cache = WriteCache { nbdkit, socket };
        let until = Instant::now() + START;
        // The file is there a moment before nbdkit listens.
        while UnixStream::connect(&cache.socket).is_err() {
            if let Some(status) = cache.nbdkit.try_wait().context("lost nbdkit")? {
                bail!("nbdkit ended with {status}");
            }
            if Instant::now() >= until {
                bail!("nbdkit does not listen");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(cache)
    }

    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }
}

impl Drop for WriteCache {
    /// Nothing is flushed here: whoever wants that has flushed before.
    fn drop(&mut self) {
        let _ = self.nbdkit.kill();
        let _ = self.nbdkit.wait();
    }
}
