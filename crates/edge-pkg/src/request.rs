//! What the user requests, checked without reading the host.

use std::path::PathBuf;
use std::time::Duration;

use edge_apt::{
    Fingerprint, KeyFrom, Layout, Offline, PackageName, PackageRequest, Pin, Release, Source, Stream, VersionRequest,
};
use edge_cri::reference_problem;
use edge_fetch::RegistryMirror;
use edge_host::{Error, Result};
use edge_kubeedge::Minor;

use crate::catalog::{Kubernetes, with_minor};
use crate::cli::{ContainerdArgs, DockerArgs, Driver, FromArgs, KubernetesArgs, Role};
use crate::containerd::edit::Settings;
use crate::docker;
use crate::kubernetes::{KUBECTL, NAME, PINNED, TOOLS};

/// Takes precedence over other repositories, but never downgrades.
const PRIORITY: i32 = 990;

/// The requested packages of Kubernetes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KubernetesRequest {
    /// Their version.
    pub release: Release,
    /// Whether kubectl is requested.
    pub with_kubectl: bool,
    /// Where they are from.
    pub from: Origin,
    /// How long others may keep apt's locks.
    pub wait: Duration,
}

/// Where packages are from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Upstream's repository.
    Upstream,
    /// A copy of it.
    Mirror {
        /// Its address.
        url: String,
        /// A key of its own, and the fingerprint of that.
        key: Option<(KeyFrom, Fingerprint)>,
    },
    /// A directory of packages.
    Directory(PathBuf),
}

impl Origin {
    fn of(args: &FromArgs) -> Result<Origin> {
        let key = match (&args.key, &args.fingerprint) {
            (Some(file), Some(fingerprint)) => Some((KeyFrom::read(file)?, Fingerprint::parse(fingerprint)?)),
            _ => None,
        };
        Ok(match (&args.offline, &args.apt_mirror) {
            (Some(dir), _) => Origin::Directory(dir.clone()),
            (None, Some(url)) => Origin::Mirror { url: url.clone(), key },
            (None, None) => Origin::Upstream,
        })
    }

    /// Whether a repository is added.
    pub fn is_repository(&self) -> bool {
        !matches!(self, Origin::Directory(_))
    }
}

impl KubernetesRequest {
    /// From the options of `install kubernetes`.
    pub(crate) fn of(args: &KubernetesArgs) -> Result<KubernetesRequest> {
        Ok(KubernetesRequest {
            release: args.version,
            with_kubectl: args.role == Role::ControlPlane,
            from: Origin::of(&args.from)?,
            wait: Duration::from_secs(args.from.wait),
        })
    }

    /// As a request to apt. kubectl belongs to it too if it is installed, as it would be left behind.
    pub(crate) fn to_apt(&self, catalog: &Kubernetes, has_kubectl: bool) -> Result<edge_apt::Request> {
        let stream = VersionRequest::Stream(Stream::parse(&self.release.to_string())?);
        let package = |name: &str, version: &VersionRequest| -> Result<PackageRequest> {
            Ok(PackageRequest { name: PackageName::parse(name)?, version: version.clone() })
        };
        let pinned = PINNED.iter().filter(|name| **name != KUBECTL || self.with_kubectl || has_kubectl);
        let pinned = pinned.map(|name| package(name, &stream));
        let tools = TOOLS.iter().map(|name| package(name, &VersionRequest::Newest));
        let source = self.source(catalog)?;
        Ok(edge_apt::Request {
            pin: source.is_some().then(|| Pin {
                name: NAME.to_owned(),
                package: PINNED.join(" "),
                pin: self.release.pin(),
                priority: PRIORITY,
            }),
            obsolete: catalog.obsolete(source.is_some()),
            source,
            packages: pinned.chain(tools).collect::<Result<_>>()?,
            hold: true,
            downgrade: false,
            offline: match &self.from {
                Origin::Directory(dir) => Some(Offline::open(dir)?),
                _ => None,
            },
            wait: self.wait,
        })
    }

    fn source(&self, catalog: &Kubernetes) -> Result<Option<Source>> {
        let (repository, minor) = (&catalog.repository, self.release.minor);
        let upstream = || -> Result<(KeyFrom, Fingerprint)> {
            Ok((KeyFrom::Url(repository.key(minor)), Fingerprint::parse(&repository.fingerprint)?))
        };
        let (uri, (key, fingerprint)) = match &self.from {
            Origin::Directory(_) => return Ok(None),
            Origin::Upstream => (repository.url(minor), upstream()?),
            Origin::Mirror { url, key: Some(key) } => (with_minor(url, minor), key.clone()),
            Origin::Mirror { url, key: None } => (with_minor(url, minor), mirrored(url, minor, upstream()?)?),
        };
        let source = Source { name: NAME.to_owned(), uri, layout: Layout::Flat, key, fingerprints: vec![fingerprint] };
        source.check().map(|()| Some(source))
    }
}

/// The requested containerd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerdRequest {
    /// Settings of its configuration.
    pub settings: Settings,
    /// Mirrors of registries.
    pub mirrors: Vec<RegistryMirror>,
    /// Whether the package is held.
    pub hold: bool,
    /// A directory of packages.
    pub offline: Option<PathBuf>,
    /// How long to wait for it, and for apt's locks.
    pub wait: Duration,
}

impl ContainerdRequest {
    /// From the options of `install containerd`.
    pub(crate) fn of(args: &ContainerdArgs) -> Result<ContainerdRequest> {
        if let Some(image) = &args.pause_image
            && let Some(problem) = reference_problem(image)
        {
            return Err(Error::usage(format!("cannot use the image {image:?}: {problem}"))
                .hint("give a reference such as registry.k8s.io/pause:3.10"));
        }
        Ok(ContainerdRequest {
            settings: Settings {
                systemd_cgroup: args.cgroup_driver.map(|driver| driver == Driver::Systemd),
                pause_image: args.pause_image.clone(),
                has_mirrors: !args.registry_mirror.is_empty(),
            },
            mirrors: args.registry_mirror.clone(),
            hold: args.hold,
            offline: args.offline.clone(),
            wait: Duration::from_secs(args.wait),
        })
    }
}

/// The requested Docker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DockerRequest {
    /// The version of Docker's own packages; none for the installed package or that of the distribution.
    pub version: Option<Stream>,
    /// Where the packages are from.
    pub from: Origin,
    /// Settings of daemon.json.
    pub settings: docker::edit::Settings,
    /// Whether the package is held.
    pub hold: bool,
    /// dockerd is restarted although containers are running.
    pub may_end_containers: bool,
    /// The version of KubeEdge for which Docker is installed.
    pub kubeedge: Option<Minor>,
    /// Docker is not for edgecore.
    pub is_beside_edgecore: bool,
    /// How long to wait for it, and for apt's locks.
    pub wait: Duration,
}

impl DockerRequest {
    /// From the options of `install docker`.
    pub(crate) fn of(args: &DockerArgs) -> Result<DockerRequest> {
        Ok(DockerRequest {
            version: args.version.clone(),
            from: Origin::of(&args.from)?,
            settings: docker::edit::Settings {
                driver: args.cgroup_driver.map(|driver| if driver == Driver::Systemd { "systemd" } else { "cgroupfs" }),
                mirrors: distinct(&args.registry_mirror),
                insecure: distinct(&args.insecure_registry),
            },
            hold: args.hold || args.version.is_some(),
            may_end_containers: args.yes,
            kubeedge: args.kubeedge_version,
            is_beside_edgecore: args.beside_edgecore,
            wait: Duration::from_secs(args.from.wait),
        })
    }
}

/// Each once, in their order.
fn distinct(items: &[String]) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for item in items {
        if !all.contains(item) {
            all.push(item.clone());
        }
    }
    all
}

/// Upstream's key in a copy of its repository.
fn mirrored(url: &str, minor: u32, (_, fingerprint): (KeyFrom, Fingerprint)) -> Result<(KeyFrom, Fingerprint)> {
    if url.is_empty() {
        return Err(Error::usage("cannot use --apt-mirror: the address is empty"));
    }
    let url = with_minor(url, minor);
    Ok((KeyFrom::Url(format!("{}/Release.key", url.trim_end_matches('/'))), fingerprint))
}
