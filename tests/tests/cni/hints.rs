//! The commands in the hints of edge-cni check, run as they are printed, repair the network.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use edgeutils_tests::cni::{ARM64, fake_build, image_for, tiny};
use edgeutils_tests::tool;
use edgeutils_tests::tree::Tree;

use super::check::{LIST, image, run};

const LEASES: &str = "var/lib/cni/networks/pods";

/// The hints of the check, which finds problems.
fn hints(tree: &Tree) -> Vec<String> {
    let said = run(tree, &["check"]).expect(3).stdout;
    said.lines().filter_map(|line| line.trim_start().strip_prefix("hint: ")).map(str::to_owned).collect()
}

/// Runs a command of a hint.
#[track_caller]
fn shell(command: &str) {
    // A wrapper, so that the command runs under an emulator too.
    let bin = Tree::new();
    let runner = std::env::var(tool::RUNNER).unwrap_or_default();
    bin.write("edge-cni", format!("#!/bin/sh\nexec {runner} {} \"$@\"\n", tool::path("edge-cni").display()));
    std::fs::set_permissions(bin.at("edge-cni"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", bin.path().display());
    let command = command.replace("CIDR", "10.95.0.0/16");
    let output = Command::new("sh").args(["-c", &command]).env("PATH", path).output().unwrap();
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn check_hints_name_the_directories_and_the_network_of_cri_o() {
    let (tree, beside) = (Tree::new(), Tree::new());
    image_for(&tree, ARM64);
    let conf = "[crio.network]\nnetwork_dir = \"/etc/kube/net.d\"\nplugin_dirs = [\"/opt/kube bin\"]\ncni_default_network = \"crio\"\n";
    tree.write("etc/crio/crio.conf.d/50-net.conf", conf);
    tree.write("etc/kube/net.d/10-crio.conflist", LIST.replace("\"pods\"", "\"crio\""));
    let root = tree.path().display();
    assert!(hints(&tree)[0].starts_with(&format!(
        "install the plugins: edge-cni --root {root} install --archive FILE --bin-dir '/opt/kube bin'; a cluster's"
    )));
    std::fs::remove_file(tree.at("etc/kube/net.d/10-crio.conflist")).unwrap();
    let plugins = ["bridge", "host-local", "loopback", "portmap"].map(|name| (name, tiny(ARM64, name)));
    fake_build(&beside.at("build"), "v1.9.1", "arm64", &plugins);
    let build = beside.at("build").display().to_string();
    run(&tree, &["install", "--from-build", &build, "--bin-dir", "/opt/kube bin"]).expect(0);
    let hint = hints(&tree).remove(0);
    let command = format!(
        "edge-cni --root {root} conf bridge --subnet CIDR --name crio --out {root}/etc/kube/net.d/10-crio.conflist --bin-dir '/opt/kube bin'"
    );
    assert_eq!(hint, format!("write one: {command}; or deploy the cluster's network plugin"));
    shell(&command);
    run(&tree, &["check"]).expect(0);
}

#[test]
fn conf_notes_that_cri_o_is_limited_to_another_network() {
    let tree = image("v1.9.1", ARM64);
    tree.write("etc/crio/crio.conf.d/50-net.conf", "[crio.network]\ncni_default_network = \"crio\"\n");
    let conf = |more: &[&str]| run(&tree, &[&["conf", "bridge", "--subnet", "10.85.0.0/16", "-n"], more].concat());
    let want = "/etc/crio/crio.conf.d/50-net.conf limits CRI-O to the network crio, so it does not use this one: use --name crio";
    let ran = conf(&[]).expect(3);
    assert!(ran.stdout.contains(want) || ran.stderr.contains(want), "{} {}", ran.stdout, ran.stderr);
    let ran = conf(&["--name", "crio"]).expect(3);
    assert!(!ran.stdout.contains("limits") && !ran.stderr.contains("limits"), "{}", ran.stdout);
}

#[test]
fn check_hints_move_away_a_network_that_does_not_work() {
    let tree = image("v1.9.1", ARM64);
    let bad = LIST.replace(r#", "ranges": [[{"subnet": "10.85.0.0/29"}]]"#, "").replace("\"pods\"", "\"router\"");
    tree.write("etc/cni/net.d/05-router.conflist", &bad);
    tree.write("etc/cni/net.d/10-pods.conflist", LIST);
    let path = tree.at("etc/cni/net.d/05-router.conflist").display().to_string();
    let command = format!("mv {path} {path}.disabled");
    let want = format!("correct it, or move it away, so that 10-pods.conflist is used: {command}");
    assert_eq!(hints(&tree), [want]);
    shell(&command);
    let ran = run(&tree, &["check"]).expect(0);
    assert!(ran.stdout.starts_with("/etc/cni/net.d/10-pods.conflist"), "{}", ran.stdout);
    // A file that is not valid keeps containerd from using the next one.
    tree.write("etc/cni/net.d/05-router.conflist", "{");
    assert_eq!(hints(&tree), [format!("correct it, or move it away: {command}")]);
    shell(&command);
    run(&tree, &["check"]).expect(0);
    // No other one works.
    tree.write("etc/cni/net.d/05-router.conflist", &bad);
    std::fs::remove_file(tree.at("etc/cni/net.d/10-pods.conflist")).unwrap();
    let write = format!("edge-cni --root {} conf bridge --subnet CIDR", tree.path().display());
    assert_eq!(hints(&tree), [format!("correct it, or write the network again (after {command}): {write}")]);
    shell(&command);
    shell(&write);
    run(&tree, &["check"]).expect(0);
    // edge-cni keeps its own file where it was changed since.
    let own = "etc/cni/net.d/10-edgeutils.conflist";
    tree.write(own, tree.read(own).replace("10.95.0.0/16", "10.95.0.0/99"));
    let command = command.replace("05-router", "10-edgeutils");
    assert_eq!(hints(&tree), [format!("correct it, or write the network again (after {command}): {write}")]);
    shell(&command);
    shell(&write);
    run(&tree, &["check"]).expect(0);
}

#[test]
fn check_hints_of_a_full_range_replace_the_network_that_is_used() {
    let tree = image("v1.9.1", ARM64);
    tree.write("etc/cni/net.d/05-pods.conflist", LIST);
    for last in 2..=6 {
        tree.write(&format!("{LEASES}/10.85.0.{last}"), "container\neth0");
    }
    let path = tree.at("etc/cni/net.d/05-pods.conflist").display().to_string();
    let moved = format!("mv {path} {path}.disabled");
    let write = format!("edge-cni --root {} conf bridge --subnet CIDR", tree.path().display());
    assert_eq!(hints(&tree), [format!("use a larger subnet than 10.85.0.0/29 (after {moved}): {write}")]);
    shell(&moved);
    shell(&write);
    let ran = run(&tree, &["check"]).expect(0);
    assert!(ran.stdout.starts_with("/etc/cni/net.d/10-edgeutils.conflist"), "{}", ran.stdout);
}

#[test]
fn check_hints_name_the_directories_of_containerd() {
    let tree = image("v1.9.1", ARM64);
    tree.write("etc/cni/net.d/10-pods.conflist", LIST);
    tree.write("usr/bin/containerd", tiny(ARM64, "containerd"));
    let section = "version = 2\nimports = [\"conf.d/*.toml\"]\n[plugins.\"io.containerd.grpc.v1.cri\".cni]\n";
    let set = |keys: &str| tree.write("etc/containerd/config.toml", format!("{section}{keys}"));
    // No file, the usual directories, or no CRI.
    run(&tree, &["check"]).expect(0);
    set("conf_dir = \"/etc/cni/net.d/\"\nbin_dir = \"/opt/cni/bin\"\n");
    assert_eq!(run(&tree, &["check"]).expect(0).stdout.lines().count(), 2);
    tree.write("etc/containerd/config.toml", format!("disabled_plugins = [\"cri\"]\n{section}conf_dir = \"/x\"\n"));
    assert_eq!(run(&tree, &["check"]).expect(0).stdout.lines().count(), 2);
    set("bin_dir = \"/opt/cni/bin\"\n");
    let import = "version = 3\n[plugins.\"io.containerd.cri.v1.runtime\".cni]\nconf_dir = \"/etc/containerd/net.d\"\n";
    tree.write("etc/containerd/conf.d/50-net.toml", import);
    let said = run(&tree, &["check"]).expect(0).stdout;
    let want = "/etc/containerd/conf.d/50-net.toml:3: warning: cni.conf_dir: containerd uses the networks in /etc/containerd/net.d, but those in /etc/cni/net.d were examined";
    assert!(said.contains(want), "{said}");
    let root = tree.path().display();
    let command = format!("edge-cni --root {root} check --conf-dir /etc/containerd/net.d");
    assert!(said.contains(&format!("hint: examine the directories of containerd: {command}\n")), "{said}");
    tree.write("etc/containerd/net.d/10-pods.conflist", LIST);
    shell(&command);
    let said = run(&tree, &["check", "--conf-dir", "/etc/containerd/net.d"]).expect(0).stdout;
    assert!(said.contains("no problems found"), "{said}");
    set("bin_dir = \"/opt/other\"\n");
    let said = run(&tree, &["check"]).expect(0).stdout;
    assert!(said.contains(&format!("{command} --bin-dir /opt/other\n")), "{said}");
    // CRI-O is the runtime.
    tree.write("usr/bin/crio", tiny(ARM64, "crio"));
    assert!(!run(&tree, &["check"]).expect(0).stdout.contains("containerd"));
}
