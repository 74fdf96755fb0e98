//! Unusual hosts and callers: obstacles, other users, umasks, changes by others.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::process::Command;

use edgeutils_tests::standin::{ARM64, Archive, bundle};
use edgeutils_tests::tool::{Ran, Tool};
use edgeutils_tests::tree::{Tree, assert_same};
use edgeutils_tests::{is_root, live, skip};
use tempfile::TempDir;

const PROGRAM: &[u8] = ARM64;

struct Site {
    tree: Tree,
    dir: TempDir,
    archive: PathBuf,
    sum: String,
}

fn site() -> Site {
    let tree = Tree::with(&[("etc/os-release", "ID=debian\nVERSION_ID=12\n")]);
    tree.write("usr/bin/env", PROGRAM);
    let dir = tempfile::tempdir().unwrap();
    let (archive, sum) = bundle(dir.path(), "1.30.4", "arm64", PROGRAM);
    Site { tree, dir, archive, sum }
}

impl Site {
    fn install<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        let archive = self.archive.to_str().unwrap();
        [&["install", "--version", "1.30.4", "--archive", archive, "--sha256", &self.sum][..], more].concat()
    }

    fn run(&self, args: &[&str]) -> Ran {
        Tool::new("edge-crio").arg("--root").arg(self.tree.path()).args(args).run()
    }

    /// Runs a shell command, in which "$@" is the call.
    fn by_shell(&self, line: &str, args: &[&str]) -> Ran {
        let mut command = Command::new("sh");
        command
            .args(["-uc", line, "sh"])
            .args(Tool::new("edge-crio").words())
            .arg("--root")
            .arg(self.tree.path())
            .args(args);
        Ran::of(&command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").output().unwrap())
    }
}

#[test]
fn obstacles_are_reported_before_any_change() {
    type Make = fn(&Tree);
    let cases: [(Make, &str); 6] = [
        (
            |tree| tree.link("usr/local", "/disk"),
            "/usr/local is a dangling symbolic link\nhint: mount the target of the link",
        ),
        (|tree| tree.write("usr/local/bin", "x"), "/usr/local/bin is a file\nhint: "),
        (
            |tree| fs::create_dir_all(tree.at("usr/local/bin/crio")).unwrap(),
            "crio already exists and is a directory\nhint: ",
        ),
        (
            |tree| fs::create_dir_all(tree.at("etc/crio/crio.conf.d/20-edgeutils.conf")).unwrap(),
            "cannot write /etc/crio/crio.conf.d/20-edgeutils.conf: it is a directory\nhint: move it away",
        ),
        (
            |tree| tree.write("etc/crio/crio.conf.d/20-edgeutils.conf", "[crio"),
            "cannot edit /etc/crio/crio.conf.d/20-edgeutils.conf: line 1 is not valid TOML",
        ),
        (
            |tree| tree.write("etc/crio/crio.conf.d/20-edgeutils.conf", b"\xff\xfe"),
            "20-edgeutils.conf: it is not UTF-8 text\nhint: repair it",
        ),
    ];
    for (make, said) in cases {
        let site = site();
        make(&site.tree);
        let before = site.tree.snapshot();
        for more in [&["-n"][..], &[]] {
            let ran = site.run(&site.install(more)).expect(4);
            assert!(ran.stderr.contains(said), "{said}: {}", ran.stderr);
        }
        assert_same(&site.tree.snapshot(), &before, said);
    }
}

#[test]
fn modes_come_from_neither_the_callers_umask_nor_the_archive() {
    for mask in ["077", "000", "777"] {
        let site = site();
        // Set-user-ID, and writable by all.
        let odd = Archive::at(&site.archive)
            .file("cri-o/bin/crio", 0o6777, PROGRAM)
            .file("cri-o/bin/conmon", 0o4755, b"x")
            .file("cri-o/etc/10-crio.conf", 0o666, b"[crio]\n");
        let site = Site { sum: odd.finish(), ..site };
        site.by_shell(&format!("umask {mask}; exec \"$@\""), &site.install(&["--cgroup-driver", "cgroupfs"])).expect(0);
        for (path, mode) in [
            ("usr/local/bin", 0o755),
            ("usr/local/bin/crio", 0o755),
            ("usr/local/bin/conmon", 0o755),
            ("etc/crio/crio.conf.d", 0o755),
            ("etc/crio/crio.conf.d/10-crio.conf", 0o644),
            ("etc/crio/crio.conf.d/20-edgeutils.conf", 0o644),
        ] {
            let meta = fs::metadata(site.tree.at(path)).unwrap();
            assert_eq!(format!("{:o}", meta.mode() & 0o7777), format!("{mode:o}"), "{mask} {path}");
        }
    }
}

#[test]
fn user_without_rights_gets_a_hint() {
    if !is_root() {
        return skip("crio_odd another user", "another user's rights need root");
    }
    let site = site();
    for path in [site.tree.path(), site.dir.path()] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let nobody = |root: bool, args: &[&str]| {
        let tool = Tool::of_nobody("edge-crio", site.dir.path());
        let tool = if root { tool.arg("--root").arg(site.tree.path()) } else { tool };
        tool.args(args).run()
    };
    let before = site.tree.snapshot();
    let ran = nobody(true, &site.install(&[])).expect(1);
    assert!(ran.stderr.contains("Permission denied (os error 13)\nhint: run it as root (sudo)"), "{}", ran.stderr);
    nobody(true, &site.install(&["-n"])).expect(3);
    assert_same(&site.tree.snapshot(), &before, "nobody");
    for args in [&["remove"][..], &["undo"], &["install", "--version", "1.34.2", "--source", "bundle"]] {
        let ran = nobody(false, args).expect(1);
        assert!(ran.stderr.starts_with("edge-crio: cannot ") && ran.stderr.contains("\nhint: "), "{}", ran.stderr);
    }
    site.run(&site.install(&[])).expect(0);
    // Everyone may read the manifest, as check changes nothing.
    let ran = nobody(true, &["check"]).expect(0);
    assert!(ran.stdout.starts_with("CRI-O 1.30.4 from a bundle"), "{}", ran.stdout);
}

#[test]
fn read_only_directory_is_reported_and_the_next_run_resumes() {
    if !live::can_unshare() {
        return skip("crio_odd read-only", "no namespaces can be made");
    }
    let site = site();
    fs::create_dir_all(site.tree.at("usr/local/bin")).unwrap();
    let before = site.tree.snapshot();
    let bin = site.tree.at("usr/local/bin").display().to_string();
    let line = format!(
        "exec unshare -m --propagation private sh -c 'mount --bind {bin} {bin} && mount -o remount,ro,bind {bin} && exec \"$@\"' sh \"$@\""
    );
    let ran = site.by_shell(&line, &site.install(&[])).expect(1);
    assert!(ran.stderr.contains("Read-only file system (os error 30)\nhint: "), "{}", ran.stderr);
    site.run(&site.install(&[])).expect(0);
    assert_eq!(site.run(&site.install(&[])).expect(0).stdout, "already up to date\n");
    site.run(&["remove"]).expect(0);
    site.run(&["undo"]).expect(0);
    assert!(site.tree.at("usr/local/bin/crio").exists());
    while site.run(&["undo"]).expect(0).stdout != "nothing to undo\n" {}
    assert_same(&site.tree.snapshot(), &before, "all undone");
}

#[test]
fn undo_leaves_what_someone_changed_since() {
    let site = site();
    site.run(&site.install(&["--cgroup-driver", "cgroupfs"])).expect(0);
    let own = "etc/crio/crio.conf.d/20-edgeutils.conf";
    site.tree.write("usr/local/bin/pinns", "someone's newer one");
    site.tree.write("etc/crio/crio.conf.d/50-site.conf", "[crio]\n");
    fs::remove_file(site.tree.at("usr/libexec/crio/conmon")).unwrap();
    let last = site.run(&["undo"]).expect(4);
    assert!(last.stderr.contains("usr/local/bin/pinns: it was changed after the run"), "{}", last.stderr);
    assert_eq!(site.tree.read("usr/local/bin/pinns"), "someone's newer one");
    assert!(!site.tree.at("usr/local/bin/crio").exists() && !site.tree.at(own).exists());
    assert_eq!(site.tree.read("etc/crio/crio.conf.d/50-site.conf"), "[crio]\n");
}
