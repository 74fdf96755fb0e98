//! `check` on root trees, and the refusals of an image.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use edgeutils_tests::tool::{Ran, Tool};
use edgeutils_tests::tree::{Tree, assert_same};

pub(super) fn run(tree: &Tree, args: &[&str]) -> Ran {
    Tool::new("edge-pkg").arg("--root").arg(tree.path()).args(args).run()
}

fn status(packages: &[(&str, &str, &str)]) -> String {
    let package = |(name, version, status): &(&str, &str, &str)| {
        format!(
            "Package: {name}\nStatus: {status}\nMaintainer: a\nArchitecture: arm64\nVersion: {version}\nDescription: a\n\n"
        )
    };
    packages.iter().map(package).collect()
}

pub(super) const INSTALLED: &str = "install ok installed";
pub(super) const HELD: &str = "hold ok installed";
pub(super) const DPKG: (&str, &str, &str) = ("dpkg", "1.21.22", INSTALLED);

pub(super) fn tree(packages: &[(&str, &str, &str)]) -> Tree {
    let tree = Tree::new();
    tree.write("var/lib/dpkg/status", status(packages));
    tree
}

#[test]
fn check_names_a_dead_repository_beside_a_live_one() {
    let tree = tree(&[DPKG]);
    let mixed = "Types: deb\nURIs: https://packages.cloud.google.com/apt\nSuites: cloud-sdk kubernetes-xenial\n";
    tree.write("etc/apt/sources.list.d/mixed.sources", mixed);
    let found = run(&tree, &["check"]).expect(3).stdout;
    let line = "/etc/apt/sources.list.d/mixed.sources:2: error: https://packages.cloud.google.com/apt is obsolete";
    assert!(found.contains(line), "{found}");
}

#[test]
fn packages_of_the_same_name_from_another_vendor_are_not_of_kubernetes() {
    let tree = tree(&[DPKG, ("kubectl", "1:528.0.0-0", INSTALLED)]);
    let found = run(&tree, &["check"]).expect(3).stdout;
    assert!(found.contains("Kubernetes, containerd and Docker are not installed"), "{found}");
    assert!(!found.contains("kubectl"), "{found}");
}

#[test]
fn check_reports_versions_holds_and_edgecore_with_their_places() {
    let packages = [
        DPKG,
        ("kubelet", "1.35.0-1.1", HELD),
        ("kubeadm", "1.34.2-1.1", INSTALLED),
        ("kubectl", "1.34.2-1.1", "install reinstreq half-installed"),
    ];
    let tree = tree(&packages);
    tree.write("etc/systemd/system/edgecore.service", "[Service]\nExecStart=/usr/local/bin/edgecore\n");
    tree.write(
        "etc/apt/sources.list",
        "# deb http://apt.kubernetes.io/ a b\ndeb http://apt.kubernetes.io/ kubernetes-xenial main\n",
    );
    let before = tree.snapshot();
    let found = run(&tree, &["check"]).expect(3).stdout;
    for line in [
        "kubelet 1.35.0-1.1, held\n",
        "error: kubelet 1.35.0-1.1 is newer than kubeadm 1.34.2-1.1, which does not support it\n    hint: install both in the same version: edge-pkg --root ",
        "install kubernetes --version 1.35\n",
        "/etc/systemd/system/edgecore.service: error: kubelet is installed beside edgecore.service",
        "warning: kubeadm is not held",
        "error: kubectl is half-installed: its installation was interrupted",
        "/etc/apt/sources.list:2: error: http://apt.kubernetes.io/ is obsolete",
    ] {
        assert!(found.contains(line), "{line}: {found}");
    }
    assert_same(&tree.snapshot(), &before, "a check");
}

#[test]
fn check_of_a_system_without_problems_or_without_dpkg() {
    let all = ["kubelet", "kubeadm", "kubectl", "cri-tools", "kubernetes-cni"].map(|name| (name, "1.34.2-1.1", HELD));
    let ran = run(&tree(&[&[DPKG], all.as_slice()].concat()), &["check", "kubernetes"]).expect(0);
    assert!(ran.stdout.ends_with("no problems found\n"), "{}", ran.stdout);
    for (args, text) in [
        (&["check"][..], "error: Kubernetes, containerd and Docker are not installed\n    hint: "),
        (&["check", "kubernetes"], "error: Kubernetes is not installed\n    hint: "),
        (
            &["check", "containerd"],
            "containerd.service: error: containerd is not installed\n    hint: install it: edge-pkg ",
        ),
    ] {
        let none = run(&tree(&[DPKG]), args).expect(3);
        assert!(none.stdout.contains(text), "{}", none.stdout);
    }
    // Neither is a host without dpkg one without packages, nor one whose status file is damaged.
    let empty = run(&Tree::new(), &["check"]).expect(1);
    assert!(empty.stderr.contains("/var/lib/dpkg/status: No such file or directory\nhint: "), "{}", empty.stderr);
    let damaged = Tree::new();
    damaged.write("var/lib/dpkg/status", "<html>\n");
    run(&damaged, &["check"]).expect(1);
}

#[test]
fn image_is_refused_before_anything_is_read() {
    let tree = Tree::new();
    for args in [&["install", "kubernetes", "--version", "1.34"][..], &["remove", "kubernetes"]] {
        let ran = run(&tree, args).expect(4);
        assert!(
            ran.stderr.contains("the scripts of packages would run as root on this host\nhint: "),
            "{}",
            ran.stderr
        );
    }
}

#[test]
fn version_must_be_one_of_kubernetes() {
    for version in ["latest", "1", "2.1", "1.34.x", "v1.34.2.1", "1.034", ""] {
        let ran = run(&Tree::new(), &["install", "kubernetes", "--version", version]).expect(2);
        assert!(
            ran.stderr.contains("is not a valid version: expected a minor version (1.34)") || version.is_empty(),
            "{}",
            ran.stderr
        );
    }
    for args in [
        &["--key", "/k"][..],
        &["--offline", "/x", "--apt-mirror", "file:/y"],
        &["--fingerprint", "AB"],
        &["--role", "edge"],
    ] {
        run(&Tree::new(), &[&["install", "kubernetes", "--version", "1.34"], args].concat()).expect(2);
    }
}
