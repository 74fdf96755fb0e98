//! The phase units, with a real systemd.

use edgeutils_tests::skip;
use edgeutils_tests::systemd::Systemd;
use edgeutils_tests::tool;

const UNIT: &str = "[Service]\nExecStart=/usr/local/bin/edgecore 100000\n[Install]\nWantedBy=multi-user.target\n";
const PACKAGED: &str = "[Service]\nExecStart=/usr/bin/kubelet\n[Install]\nWantedBy=multi-user.target\n";
const PROGRAM: &str = "#!/bin/sh\nexec sleep 100000\n";

fn boot(test: &str) -> Option<Systemd> {
    let machine = Systemd::boot(&[&tool::path("edge-reset")]).map_err(|reason| skip(test, &reason)).ok()?;
    machine.sh("cp /bin/sleep /usr/local/bin/edgecore").expect(0);
    machine.write("/usr/bin/kubelet", PROGRAM, "755");
    machine.write("/etc/kubeedge/edgecore.service", UNIT, "644");
    machine.write("/usr/lib/systemd/system/kubelet.service", PACKAGED, "644");
    machine
        .sh("ln /etc/kubeedge/edgecore.service /etc/systemd/system/edgecore.service && systemctl daemon-reload && \
             systemctl enable --now edgecore kubelet && systemctl set-environment DEPLOY_MQTT_CONTAINER=true A=1")
        .expect(0);
    Some(machine)
}

fn state(machine: &Systemd) -> String {
    let script = "for unit in edgecore kubelet; do systemctl is-active $unit; systemctl is-enabled $unit 2>/dev/null || \
                  echo not found; done; systemctl show-environment | grep -E '^(A|DEPLOY)'";
    machine.sh(script).stdout.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn units_are_stopped_disabled_and_restored() {
    let Some(machine) = boot("reset live units") else { return };
    let before = state(&machine);
    assert_eq!(before, "active enabled active enabled A=1 DEPLOY_MQTT_CONTAINER=true");
    let reset = "edge-reset --force-namespace apply --yes --profile all --only units,files";
    let ran = machine.sh(reset).expect(0);
    // The unit of a package is stopped and stays enabled.
    assert_eq!(state(&machine), "inactive not found inactive enabled A=1", "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("ran systemctl stop -- edgecore.service: made by edgecore"), "{}", ran.stdout);
    assert!(
        ran.stdout.contains("a package's: it is only stopped, and stays enabled  [undo: inverse]"),
        "{}",
        ran.stdout
    );
    machine.sh("test ! -e /etc/systemd/system/edgecore.service && test ! -e /usr/local/bin/edgecore").expect(0);
    let again = machine.sh(reset).expect(0);
    assert!(again.stdout.ends_with("already up to date\n"), "{}", again.stdout);
    let undone = machine.sh("edge-reset --force-namespace undo").expect(0);
    assert_eq!(state(&machine), before, "{}{}", undone.stdout, undone.stderr);
    machine.sh("test /etc/kubeedge/edgecore.service -ef /etc/systemd/system/edgecore.service").expect(0);
}

#[test]
fn unit_that_has_failed_or_lost_its_file_is_not_listed_any_more() {
    let Some(machine) = boot("reset live failed units") else { return };
    machine.sh("rm /usr/local/bin/edgecore").expect(0);
    machine.write("/usr/local/bin/edgecore", "#!/bin/sh\nexit 7\n", "755");
    machine.sh("systemctl restart edgecore; for try in $(seq 50); do systemctl is-failed edgecore && break; sleep 0.1; done").expect(0);
    let ran = machine.sh("edge-reset --force-namespace apply --yes --only units,files").expect(0);
    assert!(ran.stdout.contains("ran systemctl reset-failed -- edgecore.service"), "{}", ran.stdout);
    assert_eq!(machine.sh("systemctl list-units --all --no-legend 'edgecore*'").stdout, "");
    assert_eq!(state(&machine), "inactive not found active enabled A=1", "kubelet's unit is of another profile");
}

#[test]
fn unit_that_fails_after_it_was_stopped_or_killed_is_not_listed_any_more() {
    let Some(machine) = boot("reset live units that fail") else { return };
    // It fails when it is stopped; and one is left of a run that was killed after it had removed the file.
    let fails = "[Service]\nExecStart=/usr/local/bin/edgecore 100000\nExecStopPost=/bin/false\n";
    machine.write("/etc/systemd/system/cloudcore.service", &fails.replace("edgecore", "cloudcore"), "644");
    machine.write("/etc/systemd/system/mine.service", "[Service]\nExecStart=/bin/false\n", "644");
    let id = "0123456789abcdef".repeat(4);
    machine
        .sh(&format!(
            "cp /bin/sleep /usr/local/bin/cloudcore; systemctl daemon-reload; systemctl start cloudcore mine; \
             systemctl kill -s KILL edgecore; rm /etc/systemd/system/edgecore.service; systemctl daemon-reload; \
             for unit in cri-containerd-{id} mine-{id}; do \
             systemd-run -q --scope --slice=kubepods-pod1.slice -p RuntimeMaxSec=1 --unit=$unit sleep 100 > /dev/null 2>&1 & done; wait"
        ))
        .expect(0);
    let failed = "systemctl list-units --all --state=failed --plain --no-legend --full | cut -d' ' -f1 | sort";
    let mine = format!("mine-{id}.scope\nmine.service\n");
    let before = format!("cri-containerd-{id}.scope\nedgecore.service\n{mine}");
    assert_eq!(machine.sh(failed).stdout, before);
    let reset = "edge-reset --force-namespace apply --yes --profile all --only units,processes,cgroups,files";
    let ran = machine.sh(reset).expect(0);
    assert_eq!(machine.sh(failed).stdout, mine, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("reset-failed -- cloudcore.service"), "{}", ran.stdout);
    assert!(machine.sh(reset).expect(0).stdout.ends_with("already up to date\n"));
}

#[test]
fn unit_that_runs_without_its_file_is_stopped() {
    let Some(machine) = boot("reset live units without files") else { return };
    machine.sh("rm /etc/systemd/system/edgecore.service && systemctl daemon-reload").expect(0);
    assert!(state(&machine).starts_with("active "), "{}", state(&machine));
    let ran = machine.sh("edge-reset --force-namespace apply --yes --only units,files").expect(0);
    assert!(state(&machine).starts_with("inactive not found "), "{}{}", state(&machine), ran.stdout);
    machine.sh("test ! -L /etc/systemd/system/multi-user.target.wants/edgecore.service").expect(0);
}
