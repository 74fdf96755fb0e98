//! Everything that is read of the host.

use std::path::{Path, PathBuf};

use edge_apt::{PackageName, Release, Status};
use edge_host::{Host, Result, Root};
use edge_kubeedge::Kind;
use edge_systemd::UnitFacts;

use crate::kubernetes::{PINNED, TOOLS};

/// kubelet's unit.
pub const KUBELET_UNIT: &str = "kubelet.service";
/// kubeadm writes it when the node joins or becomes a control plane.
pub const KUBELET_CONF: &str = "/etc/kubernetes/kubelet.conf";

/// An installed package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Its name.
    pub name: &'static str,
    /// Its version.
    pub version: String,
    /// Its release, if the version has the form of one.
    pub release: Option<Release>,
    /// It is held.
    pub held: bool,
}

/// The facts about Kubernetes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// The installed packages.
    pub packages: Vec<Package>,
    /// Installed packages with one of these names and another numbering, such as kubectl 1:528.0.0 of Google Cloud.
    pub foreign: Vec<&'static str>,
    /// The architecture, by dpkg.
    pub architecture: String,
    /// kubelet's unit.
    pub kubelet: UnitFacts,
    /// The file of edgecore's unit, or its program.
    pub edgecore: Option<PathBuf>,
    /// This node is part of a cluster.
    pub has_joined: bool,
}

impl Facts {
    /// Reads them from the host.
    pub fn read(host: &Host) -> Result<Facts> {
        let status = edge_apt::status(host)?;
        let (packages, foreign) = installed(&status)?;
        Ok(Facts {
            packages,
            foreign,
            architecture: status.architecture().to_owned(),
            kubelet: UnitFacts::read(&host.root, KUBELET_UNIT)?,
            edgecore: edgecore(&host.root)?,
            has_joined: host.root.find_link(Path::new(KUBELET_CONF))?.exists(),
        })
    }

    /// The names of the packages of Kubernetes, but for those that are another program's here.
    pub fn names(&self) -> Result<Vec<PackageName>> {
        let names = PINNED.into_iter().chain(TOOLS);
        names.filter(|name| !self.foreign.contains(name)).map(PackageName::parse).collect()
    }

    /// The installed package of this name.
    pub fn package(&self, name: &str) -> Option<&Package> {
        self.packages.iter().find(|package| package.name == name)
    }
}

fn installed(status: &Status) -> Result<(Vec<Package>, Vec<&'static str>)> {
    let (mut all, mut foreign) = (Vec::new(), Vec::new());
    for name in PINNED.into_iter().chain(TOOLS) {
        let package = PackageName::parse(name)?;
        if let Some(version) = status.version_of(&package).map(ToString::to_string) {
            let release = Release::of_package(&version);
            if release.is_none() && PINNED.contains(&name) {
                foreign.push(name);
                continue;
            }
            all.push(Package { name, version, release, held: status.is_held(&package) });
        }
    }
    Ok((all, foreign))
}

/// edgecore's unit, or its program where something else starts it.
fn edgecore(root: &Root) -> Result<Option<PathBuf>> {
    if let Some(file) = UnitFacts::read(root, Kind::EdgeCore.unit())?.file {
        return Ok(Some(file));
    }
    for dir in edge_kubeedge::paths::PROGRAM_DIRS {
        let path = Path::new(dir).join("edgecore");
        if root.find_link(&path)?.exists() {
            return Ok(Some(path));
        }
    }
    Ok(None)
}
