//! A host under a root prefix: every path a utility reads or writes goes through here.
//!
//! `Root::live()` is the running system. `Root::image(DIR)` is a mounted image or chroot below DIR:
//! absolute links begin again at DIR, `..` stops at DIR, and nothing outside it is ever opened.
//! Each component is opened from the descriptor of the one before it, without following links, so
//! that a component swapped for a link meanwhile leads nowhere. Only openat, readlinkat and their
//! kin are used: openat2, which Linux has from 5.6 only, is for deletion, and there has a stand-in.

mod attributes;
mod delete;
mod large;
mod previous;
mod read;
mod resolve;
mod stage;
mod state;
mod write;

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;

use crate::error::{Error, Result};
use crate::shell::quoted;

pub use attributes::Xattrs;
pub(crate) use attributes::take_attributes;
pub(crate) use delete::delete_path;
pub use read::{FileSnapshot, MAX_READ};
pub(crate) use resolve::{LastLink, ResolvedPath};
pub use stage::{NewDir, NewFile};
pub use state::{Content, State};
pub(crate) use state::{digest, hex, sha256};
pub(crate) use write::{Meta, temporary_name};

/// Directories that hold live facts of the running kernel: in an image they are never looked at.
const VIRTUAL: [&str; 4] = ["proc", "sys", "run", "dev"];
const LIVE_ROOT: &str = "/";

/// The host that is worked on: the running one, or an image below a directory.
#[derive(Debug)]
pub struct Root {
    top: OwnedFd,
    prefix: Option<PathBuf>,
}

impl Root {
    /// The running system.
    pub fn live() -> Result<Root> {
        Ok(Root { top: open_top(Path::new(LIVE_ROOT))?, prefix: None })
    }

    /// The tree below `dir`; it must be a directory.
    ///
    /// `dir` itself is the operator's own path and is opened like any other, links included.
    pub fn image(dir: &Path) -> Result<Root> {
        Ok(Root { top: open_top(dir)?, prefix: Some(dir.to_path_buf()) })
    }

    /// The tree below a directory that is open, and what the operator calls it.
    pub(crate) fn of_dir(top: OwnedFd, shown: &Path) -> Root {
        Root { top, prefix: Some(shown.to_path_buf()) }
    }

    /// The same root again, for what is written while the host is in use.
    pub fn try_clone(&self) -> Result<Root> {
        let fail = |cause: std::io::Error| Error::io("open the root", self.display(Path::new(LIVE_ROOT)), &cause);
        Ok(Root { top: self.top.try_clone().map_err(fail)?, prefix: self.prefix.clone() })
    }

    /// Whether this is the running system, where units, sysctls and programs are real.
    pub fn is_live(&self) -> bool {
        self.prefix.is_none()
    }

    /// What a command of a hint needs to work on this tree: ` --root DIR`, nothing for the running system.
    pub fn option(&self) -> String {
        match &self.prefix {
            Some(prefix) => format!(" --root {}", quoted(&prefix.to_string_lossy())),
            None => String::new(),
        }
    }

    /// The path as the operator can use it in a shell: below DIR for an image.
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
