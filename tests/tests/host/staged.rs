//! Writes that belong together: if one of them cannot be made, none is made.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::process::Command;

use edgeutils_tests::image::Image;
use edgeutils_tests::tool::Ran;
use edgeutils_tests::tree::assert_same;
use edgeutils_tests::{is_root, kill, skip};

const FIXTURE: &str = env!("CARGO_BIN_EXE_edge-fixture");
const PAIR: &str = r#"[
  {"key": "/etc/new/deep/key", "text": "new key", "with next": true},
  {"key": "/etc/key", "text": "new key", "with next": true},
  {"link": "/etc/link", "target": "new", "with next": true},
  {"write": "/etc/hard", "text": "new, in place\n", "with next": true},
  {"write": "/etc/certificate", "text": "new certificate"}
]"#;

fn start() -> Image {
    let files = [
        ("etc/key", "old key"),
        ("etc/key.old", "the key before"),
        ("etc/hard", "old\n"),
        ("etc/certificate", "old certificate"),
        ("var/lib/edgeutils/here", ""),
    ];
    let image = Image::with(FIXTURE, &files);
    std::fs::hard_link(image.tree.at("etc/hard"), image.tree.at("etc/hard-too")).unwrap();
    image.tree.link("etc/link", "old");
    image.plan("plan.json", PAIR);
    image
}

/// Nothing at all was changed, and once the obstacle is gone the same call completes.
#[track_caller]
fn nothing_then_all(ran: &Ran, image: &Image, before: &edgeutils_tests::tree::Snapshot, clear: impl FnOnce()) {
    assert_eq!(ran.code, 1, "{}{}", ran.stdout, ran.stderr);
    assert!(!ran.stdout.contains("written") && !ran.stdout.contains("linked"), "{}", ran.stdout);
    assert_same(&image.tree.snapshot(), before, "after the failure");
    clear();
    image.run(&["apply", "--plan", "PLANS/plan.json"]).says(0, "");
    assert_eq!(image.tree.read("etc/key.old"), "old key");
    assert_eq!(image.tree.read("etc/certificate"), "new certificate");
    assert_eq!(image.tree.read("etc/hard-too"), "new, in place\n");
    image.undo().says(0, "");
    let mut want = before.clone();
    want.retain(|path, _| !path.ends_with("key.old"));
    assert_same(&image.tree.snapshot(), &want, "after the undo");
}

#[test]
fn failed_write_of_a_staged_group_changes_nothing() {
    if !kill::can_kill() {
        return skip("host_staged fails", "strace cannot trace here");
    }
    let image = start();
    let argv = image.argv(&["apply", "--plan", "PLANS/plan.json"]);
    let calls = kill::calls(&argv.iter().map(String::as_str).collect::<Vec<_>>());
    let mut failed = Vec::new();
    // Both are made while staging only.
    for call in calls.iter().filter(|call| ["fchmod", "symlinkat"].contains(&call.name())) {
        let image = start();
        let before = image.tree.snapshot();
        let argv = image.argv(&["apply", "--plan", "PLANS/plan.json"]);
        let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
        let ran = image.named(&kill::tampered(&call.failing("ENOSPC"), &argv));
        if ran.stderr.starts_with("edge-fixture: cannot write the journal") {
            // All is done, and its run could not be closed: the same call has only that left to do.
            assert_eq!((ran.code, image.tree.read("etc/certificate").as_str()), (1, "new certificate"));
            image.run(&["apply", "--plan", "PLANS/plan.json"]).says(0, "");
            continue;
        }
        if let Some((_, rest)) = ran.stderr.split_once("cannot write DIR/etc/") {
            failed.push(rest.split(':').next().unwrap().to_owned());
            assert!(rest.contains(": No space left on device (os error 28)\n"), "{}", ran.stderr);
        }
        nothing_then_all(&ran, &image, &before, || {});
    }
    failed.dedup();
    assert_eq!(failed, ["new/deep/key", "key", "link", "certificate"]);
}

#[test]
fn immutable_file_is_detected_before_the_first_rename() {
    if !is_root() {
        return skip("host_staged immutable", "chattr needs root");
    }
    let image = start();
    let before = image.tree.snapshot();
    let chattr = |flag: &str| Command::new("chattr").arg(flag).arg(image.tree.at("etc/certificate")).output();
    if !chattr("+i").is_ok_and(|output| output.status.success()) {
        return skip("host_staged immutable", "chattr +i does not work here");
    }
    let ran = image.run(&["apply", "--plan", "PLANS/plan.json"]);
    let cleared = || assert!(chattr("-i").unwrap().status.success());
    let says = "edge-fixture: cannot write DIR/etc/certificate: Operation not permitted (os error 1)\n\
                hint: make it changeable (chattr -i DIR/etc/certificate), then run the command again\n";
    if ran.stderr != says {
        cleared();
    }
    assert_eq!(ran.stderr, says);
    nothing_then_all(&ran, &image, &before, cleared);
}

#[test]
fn staged_group_is_refused_if_one_file_changed_meanwhile() {
    let image = start();
    image.plan(
        "plan.json",
        r#"[{"write": "/etc/certificate", "text": "new certificate", "with next": true},
            {"key": "/etc/key", "text": "new key", "reached": "PLANS/reached", "gate": "PLANS/gate"}]"#,
    );
    let mut child = image.command(&["apply", "--plan", "PLANS/plan.json"]).spawn().unwrap();
    for _ in 0..4000 {
        if image.beside("reached").exists() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    image.tree.write("etc/certificate", "someone else's");
    let before = image.tree.snapshot_without(&["etc/.certificate.edgeutils-new"]);
    std::fs::write(image.beside("gate"), "").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(4));
    assert_same(&image.tree.snapshot(), &before, "after the refusal");
    let undone = image.undo();
    assert!(undone.code == 0 && undone.stdout == "nothing to undo\n", "{}{}", undone.stdout, undone.stderr);
    assert_same(&image.tree.snapshot(), &before, "after the undo");
}
