//! Installs CRI-O from packages or a static bundle, configures and starts it, and queries it over the CRI.
//!
//! Reads os-release, dpkg's status, CRI-O's configuration and unit, CNI configurations and plugins,
//! storage.conf, edgecore.yaml, the configuration of kubelet and Docker, and the CRI socket.
//! Writes drop-ins for CRI-O, its registries and the proxy of its unit, the links that enable the unit,
//! storage.conf where the kernel refuses its mount options, and the files of a bundle.
//! Runs systemctl, journalctl, CNI plugins (for their version), and apt through edge-apt, live only.

#![cfg_attr(test, allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests prepare files"))]

pub mod address;
mod apt;
pub mod bundle;
pub mod catalog;
pub mod cli;
pub mod cni;
pub mod config;
mod containers;
pub mod diagnose;
pub mod facts;
mod log;
pub mod manual;
mod monitor;
pub mod plan;
pub mod policy;
pub mod references;
pub mod request;
pub mod resolve;
pub mod system;
pub mod unit;
mod verbs;
pub mod version;
mod wipe;

use edge_host::{Host, Outcome, Result};

use cli::{Cli, Verb};

/// Whether a call reads or changes the host: a download is for another machine.
pub fn uses_root(cli: &Cli) -> bool {
    !matches!(cli.verb, Verb::Download(_))
}

/// Carries out one call.
pub fn run(cli: Cli, host: &mut Host) -> Result<Outcome> {
    match cli.verb {
        Verb::Resolve(args) => verbs::resolve::run(host, &args),
        Verb::Install(args) => verbs::install::run(host, &args),
        Verb::Download(args) => verbs::download::run(host, &args),
        Verb::Check => verbs::check::run(host),
        Verb::Settings(args) => verbs::settings::run(host, &args),
        Verb::Remove(args) => verbs::remove::run(host, &args),
        Verb::Undo(args) => verbs::remove::undo(host, &args),
    }
}
