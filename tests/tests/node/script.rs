//! scripts/edge-node.sh and cloud-node.sh: the utilities as a shell script uses them.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use edge_kubeedge::{Kind, Minor};
use edgeutils_tests::cni::{ARM64, image_for, tiny};
use edgeutils_tests::defaults::render;
use edgeutils_tests::pki::Pki;
use edgeutils_tests::standin::bundle;
use edgeutils_tests::systems;
use edgeutils_tests::tool::{self, Ran};
use edgeutils_tests::tree::{Tree, assert_same};

const FILE: &str = "etc/kubeedge/config/edgecore.yaml";

fn script(tree: &Tree, variables: &[(&str, &str)], args: &[&str]) -> Ran {
    named("edge-node.sh", tree, variables, args)
}

fn named(name: &str, tree: &Tree, variables: &[(&str, &str)], args: &[&str]) -> Ran {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts").join(name);
    // Wrappers, so that the script runs the utilities under an emulator too.
    let bin = Tree::new();
    let runner = std::env::var(tool::RUNNER).unwrap_or_default();
    for name in ["edge-prep", "edge-conf", "edge-crio", "edge-certgen", "edge-redirect"] {
        bin.write(name, format!("#!/bin/sh\nexec {runner} {} \"$@\"\n", tool::path(name).display()));
        std::fs::set_permissions(bin.at(name), std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let search = format!("{}:/usr/bin:/bin", bin.path().display());
    let mut command = Command::new("sh");
    command.arg(path).args(args).env_clear().env("PATH", search).env("ROOT", tree.path());
    Ran::of(&command.envs(variables.iter().copied()).output().unwrap())
}

#[test]
fn node_script_previews_applies_and_repeats_without_changes() {
    let tree = systems::by_name(systems::RASPBERRY_PI_OS_12);
    tree.write(FILE, render(Kind::EdgeCore, Minor::new(8)));
    let before = tree.snapshot();
    let cloudcore = [("CLOUDCORE", "192.0.2.9")];
    let ran = script(&tree, &cloudcore, &["-n"]).expect(3);
    assert!(
        ran.stdout.contains("would write") && ran.stdout.contains("-> unix:///var/run/crio/crio.sock"),
        "{}",
        ran.stdout
    );
    assert_same(&tree.snapshot(), &before, "edge-node.sh -n");
    script(&tree, &cloudcore, &[]).expect(0);
    let text = tree.read(FILE);
    assert!(text.contains("server: 192.0.2.9:10004\n") && text.contains("cgroupDriver: systemd\n"), "{text}");
    script(&tree, &cloudcore, &["-n"]).expect(0);
    let again = script(&tree, &cloudcore, &[]).expect(0);
    assert_eq!(again.stdout, "already up to date\n".repeat(3));
    script(&tree, &[("RUNTIME", "docker")], &[]).expect(2);
    let ran = script(&tree, &[("CLOUDCORE", "nonsense!")], &[]).expect(2);
    assert!(ran.stderr.contains("cannot use --server"), "{}", ran.stderr);
    assert_eq!(tree.read(FILE), text);
}

#[test]
fn cgroup_driver_is_that_of_crio() {
    let (tree, beside) = (systems::by_name(systems::DEBIAN_RASPI), Tree::new());
    image_for(&tree, ARM64);
    tree.write(FILE, render(Kind::EdgeCore, Minor::new(12)));
    let (archive, sum) = bundle(beside.path(), "1.30.4", "arm64", &tiny(ARM64, "crio"));
    let options = format!("--archive {} --sha256 {sum} --cgroup-driver cgroupfs", archive.display());
    let variables = [("CLOUDCORE", "192.0.2.9"), ("CRIO_VERSION", "1.30.4"), ("CRIO_OPTIONS", options.as_str())];
    script(&tree, &variables, &[]).expect(0);
    assert!(tree.read(FILE).contains("cgroupDriver: cgroupfs\n"), "{}", tree.read(FILE));
    let again = script(&tree, &variables, &[]).expect(0);
    assert_eq!(again.stdout, "already up to date\n".repeat(4));
}

#[test]
fn script_configures_nothing_before_the_join() {
    let tree = systems::by_name(systems::UBUNTU_24_04);
    let ran = script(&tree, &[("CLOUDCORE", "192.0.2.9"), ("RUNTIME", "keep"), ("KUBEEDGE_VERSION", "1.21.0")], &[]);
    let ran = ran.expect(0);
    assert!(
        ran.stderr
            .ends_with("edge-node.sh: edgecore.yaml does not exist yet: run keadm join, then this script again\n")
    );
    let line = "\nkeadm join --cloudcore-ipport=192.0.2.9:10000 --token=TOKEN --kubeedge-version=1.21.0\n";
    assert!(ran.stdout.ends_with(line), "{}", ran.stdout);
    assert!(tree.read("boot/firmware/cmdline.txt").trim_end().ends_with(" cgroup_enable=memory"));
}

#[test]
fn cloud_script_reads_its_address_from_cloudcore_yaml_and_repeats_without_changes() {
    let tree = Tree::new();
    let pki = Pki::usual("ca");
    for (file, name) in [("etc/kubernetes/pki/ca.crt", "ca.crt"), ("etc/kubernetes/pki/ca.key", "ca.key")] {
        tree.write(file, std::fs::read(pki.at(name)).unwrap());
    }
    let before = tree.snapshot();
    let version = [("KUBEEDGE_VERSION", "1.7.2")];
    let run = |args: &[&str]| named("cloud-node.sh", &tree, &version, args);
    // Without an address no step is run, and the error is that of edge-conf.
    for args in [&["-n"][..], &[]] {
        let ran = run(args).expect(1);
        assert!(ran.stderr.starts_with("edge-conf: cannot find a configuration"), "{}", ran.stderr);
        assert!(!ran.stderr.contains("edge-certgen"), "{}", ran.stderr);
        assert_same(&tree.snapshot(), &before, "no cloudcore.yaml");
    }
    named("cloud-node.sh", &tree, &[], &[]).expect(2);

    let file = "etc/kubeedge/config/cloudcore.yaml";
    tree.write(file, render(Kind::CloudCore, Minor::new(7)));
    let before = tree.snapshot();
    let ran = run(&["-n"]).expect(3);
    assert!(ran.stdout.contains("SANs IP:127.0.0.1, IP:192.0.2.2\n"), "{}", ran.stdout);
    assert_same(&tree.snapshot(), &before, "cloud-node.sh -n");
    run(&[]).expect(0);
    assert!(tree.read("etc/edgeutils/redirect.toml").contains("\"10351=192.0.2.2:10003\""));
    assert_eq!(run(&[]).expect(0).stdout, "already up to date\n".repeat(3));
    run(&["-n"]).expect(0);
}
