//! Reads tokens and kubeconfigs, hashes CA certificates, renders service accounts, and copies a kubeconfig to a user.
//!
//! Reads what it is given, /etc/kubernetes/pki/ca.crt, /etc/kubernetes/admin.conf and /etc/passwd.
//! Writes only with `kubeconfig`: ~/.kube/config of the user. Runs no programs and connects to nothing: kubectl applies
//! what `account` renders. A token or private key is printed only with `read --print`.

pub mod account;
pub mod cli;
pub mod describe;
pub mod facts;
pub mod kubeconfig;
pub mod manual;
pub mod plan;
pub mod request;
mod verbs;

use edge_host::{Host, Outcome, Result, undo};

use cli::{Cli, Verb};
use kubeconfig::editor::EntriesEditor;

/// Whether a call reads or changes the host: `read` and `account` do not, and `ca-hash` only without FILE.
pub fn uses_root(cli: &Cli) -> bool {
    match &cli.verb {
        Verb::Read { .. } | Verb::Account(_) => false,
        Verb::CaHash { file } => file.is_none(),
        Verb::Kubeconfig(_) | Verb::Undo(_) => true,
    }
}

/// Carries out one call.
pub fn run(cli: Cli, host: &mut Host) -> Result<Outcome> {
    let Cli { common, verb } = cli;
    match verb {
        Verb::Read { file, print } => verbs::read::run(host, &common, &file, print),
        Verb::CaHash { file } => verbs::ca_hash::run(host, file.as_deref()),
        Verb::Account(args) => verbs::account::run(host, &common, &args),
        Verb::Kubeconfig(args) => verbs::kubeconfig::run(host, &args),
        Verb::Undo(args) => undo::run(host, &args, &[&EntriesEditor]),
    }
}
