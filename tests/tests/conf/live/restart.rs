//! `--restart` and `env` with a real systemd. Only the component is a substitute: a script that reads
//! its configuration as edgecore does, and fails or rewrites it on request.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use edgeutils_tests::systemd::Systemd;
use edgeutils_tests::{skip, tool};

const FILE: &str = "/etc/kubeedge/config/edgecore.yaml";
const START: &str = "\
# ours
kind: EdgeCore
modules:
  edgeHub:
    heartbeat: 15
    token: a.secret.token
  edgeStream:
    enable: false
    server: 127.0.0.1:10004
";
/// Fails on heartbeat 999 after a second, as a component with a bad configuration does; drops the
/// comments of its file, as edgecore does from 1.21; with heartbeat 888 it loses a setting too.
const EDGECORE: &str = r#"#!/bin/sh
file=/etc/kubeedge/config/edgecore.yaml
echo "edgecore starts, CHECK=$CHECK_EDGECORE_ENVIRONMENT, token: a.secret.token"
if grep -q 'heartbeat: 999' $file; then sleep 1; echo 'heartbeat is out of range'; exit 1; fi
sed -i '/^#/d' $file
if grep -q 'heartbeat: 888' $file; then sed -i '/enable: true/d' $file; fi
exec sleep 1000
"#;
const UNIT: &str = "[Service]\nExecStart=/usr/local/bin/edgecore\nRestart=always\nRestartSec=10\n";

fn boot(test: &str) -> Option<Systemd> {
    match Systemd::boot(&[&tool::path("edge-conf")]) {
        Ok(machine) => {
            machine.write("/usr/local/bin/edgecore", EDGECORE, "755");
            machine.write("/etc/systemd/system/edgecore.service", UNIT, "644");
            machine.write(FILE, START, "640");
            machine.sh("systemctl daemon-reload && systemctl start edgecore.service").expect(0);
            // systemd counts it as started before the script has read a line of its file.
            let rewritten = format!("for i in $(seq 600); do grep -q '^#' {FILE} || exit 0; sleep 0.1; done; exit 1");
            machine.sh(&rewritten).expect(0);
            Some(machine)
        }
        Err(reason) => {
            skip(test, &reason);
            None
        }
    }
}

fn pid(machine: &Systemd) -> String {
    machine.sh("systemctl show -p ActiveState,MainPID edgecore.service").expect(0).stdout
}

#[test]
fn restart_is_watched_and_a_bad_value_is_undone() {
    let Some(machine) = boot("conf_live_restart") else { return };
    let conf = |args: &str| machine.sh(&format!("edge-conf --force-namespace --kubeedge-version 1.8 {args}"));

    let before = pid(&machine);
    let ran = conf("set modules.edgeHub.heartbeat=20").expect(0);
    assert!(ran.stderr.contains("restart edgecore to apply it: systemctl restart edgecore.service"), "{}", ran.stderr);
    assert_eq!(pid(&machine), before, "without --restart nothing is restarted");

    let ran = conf("set modules.edgeStream.enable=true --restart").expect(0);
    assert!(ran.stdout.contains("restarted edgecore.service: it is active\n"), "{}", ran.stdout);
    assert_ne!(pid(&machine), before);
    let after = machine.read(FILE);
    assert_eq!(after, START.replace("# ours\n", "").replace("15", "20").replace("false", "true"));

    // Nothing to change: nothing to restart.
    let before = pid(&machine);
    conf("set modules.edgeStream.enable=true --restart").expect(0);
    assert_eq!(pid(&machine), before);

    let ran = conf("set modules.edgeHub.heartbeat=999 --restart").expect(1);
    assert!(ran.stderr.contains("heartbeat is out of range"), "the end of its log: {}", ran.stderr);
    assert!(
        ran.stderr.contains(
            "cannot restart edgecore.service with the new values: it did not start; the old values are restored"
        ),
        "{}",
        ran.stderr
    );
    assert!(!ran.stderr.contains("secret"), "{}", ran.stderr);
    assert_eq!(machine.read(FILE), after, "the old values are back");
    assert!(pid(&machine).contains("ActiveState=active"));

    let ran = conf("set modules.edgeHub.heartbeat=888 --restart").expect(0);
    assert!(ran.stdout.contains("it is active"), "{}", ran.stdout);
    machine.write(FILE, START, "640");
    let ran = conf("set modules.edgeStream.enable=true modules.edgeHub.heartbeat=888 --restart").expect(1);
    assert!(
        ran.stderr.contains("has removed settings from /etc/kubeedge/config/edgecore.yaml: modules.edgeStream.enable"),
        "{}",
        ran.stderr
    );
}

#[test]
fn unit_that_cannot_be_restarted_is_found_before_the_change() {
    let Some(machine) = boot("conf_live_no_unit") else { return };
    let set = "edge-conf --force-namespace --kubeedge-version 1.8 set modules.edgeHub.heartbeat=20 --restart";
    machine.sh("systemctl stop edgecore.service; ln -sf /dev/null /etc/systemd/system/edgecore.service; systemctl daemon-reload").expect(0);
    let masked = machine.sh(set).expect(1);
    assert!(masked.stderr.starts_with("edge-conf: cannot restart edgecore.service: "), "{}", masked.stderr);
    machine.sh("rm /etc/systemd/system/edgecore.service; systemctl daemon-reload").expect(0);
    let missing = machine.sh(set).expect(1);
    assert!(missing.stderr.starts_with("edge-conf: cannot restart edgecore.service: "), "{}", missing.stderr);
    assert_eq!(machine.read(FILE), START.replace("# ours\n", ""), "only the substitute's own rewrite");
}

#[test]
fn env_sets_a_variable_of_the_unit_and_undo_removes_it() {
    let Some(machine) = boot("conf_live_env") else { return };
    let conf = |args: &str| machine.sh(&format!("edge-conf --force-namespace {args}"));
    let shown = |what: &str| machine.sh(&format!("systemctl show -p {what} edgecore.service")).expect(0).stdout;

    let ran = conf("env CHECK_EDGECORE_ENVIRONMENT=false 'B=50% of \"it\"' --restart").expect(0);
    assert!(
        ran.stdout.contains("ran systemctl daemon-reload: so that systemd reads the drop-in  [undo: inverse]"),
        "{}",
        ran.stdout
    );
    assert_eq!(shown("NeedDaemonReload"), "NeedDaemonReload=no\n");
    let environment =
        machine.sh("tr '\\0' '\\n' < /proc/$(systemctl show --value -p MainPID edgecore.service)/environ").stdout;
    assert!(environment.contains("CHECK_EDGECORE_ENVIRONMENT=false\n"), "{environment}");
    assert!(environment.contains("B=50% of \"it\"\n"), "{environment}");
    assert_eq!(conf("env CHECK_EDGECORE_ENVIRONMENT=false").expect(0).stdout, "already up to date\n");

    conf("undo").expect(0);
    assert_eq!(shown("Environment"), "Environment=\n");
    assert_eq!(shown("NeedDaemonReload"), "NeedDaemonReload=no\n");
    machine.sh("test ! -e /etc/systemd/system/edgecore.service.d").expect(0);
}

#[test]
fn live_change_is_refused_in_a_container_and_asks_for_root() {
    let Some(machine) = boot("conf_live_refused") else { return };
    let ran = machine.sh("edge-conf set modules.edgeStream.enable=true").expect(4);
    assert_eq!(
        ran.stderr,
        "edge-conf: cannot change this host: this is a private PID namespace, as in a container\n\
         hint: use --root / to change only the files of this tree, or --force-namespace to change this host anyway\n"
    );
    let ran = machine.sh("chmod 644 /etc/kubeedge/config/edgecore.yaml; setpriv --reuid=65534 --clear-groups edge-conf set modules.edgeStream.enable=true").expect(1);
    assert!(ran.stderr.starts_with("edge-conf: cannot change this host: not run as root\nhint: "), "{}", ran.stderr);
    machine.sh("setpriv --reuid=65534 --clear-groups edge-conf -n set modules.edgeStream.enable=true").expect(3);
    assert_eq!(machine.read(FILE).matches("enable: false").count(), 1);
    machine.sh("edge-conf --root / set modules.edgeStream.enable=true").expect(0);
    assert_eq!(machine.read(FILE).matches("enable: true").count(), 1);
}
