//! Temporary files for programs that are run: removed with the value, and not in the journal.
//!
//! It writes and deletes on the host, which only this crate does.

use std::fs::{self, DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result, ResultExt};
use crate::host::Host;
use crate::root::delete_path;

/// Only root can write here, and a reboot removes what a kill has left.
const PARENT: &str = "/run";
/// Other users read it: apt verifies as `_apt`.
const DIR_MODE: u32 = 0o755;
const FILE_MODE: u32 = 0o644;

/// A directory of this utility for as long as the value lives; live only, and under the lock.
#[derive(Debug)]
pub struct Scratch {
    dir: PathBuf,
    /// Files that programs have left elsewhere.
    left: Vec<PathBuf>,
}

impl Scratch {
    /// Makes an empty directory `/run/edgeutils-TOOL`, readable by every user. What a killed call has left there is
    /// removed.
    pub fn make(host: &Host) -> Result<Scratch> {
        host.must_be_prepared()?;
        if !host.root.is_live() {
            return Err(Error::failed("cannot make a scratch directory under --root"));
        }
        let dir = Path::new(PARENT).join(format!("edgeutils-{}", host.tool));
        if let Some(error) = delete_path(&dir).into_error("remove", &dir) {
            return Err(error);
        }
        DirBuilder::new().mode(DIR_MODE).create(&dir).on("make", &dir)?;
        // Whatever the umask.
        fs::set_permissions(&dir, Permissions::from_mode(DIR_MODE)).on("make", &dir)?;
        Ok(Scratch { dir, left: Vec::new() })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// Writes a file that every user can read, and returns its path; `name` has no slash.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<PathBuf> {
        let path = self.dir.join(name);
        fs::write(&path, bytes).on("write", &path)?;
        fs::set_permissions(&path, Permissions::from_mode(FILE_MODE)).on("write", &path)?;
        Ok(path)
    }
}

impl Scratch {
    /// Files that a program has made elsewhere because of files here: they are removed with the value too.
    pub fn remove_later(&mut self, paths: Vec<PathBuf>) {
        self.left = paths;
    }

    /// Keeps them, as what they belong to is installed now.
    pub fn keep_files(&mut self) {
        self.left.clear();
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        for path in &self.left {
            let _ = fs::remove_file(path);
        }
        // What cannot be removed now is removed by the next call or a reboot.
        delete_path(&self.dir);
    }
}
