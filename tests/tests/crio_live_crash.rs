//! SIGKILL before each system call that changes something while a bundle is installed; then the same
//! call again, and an undo.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;

use edgeutils_tests::standin::bundle;
use edgeutils_tests::tree::{Tree, assert_same};
use edgeutils_tests::{kill, skip, tool};

const PROGRAM: &[u8] = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\xb7\0and the rest";

fn system() -> Tree {
    let tree = Tree::with(&[("etc/os-release", "ID=debian\nVERSION_ID=12\n")]);
    tree.write("usr/bin/env", PROGRAM);
    for dir in ["usr/local/bin", "usr/local/lib", "usr/local/share", "etc/systemd/system", "usr/libexec", "opt"] {
        std::fs::create_dir_all(tree.at(dir)).unwrap();
    }
    tree
}

fn argv(tree: &Tree, archive: &Path, sum: &str) -> Vec<String> {
    let program = tool::path("edge-crio").to_str().unwrap().to_owned();
    let root = tree.path().to_str().unwrap().to_owned();
    let call = ["install", "--version", "1.30.4", "--cgroup-driver", "cgroupfs", "--sha256", sum, "--archive"];
    let mut argv = vec![program, "--root".to_owned(), root];
    argv.extend(call.map(str::to_owned));
    argv.push(archive.to_str().unwrap().to_owned());
    argv
}

#[test]
fn a_kill_anywhere_leaves_what_the_same_call_goes_on_with() {
    if !kill::can_kill() {
        skip("crio_live_crash", "strace cannot be used here");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (archive, sum) = bundle(dir.path(), "1.30.4", "arm64", PROGRAM);
    let whole = system();
    let before = whole.snapshot();
    let call = argv(&whole, &archive, &sum);
    let call: Vec<&str> = call.iter().map(String::as_str).collect();
    let calls = kill::calls(&call);
    let want = whole.snapshot();
    assert!(calls.len() > 100, "{}", calls.len());
    // Each of the first and last, and of those between every ninth: they repeat themselves file by file.
    let chosen = calls.iter().enumerate().filter(|(at, _)| *at < 25 || *at + 25 > calls.len() || at % 9 == 0);
    let mut killed = 0;
    for (at, system_call) in chosen {
        let tree = system();
        let call = argv(&tree, &archive, &sum);
        let words: Vec<&str> = call.iter().map(String::as_str).collect();
        if !kill::kill_before(system_call, &words) {
            // What is written to stdout comes after all changes.
            continue;
        }
        killed += 1;
        let run = |args: &[&str]| tool::Tool::program(Path::new(words[0])).args(args).run();
        run(&words[1..]).expect(0);
        assert_same(&tree.snapshot(), &want, &format!("killed before call {at}, {system_call:?}"));
        assert!(!tree.at("var/lib/edgeutils/edge-crio").exists(), "{at}: the unpacked archive is left");
        for _ in 0..2 {
            run(&["--root", tree.path().to_str().unwrap(), "undo"]).expect(0);
        }
        assert_same(&tree.snapshot(), &before, &format!("undone after a kill before call {at}, {system_call:?}"));
    }
    assert!(killed > 40, "{killed} of {}", calls.len());
}
