//! Edits and checks Kubernetes manifests for clusters with edge nodes: a filter from standard input or a file to
//! standard output.
//!
//! Reads a stream of YAML documents or JSON, and with `check --names` a list of names.
//! Writes nothing but its output, and runs nothing: kubectl applies the result.
//!
//! An edit changes only the bytes of the values that it sets; all other documents, comments and formatting stay.

pub mod catalog;
pub mod cli;
mod cluster;
mod complete;
mod diagnose;
mod facts;
pub mod manual;
pub mod notes;
pub mod pod;
pub mod request;
pub mod rules;
mod verbs;

use edge_host::{Host, Outcome, Result};

use cli::{Cli, Verb};

/// Carries out a call.
pub fn run(cli: Cli, host: &mut Host) -> Result<Outcome> {
    let Cli { common, verb } = cli;
    match verb {
        Verb::Check { names, input } => verbs::check::run(host, &input, names.as_deref()),
        verb => verbs::edit::run(host, &common, verb),
    }
}
