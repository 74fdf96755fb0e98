//! The previous private key: `NAME.old`, and before that a copy under a hidden name.
//!
//! The copy is renamed only when the run that replaces the key has ended, so that an interrupted or failed run does
//! not touch the `NAME.old` of the run before.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat, renameat};
use nix::sys::stat::{Mode, SFlag, fchmod};

use super::Root;
use super::read::kind;
use super::resolve::{LastLink, ResolvedPath};
use super::state::State;
use super::write::{Meta, hidden_name};
use crate::error::Result;

const OLD_SUFFIX: &str = ".old";
/// Another suffix than that of a temporary file, as it is kept if a run fails.
const WAITING_SUFFIX: &[u8] = b".edgeutils-previous";

impl Root {
    /// The previous private keys of `path`, the newest first: the hidden copy of an unfinished run, and `NAME.old`.
    /// A link at `path` is followed.
    pub fn previous_keys(&self, path: &Path) -> Result<Vec<Vec<u8>>> {
        let resolved = self.resolve(path, LastLink::Follow).map_err(|cause| self.path_error("read", path, &cause))?;
        let places = [resolved.waiting_path(), resolved.old_path()];
        let found = places.iter().map(|place| self.find_link(place)).collect::<Result<Vec<_>>>()?;
        let files = found.into_iter().filter(|found| matches!(found.state, State::File { .. }));
        Ok(files.map(|found| found.bytes).collect())
    }
}

impl ResolvedPath<'_> {
    /// Copies the key to its hidden name, mode 0600, for [`ResolvedPath::place_old`]. A copy and not a hard link, as the
    /// key in use must keep its own mode until it is replaced. It is durable before that, as it may become the only
    /// one.
    pub(crate) fn stage_old(&self, bytes: &[u8], owner: Option<(u32, u32)>) -> io::Result<()> {
        let waiting = self.waiting_name();
        self.unlink_if_there(&waiting)?;
        let meta = Meta { mode: 0o600, owner };
        self.write_new(&waiting, meta, self.existing().as_ref(), None, |file| file.write_all(bytes))?;
        self.sync_dir()
    }

    /// Renames that copy to `NAME.old`; an older one is replaced. If that fails, the copy stays.
    pub(crate) fn place_old(&self) -> io::Result<()> {
        renameat(self.dir(), self.waiting_name().as_os_str(), self.dir(), self.old_name().as_os_str())?;
        self.sync_dir()
    }

    /// Restores the previous key, which is kept as `kept`, with its previous mode.
    pub(crate) fn restore_old(&self, kept: &OsStr, mode: u32) -> io::Result<()> {
        let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let old = openat(self.dir(), kept, flags, Mode::empty())?;
        fchmod(&old, Mode::from_bits_truncate(mode))?;
        renameat(self.dir(), kept, self.dir(), self.name.as_os_str())?;
        self.sync_dir()
    }

    /// The name of the previous key.
    pub(crate) fn old_name(&self) -> OsString {
        let mut old = self.name.clone();
        old.push(OLD_SUFFIX);
        old
    }

    /// `NAME.old`.
    pub(crate) fn old_path(&self) -> PathBuf {
        self.canonical().with_file_name(self.old_name())
    }

    /// The path of the hidden copy.
    pub(crate) fn waiting_path(&self) -> PathBuf {
        self.canonical().with_file_name(self.waiting_name())
    }

    /// Its name.
    pub(crate) fn waiting_name(&self) -> OsString {
        hidden_name(&self.name, WAITING_SUFFIX)
    }

    /// Fails if `NAME.old` cannot be replaced at the end of the run; nothing is written.
    pub(crate) fn can_keep_old(&self, root: &Root) -> io::Result<()> {
        let old = root.resolve(&self.old_path(), LastLink::Keep)?;
        match old.stat()? {
            Some(stat) if kind(&stat) == SFlag::S_IFDIR => Err(Errno::EISDIR.into()),
            _ => old.can_be_replaced(),
        }
    }
}
