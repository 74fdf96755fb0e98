//! Finds the first broken link between an edge node, cloudcore and the API server, from wherever it is run.
//!
//! Reads configurations, certificates, rules and sockets of the host, and what `kubectl get nodes` prints; connects only
//! to addresses that configurations or arguments name. Writes nothing, keeps no state and needs no kubeconfig. `host` runs
//! the checks of the other utilities.

mod catalog;
pub mod cli;
mod cloud;
pub mod cluster;
mod edge;
mod host;
mod logs;
pub mod manual;
mod probe;
mod redirect;
mod running;
mod verbs;

use std::time::Duration;

use edge_host::{Host, Outcome, Result};

use cli::{Cli, Verb};

/// Whether a call reads the host: that of nodes reads only its input.
pub fn uses_root(cli: &Cli) -> bool {
    !matches!(cli.verb, Verb::Cluster { .. })
}

/// Carries out one call.
pub fn run(cli: Cli, host: &mut Host) -> Result<Outcome> {
    match cli.verb {
        Verb::Edge => verbs::edge::run(host),
        Verb::Cloud { tunnelport } => verbs::cloud::run(host, tunnelport.as_deref()),
        Verb::Logs { node, pod } => verbs::logs::run(host, &node, pod.as_deref()),
        Verb::Cluster { file, tunnelport } => verbs::cluster::run(host, &file, tunnelport.as_deref()),
        Verb::Host { timeout } => verbs::host::run(host, &cli.common, Duration::from_secs(timeout)),
    }
}
