//! Secrets are never shown: not in plans, records, errors or differences.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use edgeutils_tests::tool::{Ran, Tool};
use edgeutils_tests::tree::Tree;

const FILE: &str = "etc/kubeedge/config/edgecore.yaml";
const START: &str = "\
kind: EdgeCore
modules:
  edgeHub:
    heartbeat: 15
    token: geheim.one
  eventBus:
    mqttPassword: geheim-mqtt
    mqttServerExternal: tcp://user:geheim-url@192.0.2.1:1883
";

fn conf(tree: &Tree, args: &[&str]) -> Ran {
    Tool::new("edge-conf").arg("--root").arg(tree.path()).args(["--kubeedge-version", "1.10"]).args(args).run()
}

#[track_caller]
fn assert_no_secret(ran: &Ran) {
    let said = format!("{}{}", ran.stdout, ran.stderr);
    assert!(!said.contains("geheim"), "{said}");
}

#[test]
fn secrets_are_not_shown_when_settings_are_written_or_undone() {
    for args in [
        &["set", "modules.edgeHub.token=geheim.two"] as &[&str],
        &["set", "modules.eventBus.mqttPassword=geheim-two"],
        &["set", "modules.eventBus.mqttServerExternal=tcp://user:geheim-two@192.0.2.1:1883"],
        &["set", "modules.eventBus={mqttPassword: geheim-two}"],
        &["set", "modules.eventBus={mqttServerExternal: 'tcp://user:geheim-two@192.0.2.1:1883'}"],
        &["unset", "modules"],
        &["unset", "modules.edgeHub.token"],
    ] {
        for form in [&[] as &[&str], &["--json"]] {
            let tree = Tree::with(&[(FILE, START)]);
            assert_no_secret(&conf(&tree, &[args, form, &["-n"]].concat()).expect(3));
            assert_no_secret(&conf(&tree, &[args, form].concat()).expect(0));
            assert_no_secret(&conf(&tree, &[&["check"], form].concat()));
            // Changed since: the undo reports it without the values.
            tree.write(FILE, tree.read(FILE).replace("geheim", "geheimnis") + "  edgeStream: {enable: true}\n");
            assert_no_secret(&conf(&tree, &[&["undo"], form].concat()));
        }
    }
}

#[test]
fn secrets_are_not_shown_when_someone_else_changed_them_since() {
    let tree = Tree::with(&[(FILE, START)]);
    conf(&tree, &["set", "modules.edgeHub.token=geheim.two"]).expect(0);
    tree.write(FILE, START.replace("geheim.one", "geheim.three"));
    let ran = conf(&tree, &["undo"]).expect(4);
    assert!(ran.stderr.contains("modules.edgeHub.token is now ***, and this run set it to ***"), "{}", ran.stderr);
    assert_no_secret(&ran);
}

#[test]
fn secrets_are_not_shown_when_the_call_is_wrong() {
    let tree = Tree::with(&[(FILE, START)]);
    assert_no_secret(&conf(&tree, &["set", "modules.edgeHub.token: geheim"]).expect(2));
    assert_no_secret(&conf(&tree, &["set", "modules.edgeHub.token geheim"]).expect(2));
    assert_no_secret(&conf(&tree, &["env", "MQTT_PASSWORD geheim"]).expect(2));
    assert_no_secret(&conf(&tree, &["env", "MQTT_PASSWORD=geheim\n"]).expect(2));
}

#[test]
fn secrets_are_not_shown_when_a_unit_gets_them() {
    let tree = Tree::with(&[(FILE, START)]);
    for form in [&[] as &[&str], &["--json"]] {
        assert_no_secret(&conf(&tree, &[&["env", "A=1", "MQTT_PASSWORD=geheim one"], form].concat()).expect(0));
        assert_no_secret(&conf(&tree, &[&["env", "MQTT_PASSWORD=geheim \"two"], form].concat()).expect(0));
        assert_no_secret(&conf(&tree, &[&["env", "URL=http://u:geheim@h/"], form].concat()).expect(0));
        assert_no_secret(&conf(&tree, &[&["env", "URL=http://u:geheim2@h/", "-n"], form].concat()).expect(3));
        conf(&tree, &["undo"]).expect(0);
        conf(&tree, &["undo"]).expect(0);
        assert_no_secret(&conf(&tree, &[&["undo"], form].concat()).expect(0));
    }
}

#[test]
fn get_shows_a_secret() {
    let tree = Tree::with(&[(FILE, START)]);
    assert_eq!(conf(&tree, &["get", "modules.edgeHub.token"]).expect(0).stdout, "geheim.one\n");
}

#[test]
fn env_reads_a_secret_from_standard_input_into_a_private_drop_in() {
    let dropin = "etc/systemd/system/edgecore.service.d/20-edgeutils.conf";
    let mode = |tree: &Tree| {
        let meta = std::fs::metadata(tree.at(dropin)).unwrap();
        std::os::unix::fs::PermissionsExt::mode(&meta.permissions()) & 0o7777
    };
    let env = |tree: &Tree, args: &[&str], input: &str| {
        Tool::new("edge-conf").arg("--root").arg(tree.path()).arg("env").args(args).stdin(input).run()
    };
    let tree = Tree::with(&[(FILE, START)]);
    env(&tree, &["GOGC=50"], "").expect(0);
    assert_eq!(mode(&tree), 0o644);
    let harmless = tree.read(dropin);
    let ran = env(&tree, &["DB_PASSWORD=-"], "geheim $1 %h\n").expect(0);
    assert_no_secret(&ran);
    assert_eq!(mode(&tree), 0o600);
    assert!(tree.read(dropin).contains("Environment=\"DB_PASSWORD=geheim $1 %%h\"\n"), "{}", tree.read(dropin));
    conf(&tree, &["undo"]).expect(0);
    assert_eq!((mode(&tree), tree.read(dropin)), (0o644, harmless));
    for (args, input, code) in [
        (&["A=-", "B=-"] as &[&str], "x\n", 2),
        (&["A=-"], "", 1),
        (&["A=-"], "\n", 1),
        (&["A=-"], "x\ny\n", 2),
        (&["A=-"], "x\0y\n", 2),
        (&["A=-"], "x\ry\n", 2),
    ] {
        let before = tree.snapshot();
        env(&tree, args, input).expect(code);
        assert_eq!(tree.snapshot(), before, "{args:?} {input:?}");
    }
    // One that was left open to others is closed, although nothing in it changes.
    env(&tree, &["DB_PASSWORD=-"], "geheim").expect(0);
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(tree.at(dropin), open).unwrap();
    let ran = env(&tree, &["DB_PASSWORD=-"], "geheim").expect(0);
    assert!(ran.stdout.contains("mode 0644 -> 0600"), "{}", ran.stdout);
    assert_eq!(mode(&tree), 0o600);
    let again = env(&tree, &["DB_PASSWORD=-"], "geheim").expect(0);
    assert!(again.stdout.starts_with("already up to date"), "{}", again.stdout);
}

/// All files of the journal.
fn journal(tree: &Tree) -> String {
    let files = std::fs::read_dir(tree.at("var/lib/edgeutils/journal")).unwrap();
    files.map(|file| String::from_utf8_lossy(&std::fs::read(file.unwrap().path()).unwrap()).into_owned()).collect()
}

#[test]
fn new_secret_is_not_in_the_journal_once_its_run_has_ended() {
    let calls: [&[&str]; 3] = [
        &["set", "modules.edgeHub.token=geheim.new"],
        &["set", "modules.eventBus={mqttPassword: geheim.new}"],
        &["env", "DB_PASSWORD=geheim.new"],
    ];
    for linked in [false, true] {
        for call in calls {
            let tree = Tree::with(&[(FILE, START), ("etc/systemd/system/edgecore.service.d/20-edgeutils.conf", "")]);
            if linked {
                std::fs::hard_link(tree.at(FILE), tree.at("etc/kubeedge/second")).unwrap();
            }
            conf(&tree, call).expect(0);
            assert!(!journal(&tree).contains("geheim.new"), "{call:?} {linked}: {}", journal(&tree));
            // Nor after its undo, during which the journal contains it.
            conf(&tree, &["undo"]).expect(0);
            assert!(!journal(&tree).contains("geheim.new"), "{call:?} {linked}, undone: {}", journal(&tree));
            assert_eq!(tree.read(FILE), START);
        }
    }
}
