//! CRI-O as a package, with the real apt and dpkg and a signed repository. systemd does not run here; runtime.rs tests
//! that the daemon starts.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use edgeutils_tests::apt::AptHost;
use edgeutils_tests::tool::Ran;
use edgeutils_tests::{debian, skip, tool};

use super::wipe::changes;

/// Packages like upstream's, with a unit and a configuration; three releases of two minor versions.
const REPOSITORY: &str = "
files=/debs/cri-o.files; mkdir -p $files/usr/bin $files/usr/lib/systemd/system $files/etc/crio/crio.conf.d
printf '#!/bin/sh\\n' > $files/usr/bin/crio; chmod 755 $files/usr/bin/crio
printf '[Service]\\nType=notify\\nExecStart=/usr/bin/crio\\n[Install]\\nWantedBy=multi-user.target\\nAlias=cri-o.service\\n' > $files/usr/lib/systemd/system/crio.service
echo '[crio.runtime]' > $files/etc/crio/crio.conf.d/10-crio.conf
for version in 1.33.9-1.1 1.34.9-1.1 1.34.10-1.1; do deb cri-o $version; done
key good; key other
repo /repo good
rm -rf /etc/crio /etc/systemd/system/crio.service
";

fn host(test: &str) -> Option<AptHost> {
    match AptHost::boot_on(debian::RELEASE, &[&tool::path("edge-crio")]) {
        Ok(host) => {
            host.sh(REPOSITORY).expect(0);
            Some(host)
        }
        Err(reason) => {
            skip(test, &reason);
            None
        }
    }
}

fn install(host: &AptHost, args: &str) -> Ran {
    host.sh(&format!(
        "edge-crio --force-namespace install --apt-mirror file:/repo/ --key /keys/good.asc --fingerprint $(cat /keys/good.fpr) {args}"
    ))
}

#[test]
fn newest_release_is_installed_held_configured_removed_and_restored() {
    let Some(host) = host("crio_live_apt") else { return };
    let tree = "find /etc/apt /etc/crio /etc/systemd/system/*.wants/crio.service /usr/bin/crio 2>/dev/null | sort";
    let before = host.sh(tree).stdout;
    let ran = install(&host, "--version 1.34 --hold -n").expect(3);
    assert!(ran.stderr.contains("further changes depend on these: files of CRI-O"), "{}", ran.stderr);
    assert_eq!(host.sh(tree).stdout, before, "a dry run");

    let ran = install(&host, "--version 1.34 --hold --cgroup-driver cgroupfs").expect(0);
    assert!(ran.stderr.contains("systemd is not running: CRI-O is installed, but was not started"), "{}", ran.stderr);
    assert_eq!(host.sh("state cri-o").stdout, "hi 1.34.10-1.1\n");
    assert_eq!(host.sh("cat /etc/crio/crio.conf.d/20-edgeutils.conf | grep -c pod").stdout, "1\n");
    assert_eq!(
        host.sh("readlink /etc/systemd/system/multi-user.target.wants/crio.service").stdout,
        "/usr/lib/systemd/system/crio.service\n"
    );
    let again = install(&host, "--version 1.34 --hold --cgroup-driver cgroupfs").expect(0);
    assert!(again.stdout.starts_with("already up to date\n"), "{}", again.stdout);
    // apt does not upgrade to a newer minor version of the same repository.
    let pin = host.sh("cat /etc/apt/preferences.d/cri-o").stdout;
    assert!(pin.contains("Pin: version 1.34.*\n"), "{pin}");
    assert_eq!(
        host.sh("edge-crio settings").expect(0).stdout,
        "socket=unix:///var/run/crio/crio.sock\ncgroupDriver=cgroupfs\n"
    );

    let installed = host.sh(tree).stdout;
    host.sh("edge-crio --force-namespace remove").expect(0);
    assert_eq!(host.sh("state cri-o").stdout, "none\n");
    assert!(!host.sh(tree).stdout.contains("apt/keyrings/cri-o"), "{}", host.sh(tree).stdout);
    host.sh("edge-crio --force-namespace undo").expect(0);
    assert_eq!(host.sh("state cri-o").stdout, "hi 1.34.10-1.1\n");
    assert_eq!(host.sh(tree).stdout, installed);
}

#[test]
fn package_with_dependents_is_neither_stopped_nor_removed() {
    let Some(host) = host("crio_live_apt needed") else { return };
    install(&host, "--version 1.34 --hold").expect(0);
    // A stand-in for systemctl that reports CRI-O as active and records its arguments.
    host.sh("deb edge-pods 1 'Depends: cri-o'; dpkg -i /debs/edge-pods_1_all.deb; mkdir -p /run/systemd/system
        printf '#!/bin/sh\\necho \"$@\" >> /asked\\necho ActiveState=active\\n' > /usr/bin/systemctl; chmod 755 /usr/bin/systemctl")
        .expect(0);
    let look = "find /etc/apt /etc/crio /etc/systemd /usr/bin/crio | sort; state cri-o; grep -v '^show ' /asked";
    let before = host.sh(look).stdout;
    assert!(before.ends_with("hi 1.34.10-1.1\n"), "{before}");
    for (call, said) in [
        ("remove", "edge-crio: cannot remove cri-o: edge-pods depends on cri-o\nhint: remove "),
        ("remove -n", "edge-crio: cannot remove cri-o: edge-pods depends on cri-o\nhint: remove "),
        ("undo", "edge-pods depends on cri-o\nhint: "),
    ] {
        let refused = host.sh(&format!("edge-crio --force-namespace {call}"));
        assert!(refused.stderr.contains(said), "{}", refused.stderr);
        refused.expect(4);
        assert_eq!(host.sh(look).stdout, before, "{call}");
    }
}

#[test]
fn unavailable_package_is_reported_without_leftovers() {
    let Some(host) = host("crio_live_apt refused") else { return };
    let tree = "find /etc/apt /etc/crio /usr/bin/crio 2>/dev/null | sort; dpkg -l | sha256sum";
    let before = host.sh(tree).stdout;
    let call = "edge-crio --force-namespace install --apt-mirror file:/repo/ --key /keys/good.asc";
    let cases = [
        (format!("{call} --fingerprint $(cat /keys/other.fpr) --version 1.34"), 4, "its fingerprint is"),
        (
            format!("{call} --fingerprint $(cat /keys/good.fpr) --version 1.35 --source apt"),
            1,
            "cannot find cri-o 1.35.*",
        ),
        (
            format!("{call} --fingerprint $(cat /keys/good.fpr) --version 1.34.2 --source apt"),
            1,
            "cannot find cri-o 1.34.2",
        ),
        ("edge-crio --force-namespace install --version 1.19 --source apt".to_owned(), 1, "removed in March 2024"),
        (
            "edge-crio --force-namespace install --version 1.99".to_owned(),
            1,
            ": CRI-O 1.99 was not released yet in 2026-08, when 1.36 was the newest version\nhint: ",
        ),
        ("edge-crio --root / install --version 1.34 --source apt".to_owned(), 1, "apt is not run in an image"),
    ];
    for (call, code, said) in cases {
        let ran = host.sh(&call);
        assert!(ran.stderr.contains(said), "{call}: {}", ran.stderr);
        ran.expect(code);
        assert_eq!(host.sh(tree).stdout, before, "{call}");
    }
}

#[test]
fn folder_of_packages_installs_without_a_source() {
    let Some(host) = host("crio_live_apt offline") else { return };
    host.sh("mkdir /usb; cp /debs/cri-o_1.34.9* /debs/cri-o_1.33.9* /usb; cd /usb && sha256sum *.deb > SHA256SUMS")
        .expect(0);
    // The changes of a dry run are those of the run.
    let call = "edge-crio --force-namespace --json install --version 1.34 --offline /usb --cgroup-driver cgroupfs";
    let planned = changes(&host.sh(&format!("{call} -n")).expect(3));
    let done = changes(&host.sh(call).expect(0));
    assert_eq!(planned, done);
    assert!(done.iter().any(|change| change.contains("multi-user.target.wants/crio.service")), "{done:#?}");
    assert_eq!(host.sh("state cri-o").stdout, "ii 1.34.9-1.1\n");
    host.sh("edge-crio --force-namespace install --version 1.34 --offline /usb").expect(0);
    host.sh("edge-crio --force-namespace undo").expect(0);
    assert!(["none\n", "rc 1.34.9-1.1\n"].contains(&host.sh("state cri-o").stdout.as_str()));
    host.sh(
        "echo x >> /usb/cri-o_1.34.9-1.1_all.deb; edge-crio --force-namespace install --version 1.34 --offline /usb",
    )
    .expect(4);
}
