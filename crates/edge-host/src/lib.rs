//! A host under a root prefix: facts are read, a plan is made, applied, recorded, and taken back.
//!
//! Every utility is built on this crate, and only this crate writes files, starts programs or
//! touches the journal. It knows files, commands and time, and nothing of Kubernetes.
//!
//! From the ground up: [`Root`], [`Cmd`], the lock, [`Exit`]; then [`Action`] and [`Plan`]; then
//! the journal and [`Report`]; then [`apply`]; then [`undo`].

pub mod action;
mod apply;
mod cmd;
mod error;
mod exit;
#[doc(hidden)]
pub mod fuzz;
mod host;
mod journal;
mod live;
mod lock;
pub mod manual;
mod out;
mod overlay;
mod own;
mod plan;
mod private;
mod process;
mod reboot;
mod report;
mod rights;
mod root;
mod run;
mod scratch;
mod secret;
mod shell;
mod signal;
pub mod undo;
mod visible;

pub use action::{Action, Inverse, Node};
pub use apply::{apply, apply_part};
pub use cmd::{Cmd, Output, SEARCH_PATH};
pub use error::{Error, Result};
pub use exit::{Exit, Outcome};
pub use host::{Common, Host, Mode};
pub use journal::DIR as JOURNAL_DIR;
pub use out::{OutDir, OutState, out_file, out_root, out_state};
pub use overlay::overlay_takes;
pub use plan::Plan;
pub use private::{PrivateNet, in_private};
pub use process::{Process, processes};
pub use reboot::require_reboot;
pub use report::{Format, Report, Status};
pub use rights::become_user;
pub use root::{Content, Found, MAX_READ, NewDir, NewFile, Root, State, Xattrs};
pub use run::main;
pub use scratch::Scratch;
pub use secret::{STRUCK, has_credentials, is_secret_name, redact, redact_args, shown_url};
pub use undo::{Editor, UndoArgs};
pub use visible::{is_hidden, visible};

/// Every utility gets it with this crate: one short run makes thousands of small allocations, and
/// the static binaries' own allocator spends half of its time in mmap for them.
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;
