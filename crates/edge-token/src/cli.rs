//! The command line: types and help, no logic.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use edge_host::{Common, UndoArgs};

/// Read tokens, hash CA certificates, render service accounts, and copy a kubeconfig to a user
///
/// Connects to no cluster: it reads what kubectl prints, and prints what kubectl applies. A token is printed only with
/// `read --print`.
#[derive(Debug, Parser)]
#[command(
    name = "edge-token",
    version,
    help_expected = true,
    subcommand_required = true,
    arg_required_else_help = true
)]
#[command(
    after_help = "Exit codes: 0 done; 1 could not be done; 2 usage; 3 a dry run found changes, or what was read has \
expired; 4 refused; 5 interrupted."
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
    /// Describe a token, a Secret with one, or a kubeconfig; exit 3 if it has expired
    ///
    /// Knows tokens of KubeEdge, service-account and bootstrap tokens, other JWTs, Secrets and Lists of them in JSON or
    /// YAML, and kubeconfigs: the kind, for whom it is, until when, and which CA belongs to it. Signatures are not checked.
    #[command(after_help = "Examples:\n  \
kubectl get secret -n kubeedge tokensecret -o json | edge-token read\n  \
kubectl get secret -n kubeedge tokensecret -o json | edge-token read --print\n  \
edge-token read /etc/kubernetes/admin.conf")]
    Read {
        /// The token, Secret or kubeconfig; - is standard input
        #[arg(value_name = "FILE", default_value = "-")]
        file: PathBuf,

        /// Print the token, and nothing else on standard output
        #[arg(long)]
        print: bool,
    },

    /// Print the hash of the public key of each CA certificate, for kubeadm join
    ///
    /// One line `sha256:HEX` for each certificate of the bundle, whatever the type of its key.
    #[command(after_help = "Example:\n  \
kubeadm join 192.0.2.1:6443 --token TOKEN --discovery-token-ca-cert-hash \"$(edge-token ca-hash)\"")]
    CaHash {
        /// The certificates; - is standard input [default: /etc/kubernetes/pki/ca.crt, below --root]
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },

    /// Print the manifests of a service account and what it may do, for kubectl apply
    #[command(after_help = "Examples:\n  \
edge-token account k8sadmin -n kube-system --cluster-role cluster-admin | kubectl apply -f -\n  \
edge-token account ci -n build --role deployer --long-lived | kubectl apply -f -")]
    Account(AccountArgs),

    /// Copy the access to one cluster into the kubeconfig of a user
    ///
    /// Adds one cluster, user and context to ~/.kube/config; everything else in it stays as it is. The file belongs to the
    /// user and has mode 0600. A second call renews a client certificate that has expired.
    #[command(after_help = "Example:\n  edge-token kubeconfig --user ubuntu")]
    Kubeconfig(KubeconfigArgs),

    /// Undo a run: remove the entries that it has added
    Undo(UndoArgs),
}

/// A service account.
#[derive(Debug, Clone, Args)]
pub struct AccountArgs {
    /// The name of the service account
    #[arg(value_name = "NAME")]
    pub name: String,

    /// The namespace of the service account
    #[arg(short = 'n', long, value_name = "NAMESPACE", default_value = "default")]
    pub namespace: String,

    /// A ClusterRole that it gets in all namespaces; may be repeated or separated by commas
    #[arg(long = "cluster-role", value_name = "ROLE", value_delimiter = ',', required_unless_present = "roles")]
    pub cluster_roles: Vec<String>,

    /// A Role of its namespace that it gets; may be repeated or separated by commas
    #[arg(long = "role", value_name = "ROLE", value_delimiter = ',')]
    pub roles: Vec<String>,

    /// Add a Secret with a token that does not expire; Kubernetes 1.24 and later make none by themselves
    #[arg(long)]
    pub long_lived: bool,

    /// Accepted as for other verbs; account changes nothing (-n is the namespace here, as for kubectl)
    #[arg(long)]
    pub dry_run: bool,
}

/// A kubeconfig of a user.
#[derive(Debug, Clone, Args)]
pub struct KubeconfigArgs {
    /// The kubeconfig with the access that is copied; - is standard input [default: /etc/kubernetes/admin.conf, below --root]
    #[arg(long, value_name = "FILE")]
    pub from: Option<PathBuf>,

    /// The user who gets it
    #[arg(long, value_name = "USER")]
    pub user: String,

    /// The context of FILE that is copied [default: its current context, or its only one]
    #[arg(long, value_name = "CONTEXT")]
    pub context: Option<String>,

    /// The name of the cluster, user and context in the user's file [default: as in FILE]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
}
