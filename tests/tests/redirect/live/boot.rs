//! `--persist` with a real systemd: the unit is valid, restores the rules after a flush, and is removed.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use edgeutils_tests::rules::can_run;
use edgeutils_tests::systemd::Systemd;
use edgeutils_tests::{skip, tool};

const JUMPS: &str = "iptables-save -t nat | grep -c -e '-j EDGEUTILS-STREAM'";
/// A firewall service like nftables.service and netfilter-persistent: it replaces all rules.
const FLUSH: &str = "[Unit]\nBefore=network-pre.target\n[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sh -c 'iptables -t nat -F; iptables -t nat -X; date +%%s%%N > /run/flushed'\n";
/// A replacement for the kubelet: it records whether the redirect existed when it started.
const KUBELET: &str = "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sh -c 'iptables-save -t nat | grep -c -e \"-j EDGEUTILS-STREAM\" > /run/seen'\n";

#[test]
fn unit_restores_the_rules_before_the_kubelet_and_after_a_flush() {
    if !can_run() {
        return skip("redirect_live_boot", "no network namespace with both iptables can be made here");
    }
    let machine = match Systemd::boot(&[&tool::path("edge-redirect")]) {
        Ok(machine) => machine,
        Err(reason) => return skip("redirect_live_boot", &reason),
    };
    machine.write("/etc/systemd/system/nftables.service", FLUSH, "644");
    machine.write("/etc/systemd/system/kubelet.service", KUBELET, "644");
    machine.sh("systemctl daemon-reload && systemctl start nftables.service").expect(0);
    let redirect = |args: &str| machine.sh(&format!("edge-redirect --force-namespace {args}"));

    redirect("add 10351=192.0.2.1:10003 --persist").expect(0);
    assert_eq!(redirect("add 10351=192.0.2.1:10003 --persist").expect(0).stdout, "already up to date\n");
    let verified = machine.sh("systemd-analyze verify /etc/systemd/system/edge-redirect.service").expect(0);
    assert_eq!((verified.stdout.as_str(), verified.stderr.as_str()), ("", ""));
    let show = |what: &str| machine.sh(&format!("systemctl show -P {what} edge-redirect.service")).expect(0).stdout;
    assert_eq!(show("ActiveState").trim(), "active");
    assert_eq!(show("UnitFileState").trim(), "enabled");
    for (what, unit) in [
        ("After", "nftables.service"),
        ("After", "netfilter-persistent.service"),
        ("After", "ufw.service"),
        ("After", "firewalld.service"),
        ("Before", "kubelet.service"),
        ("Before", "k3s.service"),
    ] {
        assert!(show(what).split_whitespace().any(|other| other == unit), "{what} {unit}: {}", show(what));
    }

    // As at boot: no rules exist, and all units start at once.
    machine.sh("systemctl stop edge-redirect nftables kubelet; iptables -t nat -F; iptables -t nat -X").expect(0);
    machine.write(
        "/etc/systemd/system/up.target",
        "[Unit]\nWants=kubelet.service edge-redirect.service nftables.service\nAfter=kubelet.service\n",
        "644",
    );
    machine.sh("systemctl daemon-reload; systemctl start up.target").expect(0);
    assert_eq!(machine.read("/run/seen"), "1\n", "the kubelet started before the redirect existed");
    assert_eq!(machine.sh(JUMPS).stdout, "1\n");
    // The unit restarts together with a firewall service.
    let before = machine.read("/run/flushed");
    machine.sh("systemctl restart nftables").expect(0);
    assert_ne!(machine.read("/run/flushed"), before);
    // systemctl waits only for the unit that it was given.
    machine.sh(&format!("for n in $(seq 50); do [ $({JUMPS}) = 1 ] && exit 0; sleep 0.1; done; exit 1")).expect(0);

    redirect("remove").expect(0);
    assert_eq!(show("LoadState").trim(), "not-found");
    assert_eq!(machine.sh(JUMPS).stdout, "0\n");
    redirect("undo").expect(0);
    assert_eq!((show("ActiveState").trim(), show("UnitFileState").trim()), ("active", "enabled"));
    assert_eq!(machine.sh(JUMPS).stdout, "1\n");
    redirect("undo").expect(0);
    assert_eq!(show("LoadState").trim(), "not-found");
    assert_eq!(machine.sh(JUMPS).stdout, "0\n");
    assert_eq!(machine.sh("ls /etc/edgeutils").code, 2);
}

#[test]
fn persist_refuses_a_program_in_a_writable_directory() {
    if !can_run() {
        return skip("redirect_live_boot refused", "no network namespace with both iptables can be made here");
    }
    let machine = match Systemd::boot(&[&tool::path("edge-redirect")]) {
        Ok(machine) => machine,
        Err(reason) => return skip("redirect_live_boot refused", &reason),
    };
    let ran = machine.sh("mkdir -m 777 /opt/tools && cp /usr/local/bin/edge-redirect /opt/tools/ && \
         /opt/tools/edge-redirect --force-namespace add 10351=192.0.2.1:10003 --persist");
    assert_eq!(ran.code, 4, "{}", ran.stderr);
    assert!(
        ran.stderr
            .contains("cannot start /opt/tools/edge-redirect at boot: /opt/tools is writable by users other than root"),
        "{}",
        ran.stderr
    );
    assert_eq!(machine.sh(JUMPS).stdout, "0\n", "rules were made before the refusal");
}
