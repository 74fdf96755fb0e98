//! The command line: types and help, no logic.

use clap::Parser;
use edge_host::Common;

/// Make a host ready for edgecore or kubeadm
#[derive(Debug, Parser)]
#[command(name = "edge-prep", version)]
pub struct Cli {
    /// What every utility has.
    #[command(flatten)]
    pub common: Common,
}
