//! A host below a root directory: facts are read, a plan is made, applied, recorded and undone.
//!
//! Every utility is built on this crate, and only this crate writes files, starts programs or
//! touches the journal. It knows files, commands and time, and nothing of Kubernetes.
//!
//! From the ground up: [`Root`], [`Cmd`], the lock, [`Exit`]; then [`Action`] and [`Plan`]; then
//! the journal and [`Report`]; then [`apply`]; then [`undo`].

pub mod action;
mod apply;
mod arch;
mod cgroup;
mod clock;
mod cmd;
mod error;
mod exit;
#[doc(hidden)]
pub mod fuzz;
mod host;
mod journal;
pub mod json;
mod live;
mod lock;
pub mod manual;
mod mounts;
mod orphans;
mod out;
mod overlay;
mod own;
mod pattern;
mod plan;
mod private;
mod process;
mod program;
mod purge;
mod report;
mod root;
mod run;
mod scratch;
mod secret;
mod shell;
mod signal;
mod sockets;
pub mod undo;
mod unmount;
mod visible;

pub use action::{Action, Inverse, Node, Tag};
pub use apply::{apply, apply_part, apply_unrecorded};
pub use arch::Arch;
pub use cgroup::{Cgroup, hierarchies};
pub use clock::now;
pub use cmd::{Cmd, Output, SEARCH_PATH};
pub use error::{Error, Result, ResultExt};
pub use exit::{Exit, Outcome};
pub use host::{Common, Host, Mode};
pub use mounts::{Mount, MountTree, Mounts, Propagation, TreeMount, mount_path};
pub use orphans::{Orphan, orphans};
pub use out::{OutDir, OutState, out_file, out_root, out_state};
pub use overlay::overlay_supports;
pub use pattern::{Pattern, PatternMap};
pub use plan::Plan;
pub use private::in_private;
pub use process::{Process, ProcessId, processes};
pub use program::{Program, loader};
pub use purge::{Trashed, purge, trashed, written};
pub use report::{Finding, Report, Severity, StatusLine};
pub use root::{EntryKind, FileSnapshot, Inode, MAX_READ, NewDir, Root, State, is_trash};
pub use run::{main, main_with};
pub use scratch::Scratch;
pub use secret::{STRUCK, has_credentials, is_secret_name, redact, shown_url};
pub use shell::quoted;
pub use sockets::{Socket, SocketOwner, SocketState, socket_owners, sockets};
pub use undo::{Editor, Needed, UndoArgs};
pub use unmount::{Unmount, namespaces_in_use};
pub use visible::{is_hidden, visible};
