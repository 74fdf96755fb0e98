//! The command line: types and help, no logic.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use edge_host::{Arch, Common, UndoArgs};
use edge_kubeedge::Minor;
use edge_kubeedge::stream::{HTTPS_PORT, TUNNEL_PORT, WEBSOCKET_PORT};

use crate::program::Release;

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

    /// Join: get the certificate, install edgecore and its configuration, start it, and wait until it is connected
    ///
    /// The certificate comes first: where cloudcore refuses the token, nothing is changed. edgecore.yaml gets only the
    /// settings of the join; of a file that exists, everything else is kept. A second run changes nothing, and needs no token
    /// while the certificate can be used.
    #[command(after_help = "Examples:\n  \
kubectl get secret -n kubeedge tokensecret -o json | ssh edge edge-join apply --cloudcore 192.0.2.1 --token - --version 1.23.1\n  \
edge-crio settings --kubeedge-version 1.23 | edge-join apply --cloudcore 192.0.2.1 --token /run/token --version 1.23.1 --settings -\n  \
edge-join apply --cloudcore 192.0.2.1 --token /run/token --version 1.23.1 --offline /media/usb")]
    Apply(Box<ApplyArgs>),

    /// Download edgecore's release archive for a host without a network, and its checksum
    ///
    /// DIR gets the archive and a line in SHA512SUMS; edge-join apply --offline DIR installs from it.
    #[command(after_help = "Example:\n  edge-join download --version 1.23.1 --arch arm64 --to /media/usb")]
    Download(DownloadArgs),

    /// Undo a run: what it has written is restored or removed, and edgecore is stopped
    ///
    /// The node stays registered in the cluster: kubectl delete node NAME removes it there.
    Undo(UndoArgs),
}

/// A join.
#[derive(Debug, Clone, Args)]
pub struct ApplyArgs {
    /// Where to, as whom and with which token.
    #[command(flatten)]
    pub connection: Connection,

    /// The release of KubeEdge, such as 1.23.1
    #[arg(long, value_name = "VERSION")]
    pub version: Release,

    /// Where edgecore is from.
    #[command(flatten)]
    pub source: SourceArgs,

    /// More settings of edgecore.yaml, one PATH=VALUE a line, as edge-crio settings and edge-pkg settings print them; - is
    /// standard input
    #[arg(long, value_name = "FILE")]
    pub settings: Option<PathBuf>,

    /// A label of the node; may be repeated
    #[arg(long = "label", value_name = "KEY=VALUE")]
    pub labels: Vec<String>,

    /// A taint of the node: KEY[=VALUE]:EFFECT; may be repeated
    #[arg(long = "taint", value_name = "TAINT")]
    pub taints: Vec<String>,

    /// Enable edgecore, but do not start it
    #[arg(long)]
    pub no_start: bool,

    /// Seconds to wait until edgecore is connected and the node is registered
    #[arg(long, value_name = "SECONDS", default_value_t = 120, value_parser = clap::value_parser!(u64).range(11..=86_400))]
    pub wait: u64,

    /// Use the token in /etc/edgeutils/join-token, and delete it after the join or its refusal: for the unit that edge-join
    /// apply --root makes
    #[arg(long, conflicts_with_all = ["token", "no_start"])]
    pub first_boot: bool,
}

/// Where edgecore is from, by default the release that KubeEdge publishes.
#[derive(Debug, Clone, Default, Args)]
pub struct SourceArgs {
    /// A file or address with edgecore: a release archive, a saved image of kubeedge/installation-package, or edgecore itself
    #[arg(long, value_name = "FILE|URL")]
    pub archive: Option<String>,

    /// A directory that edge-join download has filled, or one with such a file and SHA512SUMS
    #[arg(long, value_name = "DIR", conflicts_with = "archive")]
    pub offline: Option<PathBuf>,

    /// SHA-512 of the file; up to 1.7.0 it is known
    #[arg(long, value_name = "HEX")]
    pub sha512: Option<String>,

    /// Another server with KubeEdge's releases: the address of the directory, which may contain {version} and {arch}
    #[arg(long, value_name = "URL", conflicts_with_all = ["archive", "offline"])]
    pub mirror: Option<String>,
}

/// A download.
#[derive(Debug, Clone, Args)]
pub struct DownloadArgs {
    /// The release of KubeEdge, such as 1.23.1
    #[arg(long, value_name = "VERSION")]
    pub version: Release,

    /// The architecture of the other host: amd64, arm64 or arm
    #[arg(long, value_name = "ARCH")]
    pub arch: Arch,

    /// The directory that is filled
    #[arg(long, value_name = "DIR")]
    pub to: PathBuf,

    /// SHA-512 of the archive; up to 1.7.0 it is known
    #[arg(long, value_name = "HEX")]
    pub sha512: Option<String>,

    /// Another server with KubeEdge's releases: the address of the directory, which may contain {version} and {arch}
    #[arg(long, value_name = "URL")]
    pub mirror: Option<String>,
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
