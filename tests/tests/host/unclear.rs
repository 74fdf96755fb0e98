//! Runs that cannot be recovered or undone: they stay open and do not block other calls.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;

use edgeutils_tests::image::Image;
use edgeutils_tests::{kill, skip};

const FIXTURE: &str = env!("CARGO_BIN_EXE_edge-fixture");
const JOURNAL: &str = "var/lib/edgeutils/journal";

fn argv_of(image: &Image, args: &[&str]) -> Vec<String> {
    image.argv(args)
}

fn calls(argv: &[String]) -> Vec<kill::Call> {
    kill::calls(&argv.iter().map(String::as_str).collect::<Vec<_>>())
}

fn killed(image: &Image, call: &kill::Call, args: &[&str]) {
    let argv = argv_of(image, args);
    kill::kill_before(call, &argv.iter().map(String::as_str).collect::<Vec<_>>());
}

fn record_of(image: &Image, run: u64) -> String {
    fs::read_to_string(image.tree.at(JOURNAL).join(format!("{run:06}-edge-fixture.jsonl"))).unwrap_or_default()
}

#[test]
fn run_with_an_unreachable_file_does_not_block_other_calls() {
    if !kill::can_kill() {
        return skip("host_unclear reached", "strace cannot trace here");
    }
    let start = || {
        let image = Image::with(FIXTURE, &[("etc/k/a", "a: 1\n"), ("etc/k/b", "b\n")]);
        fs::hard_link(image.tree.at("etc/k/a"), image.tree.at("etc/k/a2")).unwrap();
        image.plan("first.json", r#"[{"line": "/etc/k/a", "text": "own"}, {"write": "/etc/k/b", "text": "c\n"}]"#);
        image
    };
    let args = ["apply", "--plan", "PLANS/first.json"];
    for call in calls(&argv_of(&start(), &args)) {
        let image = start();
        killed(&image, &call, &args);
        fs::remove_dir_all(image.tree.at("etc/k")).unwrap();
        image.tree.write("etc/k", "a file by now\n");
        image.apply(r#"[{"write": "/etc/other", "text": "x\n"}]"#).expect(0);
        image.undo().expect(0);
        if !record_of(&image, 1).is_empty() {
            image.run(&["undo", "--id", "1", "--skip"]).expect(0);
        }
        assert_eq!(image.undo().expect(0).stdout, "nothing to undo\n", "killed before {call:?}");
    }
}

#[test]
fn undo_killed_anywhere_and_repeated_does_not_undo_the_run_before() {
    if !kill::can_kill() {
        return skip("host_unclear repeated", "strace cannot trace here");
    }
    let start = || {
        let image = Image::with(FIXTURE, &[("etc/a", "one\n"), ("etc/b", "one\n"), ("usr/p", "program\n")]);
        image.apply(r#"[{"write": "/etc/a", "text": "two\n"}]"#).expect(0);
        image
            .apply(r#"[{"write": "/etc/b", "text": "two\n"}, {"large": "/usr/p", "text": "x", "times": 3}]"#)
            .expect(0);
        image
    };
    for call in calls(&argv_of(&start(), &["undo"])) {
        let image = start();
        killed(&image, &call, &["undo"]);
        // Once its last record is there the call was complete, and the next one is another.
        if record_of(&image, 2).contains("\"record\":\"reverted\"") {
            continue;
        }
        image.undo().expect(0);
        let now = ["etc/a", "etc/b", "usr/p"].map(|path| image.tree.read(path));
        assert_eq!(now, ["two\n", "one\n", "program\n"], "killed before {call:?}");
        image.undo().expect(0);
        assert_eq!(image.tree.read("etc/a"), "one\n", "killed before {call:?}");
        assert_eq!(fs::read_dir(image.tree.at(JOURNAL).join("kept")).unwrap().count(), 0, "killed before {call:?}");
    }
}

#[test]
fn undo_killed_before_its_first_restore_leaves_no_temporary_file() {
    if !kill::can_kill() {
        return skip("host_unclear beside", "strace cannot trace here");
    }
    let start = || {
        let image = Image::with(FIXTURE, &[("etc/b", "one\n")]);
        image.apply(r#"[{"write": "/etc/b", "text": "two\n"}]"#).expect(0);
        image
    };
    for args in [&["undo"][..], &["undo", "--force"]] {
        for call in calls(&argv_of(&start(), args)) {
            let image = start();
            if args.len() > 1 {
                image.tree.write("etc/b", "foreign\n");
            }
            killed(&image, &call, args);
            image.apply(r#"[{"write": "/etc/c", "text": "c\n"}]"#).expect(0);
            let left = fs::read_dir(image.tree.at("etc")).unwrap().map(|entry| entry.unwrap().file_name());
            let left: Vec<_> = left.filter(|name| name.to_string_lossy().ends_with("-new")).collect();
            assert!(left.is_empty(), "{args:?} killed before {call:?}: {left:?}");
        }
    }
}

#[test]
fn full_record_of_first_states_does_not_prevent_a_change() {
    for len in [32 << 20, 40 << 20] {
        let image = Image::with(FIXTURE, &[("etc/a", "one\n")]);
        image.apply(r#"[{"write": "/etc/a", "text": "two\n"}]"#).expect(0);
        fs::File::create(image.tree.at(JOURNAL).join("first.jsonl")).unwrap().set_len(len).unwrap();
        for run in 0..25 {
            image.apply(&format!(r#"[{{"write": "/etc/b", "text": "{run}\n"}}]"#)).expect(0);
        }
        assert!(record_of(&image, 1).is_empty(), "the first run was not pruned");
    }
}

#[test]
fn call_that_is_repeated_until_it_succeeds_does_not_fill_its_journal() {
    let image = Image::with(FIXTURE, &[]);
    let mut plan = vec![serde_json::json!({"large": "/usr/p", "text": "x", "times": 3, "sum": "another"})];
    for file in 0..9 {
        image.tree.write(&format!("etc/{file}"), "x".repeat(1_000_000));
        plan.push(serde_json::json!({"write": format!("/etc/{file}"), "text": "y"}));
    }
    let args = ["apply", "--plan", "PLANS/again.json"];
    image.plan("again.json", &serde_json::to_string(&plan).unwrap());
    for _ in 0..4 {
        image.run(&args).expect(1);
    }
    assert!(record_of(&image, 1).len() < 16 << 20);
    plan[0] = serde_json::json!({"large": "/usr/p", "text": "x", "times": 3});
    image.plan("again.json", &serde_json::to_string(&plan).unwrap());
    image.run(&args).expect(0);
    image.undo().expect(0);
    assert_eq!(image.tree.read("etc/8").len(), 1_000_000);
}

#[test]
fn undo_force_does_not_write_through_a_later_link() {
    let image = Image::with(FIXTURE, &[("etc/a", "one\n"), ("srv/shared", "shared by others\n")]);
    image.apply(r#"[{"write": "/etc/a", "text": "two\n"}]"#).expect(0);
    fs::remove_file(image.tree.at("etc/a")).unwrap();
    image.tree.link("etc/a", "../srv/shared");
    let ran = image.run(&["undo", "--force"]).expect(4);
    assert!(ran.stderr.contains("hint: to keep the run: edge-fixture --root DIR undo --id 1 --skip"), "{}", ran.stderr);
    assert_eq!(image.tree.read("srv/shared"), "shared by others\n");
    // One that was there before is followed, as it was then.
    let image = Image::with(FIXTURE, &[("srv/real", "one\n")]);
    image.tree.link("etc/a", "../srv/real");
    image.apply(r#"[{"write": "/etc/a", "text": "two\n"}]"#).expect(0);
    image.tree.write("srv/real", "foreign\n");
    image.run(&["undo", "--force"]).expect(0);
    assert_eq!(
        (image.tree.read("srv/real"), image.tree.read("srv/real.edgeutils-kept")),
        ("one\n".into(), "foreign\n".into())
    );
}

#[test]
fn undo_force_sets_a_mode_and_its_hint_says_so() {
    use std::os::unix::fs::PermissionsExt;
    let image = Image::with(FIXTURE, &[("etc/a", "one\n")]);
    image.apply(r#"[{"chmod": "/etc/a", "mode": 384}]"#).expect(0);
    fs::write(image.tree.at("etc/a"), "edited\n").unwrap();
    let ran = image.undo().expect(4);
    assert!(ran.stderr.contains("to restore mode 0644 anyway: "), "{}", ran.stderr);
    image.run(&["undo", "--force"]).expect(0);
    let mode = fs::metadata(image.tree.at("etc/a")).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode, image.tree.read("etc/a")), (0o644, "edited\n".into()));
}

#[test]
fn run_that_was_set_aside_keeps_its_number() {
    let image = Image::with(FIXTURE, &[]);
    for round in 0..3 {
        image.apply(&format!(r#"[{{"write": "/etc/a", "text": "{round}\n"}}]"#)).expect(0);
        let run = image.tree.at(JOURNAL).join(format!("{:06}-edge-fixture.jsonl", round + 1));
        let text = fs::read_to_string(&run).unwrap().replacen("exact", "exaKt", 1);
        fs::write(&run, text).unwrap();
        image.run(&["undo", "--skip"]).expect(0);
    }
    let names = fs::read_dir(image.tree.at(JOURNAL)).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(names.filter(|name| name.to_string_lossy().ends_with(".damaged")).count(), 3);
}
