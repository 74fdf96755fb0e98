//! Full and read-only disks, and files that must be written in place, on private mounts: what is refused and
//! reported, and that nothing else was changed.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use edgeutils_tests::live::{can_unshare, transcript};
use edgeutils_tests::skip;

const FIXTURE: &str = env!("CARGO_BIN_EXE_edge-fixture");

fn live(test: &str, script: &str, want: &str) {
    if can_unshare() {
        transcript(FIXTURE, script, want);
    } else {
        skip(&format!("host_refusals {test}"), "no mount namespace can be made here");
    }
}

#[test]
fn full_disk_leaves_the_file_and_the_run_is_resumed() {
    live(
        "full target",
        r#"
        mkdir small; mount -t tmpfs -o size=64k tmpfs small
        echo before > small/conf
        head -c 50000 /dev/zero > small/fill
        text=$(head -c 40000 /dev/zero | tr '\0' x)
        plan '[{"write": "/mnt/new", "text": "new"}, {"write": "/mnt/small/conf", "text": "'$text'"}]'
        apply
        ls -A small; cat small/conf
        rm small/fill; apply; wc -c < small/conf
        edge undo; cat small/conf; ls
        "#,
        "wrote /mnt/new: for the test  [undo: exact]
        could not write /mnt/small/conf: for the test  [undo: exact]
        edge-fixture: cannot write /mnt/small/conf: No space left on device (os error 28)
        hint: free some space on that file system and run again; run the same command again to resume, or `edge-fixture undo --id 1` to undo what was done
        exit 1
        conf
        fill
        before
        edge-fixture: note: run 1 was interrupted; what it had done was read from the host
        wrote /mnt/small/conf: for the test  [undo: exact]
        1 change
        exit 0
        40000
        restored /mnt/small/conf: previous content
        removed /mnt/new: it did not exist before
        reverted run 1
        exit 0
        before
        plan.json
        small",
    );
}

#[test]
fn full_disk_under_a_file_that_is_written_in_place_leaves_it_as_it_was() {
    live(
        "full in place",
        r#"
        mkdir small; mount -t tmpfs -o size=64k tmpfs small
        echo before > small/a; ln small/a small/b
        head -c 50000 /dev/zero > small/fill
        text=$(head -c 40000 /dev/zero | tr '\0' x)
        plan '[{"write": "/mnt/small/a", "text": "'$text'"}]'
        apply; cat small/a; stat -c %h small/a
        rm small/fill; apply; wc -c < small/b
        "#,
        "could not write /mnt/small/a: for the test  [undo: exact]
        edge-fixture: cannot write /mnt/small/a: No space left on device (os error 28)
        hint: free some space on that file system and run again
        exit 1
        before
        2
        edge-fixture: note: run 1 was interrupted; what it had done was read from the host
        wrote /mnt/small/a: for the test  [undo: exact]
        1 change
        exit 0
        40000",
    );
}

#[test]
fn journal_without_room_changes_nothing_and_earlier_runs_can_be_undone() {
    live(
        "full var",
        r#"
        echo one > conf
        mkdir /var/lib; mount -t tmpfs -o size=28k tmpfs /var/lib
        plan '[{"write": "/mnt/conf", "text": "two\n"}]'; apply
        head -c 30000 /dev/zero | tr '\0' x > big
        plan '[{"write": "/mnt/new", "text": "x"}, {"remove": "/mnt/big"}]'
        apply
        # Someone tries again and again; the runs that are kept must not be pushed out by that.
        n=0; while [ $n -lt 25 ]; do apply > /dev/null 2>&1; n=$((n + 1)); done
        ls; ls /var/lib/edgeutils/journal
        edge undo; cat conf
        "#,
        "wrote /mnt/conf: for the test  [undo: exact]
        1 change
        exit 0
        edge-fixture: cannot write the journal /var/lib/edgeutils/journal/000002-edge-fixture.jsonl: No space left on device (os error 28)
        hint: free some space on that file system and run again
        exit 1
        big
        conf
        plan.json
        000001-edge-fixture.jsonl
        restored /mnt/conf: previous content
        reverted run 1
        exit 0
        one",
    );
}

#[test]
fn full_or_read_only_var_is_reported_before_the_first_change() {
    live(
        "read-only var",
        r#"
        mkdir /var/lib; mount -t tmpfs -o size=4k,nr_inodes=2 tmpfs /var/lib
        plan '[{"write": "/mnt/new", "text": "x"}]'; apply
        umount /var/lib; mount -t tmpfs -o ro tmpfs /var/lib
        apply
        # An undo needs to record as well.
        umount /var/lib; apply; mount -o remount,ro /var
        edge undo; ls
        "#,
        "edge-fixture: cannot lock /var/lib/edgeutils/lock: No space left on device (os error 28)
        hint: free some space on that file system and run again
        exit 1
        edge-fixture: cannot make /var/lib/edgeutils/journal: Read-only file system (os error 30)
        hint: the file system is mounted read-only: remount it read-write (mount -o remount,rw) and run again
        exit 1
        wrote /mnt/new: for the test  [undo: exact]
        1 change
        exit 0
        edge-fixture: cannot write the journal /var/lib/edgeutils/journal/000001-edge-fixture.jsonl: Read-only file system (os error 30)
        hint: the file system is mounted read-only: remount it read-write (mount -o remount,rw) and run again
        exit 1
        new
        plan.json",
    );
}

#[test]
fn read_only_target_is_named() {
    live(
        "read-only target",
        r#"
        mkdir ro; mount -t tmpfs tmpfs ro; echo before > ro/conf; mount -o remount,ro ro
        plan '[{"write": "/mnt/ro/conf", "text": "after"}]'; apply; cat ro/conf; ls -A ro
        plan '[{"write": "/mnt/ro/deep/new", "text": "after"}]'; apply
        plan '[{"remove": "/mnt/ro/conf"}]'; apply; ls -A ro
        "#,
        "could not write /mnt/ro/conf: for the test  [undo: exact]
        edge-fixture: cannot write /mnt/ro/conf: Read-only file system (os error 30)
        hint: the file system is mounted read-only: remount it read-write (mount -o remount,rw) and run again
        exit 1
        before
        conf
        edge-fixture: note: run 1 was interrupted; what it had done was read from the host
        could not write /mnt/ro/deep/new: for the test  [undo: exact]
        edge-fixture: cannot write /mnt/ro/deep/new: Read-only file system (os error 30)
        hint: the file system is mounted read-only: remount it read-write (mount -o remount,rw) and run again
        exit 1
        edge-fixture: note: run 1 was interrupted; what it had done was read from the host
        could not remove /mnt/ro/conf: not needed  [undo: exact]
        edge-fixture: cannot remove /mnt/ro/conf: Read-only file system (os error 30)
        hint: the file system is mounted read-only: remount it read-write (mount -o remount,rw) and run again
        exit 1
        conf",
    );
}

#[test]
fn bind_mounted_file_is_written_in_place_and_undone() {
    live(
        "bind mount",
        r#"
        echo before > source; echo under > conf; mount --bind source conf
        plan '[{"write": "/mnt/conf", "text": "after, and longer\n"}]'
        inode=$(stat -c %i conf)
        apply; cat source
        [ "$(stat -c %i source)" = "$inode" ] && echo the same inode
        edge undo; cat source; ls -A
        umount conf; cat conf
        # A key is never copied into the journal, so it is not written in place: refused by the kernel.
        mount --bind source conf
        plan '[{"key": "/mnt/conf", "text": "secret"}]'; apply; cat source
        "#,
        "wrote /mnt/conf: for the test  [undo: exact]
        1 change
        exit 0
        after, and longer
        the same inode
        restored /mnt/conf: previous content
        reverted run 1
        exit 0
        before
        conf
        plan.json
        source
        under
        edge-fixture: cannot write /mnt/conf: it is a mount point, and a key is never written in place
        exit 4
        before",
    );
}

#[test]
fn hard_linked_file_keeps_its_inode_and_both_names() {
    live(
        "hard link",
        r#"
        echo before > a; ln a b; chmod 4750 a
        plan '[{"write": "/mnt/a", "text": "after\n"}]'; apply
        cat b; stat -c '%h %a' a b
        edge undo; cat b; stat -c '%h %a' a b
        # Both contents must fit into the journal, so that an incomplete write can be repaired.
        head -c 1048577 /dev/zero > a; apply; wc -c < b
        "#,
        "wrote /mnt/a: for the test  [undo: exact]
        1 change
        exit 0
        after
        2 4750
        2 4750
        restored /mnt/a: previous content
        reverted run 1
        exit 0
        before
        2 4750
        2 4750
        edge-fixture: cannot write /mnt/a: it can only be written in place (it is hard-linked, a mount point, or of another owner), and its content is too large or not yet known for that
        hint: replace the hard link with a copy (cp -p FILE NEW && mv NEW FILE) or unmount the file, then run again
        exit 4
        1048577",
    );
}
