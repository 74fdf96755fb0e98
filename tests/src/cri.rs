//! The stand-in for a container runtime, without a systemd: one process in a mount namespace of its own.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::standin;

/// It makes the directories of CNI below /etc, here in one of its own.
const START: &str = "mount -t tmpfs tmpfs /etc && exec \"$1\" --listen=\"$2\"";
const STARTS_WITHIN: Duration = Duration::from_secs(20);

/// A running stand-in, ended on drop.
#[derive(Debug)]
pub struct Runtime {
    child: Child,
    dir: tempfile::TempDir,
}

impl Runtime {
    /// Starts one that supports this version of the API: `v1`, `v1alpha2` or `none`. Errors: why it cannot be done here.
    pub fn start(api: &str) -> Result<Runtime, String> {
        let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
        let program = standin::build(arch, "1.34.2")?;
        let dir = tempfile::tempdir().map_err(|cause| cause.to_string())?;
        fs::create_dir(dir.path().join("sandboxes")).map_err(|cause| cause.to_string())?;
        fs::write(dir.path().join("api"), api).map_err(|cause| cause.to_string())?;
        let socket = dir.path().join("socket");
        let child = Command::new("unshare")
            .args(["-m", "--propagation", "private", "sh", "-c", START, "sh"])
            .args([&program, &socket])
            .env("CRI_STANDIN", dir.path())
            .stdout(Stdio::null())
            .spawn()
            .map_err(|cause| cause.to_string())?;
        let mut runtime = Runtime { child, dir };
        let until = Instant::now() + STARTS_WITHIN;
        // The file is there a moment before the server listens.
        while UnixStream::connect(&socket).is_err() {
            if let Ok(Some(status)) = runtime.child.try_wait() {
                return Err(format!("the stand-in did not start: {status}"));
            }
            if Instant::now() > until {
                return Err("the stand-in does not listen".to_owned());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(runtime)
    }

    /// Its socket.
    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("socket")
    }

    /// Adds a sandbox: `NAMESPACE NAME UID` and words that say how it behaves (tests/go/cri-standin/sandbox.go).
    pub fn sandbox(&self, id: &str, fields: &str) {
        fs::write(self.dir.path().join("sandboxes").join(id), fields).unwrap();
    }

    /// The IDs of its sandboxes.
    pub fn sandboxes(&self) -> Vec<String> {
        let entries = fs::read_dir(self.dir.path().join("sandboxes")).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// The calls that changed something, one a line.
    pub fn calls(&self) -> String {
        fs::read_to_string(self.dir.path().join("calls")).unwrap_or_default()
    }

    /// The directory of its files.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
