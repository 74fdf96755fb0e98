//! Recovery of runs that are not the newest: the records of each run show what a kill left half-way, whatever was
//! called since.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;

use edgeutils_tests::kill::{self, Call};
use edgeutils_tests::skip;
use edgeutils_tests::sweep::{Points, assert_no_temporary, look, sweep};
use edgeutils_tests::tool::{self, Ran, Tool};
use edgeutils_tests::tree::{Snapshot, Tree, assert_same};

const FIXTURE: &str = env!("CARGO_BIN_EXE_edge-fixture");
const EDGE: &str = "etc/kubeedge/config/edgecore.yaml";
const CLOUD: &str = "etc/kubeedge/config/cloudcore.yaml";
const EDGE_TEXT: &str = "\
# by hand
kind: EdgeCore
modules:
  edgeHub:
    heartbeat: 15
    token: first.secret.token
  edgeStream:
    enable: false # off at first
    server: 127.0.0.1:10004
";
const CLOUD_TEXT: &str = "kind: CloudCore\nmodules:\n  cloudStream:\n    enable: false\n";
const EDGE_CALL: [&str; 6] =
    ["enable", "logs", "--server", "cloud.example.com:10004", "--file", "/etc/kubeedge/config/edgecore.yaml"];
/// A shorter file than before: a kill before it is cut to its length leaves it incomplete. The undo of
/// [`EDGE_CALL`] makes one too.
const SHORTER_CALL: [&str; 4] = ["unset", "modules.edgeHub.token", "--file", "/etc/kubeedge/config/edgecore.yaml"];
const CLOUD_CALL: [&str; 2] = ["set", "modules.cloudStream.enable=true"];

/// The older run of the fixture: every kind of change of files.
const OLDER: &str = r#"[
  {"write": "/etc/deep/er/new.conf", "text": "deep\n"},
  {"line": "/etc/edited.conf", "text": "added"},
  {"write": "/etc/linked-a", "text": "both names see this, and it is longer\n"},
  {"link": "/etc/wants/x.service", "target": "/etc/x.service"},
  {"key": "/etc/key", "text": "new key"},
  {"remove": "/etc/old.conf"},
  {"large": "/opt/bin/program", "text": "new program\n"},
  {"remove large": "/opt/bin/gone"}
]"#;
const NEWER: &str = r#"[
  {"write": "/srv/made/by-the-newer", "text": "newer\n"},
  {"write": "/srv/linked-a", "text": "the newer run's, and longer than before\n"},
  {"large": "/opt/bin/other", "text": "new other\n"}
]"#;
const THIRD: &str = r#"[{"write": "/srv/third", "text": "third\n"}]"#;

fn can_sweep(test: &str) -> bool {
    let can = kill::can_kill();
    if !can {
        skip(test, "strace cannot trace here");
    }
    can
}

/// Both configurations, the one of edgecore under two names.
fn node() -> Tree {
    let tree = Tree::with(&[(EDGE, EDGE_TEXT), (CLOUD, CLOUD_TEXT)]);
    std::fs::create_dir_all(tree.at("var/lib")).unwrap();
    std::fs::hard_link(tree.at(EDGE), tree.at("etc/kubeedge/config/edgecore.same")).unwrap();
    tree
}

fn conf_argv(tree: &Tree, args: &[&str]) -> Vec<String> {
    let (program, root) = (tool::path("edge-conf"), tree.path());
    let own = [program.to_str().unwrap(), "--root", root.to_str().unwrap(), "--kubeedge-version", "1.12"];
    own.iter().chain(args).map(|word| (*word).to_owned()).collect()
}

fn conf(tree: &Tree, args: &[&str]) -> Ran {
    run(&conf_argv(tree, args))
}

/// The same after the call whose write is in place.
fn enabled() -> Tree {
    let tree = node();
    conf(&tree, &EDGE_CALL).expect(0);
    tree
}

fn shorter() -> Tree {
    let tree = node();
    conf(&tree, &SHORTER_CALL).expect(0);
    tree
}

/// Everything that the plans of the fixture change, and the plans.
fn start() -> Tree {
    let tree = Tree::with(&[
        ("etc/edited.conf", "first\nsecond\n"),
        ("etc/linked-a", "both names\n"),
        ("etc/key", "old key"),
        ("etc/old.conf", "old\n"),
        ("opt/bin/program", "old program\n"),
        ("opt/bin/gone", "a program that goes\n"),
        ("opt/bin/other", "old other\n"),
        ("srv/linked-a", "one\n"),
        ("plans/older", OLDER),
        ("plans/newer", NEWER),
        ("plans/third", THIRD),
    ]);
    std::fs::create_dir_all(tree.at("var/lib")).unwrap();
    for dir in ["etc", "srv"] {
        std::fs::hard_link(tree.at(dir).join("linked-a"), tree.at(dir).join("linked-b")).unwrap();
    }
    tree
}

fn fixture_argv(tree: &Tree, args: &[&str]) -> Vec<String> {
    let own = [FIXTURE, "--root", tree.path().to_str().unwrap()];
    own.iter().chain(args).map(|word| (*word).to_owned()).collect()
}

fn apply_argv(tree: &Tree, plan: &str) -> Vec<String> {
    fixture_argv(tree, &["apply", "--plan", tree.at("plans").join(plan).to_str().unwrap()])
}

fn fixture(tree: &Tree, args: &[&str]) -> Ran {
    run(&fixture_argv(tree, args))
}

fn apply(tree: &Tree, plan: &str) -> Ran {
    run(&apply_argv(tree, plan))
}

fn run(argv: &[String]) -> Ran {
    Tool::program(Path::new(&argv[0])).args(&argv[1..]).run()
}

/// Changed by the older run and the newer one.
fn both() -> Tree {
    let tree = start();
    apply(&tree, "older").expect(0);
    apply(&tree, "newer").expect(0);
    tree
}

/// The tree is that one, without a temporary file of the utilities.
fn must_be(tree: &Tree, want: &Snapshot, what: &str) {
    let seen = look(tree.path());
    assert_no_temporary(&seen);
    assert_same(&seen, want, what);
}

/// Twenty runs of a utility that is not the one of the run in question.
fn twenty_others(tree: &Tree, other: impl Fn(&Tree, usize) -> Ran) {
    for number in 0..20 {
        other(tree, number).expect(0);
    }
}

#[test]
fn undo_of_a_hard_linked_configuration_by_id_finishes_after_a_kill() {
    if !can_sweep("host_live_recovery undo by id") {
        return;
    }
    let before = look(node().path());
    let both = || {
        let tree = enabled();
        conf(&tree, &CLOUD_CALL).expect(0);
        tree
    };
    let want = {
        let tree = both();
        conf(&tree, &["undo", "--id", "1"]).expect(0);
        look(tree.path())
    };
    let undo = |tree: &Tree| conf_argv(tree, &["undo", "--id", "1"]);
    sweep("undo --id 1 of edge-conf", Points::Every, both, undo, |tree, _| {
        conf(tree, &["undo", "--id", "1"]).expect(0);
        must_be(tree, &want, "the same undo again");
        conf(tree, &["undo"]).expect(0);
        must_be(tree, &before, "and the newer run");
    });
}

#[test]
fn undo_of_an_older_run_finishes_after_a_kill() {
    if !can_sweep("host_live_recovery older run") {
        return;
    }
    let before = look(start().path());
    let want = {
        let tree = both();
        fixture(&tree, &["undo", "--id", "1"]).expect(0);
        look(tree.path())
    };
    let undo = |tree: &Tree| fixture_argv(tree, &["undo", "--id", "1"]);
    sweep("undo of the older run", Points::Every, both, undo, |tree, _| {
        fixture(tree, &["undo", "--id", "1"]).expect(0);
        must_be(tree, &want, "the same undo again");
        fixture(tree, &["undo"]).expect(0);
        must_be(tree, &before, "and the newer run");
    });
}

#[test]
fn undo_of_an_older_run_finishes_after_a_kill_and_another_call() {
    if !can_sweep("host_live_recovery another call") {
        return;
    }
    let before = look(start().path());
    let undo = |tree: &Tree| fixture_argv(tree, &["undo", "--id", "1"]);
    sweep("undo of the older run, another call", Points::Every, both, undo, |tree, _| {
        apply(tree, "third").expect(0);
        fixture(tree, &["undo", "--id", "1"]).expect(0);
        fixture(tree, &["undo", "--id", "2"]).expect(0);
        fixture(tree, &["undo"]).expect(0);
        must_be(tree, &before, "another call, and all three undone");
    });
}

#[test]
fn apply_killed_and_followed_by_another_call_is_undone() {
    if !can_sweep("host_live_recovery followed") {
        return;
    }
    let before = look(start().path());
    let older = |tree: &Tree| apply_argv(tree, "older");
    sweep("apply, another call", Points::Every, start, older, |tree, _| {
        apply(tree, "newer").expect(0);
        apply(tree, "third").expect(0);
        for _ in 0..3 {
            fixture(tree, &["undo"]).expect(0);
        }
        must_be(tree, &before, "two other calls, and all undone");
    });
}

/// Goes on only after the kills that leave edgecore.yaml neither as it was nor as it is to be.
fn sweep_incomplete(
    what: &str,
    start: impl Fn() -> Tree + Sync,
    argv: impl Fn(&Tree) -> Vec<String> + Sync,
    then: impl Fn(&Tree, &Call) + Sync,
) {
    let sides = [EDGE_TEXT.to_owned(), enabled().read(EDGE), shorter().read(EDGE)];
    let found = std::sync::Mutex::new(0);
    sweep(what, Points::Every, start, argv, |tree, call| {
        if !sides.contains(&tree.read(EDGE)) {
            *found.lock().unwrap() += 1;
            then(tree, call);
        }
    });
    assert!(*found.lock().unwrap() > 0, "no kill left the file incomplete");
}

/// A run of the fixture in the tree of edge-conf.
fn other_run(tree: &Tree, number: usize) -> Ran {
    let plan = format!(r#"[{{"write": "/srv/counted", "text": "{number}\n"}}]"#);
    tree.write("plans/counted", plan);
    apply(tree, "counted")
}

#[test]
fn incomplete_write_is_repaired_by_its_own_call_after_twenty_other_runs() {
    if !can_sweep("host_live_recovery twenty, again") {
        return;
    }
    let argv = |tree: &Tree| conf_argv(tree, &SHORTER_CALL);
    let done = shorter().read(EDGE);
    sweep_incomplete("twenty other runs, again", node, argv, |tree, _| {
        twenty_others(tree, other_run);
        conf(tree, &SHORTER_CALL).expect(0);
        assert_eq!(tree.read(EDGE), done);
        conf(tree, &["undo"]).expect(0);
        assert_eq!(tree.read(EDGE), EDGE_TEXT);
    });
}

#[test]
fn incomplete_write_is_undone_after_twenty_other_runs() {
    if !can_sweep("host_live_recovery twenty, undo") {
        return;
    }
    let argv = |tree: &Tree| conf_argv(tree, &SHORTER_CALL);
    sweep_incomplete("twenty other runs, undo", node, argv, |tree, _| {
        twenty_others(tree, other_run);
        conf(tree, &["undo"]).expect(0);
        assert_eq!(tree.read(EDGE), EDGE_TEXT);
    });
}

#[test]
fn incomplete_undo_is_finished_after_twenty_other_runs() {
    if !can_sweep("host_live_recovery twenty, undo again") {
        return;
    }
    let argv = |tree: &Tree| conf_argv(tree, &["undo"]);
    sweep_incomplete("undo, twenty other runs", enabled, argv, |tree, _| {
        twenty_others(tree, other_run);
        conf(tree, &["undo"]).expect(0);
        assert_eq!(tree.read(EDGE), EDGE_TEXT);
    });
}

#[test]
fn unfinished_run_is_undone_after_twenty_other_runs() {
    if !can_sweep("host_live_recovery unfinished") {
        return;
    }
    let before = look(start().path());
    let older = |tree: &Tree| apply_argv(tree, "older");
    sweep("apply, twenty other runs", Points::About(12), start, older, |tree, _| {
        // A run that is done is pruned like any other.
        if tree.at(FIRST).exists() && journal_of(tree, 1).contains("\"record\":\"end\"") {
            return;
        }
        twenty_others(tree, conf_run);
        fixture(tree, &["undo"]).expect(0);
        std::fs::remove_dir_all(tree.at("etc/kubeedge")).unwrap();
        must_be(tree, &before, "undone after twenty other runs");
    });
}

#[test]
fn partly_undone_run_is_undone_after_twenty_other_runs() {
    if !can_sweep("host_live_recovery partly undone") {
        return;
    }
    let before = look(start().path());
    let applied = || {
        let tree = start();
        apply(&tree, "older").expect(0);
        tree
    };
    let undo = |tree: &Tree| fixture_argv(tree, &["undo"]);
    sweep("undo, twenty other runs", Points::About(12), applied, undo, |tree, _| {
        // Before that the run is one that is done, like any other.
        if !journal_of(tree, 1).contains("\"record\":\"reverting\"") {
            return;
        }
        twenty_others(tree, conf_run);
        fixture(tree, &["undo"]).expect(0);
        std::fs::remove_dir_all(tree.at("etc/kubeedge")).unwrap();
        must_be(tree, &before, "undone after twenty other runs");
    });
}

const FIRST: &str = "var/lib/edgeutils/journal/000001-edge-fixture.jsonl";

/// The records of a run of the fixture.
fn journal_of(tree: &Tree, run: u64) -> String {
    tree.read(&format!("var/lib/edgeutils/journal/{run:06}-edge-fixture.jsonl"))
}

/// A run of edge-conf in the fixture's tree.
fn conf_run(tree: &Tree, number: usize) -> Ran {
    if number == 0 {
        tree.write(CLOUD, CLOUD_TEXT);
    }
    conf(tree, &["set", &format!("modules.cloudStream.enable={}", number.is_multiple_of(2))])
}

#[test]
fn undo_with_nothing_to_undo_keeps_nothing() {
    if !can_sweep("host_live_recovery kept") {
        return;
    }
    let before = look(start().path());
    let newer = |tree: &Tree| apply_argv(tree, "newer");
    sweep("apply, undo", Points::Every, start, newer, |tree, _| {
        fixture(tree, &["undo"]).expect(0);
        must_be(tree, &before, "undone");
        assert_eq!(fixture(tree, &["undo"]).expect(0).stdout, "nothing to undo\n");
    });
}
