//! Redirects the connections that the API server makes for kubectl logs and exec to cloudcore's stream port.
//!
//! Reads the nat tables of both backends of iptables, cloudcore.yaml, /etc/edgeutils/redirect.toml and, with
//! `--tunnelport`, a config map. Writes rules in a chain of its own and one jump to it; with `--persist` also that file and a unit. Runs the
//! programs of iptables and nft, and systemctl, on a live host only.

pub mod cli;
mod cloudcore;
mod diagnose;
mod effect;
mod facts;
mod kept;
pub mod manual;
mod persist;
mod plan;
mod redirect;
pub mod request;
mod rules;
mod tunnelport;
mod unit;
mod verbs;

use edge_firewall::Rules;
use edge_host::{Host, Outcome, Result, undo};

use cli::{Cli, Verb};

/// Whether a call reads or changes the host: rules of redirects that are named are printed without it.
pub fn uses_root(cli: &Cli) -> bool {
    !matches!(&cli.verb, Verb::Render(args) if !args.redirects.is_empty())
}

/// Carries out one call.
pub fn run(cli: Cli, host: &mut Host) -> Result<Outcome> {
    let lock_wait = std::time::Duration::from_secs(cli.common.lock_wait);
    match cli.verb {
        Verb::Add(args) => verbs::add::run(host, &args, lock_wait),
        Verb::Status => verbs::status::run(host),
        Verb::Check => verbs::check::run(host, lock_wait),
        Verb::Remove(args) => verbs::remove::run(host, &args, lock_wait),
        Verb::Restore => verbs::restore::run(host, lock_wait),
        Verb::Render(args) => verbs::render::run(host, &args),
        Verb::Undo(args) => undo::run(host, &args, &[&Rules]),
    }
}
