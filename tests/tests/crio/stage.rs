//! Files planted in edge-crio's stage and records are neither installed nor trusted.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

use edgeutils_tests::standin::{ARM64, bundle, sha256};
use edgeutils_tests::tool::{Ran, Tool};
use edgeutils_tests::tree::Tree;
use edgeutils_tests::{is_root, skip};
use serde_json::json;

const STAGE: &str = "var/lib/edgeutils/edge-crio";
const CRIO: &str = "usr/local/bin/crio";

fn program(rest: &str) -> Vec<u8> {
    [ARM64, rest.as_bytes()].concat()
}

fn system() -> Tree {
    let tree = Tree::with(&[("etc/os-release", "ID=debian\nVERSION_ID=12\n"), ("usr/bin/apt-get", "")]);
    tree.write("usr/bin/dpkg", program(""));
    fs::create_dir_all(tree.at("var/lib/edgeutils")).unwrap();
    fs::set_permissions(tree.at("var/lib/edgeutils"), fs::Permissions::from_mode(0o700)).unwrap();
    tree
}

fn run(tree: &Tree, args: &[&str]) -> Ran {
    Tool::new("edge-crio").arg("--root").arg(tree.path()).args(args).run()
}

fn install(tree: &Tree, archive: &str, sum: &str) -> Ran {
    run(tree, &["install", "--version", "1.30.4", "--archive", archive, "--sha256", sum])
}

/// An unpacked bundle as an earlier run of edge-crio left it, with another program in it.
fn plant(tree: &Tree, sum: &str) {
    let dir = format!("{STAGE}/{}", &sum[..16]);
    tree.write(&format!("{dir}/bin/crio"), program("planted"));
    let row = json!({"inner": "bin/crio", "size": program("planted").len(), "executable": true,
                     "sha256": sha256(&tree.at(&format!("{dir}/bin/crio")))});
    let unit = json!({"contrib/crio.service": "[Service]\nExecStart=/bin/planted\n"});
    tree.write(&format!("{dir}/files.json"), json!({"files": [row], "texts": unit}).to_string());
}

fn give(path: &Path, user: u32) {
    for entry in walkdir::WalkDir::new(path) {
        chown(entry.unwrap().path(), Some(user), Some(user)).unwrap();
    }
}

#[test]
fn planted_stage_is_not_installed() {
    if !is_root() {
        return skip("crio_stage", "only root can give files to others");
    }
    let dir = tempfile::tempdir().unwrap();
    let (archive, sum) = bundle(dir.path(), "1.30.4", "arm64", &program("good"));
    let archive = archive.to_str().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    type Make<'a> = &'a dyn Fn(&Tree);
    let plants: [(&str, Make<'_>); 6] = [
        ("of another user", &|tree| {
            plant(tree, &sum);
            give(&tree.at(STAGE), 1000);
        }),
        ("of another user in a directory of root's", &|tree| {
            plant(tree, &sum);
            give(&tree.at(&format!("{STAGE}/{}", &sum[..16])), 1000);
        }),
        ("of a run that was killed", &|tree| plant(tree, &sum)),
        ("that others can write to", &|tree| {
            plant(tree, &sum);
            fs::set_permissions(tree.at(STAGE), fs::Permissions::from_mode(0o777)).unwrap();
        }),
        ("behind a link", &|tree| {
            fs::create_dir_all(tree.at("srv/stage")).unwrap();
            tree.link(STAGE, "/srv/stage");
        }),
        ("behind a link that leads out", &|tree| tree.link(STAGE, elsewhere.path().to_str().unwrap())),
    ];
    for (what, make) in plants {
        let tree = system();
        make(&tree);
        install(&tree, archive, &sum).expect(0);
        assert_eq!(fs::read(tree.at(CRIO)).unwrap(), program("good"), "{what}");
        let unit = tree.read("usr/local/lib/systemd/system/crio.service");
        assert!(!unit.contains("planted"), "{what}: {unit}");
        assert!(!tree.at(STAGE).exists(), "{what}: the stage still exists");
        assert!(fs::read_dir(elsewhere.path()).unwrap().next().is_none());
        assert!(run(&tree, &["check"]).stdout.contains("CRI-O 1.30.4 from a bundle"), "{what}");
    }
    // A dry run does not use it either.
    let tree = system();
    plant(&tree, &sum);
    let ran = run(&tree, &["install", "-n", "--version", "1.30.4", "--archive", archive, "--sha256", &sum]).expect(3);
    assert!(ran.stdout.contains("would write /usr/libexec/crio/conmon"), "{}", ran.stdout);
}

#[test]
fn download_of_a_killed_run_is_used_if_it_is_complete() {
    let (tree, dir) = (system(), tempfile::tempdir().unwrap());
    let (archive, sum) = bundle(dir.path(), "1.30.4", "arm64", &program("good"));
    let name = archive.file_name().unwrap().to_str().unwrap();
    // Nothing listens on this port.
    let url = format!("http://127.0.0.1:1/{name}");
    let kept = format!("{STAGE}/{name}");
    tree.write(&kept, "half");
    fs::set_permissions(tree.at(STAGE), fs::Permissions::from_mode(0o700)).unwrap();
    let ran = install(&tree, &url, &sum).expect(1);
    assert!(ran.stderr.contains("127.0.0.1"), "{}", ran.stderr);
    assert!(!tree.at(CRIO).exists());
    tree.write(&kept, fs::read(&archive).unwrap());
    install(&tree, &url, &sum).expect(0);
    assert_eq!(fs::read(tree.at(CRIO)).unwrap(), program("good"));
    assert!(!tree.at(STAGE).exists());
}

#[test]
fn record_of_another_user_is_refused() {
    if !is_root() {
        return skip("crio_stage records", "only root can give files to others");
    }
    let dir = tempfile::tempdir().unwrap();
    let (archive, sum) = bundle(dir.path(), "1.30.4", "arm64", &program("good"));
    let install = ["install", "--version", "1.30.4", "--sha256", &sum, "--archive", archive.to_str().unwrap()];
    let record = json!({"format": 1, "version": "1.30.4", "arch": "arm64", "archive": sum, "files": []}).to_string();
    type Make<'a> = &'a dyn Fn(&Tree);
    type Call<'a> = (&'a str, &'a str, &'a str, &'a [&'a str]);
    let calls: [Call<'_>; 5] = [
        ("edge-crio", "edge-crio.json", &record, &install),
        ("edge-crio", "edge-crio.json", &record, &["remove"]),
        ("edge-cni", "edge-cni.json", "{}", &["remove"]),
        ("edge-cni", "edge-cni.json", "{}", &["check"]),
        ("edge-prep", "edge-prep.json", "{\"swap\": \"off\"}", &["verify"]),
    ];
    for (utility, file, text, args) in calls {
        let file = format!("var/lib/edgeutils/{file}");
        let makes: [Make<'_>; 4] = [
            &|tree| give(&tree.at(&file), 1000),
            &|tree| fs::set_permissions(tree.at(&file), fs::Permissions::from_mode(0o666)).unwrap(),
            &|tree| give(&tree.at("var/lib/edgeutils"), 1000),
            &|tree| {
                fs::rename(tree.at(&file), tree.at("srv-record")).unwrap();
                tree.link(&file, "/srv-record");
            },
        ];
        for (number, make) in makes.iter().enumerate() {
            let tree = system();
            tree.write(&file, text);
            make(&tree);
            let ran = Tool::new(utility).arg("--root").arg(tree.path()).args(args).run();
            let shown = format!("{utility} {args:?} {number}: {}", ran.stderr);
            assert!(ran.stderr.contains("cannot use") && ran.stderr.contains("\nhint: check who"), "{shown}");
            assert_eq!(ran.code, 4, "{shown}");
            assert!(!tree.at(CRIO).exists() && tree.at(&file).symlink_metadata().is_ok(), "{shown}");
        }
    }
}
