//! Installs the packages of Kubernetes in one version that stays: repository, key, pin and holds.
//!
//! Reads dpkg's status, apt's sources and keys, and the units of kubelet and edgecore.
//! Writes a file in sources.list.d, keyrings and preferences.d each, and disables entries of dead repositories.
//! Runs apt and dpkg through edge-apt, live only.

pub mod catalog;
pub mod cli;
pub mod diagnose;
pub mod facts;
pub mod kubernetes;
pub mod manual;
pub mod request;
mod verbs;

use edge_host::{Host, Outcome, Result};

use cli::{Cli, Verb};

/// Carries out one call.
pub fn run(cli: Cli, host: &mut Host) -> Result<Outcome> {
    match cli.verb {
        Verb::Install(args) => verbs::install::run(host, &args.what),
        Verb::Check(args) => verbs::check::run(host, args.what),
        Verb::Remove(args) => verbs::remove::run(host, &args.what),
        Verb::Undo(args) => verbs::remove::undo(host, &args),
    }
}
