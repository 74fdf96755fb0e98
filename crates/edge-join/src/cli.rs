//! The command line: types and help, no logic.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use edge_host::Common;
use edge_kubeedge::Minor;
use edge_kubeedge::stream::{HTTPS_PORT, TUNNEL_PORT, WEBSOCKET_PORT};

/// Join this host to KubeEdge's cloudcore as an edge node
///
/// The token is read from a file or standard input, used once over verified TLS, and written nowhere.
#[derive(Debug, Parser)]
#[command(name = "edge-join", version, help_expected = true, subcommand_required = true, arg_required_else_help = true)]
#[command(
    after_help = "Exit codes: 0 done; 1 could not be done; 2 usage; 3 a check found problems, or a dry run changes; \
4 refused; 5 interrupted."
)]
pub struct Cli {
    /// Options of every utility.
    #[command(flatten)]
    pub common: Common,

    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// The verbs.
#[derive(Debug, Clone, Subcommand)]
pub enum Verb {
    /// Check whether this host can join, and change nothing; exit 3 and findings if it cannot
    ///
    /// Checks the token, the clocks, the ports and certificates of cloudcore, the name of the node, and what on this host
    /// would keep edgecore from starting, in this order: the first finding is the first cause. Without --cloudcore nothing is
    /// connected to.
    #[command(after_help = "Examples:\n  \
kubectl get secret -n kubeedge tokensecret -o json | ssh edge edge-join check --cloudcore 192.0.2.1 --token -\n  \
edge-join check --cloudcore cloud.example.com --token /run/token --version 1.23.1")]
    Check(CheckArgs),
}

/// What is checked.
#[derive(Debug, Clone, Args)]
pub struct CheckArgs {
    /// Where to, as whom and with which token.
    #[command(flatten)]
    pub connection: Connection,

    /// The version of KubeEdge that is to be installed [default: that of the installed edgecore]
    #[arg(long, value_name = "VERSION")]
    pub version: Option<Minor>,
}

/// Where to connect, as whom, and with which token: the options that verbs which connect share.
#[derive(Debug, Clone, Args)]
pub struct Connection {
    /// The host of cloudcore: a name, an IPv4 or an IPv6 address
    #[arg(long, value_name = "HOST")]
    pub cloudcore: Option<String>,

    /// The file with the token, or - for standard input: as `keadm gettoken` prints it, in base64, or in its Secret as JSON
    /// or YAML
    // Not the token itself, which every user of the host could read in the list of processes.
    #[arg(long, value_name = "FILE")]
    pub token: Option<PathBuf>,

    /// The name of the node [default: the name of this host in lower case]
    #[arg(long, value_name = "NAME")]
    pub node_name: Option<String>,

    /// The port where cloudcore issues certificates
    #[arg(long, value_name = "PORT", default_value_t = HTTPS_PORT, value_parser = clap::value_parser!(u16).range(1..))]
    pub https_port: u16,

    /// The port of cloudcore's hub (websocket)
    #[arg(long, value_name = "PORT", default_value_t = WEBSOCKET_PORT, value_parser = clap::value_parser!(u16).range(1..))]
    pub hub_port: u16,

    /// The port of cloudcore's tunnel, for kubectl logs and exec
    #[arg(long, value_name = "PORT", default_value_t = TUNNEL_PORT, value_parser = clap::value_parser!(u16).range(1..))]
    pub tunnel_port: u16,

    /// Refused: there are no arguments without an option. They may be a token, which clap would print.
    #[arg(hide = true, value_name = "ARGUMENT")]
    pub unexpected: Vec<OsString>,
}
