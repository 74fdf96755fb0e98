//! Debian's containerd, 1.6 and 1.7, under a real systemd: configured, restarted and queried over the CRI.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use edgeutils_tests::systemd::Systemd;
use edgeutils_tests::{debian, runtimes, skip, tool};

/// Its data is not on an overlay, on which it could make none.
const START: &str =
    "mkdir -p /var/lib/containerd; mount -t tmpfs tmpfs /var/lib/containerd; systemctl start containerd";
const FILES: &str = "find /etc/containerd -type f -exec sha256sum {} + | sort -k 2";

fn machine(release: &'static str, test: &str) -> Option<Systemd> {
    let programs = ["edge-pkg", "edge-conf"].map(tool::path);
    let booted = debian::tree_with(release, &["containerd", "dbus", "systemd-sysv"])
        .and_then(|tree| Systemd::boot_tree(&tree, "dbus.service", &programs.each_ref().map(PathBuf::as_path)));
    booted.map_err(|reason| skip(test, &reason)).ok()
}

/// A story on each release.
fn on_both(test: &str, story: impl Fn(&Systemd)) {
    for release in [debian::RELEASE, debian::NEXT_RELEASE] {
        if let Some(machine) = machine(release, &format!("{release} {test}")) {
            story(&machine);
        }
    }
}

#[test]
fn cri_that_dockers_package_disables_is_enabled_configured_and_restored() {
    on_both("containerd", |machine| {
        machine.sh("mkdir -p /etc/containerd; printf '#   Copyright\\n\\ndisabled_plugins = [\"cri\"]\\n' > /etc/containerd/config.toml").expect(0);
        machine.sh(START).expect(0);
        let before = machine.sh(FILES).stdout;
        let found = machine.sh("edge-pkg check containerd").expect(3).stdout;
        let line = "/etc/containerd/config.toml:3: error: the CRI is disabled: neither edgecore nor kubelet can use containerd\n    hint: enable it: edge-pkg install containerd\n";
        assert!(found.contains(line), "{found}");
        machine.sh("edge-pkg settings").expect(1);

        let call = "edge-pkg --force-namespace install containerd --cgroup-driver systemd --pause-image r.example/pause:3.10 --registry-mirror docker.io=https://m.example";
        let planned = machine.sh(&format!("{call} -n")).expect(3);
        assert_eq!(machine.sh(FILES).stdout, before, "a dry run: {}", planned.stdout);
        let ran = machine.sh(call).expect(0);
        let done: Vec<&str> =
            ran.stdout.lines().filter_map(|line| line.strip_prefix("wrote ").or(line.strip_prefix("ran "))).collect();
        assert_eq!(done.len(), 3, "{}", ran.stdout);
        assert!(done[2].starts_with("systemctl restart --no-block -- containerd.service"), "{}", ran.stdout);
        assert!(
            ran.stdout.contains(" answers on /run/containerd/containerd.sock (CRI v1, systemd cgroups)\n"),
            "{}",
            ran.stdout
        );
        assert!(ran.stderr.contains("pods get no network yet: containerd reports: "), "{}", ran.stderr);
        // containerd's own reading of the file.
        let dump = machine.sh("containerd config dump").expect(0).stdout;
        for setting in [
            "SystemdCgroup = true",
            "sandbox_image = \"r.example/pause:3.10\"",
            "config_path = \"/etc/containerd/certs.d\"",
            "runtime_type = \"io.containerd.runc.v2\"",
        ] {
            assert!(dump.contains(setting), "{setting}: {dump}");
        }
        assert!(machine.read("/etc/containerd/certs.d/docker.io/hosts.toml").contains("[host.\"https://m.example\"]"));
        let checked = machine.sh("edge-pkg check containerd").expect(0).stdout;
        assert!(checked.contains("warning: pods get no network"), "{checked}");
        assert_eq!(
            machine.sh("edge-pkg settings").expect(0).stdout,
            "socket=unix:///run/containerd/containerd.sock\ncgroupDriver=systemd\n"
        );

        let begin = Instant::now();
        let again = machine.sh(call).expect(0);
        let took = begin.elapsed();
        assert!(again.stdout.ends_with("already up to date\n"), "{}", again.stdout);
        assert!(took < Duration::from_secs(1), "{took:?}");
        // A file that was corrected by an editor, after containerd was started with the other one.
        machine.sh("sed -i 's/^disabled_plugins = .*/disabled_plugins = [\"io.containerd.grpc.v1.cri\"]/' /etc/containerd/config.toml; systemctl restart containerd").expect(0);
        machine.sh("sed -i 's/^disabled_plugins = .*/disabled_plugins = []/' /etc/containerd/config.toml").expect(0);
        let found = machine.sh("edge-pkg check containerd").expect(3).stdout;
        assert!(
            found.contains("/run/containerd/containerd.sock: error: ") && found.contains("; the unit is active"),
            "{found}"
        );
        let ran = machine.sh(call).expect(0);
        assert!(ran.stdout.contains("ran systemctl restart") && ran.stdout.contains("\n1 change\n"), "{}", ran.stdout);
        // Only what is named is changed.
        let ran = machine.sh("edge-pkg --force-namespace install containerd --cgroup-driver cgroupfs").expect(0);
        assert!(
            ran.stdout.contains("options.SystemdCgroup: true -> false\n") && ran.stdout.contains("\n2 changes\n"),
            "{}",
            ran.stdout
        );
        // systemd limits how often a unit is started: here once, and each undo restarts it.
        machine.sh("dir=/etc/systemd/system/containerd.service.d; mkdir -p $dir; printf '[Unit]\\nStartLimitIntervalSec=1h\\nStartLimitBurst=1\\n' > $dir/limit.conf; systemctl daemon-reload").expect(0);
        machine.sh("for run in 1 2 3; do edge-pkg --force-namespace undo || exit; done").expect(0);
        assert_eq!(machine.sh(FILES).stdout, before, "after the undo");
        machine.sh("edge-pkg check containerd").expect(3);
    });
}

#[test]
fn edgecore_is_switched_to_containerd_with_its_settings() {
    on_both("containerd edge-conf", |machine| {
        machine.sh(START).expect(0);
        machine.sh("edge-pkg --force-namespace install containerd --cgroup-driver systemd").expect(0);
        machine.write(
            "/etc/kubeedge/config/edgecore.yaml",
            "apiVersion: edgecore.config.kubeedge.io/v1alpha2\nkind: EdgeCore\nmodules:\n  edged:\n    tailoredKubeletConfig:\n      cgroupDriver: cgroupfs\n",
            "644",
        );
        let found = machine.sh("edge-pkg check containerd").expect(3).stdout;
        assert!(found.contains("edgecore uses the cgroup driver cgroupfs, but containerd uses systemd: pods cannot start\n    hint: configure edgecore: edge-pkg settings | edge-conf enable containerd -\n"), "{found}");
        machine
            .sh("edge-pkg settings | edge-conf --force-namespace --kubeedge-version 1.21 enable containerd -")
            .expect(0);
        let text = machine.read("/etc/kubeedge/config/edgecore.yaml");
        assert!(
            text.contains("cgroupDriver: systemd")
                && text.contains("containerRuntimeEndpoint: unix:///run/containerd/containerd.sock"),
            "{text}"
        );
        machine.sh("edge-pkg check containerd").expect(0);
        // edgecore is not switched to a runtime that does not answer.
        let stopped = machine.sh("systemctl stop containerd; rm -f /run/containerd/containerd.sock; edge-conf --force-namespace --kubeedge-version 1.21 enable containerd").expect(4);
        assert!(
            stopped.stderr.contains("cannot enable containerd: containerd is installed, but nothing listens on"),
            "{}",
            stopped.stderr
        );
        // An undo that removes the package has nothing to restart.
        machine.sh("rm $(systemctl show -P FragmentPath containerd); systemctl daemon-reload; edge-pkg --force-namespace undo").expect(0);
    });
}

#[test]
fn containerd_that_does_not_start_is_reported_with_its_log() {
    let Some(machine) = machine(debian::RELEASE, "containerd fails") else { return };
    machine.sh("mkdir -p /etc/containerd; printf 'version = 2\\n[grpc]\\naddress = \"/proc/none/x.sock\"\\n' > /etc/containerd/config.toml").expect(0);
    machine.sh("mkdir -p /var/lib/containerd; mount -t tmpfs tmpfs /var/lib/containerd").expect(0);
    let failed =
        machine.sh("edge-pkg --force-namespace install containerd --cgroup-driver systemd --wait 20").expect(1);
    assert!(
        failed.stderr.contains("cannot start containerd.service: ") && failed.stderr.contains("/proc/none"),
        "{}",
        failed.stderr
    );
    assert!(
        failed.stderr.ends_with("hint: see the log above; to restore the earlier configuration: edge-pkg undo\n"),
        "{}",
        failed.stderr
    );
    machine.sh("edge-pkg --force-namespace undo").expect(0);
    assert_eq!(machine.read("/etc/containerd/config.toml"), "version = 2\n[grpc]\naddress = \"/proc/none/x.sock\"\n");
    // A file that containerd itself does not read is not edited.
    for (text, said) in [
        ("version = 2\n[plugins\n", "line 2 is not valid TOML"),
        ("version = 1\n", "it has version 1, expected 2 or 3"),
    ] {
        machine.write("/etc/containerd/config.toml", text, "644");
        let refused = machine.sh("edge-pkg --force-namespace install containerd");
        assert!(refused.stderr.contains(said), "{}", refused.stderr);
        assert_eq!(machine.read("/etc/containerd/config.toml"), text);
    }
    let masked = machine.sh("rm /etc/containerd/config.toml; ln -s /dev/null /etc/systemd/system/containerd.service; systemctl daemon-reload; edge-pkg --force-namespace install containerd").expect(4);
    assert!(
        masked
            .stderr
            .contains("cannot enable containerd.service: it is masked\nhint: unless that is intended, unmask it"),
        "{}",
        masked.stderr
    );
}

#[test]
fn driver_is_kept_while_containers_run() {
    // Without systemd, which a node has with the cgroups that real containers need here.
    let text = r#"
        containerd_up
        id=$(pod web); run $id web 'sleep 1000' > /dev/null
        pkg() { edge-pkg --force-namespace "$@"; echo "exit $?"; }
        pkg install containerd --cgroup-driver systemd -n
        pkg install containerd --cgroup-driver systemd
        pkg remove containerd
        kill_containerd
        pkg install containerd --cgroup-driver systemd
        grep -c SystemdCgroup /etc/containerd/config.toml
    "#;
    let Some(said) = runtimes::script("containerd pods", text) else { return };
    let kept = "edge-pkg: cannot change the cgroup driver from cgroupfs to systemd: 1 container is running: c\nhint: drain the node first (kubectl drain NODE), or stop the pods: crictl pods, crictl stopp ID\nexit 4\n";
    assert_eq!(said.matches(kept).count(), 2, "{said}");
    assert!(said.contains("edge-pkg: cannot remove containerd: 1 container is running: c\nhint: "), "{said}");
    // While containerd is down, its containers run.
    assert!(said.contains(", and the CRI of containerd does not answer\nhint: drain the node first"), "{said}");
    assert!(said.ends_with("exit 4\n0\n"), "{said}");
}
