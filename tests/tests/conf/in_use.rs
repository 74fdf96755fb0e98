//! The file that edge-conf works on without `--file`: the one that the systemd unit names.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use edgeutils_tests::tool::{Ran, Tool};
use edgeutils_tests::tree::Tree;

const DEFAULT: &str = "etc/kubeedge/config/edgecore.yaml";
const OWN: &str = "opt/edge/node.yaml";
const UNIT: &str = "etc/systemd/system/edgecore.service";
const TEXT: &str = "kind: EdgeCore\nmodules:\n  edgeHub:\n    heartbeat: 15\n    websocket: {server: 192.0.2.1:10000}\n    httpServer: https://192.0.2.1:10002\n";

fn conf(tree: &Tree, args: &[&str]) -> Ran {
    Tool::new("edge-conf").arg("--root").arg(tree.path()).args(["--kubeedge-version", "1.20"]).args(args).run()
}

fn tree(exec: &str) -> Tree {
    let unit = format!("[Service]\nExecStart={exec}\n");
    Tree::with(&[(DEFAULT, TEXT), (OWN, &TEXT.replace("15", "20")), (UNIT, &unit)])
}

#[test]
fn file_is_the_one_that_the_unit_names() {
    for exec in [
        "/usr/local/bin/edgecore --config /opt/edge/node.yaml",
        "/usr/local/bin/edgecore --v=2 --config=/opt/edge/node.yaml",
        "/usr/local/bin/edgecore $ARGS\nEnvironment=\"ARGS=--config /opt/edge/node.yaml\"",
    ] {
        let tree = tree(exec);
        let line = if exec.contains("$ARGS") { 3 } else { 2 };
        let note = format!(
            "edge-conf: note: using {}: edgecore.service starts edgecore with it (--config in {}:{line})\n",
            tree.at(OWN).display(),
            tree.at(UNIT).display()
        );
        let get = |want: &str| {
            let ran = conf(&tree, &["get", "modules.edgeHub.heartbeat"]).expect(0);
            assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), (want, note.as_str()), "{exec}");
        };
        get("20\n");
        assert!(conf(&tree, &["set", "modules.edgeHub.heartbeat=30"]).expect(0).stderr.contains(&note), "{exec}");
        get("30\n");
        conf(&tree, &["enable", "metaserver"]).expect(0);
        conf(&tree, &["unset", "modules.edgeHub.heartbeat"]).expect(0);
        assert!(tree.read(OWN).contains("metaServer") && !tree.read(OWN).contains("heartbeat"), "{exec}");
        let ran = conf(&tree, &["check"]).expect(0);
        assert_eq!(ran.stderr, note);
        assert!(ran.stdout.starts_with(&format!("checking {} for", tree.at(OWN).display())), "{}", ran.stdout);
        assert_eq!(tree.read(DEFAULT), TEXT);
        // The option takes precedence.
        let ran = conf(&tree, &["--file", "/etc/kubeedge/config/edgecore.yaml", "get", "modules.edgeHub.heartbeat"]);
        assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("15\n", ""));
    }
}

#[test]
fn file_follows_the_drop_ins_of_the_unit() {
    let tree = tree("/usr/local/bin/edgecore");
    let get = || conf(&tree, &["get", "modules.edgeHub.heartbeat"]).expect(0);
    assert_eq!((get().stdout.as_str(), get().stderr.as_str()), ("15\n", ""));
    let dropin = "etc/systemd/system/edgecore.service.d/10-file.conf";
    tree.write(dropin, "[Service]\nExecStart=\nExecStart=/usr/local/bin/edgecore --config=/opt/edge/node.yaml\n");
    assert_eq!(get().stdout, "20\n");
    assert!(get().stderr.contains("10-file.conf:3)"), "{}", get().stderr);
    // The default path needs no note.
    tree.write(dropin, "[Service]\nExecStart=\nExecStart=/x/edgecore --config=/etc/kubeedge/config/edgecore.yaml\n");
    assert_eq!((get().stdout.as_str(), get().stderr.as_str()), ("15\n", ""));
}

#[test]
fn file_that_the_unit_names_is_not_replaced_by_the_default_one() {
    let tree = tree("/usr/local/bin/edgecore --config /opt/edge/missing.yaml");
    for args in [&["get", "modules.edgeHub.heartbeat"] as &[&str], &["check"], &["set", "modules.edgeHub.heartbeat=3"]]
    {
        let ran = conf(&tree, args).expect(1);
        assert!(ran.stderr.contains("cannot read") && ran.stderr.contains("missing.yaml"), "{}", ran.stderr);
    }
}

#[test]
fn cloudcore_follows_its_unit_too() {
    let tree = tree("/usr/local/bin/edgecore");
    tree.write("opt/cloud.yaml", "kind: CloudCore\n");
    tree.write(
        "usr/lib/systemd/system/cloudcore.service",
        "[Service]\nExecStart=/x/cloudcore --config=/opt/cloud.yaml\n",
    );
    conf(&tree, &["enable", "dynamic-controller"]).expect(0);
    conf(&tree, &["set", "modules.cloudHub.nodeLimit=7"]).expect(0);
    let text = tree.read("opt/cloud.yaml");
    assert!(text.contains("nodeLimit: 7") && text.contains("dynamicController"), "{text}");
    let ran = conf(&tree, &["get", "kind"]).expect(2);
    assert!(ran.stderr.contains("opt/cloud.yaml are in use"), "{}", ran.stderr);
}
