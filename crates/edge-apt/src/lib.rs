//! apt as an unattended program needs it: locks waited for, keys known, versions chosen, holds kept.
//!
//! Reads dpkg's status file, the locks of apt and dpkg, apt's sources, keys and lists.
//! Writes a key in keyrings, a file in sources.list.d and one in preferences.d.
//! Runs apt-get, apt-cache, apt-mark, apt-helper and dpkg, live only.
//!
//! [`install`] and [`remove`] are the apt part of a utility's own run; [`wait`], [`status`] and the
//! modules below are what they are made of. `edge-apt` itself waits and mends.

mod apt;
pub mod cli;
mod diagnose;
mod facts;
mod install;
pub mod key;
pub mod lock;
pub mod manual;
pub mod offline;
pub mod openpgp;
mod plan;
mod removable;
mod remove;
mod repair;
pub mod source;
pub mod status;
mod trial;
mod verbs;
pub mod version;
mod wait;
pub mod wanted;

use edge_host::{Host, Outcome, Result, undo};

use cli::{Cli, Verb};

pub use install::{DEFAULT_WAIT, Installed, install};
pub use offline::Offline;
pub use openpgp::Fingerprint;
pub use removable::PackageRemovals;
pub use remove::{Removal, can_remove, remove};
pub use repair::{repair, unfinished};
pub use source::{KeyFrom, Layout, Source};
pub use status::{Status, status};
pub use version::{PackageName, Stream, Version};
pub use wait::wait;
pub use wanted::{Pin, Request, Want, Wanted};

/// Carries out one call.
pub fn run(cli: Cli, host: &mut Host) -> Result<Outcome> {
    match cli.verb {
        Verb::Wait(args) => verbs::wait(host, &args),
        Verb::Undo(args) => undo::run(host, &args, &[&PackageRemovals]),
    }
}
