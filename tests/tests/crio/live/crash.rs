//! SIGKILL before each system call that changes something while a bundle is installed, upgraded or removed; then the
//! same command again, and an undo.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};

use edgeutils_tests::kill::cannot_kill;
use edgeutils_tests::standin::{ARM64, bundle, elf};
use edgeutils_tests::sweep::{Points, assert_no_temporary, converges, look, sweep};
use edgeutils_tests::tool::{self, Tool};
use edgeutils_tests::tree::{Snapshot, Tree, assert_same};
use tempfile::TempDir;

const PROGRAM: &[u8] = ARM64;
const OTHER_PROGRAM: &[u8] = &{
    let mut program = elf(64, 183);
    program[63] = 1;
    program
};
/// Not every point: a bundle has eighteen files, with the same calls for each.
const POINTS: Points = Points::About(16);

fn system() -> Tree {
    let tree = Tree::with(&[("etc/os-release", "ID=debian\nVERSION_ID=12\n")]);
    tree.write("usr/bin/env", PROGRAM);
    for dir in
        ["usr/local/bin", "usr/local/lib", "usr/local/share", "etc/systemd/system", "usr/libexec", "opt", "var/lib"]
    {
        std::fs::create_dir_all(tree.at(dir)).unwrap();
    }
    tree
}

/// Two releases in one directory.
struct Bundles {
    _dir: TempDir,
    older: (PathBuf, String),
    newer: (PathBuf, String),
}

fn bundles() -> Bundles {
    let dir = tempfile::tempdir().unwrap();
    let older = bundle(dir.path(), "1.30.4", "arm64", PROGRAM);
    let newer = bundle(dir.path(), "1.31.2", "arm64", OTHER_PROGRAM);
    Bundles { _dir: dir, older, newer }
}

fn install<'a>(version: &'a str, (archive, sum): &'a (PathBuf, String)) -> Vec<&'a str> {
    let archive = archive.to_str().unwrap();
    ["install", "--version", version, "--cgroup-driver", "cgroupfs", "--sha256", sum, "--archive", archive].to_vec()
}

fn crio(tree: &Tree, args: &[&str]) {
    Tool::new("edge-crio").arg("--root").arg(tree.path()).args(args).run().expect(0);
}

fn argv(tree: &Tree, args: &[&str]) -> Vec<String> {
    let (program, root) = (tool::path("edge-crio"), tree.path());
    let own = [program.to_str().unwrap(), "--root", root.to_str().unwrap()];
    own.iter().chain(args).map(|word| (*word).to_owned()).collect()
}

#[test]
fn install_killed_anywhere_is_resumed_and_undone() {
    if cannot_kill("crio_live_crash install") {
        return;
    }
    let bundles = bundles();
    converges(POINTS, system, "edge-crio", &install("1.30.4", &bundles.older));
}

/// Files and links only: a removal keeps directories of the system, such as /opt/cni/bin.
fn files(tree: &Tree) -> Snapshot {
    let mut seen = look(tree.path());
    assert_no_temporary(&seen);
    seen.retain(|_, what| !what.ends_with(" directory"));
    seen
}

fn without_kept(mut seen: Snapshot) -> Snapshot {
    seen.retain(|path, _| !path.starts_with("var/lib/edgeutils/journal/kept"));
    seen
}

#[test]
fn remove_after_a_killed_install_leaves_nothing_of_it() {
    if cannot_kill("crio_live_crash install, remove") {
        return;
    }
    let bundles = bundles();
    let older = install("1.30.4", &bundles.older);
    // Replaced and removed files are kept for undo.
    let before = without_kept(files(&system()));
    sweep(
        "install, remove",
        POINTS,
        system,
        |tree| argv(tree, &older),
        |tree, _| {
            crio(tree, &["remove"]);
            assert_same(&without_kept(files(tree)), &before, "removed");
        },
    );
}

#[test]
fn another_version_after_a_killed_install_replaces_it() {
    if cannot_kill("crio_live_crash install, another") {
        return;
    }
    let bundles = bundles();
    let (older, newer) = (install("1.30.4", &bundles.older), install("1.31.2", &bundles.newer));
    let want = {
        let tree = system();
        crio(&tree, &newer);
        without_kept(files(&tree))
    };
    sweep(
        "install, another version",
        POINTS,
        system,
        |tree| argv(tree, &older),
        |tree, _| {
            crio(tree, &newer);
            assert_same(&without_kept(files(tree)), &want, "the other version");
        },
    );
}

#[test]
fn remove_after_a_killed_upgrade_leaves_nothing_of_either() {
    if cannot_kill("crio_live_crash upgrade, remove") {
        return;
    }
    let bundles = bundles();
    let newer = install("1.31.2", &bundles.newer);
    let installed = || {
        let tree = system();
        crio(&tree, &install("1.30.4", &bundles.older));
        tree
    };
    let want = {
        let tree = installed();
        crio(&tree, &["remove"]);
        without_kept(files(&tree))
    };
    sweep(
        "upgrade, remove",
        POINTS,
        installed,
        |tree| argv(tree, &newer),
        |tree, _| {
            crio(tree, &["remove"]);
            assert_same(&without_kept(files(tree)), &want, "removed");
        },
    );
}

#[test]
fn upgrade_killed_anywhere_is_resumed_and_undone() {
    if cannot_kill("crio_live_crash upgrade") {
        return;
    }
    let bundles = bundles();
    let installed = || {
        let tree = system();
        crio(&tree, &install("1.30.4", &bundles.older));
        tree
    };
    converges(POINTS, installed, "edge-crio", &install("1.31.2", &bundles.newer));
}

#[test]
fn remove_killed_anywhere_is_resumed_and_undone() {
    if cannot_kill("crio_live_crash remove") {
        return;
    }
    let bundles = bundles();
    let installed = || {
        let tree = system();
        crio(&tree, &install("1.30.4", &bundles.older));
        // Adds a drop-in in a directory of its own.
        crio(&tree, &[&install("1.30.4", &bundles.older)[..], &["--proxy", "http://192.0.2.1:3128"]].concat());
        tree
    };
    converges(POINTS, installed, "edge-crio", &["remove"]);
}

#[test]
fn remove_of_leftovers_killed_anywhere_is_resumed_and_undone() {
    if cannot_kill("crio_live_crash remove of leftovers") {
        return;
    }
    // Without a manifest the owner of the directories is unknown.
    let installed = || {
        let tree = system();
        tree.write("etc/crio/crio.conf.d/20-edgeutils.conf", "# Made by edge-crio; x\n");
        tree.write("etc/systemd/system/crio.service.d/20-edgeutils.conf", "# Made by edge-crio; x\n");
        // A directory of someone else, which was empty before.
        std::fs::create_dir_all(tree.at("usr/libexec/crio")).unwrap();
        tree
    };
    converges(Points::Every, installed, "edge-crio", &["remove"]);
}

#[test]
fn remove_leaves_a_directory_that_was_empty_before() {
    let tree = system();
    std::fs::create_dir_all(tree.at("etc/crio")).unwrap();
    crio(&tree, &["remove"]);
    assert!(Path::new(&tree.at("etc/crio")).exists());
}
