//! containerd as a package of the host's own sources or of a directory, with the real apt and dpkg. systemd does not run
//! here; containerd.rs has a real daemon.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use edgeutils_tests::apt::AptHost;

use super::on_both;

/// A package like Debian's, with its unit and configuration, and one that needs it.
const PACKAGES: &str = "
files=/debs/containerd.files; mkdir -p $files/usr/bin $files/usr/lib/systemd/system $files/etc/containerd /debs/containerd.control
printf '#!/bin/sh\\n' > $files/usr/bin/containerd; chmod 755 $files/usr/bin/containerd
printf '[Service]\\nExecStart=/usr/bin/containerd\\n[Install]\\nWantedBy=multi-user.target\\n' > $files/usr/lib/systemd/system/containerd.service
printf 'version = 2\\n[plugins]\\n  [plugins.\"io.containerd.internal.v1.opt\"]\\n    path = \"/var/lib/containerd\"\\n' > $files/etc/containerd/config.toml
echo /etc/containerd/config.toml > /debs/containerd.control/conffiles
deb runc 1.1.15; deb containerd 1.7.24~ds1-6 'Depends: runc'
";

fn package_is_installed_configured_held_removed_and_restored(host: &AptHost) {
    host.sh(&format!("{PACKAGES} repo /repo -; echo 'deb [trusted=yes] file:/repo/ /' > /etc/apt/sources.list"))
        .expect(0);
    let tree =
        "find /etc/containerd /etc/apt /etc/systemd/system -type f -o -type l | sort; state containerd; state runc";
    let before = host.sh(tree).stdout;
    let call = "edge-pkg --force-namespace install containerd --cgroup-driver systemd --registry-mirror docker.io=https://m.example --hold";
    let ran = host.sh(call).expect(0);
    assert!(
        ran.stderr.contains("systemd is not running: containerd is configured, but was not started"),
        "{}",
        ran.stderr
    );
    assert_eq!(host.sh("state containerd; state runc").stdout, "hi 1.7.24~ds1-6\nii 1.1.15\n");
    let text = host.sh("cat /etc/containerd/config.toml").stdout;
    assert!(text.contains("SystemdCgroup = true") && text.contains("io.containerd.internal.v1.opt"), "{text}");
    assert!(host.sh(call).expect(0).stdout.ends_with("already up to date\n"));
    let installed = host.sh(tree).stdout;
    // A package that needs it.
    host.sh("deb edge-pods 1 'Depends: containerd'; dpkg -i /debs/edge-pods_1_all.deb").expect(0);
    let needed = host.sh("edge-pkg --force-namespace remove containerd").expect(4);
    assert!(needed.stderr.contains("edge-pods depends on containerd"), "{}", needed.stderr);
    host.sh("dpkg --purge edge-pods").expect(0);
    host.sh("edge-pkg --force-namespace remove containerd").expect(0);
    let left = host.sh(tree).stdout;
    assert!(!left.contains("hosts.toml") && !left.contains("containerd.service"), "{left}");
    host.sh("edge-pkg --force-namespace undo").expect(0);
    assert_eq!(host.sh(tree).stdout, installed);
    host.sh("edge-pkg --force-namespace undo; dpkg --purge containerd").expect(0);
    assert_eq!(host.sh(tree).stdout.replace("none\n", ""), before.replace("none\n", ""));
}

fn directory_has_the_package_and_what_it_needs(host: &AptHost) {
    host.sh(&format!("{PACKAGES} mkdir /usb; mv /debs/*.deb /usb; cd /usb; sha256sum *.deb > SHA256SUMS")).expect(0);
    let planned = host.sh("edge-pkg --force-namespace install containerd --offline /usb -n").expect(3);
    assert!(
        planned.stderr.contains("further changes depend on the package: the configuration of containerd"),
        "{planned:?}"
    );
    host.sh("edge-pkg --force-namespace install containerd --offline /usb").expect(0);
    assert_eq!(host.sh("state containerd; state runc").stdout, "ii 1.7.24~ds1-6\nii 1.1.15\n");
    let none = host.sh("edge-pkg --force-namespace undo; edge-pkg --force-namespace install containerd").expect(1);
    assert!(none.stderr.contains("cannot find containerd in this host's sources"), "{}", none.stderr);
}

on_both!(package_is_installed_configured_held_removed_and_restored, directory_has_the_package_and_what_it_needs,);
