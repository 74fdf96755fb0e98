//! Modules and sysctls in image trees: files of others count, and later ones take precedence.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use edgeutils_tests::tool::{Ran, Tool};
use edgeutils_tests::tree::{Tree, assert_same};

const OURS: &str = "etc/sysctl.d/90-edgeutils.conf";
const ON: [&str; 3] = ["apply", "--sysctl", "net.ipv4.ip_forward=1"];

fn prep(tree: &Tree, args: &[&str]) -> Ran {
    Tool::new("edge-prep").arg("--root").arg(tree.path()).args(args).run()
}

#[test]
fn settings_in_other_files_count() {
    let tree = Tree::with(&[
        ("etc/modules-load.d/k8s.conf", "overlay\nbr_netfilter\n"),
        ("usr/lib/sysctl.d/50-x.conf", "net.bridge.bridge-nf-call-iptables = 1\n"),
    ]);
    let args = ["--module", "overlay", "--module", "br-netfilter", "--sysctl", "net.bridge.bridge-nf-call-iptables=1"];
    let ran = prep(&tree, &[&["apply"], &args as &[&str]].concat()).expect(0);
    assert!(!ran.stdout.contains("90-edgeutils.conf"), "{}", ran.stdout);
    // A different value for the same key replaces the line.
    prep(&tree, &["apply", "--sysctl", "vm.swappiness=10"]).expect(0);
    prep(&tree, &["apply", "--sysctl", "vm.swappiness=20"]).expect(0);
    let own = tree.read(OURS);
    assert!(own.contains("vm.swappiness = 20\n") && !own.contains("= 10"), "{own}");
}

#[test]
fn later_file_is_a_manual_step_and_is_overridden_on_request() {
    for (file, text, own) in [
        ("etc/sysctl.d/99-site.conf", "net.ipv4.ip_forward = 0\n", "zz-edgeutils.conf"),
        ("usr/lib/sysctl.d/99-vendor.conf", "# x\n-net/ipv4/ip_forward=0\n", "zz-edgeutils.conf"),
        ("usr/local/lib/sysctl.d/zzz-last.conf", "net.ipv4.ip_forward=0\n", "zzz-last.edgeutils.conf"),
        ("etc/sysctl.d/zz-edgeutils.conf.conf", "net.ipv4.ip_forward=2\n", "zz-edgeutils.conf.edgeutils.conf"),
    ] {
        let tree = Tree::with(&[(file, text)]);
        let line = text.lines().count();
        let place = format!("{}:{line}", tree.at(file).display());
        let command =
            format!("edge-prep --root {} apply --sysctl net.ipv4.ip_forward=1 --override", tree.path().display());
        let start = tree.snapshot();
        for args in [[&ON[..], &["-n"]].concat(), ON.to_vec(), ON.to_vec()] {
            let ran = prep(&tree, &args).expect(3);
            assert!(ran.stdout.ends_with(", manual step required\n"), "{}", ran.stdout);
            let warning = format!("after a reboot: {place} takes precedence\n");
            assert!(ran.stderr.contains("edge-prep: warning: net.ipv4.ip_forward will still be "), "{}", ran.stderr);
            assert!(ran.stderr.contains(&warning) && ran.stderr.contains(&command), "{}", ran.stderr);
        }
        let ran = prep(&tree, &["check"]).expect(3);
        assert!(ran.stdout.contains(&format!("{place}: error: net.ipv4.ip_forward will be ")), "{}", ran.stdout);
        assert!(ran.stdout.contains(&format!("hint: {command}\n")), "{}", ran.stdout);

        let ours = format!("etc/sysctl.d/{own}");
        let overriding = [&ON[..], &["--override"]].concat();
        prep(&tree, &overriding).expect(0);
        assert!(tree.read(&ours).ends_with("net.ipv4.ip_forward = 1\n"));
        assert_eq!(prep(&tree, &["check"]).expect(0).stdout, "no problems found\n");
        assert_eq!(prep(&tree, &overriding).expect(0).stdout, "already up to date\n");
        assert_eq!(prep(&tree, &ON).expect(0).stdout, "already up to date\n");
        // The next value is changed where this one is.
        prep(&tree, &["apply", "--sysctl", "net.ipv4.ip_forward=3"]).expect(0);
        assert!(tree.read(&ours).ends_with("net.ipv4.ip_forward = 3\n"), "{}", tree.read(&ours));
        prep(&tree, &["check"]).expect(0);
        for _ in 0..3 {
            prep(&tree, &["undo"]).expect(0);
        }
        assert_same(&tree.snapshot(), &start, file);
    }
}

#[test]
fn override_writes_the_usual_file_where_nothing_is_later() {
    let tree = Tree::with(&[
        ("etc/sysctl.d/10-a.conf", "net.ipv4.ip_forward = 0\n"),
        // systemd reads neither at every boot.
        ("run/sysctl.d/99-b.conf", "net.ipv4.ip_forward = 0\n"),
        ("etc/sysctl.conf", "net.ipv4.ip_forward = 0\n"),
    ]);
    prep(&tree, &[&ON[..], &["--override"]].concat()).expect(0);
    assert!(tree.read(OURS).contains("net.ipv4.ip_forward = 1\n"));
    let ran = prep(&tree, &["check"]).expect(0);
    assert!(
        ran.stdout.contains("/etc/sysctl.conf:1: warning: sysctl --system sets net.ipv4.ip_forward to 0"),
        "{}",
        ran.stdout
    );
    // Linked, it is read, and late.
    tree.link("etc/sysctl.d/99-sysctl.conf", "../sysctl.conf");
    prep(&tree, &ON).expect(3);
    prep(&tree, &[&ON[..], &["--override"]].concat()).expect(0);
    prep(&tree, &["check"]).expect(0);
    // An option of apply alone, and nothing to set by itself.
    prep(&tree, &["check", "--override"]).expect(2);
    prep(&tree, &["apply", "--override"]).expect(2);
}

#[test]
fn module_that_modprobe_d_blocks_is_a_manual_step() {
    for text in ["# x\nblacklist br-netfilter\n", "# x\ninstall br_netfilter /bin/true\n"] {
        let tree = Tree::with(&[("etc/modprobe.d/site.conf", text), ("usr/lib/modprobe.d/x.conf", "blacklist loop\n")]);
        let place = format!("{}:2", tree.at("etc/modprobe.d/site.conf").display());
        for _ in 0..2 {
            let ran = prep(&tree, &["apply", "--module", "br_netfilter"]).expect(3);
            let warning =
                format!("edge-prep: warning: module br_netfilter will not be loaded at boot: {place} blocks it\n");
            assert!(ran.stderr.contains(&warning), "{}", ran.stderr);
        }
        let ran = prep(&tree, &["check"]).expect(3);
        assert!(
            ran.stdout.contains(&format!("{place}: error: module br_netfilter will not be loaded")),
            "{}",
            ran.stdout
        );
        // A file of the same name in /etc hides the vendor's; other lines block nothing.
        tree.write("etc/modprobe.d/x.conf", "options loop max_loop=8\n");
        tree.write("etc/modprobe.d/site.conf", "softdep br_netfilter pre: bridge\n");
        prep(&tree, &["apply", "--module", "loop"]).expect(0);
        prep(&tree, &["check"]).expect(0);
    }
}
