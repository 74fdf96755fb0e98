//! The command line: types and help, no logic.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use edge_host::{Arch, Common, UndoArgs};
use edge_kubeedge::Minor;

use crate::config::{Driver, Mirror};
use crate::version::Version;

/// Install CRI-O, and check that it really works
///
/// Knows where each version comes from on this system, or says why it cannot be had and what can;
/// configures it in a file of its own, starts it, asks it over the CRI whether it works, and names the
/// true cause where it does not.
#[derive(Debug, Parser)]
#[command(name = "edge-crio", version, help_expected = true, subcommand_required = true, arg_required_else_help = true)]
#[command(after_help = "Exit codes: 0 done; 1 could not be done; 2 usage; 3 a dry run found changes, or check found \
faults; 4 refused, nothing touched; 5 interrupted, run again.")]
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
    /// Say where a version comes from for this system, or why it cannot be had and what can
    #[command(after_help = "Example:\n  edge-crio resolve --version 1.34 --kubeedge-version 1.23")]
    Resolve(ResolveArgs),

    /// Install, configure and start CRI-O, and ask it whether it works
    ///
    /// Again with other options it changes what they name and leaves the rest. A running CRI-O is
    /// restarted where its configuration or version has changed; containers go on meanwhile.
    #[command(after_help = "Examples:\n  edge-crio install --version 1.34 --hold\n  \
edge-crio install --version 1.34.2 --source bundle --cgroup-driver cgroupfs\n  \
edge-crio install --version 1.34.2 --offline /media/usb")]
    Install(Box<InstallArgs>),

    /// Fetch a bundle for another machine, with its checksum in SHA256SUMS for `install --offline`
    ///
    /// Through the proxy that the environment names (HTTPS_PROXY, ALL_PROXY, NO_PROXY), if it does.
    #[command(after_help = "Example:\n  edge-crio download --version 1.34 --arch arm64 --to /media/usb")]
    Download(DownloadArgs),

    /// Find what keeps CRI-O from working here; exit 3 if there are faults
    #[command(after_help = "Example:\n  edge-crio check")]
    Check,

    /// Print socket and cgroup driver for `edge-conf enable crio -`, or the flags for `keadm join`
    #[command(after_help = "Examples:\n  edge-crio settings | edge-conf enable crio -\n  \
keadm join … $(edge-crio settings --format keadm --kubeedge-version 1.23)")]
    Settings(SettingsArgs),

    /// Remove CRI-O and all that edge-crio made; refused while containers run
    ///
    /// /var/lib/containers stays: images and volumes are yours. `undo` brings back what was.
    #[command(after_help = "Example:\n  edge-crio remove")]
    Remove(RemoveArgs),

    /// Take the newest run back; with --id another one; refused while containers run
    #[command(after_help = "Example:\n  edge-crio undo")]
    Undo(UndoArgs),
}

/// Other addresses than upstream's.
#[derive(Debug, Clone, Args)]
pub struct MirrorArgs {
    /// Take packages from this repository; {minor} in it stands for 1.34
    #[arg(long, value_name = "URL")]
    pub apt_mirror: Option<String>,

    /// Take bundles from this directory; {version} and {arch} in it make it an archive's own address
    #[arg(long, value_name = "URL")]
    pub bundle_mirror: Option<String>,
}

/// `resolve`.
#[derive(Debug, Clone, Args)]
pub struct ResolveArgs {
    /// A minor (1.34) or one release of it (1.34.2)
    #[arg(long, value_name = "V")]
    pub version: Version,

    /// Say whether this KubeEdge can use it
    #[arg(long, value_name = "V")]
    pub kubeedge_version: Option<Minor>,

    /// For a machine of this architecture [default: that of this system's programs]
    #[arg(long, value_name = "ARCH")]
    pub arch: Option<Arch>,

    /// From other addresses.
    #[command(flatten)]
    pub mirrors: MirrorArgs,
}

/// Where from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum From {
    /// Packages where there are any, else a bundle whose sum is known.
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
    /// A minor (1.34) or one release of it (1.34.2)
    #[arg(long, value_name = "V")]
    pub version: Version,

    /// Refuse a version that this KubeEdge cannot use
    #[arg(long, value_name = "V")]
    pub kubeedge_version: Option<Minor>,

    /// Where from: packages, a bundle, or what there is
    #[arg(long, value_name = "SOURCE", default_value = "auto")]
    pub source: From,

    /// This bundle: a file, or an address that begins with https://
    #[arg(long, value_name = "FILE|URL", conflicts_with = "offline")]
    pub archive: Option<String>,

    /// The bundle's SHA-256, needed where it is not known here
    #[arg(long, value_name = "HEX")]
    pub sha256: Option<String>,

    /// Use no network: a directory with the bundle, or with .deb files, and SHA256SUMS, which finds a damaged copy and
    /// is not a proof: for that, --sha256
    #[arg(long, value_name = "DIR")]
    pub offline: Option<PathBuf>,

    /// Who makes the cgroups of containers [default: as it is; CRI-O's own is systemd]
    #[arg(long, value_name = "DRIVER")]
    pub cgroup_driver: Option<Driver>,

    /// The image of the pause container, for a node that cannot reach registry.k8s.io
    #[arg(long, value_name = "REF")]
    pub pause_image: Option<String>,

    /// Ask this mirror first for a registry's images; may be repeated, in order
    #[arg(long, value_name = "HOST=URL")]
    pub registry_mirror: Vec<Mirror>,

    /// A proxy for CRI-O and for this download (else the environment's HTTPS_PROXY); - reads it from standard input (with a password)
    #[arg(long, value_name = "URL")]
    pub proxy: Option<String>,

    /// What is asked without the proxy: hosts, .domains and networks, with commas in between
    #[arg(long, value_name = "LIST", requires = "proxy")]
    pub no_proxy: Option<String>,

    /// Keep the package's version when the system is upgraded
    #[arg(long)]
    pub hold: bool,

    /// From other addresses.
    #[command(flatten)]
    pub mirrors: MirrorArgs,

    /// The key of --apt-mirror, where it signs with its own
    #[arg(long, value_name = "FILE", requires = "fingerprint")]
    pub key: Option<PathBuf>,

    /// That key's fingerprint
    #[arg(long, value_name = "HEX")]
    pub fingerprint: Option<String>,

    /// How long CRI-O may take to come up, and how long other users of apt are waited for
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    pub wait: u64,
}

/// `download`.
#[derive(Debug, Clone, Args)]
pub struct DownloadArgs {
    /// A minor (1.34) or one release of it (1.34.2)
    #[arg(long, value_name = "V")]
    pub version: Version,

    /// The architecture of the machine that it is for
    #[arg(long, value_name = "ARCH")]
    pub arch: Arch,

    /// The directory that it is put into
    #[arg(long, value_name = "DIR")]
    pub to: PathBuf,

    /// The bundle's SHA-256, needed where it is not known here
    #[arg(long, value_name = "HEX")]
    pub sha256: Option<String>,

    /// Take bundles from this directory; {version} and {arch} in it make it an archive's own address
    #[arg(long, value_name = "URL")]
    pub bundle_mirror: Option<String>,
}

/// What `settings` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// socket=… and cgroupDriver=…, a line each.
    #[default]
    EdgeConf,
    /// Flags on one line.
    Keadm,
}

/// `settings`.
#[derive(Debug, Clone, Args)]
pub struct SettingsArgs {
    /// For whom
    #[arg(long, value_name = "FORMAT", default_value = "edge-conf")]
    pub format: Format,

    /// keadm's version, whose flags are printed
    #[arg(long, value_name = "V", required_if_eq("format", "keadm"))]
    pub kubeedge_version: Option<Minor>,
}

/// `remove`.
#[derive(Debug, Clone, Args)]
pub struct RemoveArgs {
    /// How long other users of apt are waited for
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    pub wait: u64,
}
