//! The command line: types and help, no logic.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use edge_host::{Common, UndoArgs};
use edge_pki::key::Algorithm;

/// Make and check the certificates of KubeEdge's cloud side
///
/// Replaces certgen.sh: writes the same files, in the formats that cloudcore loads.
/// Valid certificates are kept, and a renewal keeps the private key.
#[derive(Debug, Parser)]
#[command(
    name = "edge-certgen",
    version,
    help_expected = true,
    subcommand_required = true,
    arg_required_else_help = true
)]
#[command(after_help = "\
Variables of certgen.sh, used where the option is not given:
  CLOUDCOREIPS, CLOUDCORE_DOMAINS  --ip, --dns (separated by spaces)
  CA_PATH, CERT_PATH               --ca-dir, --cert-dir
  K8SCA_FILE, K8SCA_KEY_FILE       --ca, --ca-key of stream
  SUBJECT                          --subject
  KEY_TYPE                         --key-type (only ec)

Exit codes: 0 done; 1 could not be done; 2 usage; 3 a dry run found changes, or check found problems; \
4 refused, nothing changed; 5 interrupted, run again to resume.")]
pub struct Cli {
    /// The options of every utility.
    #[command(flatten)]
    pub common: Common,

    /// The options of all verbs.
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
    /// Certificate of the CA that signs, path to an existing file. Default for stream: the CA of the
    /// cluster, where kubeadm, k3s, RKE2, k0s and MicroK8s keep it; for server and edge: rootCA.crt
    #[arg(long, value_name = "FILE", global = true)]
    pub ca: Option<PathBuf>,

    /// Private key of that CA, path to an existing file; - reads it from standard input
    #[arg(long, value_name = "FILE", global = true)]
    pub ca_key: Option<PathBuf>,

    /// Directory of streamCA.crt, rootCA.crt and rootCA.key [default: /etc/kubeedge/ca]
    #[arg(long, value_name = "DIR", global = true)]
    pub ca_dir: Option<PathBuf>,

    /// Directory of the other certificates and private keys [default: /etc/kubeedge/certs]
    #[arg(long, value_name = "DIR", global = true)]
    pub cert_dir: Option<PathBuf>,

    /// Subject of a new certificate, in the format of openssl: /O=KubeEdge/CN=name. Default: as certgen.sh
    #[arg(long, value_name = "SUBJECT", global = true)]
    pub subject: Option<String>,

    /// How many days a new certificate is valid [default: 825; ca: 3650]
    #[arg(long, value_name = "N", global = true, value_parser = clap::value_parser!(u32).range(1..=36500))]
    pub days: Option<u32>,

    /// Type of a new private key [default: ecdsa-p256]
    #[arg(long, value_name = "TYPE", global = true)]
    pub key_type: Option<KeyType>,

    /// Use this private key, path to an existing file; - reads it from standard input
    #[arg(long, value_name = "FILE", global = true, conflicts_with = "new_key")]
    pub key: Option<PathBuf>,

    /// Make a new private key together with a new certificate; without it the existing one is kept
    #[arg(long, global = true)]
    pub new_key: bool,

    /// Renew a certificate that expires in this many days or fewer [default: 30, or a third of --days
    /// if that is less]
    #[arg(long, value_name = "DAYS", global = true)]
    pub renew_before: Option<u32>,

    /// Make a new certificate even if the existing one is valid
    #[arg(long, global = true)]
    pub force: bool,
}

/// The verbs.
#[derive(Debug, Clone, Subcommand)]
pub enum Verb {
    /// Make the key pair of cloudcore's stream server, signed by the CA of the cluster
    ///
    /// Writes streamCA.crt (a copy of that CA), stream.key and stream.crt. Without --ip and --dns: those of the
    /// existing certificate and those that cloudcore.yaml advertises, and the edge nodes that are given.
    #[command(
        after_help = "Examples:\n  edge-certgen stream --ip 192.0.2.1 --dns cloud.example.com\n  edge-certgen stream"
    )]
    Stream(Names),

    /// Make the CA of cloudcore's hub: rootCA.key and rootCA.crt
    ///
    /// Rarely needed: cloudcore makes it at its first start.
    #[command(after_help = "Example:\n  edge-certgen ca")]
    Ca,

    /// Make the key pair of cloudcore's hub and tunnel, signed by rootCA, which is made if missing
    ///
    /// Without --ip and --dns: those of the existing certificate and those that cloudcore.yaml advertises, and the
    /// edge nodes that are given.
    #[command(after_help = "Example:\n  edge-certgen server --ip 192.0.2.1")]
    Server(Names),

    /// Make the key pair of an edge node, signed by rootCA, which is made if missing
    ///
    /// With --node-name the subject is the one that KubeEdge 1.16 and later require.
    #[command(after_help = "Example:\n  edge-certgen edge --node-name edge-1")]
    Edge(Names),

    /// Check private keys, certificates and chains; exit 3 if there are problems
    ///
    /// Key pairs, chains, SANs, usages, expiry, key formats and file modes. The SANs must include the names that
    /// are given, or else those in cloudcore.yaml. The stream certificate must be accepted by the apiserver of this
    /// host, and streamCA.crt must be the present CA of its cluster. On an edge node, the node's own pair is checked.
    #[command(visible_alias = "verify", after_help = "Example:\n  edge-certgen check --json")]
    Check {
        /// What to check
        #[arg(value_name = "WHAT", default_value = "all")]
        what: CheckTarget,

        /// The SANs that it must have.
        #[command(flatten)]
        names: Names,
    },

    /// Show certificates and private keys, and which ones match
    #[command(after_help = "Example:\n  edge-certgen show /etc/kubeedge/certs/stream.*")]
    Show {
        /// PEM files; - is standard input
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
    },

    /// Print a key pair as the Secret that a program mounts
    ///
    /// cloudcore: rootCA.crt, edge.crt and edge.key. chart: the stream key pair, for the Helm chart.
    /// metaserver: the stream key pair, for EdgeMesh.
    #[command(after_help = "Example:\n  edge-certgen secret chart | kubectl apply -f -")]
    Secret {
        /// Program that mounts it
        #[arg(value_name = "SHAPE")]
        shape: Shape,

        /// Namespace of the Secret
        #[arg(long, value_name = "NAME", default_value = "kubeedge")]
        namespace: String,
    },

    /// As in certgen.sh: make a key pair with any name, signed by rootCA, for servers and clients
    #[command(name = "genCertAndKey", after_help = "Example:\n  edge-certgen genCertAndKey server 192.0.2.1")]
    GenCertAndKey {
        /// Name of the files, without .crt and .key
        #[arg(value_name = "NAME")]
        name: String,

        /// Addresses that clients connect to, in addition to 127.0.0.1
        #[arg(value_name = "IP")]
        addresses: Vec<String>,
    },

    /// As in certgen.sh: make the edge key pair if needed, then print `secret cloudcore`
    #[command(name = "buildSecret", after_help = "Example:\n  edge-certgen buildSecret | kubectl apply -f -")]
    BuildSecret,

    /// Undo the newest run; with --id, another one
    #[command(after_help = "Example:\n  edge-certgen undo")]
    Undo(UndoArgs),
}

/// The SANs of a certificate.
#[derive(Debug, Clone, Default, Args)]
pub struct Names {
    /// Address that clients connect to; may be repeated or separated by commas
    #[arg(long, value_name = "IP")]
    pub ip: Vec<String>,

    /// Name that clients connect to; may be repeated or separated by commas
    #[arg(long, value_name = "NAME")]
    pub dns: Vec<String>,

    /// Address of an edge node: needed if the apiserver has --kubelet-certificate-authority (k3s)
    #[arg(long, value_name = "IP")]
    pub node_ip: Vec<String>,

    /// Name of an edge node: needed in the same case
    #[arg(long, value_name = "NAME")]
    pub node_name: Vec<String>,
}

/// What is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CheckTarget {
    /// The stream key pair and streamCA.crt.
    Stream,
    /// rootCA.
    Ca,
    /// The server key pair.
    Server,
    /// The edge key pair.
    Edge,
    /// All that exist.
    All,
}

/// The program that mounts a Secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shape {
    /// cloudcore from the deployment manifests.
    Cloudcore,
    /// cloudcore from the Helm chart.
    Chart,
    /// EdgeMesh's metaServer certificates.
    Metaserver,
}

/// The type of a new private key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum KeyType {
    /// ECDSA on P-256, which every client supports.
    EcdsaP256,
    /// ECDSA on P-384.
    EcdsaP384,
    /// Ed25519; not for a CA, and not supported by every client.
    Ed25519,
}

impl KeyType {
    /// The algorithm of the key.
    pub fn algorithm(self) -> Algorithm {
        match self {
            KeyType::EcdsaP256 => Algorithm::EcdsaP256,
            KeyType::EcdsaP384 => Algorithm::EcdsaP384,
            KeyType::Ed25519 => Algorithm::Ed25519,
        }
    }
}
