//! Trees with mounts in them, and trees on file systems on which they cannot be renamed.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use edgeutils_tests::kill::cannot_kill;
use edgeutils_tests::live::{cannot_unshare, script, transcript};
use edgeutils_tests::skip;

const FIXTURE: &str = env!("CARGO_BIN_EXE_edge-fixture");

#[test]
fn mount_in_a_tree_keeps_the_tree() {
    if cannot_unshare("host live trash mount") {
        return;
    }
    let text = r#"
        mkdir -p tree/a/bound tree/b data; echo whole > data/file; echo x > tree/b/single
        for verb in trash delete; do
            plan '[{"'$verb'": "/mnt/tree"}]'
            mount --bind data tree/a/bound; apply; umount tree/a/bound
            mount --bind data/file tree/b/single; apply; umount tree/b/single
            mount --bind data tree; apply; umount tree
            mkdir 'tree/odd name'; mount --bind data 'tree/odd name'; mount --bind data 'tree/odd name'
            apply; umount 'tree/odd name'; umount 'tree/odd name'; rmdir 'tree/odd name'
        done
        ls -A; cat data/file tree/b/single
        mkdir beside; mount --bind data beside; mkdir tree2; apply; ls -A; cat data/file
    "#;
    let refused = |mount: &str, shown: &str| {
        format!(
            "edge-fixture: cannot remove /mnt/tree: {shown} is mounted\n\
             hint: unmount it (umount {mount}), then run the command again\nexit 4\n"
        )
    };
    let all = [
        refused("/mnt/tree/a/bound", "/mnt/tree/a/bound"),
        refused("/mnt/tree/b/single", "/mnt/tree/b/single"),
        refused("/mnt/tree", "/mnt/tree"),
        refused("'/mnt/tree/odd name'", "/mnt/tree/odd name"),
    ]
    .concat();
    let end = "data\nplan.json\ntree\nwhole\nx\ndeleted /mnt/tree: not needed  [undo: none]\n1 change\nexit 0\n\
               beside\ndata\nplan.json\ntree2\nwhole";
    transcript(FIXTURE, text, &format!("{all}{all}{end}"));
}

#[test]
fn mount_that_comes_between_check_and_rename_keeps_the_tree() {
    if cannot_unshare("host live trash race") || cannot_kill("host live trash race") {
        return;
    }
    // strace holds the rename back until the mount is made.
    let text = r#"
        mkdir -p tree/in data; echo whole > data/file
        plan '[{"trash": "/mnt/tree"}]'
        strace -qq -o /dev/null -e inject=renameat:delay_enter=3000000 -e trace=renameat \
            "$FIXTURE" --force-namespace apply --plan /mnt/plan.json & held=$!
        for try in $(seq 400); do test -d .edgeutils-trash-1 && break; sleep 0.01; done
        mount --bind data tree/in
        wait $held; echo "exit $?"
        ls -A; cat tree/in/file; umount tree/in; ls tree/in; cat data/file
    "#;
    let ran = script(FIXTURE, text);
    let want = "edge-fixture: cannot remove /mnt/tree: /mnt/tree/in is mounted";
    assert!(ran.stdout.contains(want), "{}", ran.stdout);
    assert!(ran.stdout.ends_with("exit 4\ndata\nplan.json\ntree\nwhole\nwhole\n"), "{}", ran.stdout);
}

#[test]
fn tree_on_the_lower_layer_of_an_overlay_cannot_be_moved() {
    if cannot_unshare("host live trash overlay") {
        return;
    }
    let text = r#"
        mkdir -p lower/tree/a upper work merged; echo x > lower/tree/a/file
        mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work none merged || { echo no overlay; exit; }
        plan '[{"trash": "/mnt/merged/tree"}]'; apply
        cat merged/tree/a/file; ls -A merged
        plan '[{"delete": "/mnt/merged/tree"}]'; apply; ls -A merged; cat lower/tree/a/file
    "#;
    let ran = script(FIXTURE, text);
    if ran.stdout == "no overlay\n" {
        return skip("host live trash overlay", "overlays cannot be mounted");
    }
    let (moved, rest) = ran.stdout.split_once("exit 1\n").expect(&ran.stdout);
    assert!(moved.contains("cannot move /mnt/merged/tree"), "{moved}");
    assert!(rest.starts_with("x\ntree\n") && rest.ends_with("exit 0\nx\n"), "{rest}");
}

#[test]
fn trash_on_an_overlay_is_recognized_although_its_inodes_are_others() {
    if cannot_unshare("host live trash overlay inodes") {
        return;
    }
    // A file of the lower layer is another inode after the rename, and a new directory after a remount.
    let text = r#"
        mkdir lower merged; echo lower > lower/file; chmod 4755 lower/file; ln -s x lower/link
        mkdir /run/upper /run/work; mount -t overlay -o lowerdir=/mnt/lower,upperdir=/run/upper,workdir=/run/work none merged || { echo no overlay; exit; }
        mkdir -p merged/new/in; echo new > merged/new/in/file; state() { (cd merged; stat -c '%n %a %Y' file link; cat file new/in/file); }
        state > before; plan '[{"trash": "/mnt/merged/file"}, {"trash": "/mnt/merged/link"}, {"trash": "/mnt/merged/new"}]'
        apply; mount -o remount,ro merged; mount -o remount,rw merged; ls -A merged
        edge purge -n | tail -2; edge undo | tail -2; state | diff before - && echo restored
        apply > /dev/null; mount -o remount,ro merged; mount -o remount,rw merged; edge purge | tail -2; ls -A merged
    "#;
    let ran = script(FIXTURE, text);
    if ran.stdout.ends_with("no overlay\n") {
        return skip("host live trash overlay inodes", "overlays cannot be mounted");
    }
    let want = "3 changes\nexit 0\n.edgeutils-trash-1\n3 changes would be made\nexit 3\nreverted run 1\nexit 0\nrestored\n3 changes\nexit 0\n";
    assert!(ran.stdout.ends_with(want), "{}", ran.stdout);
}
