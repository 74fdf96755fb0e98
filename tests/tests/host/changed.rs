//! Files that others change: before a write, and before an undo.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Instant;

use edgeutils_tests::image::Image;
use edgeutils_tests::journal::reseal;
use edgeutils_tests::live::{can_unshare, transcript};
use edgeutils_tests::skip;
use edgeutils_tests::tool::Ran;

const FIXTURE: &str = env!("CARGO_BIN_EXE_edge-fixture");

#[test]
fn target_changed_between_the_facts_and_the_write_is_refused() {
    let image = Image::with(FIXTURE, &[("etc/a", "one\n"), ("etc/b", "one\n")]);
    image.plan("plan.json", r#"[{"write": "/etc/a", "text": "two\n"}, {"write": "/etc/b", "text": "two\n"}]"#);
    let child = image
        .command(&["apply", "--plan", "PLANS/plan.json", "--pause", "PLANS/gate"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // The lock is taken before the facts are read; give the facts their time.
    let begin = Instant::now();
    while !image.tree.at("var/lib/edgeutils/lock").exists() && begin.elapsed().as_secs() < 10 {
        std::thread::yield_now();
    }
    std::thread::sleep(std::time::Duration::from_millis(300));
    image.tree.write("etc/b", "someone else's\n");
    std::fs::write(image.beside("gate"), "").unwrap();
    image.named(&Ran::of(&child.wait_with_output().unwrap())).says(
        4,
        "edge-fixture: cannot write DIR/etc/b: it was changed by another process in the meantime
         hint: run the command again to work on the current version",
    );
    // Nothing was done, the first file neither.
    assert_eq!((image.tree.read("etc/a"), image.tree.read("etc/b")), ("one\n".into(), "someone else's\n".into()));
    assert!(!image.tree.at("var/lib/edgeutils/journal").exists());
}

#[test]
fn file_changed_during_a_run_is_not_overwritten_by_apply_or_undo() {
    if !can_unshare() {
        return skip("host_changed in the middle", "no mount namespace can be made here");
    }
    transcript(
        FIXTURE,
        r#"
        echo one > a; echo one > b; echo one > c
        plan '[{"write": "/mnt/a", "text": "two"}, {"run": ["sh", "-c", "echo foreign > /mnt/b"]},
               {"write": "/mnt/b", "text": "two"}, {"write": "/mnt/c", "text": "two"}]'
        apply
        echo foreign > c
        edge undo
        cat a b c
        "#,
        "wrote /mnt/a: for the test  [undo: exact]
        ran sh -c echo foreign > /mnt/b: a command  [undo: none]
        refused to write /mnt/b: for the test  [undo: exact]
        edge-fixture: cannot write /mnt/b: it was changed by another process in the meantime
        hint: run the command again to work on the current version; run the same command again to resume, or `edge-fixture undo --id 1` to undo what was done
        exit 4
        edge-fixture: note: run 1 was not completed
        skipped sh -c echo foreign > /mnt/b: this command cannot be undone
        restored /mnt/a: previous content
        reverted run 1
        exit 0
        one
        foreign
        foreign",
    );
}

#[test]
fn undo_leaves_what_someone_changed_since_and_restores_the_rest() {
    let image = Image::with(FIXTURE, &[("etc/a", "a: 1\ntoken: abc.def\nurl: x://u:secret@h/\n"), ("etc/b", "one\n")]);
    let plan = r#"[{"write": "/etc/a", "text": "a: 2\ntoken: abc.def\n"}, {"write": "/etc/b", "text": "two\n"},
                   {"write": "/etc/deep/er/c", "text": "three\n"}]"#;
    image.apply(plan).expect(0);
    image.tree.write("etc/a", "a: 3\ntoken: new.token\nb: 1\n");
    let printed = image.undo().says(
        4,
        "- a: 1
         + a: 3
         - url: x://u:***@h/
         + b: 1
         edge-fixture: cannot undo the change of DIR/etc/a: it was changed after the run
         hint: to restore it and keep the current version as NAME.edgeutils-kept: edge-fixture --root DIR undo --id 1 --force; to keep the run: edge-fixture --root DIR undo --id 1 --skip",
    );
    assert_eq!(
        printed.stdout,
        "removed /etc/deep/er/c: it did not exist before\nrestored /etc/b: previous content\n\
         reverted 2 of 3 changes of run 1\n"
    );
    assert_eq!(image.tree.read("etc/a"), "a: 3\ntoken: new.token\nb: 1\n");
    assert_eq!(image.tree.read("etc/b"), "one\n");
    assert!(!image.tree.at("etc/deep").exists(), "directories made on the way go as well");
    // Once it is as we left it, the same undo finishes.
    image.tree.write("etc/a", "a: 2\ntoken: abc.def\n");
    image.undo().says(0, "");
    assert!(image.tree.read("etc/a").starts_with("a: 1\n"));
    assert_eq!(image.undo().expect(0).stdout, "nothing to undo\n");
}

#[test]
fn edit_is_reverted_alone_whatever_else_changed() {
    let image = Image::with(FIXTURE, &[("etc/a", "one\n")]);
    image.apply(r#"[{"line": "/etc/a", "text": "own"}]"#).expect(0);
    image.tree.write("etc/a", "zero\none\nown\ntwo\n");
    let printed = image.undo().says(0, "");
    assert_eq!(printed.stdout, "reverted the edit of /etc/a: other changes in it are kept\nreverted run 1\n");
    assert_eq!(image.tree.read("etc/a"), "zero\none\ntwo\n");

    image.apply(r#"[{"line": "/etc/a", "text": "own"}]"#).expect(0);
    image.tree.write("etc/a", "zero\nforeign\n");
    image.undo().says(
        4,
        "- one
         - two
         + foreign
         edge-fixture: cannot undo the change of DIR/etc/a: the line own is no longer there
         hint: to restore it and keep the current version as NAME.edgeutils-kept: edge-fixture --root DIR undo --id 2 --force; to keep the run: edge-fixture --root DIR undo --id 2 --skip",
    );
    assert_eq!(image.tree.read("etc/a"), "zero\nforeign\n");
}

#[test]
fn undo_names_the_later_run_and_its_tool() {
    let image = Image::with(FIXTURE, &[("etc/a", "one\n"), ("etc/b", "first\n")]);
    image.apply(r#"[{"write": "/etc/a", "text": "two\n"}, {"line": "/etc/b", "text": "x"}]"#).expect(0);
    image.apply(r#"[{"write": "/etc/a", "text": "three\n"}, {"line": "/etc/b", "text": "y"}]"#).expect(0);
    let journal = image.tree.at("var/lib/edgeutils/journal");
    // The second was another utility's.
    let text = std::fs::read_to_string(journal.join("000002-edge-fixture.jsonl")).unwrap();
    let other = reseal(&text.replace("\"edge-fixture\"", "\"edge-other\""));
    std::fs::write(journal.join("000002-edge-other.jsonl"), other).unwrap();
    std::fs::remove_file(journal.join("000002-edge-fixture.jsonl")).unwrap();
    image.run(&["undo", "--id", "1"]).says(
        4,
        "edge-fixture: cannot undo the change of DIR/etc/a: run 2 of edge-other changed it later
         hint: undo that run first: edge-other --root DIR undo --id 2; to keep the run: edge-fixture --root DIR undo --id 1 --skip",
    );
    // Another line of the same file is another part.
    assert_eq!((image.tree.read("etc/a"), image.tree.read("etc/b")), ("three\n".into(), "first\ny\n".into()));
    image.run(&["undo", "--id", "2"]).says(
        2,
        "edge-fixture: cannot undo run 2: it was made by edge-other
         hint: edge-other --root DIR undo --id 2",
    );
    image.run(&["undo", "--id", "7"]).says(
        1,
        "edge-fixture: cannot undo run 7: it is not in the journal
         hint: list the runs: edge-fixture --root DIR undo --list",
    );
}

#[test]
fn undo_goes_newest_first_and_resumes_a_partly_undone_run() {
    let image = Image::with(FIXTURE, &[("etc/a", "one\n"), ("etc/b", "one\n")]);
    image.apply(r#"[{"write": "/etc/a", "text": "two\n"}, {"write": "/etc/b", "text": "two\n"}]"#).expect(0);
    // Only b is restored: a was changed.
    image.tree.write("etc/a", "foreign\n");
    image.undo().expect(4);
    // The repeated call is a new run.
    let again = r#"[{"write": "/etc/a", "text": "two\n"}, {"write": "/etc/b", "text": "two\n"}]"#;
    image.apply(again).says(0, "");
    image.undo().says(0, "");
    assert_eq!((image.tree.read("etc/a"), image.tree.read("etc/b")), ("foreign\n".into(), "one\n".into()));
    // And then what is left of the first.
    image.tree.write("etc/a", "two\n");
    image.undo().says(0, "");
    assert_eq!((image.tree.read("etc/a"), image.tree.read("etc/b")), ("one\n".into(), "one\n".into()));
    assert_eq!(image.undo().expect(0).stdout, "nothing to undo\n");
}

#[test]
fn large_file_is_changed_without_a_copy_and_says_so() {
    let image = Image::with(FIXTURE, &[("etc/a", &"x".repeat((1 << 20) + 1)), ("etc/b", &"x".repeat(1 << 20))]);
    let printed =
        image.apply(r#"[{"write": "/etc/a", "text": "two\n"}, {"write": "/etc/b", "text": "two\n"}]"#).expect(0);
    assert_eq!(
        printed.stdout,
        "wrote /etc/a: for the test  [undo: none]\nwrote /etc/b: for the test  [undo: exact]\n2 changes\n"
    );
    assert!(image.run(&["undo", "--list"]).expect(0).stdout.ends_with("/etc/a, /etc/b  [undo: incomplete]\n"));
    image.undo().says(
        4,
        "edge-fixture: cannot undo the change of DIR/etc/a: it was too large to keep a copy
         hint: to keep the run: edge-fixture --root DIR undo --id 1 --skip",
    );
    assert_eq!((image.tree.read("etc/a"), image.tree.read("etc/b").len()), ("two\n".into(), 1 << 20));
}
