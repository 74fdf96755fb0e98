//! Where a version comes from, as a user asks: on trees of real systems, with wrong input, as records.

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
fn image_gets_the_bundle_and_hears_why() {
    let tree = system(DEBIAN, ARM64);
    let ran = run(&tree, &["resolve", "--version", "1.34", "--kubeedge-version", "v1.23.1"]).expect(0);
    assert_eq!(
        ran.stdout,
        "CRI-O 1.34 for Debian GNU/Linux 12 (bookworm), arm64\n\
         bundle: 1.34.11 from https://storage.googleapis.com/cri-o/artifacts/cri-o.arm64.v1.34.11.tar.gz\n    \
         sha256 8c8080cb799155b7a40d706c48fcced6869d8942f321042fc16502b42fcbec26\n\
         not from apt: apt is not run for an image: a package's scripts would run as root\n\
         KubeEdge 1.23 has Kubernetes 1.32 inside, 2 minors older than CRI-O's: both speak one version of the CRI, \
         but neither project tests the pair; 1.32 would be the same\n"
    );
    assert_eq!(ran.stderr, "");
}

#[test]
fn system_of_32_bits_is_told_what_it_can_do() {
    let tree = system("PRETTY_NAME='Raspbian GNU/Linux 12 (bookworm)'\nID=raspbian\nVERSION_ID=12\n", ARM32);
    let ran = run(&tree, &["resolve", "--version", "1.34"]).expect(1);
    assert!(
        ran.stderr.starts_with("edge-crio: cannot get CRI-O 1.34 for Raspbian GNU/Linux 12 (bookworm) on armhf: "),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("hint: a 64-bit system runs on a Raspberry Pi 3 and later"), "{}", ran.stderr);
    // Another machine's can be asked for all the same.
    run(&tree, &["resolve", "--version", "1.34", "--arch", "arm64"]).expect(0);
}

#[test]
fn kubeedge_that_cannot_use_it_is_an_error() {
    let ran = run(&system(DEBIAN, ARM64), &["resolve", "--version", "1.34", "--kubeedge-version", "1.12"]).expect(1);
    assert!(ran.stderr.contains("take CRI-O 1.25 or older"), "{}", ran.stderr);
}

#[test]
fn calls_that_are_wrong_are_told_from_right_ones() {
    let tree = system(DEBIAN, ARM64);
    for (args, said) in [
        (&["resolve"][..], "--version <V>"),
        (&["resolve", "--version", "latest"], "is no version: 1.34 for the newest of a minor"),
        (&["resolve", "--version", "1.34", "--arch", "z80"], "is not a valid architecture: expected one of amd64,"),
        (
            &["resolve", "--version", "1.34", "--bundle-mirror", "http://m.example"],
            "plain HTTP is allowed only for localhost",
        ),
        (
            &["resolve", "--version", "1.34", "--apt-mirror", "ftp://x"],
            "cannot use the address ftp://x: it begins with",
        ),
        (&["resolve", "--version", "1.34", "--apt-mirror="], "cannot use an empty address"),
        (&["resolve", "--version", "1.34", "--bundle-mirror", "https:///x"], "it has no host"),
        (&["resolve", "--version", "1.34", "--bundle-mirror", "https://m/{foo}"], "can stand in braces"),
        (&["install", "--version", "1.34", "--offline", "/", "--apt-mirror", "x"], "cannot use the address x"),
        (&["install", "--version", "1.34", "--proxy", "http://:80"], "it has no host"),
        (&["install", "--version", "1.34", "--registry-mirror", "docker.io=https://:5000"], "it has no host"),
        (
            &["download", "--version", "1.34", "--arch", "arm64", "--to", "/", "--bundle-mirror", "https://h:99999"],
            "its port is not a number",
        ),
        (&["settings", "--format", "keadm"], "--kubeedge-version <V>"),
        (&["install", "--version", "1.34", "--registry-mirror", "docker.io"], "HOST=URL is wanted"),
        (&["install", "--version", "1.34", "--pause-image", "a b"], "a reference such as"),
        (&["install", "--version", "1.34", "--no-proxy", "a"], "--proxy <URL>"),
        (
            &["install", "--version", "1.34.2", "--sha256", "12", "--archive", "/x"],
            "cannot use --sha256: it has 64 hexadecimal digits",
        ),
        (&["install", "--version", "1.34.2", "--archive", "ftp://x/y"], "it must begin with https://"),
    ] {
        let ran = run(&tree, args);
        assert!(ran.stderr.contains(said), "{args:?}: {}", ran.stderr);
        ran.expect(2);
    }
    // Nothing is known of the system: it is asked for.
    let ran = run(&Tree::new(), &["resolve", "--version", "1.34"]).expect(1);
    assert!(ran.stderr.ends_with("hint: name it: --arch arm64\n"), "{}", ran.stderr);
    let ran = run(&Tree::new(), &["install", "--version", "1.34"]).expect(1);
    assert!(ran.stderr.contains("hint: --root must name a whole root file system"), "{}", ran.stderr);
    let ran = run(&Tree::new(), &["install", "--version", "1.34", "--offline", "/nonexistent"]).expect(1);
    assert!(
        ran.stderr.starts_with(
            "edge-crio: cannot install from /nonexistent: No such file or directory (os error 2)\nhint: look whether it is mounted"
        ),
        "{}",
        ran.stderr
    );
}

#[test]
fn foreign_systems_name_does_not_steer_the_terminal() {
    let tree = system("ID=evil\nPRETTY_NAME=\"evil\u{1b}[2J\"\n", ARM64);
    let ran = run(&tree, &["resolve", "--version", "1.34"]).expect(0);
    assert!(ran.stdout.starts_with("CRI-O 1.34 for evil\\u{1b}[2J, arm64\n"), "{:?}", ran.stdout);
}

#[test]
fn configuration_that_cannot_be_read_does_not_end_a_check() {
    let tree = system(DEBIAN, ARM64);
    std::fs::create_dir_all(tree.at("etc/cni/net.d/10-dir.conflist")).unwrap();
    std::os::unix::fs::symlink("nothing", tree.at("etc/cni/net.d/20-link.conf")).unwrap();
    let said = run(&tree, &["check"]).expect(3).stdout;
    assert!(
        said.contains("/10-dir.conflist: warning: pods get no network: ") && said.contains("is a directory"),
        "{said}"
    );
    assert!(said.contains("/20-link.conf: warning: pods get no network: it is a dangling symbolic link"), "{said}");
}

#[test]
fn empty_value_is_named_as_what_keeps_crio_from_starting() {
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
