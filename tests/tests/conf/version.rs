//! The version that reads the file: the given one, else that in the file, else that of the installed program, else unknown.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use edgeutils_tests::program::{elf, with_flags};
use edgeutils_tests::tool::{Ran, Tool};
use edgeutils_tests::tree::Tree;

const FILE: &str = "etc/kubeedge/config/edgecore.yaml";
const START: &str = "kind: EdgeCore\nmodules: {}\n";

/// With the text alone, as older ones do.
fn with_text(version: &str) -> Vec<u8> {
    elf(".rodata", format!("clean\0\0\0{version}\0\0\0\0\0v1.19.3v0.22.6").as_bytes())
}

fn conf(tree: &Tree, args: &[&str]) -> Ran {
    Tool::new("edge-conf").arg("--root").arg(tree.path()).args(args).run()
}

/// The note on the version that `enable crio` prints, because its keys depend on it.
fn version_note(tree: &Tree) -> String {
    let ran = conf(tree, &["enable", "crio", "-n"]);
    let line = ran.stderr.lines().next().unwrap_or_default().to_owned();
    line.strip_prefix("edge-conf: note: ").unwrap_or(&line).to_owned()
}

#[test]
fn version_is_read_from_the_installed_program_which_never_runs() {
    for (place, program, version) in [
        ("usr/local/bin", with_flags("v1.23.1"), "1.23"),
        ("usr/bin", with_text("v1.8.2"), "1.8"),
        ("etc/kubeedge", with_text("v1.4.0"), "1.4"),
    ] {
        let tree = Tree::with(&[(FILE, START)]);
        tree.write(&format!("{place}/edgecore"), program);
        assert_eq!(version_note(&tree), format!("KubeEdge {version}, from the installed edgecore"), "{place}");
    }
    let tree = Tree::with(&[(FILE, START), ("usr/bin/crio", "")]);
    tree.write("usr/local/bin/edgecore", with_flags("v1.23.1"));
    conf(&tree, &["enable", "crio"]).expect(0);
    let key = "modules.edged.tailoredKubeletConfig.containerRuntimeEndpoint";
    conf(&tree, &["get", key]).expect(0);
    let ran = conf(&tree, &["set", "modules.edged.cgroupDriver=systemd"]).expect(4);
    assert!(ran.stderr.contains("edgecore 1.23 does not have it: it was removed after 1.11"), "{}", ran.stderr);
    // cloudcore.yaml is read by cloudcore.
    tree.write("etc/kubeedge/config/cloudcore.yaml", "kind: CloudCore\n");
    tree.write("usr/local/bin/cloudcore", with_text("v1.5.0"));
    let ran = conf(&tree, &["enable", "dynamic-controller"]).expect(4);
    assert!(ran.stderr.contains("cloudcore 1.5 does not have it: it was added in 1.6"), "{}", ran.stderr);
}

#[test]
fn version_that_is_given_or_in_the_file_takes_precedence() {
    let tree = Tree::with(&[(FILE, &format!("edgecoreVersion: v1.22.0\n{START}")), ("usr/bin/crio", "")]);
    tree.write("usr/local/bin/edgecore", with_flags("v1.8.2"));
    assert_eq!(version_note(&tree), "KubeEdge 1.22, from edgecoreVersion in the file");
    let ran = conf(&tree, &["--kubeedge-version", "1.10", "enable", "crio", "-n"]).expect(3);
    assert_eq!(ran.stderr, "", "nothing is said of what was given");
    assert!(ran.stdout.contains("modules.edged.runtimeType: (not set) -> remote"), "{}", ran.stdout);
}

#[test]
fn program_is_not_used_for_a_file_in_another_place() {
    let tree = Tree::with(&[("srv/edgecore.yaml", START)]);
    tree.write("usr/local/bin/edgecore", with_flags("v1.8.2"));
    let ran = conf(&tree, &["--file", "/srv/edgecore.yaml", "set", "modules.edgeStream.enable=true"]).expect(0);
    assert!(ran.stderr.contains("the KubeEdge version is unknown: checked against all"), "{}", ran.stderr);
}

#[test]
fn version_that_is_unknown_is_reported_and_all_are_checked() {
    for program in [b"#!/bin/sh\n".as_slice(), b"", &with_text("v2.0.0"), &with_flags("v0.0.0-master")] {
        let tree = Tree::with(&[(FILE, START)]);
        tree.write("usr/local/bin/edgecore", program);
        let ran = conf(&tree, &["set", "modules.edged.cgroupDriver=systemd"]).expect(0);
        assert_eq!(
            ran.stderr,
            "edge-conf: note: the KubeEdge version is unknown: checked against all versions; to check against one, use --kubeedge-version VERSION\n"
        );
        let hint = format!(
            "hint: edge-conf --root {} enable crio --kubeedge-version 1.23; replace 1.23 by the version of edgecore",
            tree.path().display()
        );
        let ran = conf(&tree, &["enable", "crio"]).expect(1);
        assert!(ran.stderr.contains(&hint), "{}", ran.stderr);
    }
}

#[test]
fn programs_that_differ_are_reported() {
    let tree = Tree::with(&[(FILE, START)]);
    tree.write("usr/local/bin/edgecore", with_flags("v1.23.1"));
    tree.write("etc/kubeedge/edgecore", with_text("v1.23.0"));
    assert_eq!(version_note(&tree), "KubeEdge 1.23, from the installed edgecore");
    tree.write("etc/kubeedge/edgecore", with_text("v1.4.0"));
    let ran = conf(&tree, &["set", "modules.edged.cgroupDriver=systemd"]).expect(0);
    assert!(ran.stderr.contains("the installed edgecore programs are of KubeEdge 1.23 and 1.4"), "{}", ran.stderr);
}
