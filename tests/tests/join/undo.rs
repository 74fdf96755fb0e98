//! Undo of a join: whole files while they are as the join left them, and single settings of an edgecore.yaml that was
//! changed since.

use edgeutils_tests::tool::{Ran, Tool};
use edgeutils_tests::tree::{Tree, assert_same};

use crate::made::{AMD64, INSTALLED, YAML, apply_file, beside, program, system};

const MINE: &str =
    "# mine\nmodules:\n  edgeHub:\n    heartbeat: 15  # seconds\n    websocket:\n      server: 10.0.0.1:10000\n";

fn undo(tree: &Tree, args: &[&str]) -> Ran {
    Tool::new("edge-join").arg("--root").arg(tree.path()).arg("undo").args(args).run()
}

fn joined(yaml: &str) -> Tree {
    let (tree, dir) = (system(), tempfile::tempdir().unwrap());
    tree.write(YAML, yaml);
    let file = beside(dir.path(), "edgecore", &program(AMD64, "v1.23.1"));
    apply_file(&tree, &file, &["--node-name", "edge1"]).expect(0);
    tree
}

#[test]
fn undo_restores_an_edited_configuration_byte_for_byte() {
    let tree = joined(MINE);
    let yaml = tree.read(YAML);
    assert!(yaml.contains("heartbeat: 15  # seconds\n") && yaml.contains("server: 192.0.2.1:10000\n"), "{yaml}");
    undo(&tree, &["-n"]).expect(3);
    assert_eq!(tree.read(YAML), yaml, "a dry run");
    undo(&tree, &[]).expect(0);
    assert_eq!(tree.read(YAML), MINE);
    assert!(!tree.at(INSTALLED).exists());
    assert!(undo(&tree, &[]).expect(0).stdout.contains("nothing to undo"));
}

#[test]
fn undo_reverts_only_its_settings_of_a_file_that_was_changed_since() {
    let tree = joined(MINE);
    tree.write(YAML, tree.read(YAML).replace("heartbeat: 15  # seconds", "heartbeat: 30"));
    undo(&tree, &[]).expect(0);
    // An empty section means its defaults, as a missing one.
    let want = format!("{MINE}  edgeStream: {{}}\n  edged: {{}}\n");
    assert_eq!(tree.read(YAML), want.replace("heartbeat: 15  # seconds", "heartbeat: 30"));
}

#[test]
fn undo_refuses_a_setting_that_was_changed_since() {
    let tree = joined(MINE);
    tree.write(YAML, tree.read(YAML).replace("192.0.2.1:10000", "192.0.2.9:10000"));
    let before = tree.snapshot();
    let ran = undo(&tree, &[]).expect(4);
    assert!(ran.stderr.contains("192.0.2.9:10000"), "{}", ran.stderr);
    let (mut got, mut want) = (tree.snapshot(), before);
    for snapshot in [&mut got, &mut want] {
        snapshot.retain(|path, _| path.starts_with("etc/kubeedge"));
    }
    assert_same(&got, &want, "refused");
}
