//! dpkg that is killed in the middle of unpacking, alone or with everything that waits for it.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use edgeutils_tests::apt::{AptHost, KILL_AT};
use edgeutils_tests::on_each_debian;

/// A dependency and what needs it, each with files, one with a configuration file and a script.
const PACKAGES: &str = "
mkdir -p /debs/edge-big.files/opt/big /debs/edge-big.files/etc /debs/edge-big.control
for name in 1 2 3; do echo $name > /debs/edge-big.files/opt/big/$name; done
echo one > /debs/edge-big.files/etc/edge-big.conf; echo /etc/edge-big.conf > /debs/edge-big.control/conffiles
printf '#!/bin/sh\\necho big >> /configured\\n' > /debs/edge-big.control/postinst; chmod 755 /debs/edge-big.control/postinst
deb edge-dep 1; deb edge-big 1 'Depends: edge-dep'
cd /debs; sha256sum *.deb > SHA256SUMS; cd /
key good; repo /repo good
";
/// During the dependency, and during the requested package: before its first and its last file.
const PLACES: [&str; 3] =
    ["/usr/share/edge-dep/version.dpkg-new", "/etc/edge-big.conf.dpkg-tmp", "/opt/big/3.dpkg-new"];
const FROM_REPOSITORY: &str = "call --hold edge-big";
const FROM_FOLDER: &str = "fixture install --offline /debs --hold edge-big";
const UNDONE: &str = "dpkg --purge edge-big; rm -rf /var/lib/edgeutils /configured /killed; apt-get -q update";

/// Kills the call at a place; it has come there, and says what a user can do if it still can.
fn killed(host: &AptHost, call: &str, place: &str, power: &str) {
    let ran = host.sh(&format!("{KILL_AT} kill_at {place} {power}; {call}"));
    assert_eq!(host.sh("tail -n 1 /killed").stdout, "+++ killed by SIGKILL +++\n", "{}", ran.stderr);
    if power.is_empty() {
        let said = "edge-apt-fixture: cannot install edge-big: dpkg was killed while it was working (Sub-process \
                    /usr/bin/dpkg exited unexpectedly)\nhint: ";
        assert!(ran.stderr.contains(said), "{}", ran.stderr);
        ran.expect(1);
    }
    let half = host.sh("dpkg --audit; ls /var/lib/dpkg/updates").stdout;
    assert!(half.contains("edge-"), "nothing is half-done at {place}: {half}");
}

fn same_call_resumes_a_killed_dpkg(host: &AptHost) {
    host.sh(PACKAGES).expect(0);
    let before = host.look();
    let cases = PLACES.map(|place| (FROM_REPOSITORY, "power", place));
    for (call, power, place) in
        cases.into_iter().chain([(FROM_REPOSITORY, "", PLACES[0]), (FROM_FOLDER, "power", PLACES[0])])
    {
        let case = format!("{call} {power} {place}");
        killed(host, call, place, power);
        let again = host.sh(call);
        assert!(again.stderr.contains("note: resuming the interrupted dpkg\n"), "{case}: {}", again.stderr);
        again.expect(0);
        assert_eq!(host.sh("state edge-big; state edge-dep").stdout, "hi 1\nii 1\n", "{case}");
        host.sh("dpkg --verify edge-big edge-dep && cat /opt/big/[123] /configured").expect(0);
        assert_eq!(
            host.sh("cat /opt/big/[123] /configured /etc/edge-big.conf").stdout,
            "1\n2\n3\nbig\none\n",
            "{case}"
        );
        assert_eq!(host.sh("find / -xdev -name '*.dpkg-*'; fixture undo --list | wc -l").stdout, "1\n", "{case}");
        host.look();
        let third = host.sh(call).expect(0);
        assert!(third.stdout.ends_with("already up to date\n"), "{case}: {}", third.stdout);
        host.sh(&format!("fixture undo && {{ {UNDONE}; }}")).expect(0);
        host.looks_as(&before, &case);
    }
}

fn undo_of_a_half_installed_package_needs_a_repair(host: &AptHost) {
    host.sh(PACKAGES).expect(0);
    let before = host.look();
    for place in PLACES {
        killed(host, FROM_REPOSITORY, place, "");
        let refused = host.sh("fixture undo").expect(4);
        let hint = "hint: show the broken packages with dpkg --audit and repair them with edge-apt wait --repair, then run the same undo again";
        assert!(
            refused.stderr.contains("edge-apt-fixture: cannot undo run 1: dpkg would not remove "),
            "{}",
            refused.stderr
        );
        assert!(refused.stderr.contains(hint), "{}", refused.stderr);
        assert_eq!(host.sh("ls /etc/apt/sources.list.d").stdout, "test.sources\n");
        let planned = host.sh("edge wait --repair -n").expect(3);
        assert!(planned.stdout.contains("would run dpkg --configure -a "), "{}", planned.stdout);
        let repaired = host.sh("edge wait --repair").expect(0);
        assert!(repaired.stdout.contains("ran apt-get --fix-broken install --reinstall edge-"), "{}", repaired.stdout);
        host.look();
        assert_eq!(host.sh("edge wait --repair").expect(0).stdout, "apt and dpkg are free\nalready up to date\n");
        host.sh(&format!("fixture undo && {{ {UNDONE}; }}")).expect(0);
        host.looks_as(&before, place);
    }
    // Without its archive apt does nothing at all, and says so.
    killed(host, FROM_REPOSITORY, PLACES[0], "");
    let missing = host.sh("mv /repo /elsewhere; rm -r /var/lib/apt/lists/*; edge wait --repair").expect(1);
    let said = "edge-apt: cannot repair the broken packages: The package edge-dep needs to be reinstalled, but I can't find an \
                archive for it.\nhint: make its archive available (";
    assert!(missing.stderr.contains(said), "{}", missing.stderr);
}

on_each_debian!(same_call_resumes_a_killed_dpkg, undo_of_a_half_installed_package_needs_a_repair,);
