//! Trees that are moved to the trash beside them, and back; and trees that are deleted.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::process::Command;

use edgeutils_tests::image::Image;
use edgeutils_tests::kill;
use edgeutils_tests::skip;
use edgeutils_tests::sweep::look;
use edgeutils_tests::tree::assert_same;

const FIXTURE: &str = env!("CARGO_BIN_EXE_edge-fixture");
const PLAN: &str = r#"[{"trash": "/etc/kubeedge"}, {"trash": "/usr/bin/edgecore"}, {"trash": "/etc/link"}]"#;

fn image() -> Image {
    let image = Image::with(
        FIXTURE,
        &[
            ("etc/kubeedge/ca/rootCA.key", "secret"),
            ("etc/kubeedge/edgecore.yaml", "a: b\n"),
            ("usr/bin/edgecore", "x"),
        ],
    );
    fs::create_dir_all(image.tree.at("var/lib")).unwrap();
    fs::hard_link(image.tree.at("etc/kubeedge/edgecore.yaml"), image.tree.at("etc/second")).unwrap();
    fs::set_permissions(image.tree.at("etc/kubeedge/ca"), fs::Permissions::from_mode(0o2711)).unwrap();
    symlink("kubeedge", image.tree.at("etc/link")).unwrap();
    xattr::set(image.tree.at("etc/kubeedge/ca"), "user.edgeutils", b"kept").unwrap();
    image
}

#[test]
fn trash_keeps_everything_and_undo_restores_it() {
    let image = image();
    let socket = UnixListener::bind(image.tree.at("etc/kubeedge/dmi.sock")).unwrap();
    let inode = |path: &str| fs::symlink_metadata(image.tree.at(path)).unwrap().ino();
    let was = ["etc/kubeedge", "etc/kubeedge/dmi.sock", "usr/bin/edgecore", "etc/link"].map(inode);
    let before = look(image.tree.path());
    let ran = image.apply(PLAN).says(0, "");
    assert!(ran.stdout.contains("moved /etc/kubeedge to the trash: not needed  [undo: exact]"), "{}", ran.stdout);
    for gone in ["etc/kubeedge", "usr/bin/edgecore", "etc/link"] {
        assert!(fs::symlink_metadata(image.tree.at(gone)).is_err(), "{gone}");
    }
    for trash in ["etc/.edgeutils-trash-1", "usr/bin/.edgeutils-trash-1"] {
        assert_eq!(fs::metadata(image.tree.at(trash)).unwrap().mode() & 0o7777, 0o700, "{trash}");
    }
    assert_eq!(image.tree.read("etc/.edgeutils-trash-1/kubeedge/ca/rootCA.key"), "secret");
    assert!(!String::from_utf8_lossy(&image.journal()).contains("secret"));
    image.apply(PLAN).says(0, "");
    let ran = image.run(&["undo", "--dry-run"]).says(3, "");
    assert!(ran.stdout.contains("would restore /etc/kubeedge: from the trash"), "{}", ran.stdout);
    image.undo().says(0, "");
    assert_same(&look(image.tree.path()), &before, "after the undo");
    assert_eq!(["etc/kubeedge", "etc/kubeedge/dmi.sock", "usr/bin/edgecore", "etc/link"].map(inode), was);
    assert_eq!(image.undo().says(0, "").stdout, "nothing to undo\n");
    drop(socket);
}

#[test]
fn undo_replaces_nothing_that_exists_again() {
    let image = image();
    let before = look(image.tree.path());
    image.apply(PLAN).says(0, "");
    image.tree.write("etc/kubeedge/new", "new");
    image.tree.write("usr/bin/edgecore", "another");
    let refusal = |dir: &str, name: &str| {
        format!(
            "edge-fixture: cannot restore DIR/{dir}/{name}: it exists again; what was moved is in \
             DIR/{dir}/.edgeutils-trash-1/{name}\n\
             hint: to restore it and keep the current version as NAME.edgeutils-kept: edge-fixture --root DIR undo --id 1 --force; \
             to keep the run: edge-fixture --root DIR undo --id 1 --skip"
        )
    };
    let ran = image.undo().says(4, &format!("{}\n{}", refusal("usr/bin", "edgecore"), refusal("etc", "kubeedge")));
    assert!(ran.stdout.contains("reverted 1 of 3 changes of run 1"), "{}", ran.stdout);
    assert_eq!(
        (image.tree.read("etc/kubeedge/new"), image.tree.read("usr/bin/edgecore")),
        ("new".into(), "another".into())
    );
    // An empty directory is nothing; what was moved away is restored.
    fs::remove_file(image.tree.at("etc/kubeedge/new")).unwrap();
    fs::rename(image.tree.at("usr/bin/edgecore"), image.tree.at("usr/edgecore.new")).unwrap();
    image.undo().says(0, "");
    fs::remove_file(image.tree.at("usr/edgecore.new")).unwrap();
    assert_same(&look(image.tree.path()), &before, "after the undo");
}

#[test]
fn undo_by_force_renames_what_exists_again() {
    let image = image();
    let before = look(image.tree.path());
    image.apply(PLAN).says(0, "");
    image.tree.write("etc/kubeedge/new", "new");
    image.tree.write("usr/bin/edgecore", "another");
    image.tree.write("etc/kubeedge.edgeutils-kept", "of someone else");
    let ran = image.run(&["undo", "-n", "--force"]).says(3, "");
    let line = "would restore /etc/kubeedge: from the trash; the current version is kept\n";
    assert!(
        ran.stdout.contains(line) && ran.stdout.contains("would restore /etc/link: from the trash\n"),
        "{}",
        ran.stdout
    );
    let note = |path: &str, kept: &str| {
        format!("edge-fixture: note: {path} exists again; the current version is kept as {kept}")
    };
    let ran = image.run(&["undo", "--force"]).says(
        0,
        &format!(
            "{}\n{}",
            note("/usr/bin/edgecore", "DIR/usr/bin/edgecore.edgeutils-kept"),
            note("/etc/kubeedge", "DIR/etc/kubeedge.edgeutils-kept.2")
        ),
    );
    assert!(ran.stdout.ends_with("reverted run 1\n"), "{}", ran.stdout);
    assert_eq!(image.tree.read("etc/kubeedge.edgeutils-kept.2/new"), "new");
    assert_eq!(image.tree.read("usr/bin/edgecore.edgeutils-kept"), "another");
    for kept in ["usr/bin/edgecore.edgeutils-kept", "etc/kubeedge.edgeutils-kept"] {
        fs::remove_file(image.tree.at(kept)).unwrap();
    }
    fs::remove_dir_all(image.tree.at("etc/kubeedge.edgeutils-kept.2")).unwrap();
    assert_same(&look(image.tree.path()), &before, "after the undo");
}

#[test]
fn undo_says_what_is_no_longer_in_the_trash() {
    let image = image();
    image.apply(PLAN).says(0, "");
    fs::remove_dir_all(image.tree.at("etc/.edgeutils-trash-1/kubeedge")).unwrap();
    // Another directory with its name is not what was moved.
    image.tree.write("etc/.edgeutils-trash-1/kubeedge/x", "x");
    image.undo().says(
        4,
        "edge-fixture: cannot restore DIR/etc/kubeedge: DIR/etc/.edgeutils-trash-1/kubeedge is no longer what was moved there\n\
         hint: to keep the run: edge-fixture --root DIR undo --id 1 --skip",
    );
    assert!(image.tree.at("usr/bin/edgecore").exists() && !image.tree.at("etc/kubeedge").exists());
}

#[test]
fn trash_with_a_name_that_is_taken_gets_another_one() {
    let image = image();
    let make = |path: &str, mode: u32| {
        fs::create_dir(image.tree.at(path)).unwrap();
        fs::set_permissions(image.tree.at(path), fs::Permissions::from_mode(mode)).unwrap();
    };
    // Of a run of a journal that is lost, of others, and what is not a directory at all.
    make("etc/.edgeutils-trash-1", 0o700);
    image.tree.write("etc/.edgeutils-trash-1/kubeedge", "earlier");
    make("etc/.edgeutils-trash-1.2", 0o777);
    symlink("/tmp", image.tree.at("etc/.edgeutils-trash-1.3")).unwrap();
    image.tree.write("etc/.edgeutils-trash-1.4", "a file");
    let before = look(image.tree.path());
    image.apply(PLAN).says(0, "");
    let mut names: Vec<_> = fs::read_dir(image.tree.at("etc/.edgeutils-trash-1.5"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["kubeedge", "link"]);
    assert!(image.tree.at("usr/bin/.edgeutils-trash-1/edgecore").exists(), "each directory by itself");
    image.undo().says(0, "");
    assert_same(&look(image.tree.path()), &before, "after the undo");
    image.apply(PLAN).says(0, "");
    let ran = image.run(&["purge"]).says(0, "");
    assert!(ran.stdout.ends_with("3 changes\n"), "{}", ran.stdout);
    assert_eq!(image.tree.read("etc/.edgeutils-trash-1/kubeedge"), "earlier");
}

#[test]
fn trash_that_others_can_use_is_not_used_any_more() {
    let image = image();
    image.apply(PLAN).says(0, "");
    let trash = image.tree.at("etc/.edgeutils-trash-1");
    fs::set_permissions(&trash, fs::Permissions::from_mode(0o755)).unwrap();
    let ran = image.undo();
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    let why =
        "cannot read DIR/etc/kubeedge: its trash DIR/etc/.edgeutils-trash-1 can be used by others: its mode is 0755\n";
    assert!(ran.stderr.contains(why), "{}", ran.stderr);
    fs::set_permissions(&trash, fs::Permissions::from_mode(0o700)).unwrap();
    image.undo().says(0, "");
    assert!(image.tree.at("etc/kubeedge/ca").exists());
}

#[test]
fn deleted_tree_is_not_restored() {
    let image = image();
    let plan = r#"[{"delete": "/etc/kubeedge"}, {"write": "/etc/a", "text": "a"}]"#;
    let ran = image.apply(plan).says(0, "");
    assert!(ran.stdout.contains("deleted /etc/kubeedge: not needed  [undo: none]"), "{}", ran.stdout);
    assert!(!image.tree.at("etc/kubeedge").exists() && image.tree.at("etc/second").exists());
    image.apply(plan).says(0, "");
    let ran = image.undo().says(0, "");
    assert!(ran.stdout.contains("skipped /etc/kubeedge: it was deleted"), "{}", ran.stdout);
    assert!(!image.tree.at("etc/a").exists() && !image.tree.at("etc/kubeedge").exists());
}

#[test]
fn earlier_run_in_a_removed_tree_is_undone_after_it() {
    let image = image();
    let before = look(image.tree.path());
    image.apply(r#"[{"write": "/etc/kubeedge/edgecore.yaml", "text": "a: c\n"}]"#).says(0, "");
    image.apply(PLAN).says(0, "");
    image.run(&["undo", "--id", "1"]).says(
        4,
        "edge-fixture: cannot undo the change of DIR/etc/kubeedge: run 2 of edge-fixture changed it later\n\
         hint: undo that run first: edge-fixture --root DIR undo --id 2; to keep the run: edge-fixture --root DIR undo --id 1 --skip",
    );
    image.undo().says(0, "");
    image.undo().says(0, "");
    assert_same(&look(image.tree.path()), &before, "after both");
}

#[test]
fn run_with_trash_is_never_pruned() {
    let image = image();
    image.apply(PLAN).says(0, "");
    for at in 0..30 {
        image.apply(&format!(r#"[{{"write": "/etc/a", "text": "{at}"}}]"#)).says(0, "");
    }
    image.run(&["undo", "--id", "1"]).says(0, "");
    assert_eq!(image.tree.read("etc/kubeedge/ca/rootCA.key"), "secret");
    for at in 0..30 {
        image.apply(&format!(r#"[{{"write": "/etc/a", "text": "b{at}"}}]"#)).says(0, "");
    }
    let listed = image.run(&["undo", "--list"]).says(0, "").stdout;
    assert!(!listed.lines().any(|line| line.trim_start().starts_with("1 ")), "nothing is in its trash:\n{listed}");
}

#[test]
fn killed_removal_of_trees_converges() {
    if kill::cannot_kill("host trash kill") {
        return;
    }
    let image = image();
    let before = look(image.tree.path());
    image.plan("plan.json", PLAN);
    let argv = image.argv(&["apply", "--plan", "PLANS/plan.json"]);
    let words: Vec<&str> = argv.iter().map(String::as_str).collect();
    let calls = kill::calls(&words);
    image.undo().says(0, "");
    assert!(calls.iter().any(|call| call.name() == "renameat"), "{calls:?}");
    for call in &calls {
        let image = self::image();
        image.plan("plan.json", PLAN);
        let argv = image.argv(&["apply", "--plan", "PLANS/plan.json"]);
        let words: Vec<&str> = argv.iter().map(String::as_str).collect();
        assert!(kill::kill_before(call, &words), "{call:?}");
        assert_eq!(image.run(&["apply", "--plan", "PLANS/plan.json"]).code, 0, "{call:?}");
        assert!(!image.tree.at("etc/kubeedge").exists(), "{call:?}");
        // The undo, killed at the same point of its own, and repeated.
        let undo = image.argv(&["undo", "--id", "1"]);
        let words: Vec<&str> = undo.iter().map(String::as_str).collect();
        kill::kill_before(call, &words);
        assert_eq!(image.run(&["undo", "--id", "1"]).code, 0, "{call:?}");
        let after = look(image.tree.path());
        assert_same(&after, &before, &format!("killed before {call:?}, and undone"));
    }
}

#[test]
fn purge_deletes_the_trash_and_the_undo_says_so() {
    let image = image();
    let before = look(image.tree.path());
    image.run(&["purge"]).says(0, "");
    image.apply(PLAN).says(0, "");
    let ran = image.run(&["purge", "-n"]).says(3, "");
    let line = "would delete /etc/.edgeutils-trash-1/kubeedge: moved from /etc/kubeedge by run 1  [undo: none]\n";
    assert!(ran.stdout.starts_with(line), "{}", ran.stdout);
    assert!(image.tree.at("etc/.edgeutils-trash-1/kubeedge").exists());
    image.run(&["purge", "--id", "2"]).says(
        1,
        "edge-fixture: cannot purge run 2: it is not in the journal of edge-fixture\n\
         hint: list the runs: edge-fixture --root DIR undo --list\n",
    );
    let ran = image.run(&["purge", "--id", "1"]).says(0, "");
    assert!(ran.stdout.ends_with("3 changes\n"), "{}", ran.stdout);
    assert!(!image.tree.at("etc/.edgeutils-trash-1").exists() && !image.tree.at("usr/bin/.edgeutils-trash-1").exists());
    assert_eq!(image.run(&["purge"]).says(0, "").stdout, "already up to date\n");
    let ran = image.undo().says(0, "");
    assert!(ran.stdout.contains("skipped /etc/kubeedge: it was deleted from the trash"), "{}", ran.stdout);
    assert!(ran.stdout.ends_with("\nnothing to undo: everything that run 1 changed was purged\n"), "{}", ran.stdout);
    assert_ne!(look(image.tree.path()), before);
}

#[test]
fn purge_keeps_what_was_replaced_and_what_cannot_be_deleted() {
    let image = image();
    image.apply(PLAN).says(0, "");
    fs::rename(image.tree.at("etc/.edgeutils-trash-1/link"), image.tree.at("etc/aside")).unwrap();
    image.tree.write("etc/.edgeutils-trash-1/link", "another");
    let locked = image.tree.at("etc/.edgeutils-trash-1/kubeedge/edgecore.yaml");
    let chattr = |flag: &str| Command::new("chattr").arg(flag).arg(&locked).status();
    if !chattr("+i").is_ok_and(|status| status.success()) {
        return skip("host trash purge", "files cannot be made immutable");
    }
    let ran = image.run(&["purge"]);
    chattr("-i").unwrap();
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("edgecore.yaml: Operation not permitted"), "{}", ran.stderr);
    let place = "DIR/etc/.edgeutils-trash-1/kubeedge/edgecore.yaml";
    let hint = format!("hint: make it changeable (chattr -i {place}), then run the command again\n");
    assert!(ran.stderr.contains(&hint), "{}", ran.stderr);
    assert!(!image.tree.at("usr/bin/.edgeutils-trash-1").exists(), "the others are deleted");
    assert_eq!(image.tree.read("etc/.edgeutils-trash-1/link"), "another");
    // An undo restores no part of a tree.
    let ran = image.undo();
    assert!(!image.tree.at("etc/kubeedge").exists(), "{}", ran.stdout);
    image.run(&["purge"]).says(0, "");
    assert!(!image.tree.at("etc/.edgeutils-trash-1/kubeedge").exists());
}

#[test]
fn killed_purge_converges_and_no_undo_restores_a_part() {
    if kill::cannot_kill("host trash purge kill") {
        return;
    }
    let prepared = || {
        let image = image();
        image.apply(PLAN).says(0, "");
        image
    };
    let argv = |image: &Image| image.argv(&["purge"]);
    let image = prepared();
    let words = argv(&image);
    let calls = kill::calls(&words.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(calls.iter().any(|call| call.name() == "unlinkat"), "{calls:?}");
    for call in &calls {
        let image = prepared();
        let whole = look(&image.tree.at("etc/.edgeutils-trash-1/kubeedge"));
        let words = argv(&image);
        assert!(kill::kill_before(call, &words.iter().map(String::as_str).collect::<Vec<_>>()), "{call:?}");
        image.undo();
        if image.tree.at("etc/kubeedge").exists() {
            assert_same(&look(&image.tree.at("etc/kubeedge")), &whole, &format!("undone after {call:?}"));
        }
        assert_eq!(image.run(&["purge"]).code, 0, "{call:?}");
        assert!(!image.tree.at("etc/.edgeutils-trash-1").exists(), "{call:?}");
    }
}
