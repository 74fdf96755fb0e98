//! Debian's docker.io, 20.10 and 26.1, under a real systemd: configured, reloaded, restarted and restored.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::PathBuf;

use edgeutils_tests::systemd::Systemd;
use edgeutils_tests::{debian, runtimes, skip, tool};

/// What dockerd needs here: no bridge, no rules, and data that is not on an overlay.
const CONFIG: &str = "{\n    \"bridge\": \"none\",\n    \"iptables\": false,\n    \"storage-driver\": \"vfs\"\n}\n";
const START: &str = "mkdir -p /var/lib/docker; mount -t tmpfs tmpfs /var/lib/docker; systemctl start docker";
const FILE: &str = "stat -c '%a %U' /etc/docker/daemon.json; sha256sum < /etc/docker/daemon.json";
const INFO: &str = "docker info --format '{{.CgroupDriver}} {{.RegistryConfig.Mirrors}}'";
const PKG: &str = "edge-pkg --force-namespace";

fn machine(release: &'static str, test: &str) -> Option<Systemd> {
    let mut packages = vec!["dbus", "docker.io", "systemd-sysv"];
    if release == debian::NEXT_RELEASE {
        packages.push("docker-cli");
    }
    let program = tool::path("edge-pkg");
    let booted = debian::tree_with(release, &packages)
        .and_then(|tree| Systemd::boot_tree(&tree, "dbus.service", &[PathBuf::as_path(&program)]));
    let machine = booted.map_err(|reason| skip(test, &reason)).ok()?;
    machine.write("/etc/docker/daemon.json", CONFIG, "640");
    machine.sh(START).expect(0);
    Some(machine)
}

/// A story on each release.
fn on_both(test: &str, story: impl Fn(&Systemd, bool)) {
    for release in [debian::RELEASE, debian::NEXT_RELEASE] {
        if let Some(machine) = machine(release, &format!("{release} {test}")) {
            story(&machine, release == debian::NEXT_RELEASE);
        }
    }
}

#[test]
fn daemon_json_is_merged_loaded_and_restored() {
    on_both("docker", |machine, _| {
        let (before, info) = (machine.sh(FILE).stdout, machine.sh(INFO).expect(0).stdout);
        assert_eq!(info, "systemd []\n");
        let call = format!(
            "{PKG} install docker --cgroup-driver cgroupfs --registry-mirror https://m.example --insecure-registry r.example:5000"
        );
        machine.sh(&format!("{call} -n")).expect(3);
        assert_eq!(machine.sh(FILE).stdout, before, "a dry run");
        let ran = machine.sh(&call).expect(0);
        assert!(ran.stdout.contains("ran systemctl restart --no-block -- docker.service"), "{}", ran.stdout);
        assert!(ran.stdout.contains(" answers on /run/docker.sock (cgroupfs cgroups)\n"), "{}", ran.stdout);
        assert!(ran.stderr.contains("members of the group docker have the rights of root"), "{}", ran.stderr);
        let merged = CONFIG.replace("\"vfs\"\n}", "\"vfs\",\n    \"exec-opts\": [\"native.cgroupdriver=cgroupfs\"],\n    \"registry-mirrors\": [\"https://m.example\"],\n    \"insecure-registries\": [\"r.example:5000\"]\n}");
        assert_eq!(machine.read("/etc/docker/daemon.json"), merged);
        // Docker's own client.
        assert_eq!(machine.sh(INFO).expect(0).stdout, "cgroupfs [https://m.example/]\n");
        assert!(machine.sh(&call).expect(0).stdout.ends_with("already up to date\n"));
        let checked = machine.sh("edge-pkg check docker").expect(0).stdout;
        assert!(checked.ends_with("no problems found\n"), "{checked}");

        // A mirror needs no restart.
        let pid = "systemctl show -p MainPID docker";
        let process = machine.sh(pid).stdout;
        let ran = machine.sh(&format!("{PKG} install docker --registry-mirror https://n.example")).expect(0);
        assert!(
            ran.stdout.contains("ran systemctl kill --kill-who=main --signal=HUP -- docker.service"),
            "{}",
            ran.stdout
        );
        assert_eq!(machine.sh(INFO).expect(0).stdout, "cgroupfs [https://n.example/ https://m.example/]\n");
        // A file that was changed by an editor.
        machine.sh("sed -i 's/n.example/o.example/' /etc/docker/daemon.json").expect(0);
        let found = machine.sh("edge-pkg check docker").expect(3).stdout;
        assert!(found.contains("daemon.json: error: dockerd has not loaded the mirror https://o.example: "), "{found}");
        let ran = machine.sh(&format!("{PKG} install docker")).expect(0);
        assert!(ran.stdout.contains("\n1 change\n"), "{}", ran.stdout);
        assert_eq!(machine.sh(INFO).expect(0).stdout, "cgroupfs [https://o.example/ https://m.example/]\n");
        assert_eq!(machine.sh(pid).stdout, process);
        machine.sh("sed -i 's/o.example/n.example/' /etc/docker/daemon.json").expect(0);
        machine.sh(&format!("for run in 1 2 3; do {PKG} undo || exit; done")).expect(0);
        assert_eq!(machine.sh(FILE).stdout, before, "after the undo");
        assert_eq!(machine.sh(INFO).expect(0).stdout, info);
    });
}

#[test]
fn file_that_dockerd_does_not_accept_is_not_written_or_put_back() {
    on_both("docker fails", |machine, has_validate| {
        let call = format!("{PKG} install docker --cgroup-driver cgroupfs --wait 30");
        let failed;
        if has_validate {
            // Its author mistyped a key while dockerd was running.
            machine.sh("sed -i 's/\"iptables\"/\"iptable\"/' /etc/docker/daemon.json").expect(0);
            let before = machine.sh(FILE).stdout;
            failed = machine.sh(&call).expect(4);
            let said = "cannot edit /etc/docker/daemon.json: dockerd --validate reports: ";
            assert!(failed.stderr.contains(said) && failed.stderr.contains(": iptable\nhint: repair"), "{failed:?}");
            assert_eq!(machine.sh(FILE).stdout, before);
        } else {
            // Up to 20.10 there is no --validate, and this registry keeps dockerd from starting.
            let before = machine.sh(FILE).stdout;
            failed = machine.sh(&format!("{call} --insecure-registry r.example-")).expect(1);
            let said = "the earlier /etc/docker/daemon.json was restored, and dockerd runs with it\nhint: ";
            assert!(failed.stderr.contains(said), "{failed:?}");
            assert!(failed.stderr.contains("invalid index name (r.example-)"), "{failed:?}");
            assert_eq!(machine.sh(FILE).stdout, before);
        }
        assert_eq!(machine.sh(INFO).expect(0).stdout, "systemd []\n");
    });
}

#[test]
fn dry_run_of_the_removal_changes_nothing() {
    on_both("docker removal", |machine, _| {
        let ran = machine.sh(&format!("{PKG} remove docker -n")).expect(3);
        assert!(ran.stdout.contains("would run dpkg --remove docker.io"), "{ran:?}");
        assert_eq!(machine.sh(INFO).expect(0).stdout, "systemd []\n");
    });
}

#[test]
fn dockerd_is_not_restarted_while_containers_run() {
    // Without systemd, which a node has with the cgroups that real containers need here.
    let text = r#"
        image
        start_docker() { in_group system.slice/docker.service sh -c "exec dockerd --bridge=none --iptables=false --storage-driver=vfs $1 > /tmp/docker.log 2>&1"; docker=$last; until_true sh -c 'docker ps > /dev/null'; }
        pkg() { edge-pkg --force-namespace "$@"; echo "exit $?"; }
        start_docker --live-restore
        docker load -qi /tmp/image.tar > /dev/null
        docker run -d --network none --name live $IMAGE sleep 1000 > /dev/null
        pkg install docker --cgroup-driver systemd --yes
        docker rm -f live > /dev/null
        kill $docker; wait $docker 2> /dev/null; rm -f /run/docker.sock
        start_docker ""
        docker run -d --network none --name web $IMAGE sleep 1000 > /dev/null
        pkg install docker --cgroup-driver systemd -n
        pkg install docker --cgroup-driver systemd
        pkg remove docker
        ls /etc/docker
        # No restart is needed.
        pkg install docker --insecure-registry r.example
        kill -9 $docker; wait $docker 2> /dev/null; rm -f /run/docker.sock
        pkg install docker --cgroup-driver systemd
        pkg install docker --cgroup-driver systemd --yes
        grep -c native.cgroupdriver=systemd /etc/docker/daemon.json
    "#;
    let Some(said) = runtimes::script("docker containers", text) else { return };
    // They would run on, but under a driver that cannot stop them.
    let refused = "edge-pkg: cannot change the cgroup driver: the cgroup driver needs a restart of dockerd, and 1 container is running: live\nhint: stop them first: docker stop $(docker ps -q)\nexit 4\n";
    assert!(said.starts_with(refused), "{said}");
    let kept = "edge-pkg: cannot change the cgroup driver: the cgroup driver needs a restart of dockerd, and 1 container is running: web\nhint: stop them first: docker stop $(docker ps -q); to end them with the restart: add --yes\nexit 4\n";
    assert_eq!(said.matches(kept).count(), 2, "{said}");
    assert!(said.contains("edge-pkg: cannot remove Docker: 1 container is running: web\nhint: "), "{said}");
    assert!(said.contains("Docker is configured, but was not started"), "{said}");
    assert!(said.contains(", and dockerd does not answer\nhint: stop them first"), "{said}");
    assert!(said.ends_with("exit 0\n1\n"), "{said}");
}
