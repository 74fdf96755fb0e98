//! The command line: types and help, no logic.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use edge_host::{Arch, Common, UndoArgs};

use crate::config::{Driver, Mirror};
use crate::version::{KubeEdge, Version};

/// Install CRI-O, and check that it works
///
/// Finds a source of the requested version for this system, or explains why there is none and what to use
/// instead. Configures CRI-O in a drop-in file, starts it, queries it over the CRI, and reports the cause of
/// a failure.
#[derive(Debug, Parser)]
#[command(name = "edge-crio", version, help_expected = true, subcommand_required = true, arg_required_else_help = true)]
#[command(after_help = "Exit codes: 0 done; 1 could not be done; 2 usage; 3 a dry run found changes, or check found \
problems; 4 refused, nothing changed; 5 interrupted, run again to resume.")]
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
    /// Show where a version is available for this system, or why it is not and what to use instead
    #[command(after_help = "Example:\n  edge-crio resolve --version 1.34 --kubeedge-version 1.23")]
    Resolve(ResolveArgs),

    /// Install, configure and start CRI-O, and query it over the CRI
    ///
    /// Run it again with other options to change only those settings. A running CRI-O is restarted if its
    /// configuration or version has changed; containers keep running. Another minor version, newer or older, removes all
    /// containers when it starts: it is refused while containers run, unless with --yes.
    #[command(after_help = "Examples:\n  edge-crio install --version 1.34 --hold\n  \
edge-crio install --version 1.34.2 --source bundle --cgroup-driver cgroupfs\n  \
edge-crio install --version 1.34.2 --offline /media/usb")]
    Install(Box<InstallArgs>),

    /// Download a bundle for another machine, with its checksum in SHA256SUMS for `install --offline`
    ///
    /// Uses the proxy from the environment (HTTPS_PROXY, ALL_PROXY, NO_PROXY), if there is one.
    #[command(after_help = "Example:\n  edge-crio download --version 1.34 --arch arm64 --to /media/usb")]
    Download(DownloadArgs),

    /// Check CRI-O, its configuration, its network and what uses it; exit 3 if there are problems
    #[command(after_help = "Example:\n  edge-crio check")]
    Check,

    /// Print the socket and cgroup driver for `edge-conf enable crio -`, or flags for `keadm join`
    #[command(after_help = "Examples:\n  edge-crio settings | edge-conf enable crio -\n  \
keadm join … $(edge-crio settings --format keadm --kubeedge-version 1.23)")]
    Settings(SettingsArgs),

    /// Remove CRI-O and everything that edge-crio installed; refused while containers run, unless with --yes
    ///
    /// Images and volumes in /var/lib/containers are kept. `undo` restores what was removed.
    #[command(after_help = "Example:\n  edge-crio remove")]
    Remove(RemoveArgs),

    /// Undo the newest run; with --id, another one; refused while containers run
    #[command(after_help = "Example:\n  edge-crio undo")]
    Undo(UndoArgs),
}

/// Mirrors of upstream's package repository and bundles.
#[derive(Debug, Clone, Args)]
pub struct MirrorArgs {
    /// Install packages from this repository; {minor} in it is replaced by the minor version, such as 1.34
    #[arg(long, value_name = "URL")]
    pub apt_mirror: Option<String>,

    /// Download bundles from this directory, or from this address if it contains {version} and {arch}
    #[arg(long, value_name = "URL")]
    pub bundle_mirror: Option<String>,
}

/// `resolve`.
#[derive(Debug, Clone, Args)]
pub struct ResolveArgs {
    /// A minor version (1.34) or one release of it (1.34.2)
    #[arg(long, value_name = "V")]
    pub version: Version,

    /// Check that this version of KubeEdge can use it
    #[arg(long, value_name = "V")]
    pub kubeedge_version: Option<KubeEdge>,

    /// Architecture of the machine [default: that of this system's programs]
    #[arg(long, value_name = "ARCH")]
    pub arch: Option<Arch>,

    /// Mirrors.
    #[command(flatten)]
    pub mirrors: MirrorArgs,
}

/// Values of `--source`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum SourceOption {
    /// Packages if there are any, else a bundle with a known checksum.
    #[default]
    Auto,
    /// Packages.
    Apt,
    /// A static bundle.
    Bundle,
}

/// `install`.
#[derive(Debug, Clone, Args)]
pub struct InstallArgs {
    /// A minor version (1.34) or one release of it (1.34.2)
    #[arg(long, value_name = "V")]
    pub version: Version,

    /// Refuse a version of CRI-O that this version of KubeEdge cannot use
    #[arg(long, value_name = "V")]
    pub kubeedge_version: Option<KubeEdge>,

    /// Where to install from
    #[arg(long, value_name = "SOURCE", default_value = "auto")]
    pub source: SourceOption,

    /// Install this bundle: a file, or an address that begins with https://
    #[arg(long, value_name = "FILE|URL", conflicts_with = "offline")]
    pub archive: Option<String>,

    /// The bundle's SHA-256; required if edge-crio does not know it
    #[arg(long, value_name = "HEX")]
    pub sha256: Option<String>,

    /// Install without a network, from a directory with a bundle or .deb files, and SHA256SUMS. SHA256SUMS only detects
    /// a damaged file: to detect a replaced one, use --sha256
    #[arg(long, value_name = "DIR")]
    pub offline: Option<PathBuf>,

    /// The cgroup driver [default: unchanged; CRI-O's own default is systemd]
    #[arg(long, value_name = "DRIVER")]
    pub cgroup_driver: Option<Driver>,

    /// The image of the pause container, for nodes that cannot reach registry.k8s.io
    #[arg(long, value_name = "REF")]
    pub pause_image: Option<String>,

    /// Pull a registry's images from this mirror first; may be repeated, in order of preference
    #[arg(long, value_name = "HOST=URL")]
    pub registry_mirror: Vec<Mirror>,

    /// A proxy for CRI-O and for this download [default for the download: HTTPS_PROXY]; - reads it from standard input,
    /// as is required if it has a password
    #[arg(long, value_name = "URL")]
    pub proxy: Option<String>,

    /// Destinations to reach without the proxy: hosts, .domains and CIDRs, separated by commas
    #[arg(long, value_name = "LIST", requires = "proxy")]
    pub no_proxy: Option<String>,

    /// Hold the package, so that apt does not upgrade it
    #[arg(long)]
    pub hold: bool,

    /// Mirrors.
    #[command(flatten)]
    pub mirrors: MirrorArgs,

    /// The key of --apt-mirror, if it is not signed with upstream's key
    #[arg(long, value_name = "FILE", requires = "fingerprint", conflicts_with = "offline")]
    pub key: Option<PathBuf>,

    /// The fingerprint of that key
    #[arg(long, value_name = "HEX")]
    pub fingerprint: Option<String>,

    /// Install another minor version although containers are running: they are stopped and removed
    #[arg(long)]
    pub yes: bool,

    /// How long to wait for CRI-O to start, and for other processes that use apt
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    pub wait: u64,
}

/// `download`.
#[derive(Debug, Clone, Args)]
pub struct DownloadArgs {
    /// A minor version (1.34) or one release of it (1.34.2)
    #[arg(long, value_name = "V")]
    pub version: Version,

    /// The architecture of the machine that the bundle is for
    #[arg(long, value_name = "ARCH")]
    pub arch: Arch,

    /// The directory to download to
    #[arg(long, value_name = "DIR")]
    pub to: PathBuf,

    /// The bundle's SHA-256; required if edge-crio does not know it
    #[arg(long, value_name = "HEX")]
    pub sha256: Option<String>,

    /// Download bundles from this directory, or from this address if it contains {version} and {arch}
    #[arg(long, value_name = "URL")]
    pub bundle_mirror: Option<String>,
}

/// What `settings` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// socket=… and cgroupDriver=…, one per line.
    #[default]
    EdgeConf,
    /// Flags on one line.
    Keadm,
}

/// `settings`.
#[derive(Debug, Clone, Args)]
pub struct SettingsArgs {
    /// The program that reads the output
    #[arg(long, value_name = "FORMAT", default_value = "edge-conf")]
    pub format: Format,

    /// The version of keadm to print flags for
    #[arg(long, value_name = "V", required_if_eq("format", "keadm"))]
    pub kubeedge_version: Option<KubeEdge>,
}

/// `remove`.
#[derive(Debug, Clone, Args)]
pub struct RemoveArgs {
    /// Remove it although containers are running: they keep running until the next boot, without CRI-O
    #[arg(long)]
    pub yes: bool,

    /// How long to wait for other processes that use apt
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    pub wait: u64,
}
