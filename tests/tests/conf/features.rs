//! `enable` in every KubeEdge version: applied, applied again without a change, and undone to the byte.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use edge_kubeedge::{Kind, Minor};
use edgeutils_tests::defaults::render;
use edgeutils_tests::tool::{Ran, Tool};
use edgeutils_tests::tree::{Tree, assert_same};
use serde_json::{Value, json};

const EDGECORE: &str = "etc/kubeedge/config/edgecore.yaml";
const CLOUDCORE: &str = "etc/kubeedge/config/cloudcore.yaml";

fn versions() -> impl Iterator<Item = u16> {
    4..=23
}

fn conf(tree: &Tree, version: u16, args: &[&str]) -> Ran {
    let version = format!("1.{version}");
    Tool::new("edge-conf").arg("--root").arg(tree.path()).args(["--kubeedge-version", &version]).args(args).run()
}

fn node(kind: Kind, version: u16) -> Tree {
    let text = format!("# ours, do not remove\n{}", render(kind, Minor::new(version)));
    let path = if kind == Kind::EdgeCore { EDGECORE } else { CLOUDCORE };
    Tree::with(&[(path, &text), ("etc/hostname", "node\n"), ("usr/bin/crio", ""), ("usr/bin/containerd", "")])
}

/// Applies, compares values, checks, applies again and undoes.
fn round(kind: Kind, version: u16, args: &[&str], want: &[(&str, Value)]) {
    let tree = node(kind, version);
    let before = tree.snapshot();
    let dry = conf(&tree, version, &[args, &["-n"]].concat()).expect(3);
    assert_same(&tree.snapshot(), &before, "a dry run");
    let done = conf(&tree, version, args).expect(0);
    assert_eq!(
        done.stdout,
        dry.stdout.replace("would write", "wrote").replace(" would be made", ""),
        "1.{version}: the dry run shows what is done"
    );
    for (path, value) in want {
        let got = conf(&tree, version, &["get", path, "--json"]).expect(0);
        let got: Value = serde_json::from_str(got.stdout.lines().next().unwrap()).unwrap();
        assert_eq!(&got["value"], value, "1.{version} {path}");
    }
    conf(&tree, version, &["check"]).expect(0);
    let after = tree.snapshot();
    let again = conf(&tree, version, args).expect(0);
    assert_eq!(again.stdout, "already up to date\n", "1.{version}");
    conf(&tree, version, &[args, &["-n"]].concat()).expect(0);
    assert_same(&tree.snapshot(), &after, "a second run");
    conf(&tree, version, &["undo"]).expect(0);
    assert_same(&tree.snapshot(), &before, &format!("1.{version} {args:?} and undo"));
    assert_eq!(conf(&tree, version, &["undo"]).expect(0).stdout, "nothing to undo\n");
}

#[test]
fn enable_logs_sets_edge_stream() {
    for version in versions() {
        let want =
            [("modules.edgeStream.enable", json!(true)), ("modules.edgeStream.server", json!("192.0.2.7:10004"))];
        round(Kind::EdgeCore, version, &["enable", "logs", "--server", "192.0.2.7:10004"], &want);
    }
}

#[test]
fn enable_logs_takes_the_address_of_cloudcore_from_edge_hub() {
    // The rendered default names 192.0.2.2 as the hub and 127.0.0.1 as the stream server.
    let want = [("modules.edgeStream.server", json!("192.0.2.2:10004"))];
    round(Kind::EdgeCore, 4, &["enable", "logs"], &want);
    let tree = node(Kind::EdgeCore, 8);
    for own in ["localhost:10004", "'[::1]:10004'", "127.0.0.1:10004"] {
        let hub = "edgeHub: {websocket: {server: 'cloud:10000'}}";
        tree.write(EDGECORE, format!("kind: EdgeCore\nmodules: {{edgeStream: {{server: {own}}}, {hub}}}\n"));
        conf(&tree, 8, &["enable", "logs"]).expect(0);
        assert_eq!(conf(&tree, 8, &["get", "modules.edgeStream.server"]).expect(0).stdout, "cloud:10004\n", "{own}");
    }
    tree.write(EDGECORE, "kind: EdgeCore\nmodules: {}\n");
    let ran = conf(&tree, 8, &["enable", "logs"]).expect(2);
    assert_eq!(
        ran.stderr.replace(&tree.path().display().to_string(), "DIR"),
        "edge-conf: cannot enable logs: the address of cloudcore is not set in edgeStream or edgeHub\n\
         hint: edge-conf --root DIR enable logs --server IP:10004\n"
    );
}

#[test]
fn enable_logs_refuses_an_address_that_is_not_cloudcores() {
    let tree = node(Kind::EdgeCore, 8);
    let before = tree.snapshot();
    for (server, text) in [
        ("IP:10004", "it is a placeholder that must be replaced"),
        ("CLOUDCORE_IP:10004", "it is a placeholder that must be replaced"),
        ("0.0.0.0:10004", "cannot connect to it"),
        ("[::]:10004", "cannot connect to it"),
        ("2001:db8::1", "needs brackets and a port: [2001:db8::1]:10004"),
    ] {
        let ran = conf(&tree, 8, &["enable", "logs", "--server", server]).expect(2);
        assert!(ran.stderr.contains(text), "{server}: {}", ran.stderr);
    }
    assert_same(&tree.snapshot(), &before, "refused");
    for (server, text) in [
        ("127.0.0.1:10000", "websocket.server is 127.0.0.1:10000, which is this host"),
        ("0.0.0.0:10000", "cannot connect to it"),
        ("CLOUD_IP:10000", "it is a placeholder"),
    ] {
        let hub = format!("edgeHub: {{websocket: {{server: '{server}'}}}}");
        tree.write(EDGECORE, format!("kind: EdgeCore\nmodules: {{{hub}}}\n"));
        let ran = conf(&tree, 8, &["enable", "logs"]).expect(4);
        assert!(ran.stderr.contains(text), "{server}: {}", ran.stderr);
    }
}

#[test]
fn enable_logs_on_cloudcore_requires_the_certificates() {
    for version in versions() {
        let tree = node(Kind::CloudCore, version);
        let before = tree.snapshot();
        let ran = conf(&tree, version, &["enable", "logs"]).expect(4);
        assert_eq!(
            ran.stderr.lines().next_back().unwrap(),
            format!("hint: create them first: edge-certgen --root {} stream --ip CLOUDCORE_IP", tree.path().display())
        );
        assert!(ran.stderr.contains("/etc/kubeedge/ca/streamCA.crt, /etc/kubeedge/certs/stream.crt"), "{}", ran.stderr);
        assert_same(&tree.snapshot(), &before, "refused");
        for file in ["ca/streamCA.crt", "certs/stream.crt", "certs/stream.key"] {
            tree.write(&format!("etc/kubeedge/{file}"), "x");
        }
        conf(&tree, version, &["enable", "logs"]).expect(0);
        assert_eq!(conf(&tree, version, &["get", "modules.cloudStream.enable"]).expect(0).stdout, "true\n");
    }
}

#[test]
fn enable_metaserver_and_dynamic_controller() {
    for version in 7..=23 {
        let mut want = vec![("modules.metaManager.metaServer.enable", json!(true))];
        if version == 7 {
            want.push(("modules.edgeMesh.enable", json!(false)));
        }
        round(Kind::EdgeCore, version, &["enable", "metaserver"], &want);
    }
    let tree = node(Kind::EdgeCore, 5);
    let ran = conf(&tree, 5, &["enable", "metaserver"]).expect(4);
    assert!(ran.stderr.contains("edgecore 1.5 does not have it: it was added in 1."), "{}", ran.stderr);
    for version in 6..=23 {
        let want = [("modules.dynamicController.enable", json!(true))];
        round(Kind::CloudCore, version, &["enable", "dynamic-controller"], &want);
    }
}

#[test]
fn enable_runtime_sets_the_keys_of_each_version() {
    for version in versions() {
        let tailored = "modules.edged.tailoredKubeletConfig";
        let (runtime, service, driver) = match version {
            ..12 => (
                "modules.edged.remoteRuntimeEndpoint".to_owned(),
                "modules.edged.remoteImageEndpoint".to_owned(),
                "modules.edged.cgroupDriver".to_owned(),
            ),
            12..16 => (
                "modules.edged.remoteRuntimeEndpoint".to_owned(),
                "modules.edged.remoteImageEndpoint".to_owned(),
                format!("{tailored}.cgroupDriver"),
            ),
            _ => (
                format!("{tailored}.containerRuntimeEndpoint"),
                format!("{tailored}.imageServiceEndpoint"),
                format!("{tailored}.cgroupDriver"),
            ),
        };
        // containerd's defaults are those of newer versions, so others are set.
        let containerd = ["enable", "containerd", "--socket", "/run/site/c.sock", "--cgroup-driver", "systemd"];
        for (args, socket) in
            [(&["enable", "crio"][..], "unix:///var/run/crio/crio.sock"), (&containerd, "unix:///run/site/c.sock")]
        {
            let want = [(runtime.as_str(), json!(socket)), (&service, json!(socket)), (&driver, json!("systemd"))];
            round(Kind::EdgeCore, version, args, &want);
        }
    }
}

#[test]
fn enable_crio_reads_settings_from_a_pipe() {
    let tree = node(Kind::EdgeCore, 23);
    let pipe = |text: &str| {
        let tool = Tool::new("edge-conf").arg("--root").arg(tree.path());
        tool.args(["enable", "crio", "-"]).stdin(text).run()
    };
    pipe("socket=/run/x.sock\ncgroupDriver=cgroupfs\n").expect(0);
    let path = "modules.edged.tailoredKubeletConfig.containerRuntimeEndpoint";
    assert_eq!(conf(&tree, 23, &["get", path]).expect(0).stdout, "unix:///run/x.sock\n");
    let after = tree.snapshot();
    for (input, message) in [
        ("", "cannot use standard input: it is empty"),
        ("socket=/run/y", "cannot use standard input: it ends in the middle of a line"),
        ("socks=/run/y\n", "cannot use standard input: unexpected line \"socks=/run/y\""),
    ] {
        assert!(pipe(input).expect(1).stderr.contains(message), "{input:?}");
    }
    assert!(pipe("cgroupDriver=banana\n").expect(4).stderr.contains("must be cgroupfs or systemd"));
    assert_same(&tree.snapshot(), &after, "bad input");
}

#[test]
fn env_writes_a_drop_in_and_keeps_the_unit_file() {
    let tree = node(Kind::EdgeCore, 8);
    tree.write("etc/systemd/system/edgecore.service", "[Service]\nExecStart=/usr/local/bin/edgecore\n");
    std::fs::hard_link(tree.at("etc/systemd/system/edgecore.service"), tree.at("etc/kubeedge/edgecore.service"))
        .unwrap();
    let before = tree.snapshot();
    let args = ["env", "CHECK_EDGECORE_ENVIRONMENT=false", "B=50%"];
    conf(&tree, 8, &args).expect(0);
    assert_eq!(
        tree.read("etc/systemd/system/edgecore.service.d/20-edgeutils.conf"),
        "# Written by edge-conf env; `edge-conf undo` reverts it.\n[Service]\n\
         Environment=\"CHECK_EDGECORE_ENVIRONMENT=false\"\nEnvironment=\"B=50%%\"\n"
    );
    assert_eq!(conf(&tree, 8, &args).expect(0).stdout, "already up to date\n");
    conf(&tree, 8, &["undo"]).expect(0);
    assert_same(&tree.snapshot(), &before, "env and undo");
}
