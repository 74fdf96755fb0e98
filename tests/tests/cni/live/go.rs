//! Errors of the real go command, with edge-cni's hints.

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
fn build_refuses_unsafe_flags_in_quotes() {
    if no_go("build_refuses_unsafe_flags_in_quotes") {
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
fn go_that_fails_is_not_reported_as_missing() {
    if no_go("go_that_fails_is_not_reported_as_missing") {
        return;
    }
    let tree = Tree::new();
    let ran = build(&tree, builder().env("GOTOOLCHAIN", "nonsense")).expect(1);
    assert!(ran.stderr.starts_with("edge-cni: cannot use /") && ran.stderr.contains("GOTOOLCHAIN"), "{ran:?}");
    assert!(ran.stderr.contains("\nhint: "), "{ran:?}");
}

#[test]
fn build_has_a_hint_for_caches_that_are_not_writable() {
    if no_go("build_has_a_hint_for_caches_that_are_not_writable") {
        return;
    }
    let tree = Tree::new();
    // Not even root can write there.
    for name in ["GOMODCACHE", "GOCACHE"] {
        let ran = build(&tree, builder().env(name, "/proc/nothing")).expect(1);
        assert!(ran.stderr.contains("hint: set GOPATH=DIR and GOCACHE=DIR "), "{ran:?}");
    }
    assert!(!tree.at("out").exists());
}

#[test]
fn module_cache_is_enough_without_a_proxy() {
    if no_go("module_cache_is_enough_without_a_proxy") {
        return;
    }
    // Downloads the modules, unless they are cached.
    built("v1.9.1", "arm64", "bridge,host-local,loopback,portmap");
    let tree = Tree::new();
    let ran = build(&tree, builder().env("GOPROXY", "off")).expect(1);
    assert!(ran.stderr.contains("cannot build v1.9.1 of the CNI plugins: exit status: 1: go: "), "{ran:?}");
    assert!(!ran.stderr.contains("-trimpath"), "without its whole command line: {ran:?}");
    let proxy = ran.stderr.split("GOPROXY=").last().unwrap().split_whitespace().next().unwrap().to_owned();
    assert!(proxy.starts_with("file:///") && proxy.ends_with("/cache/download"), "{ran:?}");
    build(&tree, builder().env("GOPROXY", proxy)).expect(0);
    assert!(tree.at("out/loopback").exists());
    // An empty name is refused before go runs.
    let ran = builder().args(["build", "-n", "--version", "v1.9.1", "--plugins", "", "--out", "x"]).run().expect(2);
    assert!(ran.stderr.contains("--plugins"), "{ran:?}");
    assert!(ran.stdout.is_empty() && !ran.stderr.contains(MODULE), "{ran:?}");
}
