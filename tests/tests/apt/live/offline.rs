//! Packages out of a folder, on a host without a network; and a disk that is full.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use edgeutils_tests::apt::AptHost;
use edgeutils_tests::on_each_debian;

fn host(test: &str) -> Option<AptHost> {
    AptHost::for_test(test, env!("CARGO_BIN_EXE_edge-apt-fixture"))
}

const FOLDER: &str = "
for version in 1.34.9 1.34.10 1.35.0; do deb edge-thing $version 'Depends: edge-dep'; done
deb edge-dep 1; deb edge-dep 2; deb edge-other 1; ARCH=s390x deb edge-main 1
cd /debs; sha256sum *.deb > SHA256SUMS; cd /
";

#[test]
fn folder_installs_packages_and_their_dependencies() {
    let Some(host) = host("folder_installs_packages_and_their_dependencies") else { return };
    host.sh(FOLDER).expect(0);
    let call = "fixture install --offline /debs --hold edge-thing~1.34";
    let planned = host.sh(&format!("{call} -n")).expect(3);
    assert!(
        planned.stdout.contains("    edge-dep 2\n") && planned.stdout.contains("    edge-thing 1.34.10\n"),
        "{}",
        planned.stdout
    );
    host.sh(call).expect(0);
    assert_eq!(
        host.sh("state edge-thing; state edge-dep; ls /var/lib/apt/lists | grep _").stdout,
        "hi 1.34.10\nii 2\n"
    );
    let again = host.sh(call).expect(0);
    assert!(again.stdout.ends_with("already up to date\n"), "{}", again.stdout);
    // What is installed as new as there is left alone.
    host.sh("fixture install --offline /debs edge-thing=1.35.0").expect(0);
    assert_eq!(host.sh("state edge-thing; state edge-dep; state edge-other").stdout, "hi 1.35.0\nii 2\nnone\n");
    // A package without dependencies is installed alone.
    host.sh("fixture install --offline /debs edge-other").expect(0);
    host.sh("fixture undo").expect(0);
    assert_eq!(host.sh("state edge-other").stdout, "none\n");

    let none = host.sh("fixture install --offline /debs edge-thing~1.36").expect(1);
    assert!(none.stderr.contains("cannot find edge-thing 1.36.* for "), "{}", none.stderr);
    let foreign = host.sh("fixture install --offline /debs edge-main").expect(1);
    assert!(foreign.stderr.contains("(only for s390x)"), "{}", foreign.stderr);
}

#[test]
fn folder_that_differs_from_its_manifest_is_refused() {
    let Some(host) = host("folder_that_differs_from_its_manifest_is_refused") else { return };
    host.sh(FOLDER).expect(0);
    let cases = [
        ("printf x >> edge-dep_1_all.deb", 4, "its SHA-256 is "),
        ("cp edge-dep_1_all.deb more.deb", 4, "SHA256SUMS does not list it"),
        ("rm edge-dep_1_all.deb", 1, "edge-dep_1_all.deb is listed, but does not exist"),
        ("rm SHA256SUMS", 1, "cannot read /case/SHA256SUMS: No such file"),
        ("echo nonsense > SHA256SUMS", 1, "line 1: "),
        ("rm *.deb; : > SHA256SUMS", 1, "it contains no packages"),
        ("echo x > bad.deb; sha256sum bad.deb > SHA256SUMS; rm edge*", 1, "bad.deb"),
    ];
    let before = host.look();
    for (harm, code, said) in cases {
        let ran = host.sh(&format!(
            "rm -rf /case; cp -r /debs /case; cd /case; {harm}; fixture install --offline /case edge-thing~1.34"
        ));
        assert!(ran.stderr.contains(said), "{harm}: {}", ran.stderr);
        ran.expect(code);
        host.looks_as(&before, harm);
    }
}

#[test]
fn full_disk_lets_the_same_call_resume() {
    let Some(host) = host("full_disk_lets_the_same_call_resume") else { return };
    host.sh(
        "mkdir -p /debs/edge-big.files/opt/big; head -c 20000000 /dev/urandom > /debs/edge-big.files/opt/big/file
        deb edge-big 1; cd /debs; sha256sum *.deb > SHA256SUMS; mkdir -p /opt/big; mount -t tmpfs -o size=10m tmpfs /opt/big",
    )
    .expect(0);
    let full = host.sh("fixture install --offline /debs edge-big").expect(1);
    assert!(full.stderr.contains("No space left on device"), "{}", full.stderr);
    assert!(
        full.stderr.contains(
            "cannot install edge-big: the file system is full (cannot copy extracted data for './opt/big/file' to "
        ),
        "{}",
        full.stderr
    );
    assert!(full.stderr.contains("\nhint: free some space (apt-get clean) and run again\n"), "{}", full.stderr);
    assert_eq!(host.sh("state edge-big | grep ii; ls /opt/big").stdout, "");
    host.look();
    host.sh("mount -o remount,size=100m /opt/big; fixture install --offline /debs edge-big").expect(0);
    assert_eq!(host.sh("state edge-big; edge-apt-fixture undo --list | wc -l").stdout, "ii 1\n1\n");
    host.sh("fixture undo").expect(0);
    assert_eq!(host.sh("state edge-big").stdout, "none\n");
}

#[test]
fn disk_too_full_for_downloads_is_reported_before_dpkg_begins() {
    let Some(host) = host("disk_too_full_for_downloads_is_reported_before_dpkg_begins") else { return };
    host.sh(
        "mkdir -p /debs/edge-big.files/opt/big; head -c 5000000 /dev/urandom > /debs/edge-big.files/opt/big/file
        deb edge-big 1; key good; repo /repo good; serve /repo 8000; mount -t tmpfs -o size=1m tmpfs /var/cache/apt/archives",
    )
    .expect(0);
    let call = "fixture install --uri http://127.0.0.1:8000/ --key-file /keys/good.asc --fingerprint $(cat /keys/good.fpr) edge-big";
    let full = host.sh(call).expect(1);
    assert!(
        full.stderr.contains("edge-apt-fixture: cannot install edge-big: the file system is full (You don't have enough free space in /var/cache/apt/archives/.)\nhint: free some space"),
        "{}",
        full.stderr
    );
    // The source was written before; this one call more, or an undo, and nothing is half.
    assert!(host.look().contains("/etc/apt/sources.list.d/test.sources\n"));
    host.sh(&format!("mount -o remount,size=20m /var/cache/apt/archives; {call}")).expect(0);
    assert_eq!(host.sh("state edge-big; fixture undo --list | wc -l").stdout, "ii 1\n1\n");
    host.sh("fixture undo").expect(0);
    assert_eq!(
        host.sh("state edge-big; ls /etc/apt/sources.list.d /etc/apt/keyrings").stdout,
        "none\n/etc/apt/keyrings:\n\n/etc/apt/sources.list.d:\n"
    );
    host.look();
}

fn dpkg_database_on_a_full_disk_is_repaired_once_there_is_space(host: &AptHost) {
    host.sh("deb edge-thing 1; cd /debs; sha256sum *.deb > SHA256SUMS
        cp -a /var/lib/dpkg /was; mount -t tmpfs -o size=20m tmpfs /var/lib/dpkg; cp -a /was/. /var/lib/dpkg
        head -c $(($(stat -f -c '%a * %S' /var/lib/dpkg) - 100000)) /dev/zero > /var/lib/dpkg/filled")
        .expect(0);
    let call = "fixture install --offline /debs edge-thing";
    let full = host.sh(call).expect(1);
    assert!(
        full.stderr.contains("edge-apt-fixture: cannot install edge-thing: the file system is full (")
            && full.stderr.contains(" '/var/lib/dpkg/"),
        "{}",
        full.stderr
    );
    // dpkg itself could not even write down how far it came.
    for again in [call, "edge wait --repair"] {
        let still = host.sh(again).expect(1);
        assert!(
            still.stderr.contains(": cannot repair the interrupted installation: the file system is full ("),
            "{again}: {}",
            still.stderr
        );
    }
    host.sh(&format!("rm /var/lib/dpkg/filled; {call}")).expect(0);
    assert_eq!(host.sh("state edge-thing").stdout, "ii 1\n");
    host.look();
}

#[test]
fn install_without_space_for_journal_or_source_changes_nothing() {
    let Some(host) = host("install_without_space_for_journal_or_source_changes_nothing") else { return };
    host.sh("deb edge-thing 1; key good; repo /repo good; mkdir -p /etc/apt/keyrings /var/lib/edgeutils").expect(0);
    for dir in ["/var/lib/edgeutils", "/etc/apt/keyrings"] {
        host.sh(&format!(
            "mount -t tmpfs -o size=64k,mode=755 tmpfs {dir}; head -c 100000 /dev/zero > {dir}/filled; true"
        ))
        .expect(0);
        let before = host.look();
        let full = host.sh("call edge-thing").expect(1);
        assert!(full.stderr.contains(dir) && full.stderr.contains("No space left on device"), "{}", full.stderr);
        assert!(full.stderr.contains("\nhint: "), "{}", full.stderr);
        // The journal of a run that came to its first change.
        host.sh("rm -rf /var/lib/edgeutils/journal");
        host.looks_as(&before, dir);
        host.sh(&format!("umount {dir}")).expect(0);
    }
    host.sh("call edge-thing").expect(0);
    assert_eq!(host.sh("state edge-thing").stdout, "ii 1\n");
}

on_each_debian!(dpkg_database_on_a_full_disk_is_repaired_once_there_is_space);
