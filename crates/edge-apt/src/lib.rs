//! apt for unattended programs: waits for locks, checks keys, chooses versions, keeps holds.
//!
//! Reads dpkg's status file, the locks of apt and dpkg, apt's sources, keys and lists.
//! Writes a key in keyrings, a file in sources.list.d and one in preferences.d.
//! Runs apt-get, apt-cache, apt-mark, apt-helper and dpkg, live only.
//!
//! [`install`] and [`remove`] are part of another utility's run. The program `edge-apt` itself waits and repairs.

mod apt;
mod check;
pub mod cli;
mod diagnose;
mod facts;
mod install;
pub mod key;
pub mod lock;
pub mod manual;
mod obsolete;
pub mod offline;
pub mod openpgp;
mod plan;
mod release;
mod removable;
mod remove;
mod repair;
pub mod request;
pub mod source;
pub mod status;
mod trial;
mod verbs;
pub mod version;
mod wait;

use edge_host::{Host, Outcome, Result, undo};

use cli::{Cli, Verb};

pub use check::{Expected, findings};
pub use install::{DEFAULT_WAIT, Installed, install};
pub use obsolete::{Obsolete, ObsoleteEntry, obsolete_entries};
pub use offline::Offline;
pub use openpgp::Fingerprint;
pub use release::Release;
pub use removable::PackageRemovals;
pub use remove::{Removal, can_remove, remove};
pub use repair::{repair, unfinished};
pub use request::{PackageRequest, Pin, Request, VersionRequest};
pub use source::{KeyFrom, Layout, Source};
pub use status::{Status, status, status_if_any};
pub use version::{PackageName, Stream, Version};
pub use wait::wait;

/// Runs one call.
pub fn run(cli: Cli, host: &mut Host) -> Result<Outcome> {
    match cli.verb {
        Verb::Wait(args) => verbs::wait(host, &args),
        Verb::Undo(args) => undo::run(host, &args, &[&PackageRemovals]),
    }
}
