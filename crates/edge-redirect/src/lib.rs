//! Leads the API server's connections for kubectl logs and exec to cloudcore's stream port.
//!
//! Reads the nat tables of both rule engines, /etc/edgeutils/redirect.toml, and with `--tunnelport`
//! a config map. Writes rules in one chain of its own and one jump to it; with `--persist` that file
//! and a unit. Runs iptables-save, iptables-restore and their kin, and systemctl, live only.

mod asked;
pub mod cli;
mod facts;
pub mod manual;
mod pair;
mod persist;
mod plan;
mod rules;
mod status;
mod tunnelport;
mod unit;
mod verbs;
pub mod wanted;

use edge_firewall::Rules;
use edge_host::{Host, Outcome, Result, undo};

use cli::{Cli, Verb};

/// Carries out one call.
pub fn run(cli: Cli, host: &mut Host) -> Result<Outcome> {
    let lock_wait = std::time::Duration::from_secs(cli.common.lock_wait);
    match cli.verb {
        Verb::Add(args) => verbs::add(host, &args, lock_wait),
        Verb::Status => status::status(host),
        Verb::Remove(args) => verbs::remove(host, &args, lock_wait),
        Verb::Restore => verbs::restore(host, lock_wait),
        Verb::Render(args) => verbs::render(host, &args),
        Verb::Undo(args) => undo::run(host, &args, &[&Rules]),
    }
}
