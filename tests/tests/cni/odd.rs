//! edge-cni on unusual hosts: dangling links, other users, unusual masks, read-only file systems.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Command;

use edgeutils_tests::cni::{ARM64, fake_build, image_for, tiny};
use edgeutils_tests::tool::{Ran, Tool};
use edgeutils_tests::tree::{Tree, assert_same};
use edgeutils_tests::{is_root, live, skip};

const BIN: &str = "opt/cni/bin";

fn image() -> (Tree, String, Tree) {
    let (tree, beside) = (Tree::new(), Tree::new());
    image_for(&tree, ARM64);
    let plugins = ["bridge", "host-local", "loopback", "portmap"].map(|name| (name, tiny(ARM64, name)));
    fake_build(&beside.at("build"), "v1.9.1", "arm64", &plugins);
    let build = beside.at("build").to_str().unwrap().to_owned();
    (tree, build, beside)
}

fn run(tree: &Tree, args: &[&str]) -> Ran {
    Tool::new("edge-cni").arg("--root").arg(tree.path()).args(args).run()
}

/// Runs edge-cni from a shell script, in which "$@" is the command.
fn by_shell(tree: &Tree, line: &str, args: &[&str]) -> Ran {
    let mut command = Command::new("sh");
    command.args(["-uc", line, "sh"]).args(Tool::new("edge-cni").words()).arg("--root").arg(tree.path()).args(args);
    Ran::of(&command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").output().unwrap())
}

#[test]
fn install_refuses_a_dangling_link_and_creates_nothing() {
    type Make = fn(&Tree);
    let cases: [(Make, &str); 4] = [
        (
            |tree| tree.link("opt/cni", "/disk/cni"),
            "/opt/cni is a dangling symbolic link\nhint: mount the target of the link",
        ),
        (
            |tree| tree.link(BIN, "../../disk"),
            "/opt/cni/bin is a dangling symbolic link\nhint: mount the target of the link",
        ),
        (|tree| tree.write(BIN, "x"), "/opt/cni/bin is a file\nhint: mount the target of the link"),
        (|tree| tree.write("opt/cni", "x"), "/opt/cni is a file\nhint: mount the target of the link"),
    ];
    for (make, said) in cases {
        let (tree, build, _beside) = image();
        make(&tree);
        let before = tree.snapshot();
        for more in [&["-n"][..], &[]] {
            let ran = run(&tree, &[&["install", "--from-build", &build], more].concat()).expect(4);
            let want = format!("edge-cni: cannot install into {}: {said}", tree.at(BIN).display());
            assert!(ran.stderr.starts_with(&want), "{}", ran.stderr);
        }
        assert_same(&tree.snapshot(), &before, said);
    }
}

#[test]
fn umask_of_the_caller_is_ignored() {
    let modes = |mask: &str| {
        let (tree, build, _beside) = image();
        let line = format!("umask {mask}; exec \"$@\"");
        by_shell(&tree, &line, &["install", "--from-build", &build]).expect(0);
        by_shell(&tree, &line, &["conf", "bridge", "--subnet", "10.85.0.0/16"]).expect(0);
        let paths =
            ["opt", "opt/cni", BIN, "opt/cni/bin/bridge", "etc/cni/net.d", "etc/cni/net.d/10-edgeutils.conflist"];
        paths.map(|path| format!("{:o}", fs::metadata(tree.at(path)).unwrap().mode() & 0o7777))
    };
    for mask in ["077", "000", "022", "777"] {
        assert_eq!(modes(mask), ["755", "755", "755", "755", "755", "644"], "{mask}");
    }
}

#[test]
fn user_without_rights_gets_an_error_with_a_hint() {
    if !is_root() {
        return skip("cni_odd another user", "another user's rights need root");
    }
    let (tree, build, beside) = image();
    for dir in [tree.path(), beside.path()] {
        fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let before = tree.snapshot();
    let nobody = |root: bool, args: &[&str]| {
        let tool = Tool::of_nobody("edge-cni", beside.path());
        let tool = if root { tool.arg("--root").arg(tree.path()) } else { tool };
        tool.args(args).run()
    };
    let ran = nobody(true, &["install", "--from-build", &build]).expect(1);
    assert!(ran.stderr.contains("Permission denied (os error 13)\nhint: run it as root (sudo)"), "{}", ran.stderr);
    for args in [&["install", "--from-build", "/nowhere"][..], &["remove"], &["undo"]] {
        let ran = nobody(false, args).expect(1);
        assert!(ran.stderr.contains("hint: "), "{}", ran.stderr);
    }
    // Reading needs no rights.
    nobody(true, &["install", "--from-build", &build, "-n"]).expect(3);
    nobody(true, &["check"]).expect(3);
    assert_same(&tree.snapshot(), &before, "nobody");
}

#[test]
fn install_into_a_read_only_directory_can_be_resumed() {
    if !live::can_unshare() {
        return skip("cni_odd read-only", "no namespaces can be made");
    }
    let (tree, build, _beside) = image();
    fs::create_dir_all(tree.at(BIN)).unwrap();
    let before = tree.snapshot();
    let bin = tree.at(BIN).display().to_string();
    let line = format!(
        "exec unshare -m --propagation private sh -c 'mount --bind {bin} {bin} && mount -o remount,ro,bind {bin} && exec \"$@\"' sh \"$@\""
    );
    let ran = by_shell(&tree, &line, &["install", "--from-build", &build]).expect(1);
    assert!(ran.stderr.contains("bridge: Read-only file system (os error 30)\nhint: "), "{}", ran.stderr);
    assert_same(&tree.snapshot(), &before, "read-only");
    run(&tree, &["install", "--from-build", &build]).expect(0);
    assert_eq!(fs::read(tree.at("opt/cni/bin/portmap")).unwrap(), tiny(ARM64, "portmap"));
    run(&tree, &["undo"]).expect(0);
    assert_same(&tree.snapshot(), &before, "both commands are one run");
}

#[test]
fn undo_keeps_a_plugin_that_was_changed_since() {
    let (tree, build, _beside) = image();
    run(&tree, &["install", "--from-build", &build]).expect(0);
    tree.write("opt/cni/bin/bridge", "someone's newer one");
    tree.write("opt/cni/bin/cilium-cni", "someone's own");
    fs::remove_file(tree.at("opt/cni/bin/loopback")).unwrap();
    let ran = run(&tree, &["undo"]).expect(4);
    assert!(ran.stderr.contains("opt/cni/bin/bridge: it was changed after the run\nhint: "), "{}", ran.stderr);
    assert_eq!(tree.read("opt/cni/bin/bridge"), "someone's newer one");
    assert_eq!(tree.read("opt/cni/bin/cilium-cni"), "someone's own");
    assert!(!tree.at("opt/cni/bin/portmap").exists());
}
