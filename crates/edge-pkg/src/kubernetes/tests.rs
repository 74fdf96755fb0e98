//! Refusals from made-up facts.

use std::path::PathBuf;
use std::time::Duration;

use edge_apt::{Release, VersionRequest};

use super::*;
use crate::catalog;
use crate::facts::Package;

fn request(version: &str, from: Origin) -> KubernetesRequest {
    KubernetesRequest { release: version.parse().unwrap(), with_kubectl: true, from, wait: Duration::ZERO }
}

fn facts(version: &str) -> Facts {
    let package =
        |name| Package { name, version: version.to_owned(), release: Release::of_package(version), held: true };
    let packages = if version.is_empty() { Vec::new() } else { vec![package(KUBELET), package(KUBEADM)] };
    Facts { packages, architecture: "arm64".to_owned(), ..Facts::default() }
}

fn outcome(facts: &Facts, request: &KubernetesRequest) -> (i32, String) {
    match check(facts, request, &catalog::kubernetes().unwrap()) {
        Ok(()) => (0, String::new()),
        Err(error) => {
            let code = if error.exit() == edge_host::Exit::Refused { 4 } else { 1 };
            (code, format!("{}\n{}", error.message(), error.hint_text().unwrap()))
        }
    }
}

#[test]
fn check_compares_the_installed_version() {
    for (installed, requested, code, said) in [
        ("", "1.34", 0, ""),
        ("1.34.2-1.1", "1.34", 0, ""),
        ("1.34.2-1.1", "1.34.2", 0, ""),
        ("1.34.2-1.1", "1.34.10", 0, ""),
        ("1.33.9-1.1", "1.34.0", 0, ""),
        (
            "1.34.2-1.1",
            "1.34.1",
            4,
            "does not support downgrades\nto downgrade anyway, remove the packages first: edge-pkg ",
        ),
        ("1.35.0-1.1", "1.34", 4, "kubelet 1.35.0-1.1 is installed"),
        (
            "1.32.1-1.1",
            "1.34",
            4,
            "upgrade to the next minor version first: edge-pkg install kubernetes --version 1.33",
        ),
    ] {
        let (got, text) = outcome(&facts(installed), &request(requested, Origin::Upstream));
        assert_eq!(got, code, "{installed} {requested}: {text}");
        assert!(text.contains(said), "{text}");
    }
}

#[test]
fn check_refuses_a_kubelet_beside_edgecore() {
    let facts = Facts { edgecore: Some(PathBuf::from("/etc/systemd/system/edgecore.service")), ..facts("") };
    let (code, text) = outcome(&facts, &request("1.34", Origin::Upstream));
    assert!(
        code == 4 && text.contains("(/etc/systemd/system/edgecore.service)") && text.contains("edge-reset"),
        "{text}"
    );
}

#[test]
fn check_knows_what_upstream_does_not_have() {
    let (code, text) = outcome(&facts(""), &request("1.23", Origin::Upstream));
    assert!(code == 1 && text.contains("only 1.24 and newer") && text.contains("--offline DIR"), "{text}");
    let armhf = Facts { architecture: "armhf".to_owned(), ..facts("") };
    let (code, text) = outcome(&armhf, &request("1.34", Origin::Upstream));
    assert!(code == 1 && text.contains("no packages for armhf, only for amd64, arm64"), "{text}");
    for from in [Origin::Directory(PathBuf::from("/usb")), Origin::Mirror { url: "file:/x".to_owned(), key: None }] {
        assert_eq!(outcome(&armhf, &request("1.23", from)).0, 0);
    }
}

#[test]
fn request_has_all_packages_in_one_transaction() {
    let catalog = catalog::kubernetes().unwrap();
    let names = |with_kubectl, has_kubectl| -> Vec<String> {
        let request = KubernetesRequest { with_kubectl, ..request("1.34.2", Origin::Upstream) };
        let request = request.to_apt(&catalog, has_kubectl).unwrap();
        assert!(request.hold && !request.downgrade && request.obsolete.len() == 3);
        let pin = request.pin.unwrap();
        assert_eq!((pin.package.as_str(), pin.pin.as_str()), ("kubelet kubeadm kubectl", "version 1.34.2-*"));
        let newest = request.packages.iter().filter(|package| package.version == VersionRequest::Newest);
        assert_eq!(newest.count(), 2);
        request.packages.iter().map(|package| package.name.to_string()).collect()
    };
    assert_eq!(names(true, false), ["kubelet", "kubeadm", "kubectl", "cri-tools", "kubernetes-cni"]);
    assert_eq!(names(false, false), ["kubelet", "kubeadm", "cri-tools", "kubernetes-cni"]);
    assert_eq!(names(false, true).len(), 5);
}

#[test]
fn request_to_a_mirror_uses_upstreams_key_or_its_own() {
    let catalog = catalog::kubernetes().unwrap();
    let mirror = |url: &str| request("1.34", Origin::Mirror { url: url.to_owned(), key: None }).to_apt(&catalog, false);
    let source = mirror("https://m.example/k8s/v{minor}").unwrap().source.unwrap();
    assert_eq!(source.uri, "https://m.example/k8s/v1.34");
    assert_eq!(source.key, edge_apt::KeyFrom::Url("https://m.example/k8s/v1.34/Release.key".to_owned()));
    for bad in ["", "m.example/k8s", "https://m.example/a b"] {
        assert!(mirror(bad).is_err(), "{bad}");
    }
}
