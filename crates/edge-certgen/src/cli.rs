//! The command line: types and help, no logic.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use edge_host::{Common, UndoArgs};

use crate::key::Algorithm;

/// Make and check the certificates of KubeEdge's cloud side
///
/// Writes the files that certgen.sh writes, where it writes them, in the forms that cloudcore loads.
/// What is there and good is kept; a renewal keeps the key; nothing else is touched.
#[derive(Debug, Parser)]
#[command(
    name = "edge-certgen",
    version,
    help_expected = true,
    subcommand_required = true,
    arg_required_else_help = true
)]
#[command(after_help = "\
Variables of certgen.sh that count where an option is not given:
  CLOUDCOREIPS, CLOUDCORE_DOMAINS  --ip, --dns (space separated)
  CA_PATH, CERT_PATH               --ca-dir, --cert-dir
  K8SCA_FILE, K8SCA_KEY_FILE       --ca, --ca-key of stream
  SUBJECT                          --subject
  KEY_TYPE                         ec: ecdsa-p256

Exit codes: 0 done; 1 could not be done; 2 usage; 3 a dry run found changes, or verify found faults; \
4 refused, nothing touched; 5 interrupted, run again.")]
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
#[command(next_help_heading = "Options of edge-certgen")]
#[allow(clippy::struct_excessive_bools, reason = "command-line flags")]
pub struct Options {
    /// Certificate of the CA that signs, a file of yours. Default for stream: the cluster's CA,
    /// found where kubeadm, k3s, RKE2, k0s and MicroK8s keep it; for server and edge: rootCA.crt
    #[arg(long, value_name = "FILE", global = true)]
    pub ca: Option<PathBuf>,

    /// Private key of that CA, a file of yours; - reads it from standard input
    #[arg(long, value_name = "FILE", global = true)]
    pub ca_key: Option<PathBuf>,

    /// Where streamCA.crt and rootCA are [default: /etc/kubeedge/ca]
    #[arg(long, value_name = "DIR", global = true)]
    pub ca_dir: Option<PathBuf>,

    /// Where stream, server and edge are [default: /etc/kubeedge/certs]
    #[arg(long, value_name = "DIR", global = true)]
    pub cert_dir: Option<PathBuf>,

    /// Subject of a new certificate, as openssl takes it: /O=KubeEdge/CN=name. Default: certgen.sh's
    #[arg(long, value_name = "SUBJECT", global = true)]
    pub subject: Option<String>,

    /// How many days a new certificate is good for [default: 825; ca: 3650]
    #[arg(long, value_name = "N", global = true, value_parser = clap::value_parser!(u32).range(1..=36500))]
    pub days: Option<u32>,

    /// Kind of a new key [default: ecdsa-p256]
    #[arg(long, value_name = "TYPE", global = true)]
    pub key_type: Option<KeyType>,

    /// Use this private key of yours instead of making one; - reads it from standard input
    #[arg(long, value_name = "FILE", global = true, conflicts_with = "new_key")]
    pub key: Option<PathBuf>,

    /// Make a new key where a new certificate is made, even if the one that is there could stay
    #[arg(long, global = true)]
    pub new_key: bool,

    /// Make a new certificate when the old one has this many days left, or fewer [default: 30, or a
    /// third of --days where that is less]
    #[arg(long, value_name = "DAYS", global = true)]
    pub renew_before: Option<u32>,

    /// Make a new certificate although the one that is there is good
    #[arg(long, global = true)]
    pub force: bool,
}

/// The verbs.
#[derive(Debug, Clone, Subcommand)]
pub enum Verb {
    /// The pair of cloudcore's stream server, signed by the cluster's CA, and a copy of that CA
    ///
    /// Writes streamCA.crt, stream.key and stream.crt.
    #[command(after_help = "Example:\n  edge-certgen stream --ip 192.0.2.1 --dns cloud.example.com")]
    Stream(Names),

    /// The hub's own CA: rootCA.key and rootCA.crt
    ///
    /// cloudcore makes one itself where these are not there, and most clusters leave it to that.
    #[command(after_help = "Example:\n  edge-certgen ca")]
    Ca,

    /// The pair of cloudcore's hub and tunnel, signed by rootCA, which is made if it is not there
    #[command(after_help = "Example:\n  edge-certgen server --ip 192.0.2.1")]
    Server(Names),

    /// The pair of an edge node, signed by rootCA, which is made if it is not there
    ///
    /// With --node-name the subject is the one that KubeEdge 1.16 and later ask for.
    #[command(after_help = "Example:\n  edge-certgen edge --node-name edge-1")]
    Edge(Names),

    /// Find what cloudcore, an apiserver or an edge node would stumble over; exit 3 if there is anything
    ///
    /// Keys, chains, names, ends, forms and modes; the names are those given or those in cloudcore.yaml.
    #[command(after_help = "Example:\n  edge-certgen verify --json")]
    Verify {
        /// What to look at
        #[arg(value_name = "WHAT", default_value = "all")]
        what: VerifyTarget,

        /// The names it must have.
        #[command(flatten)]
        names: Names,
    },

    /// Show certificates and keys, and which belong together
    #[command(after_help = "Example:\n  edge-certgen show /etc/kubeedge/certs/stream.*")]
    Show {
        /// PEM files; - is standard input
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
    },

    /// Print a pair as the Secret that a program mounts
    ///
    /// cloudcore: rootCA.crt, edge.crt, edge.key. chart: the stream pair for the Helm chart.
    /// metaserver: the stream pair under the names that EdgeMesh wants.
    #[command(after_help = "Example:\n  edge-certgen secret chart | kubectl apply -f -")]
    Secret {
        /// For which program
        #[arg(value_name = "SHAPE")]
        shape: Shape,

        /// Namespace of the Secret
        #[arg(long, value_name = "NAME", default_value = "kubeedge")]
        namespace: String,
    },

    /// As certgen.sh: a pair of any name in the certificate directory, signed by rootCA
    #[command(name = "genCertAndKey", after_help = "Example:\n  edge-certgen genCertAndKey server 192.0.2.1")]
    GenCertAndKey {
        /// Name of the files, without .crt and .key
        #[arg(value_name = "NAME")]
        name: String,

        /// Addresses in it, besides 127.0.0.1
        #[arg(value_name = "IP")]
        addresses: Vec<String>,
    },

    /// As certgen.sh: make the edge pair if need be, then print `secret cloudcore`
    #[command(name = "buildSecret", after_help = "Example:\n  edge-certgen buildSecret | kubectl apply -f -")]
    BuildSecret,

    /// Take the newest run back; with --id another one
    #[command(after_help = "Example:\n  edge-certgen undo")]
    Undo(UndoArgs),
}

/// Names that a certificate is good for. Without any: those of the certificate that is there.
#[derive(Debug, Clone, Default, Args)]
pub struct Names {
    /// Address that clients of cloudcore use; may be repeated or a list with commas
    #[arg(long, value_name = "IP")]
    pub ip: Vec<String>,

    /// Name that they use; may be repeated or a list with commas
    #[arg(long, value_name = "NAME")]
    pub dns: Vec<String>,

    /// Address of an edge node: needed where the apiserver has --kubelet-certificate-authority (k3s)
    #[arg(long, value_name = "IP")]
    pub node_ip: Vec<String>,

    /// Name of an edge node: the same
    #[arg(long, value_name = "NAME")]
    pub node_name: Vec<String>,
}

/// What is verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum VerifyTarget {
    /// The stream pair and streamCA.crt.
    Stream,
    /// rootCA.
    Ca,
    /// The server pair.
    Server,
    /// The edge pair.
    Edge,
    /// All that are there.
    All,
}

/// The shape of a Secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shape {
    /// cloudcore from the deployment manifests.
    Cloudcore,
    /// cloudcore from the Helm chart.
    Chart,
    /// EdgeMesh's metaServer certificates.
    Metaserver,
}

/// The kind of a new key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum KeyType {
    /// ECDSA on P-256, which everything takes.
    EcdsaP256,
    /// ECDSA on P-384.
    EcdsaP384,
    /// Ed25519; not for a CA, and not every client takes it.
    Ed25519,
}

impl KeyType {
    /// The same as keys have it.
    pub fn algorithm(self) -> Algorithm {
        match self {
            KeyType::EcdsaP256 => Algorithm::EcdsaP256,
            KeyType::EcdsaP384 => Algorithm::EcdsaP384,
            KeyType::Ed25519 => Algorithm::Ed25519,
        }
    }
}
