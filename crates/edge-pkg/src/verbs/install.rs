//! `edge-pkg install`, one file for each thing.

mod containerd;
mod docker;
mod kubernetes;

use edge_host::{Host, Outcome, Result};

use crate::cli::Install;

pub(crate) fn run(host: &mut Host, what: &Install) -> Result<Outcome> {
    match what {
        Install::Kubernetes(args) => kubernetes::run(host, args),
        Install::Containerd(args) => containerd::run(host, args),
        Install::Docker(args) => docker::run(host, args),
    }
}
