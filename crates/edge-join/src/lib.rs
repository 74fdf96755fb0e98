//! Joins a host to cloudcore as an edge node: checks first, then the certificate, then everything else.
//!
//! Reads the token, KubeEdge's files, /etc/hosts, /proc and systemd's units, the files with edgecore, and connects to
//! cloudcore, the container runtime and the server of KubeEdge's releases. Writes edgecore, its unit, its configuration, and
//! the CA and certificate of the node; `check` writes nothing. Runs systemctl and journalctl.
//! A token is kept in memory, and is part of no message, file, argument or journal.

#![cfg_attr(test, allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests prepare files"))]

pub mod certificate;
pub mod cli;
pub mod diagnose;
pub mod facts;
pub mod joined;
pub mod manual;
pub mod plan;
pub mod program;
pub mod request;
mod verbs;

use edge_host::{Host, Outcome, Result};

use cli::{Cli, Verb};

/// Whether a call reads or changes the host: a download is for another machine.
pub fn uses_root(cli: &Cli) -> bool {
    !matches!(cli.verb, Verb::Download(_))
}

/// Carries out one call.
pub fn run(cli: Cli, host: &mut Host) -> Result<Outcome> {
    match cli.verb {
        Verb::Check(args) => verbs::check::run(host, &args),
        Verb::Apply(args) => verbs::apply::run(host, &args),
        Verb::Download(args) => verbs::download::run(host, &args),
        Verb::Undo(args) => verbs::undo::run(host, &args),
    }
}
