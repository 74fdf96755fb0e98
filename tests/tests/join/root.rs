//! A join of an image: everything but the token, and what joins at the first boot.

use std::os::unix::fs::PermissionsExt;

use edgeutils_tests::tool::Tool;
use edgeutils_tests::tree::assert_same;

use crate::made::{AMD64, INSTALLED, YAML, apply, apply_file, beside, program, system};

const UNIT: &str = "etc/systemd/system/edgecore.service";
const FIRST_BOOT: &str = "etc/systemd/system/edge-join-first-boot.service";
const LINK: &str = "etc/systemd/system/multi-user.target.wants/edge-join-first-boot.service";
const TOKEN: &str = "7bfdb726c6194bae2e57625985a5b3f596d49c088944fdb5405e492fc24374e9.eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJleHAiOjE3OTU5NzAzMzN9.w5EKPmyNFzD51EYE9FsqZTJ-1MBfCw8N-yM1w6Basso";

#[test]
fn image_gets_everything_but_the_token() {
    let (tree, dir) = (system(), tempfile::tempdir().unwrap());
    let file = beside(dir.path(), "edgecore", &program(AMD64, "v1.23.1"));
    let before = tree.snapshot();
    let settings = "modules.edged.tailoredKubeletConfig.cgroupDriver=systemd\n";
    let lines = beside(dir.path(), "settings", settings.as_bytes());
    let args = [
        "--label",
        "site=a b".trim_end_matches(" b"),
        "--taint",
        "edge:NoSchedule",
        "--hub-port",
        "30000",
        "--settings",
        lines.to_str().unwrap(),
    ];
    apply_file(&tree, &file, &[&args[..], &["-n"]].concat()).expect(3);
    assert_same(&tree.snapshot(), &before, "a dry run");

    let ran = apply_file(&tree, &file, &args).expect(0);
    assert!(
        ran.stderr.contains("before the first boot, put the token in place: install -m 600 -D TOKEN_FILE "),
        "{}",
        ran.stderr
    );
    let mode = |path: &str| std::fs::metadata(tree.at(path)).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode(INSTALLED), mode(UNIT), mode(YAML)), (0o755, 0o644, 0o640));
    let yaml = tree.read(YAML);
    assert!(yaml.contains("server: 192.0.2.1:30000\n") && yaml.contains("edgecoreVersion: v1.23.1\n"), "{yaml}");
    assert!(
        yaml.contains("cgroupDriver: systemd\n") && yaml.contains("site: a\n") && yaml.contains("effect: NoSchedule\n"),
        "{yaml}"
    );
    assert!(!yaml.contains("hostnameOverride") && !yaml.contains("token"), "{yaml}");
    let unit = tree.read(FIRST_BOOT);
    assert!(unit.contains("ExecStart=/usr/bin/edge-join apply --first-boot --cloudcore 192.0.2.1 --version 1.23.1 --hub-port 30000 --label site=a --taint edge:NoSchedule --wait 120\n"), "{unit}");
    assert!(unit.contains("ConditionPathExists=/etc/edgeutils/join-token\n"), "{unit}");
    assert_eq!(
        std::fs::read_link(tree.at(LINK)).unwrap().to_str(),
        Some("/etc/systemd/system/edge-join-first-boot.service")
    );
    assert!(!tree.at("etc/systemd/system/multi-user.target.wants/edgecore.service").exists());
    assert!(!tree.at("etc/kubeedge/certs").exists());

    let again = apply_file(&tree, &file, &args).expect(0);
    assert!(again.stdout.contains("already up to date"), "{}", again.stdout);
    Tool::new("edge-join").arg("--root").arg(tree.path()).arg("undo").run().expect(0);
    let mut after = tree.snapshot();
    // The directory of the journal.
    after.retain(|path, _| !path.starts_with("var"));
    assert_same(&after, &before, "undone");
}

#[test]
fn token_for_an_image_is_refused() {
    let (tree, dir) = (system(), tempfile::tempdir().unwrap());
    let token = beside(dir.path(), "token", TOKEN.as_bytes());
    let before = tree.snapshot();
    let ran = apply(&tree, &["--token", token.to_str().unwrap()]).expect(4);
    assert!(ran.stderr.contains("a token in an image would be copied with it"), "{}", ran.stderr);
    assert_same(&tree.snapshot(), &before, "refused");
    assert!(!ran.stderr.contains(&TOKEN[..64]));
}

#[test]
fn image_with_another_installation_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = beside(dir.path(), "edgecore", &program(AMD64, "v1.23.1"));
    for (path, bytes, why) in [
        (INSTALLED, program(AMD64, "v1.22.0"), "v1.22.0 is installed in "),
        (INSTALLED, b"#!/bin/sh\n".to_vec(), "and its version cannot be read"),
        (
            UNIT,
            b"[Service]\nExecStart=/etc/kubeedge/edgecore\n".to_vec(),
            "edgecore.service starts /etc/kubeedge/edgecore",
        ),
    ] {
        let tree = system();
        tree.write(path, &bytes);
        let before = tree.snapshot();
        let ran = apply_file(&tree, &file, &[]).expect(4);
        assert!(ran.stderr.contains(why), "{why}: {}", ran.stderr);
        assert_same(&tree.snapshot(), &before, why);
    }
    let tree = system();
    std::fs::remove_file(tree.at("usr/bin/edge-join")).unwrap();
    let ran = apply_file(&tree, &file, &[]).expect(1);
    assert!(ran.stderr.contains("edge-join is not installed in the image"), "{}", ran.stderr);
}

#[test]
fn setting_that_cannot_be_made_is_refused_before_anything_is_downloaded() {
    let (tree, dir) = (system(), tempfile::tempdir().unwrap());
    let before = tree.snapshot();
    for (line, code) in [("modules.edged.noSuchKey=1", 4), ("modules.edgeHub.token=x", 2)] {
        let lines = beside(dir.path(), "settings", format!("{line}\n").as_bytes());
        // Nothing listens at this port.
        let mirror = ["--mirror", "http://127.0.0.1:1/", "--settings", lines.to_str().unwrap()];
        let ran = apply(&tree, &mirror).expect(code);
        assert!(ran.stderr.contains(line.split('=').next().unwrap()), "{}", ran.stderr);
        assert_same(&tree.snapshot(), &before, line);
    }
}

#[test]
fn arguments_that_contradict_each_other_are_usage_errors() {
    let tree = system();
    for args in [
        &["--label", "a"][..],
        &["--label", "a=b", "--label", "a=c"],
        &["--taint", "a=b:Never"],
        &["--node-name", "edge_1"],
        &["--archive", "x", "--offline", "y"],
        &["--mirror", "http://mirror.example/"],
        &["--wait", "5"],
        &["--first-boot", "--no-start"],
        &["--first-boot"],
        &[TOKEN],
    ] {
        let ran = apply(&tree, args).expect(2);
        assert!(!ran.stderr.contains(&TOKEN[..64]), "{}", ran.stderr);
    }
    let call = ["apply", "--version", "1.23", "--cloudcore", "a"];
    Tool::new("edge-join").arg("--root").arg(tree.path()).args(call).run().expect(2);
    let call = ["apply", "--version", "1.23.1"];
    Tool::new("edge-join").arg("--root").arg(tree.path()).args(call).run().expect(2);
}
