//! The command line: types and help, no logic.

use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{ArgGroup, Args, Parser, Subcommand};
use edge_host::{Arch, Common, UndoArgs};
use ipnet::IpNet;

use crate::version::{Cni, Release};

/// Build, install, configure and check CNI plugins
///
/// Plugins are built from the Go module, which the module checksum database verifies, or come from a
/// release archive with a known checksum. Each change can be undone.
#[derive(Debug, Parser)]
#[command(name = "edge-cni", version, help_expected = true, subcommand_required = true, arg_required_else_help = true)]
#[command(
    after_help = "Exit codes: 0 done; 1 could not be done; 2 usage; 3 a dry run found changes, or check found problems; \
4 refused, nothing changed; 5 interrupted, run again to resume."
)]
pub struct Cli {
    /// The options of every utility.
    #[command(flatten)]
    pub common: Common,

    /// The verb.
    #[command(subcommand)]
    pub verb: Verb,
}

/// The verbs.
#[derive(Debug, Clone, Subcommand)]
pub enum Verb {
    /// Build plugins from the Go module or a checkout; changes nothing on the host
    ///
    /// All plugins are built by one go command, statically linked and stripped, with their version set. Go
    /// runs with the rights, the PATH and the module cache of the user who called sudo. Its compilers use up
    /// to half of the free memory, unless GOGC or GOMEMLIMIT is set in the environment.
    #[command(after_help = "Examples:\n  edge-cni build --version v1.9.1 --out ./plugins\n  \
edge-cni build --version v1.9.1 --arch arm64 --plugins bridge,host-local,loopback,portmap --out ./arm64")]
    Build(BuildArgs),

    /// Install plugins from a build, a release archive, or a folder of either
    ///
    /// Each plugin is replaced atomically, even while it is running, and is owned by root with mode 0755.
    /// Other plugins are kept.
    #[command(after_help = "Examples:\n  edge-cni install --from-build ./plugins\n  \
edge-cni install --archive cni-plugins-linux-arm64-v1.9.1.tgz\n  edge-cni --root /mnt/image install --offline /media/usb")]
    Install(InstallArgs),

    /// Write a network configuration
    #[command(subcommand, arg_required_else_help = true)]
    Conf(Conf),

    /// Check the network configurations and plugins; exit 3 if there are problems
    ///
    /// Compares each configuration with the plugins that it names, their daemons and the runtimes of the host, and its
    /// address ranges with leases, routes and other networks. Where CRI-O is configured, its directories and its default
    /// network apply.
    #[command(after_help = "Examples:\n  edge-cni check\n  edge-cni check --live")]
    Check(CheckArgs),

    /// Remove the plugins and networks that edge-cni installed, unless they were changed since
    #[command(after_help = "Example:\n  edge-cni remove -n")]
    Remove,

    /// Undo the newest run; with --id, another one
    #[command(after_help = "Example:\n  edge-cni undo")]
    Undo(UndoArgs),
}

/// Options of build.
#[derive(Debug, Clone, Args)]
pub struct BuildArgs {
    /// The release, such as v1.9.1, which is also set as the version of the plugins
    #[arg(long = "version", value_name = "V")]
    pub release: Release,

    /// Architecture that the plugins run on [default: that of this machine]
    #[arg(long, value_parser = crate::request::target())]
    pub arch: Option<Arch>,

    /// Source: `module`, or the path of a checkout with a vendor directory
    #[arg(long, value_name = "module|DIR", default_value = "module")]
    pub from: PathBuf,

    /// Plugins to build, separated by commas [default: all of the release]
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = NonEmptyStringValueParser::new())]
    pub plugins: Vec<String>,

    /// Directory for the plugins and their manifest; an earlier build in it is replaced
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,

    /// The go command [default: the first one on the PATH or in the usual places that is new enough]
    #[arg(long, value_name = "PROGRAM")]
    pub go: Option<PathBuf>,
}

/// Options of install.
#[derive(Debug, Clone, Args)]
#[command(group(ArgGroup::new("source").required(true).args(["from_build", "archive", "offline"])))]
pub struct InstallArgs {
    /// Directory of a build of `edge-cni build`
    #[arg(long, value_name = "DIR")]
    pub from_build: Option<PathBuf>,

    /// Release archive (.tgz), verified by its checksum
    #[arg(long, value_name = "FILE")]
    pub archive: Option<PathBuf>,

    /// SHA-256 of the archive; not needed for known releases
    #[arg(long, value_name = "SUM", conflicts_with_all = ["from_build", "offline"])]
    pub sha256: Option<String>,

    /// Folder of builds or release archives, of which the newest for this machine is installed. A file ARCHIVE.sha256
    /// beside an archive only detects a damaged copy; to verify its origin, use --archive with --sha256
    #[arg(long, value_name = "DIR")]
    pub offline: Option<PathBuf>,

    /// Directory of the plugins
    #[arg(long, value_name = "DIR", default_value = crate::plugin::BIN_DIR)]
    pub bin_dir: PathBuf,
}

/// The kinds of networks.
#[derive(Debug, Clone, Subcommand)]
pub enum Conf {
    /// Write a network of pods on a bridge of this host, with masquerading
    ///
    /// It has the newest CNI version that the installed plugins and runtimes support. A subnet that overlaps
    /// a route of the host or another configuration is refused.
    #[command(after_help = "Examples:\n  edge-cni conf bridge --subnet 10.85.0.0/16\n  \
edge-cni conf bridge --subnet 10.85.0.0/16 --subnet fd00:85::/64 --out -")]
    Bridge(BridgeArgs),
}

/// Options of conf bridge.
#[derive(Debug, Clone, Args)]
pub struct BridgeArgs {
    /// Subnet of the pods; use it twice for IPv4 and IPv6
    #[arg(long = "subnet", value_name = "CIDR", required = true, value_parser = crate::request::subnet)]
    pub subnets: Vec<IpNet>,

    /// Name of the network, and part of the file's name
    #[arg(long, value_name = "NAME", default_value = "edgeutils")]
    pub name: String,

    /// Write to this file, or to standard output (-), instead of /etc/cni/net.d/10-NAME.conflist
    #[arg(long, value_name = "FILE|-")]
    pub out: Option<PathBuf>,

    /// CNI version of the network [default: the newest that plugins and runtimes support]
    #[arg(long, value_name = "V")]
    pub cni_version: Option<Cni>,

    /// Directory of the plugins
    #[arg(long, value_name = "DIR", default_value = crate::plugin::BIN_DIR)]
    pub bin_dir: PathBuf,
}

/// Options of check.
#[derive(Debug, Clone, Args)]
pub struct CheckArgs {
    /// Directory of the plugins [default: plugin_dirs of CRI-O, or /opt/cni/bin]
    #[arg(long, value_name = "DIR")]
    pub bin_dir: Option<PathBuf>,

    /// Directory of the network configurations [default: network_dir of CRI-O, or /etc/cni/net.d]
    #[arg(long, value_name = "DIR")]
    pub conf_dir: Option<PathBuf>,

    /// Also add, check and remove the network of a pod, in private namespaces that leave nothing behind
    #[arg(long)]
    pub live: bool,
}
