//! Undo of settings in a file that has changed since: edgecore rewrites its own.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use edgeutils_tests::tool::{Ran, Tool};
use edgeutils_tests::tree::Tree;

const FILE: &str = "etc/kubeedge/config/edgecore.yaml";
const START: &str = "\
# comment
kind: EdgeCore
modules:
  edgeHub:
    heartbeat: 15
    token: first.secret.token
  edgeStream:
    enable: false # off at first
    server: 127.0.0.1:10004
";

fn conf(tree: &Tree, args: &[&str]) -> Ran {
    Tool::new("edge-conf").arg("--root").arg(tree.path()).args(["--kubeedge-version", "1.8"]).args(args).run()
}

fn enabled() -> Tree {
    let tree = Tree::with(&[(FILE, START)]);
    conf(&tree, &["enable", "logs", "--server", "192.0.2.1:10004"]).expect(0);
    tree
}

#[test]
fn undo_after_a_rewrite_restores_only_our_settings() {
    let tree = enabled();
    // As edgecore writes it: sorted, without comments, with a value of its own.
    let rewritten = "kind: EdgeCore\nmodules:\n  edgeHub:\n    heartbeat: 15\n    token: \"\"\n  edgeStream:\n    enable: true\n    server: 192.0.2.1:10004\n";
    tree.write(FILE, rewritten);
    let ran = conf(&tree, &["undo"]).expect(0);
    assert_eq!(ran.stdout, format!("reverted the edit of /{FILE}: other changes in it are kept\nreverted run 1\n"));
    assert_eq!(tree.read(FILE), rewritten.replace("true", "false").replace("192.0.2.1", "127.0.0.1"));
}

#[test]
fn setting_that_someone_changed_since_is_refused_and_secrets_are_not_shown() {
    let tree = enabled();
    let theirs =
        tree.read(FILE).replace("192.0.2.1:10004", "192.0.2.99:10004").replace("first.secret", "second.secret");
    tree.write(FILE, &theirs);
    let ran = conf(&tree, &["undo"]).expect(4);
    assert!(
        ran.stderr
            .contains("modules.edgeStream.server is now 192.0.2.99:10004, and this run set it to 192.0.2.1:10004"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("+     server: 192.0.2.99:10004"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("secret"), "{}", ran.stderr);
    assert_eq!(tree.read(FILE), theirs, "nothing was touched");
    // Once it is as we left it, the same command works.
    tree.write(FILE, theirs.replace("192.0.2.99:10004", "192.0.2.1:10004"));
    conf(&tree, &["undo"]).expect(0);
}

#[test]
fn older_run_is_undone_under_a_newer_one_that_changed_other_settings() {
    let tree = enabled();
    conf(&tree, &["set", "modules.edgeHub.heartbeat=20"]).expect(0);
    conf(&tree, &["undo", "--id", "1"]).expect(0);
    assert_eq!(tree.read(FILE), START.replace("heartbeat: 15", "heartbeat: 20"));
    conf(&tree, &["undo"]).expect(0);
    assert_eq!(tree.read(FILE), START);
}

#[test]
fn newer_run_on_the_same_setting_is_named() {
    let tree = enabled();
    conf(&tree, &["set", "modules.edgeStream.server=192.0.2.2:10004"]).expect(0);
    let ran = conf(&tree, &["undo", "--id", "1"]).expect(4);
    assert!(
        ran.stderr.contains("run 2 of edge-conf changed it later\nhint: undo that run first: edge-conf --root ")
            && ran.stderr.ends_with(" undo --id 1 --skip\n"),
        "{}",
        ran.stderr
    );
    conf(&tree, &["undo"]).expect(0);
    conf(&tree, &["undo"]).expect(0);
    assert_eq!(tree.read(FILE), START);
}

#[test]
fn hard_linked_file_keeps_both_names() {
    let tree = Tree::with(&[(FILE, START)]);
    std::fs::hard_link(tree.at(FILE), tree.at("etc/kubeedge/other.yaml")).unwrap();
    conf(&tree, &["set", "modules.edgeHub.heartbeat=7"]).expect(0);
    assert_eq!(tree.read("etc/kubeedge/other.yaml"), START.replace("heartbeat: 15", "heartbeat: 7"));
    conf(&tree, &["undo"]).expect(0);
    assert_eq!(tree.read("etc/kubeedge/other.yaml"), START);
}

#[test]
fn token_is_never_shown() {
    let tree = enabled();
    let ran = conf(&tree, &["set", "modules.edgeHub.token=a.new.secret"]).expect(0);
    assert!(ran.stdout.contains("modules.edgeHub.token: *** -> ***"), "{}", ran.stdout);
    let ran = conf(&tree, &["set", "modules.edgeHub={token: another.secret}", "--force", "--json"]).expect(0);
    assert!(!format!("{}{}", ran.stdout, ran.stderr).contains("secret"), "{}", ran.stdout);
}

#[test]
fn file_that_was_removed_since_is_reported_and_not_created() {
    let tree = enabled();
    std::fs::remove_file(tree.at(FILE)).unwrap();
    let ran = conf(&tree, &["undo"]).expect(4);
    let first = ran.stderr.lines().next().unwrap();
    assert!(first.ends_with("edgecore.yaml: it was removed after the run"), "{}", ran.stderr);
    assert!(!tree.at(FILE).exists());
}
