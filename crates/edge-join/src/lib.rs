//! Joins a host to cloudcore as an edge node: checks first, then the certificate, then everything else.
//!
//! Reads the token, KubeEdge's files, /etc/hosts, /proc and systemd's units, and connects to cloudcore and the container
//! runtime. `check` writes nothing. A token is kept in memory, and is part of no message, file, argument or journal.

pub mod certificate;
pub mod cli;
pub mod diagnose;
pub mod facts;
pub mod joined;
pub mod manual;
pub mod request;
mod verbs;

use edge_host::{Host, Outcome, Result};

use cli::{Cli, Verb};

/// Whether a call reads or changes the host: every one does.
pub fn uses_root(_: &Cli) -> bool {
    true
}

/// Carries out one call.
pub fn run(cli: Cli, host: &mut Host) -> Result<Outcome> {
    match cli.verb {
        Verb::Check(args) => verbs::check::run(host, &args),
    }
}
