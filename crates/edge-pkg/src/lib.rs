//! Installs the packages of Kubernetes in one version that stays (repository, key, pin and holds), and containerd
//! or Docker with the settings that Kubernetes and KubeEdge need.
//!
//! Reads dpkg's status, apt's sources and keys, containerd's configuration and CRI socket, and the units and
//! configurations of kubelet and edgecore.
//! Writes a file in sources.list.d, keyrings and preferences.d each, disables entries of dead repositories, and edits
//! config.toml and hosts.toml of containerd, and daemon.json of Docker.
//! Runs systemctl, journalctl, dockerd --validate, and apt and dpkg through edge-apt, live only.

pub mod catalog;
pub mod cli;
pub mod containerd;
pub mod diagnose;
pub mod docker;
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
        Verb::Settings => verbs::settings::run(host),
        Verb::Remove(args) => verbs::remove::run(host, &args.what),
        Verb::Undo(args) => verbs::undo::run(host, &args),
    }
}
