//! What an unmount takes away, and what it leaves: everything outside.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use edgeutils_tests::kill::cannot_kill;
use edgeutils_tests::live::{cannot_unshare, script, transcript};

const FIXTURE: &str = env!("CARGO_BIN_EXE_edge-fixture");

/// `reset` unmounts all below /mnt/root and deletes it, however shared; `table` prints the mounts elsewhere.
const PRELUDE: &str = r#"
    said() { grep -E '^(edge-fixture: cannot|exit)'; }
    reset() {
        plan '[{"continues": true}, {"unmount": "/mnt/root", "deadline": 500}]'; apply 2>&1 | said
        plan '[{"trash": "/mnt/root"}]'; apply 2>&1 | said
    }
    table() { awk '$5 ~ "^/mnt/(host|disk)" {print $5, $9}' /proc/self/mountinfo | sort; }
    mkdir -p host/home root/pods; echo whole > host/file
    mount -t tmpfs tmpfs host/home; echo whole > host/home/file
"#;

const GONE: &str = "exit 0\nexit 0\n";
const WHOLE: &str = "whole\nwhole\n/mnt/host/home tmpfs\n";

#[track_caller]
fn says(text: &str, want: &str) {
    transcript(FIXTURE, &format!("{PRELUDE}{text}"), want);
}

#[test]
fn unmount_of_a_recursive_bind_leaves_the_mounts_of_the_original() {
    if cannot_unshare("host live unmount shared") {
        return;
    }
    // Also with a mount on the mount, and one on a mount point in it.
    says(
        r#"
        mount --make-rshared /mnt
        mkdir root/pods/v root/pods/w; mount --rbind host root/pods/v; mount --rbind host root/pods/w
        mount -t tmpfs tmpfs root/pods/w/home
        umount root/pods/w/home
        reset; cat host/file host/home/file; table
        "#,
        &format!("{GONE}{WHOLE}"),
    );
}

#[test]
fn usual_recipes_unmount_the_original_too() {
    if cannot_unshare("host live unmount recipes") {
        return;
    }
    for recipe in ["umount -R root/pods/v", "umount -R -l root/pods/v", "umount root/pods/v/home; umount root/pods/v"] {
        says(
            &format!(
                "mount --make-rshared /mnt; mkdir root/pods/v; mount --rbind host root/pods/v; {recipe}; table; ls host/home"
            ),
            "",
        );
    }
    says(
        "mkdir root/pods/v; mount --bind host root/pods/v; rm -rf --one-file-system root 2>/dev/null; ls host",
        "home",
    );
}

#[test]
fn stacked_covered_and_odd_mounts_are_unmounted_in_their_order() {
    if cannot_unshare("host live unmount order") {
        return;
    }
    says(
        r#"
        mkdir -p root/pods/a/b; touch root/pods/single
        mount --bind host root/pods/a/b; mount -t tmpfs tmpfs root/pods/a/b
        mount -t tmpfs tmpfs root/pods/a; mkdir -p root/pods/a/b/c; mount --bind host root/pods/a/b/c
        mount --bind host/file root/pods/single; mount --bind host/home/file root/pods/single
        for name in 'a b' 'tab	x' 'line
break' 'back\slash' '#' '\040' "$(printf 'bytes\377\001')"; do
            mkdir "root/pods/$name"; mount --bind host "root/pods/$name"; mount --rbind host "root/pods/$name"
        done
        reset; cat host/file host/home/file; table; grep -c root /proc/self/mountinfo
        "#,
        &format!("{GONE}{WHOLE}0"),
    );
}

#[test]
fn mount_on_a_covered_one_that_is_shared_elsewhere_is_refused() {
    if cannot_unshare("host live unmount covered") {
        return;
    }
    // The disk that the host mounts on /mnt/host/data appears on the bind of it, and cannot be unmounted alone.
    says(
        r#"
        mkdir host/data root/pods/v; mount --make-rshared /mnt
        mount --bind host/data root/pods/v; mount -t tmpfs tmpfs host/data; echo disk > host/data/file
        reset; cat host/data/file host/file host/home/file; table
        mount --make-rprivate /mnt/host/data; mount --make-private /mnt; reset; table; cat host/data/file
        "#,
        &format!(
            "edge-fixture: cannot unmount /mnt/root/pods/v: /mnt/host/data would be unmounted with it
             edge-fixture: cannot unmount /mnt/root/pods/v: it is covered by what is mounted on /mnt/root/pods/v
             exit 4
             edge-fixture: cannot remove /mnt/root: /mnt/root/pods/v is mounted
             exit 4
             disk\nwhole\nwhole\n/mnt/host/data tmpfs\n/mnt/host/home tmpfs\n{GONE}/mnt/host/data tmpfs\n/mnt/host/home tmpfs\ndisk"
        ),
    );
}

#[test]
fn root_that_is_bound_elsewhere_goes_with_all_that_is_seen_there() {
    if cannot_unshare("host live unmount mirror") {
        return;
    }
    says(
        r#"
        mkdir -p disk/kubelet; mount --make-rshared /mnt; mount --bind disk/kubelet root
        mkdir -p root/pods/v root/pods/w; mount -t tmpfs tmpfs root/pods/v; mount --bind host root/pods/w; table
        plan '[{"continues": true}, {"unmount": "/mnt/root"}]'; apply 2>&1 | said; table; ls disk/kubelet/pods/w; cat host/file
        "#,
        "/mnt/disk/kubelet/pods/v tmpfs
         /mnt/disk/kubelet/pods/w tmpfs
         /mnt/host/home tmpfs
         exit 0
         /mnt/host/home tmpfs
         whole",
    );
}

#[test]
fn mount_in_use_is_refused_and_names_who_uses_it() {
    if cannot_unshare("host live unmount busy") {
        return;
    }
    let text = r#"
        mkdir -p root/pods/v root/pods/w; mount --bind host root/pods/v; mount --bind host root/pods/w
        sleep 60 < root/pods/v/file & held=$!
        sleep 0.3; reset | sed "s/$held/PID/"
        (cd root/pods/v && exec sleep 60) & held2=$!
        kill $held; wait $held 2>/dev/null; sleep 0.2
        plan '[{"unmount": "/mnt/root"}]'; apply 2>&1 | said | sed "s/$held2/PID/"
        kill $held2; wait $held2 2>/dev/null
        reset; cat host/file host/home/file; table
    "#;
    let busy = "edge-fixture: cannot unmount /mnt/root/pods/v: it is in use by process PID (/usr/bin/sleep)";
    says(
        text,
        &format!(
            "{busy}
             exit 4
             edge-fixture: cannot remove /mnt/root: /mnt/root/pods/v is mounted, and in use by process PID (/usr/bin/sleep)
             exit 4
             {busy}
             exit 4
             {GONE}{WHOLE}"
        ),
    );
}

#[test]
fn dead_server_does_not_hold_up_an_unmount() {
    if cannot_unshare("host live unmount dead") {
        return;
    }
    let text = r#"
        mkdir -p root/pods/v root/pods/w root/pods/own/sub
        exec 7<>/dev/fuse; mount -i -t fuse -o fd=7,rootmode=40000,user_id=0,group_id=0 dead root/pods/v || { echo no fuse; exit; }
        # It is mounted on the host too, where it must not be aborted.
        exec 8<>/dev/fuse; mkdir host/fuse
        mount -i -t fuse -o fd=8,rootmode=40000,user_id=0,group_id=0 slow host/fuse; mount --bind host/fuse root/pods/w
        # Something waits for it.
        timeout -s KILL 20 stat root/pods/v >/dev/null 2>&1 & waits=$!
        sleep 0.2
        start=$(date +%s); reset; test $(($(date +%s) - start)) -lt 10 && echo in time
        wait $waits; cat host/file host/home/file; table
        umount -l host/fuse
    "#;
    let ran = script(FIXTURE, &format!("{PRELUDE}{text}"));
    if ran.stdout.contains("no fuse") {
        return edgeutils_tests::skip("host live unmount dead", "FUSE cannot be mounted");
    }
    let want = format!("{GONE}in time\nwhole\nwhole\n/mnt/host/fuse slow\n/mnt/host/home tmpfs\n");
    assert_eq!(ran.stdout, want);
}

#[test]
fn killed_unmount_gets_to_the_same_end() {
    if cannot_unshare("host live unmount kill") || cannot_kill("host live unmount kill") {
        return;
    }
    // Each unmount is in a thread of its own, where it is the first; the writes of the journal are between them.
    let writes = (1..=8).map(|nth| ("write", nth));
    for (call, nth) in [("mount", 1), ("umount2", 1)].into_iter().chain(writes) {
        let text = format!(
            r#"
            mount --make-rshared /mnt
            for name in v w; do mkdir root/pods/$name; mount --rbind host root/pods/$name; done
            plan '[{{"continues": true}}, {{"unmount": "/mnt/root"}}]'
            strace -f -qq -o /dev/null -e trace={call} -e inject={call}:signal=KILL:when={nth} \
                "$FIXTURE" --force-namespace apply --plan /mnt/plan.json >out 2>&1
            echo "killed $?"
            reset; cat host/file host/home/file; table
            "#
        );
        says(&text, &format!("killed 137\n{GONE}{WHOLE}"));
    }
}
