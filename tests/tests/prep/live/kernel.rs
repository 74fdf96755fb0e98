//! Modules and sysctls on a running kernel, with the sysctls of a private network namespace.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use edgeutils_tests::systemd::Systemd;
use edgeutils_tests::{skip, tool};

const FORWARD: &str = "/proc/sys/net/ipv4/ip_forward";
/// Any module that this kernel has, loaded or built in.
const MODULE: &str =
    "for dir in /sys/module/*; do basename $dir; done | grep -x -m 1 -e loop -e overlay -e ipv6 -e tcp_cubic";

#[test]
fn live_value_is_set_checked_and_restored() {
    let machine = match Systemd::boot(&[&tool::path("edge-prep")]) {
        Ok(machine) => machine,
        Err(reason) => return skip("prep_live_kernel", &reason),
    };
    let prep = |args: &str| machine.sh(&format!("edge-prep --force-namespace {args}"));
    let module = machine.sh(MODULE).expect(0).stdout.trim().to_owned();
    machine.sh(&format!("echo 0 > {FORWARD}")).expect(0);
    let request = format!("--module {module} --sysctl net.ipv4.ip_forward=1");

    prep(&format!("check {request}")).expect(3);
    let dry = prep(&format!("apply {request} -n")).expect(3);
    assert!(
        dry.stdout.contains("would set /proc/sys/net/ipv4/ip_forward to 1: takes effect now  [undo: exact]"),
        "{}",
        dry.stdout
    );
    // The root of such a machine is an overlay with its changes in memory.
    assert!(dry.stderr.contains("these changes are lost on reboot"), "{}", dry.stderr);
    assert_eq!(machine.read(FORWARD), "0\n");
    let done = prep(&format!("apply {request}")).expect(0);
    assert_eq!(
        done.stdout,
        dry.stdout.replace("would write", "wrote").replace(" would be made", "").replace("would set", "set")
    );
    assert_eq!(machine.read(FORWARD), "1\n");
    assert_eq!(prep("check").expect(0).stdout, "no problems found\n");
    assert_eq!(prep(&format!("apply {request}")).expect(0).stdout, "already up to date\n");

    // A value that another program set is reported; undo restores only the value that edge-prep set.
    machine.sh(&format!("echo 0 > {FORWARD}")).expect(0);
    let ran = prep("check").expect(3);
    assert!(ran.stdout.contains("error: net.ipv4.ip_forward is 0, not 1"), "{}", ran.stdout);
    machine.sh(&format!("echo 1 > {FORWARD}")).expect(0);
    prep("undo").expect(0);
    assert_eq!(machine.read(FORWARD), "0\n");
    machine
        .sh("test ! -e /etc/sysctl.d/90-edgeutils.conf && test ! -e /etc/modules-load.d/90-edgeutils.conf")
        .expect(0);
}

#[test]
fn unknown_module_is_refused_before_anything_is_changed() {
    let machine = match Systemd::boot(&[&tool::path("edge-prep")]) {
        Ok(machine) => machine,
        Err(reason) => return skip("prep_live_module", &reason),
    };
    let ran = machine.sh("edge-prep --force-namespace apply --module no_such_module").expect(1);
    assert!(ran.stderr.starts_with("edge-prep: cannot load module no_such_module: "), "{}", ran.stderr);
    assert!(ran.stderr.contains("\nhint: see what modprobe finds: modprobe "), "{}", ran.stderr);
    let found = machine.sh("edge-prep check --module no_such_module").expect(3);
    assert!(found.stdout.contains("error: module no_such_module is not loaded: "), "{}", found.stdout);
    assert_eq!(machine.sh("edge-prep --force-namespace undo").expect(0).stdout, "nothing to undo\n");
    machine.sh("test ! -e /etc/modules-load.d/90-edgeutils.conf").expect(0);
}

/// A kernel that was built with everything: no /sys/module/br_netfilter, and no modules.builtin.
#[test]
fn built_in_feature_needs_no_modprobe() {
    let machine = match Systemd::boot(&[&tool::path("edge-prep")]) {
        Ok(machine) => machine,
        Err(reason) => return skip("prep_live_builtin", &reason),
    };
    let has = |test: &str| machine.sh(test).code == 0;
    if !has("test -e /proc/sys/net/bridge") || has("test -e /sys/module/br_netfilter") {
        return skip("prep_live_builtin", "br_netfilter is not built into this kernel");
    }
    let builtin = "/lib/modules/$(uname -r)/modules.builtin";
    let prep = |args: &str| machine.sh(&format!("edge-prep --force-namespace {args}"));
    let request = "--module br_netfilter --module overlay --sysctl net.bridge.bridge-nf-call-iptables=1";
    for listed in [false, true] {
        if listed {
            let list = "kernel/net/bridge/br-netfilter.ko\\nkernel/fs/overlayfs/overlay.ko\\n";
            machine.sh(&format!("mkdir -p $(dirname {builtin}) && printf '{list}' > {builtin}")).expect(0);
        }
        let ran = prep(&format!("apply {request}")).expect(0);
        assert!(!ran.stdout.contains("modprobe"), "{}", ran.stdout);
        // systemd-modules-load fails for a name that it finds nowhere.
        assert_eq!(has("test -e /etc/modules-load.d/90-edgeutils.conf"), listed, "{}", ran.stdout);
        assert_eq!(prep("check").expect(0).stdout, "no problems found\n");
        assert_eq!(prep(&format!("apply {request}")).expect(0).stdout, "already up to date\n");
        assert!(prep("status").expect(0).stdout.contains("module br_netfilter: built-in: "));
        prep("undo").expect(0);
    }
}

#[test]
fn sysctl_that_does_not_exist_is_a_manual_step() {
    let machine = match Systemd::boot(&[&tool::path("edge-prep")]) {
        Ok(machine) => machine,
        Err(reason) => return skip("prep_live_sysctl", &reason),
    };
    for key in ["net.ipv4.ip_forwrad", "net.ipv4.vs.no_such_key"] {
        for _ in 0..2 {
            let ran = machine.sh(&format!("edge-prep --force-namespace apply --sysctl {key}=1")).expect(3);
            assert!(ran.stderr.contains(&format!("edge-prep: warning: {key} does not exist: ")), "{}", ran.stderr);
            assert!(ran.stdout.ends_with("manual step required\n"), "{}", ran.stdout);
        }
        let found = machine.sh(&format!("edge-prep check --sysctl {key}=1")).expect(3);
        assert!(found.stdout.contains(&format!("error: {key} does not exist\n")), "{}", found.stdout);
    }
}
