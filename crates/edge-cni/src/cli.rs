//! The command line: types and help, no logic.

use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{ArgGroup, Args, Parser, Subcommand};
use edge_host::{Arch, Common, UndoArgs};
use ipnet::IpNet;

use crate::version::{Cni, Release};

/// Build, install, configure and check CNI plugins
///
/// Plugins are built from the Go module, so that the module checksum database vouches for them, or
/// come from a release archive of a known checksum. A second run changes nothing, and undo brings
/// back what was.
#[derive(Debug, Parser)]
#[command(name = "edge-cni", version, help_expected = true, subcommand_required = true, arg_required_else_help = true)]
#[command(
    after_help = "Exit codes: 0 done; 1 could not be done; 2 usage; 3 a dry run found changes, or check found faults; \
4 refused, nothing touched; 5 interrupted, run again."
)]
pub struct Cli {
    /// What every utility has.
    #[command(flatten)]
    pub common: Common,

    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// The verbs.
#[derive(Debug, Clone, Subcommand)]
pub enum Verb {
    /// Build plugins from the Go module or a checked-out folder; changes nothing on the host
    ///
    /// Static, trimmed and stripped, with the version stamped in, by one go invocation for all. Go
    /// runs with the rights, the PATH and the module cache of the user who called sudo, and its compilers
    /// may fill half of the memory that is free; GOGC or GOMEMLIMIT in the environment say otherwise.
    #[command(after_help = "Examples:\n  edge-cni build --version v1.9.1 --out ./plugins\n  \
edge-cni build --version v1.9.1 --arch arm64 --plugins bridge,host-local,loopback,portmap --out ./arm64")]
    Build(BuildArgs),

    /// Put plugins in place: from a build, a release archive, or a folder of either
    ///
    /// Each is replaced by a rename, so that one in use is no obstacle, and belongs to root, mode
    /// 0755. Other plugins there stay.
    #[command(after_help = "Examples:\n  edge-cni install --from-build ./plugins\n  \
edge-cni install --archive cni-plugins-linux-arm64-v1.9.1.tgz\n  edge-cni --root /mnt/image install --offline /media/usb")]
    Install(InstallArgs),

    /// Write a network configuration
    #[command(subcommand, arg_required_else_help = true)]
    Conf(Conf),

    /// Find what keeps the network from being ready; exit 3 if anything does
    ///
    /// Each configuration is held against each plugin that it names, its address ranges against the
    /// leases, the routes and the other configurations.
    #[command(after_help = "Examples:\n  edge-cni check\n  edge-cni check --live")]
    Check(CheckArgs),

    /// Remove what edge-cni installed and wrote here, as far as it is still as it was left
    #[command(after_help = "Example:\n  edge-cni remove -n")]
    Remove,

    /// Take the newest run back; with --id another one
    #[command(after_help = "Example:\n  edge-cni undo")]
    Undo(UndoArgs),
}

/// What to build.
#[derive(Debug, Clone, Args)]
pub struct BuildArgs {
    /// The release, such as v1.9.1; it is also stamped into the plugins
    #[arg(long = "version", value_name = "V")]
    pub release: Release,

    /// What the plugins shall run on [default: this machine]
    #[arg(long, value_parser = crate::request::target())]
    pub arch: Option<Arch>,

    /// Where the source comes from: `module`, or a checked-out folder with its vendor directory
    #[arg(long, value_name = "module|DIR", default_value = "module")]
    pub from: PathBuf,

    /// Build these only, separated by commas [default: all of the release]
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = NonEmptyStringValueParser::new())]
    pub plugins: Vec<String>,

    /// Where the plugins and their manifest go; an earlier build there is replaced
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,

    /// The go command to use [default: the first new enough one on the PATH and in the usual places]
    #[arg(long, value_name = "PROGRAM")]
    pub go: Option<PathBuf>,
}

/// Where plugins come from and go to.
#[derive(Debug, Clone, Args)]
#[command(group(ArgGroup::new("source").required(true).args(["from_build", "archive", "offline"])))]
pub struct InstallArgs {
    /// What `edge-cni build` made
    #[arg(long, value_name = "DIR")]
    pub from_build: Option<PathBuf>,

    /// A release archive (.tgz), verified by its checksum
    #[arg(long, value_name = "FILE")]
    pub archive: Option<PathBuf>,

    /// The archive's SHA-256; not needed for the releases that are known
    #[arg(long, value_name = "H", conflicts_with_all = ["from_build", "offline"])]
    pub sha256: Option<String>,

    /// A folder of builds or archives for several machines; the newest for this one is taken. A file ARCHIVE.sha256
    /// beside an archive finds a damaged copy and is not a proof: for that, --archive with --sha256
    #[arg(long, value_name = "DIR")]
    pub offline: Option<PathBuf>,

    /// Where plugins stand
    #[arg(long, value_name = "DIR", default_value = crate::plugin::BIN_DIR)]
    pub bin_dir: PathBuf,
}

/// The kinds of network.
#[derive(Debug, Clone, Subcommand)]
pub enum Conf {
    /// Pods on a bridge of this host, with addresses of their own and masquerading
    ///
    /// In the newest version that the installed plugins read, and the runtime that is installed. A subnet
    /// that overlaps a route of the host or another configuration is refused.
    #[command(after_help = "Examples:\n  edge-cni conf bridge --subnet 10.85.0.0/16\n  \
edge-cni conf bridge --subnet 10.85.0.0/16 --subnet fd00:85::/64 --out -")]
    Bridge(BridgeArgs),
}

/// What the network is like.
#[derive(Debug, Clone, Args)]
pub struct BridgeArgs {
    /// The pods' addresses; once for IPv4, once for IPv6, or both
    #[arg(long = "subnet", value_name = "CIDR", required = true, value_parser = crate::request::subnet)]
    pub subnets: Vec<IpNet>,

    /// The network's name; the file is named after it
    #[arg(long, value_name = "N", default_value = "edgeutils")]
    pub name: String,

    /// Write it here, or to standard output (-), and change nothing on the host [default: /etc/cni/net.d/10-N.conflist]
    #[arg(long, value_name = "FILE|-")]
    pub out: Option<PathBuf>,

    /// Write this version [default: the newest that the plugins, and CRI-O and containerd if they are here, read]
    #[arg(long, value_name = "V")]
    pub cni_version: Option<Cni>,

    /// Where plugins stand
    #[arg(long, value_name = "DIR", default_value = crate::plugin::BIN_DIR)]
    pub bin_dir: PathBuf,
}

/// What to check.
#[derive(Debug, Clone, Args)]
pub struct CheckArgs {
    /// Where plugins stand
    #[arg(long, value_name = "DIR", default_value = crate::plugin::BIN_DIR)]
    pub bin_dir: PathBuf,

    /// Where network configurations stand
    #[arg(long, value_name = "DIR", default_value = crate::conflist::CONF_DIR)]
    pub conf_dir: PathBuf,

    /// Also add, check and remove a pod's network, in namespaces of its own that leave nothing
    #[arg(long)]
    pub live: bool,
}
