//! Private keys: the previous one is kept until the run that replaces it has ended, and only another key replaces
//! it.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use edgeutils_tests::image::Image;
use edgeutils_tests::tree::assert_same;
use edgeutils_tests::{kill, skip};

const FIXTURE: &str = env!("CARGO_BIN_EXE_edge-fixture");
const APPLY: [&str; 3] = ["apply", "--plan", "PLANS/plan.json"];
const WAITING: &str = "etc/.key.edgeutils-previous";

/// Two runs have replaced a key: `first` is in `key.old`, `second` in use.
fn start() -> Image {
    let image = Image::with(FIXTURE, &[("etc/key", "first")]);
    set_mode(&image, "etc/key", 0o640);
    image.apply(r#"[{"key": "/etc/key", "text": "second"}]"#).says(0, "");
    image
}

fn set_mode(image: &Image, path: &str, mode: u32) {
    fs::set_permissions(image.tree.at(path), fs::Permissions::from_mode(mode)).unwrap();
}

fn old(image: &Image) -> String {
    image.tree.read("etc/key.old")
}

fn exists(image: &Image, path: &str) -> bool {
    image.tree.at(path).symlink_metadata().is_ok()
}

/// Kills an apply before the nth call of this name.
fn kill_apply(image: &Image, name: &str, pick: impl Fn(usize) -> usize) {
    let argv = image.argv(&APPLY);
    let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
    // Counted on a copy, as the count itself makes the changes.
    let copy = tempfile::tempdir().unwrap();
    let root = argv[2];
    let status = std::process::Command::new("cp").args(["-a", &format!("{root}/.")]).arg(copy.path()).status();
    assert!(status.unwrap().success());
    let mut counted = argv.clone();
    counted[2] = copy.path().to_str().unwrap();
    let calls: Vec<_> = kill::calls(&counted).into_iter().filter(|call| call.name() == name).collect();
    assert!(kill::kill_before(&calls[pick(calls.len())], &argv));
}

#[test]
fn previous_key_survives_a_run_that_fails_after_replacing_the_key() {
    let image = start();
    let before = image.tree.snapshot();
    // What is written through the link is a directory only when its turn comes.
    let plan = r#"[{"key": "/etc/key", "text": "third"},
                   {"key": "/etc/other", "text": "x", "reached": "PLANS/reached", "gate": "PLANS/gate"},
                   {"write": "/etc/last", "text": "x"}]"#;
    image.plan("plan.json", plan);
    let mut child = image.command(&APPLY).spawn().unwrap();
    for _ in 0..4000 {
        if image.beside("reached").exists() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    image.tree.write("etc/last", "someone else's");
    fs::write(image.beside("gate"), "").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(4));
    assert_eq!((image.tree.read("etc/key").as_str(), old(&image).as_str()), ("third", "first"));
    fs::remove_file(image.tree.at("etc/last")).unwrap();
    // Both continuations: the undo of this run and of the one before, and the repeated call.
    let again = start();
    again.plan("plan.json", plan);
    image.undo().expect(0);
    assert_same(&image.tree.snapshot(), &before, "after the undo");
    image.undo().says(0, "");
    assert_eq!((image.tree.read("etc/key").as_str(), exists(&image, "etc/key.old")), ("first", false));
    fs::write(again.beside("gate"), "").unwrap();
    again.run(&APPLY).says(0, "");
    assert_eq!((old(&again).as_str(), exists(&again, WAITING)), ("second", false));
}

#[test]
fn second_key_of_an_interrupted_run_leaves_the_one_from_before_the_run() {
    if !kill::can_kill() {
        return skip("host_keys second", "strace cannot trace here");
    }
    let image = start();
    let before = image.tree.snapshot();
    // The last writes are the records of the end, and the line that says what was changed.
    image.plan("plan.json", r#"[{"key": "/etc/key", "text": "third"}, {"write": "/etc/a", "text": "a"}]"#);
    kill_apply(&image, "write", |count| count - 3);
    assert_eq!((image.tree.read("etc/key").as_str(), old(&image).as_str()), ("third", "first"));
    // The same call, which by now makes another key.
    image.plan("plan.json", r#"[{"key": "/etc/key", "text": "fourth"}, {"write": "/etc/a", "text": "a"}]"#);
    image.run(&APPLY).says(0, "");
    assert_eq!((image.tree.read("etc/key").as_str(), old(&image).as_str()), ("fourth", "second"));
    assert!(!exists(&image, WAITING));
    let dry = image.run(&["undo", "-n"]).expect(3);
    assert!(dry.stdout.contains("etc/key"), "{}", dry.stdout);
    image.undo().says(0, "");
    let mut want = before;
    want.remove(Path::new("etc/key.old"));
    assert_same(&image.tree.snapshot(), &want, "after the undo");
}

#[test]
fn key_of_a_run_that_ended_is_found_wherever_its_copy_is() {
    if !kill::can_kill() {
        return skip("host_keys ended", "strace cannot trace here");
    }
    let killed = || {
        let image = start();
        image.plan("plan.json", r#"[{"key": "/etc/key", "text": "third"}]"#);
        kill_apply(&image, "renameat", |count| count - 1);
        assert_eq!((image.tree.read("etc/key").as_str(), old(&image).as_str()), ("third", "first"));
        assert!(exists(&image, WAITING));
        image
    };
    // The next call renames it, also one that changes nothing.
    let image = killed();
    image.run(&APPLY).says(0, "");
    assert_eq!((old(&image).as_str(), exists(&image, WAITING)), ("second", false));
    image.undo().says(0, "");
    assert_eq!((image.tree.read("etc/key").as_str(), exists(&image, "etc/key.old")), ("second", false));
    // Whatever mode an interrupted undo has set.
    let image = killed();
    set_mode(&image, WAITING, 0o644);
    image.run(&APPLY).says(0, "");
    assert_eq!(fs::metadata(image.tree.at("etc/key.old")).unwrap().mode() & 0o7777, 0o600);
    // An undo restores it from there.
    let image = killed();
    image.run(&["undo", "-n"]).expect(3);
    image.undo().says(0, "");
    assert_eq!((image.tree.read("etc/key").as_str(), old(&image).as_str()), ("second", "first"));
    image.undo().says(0, "");
    assert_eq!((image.tree.read("etc/key").as_str(), exists(&image, "etc/key.old")), ("first", false));
    // A copy that is no longer needed goes.
    let image = killed();
    image.tree.write("etc/key", "second");
    image.apply(r#"[{"write": "/etc/a", "text": "a"}]"#).says(0, "");
    assert_eq!((old(&image).as_str(), exists(&image, WAITING)), ("first", false));
}

#[test]
fn key_that_cannot_be_kept_as_old_is_not_replaced() {
    let image = Image::with(FIXTURE, &[("etc/key", "first"), ("etc/key.old/file", "")]);
    let before = image.tree.snapshot();
    let ran = image.apply(r#"[{"key": "/etc/key", "text": "second"}]"#);
    ran.says(1, "edge-fixture: cannot replace DIR/etc/key.old: Is a directory (os error 21)");
    assert_same(&image.tree.snapshot(), &before, "after the error");
    // What someone left under the temporary name is not taken for the key.
    let image = start();
    image.tree.write(WAITING, "planted");
    image.apply(r#"[{"key": "/etc/key", "text": "third"}]"#).says(0, "");
    assert_eq!((old(&image).as_str(), exists(&image, WAITING)), ("second", false));
}

#[test]
fn mode_is_changed_and_restored_alone() {
    let image = start();
    set_mode(&image, "etc/key", 0o666);
    let inode = fs::metadata(image.tree.at("etc/key")).unwrap().ino();
    let before = image.tree.snapshot();
    let plan = r#"[{"chmod": "/etc/key", "mode": 384}]"#;
    let ran = image.apply(plan).says(0, "");
    assert!(ran.stdout.starts_with("chmod /etc/key: "), "{}", ran.stdout);
    let is = fs::metadata(image.tree.at("etc/key")).unwrap();
    assert_eq!((is.ino(), is.mode() & 0o7777, old(&image).as_str()), (inode, 0o600, "first"));
    assert_eq!(image.apply(plan).says(0, "").stdout, "already up to date\n");
    image.undo().says(0, "");
    assert_same(&image.tree.snapshot(), &before, "after the undo");
    // Another's mode, and another's key, are left alone.
    image.apply(plan).says(0, "");
    set_mode(&image, "etc/key", 0o400);
    assert!(image.undo().stderr.contains("cannot undo the change of DIR/etc/key: it was changed after the run"));
    set_mode(&image, "etc/key", 0o600);
    fs::write(image.tree.at("etc/key"), "another's").unwrap();
    assert!(image.undo().stderr.contains("cannot undo the change of DIR/etc/key: it was changed after the run"));
    assert_eq!(fs::metadata(image.tree.at("etc/key")).unwrap().mode() & 0o7777, 0o600);
    let dir = image.apply(r#"[{"chmod": "/etc", "mode": 448}]"#);
    dir.says(1, "edge-fixture: cannot chmod DIR/etc: it is a directory, not a file");
}

#[test]
fn same_key_in_another_form_does_not_touch_the_previous_key() {
    let image = start();
    image.tree.link("etc/by-link", "key");
    set_mode(&image, "etc/key", 0o640);
    let before = image.tree.snapshot();
    image.apply(r#"[{"same key": "/etc/by-link", "text": "second, in another form"}]"#).says(0, "");
    assert_eq!((image.tree.read("etc/key").as_str(), old(&image).as_str()), ("second, in another form", "first"));
    assert_eq!(fs::metadata(image.tree.at("etc/key")).unwrap().mode() & 0o7777, 0o600);
    image.undo().says(0, "");
    assert_same(&image.tree.snapshot(), &before, "after the undo");
    let kept = fs::read_dir(image.tree.at("var/lib/edgeutils/journal/kept")).unwrap().count();
    assert_eq!(kept, 0, "what was kept for the undo stays");
    image.undo().says(0, "");
    assert_eq!(image.tree.read("etc/key"), "first");
}
