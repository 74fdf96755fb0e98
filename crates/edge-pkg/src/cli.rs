//! The command line: types and help, no logic.

mod docker;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use edge_apt::Release;
use edge_fetch::RegistryMirror;
use edge_host::{Common, UndoArgs};

pub use docker::DockerArgs;

/// Install the packages of Kubernetes in one version and keep them there, or containerd or Docker with its settings
///
/// For Kubernetes: adds the repository with its key, which must have the known fingerprint, pins the version, installs all packages in
/// one transaction that is simulated first, and holds them. Entries of repositories that no longer exist are disabled.
/// For containerd: enables its CRI, sets only what is requested in its configuration, and queries it over the CRI.
/// For Docker: sets only what is requested in daemon.json, and restores the earlier file if dockerd does not start with it.
#[derive(Debug, Parser)]
#[command(name = "edge-pkg", version, help_expected = true, subcommand_required = true, arg_required_else_help = true)]
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
    /// Install packages and configure them
    Install(InstallArgs),

    /// Check packages, holds, keys, repositories, containerd and Docker; exit 3 if there are problems
    #[command(after_help = "Example:\n  edge-pkg check")]
    Check(CheckArgs),

    /// Print socket and cgroup driver of containerd for `edge-conf enable containerd -`
    #[command(after_help = "Example:\n  edge-pkg settings | edge-conf enable containerd -")]
    Settings,

    /// Remove packages with what was added for them; `undo` restores it
    Remove(RemoveArgs),

    /// Undo the newest run; with --id, another one
    #[command(after_help = "Example:\n  edge-pkg undo")]
    Undo(UndoArgs),
}

/// `install`.
#[derive(Debug, Clone, Args)]
pub struct InstallArgs {
    /// What to install.
    #[command(subcommand)]
    pub what: Install,
}

/// What `install` installs.
#[derive(Debug, Clone, Subcommand)]
pub enum Install {
    /// kubelet, kubeadm, kubectl, cri-tools and kubernetes-cni
    ///
    /// Run it again with the next minor version to upgrade; kubelet must not become newer than the API server, so the
    /// control plane is first. Refused are downgrades, skipped minor versions, and a kubelet beside edgecore.
    #[command(after_help = "Examples:\n  edge-pkg install kubernetes --version 1.34\n  \
edge-pkg install kubernetes --version 1.34.2 --role node\n  \
edge-pkg install kubernetes --version 1.34.2 --offline /media/usb")]
    Kubernetes(Box<KubernetesArgs>),

    /// containerd, with its CRI enabled, and restarted if its configuration has changed; containers keep running
    ///
    /// The installed package is kept, that of Docker (containerd.io) too; without one, that of the distribution is
    /// installed. The cgroup driver is not changed while containers run.
    #[command(after_help = "Examples:\n  edge-pkg install containerd --cgroup-driver systemd\n  \
edge-pkg install containerd --pause-image registry.example.com/pause:3.10 --registry-mirror docker.io=https://registry.example.com")]
    Containerd(Box<ContainerdArgs>),

    /// Docker, with settings in daemon.json; refused for an edgecore that cannot use Docker (KubeEdge 1.14 and newer)
    ///
    /// The installed package is kept: docker.io of the distribution, or docker-ce of Docker. Without one, docker.io is
    /// installed, or with --version docker-ce from Docker's repository, pinned and held. Mirrors and insecure registries
    /// are loaded without a restart. Another cgroup driver needs one, which ends running containers: it is refused
    /// without --yes, and with live-restore until they are stopped. Nobody is added to the group docker, whose members
    /// have the rights of root.
    #[command(after_help = "Examples:\n  edge-pkg install docker --cgroup-driver systemd\n  \
edge-pkg install docker --version 28 --registry-mirror https://registry.example.com")]
    Docker(Box<DockerArgs>),
}

/// A cgroup driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Driver {
    /// systemd manages the cgroups.
    Systemd,
    /// The runtime manages them.
    Cgroupfs,
}

/// `install containerd`.
#[derive(Debug, Clone, Args)]
pub struct ContainerdArgs {
    /// The cgroup driver [default: unchanged; containerd's own default is cgroupfs]
    #[arg(long, value_name = "DRIVER")]
    pub cgroup_driver: Option<Driver>,

    /// The image of the pause container, for nodes that cannot reach registry.k8s.io
    #[arg(long, value_name = "REF")]
    pub pause_image: Option<String>,

    /// Pull a registry's images from this mirror first; may be repeated, in order of preference
    #[arg(long, value_name = "HOST=URL")]
    pub registry_mirror: Vec<RegistryMirror>,

    /// Hold the package, so that apt does not upgrade it
    #[arg(long)]
    pub hold: bool,

    /// Install without a network, from a directory with .deb files and their SHA256SUMS
    #[arg(long, value_name = "DIR")]
    pub offline: Option<PathBuf>,

    /// How long to wait for containerd to start, and for other processes that use apt
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    pub wait: u64,
}

/// The role of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Role {
    /// All packages.
    #[default]
    ControlPlane,
    /// Without kubectl, unless it is installed already.
    Node,
}

/// `install kubernetes`.
#[derive(Debug, Clone, Args)]
pub struct KubernetesArgs {
    /// A minor version (1.34) or one release of it (1.34.2)
    #[arg(long, value_name = "V")]
    pub version: Release,

    /// The role of this node: `node` omits kubectl, unless it is installed
    #[arg(long, value_name = "ROLE", default_value = "control-plane")]
    pub role: Role,

    /// Where the packages are from.
    #[command(flatten)]
    pub from: FromArgs,
}

/// Other origins of packages than upstream's repository.
#[derive(Debug, Clone, Args)]
pub struct FromArgs {
    /// Install without a network, from a directory with .deb files and their SHA256SUMS
    #[arg(long, value_name = "DIR", conflicts_with = "apt_mirror")]
    pub offline: Option<PathBuf>,

    /// Install from this copy of upstream's repository; {minor} in it is replaced by the minor version, such as 1.34
    #[arg(long, value_name = "URL", requires = "version")]
    pub apt_mirror: Option<String>,

    /// The key of --apt-mirror, if it is not signed with upstream's key
    #[arg(long, value_name = "FILE", requires_all = ["apt_mirror", "fingerprint"])]
    pub key: Option<PathBuf>,

    /// The fingerprint of that key
    #[arg(long, value_name = "HEX", requires = "key")]
    pub fingerprint: Option<String>,

    /// How long to wait for other processes that use apt
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    pub wait: u64,
}

/// What `check` checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Subject {
    /// kubelet, kubeadm, kubectl, cri-tools and kubernetes-cni.
    Kubernetes,
    /// containerd and what uses it.
    Containerd,
    /// Docker and what uses it.
    Docker,
}

/// `check`.
#[derive(Debug, Clone, Args)]
pub struct CheckArgs {
    /// Check only this, and that it is installed [default: everything that is installed]
    #[arg(value_name = "WHAT")]
    pub what: Option<Subject>,
}

/// `remove`.
#[derive(Debug, Clone, Args)]
pub struct RemoveArgs {
    /// What to remove.
    #[command(subcommand)]
    pub what: Remove,
}

/// What `remove` removes.
#[derive(Debug, Clone, Subcommand)]
pub enum Remove {
    /// kubelet, kubeadm, kubectl, cri-tools and kubernetes-cni; refused on a node of a cluster, unless with --yes
    #[command(after_help = "Example:\n  edge-pkg remove kubernetes")]
    Kubernetes(RemoveArgsOf),

    /// containerd, and the mirrors that edge-pkg has written; refused while containers run, unless with --yes
    ///
    /// Images and volumes in /var/lib/containerd are kept.
    #[command(after_help = "Example:\n  edge-pkg remove containerd")]
    Containerd(RemoveArgsOf),

    /// docker.io, or docker-ce with its command line and plugins; refused while containers run, unless with --yes
    ///
    /// daemon.json is kept, and so are images, containers and volumes in /var/lib/docker, and containerd.io.
    #[command(after_help = "Example:\n  edge-pkg remove docker")]
    Docker(RemoveArgsOf),
}

/// `remove kubernetes`, `remove containerd` and `remove docker`.
#[derive(Debug, Clone, Args)]
pub struct RemoveArgsOf {
    /// Remove it although this node is part of a cluster or containers are running: they keep running until the next boot
    #[arg(long)]
    pub yes: bool,

    /// How long to wait for other processes that use apt
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    pub wait: u64,
}
