//! Bundles in an image: installed, upgraded, removed, restored by undo; and invalid archives.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;

use edgeutils_tests::standin::{AMD64, ARM64, Archive, bundle};
use edgeutils_tests::tool::{Ran, Tool};
use edgeutils_tests::tree::{Tree, assert_same};
use tar::EntryType;

/// The header of a program for 64-bit ARM, followed by a text.
pub(crate) fn program(rest: &str) -> Vec<u8> {
    [ARM64, rest.as_bytes()].concat()
}

pub(crate) fn system() -> Tree {
    let tree =
        Tree::with(&[("etc/os-release", "ID=debian\nVERSION_ID=12\nPRETTY_NAME=Debian\n"), ("usr/bin/apt-get", "")]);
    tree.write("usr/bin/dpkg", program(""));
    for dir in ["usr/local/bin", "usr/local/lib", "usr/local/share", "etc/systemd/system", "opt", "usr/libexec"] {
        std::fs::create_dir_all(tree.at(dir)).unwrap();
    }
    tree
}

pub(crate) fn run(tree: &Tree, args: &[&str]) -> Ran {
    Tool::new("edge-crio").arg("--root").arg(tree.path()).args(args).run()
}

pub(crate) fn install(tree: &Tree, version: &str, archive: &Path, sum: &str, more: &[&str]) -> Ran {
    let archive = archive.to_str().unwrap();
    run(tree, &[&["install", "--version", version, "--archive", archive, "--sha256", sum], more].concat())
}

#[test]
fn bundle_is_installed_removed_and_both_are_undone() {
    let (tree, dir) = (system(), tempfile::tempdir().unwrap());
    let (archive, sum) = bundle(dir.path(), "1.30.4", "arm64", &program("one"));
    let before = tree.snapshot();

    let planned = install(&tree, "1.30", &archive, &sum, &["-n"]).expect(3);
    assert!(planned.stdout.contains("would write /usr/local/bin/crio: CRI-O 1.30.4"), "{}", planned.stdout);
    assert_same(&tree.snapshot(), &before, "a dry run");

    install(&tree, "1.30", &archive, &sum, &["--cgroup-driver", "cgroupfs"]).expect(0);
    let unit = tree.read("usr/local/lib/systemd/system/crio.service");
    assert!(unit.contains("EnvironmentFile=-/etc/default/crio\n"), "{unit}");
    assert_eq!(
        std::fs::read_link(tree.at("etc/systemd/system/multi-user.target.wants/crio.service")).unwrap(),
        Path::new("/usr/local/lib/systemd/system/crio.service")
    );
    assert!(tree.read("etc/crio/crio.conf.d/20-edgeutils.conf").contains("conmon_cgroup = \"pod\""));
    assert_eq!(tree.read("usr/libexec/crio/conmon"), "of 1.30.4\n");
    for left_out in
        ["usr/local/bin/install", "edgeutils-install-was-run", "etc/cni/net.d", "var/lib/edgeutils/edge-crio"]
    {
        assert!(!tree.at(left_out).exists(), "{left_out}");
    }
    let ran = install(&tree, "1.30", &archive, &sum, &["--cgroup-driver", "cgroupfs"]).expect(0);
    assert_eq!(ran.stdout, "already up to date\n");
    // The archive is not even read for that.
    std::fs::rename(&archive, dir.path().join("away")).unwrap();
    install(&tree, "1.30", &archive, &sum, &[]).expect(0);
    std::fs::rename(dir.path().join("away"), &archive).unwrap();

    assert_eq!(
        run(&tree, &["settings"]).expect(0).stdout,
        "socket=unix:///var/run/crio/crio.sock\ncgroupDriver=cgroupfs\n"
    );
    let installed = tree.snapshot();
    run(&tree, &["remove"]).expect(0);
    for gone in ["usr/local/bin/crio", "etc/crio", "usr/libexec/crio", "usr/local/lib/systemd/system/crio.service"] {
        assert!(!tree.at(gone).exists(), "{gone}");
    }
    run(&tree, &["settings"]).expect(1);
    run(&tree, &["undo"]).expect(0);
    assert_same(&tree.snapshot(), &installed, "an undo of a removal");
    run(&tree, &["undo"]).expect(0);
    assert_same(&tree.snapshot(), &before, "an undo of the install");
}

#[test]
fn newer_bundle_replaces_the_older_one_and_undo_restores_it() {
    let (tree, dir) = (system(), tempfile::tempdir().unwrap());
    let (old, old_sum) = bundle(dir.path(), "1.30.4", "arm64", &program("one"));
    let (new, new_sum) = bundle(dir.path(), "1.30.5", "arm64", &program("two"));
    install(&tree, "1.30.4", &old, &old_sum, &[]).expect(0);
    // Files that the administrator has changed are kept.
    tree.write("etc/default/crio", "CRIO_CONFIG_OPTIONS=--log-level=debug\n");
    let before = tree.snapshot();
    let ran = install(&tree, "1.30.5", &new, &new_sum, &[]).expect(0);
    assert!(
        ran.stderr.contains("kept, as they were changed or installed by someone else: /etc/default/crio"),
        "{}",
        ran.stderr
    );
    assert_eq!(tree.read("usr/local/bin/pinns"), "of 1.30.5\n");
    assert_eq!(tree.read("etc/default/crio"), "CRIO_CONFIG_OPTIONS=--log-level=debug\n");
    run(&tree, &["undo"]).expect(0);
    assert_same(&tree.snapshot(), &before, "an undo of an upgrade");
    // A damaged file is reported by check and repaired by install.
    tree.write("usr/libexec/crio/conmon", "broken");
    let ran = run(&tree, &["check"]).expect(3);
    assert!(
        ran.stdout.contains("/usr/libexec/crio/conmon: error: the file differs from that of the bundle"),
        "{}",
        ran.stdout
    );
    install(&tree, "1.30.4", &old, &old_sum, &[]).expect(0);
    assert_eq!(tree.read("usr/libexec/crio/conmon"), "of 1.30.4\n");
}

#[test]
fn install_repairs_the_rights_of_a_program_and_undo_restores_them() {
    if !edgeutils_tests::is_root() {
        return edgeutils_tests::skip("crio_bundle rights", "another owner needs root");
    }
    let (tree, dir) = (system(), tempfile::tempdir().unwrap());
    let (archive, sum) = bundle(dir.path(), "1.30.4", "arm64", &program("one"));
    install(&tree, "1.30.4", &archive, &sum, &[]).expect(0);
    let installed = tree.snapshot();
    let conmon = tree.at("usr/libexec/crio/conmon");
    for (mode, owner) in [(0o4755, 0), (0o755, 1000), (0o750, 0)] {
        std::os::unix::fs::chown(&conmon, Some(owner), Some(owner)).unwrap();
        std::fs::set_permissions(&conmon, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
        let before = tree.snapshot();
        install(&tree, "1.30.4", &archive, &sum, &[]).expect(0);
        assert_same(&tree.snapshot(), &installed, &format!("{mode:o} {owner}"));
        run(&tree, &["undo"]).expect(0);
        assert_same(&tree.snapshot(), &before, &format!("{mode:o} {owner}, undone"));
    }
}

#[test]
fn install_repairs_what_check_reports() {
    let (tree, dir) = (system(), tempfile::tempdir().unwrap());
    let (archive, sum) = bundle(dir.path(), "1.30.4", "arm64", &program("one"));
    install(&tree, "1.30.4", &archive, &sum, &[]).expect(0);
    let conmon = "usr/libexec/crio/conmon";
    let whole = tree.read(conmon);
    let mode = |mode| std::os::unix::fs::PermissionsExt::from_mode(mode);
    let damages: [(&str, &dyn Fn()); 3] = [
        // Of the same length.
        ("the file differs from that of the bundle", &|| {
            std::fs::write(tree.at(conmon), "x".repeat(whole.len())).unwrap();
        }),
        ("the file is not executable", &|| std::fs::set_permissions(tree.at(conmon), mode(0o644)).unwrap()),
        ("the file does not exist", &|| std::fs::remove_file(tree.at(conmon)).unwrap()),
    ];
    for (said, damage) in damages {
        damage();
        let ran = run(&tree, &["check"]).expect(3);
        let want = format!(
            "/{conmon}: error: {said}\n    hint: install the same version again: edge-crio --root {} install --version 1.30.4\n",
            tree.path().display()
        );
        assert!(ran.stdout.contains(&want), "{said}: {}", ran.stdout);
        install(&tree, "1.30.4", &archive, &sum, &[]).expect(0);
        assert!(!run(&tree, &["check"]).stdout.contains(conmon), "{said}");
        assert_eq!(tree.read(conmon), whole, "{said}");
    }
    // A file of someone else in its place is kept until it is moved away.
    std::fs::remove_file(tree.at(conmon)).unwrap();
    tree.link(conmon, "/usr/bin/conmon");
    let ran = run(&tree, &["check"]).expect(3);
    assert!(
        ran.stdout.contains("hint: move it away, then install the same version again: edge-crio --root"),
        "{}",
        ran.stdout
    );
    install(&tree, "1.30.4", &archive, &sum, &[]).expect(0);
    assert!(tree.at(conmon).is_symlink());
    std::fs::remove_file(tree.at(conmon)).unwrap();
    install(&tree, "1.30.4", &archive, &sum, &[]).expect(0);
    assert_eq!(tree.read(conmon), whole);
}

#[test]
fn install_does_not_overwrite_files_of_others() {
    let dir = tempfile::tempdir().unwrap();
    let (archive, sum) = bundle(dir.path(), "1.30.4", "arm64", &program("one"));
    let tree = system();
    tree.write("usr/local/bin/crio", "someone's");
    let before = tree.snapshot();
    let ran = install(&tree, "1.30.4", &archive, &sum, &[]).expect(4);
    assert!(
        ran.stderr.starts_with("edge-crio: cannot install the bundle: /usr/local/bin/crio already exists and is a file that edge-crio did not install"),
        "{}",
        ran.stderr
    );
    assert_same(&tree.snapshot(), &before, "a refusal");

    let tree = system();
    tree.write("opt/cni/bin/bridge", "someone's");
    let ran = install(&tree, "1.30.4", &archive, &sum, &[]).expect(0);
    assert!(ran.stderr.contains("installed by someone else: /opt/cni/bin/bridge"), "{}", ran.stderr);
    run(&tree, &["remove"]).expect(0);
    assert_eq!(tree.read("opt/cni/bin/bridge"), "someone's");

    let tree = system();
    tree.write(
        "var/lib/dpkg/status",
        "Package: cri-o\nStatus: install ok installed\nArchitecture: arm64\nVersion: 1.30.4-1.1\n\n",
    );
    let ran = install(&tree, "1.30.4", &archive, &sum, &[]).expect(4);
    assert!(ran.stderr.contains("the package cri-o 1.30.4-1.1 is installed"), "{}", ran.stderr);
}

#[test]
fn archive_must_match_its_checksum_name_and_architecture() {
    let (tree, dir) = (system(), tempfile::tempdir().unwrap());
    let before = tree.snapshot();
    let (archive, sum) = bundle(dir.path(), "1.30.4", "arm64", &program("one"));
    let other = "0".repeat(64);
    let cases: [(&str, &str, i32, &str); 4] = [
        ("1.30.4", &other, 4, "its SHA-256 is"),
        ("1.31.0", &sum, 2, "by its name it is 1.30.4"),
        ("1.30.9", &sum, 2, "by its name it is 1.30.4"),
        ("1.30.4", "", 4, "its SHA-256 is unknown"),
    ];
    for (version, sum, code, said) in cases {
        let path = archive.to_str().unwrap();
        let mut args = vec!["install", "--version", version, "--archive", path];
        if !sum.is_empty() {
            args.extend(["--sha256", sum]);
        }
        let ran = run(&tree, &args);
        assert!(ran.stderr.contains(said), "{}", ran.stderr);
        ran.expect(code);
    }
    let amd64 = Archive::at(&dir.path().join("x.tar.gz")).file("cri-o/bin/crio", 0o755, AMD64);
    let sum = amd64.finish();
    let ran = install(&tree, "1.30.4", &dir.path().join("x.tar.gz"), &sum, &[]).expect(4);
    assert!(ran.stderr.contains("it is for amd64, but this system is arm64"), "{}", ran.stderr);
    let ran = install(&tree, "1.30", &dir.path().join("x.tar.gz"), &sum, &[]).expect(2);
    assert!(ran.stderr.contains("specify the release"), "{}", ran.stderr);
    let ran = install(&tree, "1.30.4", &dir.path().join("none.tar.gz"), &sum, &[]).expect(1);
    assert!(ran.stderr.contains("none.tar.gz: it does not exist"), "{}", ran.stderr);
    // A release with a known checksum must match it.
    let (known, sum) = bundle(dir.path(), "1.34.2", "arm64", &program("one"));
    let ran = install(&tree, "1.34.2", &known, &sum, &[]).expect(4);
    assert!(ran.stderr.contains("its known SHA-256 is ac7530f7"), "{}", ran.stderr);
    std::fs::remove_dir_all(tree.at("var")).ok();
    assert_same(&tree.snapshot(), &before, "refusals");
}

#[test]
fn malicious_archive_writes_nothing() {
    let (tree, dir) = (system(), tempfile::tempdir().unwrap());
    let before = tree.snapshot();
    let path = dir.path().join("cri-o.arm64.v1.30.4.tar.gz");
    let far = format!("{}/escaped", dir.path().display());
    type Make = fn(&Path, &str) -> Archive;
    fn good(path: &Path) -> Archive {
        Archive::at(path).file("cri-o/bin/crio", 0o755, &program("x"))
    }
    let makes: [(&str, Make, i32); 12] = [
        ("..", |path, _| good(path).file("cri-o/../../escaped", 0o644, b"x"), 4),
        ("..", |path, _| good(path).file("../escaped", 0o644, b"x"), 4),
        ("absolute path", |path, far| good(path).file(far, 0o644, b"x"), 4),
        (" link", |path, _| good(path).entry("cri-o/bin/conmon", EntryType::Symlink, 0o777, b"", "/etc/shadow"), 4),
        (" link", |path, _| good(path).entry("cri-o/bin/conmon", EntryType::Link, 0o777, b"", "/etc/passwd"), 4),
        ("device or pipe", |path, _| good(path).entry("cri-o/bin/null", EntryType::Char, 0o666, b"", ""), 4),
        ("device or pipe", |path, _| good(path).entry("cri-o/bin/pipe", EntryType::Fifo, 0o666, b"", ""), 4),
        ("twice", |path, _| good(path).file("cri-o/bin/crio", 0o755, b"other"), 4),
        (
            "elsewhere/bin/x is outside of its top directory cri-o",
            |path, _| good(path).file("elsewhere/bin/x", 0o755, b"x"),
            4,
        ),
        (" link", |path, _| good(path).entry("cri-o/elsewhere", EntryType::Symlink, 0o777, b"", "/"), 4),
        ("it does not contain bin/crio", |path, _| Archive::at(path).file("cri-o/bin/conmon", 0o755, b"x"), 1),
        ("it does not contain bin/crio", |path, _| Archive::at(path), 1),
    ];
    for (said, make, code) in makes {
        let sum = make(&path, &far).finish();
        let ran = install(&tree, "1.30.4", &path, &sum, &[]);
        assert!(ran.stderr.contains(said), "{said}: {}", ran.stderr);
        assert!(ran.stderr.contains("\nhint: "), "{said}: {}", ran.stderr);
        ran.expect(code);
        assert!(!dir.path().join("escaped").exists() && !tree.at("escaped").exists());
        std::fs::remove_dir_all(tree.at("var")).ok();
        assert_same(&tree.snapshot(), &before, said);
    }
}

#[test]
fn damaged_or_huge_archive_is_refused() {
    let (tree, dir) = (system(), tempfile::tempdir().unwrap());
    let before = tree.snapshot();
    let (archive, _) = bundle(dir.path(), "1.30.4", "arm64", &program("one"));
    let whole = std::fs::read(&archive).unwrap();
    let damaged = |bytes: &[u8]| {
        std::fs::write(&archive, bytes).unwrap();
        let sum = edgeutils_tests::standin::sha256(&archive);
        let ran = install(&tree, "1.30.4", &archive, &sum, &[]);
        std::fs::remove_dir_all(tree.at("var")).ok();
        assert_same(&tree.snapshot(), &before, "a damaged archive");
        ran
    };
    let mut flipped = whole.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0x55;
    for bytes in [&whole[..whole.len() / 2], &flipped, b"not gzip at all", b""] {
        let ran = damaged(bytes).expect(1);
        assert!(ran.stderr.contains("cannot unpack"), "{}", ran.stderr);
    }
    // A header that promises three gigabytes.
    let big = Archive::at(&archive).file("cri-o/bin/crio", 0o755, &program("x")).promise("cri-o/bin/conmon", 3 << 30);
    let sum = big.finish();
    let ran = install(&tree, "1.30.4", &archive, &sum, &[]).expect(4);
    assert!(ran.stderr.contains("makes it larger than any bundle"), "{}", ran.stderr);
    // Names that fill the memory, an archive without an end, and too many directories.
    let (good, zeros) = (|| Archive::at(&archive).file("cri-o/bin/crio", 0o755, &program("x")), vec![0; 8 << 20]);
    let many = || (0..1100).fold(good(), |all, _| all.entry("./", EntryType::Directory, 0o755, b"", ""));
    let makes: [(&str, &dyn Fn() -> Archive, i32); 4] = [
        ("are too long", &|| good().entry("x", EntryType::GNULongName, 0o644, &vec![b'x'; 8 << 20], ""), 1),
        ("are too long", &|| good().entry("x", EntryType::XHeader, 0o644, &vec![b'x'; 8 << 20], ""), 1),
        ("are too long", &|| good().tail(&zeros), 1),
        ("entries of any bundle", &many, 4),
    ];
    for (said, make, code) in makes {
        let sum = make().finish();
        let ran = install(&tree, "1.30.4", &archive, &sum, &[]).expect(code);
        assert!(ran.stderr.contains(said) && ran.stderr.contains("\nhint: "), "{said}: {}", ran.stderr);
    }
}

#[test]
fn edited_manifest_removes_no_files_of_others() {
    const MANIFEST: &str = "var/lib/edgeutils/edge-crio.json";
    let (tree, dir) = (system(), tempfile::tempdir().unwrap());
    let (archive, sum) = bundle(dir.path(), "1.30.4", "arm64", &program("one"));
    install(&tree, "1.30.4", &archive, &sum, &[]).expect(0);
    tree.write("etc/passwd", "root:x:0:0::/root:/bin/sh\n");
    tree.write("usr/local/bin/other", "mine");
    let written: serde_json::Value = serde_json::from_str(&tree.read(MANIFEST)).unwrap();
    let before = tree.snapshot();
    let sum_of = |path: &str| edgeutils_tests::standin::sha256(&tree.at(path));
    for bad in
        ["/etc/passwd", "/usr/local/bin/../../../etc/passwd", "etc/passwd", "/usr/local/bin/", "/usr/local/bin/crio"]
    {
        let mut edited = written.clone();
        let row = serde_json::json!({"path": bad, "kind": "program", "size": 26, "sha256": sum_of("etc/passwd")});
        edited["files"].as_array_mut().unwrap().push(row);
        tree.write(MANIFEST, edited.to_string());
        for args in
            [&["remove"][..], &["check"], &["install", "--version", "1.30.4", "--archive", "/x", "--sha256", &sum]]
        {
            let ran = run(&tree, args).expect(4);
            let want = format!("edge-crio.json: it lists {bad:?}, which edge-crio does not install\nhint: ");
            assert!(ran.stderr.contains(&want), "{}", ran.stderr);
        }
        assert_same(&tree.snapshot(), &before, bad);
    }
    // The same for the files of an unfinished install.
    let mut edited = written.clone();
    let row = serde_json::json!({"path": "/etc/passwd", "kind": "program", "size": 26, "sha256": sum_of("etc/passwd")});
    edited["next"] = serde_json::json!([row]);
    tree.write(MANIFEST, edited.to_string());
    run(&tree, &["remove"]).expect(4);
    assert_same(&tree.snapshot(), &before, "next");
    for broken in ["", "{", "[]", "null", "{\"format\": 1}"] {
        tree.write(MANIFEST, broken);
        let ran = run(&tree, &["remove"]).expect(4);
        assert!(
            ran.stderr.contains(
                "\nhint: revert the install by its journal, which still lists the installed files: edge-crio --root"
            ),
            "{}",
            ran.stderr
        );
        assert_same(&tree.snapshot(), &before, broken);
    }
    // A file that was replaced by a link is kept.
    tree.write(MANIFEST, written.to_string());
    std::fs::remove_file(tree.at("usr/local/bin/crio")).unwrap();
    tree.link("usr/local/bin/crio", "other");
    let ran = run(&tree, &["remove"]).expect(0);
    assert!(ran.stderr.contains("kept, as they were changed: /usr/local/bin/crio"), "{}", ran.stderr);
    assert_eq!(tree.read("usr/local/bin/other"), "mine");
    assert!(tree.at("usr/local/bin/crio").is_symlink() && tree.at("etc/passwd").exists());
}
