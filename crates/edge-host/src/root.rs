//! A host below a root directory: every path that a utility reads or writes goes through here.
//!
//! `Root::live()` is the running system. `Root::image(DIR)` is a mounted image or chroot below DIR:
//! absolute links begin again at DIR, `..` stops at DIR, and nothing outside it is ever opened.
//! Each component is opened from the descriptor of the one before, without following links, so that a component that
//! is replaced by a link meanwhile is not followed. openat2, which needs Linux 5.6, does the same with one call where no
//! link is on the way.

mod attributes;
mod delete;
mod large;
mod mounted;
mod previous;
mod read;
mod resolve;
mod stage;
mod state;
mod state_dir;
mod system;
mod trash;
mod write;

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;

use crate::error::{Error, Result, ResultExt};
use crate::shell::quoted;

pub(crate) use attributes::{mount_id, take_attributes};
pub(crate) use delete::delete_path;
pub(crate) use read::kind;
pub use read::{EntryKind, FileSnapshot, MAX_READ};
pub(crate) use resolve::{LastLink, ResolvedPath};
pub use stage::NewDir;
pub use state::State;
pub(crate) use state::{Content, digest, hex, sha256};
pub(crate) use trash::Trash;
pub use trash::{Inode, is_trash};
pub(crate) use write::{Meta, temporary_name};

/// Directories with the state of the running kernel: not available in an image.
const VIRTUAL: [&str; 4] = ["proc", "sys", "run", "dev"];
const LIVE_ROOT: &str = "/";

/// The host that a call works on: the running system, or an image below a directory.
#[derive(Debug)]
pub struct Root {
    top: OwnedFd,
    prefix: Option<PathBuf>,
    /// It does not look like a system, and the call has `--force-root`.
    is_forced: bool,
}

impl Root {
    /// The running system.
    pub fn live() -> Result<Root> {
        Ok(Root { top: open_top(Path::new(LIVE_ROOT))?, prefix: None, is_forced: false })
    }

    /// The tree below `dir`; it must be a directory.
    ///
    /// Links in `dir` itself are followed, as it is the path of the caller.
    pub fn image(dir: &Path) -> Result<Root> {
        Ok(Root { top: open_top(dir)?, prefix: Some(dir.to_path_buf()), is_forced: false })
    }

    /// The tree below an open directory, and its path for messages.
    pub(crate) fn of_dir(top: OwnedFd, shown: &Path) -> Root {
        Root { top, prefix: Some(shown.to_path_buf()), is_forced: false }
    }

    /// Another handle of the same root.
    pub fn try_clone(&self) -> Result<Root> {
        let shown = self.display(Path::new(LIVE_ROOT));
        let top = self.top.try_clone().on("open the root", &shown)?;
        Ok(Root { top, prefix: self.prefix.clone(), is_forced: self.is_forced })
    }

    /// Whether this is the running system, with units, sysctls and programs.
    pub fn is_live(&self) -> bool {
        self.prefix.is_none()
    }

    /// The options for a command in a hint: ` --root DIR`, and `--force-root` where it is needed; empty for the running
    /// system.
    pub fn option(&self) -> String {
        match &self.prefix {
            Some(prefix) => {
                let force = if self.is_forced { " --force-root" } else { "" };
                format!(" --root {}{force}", quoted(&prefix.to_string_lossy()))
            }
            None => String::new(),
        }
    }

    /// The path for messages, as it can be used in a shell: below DIR for an image.
    pub fn display(&self, path: &Path) -> PathBuf {
        match &self.prefix {
            Some(prefix) => prefix.join(path.strip_prefix("/").unwrap_or(path)),
            None => path.to_path_buf(),
        }
    }
}

fn open_top(dir: &Path) -> Result<OwnedFd> {
    open(dir, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())
        .map_err(|errno| Error::io("open the root", dir, &errno.into()))
}
