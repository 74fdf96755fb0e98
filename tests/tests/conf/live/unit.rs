//! `unit` with a real systemd: a component that was started by hand gets a unit.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use edgeutils_tests::systemd::Systemd;
use edgeutils_tests::{skip, tool};

const UNIT: &str = "/etc/systemd/system/cloudcore.service";
/// A program of its own name, as the process is found by its executable.
const INSTALL: &str = "cp /bin/sleep /usr/local/bin/cloudcore";
const BY_HAND: &str = "cd /root; KUBECONFIG='/root/my config' nohup cloudcore 1000 > /dev/null 2>&1 & sleep 0.2";

fn boot(test: &str) -> Option<Systemd> {
    match Systemd::boot(&[&tool::path("edge-conf")]) {
        Ok(machine) => {
            machine.sh(INSTALL).expect(0);
            Some(machine)
        }
        Err(reason) => {
            skip(test, &reason);
            None
        }
    }
}

fn pids(machine: &Systemd) -> String {
    machine.sh("pidof cloudcore || true").expect(0).stdout.trim().to_owned()
}

#[test]
fn unit_takes_over_a_component_that_was_started_by_hand() {
    let Some(machine) = boot("conf_live_unit") else { return };
    let conf = |args: &str| machine.sh(&format!("edge-conf --force-namespace {args}"));

    let none = conf("unit cloudcore").expect(0);
    assert!(none.stderr.contains("no cloudcore was started by hand"), "{}", none.stderr);
    machine.sh(&format!("test ! -e {UNIT}")).expect(0);

    // One in a container has a mount namespace of its own.
    machine.sh("unshare -m cloudcore 900 > /dev/null 2>&1 & sleep 0.5; pidof cloudcore").expect(0);
    let none = conf("unit cloudcore --restart").expect(0);
    assert!(none.stderr.contains("no cloudcore was started by hand"), "{}", none.stderr);
    assert!(!pids(&machine).is_empty());
    machine.sh("kill $(pidof cloudcore)").expect(0);

    machine.sh(BY_HAND).expect(0);
    let by_hand = pids(&machine);
    conf("unit cloudcore -n").expect(3);
    machine.sh(&format!("test ! -e {UNIT}")).expect(0);
    let ran = conf("unit cloudcore").expect(0);
    let hint = format!(
        "process {by_hand} keeps running; to run cloudcore in cloudcore.service instead: edge-conf unit cloudcore --restart"
    );
    assert!(ran.stderr.contains(&hint), "{}", ran.stderr);
    let text = machine.read(UNIT);
    assert!(text.contains("\nExecStart=/usr/local/bin/cloudcore 1000\n"), "{text}");
    assert!(text.contains("\nEnvironment=\"KUBECONFIG=/root/my config\"\n"), "{text}");
    machine.sh("systemctl is-enabled --quiet cloudcore && ! systemctl is-active --quiet cloudcore").expect(0);
    assert_eq!(pids(&machine), by_hand, "without --restart the process runs on");
    assert_eq!(conf("unit cloudcore").expect(0).stdout, "already up to date\n");

    let ran = conf("unit cloudcore --restart").expect(0);
    assert!(ran.stdout.contains("started cloudcore.service: it is active\n"), "{}", ran.stdout);
    let in_unit = pids(&machine);
    assert!(in_unit != by_hand && !in_unit.is_empty() && !in_unit.contains(' '), "{by_hand} {in_unit}");
    let shown = machine.sh("systemctl show -p MainPID --value cloudcore").expect(0).stdout;
    assert_eq!(shown.trim(), in_unit);
    let environment = machine.sh(&format!("tr '\\0' '\\n' < /proc/{in_unit}/environ")).expect(0).stdout;
    assert!(environment.contains("KUBECONFIG=/root/my config\n"), "{environment}");
    assert_eq!(conf("unit cloudcore --restart").expect(0).stdout, "already up to date\n");
    assert_eq!(pids(&machine), in_unit);

    // It starts again after an exit.
    machine
        .sh("sed -i s/RestartSec=10/RestartSec=0/ /etc/systemd/system/cloudcore.service; systemctl daemon-reload")
        .expect(0);
    machine.sh(&format!("kill {in_unit}; for i in $(seq 100); do pidof cloudcore | grep -vqw {in_unit} && exit; sleep 0.1; done; exit 1")).expect(0);
    machine
        .sh("sed -i s/RestartSec=0/RestartSec=10/ /etc/systemd/system/cloudcore.service; systemctl daemon-reload")
        .expect(0);

    // Undone, the process is as if started by hand: it runs, and no unit starts it.
    let restarted = pids(&machine);
    let ran = conf("undo").expect(0);
    assert!(
        ran.stdout.contains("skipped systemctl start -- cloudcore.service: this command cannot be undone"),
        "{}",
        ran.stdout
    );
    let ran = conf("undo").expect(0);
    assert!(ran.stdout.contains("reverted run 1"), "{}", ran.stdout);
    machine.sh(&format!("test ! -e {UNIT}")).expect(0);
    machine.sh("test ! -e /etc/systemd/system/multi-user.target.wants/cloudcore.service").expect(0);
    assert_eq!(pids(&machine), restarted);
}

#[test]
fn unit_that_exists_is_kept_and_several_processes_are_refused() {
    let Some(machine) = boot("conf_live_unit_kept") else { return };
    let conf = |args: &str| machine.sh(&format!("edge-conf --force-namespace {args}"));
    let own = "[Service]\nExecStart=/usr/local/bin/cloudcore 500\n[Install]\nWantedBy=multi-user.target\n";
    machine.write(UNIT, own, "644");
    machine.sh(&format!("systemctl daemon-reload; {BY_HAND}")).expect(0);
    let ran = conf("unit cloudcore").expect(0);
    let note = "cloudcore.service exists and runs /usr/local/bin/cloudcore 500; the process runs /usr/local/bin/cloudcore 1000";
    assert!(ran.stderr.contains(note), "{}", ran.stderr);
    assert_eq!(machine.read(UNIT), own);
    machine.sh("systemctl is-enabled --quiet cloudcore").expect(0);

    machine.sh(BY_HAND).expect(0);
    let ran = conf("unit cloudcore --restart").expect(4);
    assert!(
        ran.stderr.starts_with("edge-conf: cannot choose a process of cloudcore: started by hand: "),
        "{}",
        ran.stderr
    );
    assert_eq!(pids(&machine).split(' ').count(), 2);

    // Units that run it through a shell or a script, under any name.
    machine.sh("kill $(pidof cloudcore); printf '#!/bin/sh\\nexec cloudcore 700\\n' > /usr/local/bin/start; chmod 755 /usr/local/bin/start").expect(0);
    for command in [
        "/bin/sh -c 'true; exec /usr/local/bin/cloudcore 700'",
        "/bin/sh -c 'cloudcore 700; true'",
        "/usr/local/bin/start",
    ] {
        machine.write("/etc/systemd/system/site.service", &format!("[Service]\nExecStart={command}\n"), "644");
        machine.sh("systemctl daemon-reload; systemctl restart site; for i in $(seq 50); do pidof cloudcore && exit; sleep 0.1; done; exit 1").expect(0);
        let pid = pids(&machine);
        assert_eq!(conf("unit cloudcore --restart").expect(0).stdout, "already up to date\n", "{command}");
        assert_eq!(pids(&machine), pid, "{command}");
        let other =
            machine.sh("setpriv --reuid 65534 --clear-groups edge-conf --force-namespace unit cloudcore -n").expect(4);
        assert!(other.stderr.contains("it belongs to another user"), "{}", other.stderr);
    }
    machine.sh("systemctl stop site; rm /etc/systemd/system/site.service; systemctl daemon-reload").expect(0);
    machine.sh(&format!("{BY_HAND}; {BY_HAND}")).expect(0);

    // As after a call that was killed when it had ended the process.
    machine.sh("kill $(pidof cloudcore); sleep 0.5; ! pidof cloudcore").expect(0);
    assert!(conf("unit cloudcore --restart").expect(0).stdout.contains("started cloudcore.service: it is active\n"));
    assert_eq!(conf("unit cloudcore --restart").expect(0).stdout, "already up to date\n");
    // A unit that the administrator has stopped and disabled stays so; one that runs it as a container is active.
    machine.sh("systemctl disable --now cloudcore").expect(0);
    assert_eq!(conf("unit cloudcore --restart").expect(0).stdout, "already up to date\n");
    assert_eq!(pids(&machine), "");
    machine.write(UNIT, &own.replace("/usr/local/bin/cloudcore 500", "/bin/sleep 900"), "644");
    machine.sh("systemctl daemon-reload; systemctl enable --now cloudcore").expect(0);
    assert_eq!(conf("unit cloudcore --restart").expect(0).stdout, "already up to date\n");
    machine
        .sh("systemctl stop cloudcore; ln -sf /dev/null /etc/systemd/system/cloudcore.service; systemctl daemon-reload")
        .expect(0);
    machine.sh(BY_HAND).expect(0);
    let masked = conf("unit cloudcore --restart").expect(4);
    assert!(masked.stderr.contains("cannot enable cloudcore.service: it is masked"), "{}", masked.stderr);
    assert!(!pids(&machine).is_empty());
    conf("unit edgecore --root /tmp").expect(4);
    conf("unit cloudcore --file x").expect(2);
}

#[test]
fn hints_of_an_edit_name_what_restarts_the_component() {
    let Some(machine) = boot("conf_live_unit_hints") else { return };
    let set = "edge-conf --force-namespace --kubeedge-version 1.8 set modules.cloudHub.nodeLimit=10";
    machine.write(
        "/etc/kubeedge/config/cloudcore.yaml",
        "kind: CloudCore\nmodules:\n  cloudHub:\n    nodeLimit: 5\n",
        "644",
    );
    machine.sh(BY_HAND).expect(0);
    let refused = machine.sh(&format!("{set} --restart")).expect(1);
    assert!(
        refused.stderr.contains("it was started by hand; give it a unit: edge-conf unit cloudcore"),
        "{}",
        refused.stderr
    );
    let ran = machine.sh(set).expect(0);
    assert!(ran.stderr.contains("to apply it: edge-conf unit cloudcore --restart"), "{}", ran.stderr);
}
