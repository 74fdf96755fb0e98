//! A host whose dpkg has lost its status file, and the dry run of `wait`.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use edgeutils_tests::apt::AptHost;

fn host(test: &str) -> Option<AptHost> {
    AptHost::for_test(test, env!("CARGO_BIN_EXE_edge-apt-fixture"))
}

#[test]
fn lost_status_file_is_never_up_to_date() {
    let Some(host) = host("lost_status_file_is_never_up_to_date") else { return };
    host.sh("deb edge-thing 1; key good; repo /repo good; call edge-thing; cp -p /var/lib/dpkg/status /good").expect(0);
    for damage in ["rm /var/lib/dpkg/status", ": > /var/lib/dpkg/status", "truncate -s -9 /var/lib/dpkg/status"] {
        for backup in [
            "cp -p /good /var/lib/dpkg/status-old",
            "rm -f /var/lib/dpkg/status-old; mkdir -p /var/backups; gzip -c /good > /var/backups/dpkg.status.1.gz",
        ] {
            host.sh(&format!("{backup}; {damage}")).expect(0);
            for call in [
                "edge wait",
                "edge wait -n",
                "edge wait --update",
                "edge wait --repair -n",
                "edge wait --update -n",
                "call edge-thing",
                "call edge-thing -n",
            ] {
                let ran = host.sh(call).expect(1);
                assert!(
                    ran.stderr.contains(": cannot read dpkg's status file /var/lib/dpkg/status: "),
                    "{call}: {}",
                    ran.stderr
                );
                assert!(
                    !ran.stdout.contains("up to date") && !ran.stdout.contains("updated"),
                    "{call}: {}",
                    ran.stdout
                );
                assert!(
                    !ran.stderr.contains("apt-get update") && !ran.stderr.contains("does not have"),
                    "{}",
                    ran.stderr
                );
            }
            // The hint, as it is printed.
            host.sh("edge wait 2>&1 | sed -n 's/^hint: [^:]*: //p' > /hint; cat /hint; sh -e /hint").expect(0);
            host.sh("cmp /good /var/lib/dpkg/status && rm -rf /var/backups/dpkg.status.1.gz && cp -p /good /var/lib/dpkg/status-old").expect(0);
            let again = host.sh("call edge-thing").expect(0);
            assert!(again.stdout.ends_with("already up to date\n"), "{}", again.stdout);
        }
    }
}

#[test]
fn dry_run_of_wait_ends_like_every_dry_run() {
    let Some(host) = host("dry_run_of_wait_ends_like_every_dry_run") else { return };
    let before = host.look();
    let ran = host.sh("edge wait --update -n").expect(3);
    assert!(
        ran.stdout.starts_with("apt and dpkg are free\n") && ran.stdout.ends_with("\n1 change would be made\n"),
        "{}",
        ran.stdout
    );
    let ran = host.sh("edge wait --update -n --json").expect(3);
    assert!(ran.stdout.contains("\"type\":\"plan\"") && ran.stdout.contains("\"actions\":1"), "{}", ran.stdout);
    assert!(
        ran.stdout.contains("\"object\":\"apt-get update\"") && ran.stdout.contains("\"status\":\"planned\""),
        "{}",
        ran.stdout
    );
    let ran = host.sh("edge wait --update --repair -n --json").expect(3);
    assert_eq!(ran.stdout.matches("\"type\":\"plan\"").count(), 1, "{}", ran.stdout);
    let ran = host.sh("edge wait --repair -n").expect(0);
    assert!(ran.stdout.ends_with("\nalready up to date\n"), "{}", ran.stdout);
    host.looks_as(&before, "after the dry runs");
    let ran = host.sh("edge wait --update --json").expect(0);
    assert!(ran.stdout.lines().last().unwrap().contains("\"changed\":true"), "{}", ran.stdout);
}

#[test]
fn repository_and_folder_together_are_a_usage_error() {
    let Some(host) = host("repository_and_folder_together_are_a_usage_error") else { return };
    host.sh("deb edge-thing 1; key good; repo /repo good; cd /debs; sha256sum *.deb > SHA256SUMS").expect(0);
    let ran = host.sh("call edge-thing --offline /debs").expect(2);
    assert!(
        ran.stderr.contains("cannot install from both the repository file:/repo/ and the folder /debs\nhint: "),
        "{}",
        ran.stderr
    );
}
