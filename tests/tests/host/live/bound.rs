//! Trees that are mounted elsewhere too, in whole or in part: their files are in use.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use edgeutils_tests::kill::cannot_kill;
use edgeutils_tests::live::{cannot_unshare, script, transcript};

const FIXTURE: &str = env!("CARGO_BIN_EXE_edge-fixture");

fn refused(why: &str, mount: &str) -> String {
    format!(
        "edge-fixture: cannot remove /mnt/tree: {why}\n\
         hint: unmount it (umount {mount}), then run the command again\nexit 4\n"
    )
}

#[test]
fn bound_tree_is_kept_until_it_is_unmounted() {
    if cannot_unshare("host live bound") {
        return;
    }
    let text = r#"
        mkdir -p tree/a/b 'my srv' view; echo whole > tree/a/b/file; touch one
        for verb in trash delete; do
            plan '[{"'$verb'": "/mnt/tree"}]'
            mount --bind tree 'my srv'; apply; umount 'my srv'
            mount --bind tree/a/b 'my srv'; apply; umount 'my srv'
            mount --bind tree/a/b/file one; apply; umount one
            # What is mounted in the tree, but by another path to it.
            mount --bind /mnt view; mount -t tmpfs x view/tree/a; apply; umount view/tree/a; umount view
        done
        cat tree/a/b/file
        # What was deleted is not in the tree any more, whatever it is called.
        touch tree/gone; mount --bind tree/gone one; rm tree/gone; apply; ls
    "#;
    let all = [
        refused("it is also mounted on /mnt/my srv", "'/mnt/my srv'"),
        refused("/mnt/tree/a/b is also mounted on /mnt/my srv", "'/mnt/my srv'"),
        refused("/mnt/tree/a/b/file is also mounted on /mnt/one", "/mnt/one"),
        refused("/mnt/view/tree/a is mounted", "/mnt/view/tree/a"),
    ]
    .concat();
    let end = "whole\ndeleted /mnt/tree: not needed  [undo: none]\n1 change\nexit 0\nmy srv\none\nplan.json\nview\n";
    transcript(FIXTURE, text, &format!("{all}{all}{end}"));
}

#[test]
fn layer_of_an_overlay_is_kept() {
    if cannot_unshare("host live bound overlay") {
        return;
    }
    let text = r#"
        mkdir -p tree/up tree/work low merged; plan '[{"trash": "/mnt/tree"}]'
        mount -t overlay -o lowerdir=/mnt/low,upperdir=/mnt/tree/up,workdir=/mnt/tree/work overlay merged && apply
    "#;
    transcript(FIXTURE, text, &refused("/mnt/tree/up is a layer of what is mounted on /mnt/merged", "/mnt/merged"));
}

#[test]
fn holder_of_a_mount_is_named() {
    if cannot_unshare("host live bound holder") {
        return;
    }
    let text = r#"
        mkdir -p tree srv; plan '[{"trash": "/mnt/tree"}]'; mount --bind tree srv; mkfifo gate
        sh -c 'cd /mnt/srv; echo > /mnt/gate; exec sleep 30' & holder=$!
        read line < gate; apply 2>&1 | sed "s/process $holder (.*)/HOLDER/"; kill $holder
    "#;
    let want = "edge-fixture: cannot remove /mnt/tree: it is also mounted on /mnt/srv, and in use by HOLDER\n\
                hint: end what uses it, unmount it (umount /mnt/srv), then run the command again\nexit 4\n";
    transcript(FIXTURE, text, want);
}

#[test]
fn purge_deletes_nothing_that_is_mounted_and_an_undo_restores_it() {
    if cannot_unshare("host live bound purge") {
        return;
    }
    let text = r#"
        mkdir -p tree/a/b other srv data; echo x > tree/a/b/file; echo whole > data/file
        plan '[{"trash": "/mnt/tree"}, {"trash": "/mnt/other"}]'; apply
        cd .edgeutils-trash-1/tree/a; mount --bind . /mnt/srv; edge purge -n; edge purge; cat /mnt/srv/b/file; umount /mnt/srv
        mount --bind /mnt/data b; edge purge; cat b/file; umount b
        cd /mnt; edge undo; cat tree/a/b/file; ls -A
    "#;
    let refused = |why: &str, mount: &str| {
        let tree = "/mnt/.edgeutils-trash-1/tree";
        format!(
            "refused to delete {tree}: moved from /mnt/tree by run 1  [undo: none]\n\
             edge-fixture: cannot delete {tree}: {why}\n\
             hint: unmount it (umount {mount}), then run the command again\n"
        )
    };
    let bound = refused("/mnt/.edgeutils-trash-1/tree/a is also mounted on /mnt/srv", "/mnt/srv");
    let inside = "/mnt/.edgeutils-trash-1/tree/a/b";
    let inside = refused(&format!("{inside} is mounted"), inside);
    let other = "/mnt/.edgeutils-trash-1/other: moved from /mnt/other by run 1  [undo: none]\n";
    transcript(
        FIXTURE,
        text,
        &format!(
            "moved /mnt/tree to the trash: not needed  [undo: exact]\nmoved /mnt/other to the trash: not needed  [undo: exact]\n\
             2 changes\nexit 0\n\
             {bound}would delete {other}1 change would be made\nexit 4\n\
             {bound}deleted {other}1 change\nexit 4\nx\n\
             {inside}no changes\nexit 4\nwhole\n\
             skipped /mnt/other: it was deleted from the trash\nrestored /mnt/tree: from the trash\n\
             reverted run 1, without what was purged\nexit 0\nx\ndata\nplan.json\nsrv\ntree\n"
        ),
    );
}

#[test]
fn bind_that_comes_between_check_and_rename_keeps_the_tree() {
    if cannot_unshare("host live bound race") || cannot_kill("host live bound race") {
        return;
    }
    let text = r#"
        mkdir -p tree/in srv; echo whole > tree/in/file
        plan '[{"trash": "/mnt/tree"}]'
        strace -qq -o /dev/null -e inject=renameat:delay_enter=3000000 -e trace=renameat \
            "$FIXTURE" --force-namespace apply --plan /mnt/plan.json & held=$!
        for try in $(seq 400); do test -d .edgeutils-trash-1 && break; sleep 0.01; done
        mount --bind tree/in srv
        wait $held; echo "exit $?"
        ls -A; cat srv/file tree/in/file
    "#;
    let ran = script(FIXTURE, text);
    let want = "edge-fixture: cannot remove /mnt/tree: /mnt/tree/in is also mounted on /mnt/srv\n";
    assert!(ran.stdout.contains(want), "{}", ran.stdout);
    assert!(ran.stdout.ends_with("exit 4\nplan.json\nsrv\ntree\nwhole\nwhole\n"), "{}", ran.stdout);
}

#[test]
fn undo_by_force_renames_nothing_that_is_mounted() {
    if cannot_unshare("host live bound force") {
        return;
    }
    let text = r#"
        mkdir -p tree data; echo x > tree/file; plan '[{"trash": "/mnt/tree"}]'; apply
        mkdir -p tree/in; mount --bind data tree/in; edge undo --force; umount tree/in; edge undo --force; cat tree/file
        ls -A
    "#;
    transcript(
        FIXTURE,
        text,
        "moved /mnt/tree to the trash: not needed  [undo: exact]\n1 change\nexit 0\n\
         edge-fixture: cannot restore /mnt/tree: /mnt/tree/in is mounted\n\
         hint: unmount it (umount /mnt/tree/in), then run the command again; to keep the run: edge-fixture undo --id 1 --skip\n\
         reverted 0 of 1 change of run 1\nexit 4\n\
         edge-fixture: note: /mnt/tree exists again; the current version is kept as /mnt/tree.edgeutils-kept\n\
         restored /mnt/tree: from the trash; the current version is kept\nreverted run 1\nexit 0\nx\n\
         data\nplan.json\ntree\ntree.edgeutils-kept\n",
    );
}
