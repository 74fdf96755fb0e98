//! Nothing outside DIR is read or written, whatever links the image contains and however they change.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use edgeutils_tests::image::Image;
use edgeutils_tests::tree::{Tree, assert_same};
use edgeutils_tests::{kill, skip};
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};

const FIXTURE: &str = env!("CARGO_BIN_EXE_edge-fixture");

/// What is read at `path`, DIR for the image.
fn read(image: &Image, path: &str) -> String {
    let printed = image.run(&["read", path]).expect(0).stdout;
    let value: serde_json::Value = serde_json::from_str(&printed).unwrap();
    value["text"].as_str().unwrap().to_owned()
}

#[test]
fn links_are_followed_as_in_a_chroot() {
    let image = Image::with(FIXTURE, &[("etc/real", "inside"), ("a/b/c/file", "deep"), ("etc/passwd", "the image's")]);
    for (link, target) in [
        ("etc/absolute", "/etc/real"),
        ("etc/relative", "../etc/./real"),
        ("etc/upwards", "../../../../../../../etc/passwd"),
        ("etc/absolute-upwards", "/../../../etc/passwd"),
        ("short", "a/b/../b/c"),
        ("etc/chain", "absolute"),
        ("etc/loop-a", "loop-b"),
        ("etc/loop-b", "/etc/loop-a"),
        ("etc/self", "self"),
        ("etc/dangling", "/nowhere/file"),
        ("etc/slash", "real/"),
        ("etc/dir-slash", "/a/b/"),
        ("top", "/"),
    ] {
        image.tree.link(link, target);
    }
    let loops = "error: cannot read DIR/etc/loop-a: Too many levels of symbolic links (os error 40)";
    for (path, want) in [
        ("/etc/absolute", "inside"),
        ("/etc/relative", "inside"),
        ("/etc/upwards", "the image's"),
        ("/etc/absolute-upwards", "the image's"),
        ("/../../etc/passwd", "the image's"),
        ("/short/file", "deep"),
        ("/short/../c/file", "deep"),
        ("/etc/chain", "inside"),
        ("/top/top/etc/chain", "inside"),
        ("/etc/loop-a", loops),
        ("/etc/dangling", "absent"),
        ("/etc/nothing", "absent"),
        ("/etc/nothing/below", "absent"),
        ("/etc/dir-slash/c/file", "deep"),
        ("//etc//real", "inside"),
        ("/etc/real/", "error: cannot read DIR/etc/real: Not a directory (os error 20)"),
        ("/etc/real/.", "error: cannot read DIR/etc/real: Not a directory (os error 20)"),
        ("/etc/slash", "error: cannot read DIR/etc/slash: Not a directory (os error 20)"),
        ("/etc/real/below", "error: cannot read DIR/etc/real/below: Not a directory (os error 20)"),
        ("/etc", "error: cannot read DIR/etc: it is a directory, not a file"),
        ("/", "error: cannot read DIR/: it is a directory, not a file"),
        ("/etc/..", "error: cannot read DIR/etc/..: it is a directory, not a file"),
    ] {
        assert_eq!(read(&image, path), want, "{path}");
    }
    assert!(read(&image, "/etc/self").contains("Too many levels"));
}

#[test]
fn writes_through_links_end_inside_and_links_stay_links() {
    let outside = Tree::with(&[("passwd", "sentinel\n")]);
    let image = Image::with(FIXTURE, &[("data/fstab", "one\n")]);
    image.tree.link("etc/fstab", "/data/fstab");
    image.tree.link("etc/out", outside.at("passwd").to_str().unwrap());
    image.tree.link("etc/up", &format!("../../../../../../..{}", outside.at("new").display()));
    let before = (image.tree.snapshot(), outside.snapshot());
    let plan = r#"[{"write": "/etc/fstab", "text": "two\n"}, {"write": "/etc/out", "text": "three\n"},
                   {"write": "/etc/up", "text": "four\n"}]"#;
    image.apply(plan).says(0, "");
    assert_eq!(image.tree.read("data/fstab"), "two\n");
    assert!(image.tree.at("etc/fstab").is_symlink());
    // A link out of the image means the same path inside of it.
    assert_eq!(image.tree.read(outside.at("passwd").to_str().unwrap()), "three\n");
    assert_eq!(image.tree.read(outside.at("new").to_str().unwrap()), "four\n");
    assert_same(&outside.snapshot(), &before.1, "outside");
    image.undo().says(0, "");
    assert_same(&image.tree.snapshot(), &before.0, "after the undo");
}

#[test]
fn live_directories_of_an_image_are_never_read() {
    let image = Image::with(FIXTURE, &[("proc/version", "x"), ("sys/x", "x"), ("run/x", "x"), ("dev/x", "x")]);
    image.tree.link("var/run", "/run");
    image.tree.link("var/up", "../run/x");
    image.tree.link("self", "/");
    for path in ["/proc/version", "/sys/x", "/run/x", "/dev/x", "/var/run/x", "/var/up", "/self/dev/../proc/version"] {
        let want = format!("error: cannot read DIR{path}: the running system is not available under --root");
        assert_eq!(read(&image, path), want);
    }
    assert_eq!(read(&image, "/etc/run/x"), "absent");
    let before = image.tree.snapshot();
    for plan in [r#"[{"write": "/var/run/new", "text": "x"}]"#, r#"[{"remove": "/run/x"}]"#] {
        let ran = image.apply(plan).expect(1);
        assert!(
            ran.stderr.contains(": the running system is not available under --root\nhint: /proc, /sys, /run and /dev"),
            "{}",
            ran.stderr
        );
    }
    assert_same(&image.tree.snapshot(), &before, "nothing live is touched");
}

#[test]
fn obstacles_are_named_and_a_pipe_does_not_hang() {
    let image = Image::with(FIXTURE, &[("etc/file", "one\n")]);
    fs::create_dir(image.tree.at("etc/dir")).unwrap();
    nix::unistd::mkfifo(&image.tree.at("etc/pipe"), nix::sys::stat::Mode::from_bits_truncate(0o644)).unwrap();
    assert_eq!(
        read(&image, "/etc/pipe"),
        "error: cannot read DIR/etc/pipe: it is a device, socket or pipe, not a file"
    );
    let before = image.tree.snapshot_without(&["etc/pipe"]);
    for (plan, code, says) in [
        (
            r#"[{"write": "/etc/pipe", "text": "x"}]"#,
            1,
            "edge-fixture: cannot write DIR/etc/pipe: it is a device, socket or pipe",
        ),
        (r#"[{"write": "/etc/dir", "text": "x"}]"#, 1, "edge-fixture: cannot write DIR/etc/dir: it is a directory"),
        (r#"[{"link": "/etc/dir", "target": "x"}]"#, 1, "edge-fixture: cannot write DIR/etc/dir: it is a directory"),
        (
            r#"[{"write": "/etc/file/below", "text": "x"}]"#,
            1,
            "edge-fixture: cannot read DIR/etc/file/below: Not a directory (os error 20)",
        ),
        (
            r#"[{"write": [47, 101, 116, 99, 47, 255, 47, 120], "text": "x"}]"#,
            4,
            "edge-fixture: cannot change DIR/etc/\u{fffd}: its name is not UTF-8 and cannot be recorded",
        ),
    ] {
        image.apply(plan).says(code, says);
        assert_same(&image.tree.snapshot_without(&["etc/pipe"]), &before, plan);
    }
}

#[test]
fn names_of_255_bytes_are_written_and_longer_ones_refused() {
    let image = Image::with(FIXTURE, &[]);
    let before = image.tree.snapshot();
    // Two-byte letters, so that no cut in the middle of one would go unseen.
    let longest = format!("{}x", "é".repeat(127));
    image.apply(&format!(r#"[{{"write": "/etc/{longest}/{longest}", "text": "x"}}]"#)).says(0, "");
    assert_eq!(image.tree.read(&format!("etc/{longest}/{longest}")), "x");
    image.undo().says(0, "");
    let key = "k".repeat(252);
    let ran = image.apply(&format!(r#"[{{"write": "/etc/{longest}y", "text": "x"}}]"#)).expect(1);
    assert!(ran.stderr.contains("File name too long"), "{}", ran.stderr);
    // NAME.old must fit as well.
    image.tree.write(&format!("etc/{key}"), "old");
    let ran = image.apply(&format!(r#"[{{"key": "/etc/{key}", "text": "x"}}]"#)).expect(1);
    assert!(ran.stderr.contains("File name too long"), "{}", ran.stderr);
    assert_eq!(image.tree.read(&format!("etc/{key}")), "old");
    fs::remove_dir_all(image.tree.at("etc")).unwrap();
    assert_same(&image.tree.snapshot(), &before, "nothing is left");
}

/// Swaps a directory with a link that leads out of the image, as fast as it goes, while `work` is done.
fn while_swapped(image: &Image, outside: &Path, work: impl FnOnce()) {
    let (dir, link) = (image.tree.at("etc/dir"), image.tree.at("etc/link"));
    symlink(outside, &link).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // Bounded, so that a failure in `work` is reported and not waited for.
            for _ in 0..50_000_000 {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                renameat2(AT_FDCWD, &dir, AT_FDCWD, &link, RenameFlags::RENAME_EXCHANGE).unwrap();
            }
        });
        work();
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn directory_replaced_by_a_link_is_not_followed() {
    let outside = Tree::with(&[("file", "OUTSIDE"), ("old", "OUTSIDE")]);
    let before = outside.snapshot();
    let image = Image::with(FIXTURE, &[("etc/dir/file", "inside"), ("etc/dir/old", "inside")]);
    let mut read = String::new();
    let (mut done, mut not) = (0, 0);
    while_swapped(&image, outside.path(), || {
        read = image.run(&["read", "--times", "5000", "/etc/dir/file"]).expect(0).stdout;
        for n in 0..40 {
            let plan = format!(
                r#"[{{"write": "/etc/dir/file", "text": "inside {n}"}}, {{"write": "/etc/dir/new/{n}", "text": "x"}},
                    {{"remove": "/etc/dir/old"}}]"#
            );
            for ran in [image.apply(&plan), image.undo()] {
                assert!(!ran.stderr.contains("internal error"), "{}", ran.stderr);
                if ran.code == 0 { done += 1 } else { not += 1 }
            }
        }
    });
    assert_same(&outside.snapshot(), &before, "outside");
    assert!(read.contains("inside") && !read.contains("OUTSIDE"), "{read}");
    // Both have been seen, so the swaps did meet the work.
    assert!(done > 0 && not > 0, "{done} done, {not} not");
}

#[test]
fn kernel_5_4_is_enough() {
    if !kill::can_kill() {
        return skip("host_root kernel 5.4", "strace cannot trace here");
    }
    let image = Image::with(FIXTURE, &[("etc/a", "one\n"), ("etc/key", "old"), ("etc/linked", "one\n")]);
    fs::hard_link(image.tree.at("etc/linked"), image.tree.at("etc/linked-too")).unwrap();
    let before = image.tree.snapshot();
    image.plan(
        "plan.json",
        r#"[{"write": "/etc/a", "text": "x"}, {"write": "/etc/b/c", "text": "x"}, {"key": "/etc/key", "text": "x"},
            {"write": "/etc/linked", "text": "x"}, {"link": "/etc/l", "target": "x"}, {"remove": "/etc/a.old"}]"#,
    );
    let apply = image.argv(&["apply", "--plan", "PLANS/plan.json"]);
    let undo = image.argv(&["undo"]);
    // Everything that came after 5.4, or fails as it does there.
    let newer = "openat2,close_range,faccessat2,mount_setattr,fchmodat2,pidfd_getfd,epoll_pwait2,clone3,cachestat";
    let known = newer.split(',').map(|name| format!("?{name}")).collect::<Vec<_>>().join(",");
    for argv in [&apply, &undo] {
        let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
        kill::tampered(&format!("inject={known}:error=ENOSYS"), &argv).expect(0);
    }
    assert_same(&image.tree.snapshot(), &before, "after the undo");
    for argv in [&apply, &undo] {
        let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
        let names = kill::names(&argv);
        assert!(names.contains("openat") && names.contains("renameat"), "{names:?}");
        // Without these two, others were called above.
        for name in newer.split(',').filter(|name| !["clone3", "openat2"].contains(name)) {
            assert!(!names.contains(name), "{name} is called");
        }
    }
}
