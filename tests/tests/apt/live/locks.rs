//! Waiting for apt: which process holds the locks, and that nothing is ever stopped half-way.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use edgeutils_tests::apt::AptHost;

fn host(test: &str) -> Option<AptHost> {
    AptHost::for_test(test, env!("CARGO_BIN_EXE_edge-apt-fixture"))
}

#[test]
fn wait_names_the_holder_of_each_lock() {
    let Some(host) = host("wait_names_the_holder_of_each_lock") else { return };
    host.sh("edge wait").expect(0);
    host.sh("edge wait -n").expect(0);
    for lock in
        ["/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/lock", "/var/lib/apt/lists/lock", "/var/cache/apt/archives/lock"]
    {
        let before = host.look();
        let late = host.sh(&format!("hold {lock} 30; edge wait --timeout 1; code=$?; kill -0 $holder || code=99; echo pid $holder; kill $holder; exit $code")).expect(1);
        let pid = late.stdout.trim().trim_start_matches("pid ").to_owned();
        assert!(
            late.stderr.contains(&format!("edge-apt: note: {lock} is held by python3 -c import fcntl, sys, time?file = open(sys.argv[1], … (pid {pid}), running for")),
            "{}", late.stderr
        );
        assert!(
            late.stderr.contains(&format!("edge-apt: cannot wait any longer: {lock} is held by python3 ")),
            "{}",
            late.stderr
        );
        assert!(late.stderr.contains("waited 1 s\nhint: let it finish"), "{}", late.stderr);
        let busy =
            host.sh(&format!("hold {lock} 30; edge wait -n --json; code=$?; kill $holder; exit $code")).expect(3);
        assert!(busy.stdout.contains(&format!("\"paths\":[\"{lock}\"]")), "{}", busy.stdout);
        let in_time = host.sh(&format!("hold {lock} 2; time edge wait --timeout 20")).expect(0);
        assert_eq!(in_time.stdout, "apt and dpkg are free\n");
        host.looks_as(&before, lock);
    }
}

#[test]
fn wait_ends_on_a_signal_with_a_result() {
    let Some(host) = host("wait_ends_on_a_signal_with_a_result") else { return };
    let ran = host.sh(
        "hold /var/lib/dpkg/lock 30; set -m; edge wait --json > /said & pid=$!; sleep 2; kill -INT -$pid; wait $pid; \
         code=$?; kill $holder; tail -n 1 /said; exit $code",
    );
    let last = ran.expect(5).stdout;
    assert!(last.contains("\"type\":\"result\"") && last.contains("\"exit\":5"), "{last}");
}

#[test]
fn install_waits_without_holding_our_own_lock() {
    let Some(host) = host("install_waits_without_holding_our_own_lock") else { return };
    host.sh("deb edge-thing 1; key good; repo /repo good").expect(0);
    let call =
        "fixture install --uri file:/repo/ --key-file /keys/good.asc --fingerprint $(cat /keys/good.fpr) edge-thing";
    // While it waits, the lock of all edge utilities is free.
    let ran = host.sh(&format!(
        "hold /var/lib/apt/lists/lock 4; {call} --wait 60 & sleep 2; flock -n /var/lib/edgeutils/lock echo free; wait $!"
    ));
    assert!(ran.stdout.starts_with("free\n"), "{} {}", ran.stdout, ran.stderr);
    assert_eq!(ran.clone().expect(0).stderr.matches("is held by python3").count(), 1, "{}", ran.stderr);
    assert_eq!(host.sh("state edge-thing").stdout, "ii 1\n");
    let late = host.sh(&format!(
        "fixture undo; hold /var/lib/dpkg/lock-frontend 30; {call} --wait 1; code=$?; kill $holder; exit $code"
    ));
    assert!(late.expect(1).stderr.contains("cannot wait any longer: /var/lib/dpkg/lock-frontend"));
    assert_eq!(host.sh("state edge-thing; ls /etc/apt/sources.list.d").stdout, "none\n");
}

/// A package whose script takes its time, or is killed.
const SLOW: &str = "
mkdir -p /debs/edge-slow.control
printf '#!/bin/sh\\n: > /begun\\nwhile test -e /stay; do sleep 0.1; done\\n: > /ended\\n' > /debs/edge-slow.control/postinst
chmod 755 /debs/edge-slow.control/postinst
deb edge-slow 1; deb edge-dep 1; deb edge-after 1 'Depends: edge-slow'
key good; repo /repo good; touch /stay
";

#[test]
fn dpkg_survives_ctrl_c_and_kill() {
    let Some(host) = host("dpkg_survives_ctrl_c_and_kill") else { return };
    // Ctrl-C goes to the whole group of the terminal's foreground; job control makes one here.
    let ctrl_c = host.sh(&format!(
        "{SLOW} set -m; call --hold edge-after & pid=$!; wait_for /begun; kill -INT -$pid; sleep 0.5; kill -0 $pid && echo patient; rm /stay; wait $pid; echo $?"
    ));
    assert!(ctrl_c.stdout.contains("\npatient\n"), "{} {}", ctrl_c.stdout, ctrl_c.stderr);
    assert!(ctrl_c.stdout.ends_with("5\n"), "{}", ctrl_c.stdout);
    assert!(ctrl_c.stderr.contains("interrupted by a signal\nhint: run the same command again"), "{}", ctrl_c.stderr);
    assert_eq!(host.sh("state edge-after; ls /ended").stdout, "ii 1\n/ended\n");
    // The same call holds the package, and one undo reverts both.
    host.sh(&format!("{SLOW} rm /stay; call --hold edge-after")).expect(0);
    assert_eq!(host.sh("state edge-after; edge-apt-fixture undo --list | wc -l").stdout, "hi 1\n1\n");
    host.sh("fixture undo").expect(0);
    assert_eq!(host.sh("state edge-after; state edge-slow; ls /etc/apt/sources.list.d").stdout, "none\nnone\n");

    let kill = host.sh(&format!(
        "{SLOW} rm -f /begun /ended; call --hold edge-after & pid=$!; wait_for /begun; kill -KILL $(cat /proc/$pid/task/$pid/children) $pid; sleep 0.5; rm /stay; wait_for /ended"
    ));
    kill.expect(0);
    // Right away: dpkg may still be at work, and is waited for.
    let again = host.sh(&format!("{SLOW} rm /stay; call --hold edge-after")).expect(0);
    assert_eq!(
        host.sh("state edge-after; state edge-slow; edge-apt-fixture undo --list | wc -l").stdout,
        "hi 1\nii 1\n2\n",
        "{}",
        again.stdout
    );
    host.sh("fixture undo").expect(0);
    assert_eq!(host.sh("state edge-after; state edge-slow; ls /etc/apt/sources.list.d").stdout, "none\nnone\n");
}

#[test]
fn repair_completes_an_interrupted_dpkg() {
    let Some(host) = host("repair_completes_an_interrupted_dpkg") else { return };
    let nothing = host.sh("edge wait --repair").expect(0);
    assert_eq!(nothing.stdout, "apt and dpkg are free\nalready up to date\n");
    // dpkg and its script are killed in the middle, as by `killall`.
    host.sh(&format!(
        "{SLOW} deb edge-stuck 1 'Depends: edge-slow'
        dpkg -i /debs/edge-slow_1_all.deb /debs/edge-stuck_1_all.deb > /dev/null 2>&1 & pid=$!; wait_for /begun
        kill -KILL $pid $(cat /proc/$pid/task/$pid/children); rm /stay; touch /var/lib/dpkg/updates/0001; wait"
    ));
    let audit = host.sh("dpkg --audit").stdout;
    assert!(audit.contains("edge-slow") && audit.contains("edge-stuck"), "{audit}");

    let warned = host.sh("edge wait").expect(0);
    assert!(
        warned.stderr.contains("warning: dpkg was interrupted: repair it with edge-apt wait --repair"),
        "{}",
        warned.stderr
    );
    let install = host.sh(&format!("{SLOW} rm /stay; call --hold edge-after")).expect(1);
    assert!(install.stderr.contains("cannot install: dpkg was interrupted"), "{}", install.stderr);
    let planned = host.sh("edge wait --repair -n").expect(3);
    assert!(
        planned.stdout.contains("would run dpkg --configure -a --force-confdef --force-confold"),
        "{}",
        planned.stdout
    );
    assert!(planned.stdout.contains("    edge-slow is half-configured\n"), "{}", planned.stdout);
    host.sh("edge wait --repair").expect(0);
    assert_eq!(host.sh("state edge-slow; state edge-stuck").stdout, "ii 1\nii 1\n");
    host.look();
    let again = host.sh("edge wait --repair").expect(0);
    assert_eq!(again.stdout, nothing.stdout);
}

#[test]
fn broken_dependencies_are_repaired_from_the_sources() {
    let Some(host) = host("broken_dependencies_are_repaired_from_the_sources") else { return };
    let alone = host.sh("deb edge-needs 1 'Depends: edge-dep'; dpkg -i /debs/edge-needs_1_all.deb; edge wait --repair");
    assert!(
        alone.stderr.contains("cannot repair the broken packages: apt would remove edge-needs\nhint: "),
        "{}",
        alone.stderr
    );
    alone.expect(4);
    let repaired = host.sh("deb edge-dep 1; key good; repo /repo good
        echo \"deb [signed-by=/keys/good.asc] file:/repo /\" > /etc/apt/sources.list; chmod 755 /keys
        edge wait --repair --update && edge wait --repair");
    assert_eq!(
        host.sh("state edge-needs; state edge-dep").stdout,
        "ii 1\nii 1\n",
        "{} {}",
        repaired.stdout,
        repaired.stderr
    );
}

#[test]
fn update_fails_if_a_source_fails() {
    let Some(host) = host("update_fails_if_a_source_fails") else { return };
    host.sh("deb edge-thing 1; key good; repo /repo good; serve /repo 8000
        echo 'deb [signed-by=/keys/good.asc] http://127.0.0.1:8000 /' > /etc/apt/sources.list")
        .expect(0);
    let good = host.sh("edge wait --update").expect(0);
    assert_eq!(good.stdout, "apt and dpkg are free\nupdated the package lists\n");
    host.sh("apt-cache show edge-thing > /dev/null").expect(0);
    // apt-get itself exits with 0 here, and keeps the lists that it has.
    host.sh("serve_no_more; apt-get update && apt-cache show edge-thing").expect(0);
    let bad = host.sh("edge wait --update").expect(1);
    assert!(
        bad.stderr.contains("cannot update the package lists of this host's sources: its server cannot be reached"),
        "{}",
        bad.stderr
    );
}

#[test]
fn container_is_refused_with_a_hint_that_works() {
    let Some(host) = host("container_is_refused_with_a_hint_that_works") else { return };
    for call in ["--repair", "--update"] {
        let refused = host.sh(&format!("edge-apt wait {call}"));
        assert!(refused.stderr.contains("edge-apt: cannot change this host: "), "{call}: {}", refused.stderr);
        assert!(refused.stderr.contains("; --force-namespace uses apt and dpkg of this container\n"), "{call}");
        assert!(!refused.stderr.contains("--root"), "{call}: apt is never run below --root");
        refused.expect(4);
    }
}
