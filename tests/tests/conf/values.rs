//! Values: what a version of KubeEdge refuses is found by `check` and refused by `set`.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use edgeutils_tests::tool::{Ran, Tool};
use edgeutils_tests::tree::{Tree, assert_same};

const EDGECORE: &str = "etc/kubeedge/config/edgecore.yaml";
const CLOUDCORE: &str = "etc/kubeedge/config/cloudcore.yaml";

fn conf(tree: &Tree, version: &str, args: &[&str]) -> Ran {
    let tool = Tool::new("edge-conf").arg("--root").arg(tree.path()).args(args);
    if version.is_empty() { tool.run() } else { tool.args(["--kubeedge-version", version]).run() }
}

/// A file with one setting, `a.b.c=VALUE`, and its section enabled.
fn file(kind: &str, setting: &str, value: &str) -> String {
    let mut text = format!("kind: {kind}\n");
    let steps: Vec<&str> = setting.split('.').collect();
    for (depth, step) in steps.iter().enumerate() {
        let indent = "  ".repeat(depth);
        let last = depth + 1 == steps.len();
        let switch = steps[..depth].join(".");
        if ["modules.edgeStream", "modules.edgeHub.quic"].contains(&switch.as_str()) {
            text += &format!("{indent}enable: true\n");
        }
        text += &if last { format!("{indent}{step}: {value}\n") } else { format!("{indent}{step}:\n") };
    }
    text
}

#[track_caller]
fn judged(path: &str, version: &str, setting: &str, value: &str) -> (i32, String) {
    let kind = if path == EDGECORE { "EdgeCore" } else { "CloudCore" };
    let tree = Tree::with(&[(path, &file(kind, setting, value))]);
    let ran = conf(&tree, version, &["check"]);
    let line = ran.stdout.lines().find(|line| line.contains(&format!(": {setting}"))).unwrap_or_default();
    (ran.code, line.to_owned())
}

#[test]
fn check_finds_values_that_the_version_refuses() {
    for (path, version, setting, value, text) in [
        (EDGECORE, "1.8", "modules.edgeHub.websocket.server", "192.0.2.300:10000", "is not a valid HOST:PORT"),
        (EDGECORE, "1.23", "modules.edgeHub.websocket.server", "192.0.2.1:10002", "cloudcore's HTTPS port"),
        (EDGECORE, "1.4", "modules.edgeHub.websocket.server", "'“192.0.2.1:10000”'", "typographic quotes"),
        (EDGECORE, "", "modules.edgeHub.websocket.server", "cloud.example:70000", "from 1 to 65535"),
        (EDGECORE, "1.8", "modules.edgeHub.websocket.server", "CLOUD_IP:10000", "is a placeholder"),
        (EDGECORE, "1.8", "modules.edgeHub.websocket.server", "0.0.0.0:10000", "cannot connect to it"),
        (EDGECORE, "1.8", "modules.edgeHub.quic.server", "'[::]:10001'", "cannot connect to it"),
        (EDGECORE, "1.8", "modules.edgeStream.server", "x.x.x.x:10004", "is a placeholder"),
        (EDGECORE, "1.8", "modules.edgeStream.server", "0.0.0.0:10004", "cannot connect to it"),
        (EDGECORE, "1.8", "modules.edgeHub.httpServer", "https://0.0.0.0:10002", "cannot connect to it"),
        (EDGECORE, "1.8", "modules.edgeHub.httpServer", "192.0.2.1:10002", "must begin with https://"),
        (EDGECORE, "1.8", "modules.edgeHub.httpServer", "https://192.0.2.1:10000", "cloudcore's websocket port"),
        (EDGECORE, "1.8", "modules.edgeHub.heartbeat", "-15", "must be greater than 0"),
        (EDGECORE, "1.8", "modules.edgeStream.server", "cloud.example", "the port is missing"),
        (EDGECORE, "1.8", "modules.edgeStream.server", "192.0.2.1:10003", "cloudcore's stream port"),
        (EDGECORE, "1.10", "modules.edged.nodeIP", "eth0", "is not a valid IP address"),
        (EDGECORE, "1.20", "modules.edged.nodeIP", "192.0.2.1/24", "is not a valid IP address"),
        (EDGECORE, "1.10", "modules.edged.runtimeType", "containerd", "must be docker or remote"),
        (EDGECORE, "1.14", "modules.edged.containerRuntime", "docker", "must be remote"),
        (EDGECORE, "1.17", "modules.edged.containerRuntime", "docker", "it has no effect"),
        (EDGECORE, "1.15", "modules.edged.remoteRuntimeEndpoint", "tcp://127.0.0.1:1", "only unix:// is supported"),
        (
            EDGECORE,
            "1.20",
            "modules.edged.tailoredKubeletConfig.containerRuntimeEndpoint",
            "unix://run/crio",
            "expected unix://",
        ),
        (EDGECORE, "1.20", "modules.edged.tailoredKubeletConfig.imageGCHighThresholdPercent", "101", "from 0 to 100"),
        (EDGECORE, "1.20", "modules.edged.tailoredKubeletConfig.topologyManagerPolicy", "best", "must be none or"),
        (EDGECORE, "1.8", "modules.eventBus.mqttServerExternal", "tcp://127.0.0.1", "is not a valid broker URL"),
        (CLOUDCORE, "1.8", "modules.cloudHub.advertiseAddress", "[192.0.2.1, cloud.example]", "cloudcore crashes"),
        (EDGECORE, "1.20", "modules.edged.tailoredKubeletConfig.containerLogMaxFiles", "1", "must be at least 2"),
        (EDGECORE, "1.20", "modules.edged.tailoredKubeletConfig.containerLogMaxSize", "10MB", "is not a valid amount"),
        (CLOUDCORE, "1.8", "modules.cloudHub.advertiseAddress", "[]", "is empty"),
        (
            CLOUDCORE,
            "1.8",
            "modules.cloudHub.https.port",
            "10000",
            "is 10000, which is also modules.cloudHub.websocket",
        ),
        (CLOUDCORE, "1.8", "modules.cloudHub.websocket.address", "eth0", "is not a valid IP address"),
        (CLOUDCORE, "1.8", "modules.cloudHub.quic.address", "'[::]'", "is not a valid IP address"),
        (CLOUDCORE, "1.8", "modules.cloudHub.websocket.port", "65536", "is not a port"),
        (CLOUDCORE, "1.8", "modules.cloudHub.https.address", "cloud.example", "is not a valid IP address"),
        (CLOUDCORE, "1.8", "modules.cloudHub.https.port", "0", "is not a port"),
        (CLOUDCORE, "1.18", "commonConfig.monitorServer.bindAddress", "9091", "is not a valid IP:PORT"),
        (CLOUDCORE, "1.8", "modules.cloudHub.unixsocket.address", "/var/lib/x.sock", "must begin with unix://"),
    ] {
        let (code, line) = judged(path, version, setting, value);
        assert!(line.contains(text) && line.contains(": error: "), "{setting}={value}: {line}");
        assert_eq!(code, 3, "{setting}={value}");
    }
}

#[test]
fn check_finds_servers_of_cloudcore_that_cannot_start() {
    for (text, line) in [
        (
            "cloudHub: {websocket: {port: 10002}}",
            "https.port: is 10002, which is also modules.cloudHub.websocket.port;",
        ),
        (
            "cloudHub: {websocket: {enable: false}}",
            "cloudHub: websocket and quic are both disabled: no node can connect",
        ),
        (
            "cloudStream: {enable: true, streamPort: 10004}",
            "tunnelPort: is 10004, which is also modules.cloudStream.st",
        ),
        ("cloudStream: {enable: true, tunnelPort: 10000}", "tunnelPort: is 10000, which is also modules.cloudHub.webs"),
    ] {
        let tree = Tree::with(&[(CLOUDCORE, &format!("kind: CloudCore\nmodules:\n  {text}\n"))]);
        let ran = conf(&tree, "1.20", &["check"]).expect(3);
        assert!(ran.stdout.contains(line), "{text}: {}", ran.stdout);
    }
    for text in [
        "cloudHub: {websocket: {enable: false}, quic: {enable: true}}",
        "cloudHub: {quic: {enable: true, port: 10000}}",
        "cloudStream: {enable: false, tunnelPort: 10000}",
        "cloudHub: {https: {port: 10000, address: 192.0.2.1}, websocket: {address: 192.0.2.2}}",
    ] {
        let tree = Tree::with(&[(CLOUDCORE, &format!("kind: CloudCore\nmodules:\n  {text}\n"))]);
        let ran = conf(&tree, "1.20", &["check"]).expect(0);
        assert!(ran.stdout.ends_with("no problems found\n"), "{text}: {}", ran.stdout);
    }
    let tree = Tree::with(&[(CLOUDCORE, "kind: CloudCore\ncommonConfig: {tunnelPort: 70000}\n")]);
    assert!(conf(&tree, "1.20", &["check"]).expect(3).stdout.contains("error: commonConfig.tunnelPort: \"70000\""));
}

#[test]
fn check_warns_of_a_hub_on_this_host() {
    let (code, line) = judged(EDGECORE, "1.8", "modules.edgeHub.websocket.server", "127.0.0.1:10000");
    assert!(
        code == 0 && line.contains("warning: ") && line.contains("is 127.0.0.1:10000: edgecore connects to this host"),
        "{line}"
    );
}

#[test]
fn set_reads_a_number_as_check_does() {
    for text in ["017", "1_5", "0xF", "15"] {
        let tree = Tree::with(&[(EDGECORE, START)]);
        conf(&tree, "1.20", &["set", &format!("modules.edgeHub.heartbeat={text}")]).expect(0);
        assert_eq!(conf(&tree, "1.20", &["get", "modules.edgeHub.heartbeat"]).expect(0).stdout, "15\n", "{text}");
    }
}

#[test]
fn unset_keeps_the_kind_of_a_file_that_its_name_does_not_show() {
    let tree = Tree::with(&[("etc/node.yaml", START)]);
    let before = tree.snapshot();
    let ran = conf(&tree, "1.20", &["--file", "/etc/node.yaml", "unset", "kind"]).expect(4);
    assert!(ran.stderr.contains("cannot unset kind: "), "{}", ran.stderr);
    assert_same(&tree.snapshot(), &before, "refused");
    conf(&tree, "1.20", &["--file", "/etc/node.yaml", "unset", "kind", "--force"]).expect(0);
}

#[test]
fn check_accepts_values_that_the_version_accepts() {
    for (path, version, setting, value) in [
        (EDGECORE, "1.8", "modules.edgeHub.websocket.server", "cloud_1.example:30000"),
        (EDGECORE, "1.8", "modules.edgeHub.websocket.server", "'[2001:db8::1]:10000'"),
        (EDGECORE, "1.8", "modules.edgeHub.httpServer", "https://cloud.example/"),
        (EDGECORE, "1.20", "modules.edged.nodeIP", "'192.0.2.1,2001:db8::1'"),
        (EDGECORE, "1.20", "modules.edged.nodeIP", "''"),
        (EDGECORE, "1.13", "modules.edged.containerRuntime", "docker"),
        (EDGECORE, "", "modules.edged.containerRuntime", "docker"),
        (EDGECORE, "1.8", "modules.edgeHub.heartbeat", "0x0F"),
        (EDGECORE, "1.8", "modules.edgeHub.heartbeat", "1_5"),
        (EDGECORE, "1.8", "modules.edgeHub.enable", "yes"),
        (EDGECORE, "1.8", "modules.eventBus.mqttServerExternal", "127.0.0.1:1883"),
        (EDGECORE, "1.8", "modules.eventBus.mqttServerExternal", "':1883'"),
        (CLOUDCORE, "1.8", "modules.cloudHub.advertiseAddress", "[192.0.2.1, '2001:db8::1']"),
        (CLOUDCORE, "1.12", "modules.cloudHub.websocket.address", "0.0.0.0"),
    ] {
        let (_, line) = judged(path, version, setting, value);
        assert_eq!(line, "", "{setting}={value}");
    }
    // kubelet takes it, with a message of its own.
    let (code, line) =
        judged(EDGECORE, "1.20", "modules.edged.tailoredKubeletConfig.imageServiceEndpoint", "/run/x.sock");
    assert!(code == 0 && line.contains(": warning: ") && line.contains("deprecated"), "{line}");
}

#[test]
fn values_are_text_as_kubeedge_reads_them() {
    for (value, text) in
        [("0123", Some("83")), ("1_000", Some("1000")), ("1e3", Some("1000")), ("'0123'", None), ("12", None)]
    {
        let (_, line) = judged(EDGECORE, "1.20", "modules.edged.hostnameOverride", value);
        match text {
            Some(text) => assert!(line.contains(&format!("it uses \"{text}\"")), "{value}: {line}"),
            None => assert_eq!(line, "", "{value}"),
        }
    }
    // A secret is not shown.
    let (_, line) = judged(EDGECORE, "1.20", "modules.edgeHub.token", "0123456");
    assert!(line.contains("is not in quotes") && !line.contains("123456"), "{line}");
}

const START: &str = "kind: EdgeCore\nmodules:\n  edged:\n    hostnameOverride: edge-1\n  edgeHub:\n    websocket:\n      enable: true\n      server: 192.0.2.1:10000\n";

#[test]
fn set_refuses_a_result_that_check_rejects() {
    for (settings, text) in [
        (
            &["modules.edgeHub.quic.enable=true"] as &[&str],
            "cannot set modules.edgeHub: websocket and quic are both enabled",
        ),
        (&["modules.edged.hostnameOverride=Edge_Node1"], "\"Edge_Node1\" is not a valid node name"),
        (&["modules.edgeHub.messageQPS=-5"], "modules.edgeHub.messageQPS: must not be negative"),
        (&["modules.edgeHub.websocket.server=192.0.2.1:10004"], "cloudcore's tunnel port"),
        (&["modules.edgeHub.heartbeat=0", "modules.edged.nodeIP=x"], "(and 1 more)"),
    ] {
        let tree = Tree::with(&[(EDGECORE, START)]);
        let before = tree.snapshot();
        for more in [&[] as &[&str], &["-n"]] {
            let ran = conf(&tree, "1.20", &[&["set"], settings, more].concat()).expect(4);
            assert!(
                ran.stderr.contains(text) && ran.stderr.ends_with("hint: --force sets it anyway\n"),
                "{}",
                ran.stderr
            );
            assert_same(&tree.snapshot(), &before, "refused");
        }
        let ran = conf(&tree, "1.20", &[&["set", "--force"], settings].concat()).expect(0);
        assert!(ran.stderr.contains("edge-conf: warning: modules.edge"), "{}", ran.stderr);
        conf(&tree, "1.20", &["check"]).expect(3);
        conf(&tree, "1.20", &["undo"]).expect(0);
        assert_same(&tree.snapshot(), &before, "undone");
    }
    // Together they make a valid file.
    let tree = Tree::with(&[(EDGECORE, START)]);
    conf(&tree, "1.20", &["set", "modules.edgeHub.quic.enable=true", "modules.edgeHub.websocket.enable=false"])
        .expect(0);
    let ran = conf(&tree, "1.20", &["unset", "modules.edgeHub.websocket.enable"]).expect(4);
    assert!(ran.stderr.contains("cannot unset modules.edgeHub: "), "{}", ran.stderr);
}

#[test]
fn problems_that_the_file_had_before_do_not_block() {
    let broken = format!("{START}    heartbeat: -3\n  edgeStream: {{enable: false, server: x}}\n  oops: 1\n");
    let tree = Tree::with(&[(EDGECORE, &broken)]);
    conf(&tree, "1.20", &["check"]).expect(3);
    conf(&tree, "1.20", &["set", "modules.edged.hostnameOverride=edge-2"]).expect(0);
    let ran = conf(&tree, "1.20", &["set", "modules.edgeStream.enable=true"]).expect(0);
    assert!(ran.stderr.contains("warning: modules.edgeStream.server: \"x\" is not a valid"), "{}", ran.stderr);
    conf(&tree, "1.20", &["set", "modules.edgeHub.heartbeat=-4"]).expect(4);
}

#[test]
fn check_of_a_file_that_says_nothing_is_not_clean() {
    for text in ["", "\n", "# nothing\n", "---\n", "null\n", "---\n---\nkind: EdgeCore\n"] {
        let ran = conf(&Tree::with(&[(EDGECORE, text)]), "1.20", &["check"]).expect(3);
        assert!(ran.stdout.contains("error: is empty: edgecore uses its defaults"), "{text:?}: {}", ran.stdout);
        let ran = conf(&Tree::with(&[(CLOUDCORE, text)]), "1.20", &["check"]).expect(0);
        assert!(ran.stdout.contains("warning: is empty: cloudcore uses its defaults"), "{text:?}: {}", ran.stdout);
    }
}

#[test]
fn check_says_which_document_is_judged() {
    let later = "kind: EdgeCore\n---\nkind: EdgeCore\nmodules: {oops: 1}\n";
    let ran = conf(&Tree::with(&[(EDGECORE, later)]), "1.20", &["check"]).expect(0);
    assert!(
        ran.stdout.contains("warning: has more than one document: KubeEdge reads only the first"),
        "{}",
        ran.stdout
    );
    let connected = "---\nkind: EdgeCore\nmodules: {edgeHub: {websocket: {server: 192.0.2.2:10000}, httpServer: https://192.0.2.2:10002}}\n";
    let ran = conf(&Tree::with(&[(EDGECORE, connected)]), "1.20", &["check"]).expect(0);
    assert!(ran.stdout.ends_with("no problems found\n"), "{}", ran.stdout);
}

#[test]
fn check_finds_the_document_of_the_other_component() {
    for (path, kind, program) in [(EDGECORE, "CloudCore", "edgecore"), (CLOUDCORE, "EdgeCore", "cloudcore")] {
        let tree = Tree::with(&[(path, &format!("kind: {kind}\nmodules: {{cloudHub: {{enable: true}}}}\n"))]);
        let ran = conf(&tree, "1.20", &["check"]).expect(3);
        assert!(ran.stdout.contains(&format!("error: kind: is {kind}: the file is for")), "{}", ran.stdout);
        assert!(
            ran.stdout.contains(&format!("{program} ignores most of it")) && ran.stdout.ends_with("1 problem found\n")
        );
    }
}
