//! The apt part of an install, with the real apt and dpkg and a signed repository.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;

use edgeutils_tests::apt::AptHost;
use edgeutils_tests::on_each_debian;
use edgeutils_tests::tool;
use edgeutils_tests::tree::Tree;

/// Three versions of one package in two streams, in a repository signed with the key `good`.
const REPOSITORY: &str = "
for version in 1.33.2-1.1 1.34.9-1.1 1.34.10-1.1; do deb edge-thing $version 'Depends: edge-dep'; done
deb edge-dep 1
key good
repo /repo good
";
const FROM: &str = "--uri file:/repo/ --key-file /keys/good.asc --fingerprint $(cat /keys/good.fpr)";

fn install_takes_the_newest_of_a_stream_and_undo_reverts_all_of_it(host: &AptHost) {
    host.sh(REPOSITORY).expect(0);
    let tree = "find /etc/apt /usr/share/edge-* -printf '%p %m\\n' 2>/dev/null | sort";
    let before = host.sh(tree).stdout;

    let call = format!("fixture install {FROM} --pin 'version 1.34.*' --hold edge-thing~1.34");
    let planned = host.sh(&format!("{call} -n")).expect(3);
    assert!(planned.stdout.contains("would write /etc/apt/keyrings/test.asc"), "{}", planned.stdout);
    assert!(
        planned
            .stderr
            .contains("then, depending on the versions in the repository: apt-get install edge-thing (1.34.*)")
    );
    assert_eq!(host.sh(tree).stdout, before, "a dry run changed something");

    let ran = host.sh(&call).expect(0);
    assert!(ran.stdout.contains("    edge-dep 1\n    edge-thing 1.34.10-1.1\n"), "{}", ran.stdout);
    assert!(ran.stdout.contains("\nedge-thing 1.34.10-1.1\n"), "{}", ran.stdout);
    assert_eq!(host.sh("state edge-thing; state edge-dep").stdout, "hi 1.34.10-1.1\nii 1\n");
    let files =
        host.sh("stat -c '%n %a' /etc/apt/keyrings /etc/apt/*/test*; cmp /keys/good.asc /etc/apt/keyrings/test.asc");
    assert_eq!(
        files.expect(0).stdout,
        "/etc/apt/keyrings 755\n/etc/apt/keyrings/test.asc 644\n/etc/apt/preferences.d/test 644\n/etc/apt/sources.list.d/test.sources 644\n"
    );
    // What was put there is what apt itself lives on.
    let apt = host.sh("apt-get update 2>&1 && apt-cache policy edge-thing").expect(0);
    assert!(!apt.stdout.contains("W:") && apt.stdout.contains("990"), "{}", apt.stdout);

    // Again: nothing, and no program of apt's is needed to find that out.
    let again = host.sh(&format!(
        "mkdir /aside; mv /usr/bin/apt* /usr/bin/dpkg* /aside; {call}; code=$?; mv /aside/* /usr/bin; exit $code"
    ));
    assert!(again.clone().expect(0).stdout.ends_with("already up to date\n"), "{}", again.stdout);
    host.sh(&format!("{call} -n")).expect(0);

    host.sh("fixture undo").expect(0);
    assert_eq!(host.sh(tree).stdout, before);
    assert_eq!(host.sh("state edge-thing; state edge-dep").stdout, "none\nnone\n");
}

fn invalid_repository_leaves_nothing_behind(host: &AptHost) {
    host.sh(REPOSITORY).expect(0);
    host.sh(
        "key other; key old 1y 20200101T000000; key soon 20d; cat /keys/good.asc /keys/other.asc > /keys/both.asc
        head -c 300 /keys/good.asc > /keys/cut.asc; echo '<html><title>Log in</title>' > /keys/page.asc
        pgp --passphrase '' --pinentry-mode loopback --export-secret-keys --armor $(cat /keys/good.fpr) > /keys/secret.asc
        repo /unsigned -; repo /other other; repo /expired old 20200301T000000; repo /broken good; echo x >> /broken/Packages
        repo /soon soon; mkdir /empty /portal; cp /keys/page.asc /portal/InRelease
        repo /changed good; sed -i 's/^Label: test/Label: evil/' /changed/InRelease
        repo /cut good; sed -i '/^Label/,$d' /cut/InRelease
        key early never 20250101T000000; repo /ended -
        pgp --faked-system-time 20260101T000000 --default-sig-expire 10d -u $(cat /keys/early.fpr) --clearsign -o $here/ended/InRelease $here/ended/Release
        serve / 8000",
    )
    .expect(0);
    let cases = [
        // Address, key file, owner of the fingerprint, exit code, message.
        ("file:/repo/", "good.asc", "other", 4, "its fingerprint is"),
        ("file:/repo/", "both.asc", "good", 4, "its fingerprint is"),
        ("file:/expired/", "old.asc", "old", 4, "it expired on 2020-12-31"),
        ("file:/repo/", "cut.asc", "good", 1, "the download was interrupted"),
        ("file:/repo/", "page.asc", "good", 1, "begins with \"<html><title>Log in</title>\""),
        ("file:/repo/", "secret.asc", "good", 1, "private key"),
        ("file:/unsigned/", "good.asc", "good", 1, "it is not signed"),
        ("file:/other/", "good.asc", "good", 1, "it is signed with a different key than the given one"),
        ("file:/broken/", "good.asc", "good", 1, "its lists do not match each other"),
        ("file:/changed/", "good.asc", "good", 1, "its signature is invalid"),
        ("file:/cut/", "good.asc", "good", 1, "its signature is invalid"),
        ("file:/ended/", "early.asc", "early", 1, "its lists have expired"),
        (
            "http://127.0.0.1:8000/portal/",
            "good.asc",
            "good",
            1,
            "the server sent something else, such as a login page",
        ),
        ("file:/empty/", "good.asc", "good", 1, "the repository or file does not exist"),
        ("http://127.0.0.1:8000/none/", "good.asc", "good", 1, "the repository or file does not exist"),
        ("http://127.0.0.1:9/repo/", "good.asc", "good", 1, "its server cannot be reached"),
        ("http://nowhere.invalid/repo/", "good.asc", "good", 1, "its name cannot be resolved"),
    ];
    let before = host.look();
    for (uri, key, whose, code, said) in cases {
        let ran = host.sh(&format!(
            "fixture install --uri {uri} --key-file /keys/{key} --fingerprint $(cat /keys/{whose}.fpr) edge-thing~1.34"
        ));
        assert!(ran.stderr.contains(said), "{uri} {key}: {}", ran.stderr);
        assert!(ran.stderr.contains("\nhint: "), "{uri} {key}: {}", ran.stderr);
        let ran = ran.expect(code);
        assert_eq!(ran.stderr.lines().filter(|line| line.starts_with("edge-apt-fixture: cannot ")).count(), 1);
        host.looks_as(&before, &format!("{uri} {key}: {}", ran.stdout));
    }
    // The repository is valid, but does not have the requested package: its lists are removed, too.
    for uri in ["file:/repo/", "http://127.0.0.1:8000/repo/"] {
        for (what, said) in [
            ("edge-thing~1.36", format!("edge-thing 1.36.* in {uri}: it has 1.34.10-1.1, 1.34.9-1.1, 1.33.2-1.1")),
            ("edge-thing=2-1", format!("edge-thing 2-1 in {uri}: it has 1.34.10-1.1, 1.34.9-1.1, 1.33.2-1.1")),
            ("edge-none", format!("edge-none in {uri}: it has no package of that name for this architecture")),
        ] {
            let ran = host.sh(&format!(
                "fixture install --uri {uri} --key-file /keys/good.asc --fingerprint $(cat /keys/good.fpr) {what}"
            ));
            assert!(ran.stderr.contains(&format!("edge-apt-fixture: cannot find {said}\nhint: ")), "{}", ran.stderr);
            ran.expect(1);
            host.looks_as(&before, &format!("{uri} {what}"));
        }
    }
    // A key at its end is warned of, and used.
    let soon = host.sh("fixture install --uri file:/soon/ --key-file /keys/soon.gpg --fingerprint $(cat /keys/soon.fpr) edge-thing").expect(0);
    assert!(soon.stderr.contains("in 19 days: after that apt refuses"), "{}", soon.stderr);
    assert_eq!(host.sh("ls /etc/apt/keyrings").stdout, "test.gpg\n");
}

fn outdated_signature_is_reported(host: &AptHost) {
    host.sh(
        "deb edge-thing 1; key good; repo /lists -
        pgp --digest-algo SHA1 -u $(cat /keys/good.fpr) --clearsign -o $here/lists/InRelease $here/lists/Release
        pgp --faked-system-time 20250101T000000 --cert-digest-algo SHA1 --passphrase '' --quick-gen-key weak rsa2048 sign 20y
        pgp --with-colons --list-keys =weak | awk -F: '/^fpr/ { print $10; exit }' > /keys/weak.fpr
        pgp --export --armor $(cat /keys/weak.fpr) > /keys/weak.asc; repo /weak weak",
    )
    .expect(0);
    let has_sqv = host.sh("test -x /usr/bin/sqv").code == 0;
    let before = host.look();
    for (key, uri) in [("good", "file:/lists/"), ("weak", "file:/weak/")] {
        let ran = host.sh(&format!(
            "fixture install --uri {uri} --key-file /keys/{key}.asc --fingerprint $(cat /keys/{key}.fpr) edge-thing"
        ));
        // gpgv accepts a key with a self-signature of SHA-1, but no lists that are signed in this way.
        if key == "weak" && !has_sqv {
            assert!(!ran.stderr.contains("warning: "), "{}", ran.stderr);
            ran.expect(0);
            continue;
        }
        let warned = format!(
            "warning: the self-signature of the key of {uri} uses SHA-1, which this host's apt does not accept"
        );
        assert_eq!(ran.stderr.contains(&warned), key == "weak", "{}", ran.stderr);
        let said = format!(
            "edge-apt-fixture: cannot update the package lists of {uri}: its signature is of a type that this host's apt no longer accepts ("
        );
        assert!(ran.stderr.contains(&said), "{}", ran.stderr);
        assert!(ran.stderr.contains(")\nhint: use the repository of a newer version"), "{}", ran.stderr);
        ran.expect(1);
        host.looks_as(&before, uri);
    }
}

fn old_lists_are_updated_and_other_sources_may_fail(host: &AptHost) {
    host.sh(REPOSITORY).expect(0);
    host.sh("serve / 8000; echo 'deb http://127.0.0.1:9/ broken main' > /etc/apt/sources.list.d/broken.list").expect(0);
    let from = "--uri http://127.0.0.1:8000/repo/ --key-url http://127.0.0.1:8000/keys/good.asc --fingerprint $(cat /keys/good.fpr)";
    // The key is downloaded, too, and another source of the host is broken.
    host.sh(&format!("fixture install {from} edge-thing=1.33.2-1.1")).expect(0);
    assert_eq!(host.sh("state edge-thing").stdout, "ii 1.33.2-1.1\n");
    // The lists of before are there, and the repository is down.
    host.sh("serve_no_more").expect(0);
    let before = host.look();
    assert!(before.contains("/var/lib/apt/lists/127.0.0.1:8000_repo_Packages\n"), "{before}");
    let down = host.sh(&format!("fixture install {from} edge-thing~1.34")).expect(1);
    assert!(
        down.stderr
            .contains("cannot update the package lists of http://127.0.0.1:8000/repo/: its server cannot be reached"),
        "{}",
        down.stderr
    );
    host.looks_as(&before, "the call");

    // Another file with the same repository would stop apt: it is named before.
    host.sh("serve / 8000; echo 'deb [trusted=yes] http://127.0.0.1:8000/repo /' > /etc/apt/sources.list.d/mine.list")
        .expect(0);
    let before = host.look();
    let rival = host.sh(&format!("fixture install {from} edge-thing~1.34")).expect(4);
    assert!(rival.stderr.contains("/etc/apt/sources.list.d/mine.list already contains it"), "{}", rival.stderr);
    host.looks_as(&before, "the call");
}

fn holds_are_kept_and_side_effects_are_refused(host: &AptHost) {
    host.sh(REPOSITORY).expect(0);
    host.sh(&format!("fixture install {FROM} edge-thing=1.33.2-1.1 && apt-mark hold edge-thing")).expect(0);
    let call = |more: &str| host.sh(&format!("fixture install {FROM} {more}"));

    let up = call("edge-thing=1.34.9-1.1").expect(0);
    assert!(up.stdout.contains("    edge-thing 1.33.2-1.1 -> 1.34.9-1.1\n"), "{}", up.stdout);
    assert_eq!(host.sh("state edge-thing").stdout, "hi 1.34.9-1.1\n");

    let before = host.look();
    let down = call("edge-thing~1.33").expect(4);
    host.looks_as(&before, "the call");
    assert!(down.stderr.contains("edge-thing would be downgraded from 1.34.9-1.1 to 1.33.2-1.1"), "{}", down.stderr);
    call("--downgrade edge-thing~1.33").expect(0);
    assert_eq!(host.sh("state edge-thing").stdout, "hi 1.33.2-1.1\n");

    let gone = call("edge-thing~1.35").expect(1);
    assert!(
        gone.stderr
            .contains("cannot find edge-thing 1.35.* in file:/repo/: it has 1.34.10-1.1, 1.34.9-1.1, 1.33.2-1.1"),
        "{}",
        gone.stderr
    );

    // A package that conflicts with another one, one that an administrator holds, one with a missing dependency.
    host.sh("deb edge-free 1; deb edge-rival 1 'Conflicts: edge-free'; deb edge-dep 2; deb edge-new 1 'Depends: edge-dep (>= 2)'; deb edge-poor 1 'Depends: edge-none'; repo /repo good; apt-mark hold edge-dep").expect(0);
    call("edge-free").expect(0);
    let before = host.look();
    let rival = call("edge-rival").expect(4);
    assert!(rival.stderr.contains("cannot install edge-rival: apt would remove edge-free"), "{}", rival.stderr);
    let held = call("edge-new").expect(1);
    assert!(
        held.stderr
            .contains("cannot install edge-new: edge-new : Depends: edge-dep (>= 2) but 1 is to be installed\nhint: "),
        "{}",
        held.stderr
    );
    let poor = call("edge-poor").expect(1);
    assert!(poor.stderr.contains("edge-poor : Depends: edge-none but it is not installable"), "{}", poor.stderr);
    assert_eq!(host.sh("state edge-thing; state edge-dep; state edge-rival").stdout, "hi 1.33.2-1.1\nhi 1\nnone\n");
    host.looks_as(&before, "the call");
}

fn install_asks_no_questions(host: &AptHost) {
    // A configuration file that the user and the package change, and a script that reads.
    host.sh(
        "mkdir -p /debs/edge-thing.files/etc /debs/edge-thing.control
        echo /etc/edge-thing.conf > /debs/edge-thing.control/conffiles
        printf '#!/bin/sh\\nif read answer; then echo $answer > /asked; fi\\nread answer < /dev/tty && echo tty > /asked\\necho $DEBIAN_FRONTEND $NEEDRESTART_SUSPEND $APT_LISTCHANGES_FRONTEND > /said\\nexit 0\\n' > /debs/edge-thing.control/postinst
        chmod 755 /debs/edge-thing.control/postinst
        echo one > /debs/edge-thing.files/etc/edge-thing.conf; deb edge-thing 1
        echo two > /debs/edge-thing.files/etc/edge-thing.conf; deb edge-thing 2
        key good; repo /repo good",
    )
    .expect(0);
    host.sh(&format!("fixture install {FROM} edge-thing=1 && echo mine > /etc/edge-thing.conf")).expect(0);
    host.sh(&format!("echo yes | fixture install {FROM} edge-thing=2")).expect(0);
    let left = host.sh("state edge-thing; cat /etc/edge-thing.conf /said; ls /asked 2>&1").stdout;
    assert!(left.starts_with("ii 2\nmine\nnoninteractive 1 none\nls: cannot access"), "{left}");
}

fn removal_is_exact_and_can_be_undone(host: &AptHost) {
    host.sh(REPOSITORY).expect(0);
    host.sh(&format!("fixture install {FROM} --hold --pin 'version 1.34.*' edge-thing~1.34")).expect(0);
    let before = host.look();
    let needed = host.sh("fixture remove --wait 10 edge-dep").expect(4);
    let said =
        "cannot remove edge-dep: edge-thing depends on edge-dep\nhint: remove the packages that need them first\n";
    assert!(needed.stderr.ends_with(said), "{}", needed.stderr);
    host.looks_as(&before, "a removal that another package is in the way of");
    host.sh("fixture remove --wait 10 --name test edge-thing edge-dep").expect(0);
    assert_eq!(
        host.sh("state edge-thing; state edge-dep; ls /etc/apt/*.d /etc/apt/keyrings | grep test").stdout,
        "none\nnone\n"
    );
    let again = host.sh("fixture remove --wait 10 --name test edge-thing edge-dep").expect(0);
    assert!(again.stdout.contains("already up to date"), "{}", again.stdout);
    host.sh("fixture undo").expect(0);
    assert_eq!(host.sh("state edge-thing; state edge-dep").stdout, "hi 1.34.10-1.1\nii 1\n");
    assert!(host.sh("ls /etc/apt/*/").stdout.contains("test.sources"));
}

fn failed_script_of_a_package_is_reported_and_undone(host: &AptHost) {
    host.sh(
        "mkdir -p /debs/edge-bad.control; printf '#!/bin/sh\\necho no luck >&2; test -e /luck\\n' > /debs/edge-bad.control/postinst
        chmod 755 /debs/edge-bad.control/postinst; deb edge-bad 1 'Depends: edge-dep'; deb edge-dep 1; key good; repo /repo good",
    )
    .expect(0);
    let before = host.look();
    let failed = host.sh("call --hold edge-bad").expect(1);
    let said = "edge-apt-fixture: cannot install edge-bad: no luck; dpkg: error processing package edge-bad (--configure): \
                installed edge-bad package post-installation script subprocess returned error exit status 1\n\
                hint: fix what the script of the package reports, then run edge-apt wait --repair; \
                run the same command again to resume, or ";
    assert!(failed.stderr.contains(said), "{}", failed.stderr);
    assert_eq!(host.sh("state edge-bad; state edge-dep").stdout, "iF 1\nii 1\n");
    // Twice, as people do; and what is half-way goes with the undo.
    host.sh("call --hold edge-bad").expect(1);
    host.sh("fixture undo").expect(0);
    host.sh("rm -r /var/lib/edgeutils; apt-get -q update").expect(0);
    host.looks_as(&before, "an undo");

    // Or it is repaired, and the same call resumes.
    host.sh("call --hold edge-bad").expect(1);
    host.sh("touch /luck; edge wait --repair").expect(0);
    host.sh("call --hold edge-bad").expect(0);
    assert_eq!(host.sh("state edge-bad; state edge-dep; fixture undo --list | wc -l").stdout, "hi 1\nii 1\n1\n");
    host.sh("fixture undo && rm -r /var/lib/edgeutils && apt-get -q update").expect(0);
    host.looks_as(&before, "the undo of a repaired one");
}

fn undo_changes_nothing_while_another_package_needs_one(host: &AptHost) {
    host.sh(REPOSITORY).expect(0);
    let before = host.look();
    host.sh("deb edge-stranger 1 'Depends: edge-thing'; deb edge-guest 1 'Depends: edge-dep'").expect(0);
    host.sh(&format!("fixture install {FROM} --hold --pin 'version 1.34.*' edge-thing~1.34")).expect(0);
    host.sh("dpkg -i /debs/edge-stranger_1_all.deb /debs/edge-guest_1_all.deb").expect(0);
    let as_it_is = host.look();
    for (call, code) in [("fixture undo -n", 4), ("fixture undo", 4), ("fixture undo", 4)] {
        let refused = host.sh(call);
        let said = "edge-apt-fixture: cannot undo run 1: dpkg would not remove edge-dep, edge-thing: \
                    edge-guest depends on edge-dep; edge-stranger depends on edge-thing\n\
                    hint: remove the packages that need them first, then run the same undo again; until then the whole run is kept\n";
        assert!(refused.stderr.ends_with(said), "{}", refused.stderr);
        assert_eq!(refused.clone().expect(code).stdout, "");
        host.looks_as(&as_it_is, call);
    }
    // Other changes are still made; the undo works once nothing needs the packages.
    host.sh("call edge-thing").expect(0);
    host.sh("dpkg --purge edge-stranger edge-guest; fixture undo && fixture undo && rm -r /var/lib/edgeutils && apt-get -q update")
        .expect(0);
    host.looks_as(&before, "the undo");
}

/// A power cut keeps what dpkg has flushed, and may lose the journal's records of it: the undo does all of it again.
fn undo_is_completed_where_its_records_were_lost(host: &AptHost) {
    host.sh(REPOSITORY).expect(0);
    let before = host.look();
    host.sh(&format!("fixture install {FROM} --hold --pin 'version 1.34.*' edge-thing~1.34")).expect(0);
    host.sh("apt-mark unhold edge-thing && dpkg --remove edge-thing edge-dep && rm /etc/apt/*.d/*test* /etc/apt/keyrings/*test* && apt-get -q update")
        .expect(0);
    assert!(host.sh("apt-mark unhold edge-thing").stderr.contains("E: "), "apt does not know the package any more");
    host.sh("fixture undo").expect(0);
    host.sh("rm -r /var/lib/edgeutils && apt-get -q update").expect(0);
    host.looks_as(&before, "the undo");
}

#[test]
fn image_is_refused() {
    let tree = Tree::new();
    let ran = tool::Tool::program(Path::new(env!("CARGO_BIN_EXE_edge-apt-fixture")))
        .args(["install", "edge-thing", "--root"])
        .arg(tree.path())
        .run()
        .expect(4);
    assert!(
        ran.stderr.contains("the scripts of its packages would run as root on this host\nhint: "),
        "{}",
        ran.stderr
    );
}

on_each_debian!(
    install_takes_the_newest_of_a_stream_and_undo_reverts_all_of_it,
    invalid_repository_leaves_nothing_behind,
    outdated_signature_is_reported,
    old_lists_are_updated_and_other_sources_may_fail,
    holds_are_kept_and_side_effects_are_refused,
    install_asks_no_questions,
    undo_changes_nothing_while_another_package_needs_one,
    removal_is_exact_and_can_be_undone,
    undo_is_completed_where_its_records_were_lost,
    failed_script_of_a_package_is_reported_and_undone,
);
