//! The command line: types and help, no logic.

use std::path::PathBuf;

use clap::{Parser, Subcommand, value_parser};
use edge_host::Common;

/// Find the first broken link between an edge node, cloudcore and the API server
///
/// Read-only: changes nothing, keeps no state and needs no kubeconfig. Connects only to addresses that a configuration or
/// an argument names, to all of them at once and for 3 seconds each. What follows from the first cause is not reported.
#[derive(Debug, Parser)]
#[command(
    name = "edge-check",
    version,
    help_expected = true,
    subcommand_required = true,
    arg_required_else_help = true
)]
#[command(after_help = "Exit codes: 0 no errors; 1 could not be done; 2 usage; 3 errors were found; 4 refused; \
5 interrupted.")]
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
    /// On an edge node: check the way from edgecore.yaml to cloudcore
    ///
    /// Reads the configuration and the key pair of the node, connects to the three ports of cloudcore with them, and
    /// compares clock and CA. If all of that works: the unit, the ports of edgecore and its connections.
    #[command(after_help = "Example:\n  edge-check edge")]
    Edge,

    /// On the host of cloudcore: check its ports, its stream server and the redirects of an API server
    #[command(after_help = "Examples:\n  edge-check cloud\n  \
kubectl get configmap -n kubeedge tunnelport -o json | edge-check cloud --tunnelport -")]
    Cloud {
        /// The config map in which cloudcores record their ports, kubeedge/tunnelport; - is standard input
        #[arg(long, value_name = "FILE")]
        tunnelport: Option<PathBuf>,
    },

    /// On a host with an API server: follow a request of kubectl logs, and name the last hop that answers
    ///
    /// Sends what the API server sends, by the same redirect, and prints no log: without --pod a request for metrics,
    /// which cloudcore passes on to the node with this address.
    #[command(after_help = "Examples:\n  edge-check logs --node 198.51.100.7:10351\n  \
edge-check logs --node 198.51.100.7:10351 --pod default/nginx/nginx")]
    Logs {
        /// The node as the API server connects to it: its InternalIP, and the port of its kubeletEndpoint
        #[arg(long, value_name = "IP:PORT")]
        node: String,

        /// Request the log of this container
        #[arg(long, value_name = "NAMESPACE/POD/CONTAINER")]
        pod: Option<String>,
    },

    /// Check the nodes of a cluster: versions, ports, addresses, taints
    ///
    /// Reads what kubectl get nodes prints, in JSON or YAML. Reports edge nodes whose KubeEdge does not go with this
    /// Kubernetes, whose port no cloudcore has recorded, or that share an address, each problem once.
    #[command(after_help = "Examples:\n  kubectl get nodes -o json | edge-check cluster\n  \
kubectl get configmap -n kubeedge tunnelport -o json > tunnelport.json\n  \
kubectl get nodes -o json | edge-check cluster --tunnelport tunnelport.json")]
    Cluster {
        /// The nodes; - is standard input
        #[arg(value_name = "FILE", default_value = "-")]
        file: PathBuf,

        /// The config map in which cloudcores record their ports, kubeedge/tunnelport; - is standard input
        #[arg(long, value_name = "FILE")]
        tunnelport: Option<PathBuf>,
    },

    /// Run the checks of all utilities on this host: one line each, and the worst exit code
    ///
    /// Runs the installed programs, all at once, each if what it checks is on this host. With --json their records are
    /// merged, each with the field utility. Its limit is --timeout, and not the 3 seconds of the other checks.
    #[command(
        after_help = "Examples:\n  edge-check host\n  edge-check host --json | jq 'select(.type == \"finding\")'"
    )]
    Host {
        /// Seconds until a program that has not ended is reported and ended
        #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = value_parser!(u64).range(1..=600))]
        timeout: u64,
    },
}
