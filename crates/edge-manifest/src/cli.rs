//! The command line: types and help, no logic.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use edge_host::Common;
use ipnet::IpNet;

use crate::request::{host_name, subnet};

/// Edit and check Kubernetes manifests for clusters with edge nodes
///
/// A filter: reads manifests or the output of `kubectl get -o yaml` or `-o json` from standard input or FILE, and prints
/// them with the changes. Everything else stays as it is, to the byte: comments, order, quotes, line endings. Nothing is
/// printed unless all of the input was understood. No cluster and no host is changed.
#[derive(Debug, Parser)]
#[command(
    name = "edge-manifest",
    version,
    help_expected = true,
    subcommand_required = true,
    arg_required_else_help = true
)]
#[command(after_help = "Exit codes: 0 done; 1 could not be done; 2 usage; 3 a dry run found changes, or check found \
problems; 4 refused; 5 interrupted.")]
pub struct Cli {
    /// Options of every utility.
    #[command(flatten)]
    pub common: Common,

    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// The manifests.
#[derive(Debug, Clone, Args)]
pub struct Input {
    /// The manifests; - is standard input
    #[arg(value_name = "FILE", default_value = "-")]
    pub file: PathBuf,
}

/// The verbs.
#[derive(Debug, Clone, Subcommand)]
pub enum Verb {
    /// Keep DaemonSets off edge nodes
    ///
    /// Adds `node-role.kubernetes.io/edge DoesNotExist` to every term of the required node affinity, as the terms are
    /// alternatives, and adds a term where there is none. Left alone, with a note: workloads that select edge nodes, those
    /// of EdgeMesh and KubeEdge, and those that an operator manages.
    #[command(after_help = "Examples:\n  curl -fsSL URL | edge-manifest keep-off-edge | kubectl apply -f -\n  \
kubectl get ds -A -o yaml | edge-manifest keep-off-edge | kubectl replace -f -\n  \
helm upgrade NAME CHART --post-renderer edge-manifest --post-renderer-args keep-off-edge")]
    KeepOffEdge {
        /// Workloads of this kind, too; may be repeated or separated by commas
        #[arg(long = "kind", value_name = "KIND", value_delimiter = ',', ignore_case = true)]
        kinds: Vec<Kind>,

        /// A workload of EdgeMesh or KubeEdge that is kept off, too; may be repeated or separated by commas
        #[arg(long, value_name = "NAME", value_delimiter = ',')]
        also: Vec<String>,

        /// The manifests.
        #[command(flatten)]
        input: Input,
    },

    /// Change calico from IPIP and BGP to VXLAN
    ///
    /// Sets the backend and the modes of the pools, and removes bird from the probes of calico-node, as bird does not run
    /// with VXLAN. A pool that exists in the cluster keeps its mode; the command that changes it is printed.
    #[command(
        after_help = "Example:\n  edge-manifest calico-vxlan --pod-subnet 10.233.64.0/18 calico.yaml | kubectl apply -f -"
    )]
    CalicoVxlan {
        /// Which traffic between nodes is encapsulated
        #[arg(long, value_name = "MODE", default_value = "always")]
        mode: VxlanMode,

        /// The network of the pods, for a new pool; may be repeated or separated by commas: one for each IP family
        #[arg(long = "pod-subnet", value_name = "CIDR", value_delimiter = ',', value_parser = subnet)]
        pod_subnets: Vec<IpNet>,

        /// The manifests.
        #[command(flatten)]
        input: Input,
    },

    /// Set the network of the pods and the backend in flannel's net-conf.json
    #[command(
        after_help = "Example:\n  edge-manifest flannel --pod-subnet 10.233.64.0/18 kube-flannel.yml | kubectl apply -f -"
    )]
    Flannel {
        /// The network of the pods; may be repeated or separated by commas: one for each IP family
        #[arg(long = "pod-subnet", value_name = "CIDR", value_delimiter = ',', value_parser = subnet)]
        pod_subnets: Vec<IpNet>,

        /// The networks of the services, which those of the pods must not overlap
        #[arg(long = "service-subnet", value_name = "CIDR", value_delimiter = ',', value_parser = subnet)]
        service_subnets: Vec<IpNet>,

        /// How packets get to other nodes
        #[arg(long, value_name = "BACKEND")]
        backend: Option<FlannelBackend>,

        /// The manifests.
        #[command(flatten)]
        input: Input,
    },

    /// Let metrics-server reach the kubelets of edge nodes
    ///
    /// Runs it in the network of its host, where edge-redirect redirects the ports of edge nodes to cloudcore, on
    /// another port than the kubelet's; accepts the certificates of edge nodes; tolerates the taints of control-plane nodes.
    #[command(
        after_help = "Example:\n  edge-manifest metrics-server --control-plane components.yaml | kubectl apply -f -"
    )]
    MetricsServer {
        /// Run it only on the node with this host name
        #[arg(long, value_name = "NAME", conflicts_with = "control_plane", value_parser = host_name)]
        host: Option<String>,

        /// Run it only on control-plane nodes
        #[arg(long)]
        control_plane: bool,

        /// The manifests.
        #[command(flatten)]
        input: Input,
    },

    /// Check for what goes wrong in a cluster with edge nodes; exit 3 if there are problems
    ///
    /// DaemonSets that would run on edge nodes, tolerations that match no taint, Node objects in a manifest, ports that
    /// KubeEdge or the kubelet uses on the same host, EdgeMesh's published key and its defaults of 1.8, reserved names. With
    /// the nodes of the cluster in the input, only what reaches one of its edge nodes counts.
    #[command(after_help = "Examples:\n  edge-manifest check kube-flannel.yml\n  \
kubectl get ds,deploy,node -A -o json | edge-manifest check")]
    Check {
        /// More reserved names: one name or PREFIX* in a line, and a reason after it if there is one
        #[arg(long, value_name = "FILE")]
        names: Option<PathBuf>,

        /// The manifests.
        #[command(flatten)]
        input: Input,
    },
}

/// A kind of workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// One pod on each node; always included
    #[value(name = "DaemonSet")]
    DaemonSet,
    /// Pods on any nodes
    #[value(name = "Deployment")]
    Deployment,
    /// Pods with names of their own on any nodes
    #[value(name = "StatefulSet")]
    StatefulSet,
}

impl Kind {
    /// As in manifests.
    pub fn name(self) -> &'static str {
        match self {
            Kind::DaemonSet => "DaemonSet",
            Kind::Deployment => "Deployment",
            Kind::StatefulSet => "StatefulSet",
        }
    }
}

/// Which traffic between nodes calico encapsulates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum VxlanMode {
    /// All of it; where the network drops packets with addresses of pods
    Always,
    /// Only between subnets
    CrossSubnet,
}

impl VxlanMode {
    /// As calico writes it.
    pub fn name(self) -> &'static str {
        match self {
            VxlanMode::Always => "Always",
            VxlanMode::CrossSubnet => "CrossSubnet",
        }
    }
}

/// A backend of flannel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FlannelBackend {
    /// Encapsulated by the kernel
    Vxlan,
    /// By routes, for nodes in one subnet
    HostGw,
    /// Encapsulated and encrypted
    Wireguard,
}

impl FlannelBackend {
    /// As flannel writes it.
    pub fn name(self) -> &'static str {
        match self {
            FlannelBackend::Vxlan => "vxlan",
            FlannelBackend::HostGw => "host-gw",
            FlannelBackend::Wireguard => "wireguard",
        }
    }
}
