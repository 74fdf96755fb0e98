//! An undo of files that were changed since: shown, forced, or the run kept; and the list of runs.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;

use edgeutils_tests::image::Image;
use edgeutils_tests::live::{can_unshare, transcript};
use edgeutils_tests::tree::assert_same;
use edgeutils_tests::{kill, skip};
use serde_json::{Value, json};

const FIXTURE: &str = env!("CARGO_BIN_EXE_edge-fixture");
const WAYS_ON: &str = "hint: to restore it and keep the current version as NAME.edgeutils-kept: edge-fixture --root DIR undo --id 1 --force; to keep the run: edge-fixture --root DIR undo --id 1 --skip";

fn records(stdout: &str) -> Vec<Value> {
    stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A small new file that the run wrote, to which someone has added a line.
fn added_to() -> Image {
    let image = Image::with(FIXTURE, &[("etc/other", "one\n")]);
    image.apply(r#"[{"write": "/etc/sysctl.d/90.conf", "text": "a = 1\nb = 2\n"}, {"write": "/etc/other", "text": "two\n"}]"#).expect(0);
    image.tree.write("etc/sysctl.d/90.conf", "a = 1\nb = 2\nc = 3\n");
    image
}

#[test]
fn undo_shows_what_was_added_since_to_a_new_file() {
    let image = added_to();
    image.undo().says(
        4,
        &format!("+ c = 3\nedge-fixture: cannot undo the change of DIR/etc/sysctl.d/90.conf: it was changed after the run\n{WAYS_ON}"),
    );
    assert_eq!((image.tree.read("etc/other"), image.tree.read("etc/sysctl.d/90.conf").len()), ("one\n".into(), 18));
}

#[test]
fn undo_redacts_secrets_that_were_added() {
    let image = Image::with(FIXTURE, &[]);
    image.apply(r#"[{"write": "/etc/a", "text": "token: first-value\n"}]"#).expect(0);
    assert!(!String::from_utf8(image.journal()).unwrap().contains("first-value"), "a new secret is not recorded");
    image.tree.write("etc/a", "token: first-value\npassword: second-value\nx: 1\n");
    let ran = image.undo().expect(4);
    assert!(ran.stderr.starts_with("+ token: ***\n") || ran.stderr.starts_with("    + token: ***\n"), "{}", ran.stderr);
    assert!(
        !ran.stderr.contains("first-value") && !ran.stderr.contains("second-value") && ran.stderr.contains("+ x: 1"),
        "{}",
        ran.stderr
    );
}

#[test]
fn undo_force_restores_and_keeps_the_newer_content_under_a_name_of_its_own() {
    let image = added_to();
    fs::write(image.tree.at("etc/sysctl.d/90.conf.edgeutils-kept"), "an older one\n").unwrap();
    let ran = image.run(&["undo", "--force", "-n"]).expect(3);
    assert!(
        ran.stdout.contains("would remove /etc/sysctl.d/90.conf: it did not exist before; the current version is kept"),
        "{}",
        ran.stdout
    );
    let ran = image.run(&["undo", "--force"]).expect(0);
    assert!(ran.stdout.contains("removed /etc/sysctl.d/90.conf"), "{}", ran.stdout);
    assert!(!image.tree.at("etc/sysctl.d/90.conf").exists());
    assert_eq!(image.tree.read("etc/sysctl.d/90.conf.edgeutils-kept"), "an older one\n");
    assert_eq!(image.tree.read("etc/sysctl.d/90.conf.edgeutils-kept.2"), "a = 1\nb = 2\nc = 3\n");
    assert_eq!(image.tree.read("etc/other"), "one\n");
    assert_eq!(image.undo().expect(0).stdout, "nothing to undo\n");
}

#[test]
fn undo_force_restores_each_kind_of_change() {
    let image =
        Image::with(FIXTURE, &[("etc/a", "one\n"), ("etc/gone", "gone\n"), ("etc/edited", "x\n"), ("usr/p", "old\n")]);
    image.tree.link("etc/link", "a");
    let before = image.tree.snapshot();
    image
        .apply(
            r#"[{"write": "/etc/a", "text": "two\n"}, {"remove": "/etc/gone"}, {"line": "/etc/edited", "text": "own"},
                {"large": "/usr/p", "text": "new\n", "times": 2}, {"link": "/etc/link", "target": "gone"}, {"write": "/etc/made", "text": "made\n"}]"#,
        )
        .expect(0);
    for name in ["etc/a", "etc/gone", "etc/edited", "usr/p", "etc/made"] {
        image.tree.write(name, format!("foreign at {name}\n"));
    }
    fs::remove_file(image.tree.at("etc/link")).unwrap();
    image.tree.link("etc/link", "foreign");
    image.undo().expect(4);
    image.run(&["undo", "--force"]).expect(0);
    let mut now = image.tree.snapshot();
    for name in ["etc/a", "etc/gone", "etc/edited", "usr/p", "etc/made"] {
        assert_eq!(image.tree.read(&format!("{name}.edgeutils-kept")), format!("foreign at {name}\n"));
    }
    assert_eq!(fs::read_link(image.tree.at("etc/link.edgeutils-kept")).unwrap().to_str(), Some("foreign"));
    now.retain(|path, _| !path.to_str().unwrap().ends_with(".edgeutils-kept"));
    assert_same(&now, &before, "by force");
}

#[test]
fn undo_force_never_replaces_a_directory_or_what_a_later_run_did() {
    let image = Image::with(FIXTURE, &[("etc/a", "one\n"), ("etc/b", "one\n")]);
    image.apply(r#"[{"write": "/etc/a", "text": "two\n"}, {"write": "/etc/b", "text": "two\n"}]"#).expect(0);
    fs::remove_file(image.tree.at("etc/a")).unwrap();
    fs::create_dir(image.tree.at("etc/a")).unwrap();
    image.apply(r#"[{"write": "/etc/b", "text": "three\n"}]"#).expect(0);
    let ran = image.run(&["undo", "--force", "--id", "1"]).expect(4);
    assert!(
        ran.stderr.contains("etc/a: it was replaced after the run")
            && ran.stderr.contains("run 2 of edge-fixture changed it later"),
        "{}",
        ran.stderr
    );
    assert_eq!(image.tree.read("etc/b"), "three\n");
}

#[test]
fn undo_force_killed_anywhere_and_repeated_restores_and_keeps() {
    if !kill::can_kill() {
        return skip("host_undo force", "strace cannot trace here");
    }
    let calls = {
        let image = added_to();
        let argv = image.argv(&["undo", "--force"]);
        kill::calls(&argv.iter().map(String::as_str).collect::<Vec<_>>())
    };
    for call in &calls {
        let image = added_to();
        let argv = image.argv(&["undo", "--force"]);
        kill::kill_before(call, &argv.iter().map(String::as_str).collect::<Vec<_>>());
        image.run(&["undo", "--force"]).expect(0);
        assert!(!image.tree.at("etc/sysctl.d/90.conf").exists(), "{call:?}");
        assert_eq!(image.tree.read("etc/other"), "one\n", "{call:?}");
        let kept = |name: &str| fs::read_to_string(image.tree.at(name)).unwrap_or_default();
        assert_eq!(kept("etc/sysctl.d/90.conf.edgeutils-kept"), "a = 1\nb = 2\nc = 3\n", "{call:?}");
        assert_eq!(kept("etc/sysctl.d/90.conf.edgeutils-kept.2"), "", "{call:?}");
    }
}

#[test]
fn undo_in_part_ends_with_what_was_reverted() {
    let image = Image::with(FIXTURE, &[("etc/a", "one\n"), ("etc/b", "one\n")]);
    image.apply(r#"[{"write": "/etc/a", "text": "two\n"}, {"write": "/etc/b", "text": "two\n"}]"#).expect(0);
    image.tree.write("etc/b", "foreign\n");
    let last = |args: &[&str], code| image.run(args).expect(code).stdout.lines().last().unwrap_or_default().to_owned();
    assert_eq!(last(&["undo", "-n"], 4), "1 change would be made");
    assert_eq!(last(&["undo"], 4), "reverted 1 of 2 changes of run 1");
    assert_eq!(last(&["undo", "-n"], 4), "0 changes would be made");
    assert_eq!(last(&["undo"], 4), "reverted 0 of 1 change of run 1");
    image.tree.write("etc/b", "two\n");
    assert_eq!(last(&["undo"], 0), "reverted run 1");
}

#[test]
fn undo_skip_keeps_a_run_and_the_next_undo_goes_to_the_one_before() {
    let image = Image::with(FIXTURE, &[("etc/a", "one\n"), ("etc/b", "one\n")]);
    image.apply(r#"[{"write": "/etc/a", "text": "two\n"}]"#).expect(0);
    image.apply(r#"[{"write": "/etc/b", "text": "two\n"}]"#).expect(0);
    image.tree.write("etc/b", "foreign\n");
    image.undo().expect(4);
    assert_eq!(image.run(&["undo", "--skip", "-n"]).expect(3).stdout, "would keep run 2: /etc/b\n");
    assert_eq!(image.run(&["undo", "--skip"]).expect(0).stdout, "kept run 2: /etc/b\n");
    assert!(image.run(&["undo", "--list"]).expect(0).stdout.contains("  kept        edge-fixture"));
    image.undo().says(0, "");
    assert_eq!((image.tree.read("etc/a"), image.tree.read("etc/b")), ("one\n".into(), "foreign\n".into()));
    assert_eq!(image.undo().expect(0).stdout, "nothing to undo\n");
    // By its number it can still be undone.
    image.tree.write("etc/b", "two\n");
    image.run(&["undo", "--id", "2"]).expect(0);
    assert_eq!(image.tree.read("etc/b"), "one\n");
    image.run(&["undo", "--skip", "--force"]).expect(2);
}

#[test]
fn undo_shows_old_and_new_values_and_ends_with_the_plan_in_a_dry_run() {
    let image = Image::with(FIXTURE, &[("etc/a", "key: 1\npassword: old\n"), ("etc/edited", "x\n")]);
    image
        .apply(r#"[{"write": "/etc/a", "text": "key: 2\npassword: new\n"}, {"line": "/etc/edited", "text": "own"}]"#)
        .expect(0);
    image.tree.write("etc/edited", "x\nown\nforeign\n");
    let printed = image.run(&["undo", "-n"]).expect(3).stdout;
    let want = "would revert the edit of /etc/edited: other changes in it are kept
    - own
would restore /etc/a: previous content
    - key: 2
    + key: 1
2 changes would be made
";
    assert_eq!(printed, want);
    let records = records(&image.run(&["undo", "-n", "--json"]).expect(3).stdout);
    let [.., plan, result] = records.as_slice() else { panic!("{records:?}") };
    assert_eq!(plan, &json!({"v": 1, "type": "plan", "actions": 2}));
    assert_eq!((&result["type"], &result["exit"]), (&json!("result"), &json!(3)));
    image.undo().expect(0);
    let nothing = image.run(&["undo", "-n", "--json"]).expect(0).stdout;
    assert!(nothing.contains(r#"{"actions":0,"type":"plan","v":1}"#) || nothing.contains("\"actions\":0"), "{nothing}");
}

#[test]
fn undo_list_shows_the_call_without_its_secrets() {
    let image = Image::with(FIXTURE, &[("etc/a", "one\n")]);
    image.plan("plan.json", r#"[{"write": "/etc/a", "text": "two\n"}]"#);
    let args = ["apply", "--plan", "PLANS/plan.json", "--note", "password=hunter2"];
    image.run(&args).expect(0);
    let list = image.run(&["undo", "--list"]).expect(0).stdout;
    assert!(
        list.contains("edge-fixture --root DIR apply --plan PLANS/plan.json --note 'password=***': /etc/a")
            || list.contains("--note password=***: /etc/a"),
        "{list}"
    );
    assert!(!String::from_utf8(image.journal()).unwrap().contains("hunter2"));
    let list = records(&image.run(&["undo", "--list", "--json"]).expect(0).stdout);
    assert_eq!(list[0]["args"][2], json!("apply"), "{list:?}");
}

#[test]
fn values_that_no_reader_takes_are_refused_before_the_first_change() {
    let image = Image::with(FIXTURE, &[("etc/a", "x\n"), ("etc/b", "x\n")]);
    let plan = |levels: usize| {
        let nested = format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
        format!(r#"[{{"write": "/etc/b", "text": "two\n"}}, {{"line": "/etc/a", "text": "own", "data": {nested}}}]"#)
    };
    for levels in [98, 99] {
        image.apply(&plan(levels)).expect(0);
        image.undo().expect(0);
    }
    for levels in [100, 101, 105, 115, 120] {
        let says = "edge-fixture: cannot change /etc/a: a value in it is nested more than 100 levels deep, too deep for the journal";
        image.apply(&plan(levels)).says(4, says);
        assert_eq!((image.tree.read("etc/a"), image.tree.read("etc/b")), ("x\n".into(), "x\n".into()));
    }
    assert_eq!(image.undo().expect(0).stdout, "nothing to undo\n");
}

#[test]
fn runs_that_are_not_finished_are_never_pruned() {
    let image = Image::with(FIXTURE, &[("etc/a", "one\n"), ("etc/b", "one\n")]);
    image.apply(r#"[{"write": "/etc/a", "text": "two\n"}, {"write": "/etc/b", "text": "two\n"}]"#).expect(0);
    // Only one of them can be undone now.
    image.tree.write("etc/a", "foreign\n");
    image.undo().expect(4);
    for run in 2..=45 {
        image.apply(&format!(r#"[{{"write": "/etc/c", "text": "{run}\n"}}]"#)).expect(0);
    }
    let count = fs::read_dir(image.tree.at("var/lib/edgeutils/journal")).unwrap().count();
    assert_eq!(count, 20 + 1 + 1, "twenty closed runs, the one that is not, and first.jsonl");
    image.tree.write("etc/a", "two\n");
    image.run(&["undo", "--id", "1"]).expect(0);
    assert_eq!((image.tree.read("etc/a"), image.tree.read("etc/b")), ("one\n".into(), "one\n".into()));
}

#[test]
fn tree_has_one_lock_however_it_is_named() {
    if !can_unshare() {
        return skip("host_undo lock", "no mount namespace can be made here");
    }
    transcript(
        FIXTURE,
        r#"
        plan '[{"write": "/mnt/conf", "text": "one\n"}, {"run": ["sh", "-c", "touch /mnt/reached; while [ ! -e /mnt/gate ]; do sleep 0.05; done"]}]'
        mkdir -p /mnt/bound; mount --bind / /mnt/bound; mount --bind /var /mnt/bound/var
        apply > /mnt/printed & first=$!
        while [ ! -e /mnt/reached ]; do sleep 0.05; done
        for root in / /mnt/.. /mnt/bound /proc/self/root; do
            { edge --root $root --lock-wait 0 undo; } 2>&1 | sed 's/pid [0-9]*/pid N/'
        done
        touch /mnt/gate; wait $first
        cat /mnt/printed /mnt/conf
        "#,
        &format!(
            "{}wrote /mnt/conf: for the test  [undo: exact]
            ran sh -c touch /mnt/reached; while [ ! -e /mnt/gate ]; do sleep 0.05; done: a command  [undo: none]
            2 changes
            exit 0
            one",
            "edge-fixture: cannot get the lock: held by edge-fixture (pid N), waited 0 s
            hint: run again when it has ended, or wait longer with --lock-wait SECONDS
            exit 1\n"
                .repeat(4)
        ),
    );
}
