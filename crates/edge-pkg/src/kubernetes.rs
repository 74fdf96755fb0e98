//! What is refused before an install of Kubernetes, and why; pure.

use edge_host::{Error, Result};

use crate::catalog::Kubernetes;
use crate::facts::Facts;
use crate::request::{KubernetesRequest, Origin};

/// The name of its files in sources.list.d, keyrings and preferences.d, without extension.
pub const NAME: &str = "kubernetes";
/// A package.
pub const KUBELET: &str = "kubelet";
/// A package.
pub const KUBEADM: &str = "kubeadm";
/// A package.
pub const KUBECTL: &str = "kubectl";
/// The packages with the version of Kubernetes, which are pinned.
pub const PINNED: [&str; 3] = [KUBELET, KUBEADM, KUBECTL];
/// Packages in the same repository with versions of their own.
pub const TOOLS: [&str; 2] = ["cri-tools", "kubernetes-cni"];

/// Refuses (exit 4) what would break a node, and fails where no repository has the version for this system.
pub fn check(facts: &Facts, request: &KubernetesRequest, catalog: &Kubernetes) -> Result<()> {
    let release = request.release;
    if let Some(edgecore) = &facts.edgecore {
        return Err(Error::refused(format!(
            "cannot install kubelet: edgecore is on this node ({}), and two kubelets would manage the same pods",
            edgecore.display()
        ))
        .hint("if this node leaves KubeEdge, remove it first: edge-reset apply --profile kubeedge --yes"));
    }
    for package in PINNED.iter().filter_map(|name| facts.package(name)) {
        let Some(installed) = package.release else { continue };
        let is_older = installed.minor > release.minor
            || installed.minor == release.minor && release.patch.is_some_and(|patch| installed.patch > Some(patch));
        let (name, version) = (package.name, &package.version);
        if is_older {
            return Err(Error::refused(format!(
                "cannot install Kubernetes {release}: {name} {version} is installed, and Kubernetes does not support downgrades"
            ))
            .hint("to downgrade anyway, remove the packages first: edge-pkg remove kubernetes"));
        }
        if release.minor - installed.minor > 1 {
            let next = installed.minor + 1;
            return Err(Error::refused(format!(
                "cannot install Kubernetes {release}: {name} {version} is installed, and kubeadm does not skip minor versions"
            ))
            .hint(format!("upgrade to the next minor version first: edge-pkg install kubernetes --version 1.{next}")));
        }
    }
    if request.from != Origin::Upstream {
        return Ok(());
    }
    let repository = &catalog.repository;
    if release.minor < repository.first {
        return Err(Error::failed(format!(
            "cannot install Kubernetes {release}: no repository has it since packages.cloud.google.com was removed in \
             March 2024, only 1.{} and newer",
            repository.first
        ))
        .hint("if you have the packages, install them from a directory: --offline DIR"));
    }
    if !repository.architectures.contains(&facts.architecture) {
        return Err(Error::failed(format!(
            "cannot install Kubernetes {release}: its repository has no packages for {}, only for {}",
            facts.architecture,
            repository.architectures.join(", ")
        ))
        .hint("if you have packages for it, install them with --offline DIR or --apt-mirror URL"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
