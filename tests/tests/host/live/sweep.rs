//! Calls of utilities on an image, killed before each system call that changes something: the same call
//! leads to the same end, one undo to the beginning. edge-cni and edge-crio have their own files.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::os::unix::fs::PermissionsExt;

use edgeutils_tests::kill::cannot_kill;
use edgeutils_tests::sweep::{Points, converges};
use edgeutils_tests::tool::Tool;
use edgeutils_tests::tree::Tree;

/// Of each call; what all utilities have in common is in host_crash, at every point.
const POINTS: Points = Points::About(16);
const PERSIST: [&str; 3] = ["add", "10351=192.0.2.1:10003", "--persist"];
const EDGECORE: &str = "etc/kubeedge/config/edgecore.yaml";

/// An image with a program for its unit and the directories that every system has.
fn image() -> Tree {
    let tree = Tree::with(&[("usr/bin/edge-redirect", "\u{7f}ELF"), ("etc/fstab", "/dev/sda2 none swap sw 0 0\n")]);
    std::fs::set_permissions(tree.at("usr/bin/edge-redirect"), std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::set_permissions(tree.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    for dir in ["etc/systemd/system", "var/lib"] {
        std::fs::create_dir_all(tree.at(dir)).unwrap();
    }
    tree
}

fn after(program: &str, args: &[&str]) -> Tree {
    let tree = image();
    Tool::new(program).arg("--root").arg(tree.path()).args(args).run().expect(0);
    tree
}

#[test]
fn redirect_add_converges() {
    if cannot_kill("host_live_sweep redirect add") {
        return;
    }
    converges(POINTS, image, "edge-redirect", &PERSIST);
}

#[test]
fn redirect_remove_converges() {
    if cannot_kill("host_live_sweep redirect remove") {
        return;
    }
    converges(POINTS, || after("edge-redirect", &PERSIST), "edge-redirect", &["remove"]);
}

#[test]
fn redirect_remove_of_the_only_port_converges() {
    if cannot_kill("host_live_sweep redirect remove port") {
        return;
    }
    converges(POINTS, || after("edge-redirect", &PERSIST), "edge-redirect", &["remove", "10351"]);
}

#[test]
fn conf_env_converges() {
    if cannot_kill("host_live_sweep conf env") {
        return;
    }
    converges(POINTS, image, "edge-conf", &["env", "GOGC=50"]);
    converges(POINTS, || after("edge-conf", &["env", "GOGC=50"]), "edge-conf", &["env", "GOGC=60", "A=b"]);
}

#[test]
fn conf_set_converges_with_a_hard_link() {
    if cannot_kill("host_live_sweep conf set") {
        return;
    }
    let linked = || {
        let tree = image();
        tree.write(
            EDGECORE,
            "kind: EdgeCore\nmodules:\n  edgeHub:\n    heartbeat: 15\n  edgeStream:\n    enable: false\n",
        );
        std::fs::hard_link(tree.at(EDGECORE), tree.at("etc/kubeedge/config/same")).unwrap();
        tree
    };
    let set = ["--kubeedge-version", "1.12", "set", "modules.edgeStream.enable=true", "modules.edgeHub.heartbeat=20"];
    converges(POINTS, linked, "edge-conf", &set);
    converges(
        Points::Every,
        linked,
        "edge-conf",
        &["--kubeedge-version", "1.12", "unset", "modules.edgeHub.heartbeat"],
    );
}

#[test]
fn prep_apply_converges() {
    if cannot_kill("host_live_sweep prep apply") {
        return;
    }
    let args = ["apply", "--for", "kubeadm"];
    converges(POINTS, image, "edge-prep", &args);
}
