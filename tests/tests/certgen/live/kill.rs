//! A kill before each system call that changes something, for every call that writes a private key: the same
//! call completes it, an undo restores exactly the state before, and no previous key is lost.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::sync::Mutex;

use edgeutils_tests::kill::Call;
use edgeutils_tests::pki::{Pki, shell};
use edgeutils_tests::tool::{Ran, Tool};
use edgeutils_tests::tree::{Snapshot, Tree, assert_same};
use edgeutils_tests::{is_root, kill, skip};

/// One call, what was run before it, and the private key that it is about.
#[derive(Debug, Clone, Copy)]
struct Case {
    before: &'static [&'static [&'static str]],
    call: &'static [&'static str],
    key: &'static str,
    /// What is done to that key before the call.
    prepare: fn(&Path),
}

const STREAM: &str = "etc/kubeedge/certs/stream.key";
const EDGE: &str = "etc/kubeedge/certs/edge.key";
const ROOT: &str = "etc/kubeedge/ca/rootCA.key";

const NEW: [Case; 3] = [
    Case { before: &[], call: &["stream", "--ip", "192.0.2.1"], key: STREAM, prepare: nothing },
    Case { before: &[], call: &["server", "--ip", "192.0.2.1"], key: ROOT, prepare: nothing },
    Case { before: &[], call: &["edge", "--new-key"], key: EDGE, prepare: nothing },
];

/// Two keys exist; the second one has a different mode and owner.
const REPLACED: [Case; 3] = [
    Case {
        before: &[&["stream", "--ip", "192.0.2.1"], &["stream", "--new-key", "--force"]],
        call: &["stream", "--new-key", "--force"],
        key: STREAM,
        prepare: own,
    },
    Case {
        before: &[&["edge"], &["edge", "--new-key", "--force"]],
        call: &["edge", "--new-key", "--force"],
        key: EDGE,
        prepare: own,
    },
    Case {
        before: &[&["ca"], &["ca", "--new-key", "--force"]],
        call: &["ca", "--new-key", "--force"],
        key: ROOT,
        prepare: own,
    },
];

/// The key stays, and what is wrong with its file is put right.
const KEPT: [Case; 3] = [
    Case {
        before: &[&["stream", "--ip", "192.0.2.1"], &["stream", "--new-key", "--force"]],
        call: &["stream"],
        key: STREAM,
        prepare: open,
    },
    Case { before: &[&["ca"], &["ca", "--new-key", "--force"]], call: &["ca"], key: ROOT, prepare: other_form },
    Case {
        before: &[&["stream", "--ip", "192.0.2.1"], &["stream", "--new-key", "--force"]],
        call: &["stream", "--force"],
        key: STREAM,
        prepare: open,
    },
];

const LABEL: &str = "user.label";

fn nothing(_: &Path) {}

fn own(key: &Path) {
    mode(key, 0o640);
    if xattr::SUPPORTED_PLATFORM {
        // A file system without them says so, and there is then nothing to lose.
        xattr::set(key, LABEL, b"kept").ok();
    }
    if is_root() {
        chown(key, Some(1000), Some(1001)).unwrap();
    }
}

fn open(key: &Path) {
    mode(key, 0o664);
}

fn other_form(key: &Path) {
    let pkcs8 = shell(&format!("openssl pkcs8 -topk8 -nocrypt -in {}", key.display()));
    std::fs::write(key, pkcs8).unwrap();
    mode(key, 0o640);
}

fn mode(key: &Path, mode: u32) {
    std::fs::set_permissions(key, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn certgen(tree: &Tree, args: &[&str]) -> Ran {
    Tool::new("edge-certgen").arg("--root").arg(tree.path()).args(args).run()
}

fn start(pki: &Pki, case: &Case) -> Tree {
    let read = |name| std::fs::read_to_string(pki.at(name)).unwrap();
    let tree =
        Tree::with(&[("etc/kubernetes/pki/ca.crt", &read("ca.crt")), ("etc/kubernetes/pki/ca.key", &read("ca.key"))]);
    for args in case.before {
        certgen(&tree, args).expect(0);
    }
    (case.prepare)(&tree.at(case.key));
    tree
}

fn argv(tree: &Tree, args: &[&str]) -> Vec<String> {
    let program = edgeutils_tests::tool::path("edge-certgen");
    let own = [program.to_str().unwrap(), "--root", tree.path().to_str().unwrap()];
    own.iter().chain(args).map(|word| (*word).to_owned()).collect()
}

/// A copy, attributes included: making keys and certificates for each kill would take most of the time.
fn copy(of: &Tree) -> Tree {
    let tree = Tree::new();
    shell(&format!("cp -a {}/. {}", of.path().display(), tree.path().display()));
    tree
}

/// Kills `args` before each of its calls; `then` gets the tree as it was before and as it was left.
fn everywhere(
    case: &Case,
    ready: &(dyn Fn(&Tree) + Sync),
    args: &[&str],
    then: impl Fn(&Tree, &Snapshot, &str) + Sync,
) {
    let pki = Pki::usual("ca");
    let first = start(&pki, case);
    let before = first.snapshot();
    ready(&first);
    let tree = copy(&first);
    let own = argv(&tree, args);
    let calls = kill::calls(&own.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(calls.len() > 8, "{case:?}: {calls:?}");
    let next = Mutex::new(calls.iter());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let call: Option<&Call> = next.lock().unwrap().next();
                    let Some(call) = call else { return };
                    let tree = copy(&first);
                    let own = argv(&tree, args);
                    assert!(kill::kill_before(call, &own.iter().map(String::as_str).collect::<Vec<_>>()), "{call:?}");
                    then(&tree, &before, &format!("{args:?} of {:?} killed before {call:?}", case.call));
                }
            });
        }
    });
}

/// The state of a run, as `undo --list` says it; none where it left no record.
fn state(tree: &Tree, run: usize) -> Option<String> {
    let listed = certgen(tree, &["undo", "--list", "--json"]).expect(0).stdout;
    let records = listed.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    records.filter(|record| record["run"] == run).find_map(|record| Some(record["state"].as_str()?.to_owned()))
}

/// Whether all of a run was done, so that the key before may get its name.
fn finished(tree: &Tree, run: usize) -> bool {
    let path = tree.at(&format!("var/lib/edgeutils/journal/{run:06}-edge-certgen.jsonl"));
    let text = std::fs::read_to_string(path).unwrap_or_default();
    ["finished", "end"].iter().any(|word| text.contains(&format!("\"record\":\"{word}\"}}")))
}

fn key_of(tree: &Tree, case: &Case) -> Option<String> {
    std::fs::read_to_string(tree.at(case.key)).ok()
}

fn old_of(tree: &Tree, case: &Case) -> Option<String> {
    std::fs::read_to_string(tree.at(&format!("{}.old", case.key))).ok()
}

fn undone(tree: &Tree, args: &[&str], what: &str) {
    let ran = certgen(tree, args);
    assert_eq!(ran.code, 0, "{args:?} after {what}: {}{}", ran.stdout, ran.stderr);
}

/// No temporary name is left, and no key but those that have a name.
fn nothing_half(tree: &Tree, what: &str) {
    for path in tree.snapshot().keys() {
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(!name.starts_with('.'), "{what}: {} is left", path.display());
    }
}

fn label(tree: &Tree, case: &Case) -> Option<Vec<u8>> {
    xattr::get(tree.at(case.key), LABEL).unwrap_or_default()
}

fn without_old(mut snapshot: Snapshot, case: &Case) -> Snapshot {
    snapshot.remove(Path::new(&format!("{}.old", case.key)));
    snapshot
}

fn can_kill(what: &str) -> bool {
    if !kill::can_kill() {
        skip(&format!("certgen_live_kill {what}"), "strace cannot trace here");
    }
    kill::can_kill()
}

fn again_and_undone(case: &Case) {
    let run = case.before.len() + 1;
    let pki = Pki::usual("ca");
    let tree = start(&pki, case);
    let first_label = label(&tree, case);
    certgen(&tree, case.call).expect(0);
    let names: Vec<_> = tree.snapshot().keys().cloned().collect();
    everywhere(case, &|_| {}, case.call, |tree, before, what| {
        let ended = state(tree, run).as_deref() == Some("done");
        let (key, old) = (key_of(tree, case), old_of(tree, case));
        let was = |path: &str| before.get(Path::new(path)).and_then(|what| what.get(what.find("-----BEGIN")?..));
        let old_path = format!("{}.old", case.key);
        if !finished(tree, run) {
            assert_eq!(old.as_deref(), was(&old_path), "{what}: the key before was replaced");
        }
        let changed = key.as_deref() != was(case.key);
        certgen(tree, case.call).expect(0);
        certgen(tree, &["check", case.call[0]]).expect(0);
        if changed && !ended {
            assert_eq!(key_of(tree, case), key, "{what}: a key was made once more");
        }
        assert_eq!(tree.snapshot().keys().cloned().collect::<Vec<_>>(), names, "{what}");
        nothing_half(tree, what);
        if ended && case.call.contains(&"--force") {
            // It was complete: the call after it is another one.
            return;
        }
        undone(tree, &["undo"], what);
        assert_same(&without_old(tree.snapshot(), case), &without_old(before.clone(), case), what);
        assert_eq!(label(tree, case), first_label, "{what}");
        let kept = old_of(tree, case).as_deref() == was(&old_path);
        assert_eq!(kept, !case.call.contains(&"--new-key") || case.before.is_empty(), "{what}: {old_path}");
    });
}

fn undone_at_once(case: &Case) {
    let run = case.before.len() + 1;
    everywhere(case, &|_| {}, case.call, |tree, before, what| {
        let state = state(tree, run);
        let finished = finished(tree, run);
        let id = run.to_string();
        if state.is_some() {
            undone(tree, &["undo", "--id", &id], what);
        } else {
            certgen(tree, &["undo", "--id", &id]);
        }
        // A run that is not finished has not replaced the key before, either.
        let even = |snapshot: Snapshot| if finished { without_old(snapshot, case) } else { snapshot };
        let mut got = tree.snapshot();
        if state.is_none() {
            // Leftovers of a kill before the first record are removed by the next call.
            got.retain(|path, _| !path.to_str().unwrap().contains(".edgeutils-"));
        }
        assert_same(&even(got), &even(before.clone()), what);
        if !finished && case.call != KEPT[1].call && !case.before.is_empty() {
            let id = (run - 1).to_string();
            undone(tree, &["undo", "--id", &id], what);
        }
    });
}

fn undo_killed(case: &Case) {
    let apply = |tree: &Tree| {
        certgen(tree, case.call).expect(0);
    };
    everywhere(case, &apply, &["undo"], |tree, before, what| {
        let run = case.before.len() + 1;
        undone(tree, &["undo", "--id", &run.to_string()], what);
        assert_same(&without_old(tree.snapshot(), case), &without_old(before.clone(), case), what);
        nothing_half(tree, what);
    });
}

#[test]
fn first_key_killed_anywhere_is_completed_by_the_same_call() {
    if can_kill("first") {
        NEW.iter().for_each(again_and_undone);
    }
}

#[test]
fn new_key_killed_anywhere_is_completed_and_not_made_again() {
    if can_kill("new") {
        REPLACED.iter().for_each(again_and_undone);
    }
}

#[test]
fn key_that_stays_is_completed_by_the_same_call() {
    if can_kill("kept") {
        KEPT.iter().for_each(again_and_undone);
    }
}

#[test]
fn undo_right_after_a_kill_restores_both_keys() {
    if can_kill("undo at once") {
        NEW[..1].iter().chain(&REPLACED).chain(&KEPT).for_each(undone_at_once);
    }
}

#[test]
fn undo_of_keys_killed_anywhere_is_completed_by_the_same_undo() {
    if can_kill("undo") {
        NEW[..1].iter().chain(&REPLACED[..1]).chain(&KEPT[..2]).for_each(undo_killed);
    }
}
