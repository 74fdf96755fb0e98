//! Every changing system call fails once, in an apply and in an undo: one line reports it, nothing is left over,
//! and the same command completes.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::sync::Mutex;

use edgeutils_tests::image::Image;
use edgeutils_tests::kill::{self, Call};
use edgeutils_tests::skip;
use edgeutils_tests::tree::{Snapshot, assert_same};

const FIXTURE: &str = env!("CARGO_BIN_EXE_edge-fixture");
const PLAN: &str = r#"[
  {"write": "/etc/new/deep.conf", "text": "new\n"},
  {"line": "/etc/edited", "text": "added"},
  {"write": "/etc/linked-a", "text": "both names see this, and it is longer\n"},
  {"link": "/etc/link", "target": "edited"},
  {"key": "/etc/key", "text": "new key"},
  {"remove": "/etc/old"},
  {"key": "/etc/pair.key", "text": "new key", "with next": true},
  {"write": "/etc/pair.crt", "text": "new certificate"}
]"#;

fn start() -> Image {
    let image = Image::with(
        FIXTURE,
        &[
            ("etc/edited", "one\n"),
            ("etc/linked-a", "short\n"),
            ("etc/key", "old key"),
            ("etc/old", "old\n"),
            ("etc/pair.key", "old key"),
            ("etc/pair.crt", "old certificate"),
        ],
    );
    fs::hard_link(image.tree.at("etc/linked-a"), image.tree.at("etc/linked-b")).unwrap();
    image.plan("plan.json", PLAN);
    image
}

fn args(verb: &str) -> &'static [&'static str] {
    if verb == "undo" { &["undo"] } else { &["apply", "--plan", "PLANS/plan.json"] }
}

fn argv(image: &Image, verb: &str) -> Vec<String> {
    image.argv(args(verb))
}

/// The causes that a call can fail with, and how they read.
fn cause(call: &Call) -> (&'static str, &'static str) {
    match call.name() {
        "write" | "fallocate" | "mkdirat" => ("ENOSPC", "No space left on device (os error 28)"),
        "renameat" | "symlinkat" => ("EROFS", "Read-only file system (os error 30)"),
        _ => ("EIO", "Input/output error (os error 5)"),
    }
}

/// Makes one system call fail, checks the output, and runs the same command again.
fn failed_and_again(verb: &str, call: &Call, want: &Snapshot) -> bool {
    let image = start();
    if verb == "undo" {
        image.run(args("apply")).expect(0);
    }
    let (errno, text) = cause(call);
    let argv = argv(&image, verb);
    let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
    let ran = image.named(&kill::tampered(&call.failing(errno), &argv));
    let case = format!("{verb}, {call:?} fails with {errno}: exit {}\n{}{}", ran.code, ran.stdout, ran.stderr);
    assert!(!ran.stderr.contains("internal error"), "{case}");
    let now = image.tree.snapshot();
    let leftover = now.keys().find(|path| path.to_str().unwrap().contains("edgeutils-new"));
    // Only the call that removes a temporary file can leave one.
    assert!(leftover.is_none() || call.name() == "unlinkat", "{case}\n{leftover:?}");
    let linked = image.tree.read("etc/linked-a");
    assert!(["short\n", "both names see this, and it is longer\n"].contains(&linked.as_str()), "{case}\n{linked}");
    if verb == "apply" && !["renameat", "fsync"].contains(&call.name()) {
        // Only what comes between its two renames can part a pair.
        let halves =
            [image.tree.read("etc/pair.key"), image.tree.read("etc/pair.crt")].map(|text| text.starts_with("new"));
        assert_eq!(halves[0], halves[1], "{case}");
    }
    if ran.code != 0 {
        assert_eq!(ran.code, 1, "{case}");
        let errors = ran.stderr.lines().filter(|line| line.starts_with("edge-fixture: cannot "));
        let errors: Vec<&str> = errors.collect();
        let names_it = |line: &str| line.contains(" DIR/") || line.contains(" standard output");
        assert!(errors.iter().all(|line| line.matches("cannot").count() == 1 && names_it(line)), "{case}");
        assert!(errors.iter().any(|line| line.ends_with(&format!(": {text}"))), "{case}");
    } else {
        // Only what does not matter may fail silently: a label, a record of what the host shows itself, the empty
        // message with which signal-hook tests its own socket.
        assert!(["write", "ftruncate", "sendto"].contains(&call.name()), "{case}");
    }
    let again = image.run(args(verb));
    assert_eq!(again.code, 0, "{case}\nand again: {}{}", again.stdout, again.stderr);
    let mut got = image.tree.snapshot();
    if verb == "undo" {
        got.retain(|path, _| !path.to_str().unwrap().ends_with("key.old"));
    }
    assert_same(&got, want, &case);
    if verb == "apply" {
        let undone = image.undo();
        assert_eq!(undone.code, 0, "{case}\nundo: {}{}", undone.stdout, undone.stderr);
        let mut got = image.tree.snapshot();
        got.retain(|path, _| !path.to_str().unwrap().ends_with("key.old"));
        assert_same(&got, &start().tree.snapshot(), &format!("{case}\nand undone"));
    }
    ran.code != 0
}

fn everywhere(verb: &'static str) {
    if !kill::can_kill() {
        return skip("host_errors", "strace cannot trace here");
    }
    let image = start();
    let mut want = image.tree.snapshot();
    if verb == "undo" {
        image.run(args("apply")).expect(0);
    }
    let argv = argv(&image, verb);
    let calls = kill::calls(&argv.iter().map(String::as_str).collect::<Vec<_>>());
    if verb == "apply" {
        want = image.tree.snapshot();
    }
    let (next, failures) = (Mutex::new(calls.iter()), Mutex::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let call = next.lock().unwrap().next();
                    let Some(call) = call else { return };
                    let failed = failed_and_again(verb, call, &want);
                    *failures.lock().unwrap() += usize::from(failed);
                }
            });
        }
    });
    let failures = *failures.lock().unwrap();
    assert!(failures > 25, "only {failures} of {} calls were missed", calls.len());
}

#[test]
fn apply_reports_each_system_call_that_fails_and_can_be_repeated() {
    everywhere("apply");
}

#[test]
fn undo_reports_each_system_call_that_fails_and_can_be_repeated() {
    everywhere("undo");
}

#[test]
fn half_written_record_is_removed() {
    if !kill::can_kill() {
        return skip("host_errors half", "strace cannot trace here");
    }
    let image = Image::with(FIXTURE, &[("etc/b", "one\n"), ("etc/linked-a", &"x".repeat(3000))]);
    fs::hard_link(image.tree.at("etc/linked-a"), image.tree.at("etc/linked-b")).unwrap();
    image.apply(r#"[{"write": "/etc/b", "text": "two\n"}, {"write": "/etc/linked-a", "text": "two\n"}]"#).expect(0);
    let size = image.journal().len();
    // A file system without fallocate, and a limit that the copy of the first part goes beyond.
    let script = format!("trap '' XFSZ; ulimit -f {}; exec \"$0\" \"$@\"", (size + 100).div_ceil(512));
    let own = image.argv(&["undo"]);
    let mut argv = vec!["sh", "-c", script.as_str()];
    argv.extend(own.iter().map(String::as_str));
    let journal = "DIR/var/lib/edgeutils/journal/000001-edge-fixture.jsonl";
    image
        .named(&kill::tampered("inject=fallocate:error=EOPNOTSUPP", &argv))
        .says(1, &format!("edge-fixture: cannot write the journal {journal}: File too large (os error 27)"));
    assert_eq!((image.tree.read("etc/b"), image.tree.read("etc/linked-b")), ("one\n".into(), "two\n".into()));
    image.undo().says(0, "");
    assert_eq!(image.tree.read("etc/linked-b"), "x".repeat(3000));
}
