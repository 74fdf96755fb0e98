//! Mode, owner, access lists, capabilities and user attributes: kept, restored, never inherited by secret files, and
//! right after a kill at any moment.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;

use edgeutils_tests::acl::{ACCESS, DEFAULT, allows, for_user};
use edgeutils_tests::image::Image;
use edgeutils_tests::tree::{Snapshot, Tree, assert_same};
use edgeutils_tests::{is_root, kill, skip};

const FIXTURE: &str = env!("CARGO_BIN_EXE_edge-fixture");
const STRANGER: u32 = 1234;
const CAPABILITY: &str = "security.capability";
/// `cap_net_raw+ep`.
const NET_RAW: &[u8] = &[1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

/// A tree whose directories hand a stranger every right to what is made in them.
fn generous(files: &[(&str, &str)]) -> Image {
    let image = Image::with(FIXTURE, files);
    image.tree.write("var/lib/other/file", "");
    let generous = walk(&image.tree);
    for dir in generous.iter().filter(|path| path.is_dir()) {
        xattr::set(dir, DEFAULT, &for_user(STRANGER, 7)).unwrap();
    }
    image
}

fn walk(tree: &Tree) -> Vec<std::path::PathBuf> {
    let mut all = vec![tree.path().to_path_buf()];
    let mut at = 0;
    while let Some(dir) = all.get(at).cloned() {
        at += 1;
        if dir.is_dir() && !dir.is_symlink() {
            all.extend(fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
    all
}

#[test]
fn write_keeps_the_attributes_that_a_file_had_and_inherits_none() {
    let image = generous(&[("etc/a", "one\n"), ("etc/b", "one\n"), ("etc/c", "one\n")]);
    let (a, b) = (image.tree.at("etc/a"), image.tree.at("etc/b"));
    chmod(&a, 0o640);
    // One with a list of its own, for somebody else, and the attribute of a user.
    chmod(&b, 0o660);
    xattr::set(&b, ACCESS, &for_user(77, 4)).unwrap();
    xattr::set(&b, "user.note", b"mine").unwrap();
    let before = image.tree.snapshot();
    let plan = r#"[{"write": "/etc/a", "text": "two\n"}, {"write": "/etc/b", "text": "two\n"}, {"write": "/etc/c", "text": "two\n"}]"#;
    image.apply(plan).says(0, "");
    let without_text = |all: &Snapshot| -> Snapshot {
        all.iter().map(|(path, what)| (path.clone(), what.replace("two", "one"))).collect()
    };
    assert_same(&without_text(&image.tree.snapshot()), &before, "but for the text");
    assert_eq!((allows(&a, STRANGER), allows(&b, STRANGER), allows(&b, 77)), (0, 0, 4));
    image.undo().says(0, "");
    assert_same(&image.tree.snapshot(), &before, "undone");
}

#[test]
fn inherited_list_opens_nothing_secret() {
    let image = generous(&[("etc/key", "old key"), ("opt/program", "old program"), ("opt/other", "old")]);
    chmod(&image.tree.at("etc/key"), 0o600);
    let plan = r#"[{"key": "/etc/key", "text": "new key"}, {"key": "/etc/new/key", "text": "another"},
        {"write": "/etc/new/secret", "text": "x", "mode": 384}, {"write": "/etc/new/plain", "text": "x"},
        {"large": "/opt/program", "text": "new program"}, {"remove large": "/opt/other"}]"#;
    image.apply(plan).says(0, "");
    let mut looked_at = 0;
    for path in walk(&image.tree) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let is_of_edgeutils = path.starts_with(image.tree.at("var/lib/edgeutils"));
        if path.is_file() && (is_of_edgeutils || name.starts_with("key") || name == "secret") {
            assert_eq!(allows(&path, STRANGER), 0, "{}", path.display());
            looked_at += 1;
        }
        if path.is_dir() && is_of_edgeutils && name != "edgeutils" {
            assert_eq!((allows(&path, STRANGER), mode(&path) & 0o077), (0, 0), "{}", path.display());
            assert_eq!(xattr::get(&path, DEFAULT).unwrap(), None, "{}", path.display());
        }
    }
    assert!(image.tree.at("etc/key.old").exists() && looked_at >= 7, "{looked_at} files");
    // Never more than everyone may: nobody can write who could not without the list.
    assert_eq!((allows(&image.tree.at("etc/new/plain"), STRANGER), mode(&image.tree.at("etc/new/plain"))), (0, 0o644));
    assert_eq!(allows(&image.tree.at("opt/program"), STRANGER), 0);
}

/// Programs with the right bytes and the wrong rights, and what goes with everything that it has.
fn wrong_rights(plan: &str) -> Tree {
    let tree = Tree::with(&[
        ("opt/closed", "program\n"),
        ("opt/owned", "program\n"),
        ("opt/setuid", "program\n"),
        ("opt/able", "old program\n"),
        ("opt/gone", "gone\n"),
        ("etc/gone", "gone\n"),
        ("etc/text", "old\n"),
        ("etc/twice-a", "old\n"),
        ("dir/empty/file", ""),
    ]);
    fs::remove_file(tree.at("dir/empty/file")).unwrap();
    fs::hard_link(tree.at("etc/twice-a"), tree.at("etc/twice-b")).unwrap();
    chmod(&tree.at("opt/closed"), 0o700);
    for owned in ["opt/owned", "etc/gone", "etc/text", "dir/empty"] {
        chown(tree.at(owned), Some(1000), Some(1000)).unwrap();
    }
    chmod(&tree.at("opt/setuid"), 0o4755);
    for able in ["opt/able", "opt/gone", "etc/gone", "etc/twice-a"] {
        xattr::set(tree.at(able), CAPABILITY, NET_RAW).unwrap();
    }
    for listed in ["opt/closed", "etc/text", "etc/gone", "dir/empty"] {
        xattr::set(tree.at(listed), ACCESS, &for_user(77, 6)).unwrap();
    }
    xattr::set(tree.at("etc/text"), "user.note", b"\xff\x00").unwrap();
    xattr::set(tree.at("dir/empty"), DEFAULT, &for_user(77, 5)).unwrap();
    chmod(&tree.at("dir/empty"), 0o2750);
    fs::write(tree.at("plan.json"), plan).unwrap();
    tree
}

const PLAN: &str = r#"[
  {"large": "/opt/closed", "text": "program\n"}, {"large": "/opt/owned", "text": "program\n"},
  {"large": "/opt/setuid", "text": "program\n"}, {"large": "/opt/able", "text": "new program\n"},
  {"remove large": "/opt/gone"}, {"remove": "/etc/gone"}, {"write": "/etc/text", "text": "new\n"},
  {"write": "/etc/twice-a", "text": "newer\n"}, {"remove": "/dir/empty"},
  {"write": "/etc/new/deep/er", "text": "new\n"}
]"#;

/// One of each way in which a file or directory is changed: a sweep makes hundreds of runs.
const EACH_KIND: &str = r#"[
  {"large": "/opt/closed", "text": "program\n"}, {"remove large": "/opt/gone"}, {"remove": "/etc/gone"},
  {"write": "/etc/text", "text": "new\n"}, {"write": "/etc/twice-a", "text": "newer\n"}, {"remove": "/dir/empty"}
]"#;

fn argv(tree: &Tree, verb: &str) -> Vec<String> {
    let (root, plan) = (tree.path().to_str().unwrap().to_owned(), tree.at("plan.json"));
    // As for a careful administrator: nobody else may do anything by default.
    let script = "umask 077; exec \"$0\" --root \"$@\"".to_owned();
    let mut argv = vec!["/bin/sh".into(), "-c".into(), script, FIXTURE.into(), root, verb.into()];
    if verb == "apply" {
        argv.extend(["--plan".into(), plan.to_str().unwrap().to_owned()]);
    }
    argv
}

#[track_caller]
fn run(tree: &Tree, verb: &str, what: &str) {
    let argv = argv(tree, verb);
    let output = std::process::Command::new(&argv[0]).args(&argv[1..]).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{what}: {printed}");
}

#[test]
fn undo_restores_mode_owner_lists_and_capabilities() {
    if !is_root() {
        return skip("host_attributes undo", "another owner needs root");
    }
    let tree = wrong_rights(PLAN);
    let before = tree.snapshot();
    run(&tree, "apply", "apply");
    for program in ["opt/closed", "opt/owned", "opt/setuid", "opt/able"] {
        let meta = fs::metadata(tree.at(program)).unwrap();
        assert_eq!((meta.mode() & 0o7777, meta.uid(), meta.gid()), (0o755, 0, 0), "{program}");
        assert_eq!(xattr::list(tree.at(program)).unwrap().count(), 0, "{program}");
    }
    assert_eq!(xattr::get(tree.at("etc/twice-a"), CAPABILITY).unwrap().as_deref(), Some(NET_RAW), "in place");
    run(&tree, "undo", "undo");
    assert_same(&tree.snapshot(), &before, "undone");
}

#[test]
fn undo_keeps_attributes_that_were_changed_since_and_says_so() {
    let image = Image::with(FIXTURE, &[("etc/a", "old\n"), ("opt/a", "program\n"), ("opt/b", "old\n")]);
    let plan = r#"[{"write": "/etc/a", "text": "new\n"}, {"large": "/opt/a", "text": "program\n"}, {"large": "/opt/b", "text": "new\n"}]"#;
    image.apply(plan).says(0, "");
    let [text, same, program] = ["etc/a", "opt/a", "opt/b"].map(|path| image.tree.at(path));
    chmod(&text, 0o600);
    chmod(&same, 0o711);
    xattr::set(&program, "user.note", b"newer").unwrap();
    let undone = image.undo();
    assert_eq!(undone.code, 0, "{undone:?}");
    let note = "its mode, owner or attributes were changed since and are kept";
    for path in ["etc/a", "opt/b"] {
        assert!(undone.stderr.contains(&format!("DIR/{path}: {note}")), "{}", undone.stderr);
    }
    assert!(undone.stdout.contains("/opt/a: mode, owner or attributes were changed since"), "{}", undone.stdout);
    assert_eq!((image.tree.read("etc/a").as_str(), mode(&text)), ("old\n", 0o600));
    assert_eq!((image.tree.read("opt/b").as_str(), mode(&same)), ("old\n", 0o711));
    assert_eq!(xattr::get(&program, "user.note").unwrap().as_deref(), Some(b"newer".as_slice()));
}

#[test]
fn kill_at_any_moment_leaves_no_attribute_behind_for_good() {
    if !is_root() || !kill::can_kill() {
        return skip("host_attributes kill", "strace or another owner cannot be had");
    }
    let start = wrong_rights(EACH_KIND);
    let before = start.snapshot();
    run(&start, "apply", "apply");
    let after = start.snapshot();
    for (verb, want) in [("apply", &after), ("undo", &before)] {
        let fresh = || {
            let tree = wrong_rights(EACH_KIND);
            if verb == "undo" {
                run(&tree, "apply", "apply");
            }
            tree
        };
        let counted = fresh();
        let own = argv(&counted, verb);
        for call in kill::calls(&own.iter().map(String::as_str).collect::<Vec<_>>()) {
            let tree = fresh();
            let own = argv(&tree, verb);
            let what = format!("{verb} killed before {call:?}, and again");
            assert!(kill::kill_before(&call, &own.iter().map(String::as_str).collect::<Vec<_>>()), "{what}");
            run(&tree, verb, &what);
            assert_same(&tree.snapshot(), want, &what);
            if verb == "apply" {
                run(&tree, "undo", &what);
                assert_same(&tree.snapshot(), &before, &format!("{what}, and undone"));
            }
        }
    }
}

#[test]
fn kill_leaves_no_directory_that_others_cannot_enter() {
    if !kill::can_kill() {
        return skip("host_attributes directories", "strace cannot trace here");
    }
    let counted = Tree::with(&[("plan.json", r#"[{"write": "/etc/new/deep/er", "text": "new\n"}]"#), ("etc/a", "")]);
    let own = argv(&counted, "apply");
    for call in kill::calls(&own.iter().map(String::as_str).collect::<Vec<_>>()) {
        let tree = Tree::with(&[("plan.json", r#"[{"write": "/etc/new/deep/er", "text": "new\n"}]"#), ("etc/a", "")]);
        let own = argv(&tree, "apply");
        kill::kill_before(&call, &own.iter().map(String::as_str).collect::<Vec<_>>());
        for made in ["etc/new", "etc/new/deep"].map(|path| tree.at(path)) {
            assert!(!made.exists() || mode(&made) == 0o755, "{call:?}: {}", made.display());
        }
    }
}
