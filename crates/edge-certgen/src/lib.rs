//! Makes and checks the certificates of KubeEdge's cloud side, instead of certgen.sh.
//!
//! Reads the CA of the cluster (kubeadm, k3s, RKE2, k0s or MicroK8s, or --ca and --ca-key), the key pairs
//! in /etc/kubeedge/ca and /etc/kubeedge/certs, the addresses in cloudcore.yaml and edgecore.yaml, and the options of
//! the apiserver on this host.
//! Writes those key pairs: streamCA.crt and rootCA in /etc/kubeedge/ca, the others in /etc/kubeedge/certs.
//! Runs no programs.

pub mod apiserver;
pub mod authority;
pub mod catalog;
pub mod cli;
mod cloudcore;
pub mod cluster;
pub mod diagnose;
mod edgecore;
pub mod facts;
pub mod kind;
pub mod manual;
pub mod plan;
pub mod report;
pub mod request;
mod verbs;

use edge_host::{Host, Outcome, Result, undo};

use cli::{Cli, Verb};

/// Whether a call reads or changes the host: `show` reads files of the caller.
pub fn uses_root(cli: &Cli) -> bool {
    !matches!(cli.verb, Verb::Show { .. })
}

/// Runs one call.
pub fn run(cli: Cli, host: &mut Host) -> Result<Outcome> {
    let Cli { common, options, verb } = cli;
    match verb {
        Verb::Stream(names) => verbs::make::stream(host, &options, &names),
        Verb::Ca => verbs::make::ca(host, &options),
        Verb::Server(names) => verbs::make::server(host, &options, &names),
        Verb::Edge(names) => verbs::make::edge(host, &options, &names),
        Verb::GenCertAndKey { name, addresses } => verbs::make::named(host, &options, &name, &addresses),
        Verb::Check { what, names } => verbs::check::run(host, &options, what, &names),
        Verb::Show { files } => verbs::show::run(host, &files),
        Verb::Secret { shape, namespace } => verbs::secret::run(host, &common, &options, shape, &namespace),
        Verb::BuildSecret => verbs::secret::build(host, &common, &options),
        Verb::Undo(args) => undo::run(host, &args, &[]),
    }
}
