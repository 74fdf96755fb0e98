//! `check`: each kind of problem once, and no findings in files that KubeEdge wrote.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use edge_kubeedge::schema::Table;
use edge_kubeedge::{Kind, Minor};
use edgeutils_tests::defaults::render;
use edgeutils_tests::tool::{Ran, Tool};
use edgeutils_tests::tree::Tree;
use serde_json::Value;

const EDGECORE: &str = "etc/kubeedge/config/edgecore.yaml";
const CLOUDCORE: &str = "etc/kubeedge/config/cloudcore.yaml";
/// The servers without which edgecore looks for cloudcore on its own host.
const SERVERS: &str = "websocket: {server: 192.0.2.2:10000}, httpServer: https://192.0.2.2:10002";

fn check(tree: &Tree, version: &str, args: &[&str]) -> Ran {
    let tool = Tool::new("edge-conf").arg("--root").arg(tree.path()).arg("check").args(args);
    if version.is_empty() { tool.run() } else { tool.args(["--kubeedge-version", version]).run() }
}

/// The findings as `LINE SEVERITY PATH: TEXT [HINT]`, from the records.
fn findings(tree: &Tree, version: &str) -> (i32, Vec<String>) {
    let ran = check(tree, version, &["--json"]);
    let records = ran.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let found = records.filter(|record| record["type"] == "finding").map(|finding| {
        let text = |key: &str| finding[key].as_str().map(str::to_owned).unwrap_or_default();
        let hint = if finding["hint"].is_null() { String::new() } else { format!(" [{}]", text("hint")) };
        format!("{} {} {}: {}{hint}", finding["line"], text("severity"), text("path"), text("text"))
    });
    (ran.code, found.collect())
}

#[track_caller]
fn finds(path: &str, version: &str, text: &str, code: i32, expected: &[&str]) {
    let tree = Tree::with(&[(path, text)]);
    let before = tree.snapshot();
    let (exit, found) = findings(&tree, version);
    let found: Vec<String> = found.iter().map(|line| line.replace(&tree.path().display().to_string(), "DIR")).collect();
    assert_eq!(found, expected, "{text}");
    assert_eq!(exit, code);
    // The same as text, and the file is not changed.
    let ran = check(&tree, version, &[]).expect(code);
    // With a line before the findings and the summary after them.
    assert_eq!(ran.stdout.lines().filter(|line| !line.starts_with("    hint: ")).count(), expected.len() + 2);
    assert_eq!(tree.snapshot(), before);
}

#[test]
fn check_finds_keys_that_kubeedge_ignores() {
    finds(
        EDGECORE,
        "1.8",
        "kind: EdgeCore\nedgeStream: {enable: true}\nmodules:\n  edgeHub:\n    heartbeet: 15\n    websocket: {server: 192.0.2.2:10000}\n    httpServer: https://192.0.2.2:10002\n  edgeMush: {}\n  dynamicController: {enable: true}\n",
        3,
        &[
            "2 error edgeStream: is in the wrong place; KubeEdge ignores it [move it to modules.edgeStream]",
            "5 error modules.edgeHub.heartbeet: is not a known key; KubeEdge ignores it [did you mean modules.edgeHub.heartbeat?]",
            "8 error modules.edgeMush: is not a known key; KubeEdge ignores it",
            "9 error modules.dynamicController: is a key of cloudcore.yaml; KubeEdge ignores it [set modules.dynamicController in cloudcore.yaml]",
        ],
    );
}

#[test]
fn check_finds_values_that_kubeedge_rejects() {
    finds(
        EDGECORE,
        "1.8",
        &format!(
            "kind: EdgeCore\nmodules:\n  edgeHub: {{heartbeat: 15s, {SERVERS}}}\n  edgeStream: {{enable: perhaps}}\n  metaManager:\n"
        ),
        3,
        &[
            "3 error modules.edgeHub.heartbeat: must be a whole number from -2147483648 to 2147483647, not \"15s\"; edgecore does not start",
            "4 error modules.edgeStream.enable: must be true or false, not \"perhaps\"; edgecore does not start",
            "5 error modules.metaManager: is an empty section; edgecore crashes on it at start [add its keys or remove the section]",
        ],
    );
}

#[test]
fn check_finds_a_file_for_another_version() {
    let file = |api: &str| {
        format!("kind: EdgeCore\napiVersion: edgecore.config.kubeedge.io/{api}\nmodules: {{edgeHub: {{{SERVERS}}}}}\n")
    };
    finds(EDGECORE, "1.11", &file("v1alpha1"), 0, &[]);
    finds(EDGECORE, "1.12", &file("v1alpha2"), 0, &[]);
    for (version, text) in [("1.12", "v1alpha1"), ("1.11", "v1alpha2")] {
        let (code, found) = findings(&Tree::with(&[(EDGECORE, &file(text))]), version);
        assert_eq!((code, found.len()), (3, 1), "{found:?}");
        assert!(found[0].starts_with(&format!("2 error apiVersion: is {text}, but edgecore {version} ")), "{found:?}");
    }
}

#[test]
fn check_finds_settings_that_a_newer_version_loses() {
    let servers = format!("  edgeHub: {{{SERVERS}}}\n");
    let crio = "kind: EdgeCore\nmodules:\n  edged:\n    cgroupDriver: systemd\n    remoteRuntimeEndpoint: unix:///var/run/crio/crio.sock\n";
    let crio = &format!("{crio}{servers}");
    let driver = "4 error modules.edged.cgroupDriver: was removed after KubeEdge 1.11; KubeEdge ignores it [use modules.edged.tailoredKubeletConfig.cgroupDriver]";
    let socket = "modules.edged.tailoredKubeletConfig.containerRuntimeEndpoint";
    finds(EDGECORE, "1.11", crio, 0, &[]);
    finds(EDGECORE, "1.12", crio, 3, &[driver]);
    let dead = format!(
        "5 error modules.edged.remoteRuntimeEndpoint: has no effect in this version of KubeEdge [set {socket}]"
    );
    finds(EDGECORE, "1.16", crio, 3, &[driver, &dead]);
    let gone = format!(
        "5 error modules.edged.remoteRuntimeEndpoint: was removed after KubeEdge 1.17; KubeEdge ignores it [use {socket}]"
    );
    finds(EDGECORE, "1.18", crio, 3, &[driver, &gone]);
    // A default, or a value that is also at the new path, is not lost.
    let kept = crio.replace("systemd", "cgroupfs").replace(&servers, "")
        + "    tailoredKubeletConfig:\n      containerRuntimeEndpoint: unix:///var/run/crio/crio.sock\n      imageServiceEndpoint: /run/crio/crio.sock\n"
        + &servers;
    let warnings = [driver.replace("error", "warning"), gone.replace("error", "warning")];
    let images = "8 warning modules.edged.tailoredKubeletConfig.imageServiceEndpoint: \"/run/crio/crio.sock\" is deprecated without unix:// before it";
    finds(EDGECORE, "1.18", &kept, 0, &[&warnings[0], &warnings[1], images]);
    finds(
        CLOUDCORE,
        "1.16",
        "kind: CloudCore\nmodules:\n  nodeUpgradeJobController: {enable: true}\n",
        3,
        &[
            "3 error modules.nodeUpgradeJobController: was removed after KubeEdge 1.15; KubeEdge ignores it [use modules.taskManager]",
        ],
    );
}

#[test]
fn check_finds_modules_that_minconfig_disables() {
    let hint = "[set it to true; --minconfig of KubeEdge 1.7 and newer writes false]";
    let min = "kind: EdgeCore\nmodules:\n  edgeHub:\n    enable: false\n  eventBus:\n    enable: false\n";
    let hub = format!("4 error modules.edgeHub.enable: is false: the node never connects to cloudcore {hint}");
    let bus = "6 warning modules.eventBus.enable: is false: MQTT is not available [the default is true; --minconfig of KubeEdge 1.7 and newer writes false]";
    finds(EDGECORE, "1.8", min, 3, &[&hub, bus]);
    finds(
        CLOUDCORE,
        "1.8",
        "kind: CloudCore\nmodules:\n  cloudHub: {enable: false}\n",
        3,
        &[&format!("3 error modules.cloudHub.enable: is false: no node can connect {hint}")],
    );
}

#[test]
fn check_finds_keys_that_are_set_twice() {
    finds(
        EDGECORE,
        "1.8",
        "kind: EdgeCore\nmodules:\n  edgeHub:\n    heartbeat: 15\n    heartbeat: 20\n    websocket: {server: 192.0.2.2:10000}\n    httpServer: https://192.0.2.2:10002\n  edgeStream: {Enable: true, enable: false}\n",
        3,
        &[
            "5 error modules.edgeHub.heartbeat: is set more than once, in lines 4, 5; KubeEdge uses the last one and ignores the others [keep only one; of a section, the earlier one is ignored as a whole]",
            "8 error modules.edgeStream.enable: is also spelled Enable; KubeEdge uses enable, whatever the order [keep only modules.edgeStream.enable]",
        ],
    );
}

#[test]
fn check_finds_a_tunnel_to_this_host() {
    let text = "kind: EdgeCore\nmodules:\n  edgeHub: {websocket: {server: 192.0.2.2:10000}, httpServer: https://192.0.2.2:10002}\n  edgeStream:\n    enable: true\n    server: 127.0.0.1:10004\n";
    finds(
        EDGECORE,
        "1.8",
        text,
        3,
        &[
            "6 error modules.edgeStream.server: is 127.0.0.1:10004: the tunnel for kubectl logs and exec connects to this host, not to cloudcore [edge-conf --root DIR set modules.edgeStream.server=192.0.2.2:10004]",
        ],
    );
    finds(EDGECORE, "1.8", &text.replace("127.0.0.1", "192.0.2.2"), 0, &[]);
    finds(EDGECORE, "1.8", &text.replace("true", "false"), 0, &[]);
}

#[test]
fn check_finds_servers_that_default_to_this_host() {
    let hub = |text: &str| format!("kind: EdgeCore\nmodules:\n  edgeHub: {text}\n");
    let (server, https) = ("modules.edgeHub.websocket.server", "modules.edgeHub.httpServer");
    let own = "is not set: edgecore uses the address of this host, so cloudcore must run here";
    let set = "edge-conf --root DIR set";
    let example = "otherwise, set the address of cloudcore, such as";
    let certificates = "edgecore requests its certificates at";
    let address = "the address of this host, not at cloudcore";
    let cloud = "https://192.0.2.2:10002";
    for (text, expected) in [
        (
            hub("{heartbeat: 15}"),
            format!(
                "null warning {server}: {own} [{example}: {set} {server}=192.0.2.1:10000 {https}=https://192.0.2.1:10002]"
            ),
        ),
        (
            hub("{websocket: {server: null}, httpServer: https://127.0.0.1:10002}"),
            format!("3 warning {server}: {own} [{example}: {set} {server}=192.0.2.1:10000]"),
        ),
        (
            hub("{httpServer: 'https://[2001:db8::1]:10002/'}"),
            format!("null warning {server}: {own} [{set} {server}=[2001:db8::1]:10000]"),
        ),
        (
            hub("{websocket: {enable: false}, quic: {enable: true}, httpServer: https://cloud.example}"),
            format!(
                "null warning modules.edgeHub.quic.server: {own} [{set} modules.edgeHub.quic.server=cloud.example:10001]"
            ),
        ),
        (
            hub("{websocket: {server: 192.0.2.2:10000}}"),
            format!("null warning {https}: is not set: {certificates} {address} [{set} {https}={cloud}]"),
        ),
        (
            hub("{websocket: {server: 192.0.2.2:10000}, httpServer: https://localhost:10002}"),
            format!(
                "3 warning {https}: is https://localhost:10002: {certificates} this host, not at cloudcore [{set} {https}={cloud}]"
            ),
        ),
        // cloudcore runs on this host.
        (
            hub("{websocket: {server: 127.0.0.1:10000}}"),
            format!(
                "3 warning {server}: is 127.0.0.1:10000: edgecore connects to this host, so cloudcore must run here too [otherwise, set it to the address of cloudcore]"
            ),
        ),
    ] {
        finds(EDGECORE, "1.20", &text, 0, &[&expected]);
    }
    finds(EDGECORE, "1.20", &hub(&format!("{{{SERVERS}}}")), 0, &[]);
    // A hub that is off, or that edgecore does not start with, has an error of its own.
    for off in ["enable: false", "websocket: {enable: false}", "quic: {enable: true}"] {
        let (code, found) = findings(&Tree::with(&[(EDGECORE, &hub(&format!("{{{off}}}")))]), "1.20");
        assert!(code == 3 && found.iter().all(|line| !line.contains("is not set")), "{found:?}");
    }
    // The hints work as printed.
    let tree = Tree::with(&[(EDGECORE, &hub("{heartbeat: 15}"))]);
    let ran = check(&tree, "1.20", &[]).expect(0);
    let hint = ran.stdout.split("such as: edge-conf ").nth(1).and_then(|rest| rest.lines().next()).unwrap();
    Tool::new("edge-conf").args(hint.split(' ').collect::<Vec<_>>()).run().expect(0);
    assert!(check(&tree, "1.20", &[]).expect(0).stdout.ends_with("no problems found\n"));
}

#[test]
fn check_accepts_what_kubeedge_wrote_even_for_its_next_version() {
    for (kind, path) in [(Kind::EdgeCore, EDGECORE), (Kind::CloudCore, CLOUDCORE)] {
        for minor in 4..=23 {
            let tree = Tree::with(&[(path, &render(kind, Minor::new(minor)))]);
            let ran = check(&tree, &format!("1.{minor}"), &[]).expect(0);
            let name = tree.at(path);
            assert_eq!(ran.stdout, format!("checking {} for KubeEdge 1.{minor}\nno problems found\n", name.display()));
            // The step to v1alpha2 is the one that loses settings.
            if !(kind == Kind::EdgeCore && minor == 11 || kind == Kind::CloudCore && minor == 15 || minor == 23) {
                check(&tree, &format!("1.{}", minor + 1), &[]).expect(0);
            }
        }
    }
}

#[test]
fn default_configurations_are_without_findings_in_an_unknown_version_too() {
    for kind in [Kind::EdgeCore, Kind::CloudCore] {
        for minor in 4..=23 {
            let value = edge_yaml::read(&render(kind, Minor::new(minor))).unwrap();
            for version in [Some(Minor::new(minor)), None] {
                assert_eq!(edge_conf::check::check(kind, version, &value, &[]), [], "{kind} 1.{minor}, {version:?}");
            }
        }
    }
}

#[test]
fn check_applies_merge_keys() {
    let text = "kind: EdgeCore\nmodules:\n  edgeStream: &x\n    enable: false\n  edgeHub:\n    <<: {heartbeat: 15, hartbeat: 3}\n    enable: true\n    websocket: {server: 192.0.2.2:10000}\n    httpServer: https://192.0.2.2:10002\n";
    finds(
        EDGECORE,
        "1.8",
        text,
        3,
        &[
            "6 error modules.edgeHub.hartbeat: is not a known key; KubeEdge ignores it [did you mean modules.edgeHub.heartbeat?]",
        ],
    );
}

#[test]
fn check_uses_the_version_in_the_file_or_reports_it_as_unknown() {
    let text = format!("kind: EdgeCore\nmodules: {{edgeHub: {{{SERVERS}}}, edged: {{cgroupDriver: systemd}}}}\n");
    let tree = Tree::with(&[(EDGECORE, &text)]);
    let ran = check(&tree, "", &[]).expect(0);
    assert!(
        ran.stdout.ends_with("edgecore.yaml for an unknown KubeEdge version\nno problems found\n"),
        "{}",
        ran.stdout
    );
    tree.write(EDGECORE, format!("edgecoreVersion: v1.23.1\n{text}"));
    assert!(check(&tree, "", &[]).expect(3).stdout.ends_with("1 problem found\n"));
    let ran = check(&tree, "1.99", &[]).expect(3);
    let newest = Table::of(Kind::EdgeCore).newest().number();
    let note = format!("edge-conf: note: KubeEdge 1.99 is newer than edge-conf knows: using the keys of 1.{newest}\n");
    assert_eq!(ran.stderr, note);
    let ran = check(&tree, "1.3", &[]).expect(3);
    assert_eq!(ran.stderr, "edge-conf: note: KubeEdge 1.3 is older than edge-conf knows: using the keys of 1.4\n");
}

#[test]
fn check_reads_both_files_and_the_worst_is_the_exit() {
    let edge = format!("kind: EdgeCore\nmodules: {{edgeHub: {{{SERVERS}}}}}\n");
    let tree = Tree::with(&[(EDGECORE, &edge), (CLOUDCORE, "kind: CloudCore\nx: 1\n")]);
    let ran = check(&tree, "1.8", &[]).expect(3);
    assert!(
        ran.stdout.contains("edgecore.yaml for KubeEdge 1.8\n") && ran.stdout.ends_with("\n1 problem found\n"),
        "{}",
        ran.stdout
    );
    check(&tree, "1.8", &["--file", "/etc/kubeedge/config/edgecore.yaml"]).expect(0);
}

#[test]
fn check_finds_that_there_is_no_configuration() {
    let tree = Tree::with(&[("etc/hostname", "x\n")]);
    let ran = check(&tree, "", &[]).expect(3);
    let hint = "create it with keadm join (edge) or keadm init (cloud), or name another file with --file FILE";
    let finding =
        "/etc/kubeedge/config: error: no configuration found: neither edgecore.yaml nor cloudcore.yaml exists";
    assert_eq!(ran.stdout, format!("{finding}\n    hint: {hint}\n1 problem found\n"));
    // A file that the user names is another matter: it cannot be read.
    check(&tree, "", &["--file", "/etc/x.yaml"]).expect(1);
}

#[test]
fn hint_repeats_the_file_that_the_call_names() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("my edgecore.yaml");
    std::fs::write(&file, "kind: EdgeCore\nmodules: {}\n").unwrap();
    let ran = Tool::new("edge-conf")
        .args(["--force-namespace", "--file"])
        .arg(&file)
        .args(["enable", "logs"])
        .run()
        .expect(2);
    let hint = format!("hint: edge-conf --file '{}' enable logs --server IP:10004\n", file.display());
    assert!(ran.stderr.ends_with(&hint), "{}", ran.stderr);
}
