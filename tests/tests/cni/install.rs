//! edge-cni install, remove and undo.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::process::Command;

use edgeutils_tests::cni::{AMD64, ARM64, fake_build, image_for, sha256, tiny};
use edgeutils_tests::tool::{Ran, Tool};
use edgeutils_tests::tree::{Tree, assert_same};
use edgeutils_tests::{acl, is_root, skip};

const BIN: &str = "opt/cni/bin";

fn run(tree: &Tree, args: &[&str]) -> Ran {
    let ran = Tool::new("edge-cni").arg("--root").arg(tree.path()).args(args).run();
    let even = |text: &str| text.replace(tree.path().to_str().unwrap(), "DIR");
    Ran { code: ran.code, stdout: even(&ran.stdout), stderr: even(&ran.stderr) }
}

/// An image for arm64 with other plugins, and a build for it.
fn image() -> (Tree, Tree) {
    let (tree, beside) = (Tree::new(), Tree::new());
    image_for(&tree, ARM64);
    tree.write(&format!("{BIN}/cilium-cni"), "someone else's");
    tree.write(&format!("{BIN}/bridge"), tiny(ARM64, "the distribution's"));
    fs::set_permissions(tree.at(&format!("{BIN}/bridge")), fs::Permissions::from_mode(0o700)).unwrap();
    let plugins = [("bridge", tiny(ARM64, "new bridge")), ("loopback", tiny(ARM64, "new loopback"))];
    fake_build(&beside.at("build"), "v1.9.1", "arm64", &plugins);
    (tree, beside)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A release archive, made by the system's tar.
fn archive(beside: &Tree, name: &str, files: &[(&str, Vec<u8>)]) -> std::path::PathBuf {
    let dir = beside.at(&format!("{name}.d"));
    fs::create_dir_all(&dir).unwrap();
    for (file, bytes) in files {
        fs::write(dir.join(file), bytes).unwrap();
        fs::set_permissions(dir.join(file), fs::Permissions::from_mode(0o4775)).unwrap();
    }
    let path = beside.at(name);
    let status = Command::new("tar").arg("-C").arg(&dir).arg("--owner=1001").arg("-czf").arg(&path).arg(".").status();
    assert!(status.unwrap().success());
    path
}

#[test]
fn install_is_idempotent_and_undo_reverts_it() {
    let (tree, beside) = image();
    let before = tree.snapshot();
    let build = beside.at("build");
    let dry = run(&tree, &["install", "--from-build", text(&build), "-n"]).expect(3);
    assert_eq!(
        dry.stdout,
        "would write /var/lib/edgeutils/edge-cni.json: record for edge-cni remove  [undo: exact]\n\
         would write /opt/cni/bin/bridge: v1.9.1 for arm64  [undo: exact]\n\
         would write /opt/cni/bin/loopback: v1.9.1 for arm64  [undo: exact]\n\
         3 changes would be made\n"
    );
    assert_same(&tree.snapshot(), &before, "a dry run");
    let done = run(&tree, &["install", "--from-build", text(&build)]).expect(0);
    assert_eq!(done.stdout, dry.stdout.replace("would write", "wrote").replace(" would be made", ""));
    for (name, want) in [("bridge", "new bridge"), ("loopback", "new loopback")] {
        let path = tree.at(&format!("{BIN}/{name}"));
        assert_eq!(fs::read(&path).unwrap(), tiny(ARM64, want));
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o755);
    }
    assert_eq!(tree.read(&format!("{BIN}/cilium-cni")), "someone else's");
    let again = run(&tree, &["install", "--from-build", text(&build)]).expect(0);
    assert_eq!(again.stdout, "already up to date\n");
    run(&tree, &["undo"]).expect(0);
    assert_same(&tree.snapshot(), &before, "undone");
}

#[test]
fn install_repairs_the_mode_of_a_plugin() {
    let (tree, beside) = image();
    run(&tree, &["install", "--from-build", text(&beside.at("build"))]).expect(0);
    let path = tree.at(&format!("{BIN}/bridge"));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    run(&tree, &["install", "--from-build", text(&beside.at("build"))]).expect(0);
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o755);
}

#[test]
fn install_repairs_owner_and_access_list_and_undo_restores_them() {
    if !is_root() {
        return skip("cni_install rights", "another owner needs root");
    }
    let (tree, beside) = image();
    let build = beside.at("build");
    run(&tree, &["install", "--from-build", text(&build)]).expect(0);
    for (mode, owner) in [(0o700, 0), (0o755, 1000), (0o4755, 0), (0o6711, 1000)] {
        let path = tree.at(&format!("{BIN}/bridge"));
        chown(&path, Some(owner), Some(owner)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        xattr::set(&path, acl::ACCESS, &acl::for_user(77, 5)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let before = tree.snapshot();
        run(&tree, &["install", "--from-build", text(&build)]).expect(0);
        let meta = fs::metadata(&path).unwrap();
        assert_eq!((meta.mode() & 0o7777, meta.uid(), meta.gid()), (0o755, 0, 0), "{mode:o} {owner}");
        run(&tree, &["undo"]).expect(0);
        assert_same(&tree.snapshot(), &before, &format!("{mode:o} {owner}"));
    }
}

#[test]
fn install_replaces_a_link_and_keeps_its_target() {
    let (tree, beside) = image();
    tree.write(&format!("{BIN}/all-in-one"), tiny(ARM64, "all of them"));
    tree.link(&format!("{BIN}/loopback"), "all-in-one");
    run(&tree, &["install", "--from-build", text(&beside.at("build"))]).expect(0);
    assert_eq!(fs::read(tree.at(&format!("{BIN}/all-in-one"))).unwrap(), tiny(ARM64, "all of them"));
    assert!(!tree.at(&format!("{BIN}/loopback")).is_symlink());
    run(&tree, &["undo"]).expect(0);
    assert!(tree.at(&format!("{BIN}/loopback")).is_symlink());
}

#[test]
fn remove_keeps_changed_plugins_and_those_of_others() {
    let (tree, beside) = image();
    run(&tree, &["install", "--from-build", text(&beside.at("build"))]).expect(0);
    run(&tree, &["conf", "bridge", "--subnet", "10.85.0.0/16"]).expect(1);
    tree.write(&format!("{BIN}/bridge"), "upgraded by someone else");
    tree.write("etc/cni/net.d/20-x.conflist", r#"{"name": "x", "plugins": [{"type": "loopback"}]}"#);
    let ran = run(&tree, &["remove"]).expect(0);
    assert_eq!(
        ran.stderr,
        "edge-cni: note: /opt/cni/bin/bridge is kept: it was replaced since edge-cni installed it\n\
         edge-cni: note: /etc/cni/net.d/20-x.conflist needs loopback, which is removed\n"
    );
    assert!(tree.at(&format!("{BIN}/bridge")).exists() && tree.at(&format!("{BIN}/cilium-cni")).exists());
    assert!(!tree.at(&format!("{BIN}/loopback")).exists());
    assert_eq!(run(&tree, &["remove"]).expect(0).stdout, "already up to date\n");
    run(&tree, &["undo"]).expect(0);
    assert_eq!(fs::read(tree.at(&format!("{BIN}/loopback"))).unwrap(), tiny(ARM64, "new loopback"));
}

#[test]
fn install_refuses_an_incomplete_build() {
    let (tree, beside) = image();
    let before = tree.snapshot();
    let build = beside.at("build");
    fs::write(build.join("loopback"), tiny(ARM64, "forged")).unwrap();
    let ran = run(&tree, &["install", "--from-build", text(&build)]).expect(4);
    assert!(
        ran.stderr.contains(
            "/build/loopback: its checksum is not that in the manifest of the build\nhint: run edge-cni build again"
        ),
        "{ran:?}"
    );
    // The checksum matches, but not the architecture.
    fake_build(&build, "v1.9.1", "arm64", &[("loopback", tiny(AMD64, "loopback"))]);
    let ran = run(&tree, &["install", "--from-build", text(&build)]).expect(4);
    assert!(
        ran.stderr.contains("/build/loopback: it is not a program for arm64\nhint: run edge-cni build again"),
        "{ran:?}"
    );
    fs::remove_file(build.join("edge-cni.json")).unwrap();
    let ran = run(&tree, &["install", "--from-build", text(&build)]).expect(1);
    assert!(ran.stderr.contains("it is not a complete build of edge-cni\nhint: "), "{ran:?}");
    fs::write(build.join("edge-cni.json"), "{").unwrap();
    run(&tree, &["install", "--from-build", text(&build)]).expect(1);
    let ran = run(&tree, &["install", "--from-build", "/nowhere"]).expect(1);
    assert!(ran.stderr.contains("cannot install from /nowhere: it is not a directory"), "{ran:?}");
    assert_same(&tree.snapshot(), &before, "nothing was changed");
}

#[test]
fn install_verifies_and_unpacks_an_archive() {
    let (tree, beside) = image();
    let files = [
        ("bridge", tiny(ARM64, "released bridge")),
        ("host-local", tiny(ARM64, "released host-local")),
        ("LICENSE", b"text".to_vec()),
        ("README.md", b"text".to_vec()),
    ];
    let path = archive(&beside, "cni-plugins-linux-arm64-v1.7.0.tgz", &files);
    let sum = sha256(&fs::read(&path).unwrap());
    let ran = run(&tree, &["install", "--archive", text(&path)]).expect(4);
    assert!(ran.stderr.contains(&format!("its SHA-256 {sum} is not that of a known release\nhint: ")), "{ran:?}");
    let ran = run(&tree, &["install", "--archive", text(&path), "--sha256", &"0".repeat(64)]).expect(4);
    assert!(ran.stderr.contains(&format!("its SHA-256 is {sum}, not 0000")), "{ran:?}");
    run(&tree, &["install", "--archive", text(&path), "--sha256", "0123"]).expect(2);
    // --sha256 is not silently ignored.
    for other in ["--from-build", "--offline"] {
        run(&tree, &["install", other, text(&path), "--sha256", &sum]).expect(2);
    }
    let ran = run(&tree, &["install", "--archive", text(&path), "--sha256", &sum.to_uppercase()]).expect(0);
    assert!(ran.stdout.contains("wrote /opt/cni/bin/host-local: v1.7.0 for arm64  [undo: exact]"), "{ran:?}");
    for name in ["bridge", "host-local"] {
        let meta = fs::metadata(tree.at(&format!("{BIN}/{name}"))).unwrap();
        assert_eq!((meta.mode() & 0o7777, meta.uid()), (0o755, nix::unistd::geteuid().as_raw()), "{name}");
    }
    assert!(!tree.at(&format!("{BIN}/README.md")).exists() && !tree.at(&format!("{BIN}/LICENSE")).exists());
}

#[test]
fn install_offline_uses_the_newest_set_for_the_machine() {
    let (tree, beside) = image();
    fake_build(&beside.at("usb/old"), "v1.8.0", "arm64", &[("bridge", tiny(ARM64, "old"))]);
    fake_build(&beside.at("usb/new"), "v1.10.0", "arm64", &[("bridge", tiny(ARM64, "newest"))]);
    fake_build(&beside.at("usb/other"), "v1.11.0", "amd64", &[("bridge", tiny(AMD64, "other"))]);
    let usb = beside.at("usb");
    // A set for another architecture is not verified.
    beside.write("usb/other/bridge", "half of it");
    run(&tree, &["install", "--offline", text(&usb)]).expect(0);
    assert_eq!(fs::read(tree.at(&format!("{BIN}/bridge"))).unwrap(), tiny(ARM64, "newest"));

    // The same with an archive and its checksum file.
    let path = archive(&beside, "cni-plugins-linux-arm64-v1.12.0.tgz", &[("bridge", tiny(ARM64, "archived"))]);
    let to = usb.join(path.file_name().unwrap());
    fs::copy(&path, &to).unwrap();
    fs::write(format!("{}.sha256", text(&to)), format!("{}  x\n", sha256(&fs::read(&to).unwrap()))).unwrap();
    run(&tree, &["install", "--offline", text(&usb)]).expect(0);
    assert_eq!(fs::read(tree.at(&format!("{BIN}/bridge"))).unwrap(), tiny(ARM64, "archived"));

    image_for(&tree, 21);
    fs::remove_file(tree.at("bin/sh")).unwrap();
    let ran = run(&tree, &["install", "--offline", text(&usb)]).expect(1);
    assert!(ran.stderr.contains("cannot determine the architecture of the image"), "{ran:?}");
    let none = beside.at("none");
    fake_build(&none.join("a"), "v1.8.0", "amd64", &[("bridge", tiny(AMD64, "x"))]);
    image_for(&tree, ARM64);
    let ran = run(&tree, &["install", "--offline", text(&none)]).expect(1);
    assert!(ran.stderr.contains("it has plugins for amd64, but none for arm64"), "{ran:?}");
    let empty = beside.at("empty");
    fs::create_dir(&empty).unwrap();
    let ran = run(&tree, &["install", "--offline", text(&empty)]).expect(1);
    let want = "it contains no plugins\nhint: add a release archive with its original name, or a build: on a host with Go, run edge-cni build --version v1.9.1 --arch arm64 --out DIR";
    assert!(ran.stderr.contains(want), "{ran:?}");
}

#[test]
fn install_requires_one_source_and_an_absolute_directory() {
    let (tree, beside) = image();
    run(&tree, &["install"]).expect(2);
    for (option, said) in
        [("--offline", "cannot install from /nowhere: No such"), ("--archive", "cannot read /nowhere")]
    {
        let ran = run(&tree, &["install", option, "/nowhere"]).expect(1);
        assert!(ran.stderr.contains(said) && ran.stderr.contains("\nhint: "), "{ran:?}");
    }
    run(&tree, &["install", "--from-build", "x", "--archive", "y"]).expect(2);
    let ran = run(&tree, &["install", "--from-build", text(&beside.at("build")), "--bin-dir", "bin"]).expect(2);
    assert!(ran.stderr.contains("cannot use bin: expected an absolute path"), "{ran:?}");
}

#[test]
fn remove_refuses_a_record_that_was_edited() {
    const RECORD: &str = "var/lib/edgeutils/edge-cni.json";
    let (tree, beside) = image();
    run(&tree, &["install", "--from-build", text(&beside.at("build"))]).expect(0);
    tree.write("etc/passwd", "root:x:0:0::/root:/bin/sh\n");
    tree.write("usr/sbin/bridge", tiny(ARM64, "iproute2's"));
    let written: serde_json::Value = serde_json::from_str(&tree.read(RECORD)).unwrap();
    let before = tree.snapshot();
    for (of, bad, holds) in [
        ("plugins", "/etc/passwd", "etc/passwd"),
        ("plugins", "/usr/sbin/bridge", "usr/sbin/bridge"),
        ("plugins", "/opt/cni/bin/../../../usr/sbin/bridge", "usr/sbin/bridge"),
        ("conflists", "/etc/passwd", "etc/passwd"),
    ] {
        let sum = sha256(&fs::read(tree.at(holds)).unwrap());
        let row = if of == "plugins" { serde_json::json!({"sha256": sum, "version": null}) } else { sum.into() };
        let mut edited = written.clone();
        edited[of][bad] = row;
        tree.write(RECORD, edited.to_string());
        for args in [&["remove"][..], &["install", "--from-build", text(&beside.at("build"))]] {
            let ran = run(&tree, args).expect(4);
            let want = format!("edge-cni.json: it lists {bad:?}, where edge-cni installs nothing\nhint: ");
            assert!(ran.stderr.contains(&want), "{ran:?}");
        }
        assert_same(&tree.snapshot(), &before, bad);
    }
    for broken in ["", "{", "[]", "{\"plugins\": 5}"] {
        tree.write(RECORD, broken);
        let ran = run(&tree, &["remove"]).expect(1);
        assert!(ran.stderr.contains("\nhint: move the file away"), "{ran:?}");
        assert_same(&tree.snapshot(), &before, broken);
    }
}

#[test]
fn install_refuses_directories_of_the_system() {
    let (tree, beside) = image();
    tree.write("usr/sbin/bridge", tiny(ARM64, "iproute2's"));
    tree.link("sbin", "usr/sbin");
    tree.link("opt/plugins", "/usr/sbin");
    let before = tree.snapshot();
    for dir in ["/usr/sbin", "/sbin", "/usr/sbin/", "/opt/plugins", "/opt/../usr/sbin", "/", "/etc/cni"] {
        let ran = run(&tree, &["install", "--from-build", text(&beside.at("build")), "--bin-dir", dir]).expect(4);
        assert!(
            ran.stderr.contains("it is not a directory for plugins\nhint: use --bin-dir /opt/cni/bin"),
            "{dir}: {ran:?}"
        );
        assert_same(&tree.snapshot(), &before, dir);
    }
    // The directory may be on another disk.
    fs::rename(tree.at("opt/cni"), tree.at("srv")).unwrap();
    tree.link("opt/cni", "/srv");
    run(&tree, &["install", "--from-build", text(&beside.at("build"))]).expect(0);
    assert_eq!(fs::read(tree.at("srv/bin/bridge")).unwrap(), tiny(ARM64, "new bridge"));
    assert!(tree.at("opt/cni").is_symlink(), "the link stays");
    run(&tree, &["remove"]).expect(0);
    assert!(!tree.at("srv/bin/bridge").exists() && tree.at("srv/bin/cilium-cni").exists());
    run(&tree, &["undo"]).expect(0);
    run(&tree, &["undo"]).expect(0);
    assert_eq!(fs::read(tree.at("srv/bin/bridge")).unwrap(), tiny(ARM64, "the distribution's"));
}

#[test]
fn install_refuses_another_architecture_in_an_image_as_well() {
    let (tree, beside) = image();
    fake_build(&beside.at("far"), "v1.9.1", "amd64", &[("bridge", tiny(AMD64, "far"))]);
    let path = archive(&beside, "cni-plugins-linux-amd64-v1.9.1.tgz", &[("bridge", tiny(AMD64, "far"))]);
    let sum = sha256(&fs::read(&path).unwrap());
    let before = tree.snapshot();
    for args in [
        &["install", "--from-build", text(&beside.at("far"))][..],
        &["install", "--archive", text(&path), "--sha256", &sum],
        &["install", "--archive", text(&path), "--sha256", &sum, "-n"],
    ] {
        let ran = run(&tree, args).expect(4);
        let want = "edge-cni: cannot install v1.9.1: it is for amd64, but the programs of the image are for arm64\nhint: build";
        assert!(ran.stderr.starts_with(want), "{ran:?}");
    }
    assert_same(&tree.snapshot(), &before, "refused");
}
