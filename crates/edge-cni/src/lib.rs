//! Builds, installs, configures and checks the CNI plugins of a container runtime.
//!
//! Reads the plugins' headers and versions, the network configurations in /etc/cni/net.d, the leases in
//! /var/lib/cni/networks, routes and addresses; for a build the Go module or a folder.
//! Writes plugins to /opt/cni/bin, one network configuration, and a record of both.
//! Runs go for a build, as the user who called sudo, and the plugins themselves, live only.

#![cfg_attr(test, allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests prepare files"))]

mod catalog;
pub mod cli;
mod facts;
mod go;
mod manifest;
pub mod manual;
mod plan;
mod plugin_set;
mod private_net;
mod record;
mod request;
mod trial;
mod verbs;
pub mod version;

use edge_conflist::{conflist, networks, plugin, range, runtime};
use edge_host::{Host, Outcome, Result, undo};

use cli::{Cli, Conf, Verb};

/// Runs one command.
pub fn run(cli: Cli, host: &mut Host) -> Result<Outcome> {
    match cli.verb {
        Verb::Build(args) => verbs::build::run(host, &args),
        Verb::Install(args) => verbs::install::run(host, &args),
        Verb::Conf(Conf::Bridge(args)) => verbs::conf::run(host, &args),
        Verb::Check(args) => verbs::check::run(host, &args),
        Verb::Remove => verbs::remove::run(host),
        Verb::Undo(args) => undo::run(host, &args, &[]),
    }
}
