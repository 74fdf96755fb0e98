//! The command line: types and help, no logic.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use edge_host::{Common, UndoArgs};
use edge_kubeedge::Minor;

/// Edit and check KubeEdge's edgecore.yaml and cloudcore.yaml without losing a byte
///
/// Settings are addressed by path (modules.edgeStream.enable), typed and checked against what the
/// KubeEdge version in use really reads, and written so that comments, order and everything else
/// in the file stay. A setting that KubeEdge would silently ignore is refused, with the place where
/// it belongs.
#[derive(Debug, Parser)]
#[command(name = "edge-conf", version, help_expected = true, subcommand_required = true, arg_required_else_help = true)]
#[command(after_help = "Exit codes: 0 done; 1 could not be done; 2 usage; 3 a dry run found changes, or check found \
faults; 4 refused, nothing touched; 5 interrupted, run again.")]
pub struct Cli {
    /// What every utility has.
    #[command(flatten)]
    pub common: Common,

    /// What this one has for all verbs.
    #[command(flatten)]
    pub options: Options,

    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// Options of all verbs.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Options of edge-conf")]
pub struct Options {
    /// The file to work on; - filters standard input to standard output. A Kubernetes ConfigMap is
    /// taken too: the YAML inside its data is edited. Default: edgecore.yaml or cloudcore.yaml in
    /// /etc/kubeedge/config, by the setting
    #[arg(long, value_name = "FILE", global = true)]
    pub file: Option<PathBuf>,

    /// The KubeEdge version that reads the file, such as 1.8 or v1.23.1. Default: edgecoreVersion in
    /// the file, else the version inside the installed program, else all versions
    #[arg(long, value_name = "V", global = true)]
    pub kubeedge_version: Option<Minor>,

    /// Restart the component afterwards, wait until it is up, and put the old values back if it does
    /// not come up. Default: a hint
    #[arg(long, global = true)]
    pub restart: bool,

    /// Set what KubeEdge would ignore or reject all the same
    #[arg(long, global = true)]
    pub force: bool,
}

/// The verbs.
#[derive(Debug, Clone, Subcommand)]
pub enum Verb {
    /// Print the value at a path
    #[command(after_help = "Example:\n  edge-conf get modules.edgeStream.server")]
    Get {
        /// Keys joined by dots, [n] for items of lists, quotes for keys that hold dots
        #[arg(value_name = "PATH")]
        path: String,
    },

    /// Set values, all of them or none
    #[command(after_help = "Example:\n  edge-conf set modules.edgeStream.enable=true modules.edgeHub.heartbeat=20\n  \
echo modules.edgeHub.heartbeat=20 | edge-conf set -")]
    Set {
        /// Path and value; the value is YAML, typed by the key. - reads such lines from standard input
        #[arg(value_name = "PATH=VALUE", required = true)]
        settings: Vec<String>,
    },

    /// Remove settings, so that KubeEdge's defaults apply
    #[command(after_help = "Example:\n  edge-conf unset modules.edged.nodeIP")]
    Unset {
        /// What to remove
        #[arg(value_name = "PATH", required = true)]
        paths: Vec<String>,
    },

    /// Find settings that KubeEdge ignores, rejects or loses; exit 3 if there are faults
    #[command(after_help = "Example:\n  edge-conf check --kubeedge-version 1.23")]
    Check,

    /// Turn a capability on, with the keys that this KubeEdge version has for it
    #[command(subcommand)]
    Enable(Feature),

    /// Set environment variables of a unit by a drop-in of our own; the unit file stays as it is
    #[command(after_help = "Example:\n  edge-conf env CHECK_EDGECORE_ENVIRONMENT=false\n  \
edge-conf env DB_PASSWORD=- < /root/password")]
    Env {
        /// Names and values; one value may be -, which reads it from standard input: the command line is open to every
        /// user of the host. The drop-in is 0600 unless all variables in it are known to be harmless
        #[arg(value_name = "NAME=VALUE", required = true)]
        variables: Vec<String>,

        /// The unit that gets them
        #[arg(long, value_name = "UNIT", default_value = "edgecore.service")]
        unit: String,
    },

    /// Take the newest run back; with --id another one
    #[command(after_help = "Example:\n  edge-conf undo")]
    Undo(UndoArgs),
}

/// What can be turned on.
#[derive(Debug, Clone, Subcommand)]
pub enum Feature {
    /// kubectl logs and exec: cloudStream in cloudcore.yaml, edgeStream in edgecore.yaml
    ///
    /// Without --server the address is taken from the file: the one that stands there unless it is
    /// the loopback default, else the host of modules.edgeHub.websocket.server with port 10004.
    /// cloudcore.yaml is left alone while the stream certificates are missing: cloudcore would not start.
    #[command(after_help = "Example:\n  edge-conf enable logs --server 192.0.2.1:10004")]
    Logs {
        /// Address of cloudcore's tunnel, for edgecore.yaml
        #[arg(long, value_name = "IP:PORT")]
        server: Option<String>,
    },

    /// The edge's own API endpoint (EdgeMesh needs it); turns the old built-in edgeMesh off up to 1.7
    #[command(after_help = "Example:\n  edge-conf enable metaserver")]
    Metaserver,

    /// cloudcore's dynamicController, the cloud side of metaserver
    #[command(after_help = "Example:\n  edge-conf enable dynamic-controller")]
    DynamicController,

    /// CRI-O as the container runtime of edgecore
    #[command(after_help = "Example:\n  edge-conf enable crio\n  edge-crio settings | edge-conf enable crio -")]
    Crio {
        /// CRI-O's socket [default: unix:///var/run/crio/crio.sock]
        #[arg(long, value_name = "S")]
        socket: Option<String>,

        /// The cgroup driver that CRI-O uses [default: systemd]
        #[arg(long, value_name = "D")]
        cgroup_driver: Option<CgroupDriver>,

        /// - reads socket=S and cgroupDriver=D, a line each, from standard input
        #[arg(value_name = "-", value_parser = ["-"])]
        stdin: Option<String>,
    },
}

/// How cgroups are managed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CgroupDriver {
    /// By systemd, CRI-O's default.
    Systemd,
    /// By the runtime itself.
    Cgroupfs,
}

impl CgroupDriver {
    /// As KubeEdge writes it.
    pub fn name(self) -> &'static str {
        match self {
            CgroupDriver::Systemd => "systemd",
            CgroupDriver::Cgroupfs => "cgroupfs",
        }
    }
}
