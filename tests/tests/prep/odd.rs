//! Hosts that already have files where edge-prep writes, and files that cannot be read.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use edgeutils_tests::tool::{Ran, Tool};
use edgeutils_tests::tree::{Tree, assert_same};

const MODULES: &str = "etc/modules-load.d/90-edgeutils.conf";
const SYSCTLS: &str = "etc/sysctl.d/90-edgeutils.conf";

fn prep(tree: &Tree, args: &[&str]) -> Ran {
    Tool::new("edge-prep").arg("--root").arg(tree.path()).args(args).run()
}

#[test]
fn existing_files_are_extended_and_restored() {
    let tree = Tree::new();
    tree.write(MODULES, "loop");
    tree.write(SYSCTLS, b"# caf\xe9\nvm.swappiness=3");
    let start = tree.snapshot();
    prep(&tree, &["apply", "--module", "overlay", "--sysctl", "net.ipv4.ip_forward=1"]).expect(0);
    assert_eq!(tree.read(MODULES), "loop\noverlay\n");
    let bytes = std::fs::read(tree.at(SYSCTLS)).unwrap();
    assert_eq!(bytes, b"# caf\xe9\nvm.swappiness=3\nnet.ipv4.ip_forward = 1\n");
    prep(&tree, &["undo"]).expect(0);
    assert_same(&tree.snapshot(), &start, "undo");
}

#[test]
fn mask_in_place_of_our_file_is_refused() {
    let tree = Tree::with(&[("usr/lib/sysctl.d/50-x.conf", "net.ipv4.ip_forward = 1\n")]);
    tree.link(SYSCTLS, "/dev/null");
    // Any other mask is respected.
    tree.link("etc/sysctl.d/50-x.conf", "/dev/null");
    tree.link("etc/modules-load.d/x.conf", "/dev/null");
    let ran = prep(&tree, &["apply", "--sysctl", "vm.swappiness=1"]).expect(4);
    assert!(ran.stderr.contains("90-edgeutils.conf: it is masked by a link to /dev/null\nhint: "), "{}", ran.stderr);
    assert!(prep(&tree, &["status"]).expect(0).stdout.contains("sysctl net.ipv4.ip_forward: unknown: not set at boot"));
}

#[test]
fn key_twice_in_our_file_has_its_last_value() {
    let tree = Tree::with(&[(SYSCTLS, "vm.swappiness = 1\nvm.swappiness = 9\n")]);
    prep(&tree, &["apply", "--sysctl", "vm.swappiness=1"]).expect(0);
    assert!(tree.read(SYSCTLS).ends_with("vm.swappiness = 1\n"), "{}", tree.read(SYSCTLS));
    for verb in ["check", "verify"] {
        assert_eq!(prep(&tree, &[verb]).expect(0).stdout, "no problems found\n", "{verb}");
    }
}

#[test]
fn file_that_systemd_does_not_read_is_reported() {
    let tree = Tree::with(&[("etc/sysctl.conf", "vm.swappiness = 1\n")]);
    let request = ["--sysctl", "vm.swappiness=1"];
    let ran = prep(&tree, &[&["check"], &request as &[&str]].concat()).expect(3);
    assert!(ran.stdout.contains("/etc/sysctl.conf:1"), "{}", ran.stdout);
    prep(&tree, &[&["apply"], &request as &[&str]].concat()).expect(0);
    assert!(tree.read(SYSCTLS).ends_with("vm.swappiness = 1\n"));
    prep(&tree, &["check"]).expect(0);
    // Debian links it up to 12, and then systemd reads it.
    let tree = Tree::with(&[("etc/sysctl.conf", "vm.swappiness = 1\n")]);
    tree.link("etc/sysctl.d/99-sysctl.conf", "../sysctl.conf");
    prep(&tree, &[&["check"], &request as &[&str]].concat()).expect(0);
}

#[test]
fn module_in_two_spellings_is_listed_once() {
    let tree = Tree::new();
    prep(&tree, &["apply", "--module", "br_netfilter", "--module", "br-netfilter"]).expect(0);
    assert_eq!(tree.read(MODULES).matches("netfilter").count(), 1);
}

#[test]
fn zram_drop_in_after_ours_is_a_manual_step() {
    let tree = Tree::with(&[
        ("usr/lib/systemd/system-generators/zram-generator", ""),
        ("etc/systemd/zram-generator.conf", "[zram0]\n"),
        ("etc/systemd/zram-generator.conf.d/zzz.conf", "[zram0]\nhost-memory-limit = none\n"),
    ]);
    for _ in 0..2 {
        let ran = prep(&tree, &["apply", "--swap", "off"]).expect(3);
        assert!(ran.stderr.contains("zzz.conf, which takes precedence over a drop-in"), "{}", ran.stderr);
        assert!(!tree.at("etc/systemd/zram-generator.conf.d/zz-edgeutils.conf").exists());
    }
    prep(&tree, &["check"]).expect(3);
}

#[test]
fn unreadable_file_is_an_error() {
    // Root reads everything: a loop of links is as unreadable as a broken disk.
    for path in ["boot/firmware/config.txt", "etc/fstab", "etc/crypttab", "etc/modules", "etc/dphys-swapfile"] {
        let tree = Tree::with(&[("etc/rpi-issue", ""), ("boot/firmware/cmdline.txt", "root=x\n")]);
        tree.link(path, &format!("/{path}"));
        for args in [&["status"] as &[&str], &["check", "--for", "kubeadm"], &["apply", "--for", "kubeadm", "-n"]] {
            let ran = prep(&tree, args).expect(1);
            let error = ran.stderr.lines().find(|line| line.starts_with("edge-prep: cannot ")).unwrap();
            assert!(error.contains(path), "{args:?}: {error}");
        }
    }
}

#[test]
fn ostree_is_recognized_by_its_files() {
    let tree = Tree::with(&[("usr/bin/rpm-ostree", ""), ("ostree/repo/config", "")]);
    let ran = prep(&tree, &["status"]).expect(0);
    assert!(ran.stdout.contains("boot command line: unknown: rpm-ostree"), "{}", ran.stdout);
}

#[test]
fn config_txt_of_nul_bytes_is_refused() {
    let tree = Tree::with(&[("boot/firmware/config.txt", "\0\0\0"), ("boot/firmware/cmdline.txt", "root=x\n")]);
    let start = tree.snapshot();
    let ran = prep(&tree, &["apply", "--memory-cgroup", "on"]).expect(4);
    assert!(ran.stderr.contains("config.txt: it contains NUL bytes"), "{}", ran.stderr);
    assert_same(&tree.snapshot(), &start, "refused");
}

#[test]
fn single_options_are_added_to_the_request_that_check_reads() {
    let tree = Tree::with(&[("etc/fstab", "/a none swap sw\n"), ("etc/os-release", "")]);
    prep(&tree, &["apply", "--swap", "off"]).expect(0);
    prep(&tree, &["apply", "--module", "overlay", "--sysctl", "vm.panic_on_oom=0"]).expect(0);
    prep(&tree, &["apply", "--sysctl", "vm.panic_on_oom=1"]).expect(0);
    tree.write("etc/fstab", "/a none swap sw\n");
    let ran = prep(&tree, &["check"]).expect(3);
    assert!(ran.stdout.contains("swap is enabled at boot"), "{}", ran.stdout);
    let stored = tree.read("var/lib/edgeutils/edge-prep.json");
    assert!(stored.contains("overlay") && stored.matches("panic_on_oom").count() == 1, "{stored}");
    // A role is the whole request.
    prep(&tree, &["apply", "--for", "edgecore"]).expect(0);
    assert!(!tree.read("var/lib/edgeutils/edge-prep.json").contains("panic_on_oom"));
}
