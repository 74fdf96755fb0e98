//! A kill at any moment of an apply or an undo, and the same command again.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Mutex;

use edgeutils_tests::kill::Call;
use edgeutils_tests::tool::{Ran, Tool};
use edgeutils_tests::tree::{Snapshot, Tree, assert_same};
use edgeutils_tests::{kill, skip};

const FIXTURE: &str = env!("CARGO_BIN_EXE_edge-fixture");

/// Fifteen changes of files: new ones in new directories, edits, a link, removals, a key, a hard link,
/// large files, a key and its certificate together.
const PLAN: &str = r#"[
  {"write": "/etc/new.conf", "text": "new\n"},
  {"write": "/etc/deep/er/still/new.conf", "text": "deep\n"},
  {"write": "/etc/deep/er/other.conf", "text": "other\n"},
  {"write": "/etc/long.conf", "text": "short\n"},
  {"line": "/etc/edited.conf", "text": "added"},
  {"write": "/etc/linked-a", "text": "both names see this, and it is longer\n"},
  {"link": "/etc/systemd/system/multi-user.target.wants/x.service", "target": "/etc/systemd/system/x.service"},
  {"key": "/etc/key", "text": "new key"},
  {"remove": "/etc/old.conf"},
  {"write": "/etc/by-link", "text": "through the link\n"},
  {"large": "/opt/bin/program", "text": "new program\n"},
  {"large": "/opt/bin/by-link", "text": "a program of its own\n"},
  {"remove large": "/opt/bin/gone"},
  {"key": "/etc/pair/deep/key", "text": "new key", "with next": true},
  {"write": "/etc/pair/deep/certificate", "text": "new certificate"}
]"#;

fn start() -> Tree {
    let tree = Tree::with(&[
        ("etc/long.conf", "a text that is much longer than what replaces it\n"),
        ("etc/edited.conf", "first\nsecond\n"),
        ("etc/linked-a", "both names\n"),
        ("etc/key", "old key"),
        ("etc/old.conf", "old\n"),
        ("etc/real/target", "before\n"),
        ("opt/bin/program", "old program\n"),
        ("opt/bin/gone", "a program that goes\n"),
        ("plan.json", PLAN),
    ]);
    std::fs::set_permissions(tree.at("etc/key"), std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::hard_link(tree.at("etc/linked-a"), tree.at("etc/linked-b")).unwrap();
    tree.link("etc/by-link", "real/target");
    tree.link("opt/bin/by-link", "program");
    tree.link("etc/systemd/system/multi-user.target.wants/x.service", "/lib/systemd/system/x.service");
    tree
}

fn argv(tree: &Tree, verb: &str) -> Vec<String> {
    let root = tree.path().to_str().unwrap().to_owned();
    let mut argv = vec![FIXTURE.to_owned(), "--root".into(), root, verb.into()];
    if verb == "apply" {
        argv.extend(["--plan".into(), tree.at("plan.json").to_str().unwrap().to_owned()]);
    }
    argv
}

fn run(tree: &Tree, verb: &str) -> Ran {
    let argv = argv(tree, verb);
    Tool::program(Path::new(&argv[0])).args(&argv[1..]).run()
}

/// Kills `verb` before this call, then runs it again; which tree came out.
fn killed_and_again(verb: &str, call: &Call) -> (bool, Snapshot, Tree) {
    let tree = start();
    if verb == "undo" {
        run(&tree, "apply").expect(0);
    }
    let argv = argv(&tree, verb);
    let killed = kill::kill_before(call, &argv.iter().map(String::as_str).collect::<Vec<_>>());
    let again = run(&tree, verb);
    assert_eq!(again.code, 0, "{verb} killed before {call:?}, and again: {}{}", again.stdout, again.stderr);
    (killed, tree.snapshot(), tree)
}

fn everywhere(verb: &'static str, want: &Snapshot, then: impl Fn(&Tree, &Call) + Sync) {
    let tree = start();
    if verb == "undo" {
        run(&tree, "apply").expect(0);
    }
    let own = argv(&tree, verb);
    let calls = kill::calls(&own.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(calls.len() > 60, "a plan of ten changes makes more than {} calls", calls.len());
    let kills = Mutex::new(0);
    let next = Mutex::new(calls.iter());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let call = next.lock().unwrap().next();
                    let Some(call) = call else { return };
                    let (killed, got, tree) = killed_and_again(verb, call);
                    *kills.lock().unwrap() += usize::from(killed);
                    assert_same(&got, want, &format!("{verb} killed before {call:?}, and again"));
                    then(&tree, call);
                }
            });
        }
    });
    let kills = *kills.lock().unwrap();
    assert_eq!(kills, calls.len(), "not every run was killed");
}

#[test]
fn apply_killed_anywhere_and_repeated_reaches_the_planned_tree_and_can_be_undone() {
    if !kill::can_kill() {
        return skip("host_crash apply", "strace cannot trace here");
    }
    let before = start().snapshot();
    let tree = start();
    run(&tree, "apply").expect(0);
    let wanted = tree.snapshot();
    assert_ne!(before, wanted);
    everywhere("apply", &wanted, |tree, call| {
        let undone = run(tree, "undo");
        assert_eq!(undone.code, 0, "undo after a kill before {call:?}: {}{}", undone.stdout, undone.stderr);
        let mut got = tree.snapshot();
        got.remove(Path::new("etc/key.old"));
        assert_same(&got, &before, &format!("apply killed before {call:?}, again, undo"));
    });
}

#[test]
fn undo_killed_anywhere_and_repeated_restores_the_first_tree() {
    if !kill::can_kill() {
        return skip("host_crash undo", "strace cannot trace here");
    }
    let before = start().snapshot();
    everywhere("undo", &before, |tree, _| {
        run(tree, "undo").expect(0);
    });
}
