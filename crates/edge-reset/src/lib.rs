//! Removes KubeEdge, Kubernetes and their networks from a host, and nothing else.
//!
//! Reads units, processes, mounts, links, rules, control groups and files; what belongs to whom, and how that is proven,
//! is in `data/ownership` and /etc/edgeutils/reset.d. Stops units, ends pods and processes, unmounts, deletes links,
//! rules and control groups, and moves directories to a trash beside them. Runs systemctl, iptables, nft, ipset,
//! ipvsadm and docker, on a live host only.

mod agents;
pub mod cli;
mod context;
mod control_plane;
mod creator;
mod filter;
mod groups;
mod item;
pub mod manual;
mod networks;
mod ownership;
mod phase;
mod phases;
mod request;
mod roots;
mod verbs;

use edge_firewall::Rules;
use edge_host::{Host, Outcome, Result, undo};

use cli::{Cli, Verb};

/// Carries out one call.
pub fn run(cli: Cli, host: &mut Host) -> Result<Outcome> {
    match cli.verb {
        Verb::Scan(args) => verbs::scan::run(host, &args),
        Verb::Apply(args) => verbs::apply::run(host, &args),
        Verb::Undo(args) => undo::run(host, &args, &[&Rules]),
        Verb::Purge(args) => verbs::purge::run(host, &args),
    }
}
