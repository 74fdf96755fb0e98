//! A go command that cannot build as it is set: the reason is go's own, with what to do.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::os::unix::fs::PermissionsExt;

use edgeutils_tests::cni::{MODULE, builder, built, no_go};
use edgeutils_tests::tool::{Ran, Tool};
use edgeutils_tests::tree::Tree;

fn build(tree: &Tree, tool: Tool) -> Ran {
    tool.args(["build", "--version", "v1.9.1", "--plugins", "loopback", "--out"]).arg(tree.at("out")).run()
}

#[test]
fn flags_in_quotes_are_looked_through_too() {
    if no_go("flags_in_quotes_are_looked_through_too") {
        return;
    }
    let tree = Tree::new();
    tree.write("spy", format!("#!/bin/sh\n: >{}\nexec \"$@\"\n", tree.at("ran").display()));
    fs::set_permissions(tree.at("spy"), fs::Permissions::from_mode(0o755)).unwrap();
    for quote in ["'", "\""] {
        let flags = format!("-buildvcs=false {quote}-toolexec={}{quote}", tree.at("spy").display());
        let ran = build(&tree, builder().env("GOFLAGS", flags)).expect(4);
        assert!(ran.stderr.contains(": -toolexec changes what is built\nhint: "), "{ran:?}");
        assert!(!tree.at("ran").exists() && !tree.at("out").exists());
    }
}

#[test]
fn go_that_does_not_answer_is_not_told_as_absent() {
    if no_go("go_that_does_not_answer_is_not_told_as_absent") {
        return;
    }
    let tree = Tree::new();
    let ran = build(&tree, builder().env("GOTOOLCHAIN", "nonsense")).expect(1);
    assert!(ran.stderr.starts_with("edge-cni: cannot use /") && ran.stderr.contains("GOTOOLCHAIN"), "{ran:?}");
    assert!(ran.stderr.contains("\nhint: "), "{ran:?}");
}

#[test]
fn caches_that_cannot_be_written_to_are_named() {
    if no_go("caches_that_cannot_be_written_to_are_named") {
        return;
    }
    let tree = Tree::new();
    // Not even root can write there.
    for name in ["GOMODCACHE", "GOCACHE"] {
        let ran = build(&tree, builder().env(name, "/proc/nothing")).expect(1);
        assert!(ran.stderr.contains("hint: go cannot write to its caches: GOPATH=DIR and GOCACHE=DIR "), "{ran:?}");
    }
    assert!(!tree.at("out").exists());
}

#[test]
fn module_cache_is_enough_without_a_proxy() {
    if no_go("module_cache_is_enough_without_a_proxy") {
        return;
    }
    // All that it needs is fetched now, if it was not before.
    built("v1.9.1", "arm64", "bridge,host-local,loopback,portmap");
    let tree = Tree::new();
    let ran = build(&tree, builder().env("GOPROXY", "off")).expect(1);
    assert!(ran.stderr.contains("cannot build v1.9.1 of the CNI plugins: exit status: 1: go: "), "{ran:?}");
    assert!(!ran.stderr.contains("-trimpath"), "without its whole command line: {ran:?}");
    let proxy = ran.stderr.split("GOPROXY=").last().unwrap().split_whitespace().next().unwrap().to_owned();
    assert!(proxy.starts_with("file:///") && proxy.ends_with("/cache/download"), "{ran:?}");
    build(&tree, builder().env("GOPROXY", proxy)).expect(0);
    assert!(tree.at("out/loopback").exists());
    // Not even a look at what there is needs more than a name.
    let ran = builder().args(["build", "-n", "--version", "v1.9.1", "--plugins", "", "--out", "x"]).run().expect(2);
    assert!(ran.stderr.contains("--plugins"), "{ran:?}");
    assert!(ran.stdout.is_empty() && !ran.stderr.contains(MODULE), "{ran:?}");
}
