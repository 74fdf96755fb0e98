//! Actions that cannot be undone, and plans that continue after a failure.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use edgeutils_tests::kill::cannot_kill;
use edgeutils_tests::live::{cannot_unshare, script, transcript};

const FIXTURE: &str = env!("CARGO_BIN_EXE_edge-fixture");

#[test]
fn effect_is_recorded_and_not_undone() {
    if cannot_unshare("host live effects") {
        return;
    }
    transcript(
        FIXTURE,
        r#"
        touch a
        plan '[{"write": "/mnt/b", "text": "b"}, {"unmade": "/mnt/a"}]'
        apply -n; apply; apply; edge undo -n; edge undo; edge undo --list | sed 's/20..-.*Z/TIME/'; ls
        edge --root /mnt --force-root apply --plan /mnt/plan.json
        "#,
        "would write /mnt/b: for the test  [undo: exact]
        would delete /mnt/a: not needed  [undo: none]
        2 changes would be made
        exit 3
        wrote /mnt/b: for the test  [undo: exact]
        deleted /mnt/a: not needed  [undo: none]
        2 changes
        exit 0
        already up to date
        exit 0
        skipped /mnt/a: this cannot be undone
        would remove /mnt/b: it did not exist before
        1 change would be made
        exit 3
        skipped /mnt/a: this cannot be undone
        removed /mnt/b: it did not exist before
        reverted run 1
        exit 0
        1  TIME  undone      edge-fixture --force-namespace apply --plan /mnt/plan.json: /mnt/b, /mnt/a  [undo: incomplete]
        exit 0
        plan.json
        wrote /mnt/b: for the test  [undo: exact]
        1 change
        exit 0",
    );
}

#[test]
fn plan_that_continues_does_the_rest_and_keeps_the_worst_code() {
    if cannot_unshare("host live effects continue") {
        return;
    }
    transcript(
        FIXTURE,
        r#"
        touch a b c
        plan '[{"continues": true}, {"unmade": "/mnt/a", "exit": 4}, {"unmade": "/mnt/b", "exit": 1}, {"unmade": "/mnt/c"},
               {"write": "/mnt/d", "text": "d"}]'
        apply; ls
        plan '[{"continues": true}, {"unmade": "/mnt/a"}, {"unmade": "/mnt/b"}, {"unmade": "/mnt/c"},
               {"write": "/mnt/d", "text": "d"}]'
        apply; ls; edge undo; ls
        touch a c; plan '[{"unmade": "/mnt/a", "exit": 4}, {"unmade": "/mnt/c"}]'
        apply; ls
        "#,
        "refused to delete /mnt/a: not needed  [undo: none]
        edge-fixture: cannot delete /mnt/a: it is in use
        could not delete /mnt/b: not needed  [undo: none]
        edge-fixture: cannot delete /mnt/b: it is busy
        deleted /mnt/c: not needed  [undo: none]
        wrote /mnt/d: for the test  [undo: exact]
        2 changes
        exit 1
        a\nb\nd\nplan.json
        edge-fixture: note: run 1 was interrupted; what it had done was read from the host
        deleted /mnt/a: not needed  [undo: none]
        deleted /mnt/b: not needed  [undo: none]
        2 changes
        exit 0
        d\nplan.json
        skipped /mnt/b: this cannot be undone
        skipped /mnt/a: this cannot be undone
        removed /mnt/d: it did not exist before
        skipped /mnt/c: this cannot be undone
        reverted run 1
        exit 0
        plan.json
        refused to delete /mnt/a: not needed  [undo: none]
        edge-fixture: cannot delete /mnt/a: it is in use
        exit 4
        a\nc\nplan.json",
    );
}

#[test]
fn plan_that_continues_does_the_rest_where_facts_no_longer_hold() {
    if cannot_unshare("host live effects facts") {
        return;
    }
    transcript(
        FIXTURE,
        r#"
        mkdir tree other; touch other/x; mkdir tree/m; mount -t tmpfs tmpfs tree/m
        plan '[{"continues": true}, {"trash": "/mnt/tree"}, {"run": ["/no/such/program"]}, {"trash": "/mnt/other"}]'
        apply; ls -A
        umount tree/m
        apply; ls -A
        "#,
        "refused to move /mnt/tree to the trash: not needed  [undo: exact]
        edge-fixture: cannot remove /mnt/tree: /mnt/tree/m is mounted
        hint: unmount it (umount /mnt/tree/m), then run the command again
        could not run /no/such/program: a command  [undo: none]
        edge-fixture: cannot find the program /no/such/program in /usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin
        hint: install the package that contains /no/such/program and run again
        moved /mnt/other to the trash: not needed  [undo: exact]
        1 change
        exit 1
        .edgeutils-trash-1
        plan.json
        tree
        could not run /no/such/program: a command  [undo: none]
        edge-fixture: cannot find the program /no/such/program in /usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin
        hint: install the package that contains /no/such/program and run again
        moved /mnt/tree to the trash: not needed  [undo: exact]
        1 change
        exit 1
        .edgeutils-trash-1
        plan.json",
    );
}

#[test]
fn effect_that_was_interrupted_is_decided_by_new_facts() {
    if cannot_unshare("host live effects kill") || cannot_kill("host live effects kill") {
        return;
    }
    // Killed before the file is removed; and after that, as the host shows no more.
    for (then, left) in [("", "a\n"), ("rm a", "")] {
        let text = format!(
            r#"
            touch a; plan '[{{"unmade": "/mnt/a"}}, {{"write": "/mnt/b", "text": "b"}}]'
            strace -qq -o /dev/null -e trace=unlink -e inject=unlink:signal=KILL "$FIXTURE" --force-namespace apply --plan /mnt/plan.json
            {then}
            ls a b 2>/dev/null
            apply | tail -2; ls; edge undo | tail -2; ls
            "#
        );
        let ran = script(FIXTURE, &text);
        let changes = if left.is_empty() { "1 change" } else { "2 changes" };
        let end = format!("{changes}\nexit 0\nb\nplan.json\nreverted run 1\nexit 0\nplan.json\n");
        assert!(ran.stdout.contains(&format!("Killed\n{left}edge-fixture: note:")), "{then}: {}", ran.stdout);
        assert!(ran.stdout.ends_with(&end), "{then}: {}", ran.stdout);
    }
}
