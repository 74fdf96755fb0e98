//! install, conf and remove are killed at any point, and run again.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use edgeutils_tests::cni::{ARM64, fake_build, image_for, tiny};
use edgeutils_tests::kill::cannot_kill;
use edgeutils_tests::sweep::{Points, converges};
use edgeutils_tests::tool::Tool;
use edgeutils_tests::tree::Tree;

/// Plugins are all alike.
const POINTS: Points = Points::About(24);

/// An image without plugins.
fn image() -> Tree {
    let tree = Tree::new();
    image_for(&tree, ARM64);
    std::fs::create_dir_all(tree.at("var/lib")).unwrap();
    tree
}

/// The same with plugins of the distribution.
fn with_others() -> Tree {
    let tree = image();
    tree.write("opt/cni/bin/bridge", tiny(ARM64, "the distribution's"));
    tree.link("opt/cni/bin/loopback", "bridge");
    tree
}

/// Two sets, each with a plugin that the other one does not have.
fn sets() -> (Tree, String, String) {
    let beside = Tree::new();
    let set = |version: &str, names: [&'static str; 4]| {
        let plugins = names.map(|name| (name, tiny(ARM64, &format!("{name} {version}"))));
        let dir = beside.at(version);
        fake_build(&dir, version, "arm64", &plugins);
        dir.to_str().unwrap().to_owned()
    };
    let older = set("v1.8.0", ["bridge", "host-local", "portmap", "dhcp"]);
    let newer = set("v1.9.1", ["bridge", "host-local", "portmap", "loopback"]);
    (beside, older, newer)
}

fn cni(tree: &Tree, args: &[&str]) {
    Tool::new("edge-cni").arg("--root").arg(tree.path()).args(args).run().expect(0);
}

#[test]
fn install_killed_anywhere_and_run_again_completes() {
    if cannot_kill("cni_live_kill install") {
        return;
    }
    let (_beside, _, newer) = sets();
    converges(POINTS, image, "edge-cni", &["install", "--from-build", &newer]);
}

#[test]
fn install_over_others_killed_anywhere_and_run_again_completes() {
    if cannot_kill("cni_live_kill over others") {
        return;
    }
    let (_beside, _, newer) = sets();
    converges(POINTS, with_others, "edge-cni", &["install", "--from-build", &newer]);
}

#[test]
fn upgrade_killed_anywhere_and_run_again_completes() {
    if cannot_kill("cni_live_kill upgrade") {
        return;
    }
    let (_beside, older, newer) = sets();
    let installed = || {
        let tree = with_others();
        cni(&tree, &["install", "--from-build", &older]);
        tree
    };
    converges(POINTS, installed, "edge-cni", &["install", "--from-build", &newer]);
}

#[test]
fn conf_killed_anywhere_and_run_again_completes() {
    if cannot_kill("cni_live_kill conf") {
        return;
    }
    let (_beside, _, newer) = sets();
    let installed = || {
        let tree = image();
        cni(&tree, &["install", "--from-build", &newer]);
        tree
    };
    converges(POINTS, installed, "edge-cni", &["conf", "bridge", "--subnet", "10.85.0.0/16"]);
}

#[test]
fn changed_conf_killed_anywhere_and_run_again_completes() {
    if cannot_kill("cni_live_kill changed conf") {
        return;
    }
    let (_beside, _, newer) = sets();
    let installed = || {
        let tree = image();
        cni(&tree, &["install", "--from-build", &newer]);
        cni(&tree, &["conf", "bridge", "--subnet", "10.85.0.0/16"]);
        tree
    };
    converges(POINTS, installed, "edge-cni", &["conf", "bridge", "--subnet", "10.86.0.0/16"]);
}

#[test]
fn remove_killed_anywhere_and_run_again_leaves_nothing() {
    if cannot_kill("cni_live_kill remove") {
        return;
    }
    let (_beside, older, newer) = sets();
    let installed = || {
        let tree = with_others();
        cni(&tree, &["install", "--from-build", &older]);
        cni(&tree, &["install", "--from-build", &newer]);
        cni(&tree, &["conf", "bridge", "--subnet", "10.85.0.0/16"]);
        tree
    };
    converges(POINTS, installed, "edge-cni", &["remove"]);
}
