//! Others at work with apt: for long, between our look and our start, and a user who has enough of waiting.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use edgeutils_tests::apt::AptHost;
use edgeutils_tests::on_each_debian;

fn host(test: &str) -> Option<AptHost> {
    AptHost::for_test(test, env!("CARGO_BIN_EXE_edge-apt-fixture"))
}

/// `slip PROGRAM WORD LOCK SECONDS`: the next call of the program with this word finds the lock taken,
/// which was free when we looked. Our programs are looked for in /usr/sbin first.
const SLIP: &str = r#"
slip() {
    cat > "/usr/sbin/$1" <<END
#!/bin/bash
here=$here
$(declare -f hold wait_for)
case " \$* " in
    *" --simulate "*) ;;
    *" $2 "*) rm "/usr/sbin/$1"; hold "$3" "$4" ;;
esac
exec "/usr/bin/$1" "\$@"
END
    chmod 755 "/usr/sbin/$1"
}
"#;
const FRONTEND: &str = "/var/lib/dpkg/lock-frontend";

#[test]
fn wait_lasts_while_a_real_apt_works() {
    let Some(host) = host("wait_lasts_while_a_real_apt_works") else { return };
    let ran = host.sh(
        r#"mkdir -p /debs/edge-slow.control
        printf '#!/bin/sh\n: > /begun\nsleep 20\n' > /debs/edge-slow.control/postinst; chmod 755 /debs/edge-slow.control/postinst
        deb edge-slow 1; deb edge-after 1 'Depends: edge-slow'; key good; repo /repo good
        apt-get -y -q install /debs/edge-slow_1_all.deb > /tmp/slow.log 2>&1 & apt=$!
        wait_for /begun; begun=$SECONDS; stat -c %i /var/lib/dpkg/lock* > /locks
        script -qec "edge-apt --force-namespace wait" /terminal < /dev/null > /dev/null & terminal=$!
        call edge-after; echo "install $? after $((SECONDS - begun)) s"
        wait $apt; echo "apt $?"; wait $terminal; echo "terminal $?"
        stat -c %i /var/lib/dpkg/lock* | cmp - /locks; rm -r /tmp/*"#,
    );
    let ends: Vec<&str> = ran
        .stdout
        .lines()
        .filter(|line| ["install ", "apt ", "terminal "].iter().any(|at| line.starts_with(at)))
        .collect();
    assert_eq!(ends[1..], ["apt 0", "terminal 0"], "{} {}", ran.stdout, ran.stderr);
    let seconds = ends[0].strip_prefix("install 0 after ").and_then(|rest| rest.strip_suffix(" s"));
    let seconds: u32 = seconds.unwrap_or_else(|| panic!("{} {}", ends[0], ran.stderr)).parse().unwrap();
    assert!((19..40).contains(&seconds), "{seconds}");
    // In a log each of the two is named once: apt, and the dpkg that it started.
    let notes: Vec<&str> = ran.stderr.lines().filter(|line| line.contains(" held by ")).collect();
    assert_eq!(notes.len(), 2, "{}", ran.stderr);
    assert!(
        notes.iter().any(|line| line
            .starts_with("edge-apt-fixture: note: /var/lib/dpkg/lock-frontend, /var/cache/apt/archives/lock are held by apt-get -y -q install ")
            && line.contains(" (pid ")),
        "{notes:?}"
    );
    // On a terminal the elapsed time is shown.
    let terminal = host.sh("cat /terminal").stdout;
    for second in [3, 9, 18] {
        assert!(terminal.contains(&format!("\r\x1b[Kedge-apt: waited {second} s of 10 min")), "{second}: {terminal}");
    }
    assert_eq!(host.sh("state edge-slow; state edge-after").stdout, "ii 1\nii 1\n");
    host.look();
    // What came in the meantime by another hand stays.
    host.sh("fixture undo").expect(0);
    assert_eq!(host.sh("state edge-slow; state edge-after").stdout, "ii 1\nnone\n");
    host.look();
}

fn lock_taken_between_our_check_and_apts_is_waited_for(host: &AptHost) {
    host.sh("deb edge-dep 1; deb edge-thing 1 'Depends: edge-dep'; key good; repo /repo good").expect(0);
    let before = host.look();
    let note = "edge-apt-fixture: note: another program has taken apt's lock in the meantime\n";
    for (word, lock, seconds, notes) in [
        ("update", "/var/lib/apt/lists/lock", 2, 1),
        ("install", "/var/cache/apt/archives/lock", 2, 1),
        // For these apt waits ten seconds itself.
        ("install", FRONTEND, 2, 0),
        ("install", FRONTEND, 12, 1),
    ] {
        let ran = host.sh(&format!("{SLIP} slip apt-get {word} {lock} {seconds}; call --hold edge-thing")).expect(0);
        assert_eq!(ran.stderr.matches(note).count(), notes, "{lock}: {}", ran.stderr);
        assert_eq!(
            host.sh("ls /usr/sbin/apt-get 2>&1; state edge-thing; state edge-dep").stdout.lines().last(),
            Some("ii 1")
        );
        // One run, and one undo reverts all of it.
        assert_eq!(host.sh("fixture undo --list | wc -l").stdout, "1\n");
        host.sh("fixture undo && rm -r /var/lib/edgeutils").expect(0);
        // The lists of a source that was there for a while are apt's to remove: its next update does.
        host.sh("apt-get -q update").expect(0);
        host.looks_as(&before, lock);
    }

    let late = host.sh(&format!("{SLIP} slip apt-get update /var/lib/apt/lists/lock 60; call --wait 1 edge-thing"));
    let late = late.expect(1);
    let last: Vec<&str> = late.stderr.lines().rev().take(2).collect();
    assert!(
        last[1].starts_with("edge-apt-fixture: cannot wait any longer: /var/lib/apt/lists/lock is held by "),
        "{last:?}"
    );
    assert!(last[0].starts_with("hint: let it finish and run again"), "{last:?}");
    host.looks_as(&before, "the call");
}

fn lock_taken_before_dpkg_is_waited_for_by_remove_and_repair(host: &AptHost) {
    host.sh("deb edge-dep 1; key good; repo /repo good").expect(0);
    let before = host.look();
    host.sh("call edge-dep").expect(0);
    let removed =
        host.sh(&format!("{SLIP} slip dpkg --remove {FRONTEND} 2; fixture remove --wait 30 --name test edge-dep"));
    assert!(removed.stderr.contains("another program has taken apt's lock in the meantime"), "{}", removed.stderr);
    removed.expect(0);
    host.sh("rm -r /var/lib/edgeutils; apt-get -q update").expect(0);
    host.looks_as(&before, "the call");

    let repaired = host.sh(&format!(
        "dpkg --unpack /debs/edge-dep_1_all.deb; {SLIP} slip dpkg --configure {FRONTEND} 2; edge wait --repair"
    ));
    assert!(repaired.stderr.contains("another program has taken apt's lock in the meantime"), "{}", repaired.stderr);
    repaired.expect(0);
    assert_eq!(host.sh("state edge-dep").stdout, "ii 1\n");
    // One that had to give up says why, and what can be done.
    let undone = host.sh(&format!(
        "dpkg --purge edge-dep; call edge-dep; {SLIP} slip dpkg --remove {FRONTEND} 60; fixture remove --wait 0 edge-dep"
    ));
    assert!(
        undone
            .stderr
            .contains("cannot remove edge-dep: another program holds apt's lock (dpkg frontend lock was locked by "),
        "{}",
        undone.stderr
    );
    assert!(undone.stderr.contains("\nhint: run the same command again: it waits for the lock"), "{}", undone.stderr);
    undone.expect(1);
    assert_eq!(host.sh("state edge-dep").stdout, "ii 1\n");
    host.look();
}

#[test]
fn ctrl_c_at_a_terminal_lets_dpkg_finish() {
    let Some(host) = host("ctrl_c_at_a_terminal_lets_dpkg_finish") else { return };
    host.sh(
        r#"mkdir -p /debs/edge-slow.control
        printf '#!/bin/sh\n: > /begun\nwhile test -e /stay; do sleep 0.1; done\n: > /ended\n' > /debs/edge-slow.control/postinst
        chmod 755 /debs/edge-slow.control/postinst
        deb edge-slow 1; deb edge-after 1 'Depends: edge-slow'; key good; repo /repo good"#,
    )
    .expect(0);
    let before = host.look();
    // Typed, three times, as people do: the terminal itself sends it to everybody in its foreground.
    let typed =
        "wait_for /begun; for _ in 1 2 3; do printf '\\003'; sleep 0.3; done; rm /stay; wait_for /ended; sleep 3";
    let ran = host.sh(&format!(
        "touch /stay; declare -f call fixture > /functions
        ({typed}) | script -qec \"bash -c '. /functions; call --hold edge-after; echo code \\$? > /code'\" /terminal > /dev/null; cat /code /terminal"
    ));
    assert!(ran.stdout.starts_with("code 5\n"), "{} {}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("^C"), "the terminal was not typed at: {}", ran.stdout);
    // In colour, as it is a terminal.
    for text in ["interrupted by a signal\r\n", ": run the same command again"] {
        assert!(ran.stdout.contains(text), "{}", ran.stdout);
    }
    assert_eq!(host.sh("state edge-slow; state edge-after").stdout, "ii 1\nii 1\n");
    host.look();
    host.sh("call --hold edge-after").expect(0);
    assert_eq!(host.sh("state edge-after; fixture undo --list | wc -l").stdout, "hi 1\n1\n");
    host.sh("fixture undo && rm -r /var/lib/edgeutils && apt-get -q update").expect(0);
    host.looks_as(&before, "the call");
}

on_each_debian!(
    lock_taken_between_our_check_and_apts_is_waited_for,
    lock_taken_before_dpkg_is_waited_for_by_remove_and_repair,
);
