//! The problems of the packages of Kubernetes.

use edge_host::{Finding, Severity};
use edge_kubeedge::Kind;

use crate::facts::Facts;
use crate::kubernetes::{KUBEADM, KUBECTL, KUBELET};

const STATUS: &str = "/var/lib/dpkg/status";

/// The command that installs the same version again.
pub fn again(facts: &Facts) -> String {
    let release = [KUBELET, KUBEADM, KUBECTL].iter().find_map(|name| facts.package(name)?.release);
    let version = release.map_or_else(|| "1.34".to_owned(), |release| release.to_string());
    let is_node = !facts.packages.is_empty() && facts.package(KUBECTL).is_none();
    let role = if is_node { " --role node" } else { "" };
    format!("edge-pkg install kubernetes --version {version}{role}")
}

/// The problems of installed packages with each other, of kubelet's unit, and with edgecore.
pub fn kubernetes(facts: &Facts) -> Vec<Finding> {
    let mut all = Vec::new();
    let of =
        |name: &str| facts.package(name).and_then(|package| Some((package.version.as_str(), package.release?.minor)));
    let installed = (of(KUBELET), of(KUBEADM), of(KUBECTL));
    if let (Some((kubelet, minor)), Some((kubeadm, of_kubeadm)), _) = installed
        && minor > of_kubeadm
    {
        let text = format!("kubelet {kubelet} is newer than kubeadm {kubeadm}, which does not support it");
        all.push(
            Finding::error(STATUS, text)
                .hint(format!("install both in the same version: edge-pkg install kubernetes --version 1.{minor}")),
        );
    }
    if let (Some((kubelet, minor)), _, Some((kubectl, of_kubectl))) = installed
        && minor.abs_diff(of_kubectl) > 1
    {
        let text = format!("kubectl {kubectl} and kubelet {kubelet} are more than one minor version apart");
        all.push(Finding::warning(STATUS, text).hint(format!(
            "install both in the same version: edge-pkg install kubernetes --version 1.{}",
            minor.max(of_kubectl)
        )));
    }
    let unit = &facts.kubelet;
    all.extend(unit.not_started(Severity::Warning));
    if let Some(edgecore) = facts.edgecore.as_ref().filter(|_| facts.package(KUBELET).is_some() && !unit.is_masked) {
        let text = format!("kubelet is installed beside {}: both manage the pods of this node", Kind::EdgeCore.unit());
        all.push(Finding::error(edgecore, text).hint("remove kubelet: edge-pkg remove kubernetes"));
    }
    all
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use edge_apt::Release;
    use edge_systemd::UnitFacts;

    use super::*;
    use crate::facts::Package;

    fn facts(versions: [&str; 3]) -> Facts {
        let unit = UnitFacts { file: Some(PathBuf::from("/usr/lib/x")), is_enabled: true, ..UnitFacts::default() };
        let packages = [KUBELET, KUBEADM, KUBECTL].into_iter().zip(versions).filter(|(_, version)| !version.is_empty());
        let packages = packages.map(|(name, version)| Package {
            name,
            version: version.to_owned(),
            release: Release::of_package(version),
            held: true,
        });
        Facts { packages: packages.collect(), kubelet: unit, ..Facts::default() }
    }

    fn texts(facts: &Facts) -> Vec<String> {
        kubernetes(facts).iter().map(|finding| format!("{}: {}", finding.severity.word(), finding.text)).collect()
    }

    #[test]
    fn versions_that_do_not_go_together_are_found() {
        assert!(texts(&facts(["1.34.2-1.1", "1.34.2-1.1", "1.33.0-1.1"])).is_empty());
        assert!(texts(&facts(["1.33.2-1.1", "1.34.2-1.1", ""])).is_empty());
        let newer = texts(&facts(["1.35.2-1.1", "1.34.2-1.1", "1.33.0-1.1"]));
        assert_eq!(newer.len(), 2, "{newer:?}");
        assert_eq!(newer[0], "error: kubelet 1.35.2-1.1 is newer than kubeadm 1.34.2-1.1, which does not support it");
        assert!(newer[1].starts_with("warning: kubectl 1.33.0-1.1 and kubelet 1.35.2-1.1 are "), "{newer:?}");
    }

    #[test]
    fn unit_and_edgecore_are_found() {
        let mut facts = facts(["1.34.2-1.1", "", ""]);
        facts.edgecore = Some(PathBuf::from("/usr/local/bin/edgecore"));
        facts.kubelet.is_enabled = false;
        assert_eq!(texts(&facts).len(), 2);
        facts.kubelet.is_masked = true;
        assert_eq!(texts(&facts), ["error: the unit is masked, and cannot be started"]);
        assert_eq!(again(&facts), "edge-pkg install kubernetes --version 1.34.2 --role node");
    }
}
