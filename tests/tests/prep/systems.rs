//! Ten systems made ready for edgecore and for kubeadm: done once, then nothing, then taken back.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use edgeutils_tests::systems;
use edgeutils_tests::tool::{Ran, Tool};
use edgeutils_tests::tree::{Tree, assert_same};

fn prep(tree: &Tree, args: &[&str]) -> Ran {
    Tool::new("edge-prep").arg("--root").arg(tree.path()).args(args).run()
}

#[test]
fn system_is_made_ready_and_taken_back_to_the_byte() {
    for role in ["edgecore", "kubeadm"] {
        for (name, tree) in systems::all() {
            let case = format!("{name} for {role}");
            let before = tree.snapshot();
            let dry = prep(&tree, &["apply", "--for", role, "-n"]).expect(3);
            assert_same(&tree.snapshot(), &before, &format!("{case}: a dry run"));
            let done = prep(&tree, &["apply", "--for", role]).expect(0);
            let shown = dry
                .stdout
                .replace("would write", "wrote")
                .replace("would remove", "removed")
                .replace("would link", "linked")
                .replace(" would be made", "");
            assert_eq!(done.stdout, shown, "{case}: what was shown is what was done");
            prep(&tree, &["verify"]).expect(0);
            let wanted = tree.snapshot();
            assert_eq!(prep(&tree, &["apply", "--for", role]).expect(0).stdout, "already up to date\n", "{case}");
            assert_same(&tree.snapshot(), &wanted, &format!("{case}: a second run"));
            prep(&tree, &["status"]).expect(0);
            prep(&tree, &["undo"]).expect(0);
            assert_same(&tree.snapshot(), &before, &format!("{case}: undo"));
            assert!(!tree.at("var/lib/edgeutils/edge-prep.json").exists(), "{case}");
        }
    }
}

#[test]
fn options_touch_only_what_they_name() {
    for (args, path) in [
        (&["--module", "loop"] as &[&str], "etc/modules-load.d/90-edgeutils.conf"),
        (&["--sysctl", "vm.swappiness=10"], "etc/sysctl.d/90-edgeutils.conf"),
        (&["--memory-cgroup", "on"], "boot/firmware/cmdline.txt"),
    ] {
        let tree = systems::by_name(systems::RASPBERRY_PI_OS_13);
        let before = tree.snapshot();
        prep(&tree, &[&["apply"], args].concat()).expect(0);
        let mut changed: Vec<String> = tree
            .snapshot()
            .iter()
            .filter(|(path, what)| before.get(*path) != Some(what) && !what.contains("directory"))
            .map(|(path, _)| path.display().to_string())
            .collect();
        changed.retain(|path| !path.ends_with(".edgeutils-old"));
        assert_eq!(changed, [path], "{args:?}");
    }
    let tree = systems::by_name(systems::RASPBERRY_PI_OS_13);
    let ran = prep(&tree, &["apply"]).expect(2);
    assert!(ran.stderr.starts_with("edge-prep: cannot apply: nothing is asked for\nhint: "), "{}", ran.stderr);
}

#[test]
fn settings_listed_elsewhere_count_and_overridden_ones_are_named() {
    let tree = Tree::with(&[
        ("etc/modules-load.d/k8s.conf", "overlay\nbr_netfilter\n"),
        ("etc/sysctl.d/99-site.conf", "net.ipv4.ip_forward = 0\n"),
        ("usr/lib/sysctl.d/50-x.conf", "net.bridge.bridge-nf-call-iptables = 1\n"),
    ]);
    let args = ["--module", "overlay", "--module", "br-netfilter", "--sysctl", "net.bridge.bridge-nf-call-iptables=1"];
    let ran = prep(&tree, &[&["apply"], &args as &[&str]].concat()).expect(0);
    assert!(!ran.stdout.contains("90-edgeutils.conf"), "{}", ran.stdout);
    let ran = prep(&tree, &["apply", "--sysctl", "net.ipv4.ip_forward=1"]).expect(0);
    assert!(
        ran.stderr.contains("will be 0 after a reboot all the same: /etc/sysctl.d/99-site.conf:1 sets it later"),
        "{}",
        ran.stderr
    );
    let ran = prep(&tree, &["verify"]).expect(3);
    assert!(
        ran.stdout.contains("/etc/sysctl.d/99-site.conf:1: error: net.ipv4.ip_forward will be 0 after a reboot, not 1")
    );
    // Another value for a key of ours replaces the line.
    prep(&tree, &["apply", "--sysctl", "vm.swappiness=10"]).expect(0);
    prep(&tree, &["apply", "--sysctl", "vm.swappiness=20"]).expect(0);
    let own = tree.read("etc/sysctl.d/90-edgeutils.conf");
    assert!(own.contains("vm.swappiness = 20\n") && !own.contains("= 10"), "{own}");
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    let tree = Tree::new();
    for args in [
        &["--sysctl", "../../etc/passwd=x"] as &[&str],
        &["--sysctl", "net/../../../etc/passwd=x"],
        &["--sysctl", "kernel.core_pattern=|/bin/sh\nx"],
        &["--sysctl", "net.ipv4.ip_forward"],
        &["--module", "../x"],
        &["--module", "-r"],
        &["--swap", "maybe"],
    ] {
        let ran = prep(&tree, &[&["apply"], args].concat()).expect(2);
        let says_what_to_do = ["\nhint: ", "[possible values: "].iter().any(|words| ran.stderr.contains(words));
        assert!(ran.stderr.starts_with("edge-prep: ") && says_what_to_do, "{args:?}: {}", ran.stderr);
    }
    assert!(!tree.at("etc").exists());
}

#[test]
fn rescue_copy_stays_while_the_command_line_cannot_be_taken_back() {
    let tree = systems::by_name(systems::RASPBERRY_PI_OS_12);
    let (file, copy) = ("boot/firmware/cmdline.txt", "boot/firmware/cmdline.txt.edgeutils-old");
    let before = tree.snapshot();
    prep(&tree, &["apply", "--memory-cgroup", "on"]).expect(0);
    let ours = tree.read(file);
    tree.write(file, "damaged\nin two lines\n");
    let ran = prep(&tree, &["undo"]).expect(4);
    assert!(ran.stderr.contains("cmdline.txt.edgeutils-old for a rescue"), "{}", ran.stderr);
    assert!(tree.at(copy).exists());
    tree.write(file, &ours);
    prep(&tree, &["undo"]).expect(0);
    assert_same(&tree.snapshot(), &before, "undo once the file is as we left it");
}
