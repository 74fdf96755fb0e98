//! The private key before the one in use: `NAME.old`, and before that a copy under a hidden name.
//!
//! The copy waits until the run that replaces the key has ended, so that a run that is interrupted or fails
//! leaves the `NAME.old` of the run before it alone.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::stat::SFlag;

use super::Root;
use super::read::kind;
use super::resolve::{LastLink, ResolvedPath};
use super::state::State;
use super::write::hidden_name;
use crate::error::Result;

/// Not that of a new file that is incomplete: it is kept on purpose where a run fails.
const WAITING_SUFFIX: &[u8] = b".edgeutils-previous";

impl Root {
    /// The private keys that stood at `path` before, the newest first: a copy that waits for the end of
    /// its run, and `NAME.old`. A link at `path` is followed.
    pub fn previous_keys(&self, path: &Path) -> Result<Vec<Vec<u8>>> {
        let resolved = self.resolve(path, LastLink::Follow).map_err(|cause| self.path_error("read", path, &cause))?;
        let places = [resolved.waiting_path(), resolved.old_path()];
        let found = places.iter().map(|place| self.find_link(place)).collect::<Result<Vec<_>>>()?;
        let files = found.into_iter().filter(|found| matches!(found.state, State::File { .. }));
        Ok(files.map(|found| found.bytes).collect())
    }
}

impl ResolvedPath<'_> {
    /// `NAME.old`.
    pub(crate) fn old_path(&self) -> PathBuf {
        self.canonical().with_file_name(self.old_name())
    }

    /// Where the copy waits.
    pub(crate) fn waiting_path(&self) -> PathBuf {
        self.canonical().with_file_name(self.waiting_name())
    }

    /// Its name.
    pub(crate) fn waiting_name(&self) -> OsString {
        hidden_name(&self.name, WAITING_SUFFIX)
    }

    /// Fails where `NAME.old` cannot be replaced at the end of the run; nothing is written.
    pub(crate) fn can_keep_old(&self, root: &Root) -> io::Result<()> {
        let old = root.resolve(&self.old_path(), LastLink::Keep)?;
        match old.stat()? {
            Some(stat) if kind(&stat) == SFlag::S_IFDIR => Err(Errno::EISDIR.into()),
            _ => old.can_be_replaced(),
        }
    }
}
