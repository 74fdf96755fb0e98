//! The command line: types and help, no logic.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use edge_host::{Common, UndoArgs};
use edge_kubeedge::{Kind, Minor};

/// Edit and check KubeEdge's edgecore.yaml and cloudcore.yaml
///
/// Settings are addressed by path (modules.edgeStream.enable) and checked against the keys and types
/// of the KubeEdge version in use. An edit keeps comments, order and formatting of the file. A setting
/// that KubeEdge would silently ignore is refused, with a hint where it belongs.
#[derive(Debug, Parser)]
#[command(name = "edge-conf", version, help_expected = true, subcommand_required = true, arg_required_else_help = true)]
#[command(after_help = "Exit codes: 0 done; 1 could not be done; 2 usage; 3 a dry run found changes, or check found \
problems; 4 refused, nothing changed; 5 interrupted, run again to resume.")]
pub struct Cli {
    /// Options of every utility.
    #[command(flatten)]
    pub common: Common,

    /// Options of edge-conf for all verbs.
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
    /// The file to work on; with -, read standard input and write to standard output. In a Kubernetes
    /// ConfigMap, the configuration inside its data is edited. Default: edgecore.yaml or cloudcore.yaml
    /// in /etc/kubeedge/config, whichever the setting belongs to
    #[arg(long, value_name = "FILE", global = true)]
    pub file: Option<PathBuf>,

    /// The KubeEdge version that reads the file, such as 1.8 or v1.23.1. Default: edgecoreVersion in
    /// the file, else the version of the installed program, else all versions
    #[arg(long, value_name = "V", global = true)]
    pub kubeedge_version: Option<Minor>,

    /// Restart the component afterwards and wait until it is active; if it does not start, restore the
    /// old values. Default: print a hint
    #[arg(long, global = true)]
    pub restart: bool,

    /// Set values even if KubeEdge would ignore or reject them
    #[arg(long, global = true)]
    pub force: bool,
}

/// The verbs.
#[derive(Debug, Clone, Subcommand)]
pub enum Verb {
    /// Print the value at a path
    #[command(after_help = "Example:\n  edge-conf get modules.edgeStream.server")]
    Get {
        /// Keys joined by dots, [n] for list items, quotes around keys that contain dots
        #[arg(value_name = "PATH")]
        path: String,
    },

    /// Set values, all of them or none
    #[command(after_help = "Example:\n  edge-conf set modules.edgeStream.enable=true modules.edgeHub.heartbeat=20\n  \
echo modules.edgeHub.heartbeat=20 | edge-conf set -")]
    Set {
        /// Path and value; the value is YAML of the key's type. - reads PATH=VALUE lines from standard input
        #[arg(value_name = "PATH=VALUE", required = true)]
        settings: Vec<String>,
    },

    /// Remove settings, so that KubeEdge's defaults apply
    #[command(after_help = "Example:\n  edge-conf unset modules.edged.nodeIP")]
    Unset {
        /// The settings to remove
        #[arg(value_name = "PATH", required = true)]
        paths: Vec<String>,
    },

    /// Check for settings that KubeEdge ignores, rejects or loses; exit 3 if there are problems
    #[command(after_help = "Example:\n  edge-conf check --kubeedge-version 1.23")]
    Check,

    /// Enable a feature with the keys of this KubeEdge version
    #[command(subcommand)]
    Enable(Feature),

    /// Set environment variables of a systemd unit in a drop-in; the unit file is not changed
    #[command(after_help = "Example:\n  edge-conf env CHECK_EDGECORE_ENVIRONMENT=false\n  \
edge-conf env DB_PASSWORD=- < /root/password")]
    Env {
        /// Names and values. One value may be -, which reads it from standard input: every user of the host can see the
        /// command line. The drop-in has mode 0600 unless all variables in it are known to be harmless
        #[arg(value_name = "NAME=VALUE", required = true)]
        variables: Vec<String>,

        /// The unit to set them for
        #[arg(long, value_name = "UNIT", default_value = "edgecore.service")]
        unit: String,
    },

    /// Give a component that was started by hand, such as with nohup, a systemd unit
    ///
    /// The unit runs the command of the process, and starts it again after every exit and at boot. A unit that exists is
    /// kept, and enabled. The process runs on, unless --restart is given: then it is ended, and the unit started in its
    /// place. A component in a container is left to the container runtime.
    #[command(after_help = "Example:\n  edge-conf unit cloudcore --restart")]
    Unit {
        /// Whose process it is
        #[arg(value_name = "COMPONENT")]
        component: Component,
    },

    /// Undo the newest run; with --id, another one
    #[command(after_help = "Example:\n  edge-conf undo")]
    Undo(UndoArgs),
}

/// A component of KubeEdge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Component {
    /// The cloud side.
    Cloudcore,
    /// The node's agent.
    Edgecore,
}

impl From<Component> for Kind {
    fn from(component: Component) -> Kind {
        match component {
            Component::Cloudcore => Kind::CloudCore,
            Component::Edgecore => Kind::EdgeCore,
        }
    }
}

/// The features of `enable`.
#[derive(Debug, Clone, Subcommand)]
pub enum Feature {
    /// kubectl logs and exec: cloudStream in cloudcore.yaml, edgeStream in edgecore.yaml
    ///
    /// Without --server, a valid server in edgecore.yaml is kept unless it is a loopback address; otherwise the host of
    /// the hub in use (modules.edgeHub.websocket.server or quic.server) is used with port 10004. cloudcore.yaml is not changed while the
    /// stream certificates are missing, because cloudcore would not start.
    #[command(after_help = "Example:\n  edge-conf enable logs --server 192.0.2.1:10004")]
    Logs {
        /// Address of cloudcore's tunnel, for edgecore.yaml
        #[arg(long, value_name = "IP:PORT")]
        server: Option<String>,
    },

    /// metaServer, the Kubernetes API endpoint on the edge node (required by EdgeMesh); up to 1.7, this disables
    /// the built-in edgeMesh
    #[command(after_help = "Example:\n  edge-conf enable metaserver")]
    Metaserver,

    /// cloudcore's dynamicController, the cloud side of metaServer
    #[command(after_help = "Example:\n  edge-conf enable dynamic-controller")]
    DynamicController,

    /// CRI-O as the container runtime of edgecore
    ///
    /// Refused while CRI-O is not there, because no pod would start any more: on this host its socket must answer, in an
    /// image it must be installed.
    #[command(after_help = "Example:\n  edge-conf enable crio\n  edge-crio settings | edge-conf enable crio -")]
    Crio {
        /// CRI-O's socket [default: unix:///var/run/crio/crio.sock]
        #[arg(long, value_name = "S")]
        socket: Option<String>,

        /// The cgroup driver that CRI-O uses [default: systemd]
        #[arg(long, value_name = "D")]
        cgroup_driver: Option<CgroupDriver>,

        /// - reads socket=S and cgroupDriver=D from standard input, one per line
        #[arg(value_name = "-", value_parser = ["-"])]
        stdin: Option<String>,
    },

    /// containerd as the container runtime of edgecore
    ///
    /// Refused while containerd is not there, as with crio.
    #[command(after_help = "Example:\n  edge-pkg settings | edge-conf enable containerd -")]
    Containerd {
        /// containerd's socket [default: unix:///run/containerd/containerd.sock]
        #[arg(long, value_name = "S")]
        socket: Option<String>,

        /// The cgroup driver that containerd uses [default: cgroupfs]
        #[arg(long, value_name = "D")]
        cgroup_driver: Option<CgroupDriver>,

        /// - reads socket=S and cgroupDriver=D from standard input, one per line
        #[arg(value_name = "-", value_parser = ["-"])]
        stdin: Option<String>,
    },
}

/// The cgroup driver of the container runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CgroupDriver {
    /// systemd manages the cgroups, CRI-O's default.
    Systemd,
    /// The runtime manages the cgroups.
    Cgroupfs,
}

impl CgroupDriver {
    /// The value of the setting.
    pub fn name(self) -> &'static str {
        match self {
            CgroupDriver::Systemd => "systemd",
            CgroupDriver::Cgroupfs => "cgroupfs",
        }
    }
}
