//! `resolve` on root trees, and invalid options.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use edgeutils_tests::standin::{ARM32, ARM64};
use edgeutils_tests::tool::{Ran, Tool};
use edgeutils_tests::tree::Tree;

fn system(release: &str, program: &[u8]) -> Tree {
    let tree = Tree::with(&[("etc/os-release", release), ("usr/bin/apt-get", "")]);
    tree.write("usr/bin/dpkg", program);
    tree
}

fn run(tree: &Tree, args: &[&str]) -> Ran {
    Tool::new("edge-crio").arg("--root").arg(tree.path()).args(args).run()
}

const DEBIAN: &str = "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\nVERSION_ID=\"12\"\n";

#[test]
fn image_gets_the_bundle_with_the_reason() {
    let tree = system(DEBIAN, ARM64);
    let ran = run(&tree, &["resolve", "--version", "1.34", "--kubeedge-version", "v1.23.1"]).expect(0);
    assert_eq!(
        ran.stdout,
        "CRI-O 1.34 for Debian GNU/Linux 12 (bookworm), arm64\n\
         bundle: 1.34.11 from https://storage.googleapis.com/cri-o/artifacts/cri-o.arm64.v1.34.11.tar.gz\n    \
         sha256 8c8080cb799155b7a40d706c48fcced6869d8942f321042fc16502b42fcbec26\n\
         apt: not available: apt is not run in an image (--root), as the scripts of packages would run as root\n\
         KubeEdge 1.23 contains Kubernetes 1.32, 2 minor versions older than CRI-O: both support the same CRI version, \
         but neither project tests this combination, only CRI-O 1.32\n"
    );
    assert_eq!(ran.stderr, "");
}

#[test]
fn armhf_system_gets_an_alternative() {
    let tree = system("PRETTY_NAME='Raspbian GNU/Linux 12 (bookworm)'\nID=raspbian\nVERSION_ID=12\n", ARM32);
    let ran = run(&tree, &["resolve", "--version", "1.34"]).expect(1);
    assert!(
        ran.stderr.starts_with("edge-crio: cannot find CRI-O 1.34 for Raspbian GNU/Linux 12 (bookworm) on armhf: "),
        "{}",
        ran.stderr
    );
    assert!(
        ran.stderr.contains("hint: install a 64-bit system, which a Raspberry Pi 3 or later supports"),
        "{}",
        ran.stderr
    );
    // --arch overrides the architecture of the system.
    run(&tree, &["resolve", "--version", "1.34", "--arch", "arm64"]).expect(0);
}

#[test]
fn incompatible_kubeedge_version_is_an_error() {
    let ran = run(&system(DEBIAN, ARM64), &["resolve", "--version", "1.34", "--kubeedge-version", "1.12"]).expect(1);
    assert!(ran.stderr.contains("use CRI-O 1.25 or older"), "{}", ran.stderr);
}

#[test]
fn invalid_options_are_usage_errors() {
    let tree = system(DEBIAN, ARM64);
    for (args, said) in [
        (&["resolve"][..], "--version <V>"),
        (&["resolve", "--version", "latest"], "is not a valid version: expected a minor version (1.34)"),
        (&["resolve", "--version", "1.34", "--arch", "z80"], "is not a valid architecture: expected one of amd64,"),
        (
            &["resolve", "--version", "1.34", "--bundle-mirror", "http://m.example"],
            "plain HTTP is allowed only for localhost",
        ),
        (
            &["resolve", "--version", "1.34", "--apt-mirror", "ftp://x"],
            "cannot use the address ftp://x: it does not begin with https://, http:// or file:/",
        ),
        (&["resolve", "--version", "1.34", "--apt-mirror="], "cannot use an empty address"),
        (&["resolve", "--version", "1.34", "--bundle-mirror", "https:///x"], " host"),
        (&["resolve", "--version", "1.34", "--bundle-mirror", "https://m/{foo}"], "the only placeholders are"),
        (&["install", "--version", "1.34", "--offline", "/", "--apt-mirror", "x"], "cannot use the address x"),
        (&["install", "--version", "1.34", "--proxy", "http://:80"], " host"),
        (&["install", "--version", "1.34", "--registry-mirror", "docker.io=https://:5000"], " host"),
        (
            &["download", "--version", "1.34", "--arch", "arm64", "--to", "/", "--bundle-mirror", "https://h:99999"],
            " port",
        ),
        (&["settings", "--format", "keadm"], "--kubeedge-version <V>"),
        (&["install", "--version", "1.34", "--registry-mirror", "docker.io"], "expected HOST=URL"),
        (&["install", "--version", "1.34", "--pause-image", "a b"], "give a reference such as"),
        (&["install", "--version", "1.34", "--no-proxy", "a"], "--proxy <URL>"),
        (
            &["install", "--version", "1.34.2", "--sha256", "12", "--archive", "/x"],
            "cannot use --sha256 \"12\": expected 64 hexadecimal digits",
        ),
        (&["install", "--version", "1.34.2", "--archive", "ftp://x/y"], "it must begin with https://"),
    ] {
        let ran = run(&tree, args);
        assert!(ran.stderr.contains(said), "{args:?}: {}", ran.stderr);
        ran.expect(2);
    }
    // The architecture of an empty tree is unknown.
    let ran = run(&Tree::new(), &["resolve", "--version", "1.34"]).expect(1);
    assert!(ran.stderr.ends_with("hint: specify it, for example --arch arm64\n"), "{}", ran.stderr);
    let ran = run(&Tree::new(), &["install", "--version", "1.34"]).expect(1);
    assert!(ran.stderr.contains("hint: --root must be a complete root file system"), "{}", ran.stderr);
    let ran = run(&Tree::new(), &["install", "--version", "1.34", "--offline", "/nonexistent"]).expect(1);
    assert!(
        ran.stderr.starts_with(
            "edge-crio: cannot install from /nonexistent: No such file or directory (os error 2)\nhint: check that it is mounted"
        ),
        "{}",
        ran.stderr
    );
}

#[test]
fn system_name_is_printed_without_control_characters() {
    let tree = system("ID=evil\nPRETTY_NAME=\"evil\u{1b}[2J\"\n", ARM64);
    let ran = run(&tree, &["resolve", "--version", "1.34"]).expect(0);
    assert!(ran.stdout.starts_with("CRI-O 1.34 for evil\\u{1b}[2J, arm64\n"), "{:?}", ran.stdout);
}

#[test]
fn check_continues_after_an_unreadable_configuration() {
    let tree = system(DEBIAN, ARM64);
    std::fs::create_dir_all(tree.at("etc/cni/net.d/10-dir.conflist")).unwrap();
    std::os::unix::fs::symlink("nothing", tree.at("etc/cni/net.d/20-link.conf")).unwrap();
    let said = run(&tree, &["check"]).expect(3).stdout;
    assert!(
        said.contains("/10-dir.conflist: error: pods get no network: ") && said.contains("is a directory"),
        "{said}"
    );
    assert!(said.contains("/20-link.conf: error: pods get no network: "), "{said}");
}

#[test]
fn check_reports_empty_values_that_crio_does_not_start_with() {
    let tree = system(DEBIAN, ARM64);
    tree.write("etc/crio/crio.conf.d/50-site.conf", "[crio.network]\nnetwork_dir = \"\"\n[crio.api]\nlisten = \"\"\n");
    let said = run(&tree, &["check"]).expect(3).stdout;
    for key in ["crio.network.network_dir", "crio.api.listen"] {
        let want = format!("/etc/crio/crio.conf.d/50-site.conf: error: {key}: is empty: CRI-O does not start\n");
        assert!(said.contains(&want), "{said}");
    }
    let ran = run(&tree, &["settings"]).expect(1);
    assert!(ran.stderr.contains("cannot use crio.api.listen of /etc/crio/crio.conf.d/50-site.conf"), "{}", ran.stderr);
}
