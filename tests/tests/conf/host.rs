//! What the host adds to a configuration: files, drop-ins, the container runtime.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use edgeutils_tests::tool::{Ran, Tool};
use edgeutils_tests::tree::{Tree, assert_same};

const EDGECORE: &str = "etc/kubeedge/config/edgecore.yaml";
/// A file with the addresses of cloudcore.
const CONNECTED: &str =
    "kind: EdgeCore\nmodules: {edgeHub: {websocket: {server: 192.0.2.2:10000}, httpServer: https://192.0.2.2:10002}}\n";
const CLOUDCORE: &str = "etc/kubeedge/config/cloudcore.yaml";
const DROPINS: &str = "etc/systemd/system/edgecore.service.d";

fn conf(tree: &Tree, version: &str, args: &[&str]) -> Ran {
    Tool::new("edge-conf").arg("--root").arg(tree.path()).args(["--kubeedge-version", version]).args(args).run()
}

#[test]
fn check_finds_missing_files_of_cloud_stream() {
    let on = "kind: CloudCore\nmodules:\n  cloudStream:\n    enable: true\n    tlsStreamCertFile: /srv/stream.crt\n";
    let tree = Tree::with(&[(CLOUDCORE, on), ("etc/kubeedge/ca/streamCA.crt", "x")]);
    let ran = conf(&tree, "1.20", &["check"]).expect(3);
    assert!(
        ran.stdout.contains(":5: error: modules.cloudStream.tlsStreamCertFile: /srv/stream.crt does not exist"),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stdout.contains("/etc/kubeedge/certs/stream.key does not exist")
            && !ran.stdout.contains("streamCA.crt does")
    );
    tree.write("srv/stream.crt", "x");
    tree.write("etc/kubeedge/certs/stream.key", "x");
    assert!(conf(&tree, "1.20", &["check"]).expect(0).stdout.ends_with("no problems found\n"));
    // Another host may use a file in another place.
    let other = Tree::with(&[("srv/cloudcore.yaml", on)]);
    let ran = conf(&other, "1.20", &["--file", "/srv/cloudcore.yaml", "check"]).expect(0);
    assert!(ran.stdout.contains("warning: modules.cloudStream.tlsStreamCAFile: "), "{}", ran.stdout);
}

#[test]
fn check_finds_half_a_pair_of_hub_files() {
    let tree = Tree::with(&[(CLOUDCORE, "kind: CloudCore\n"), ("etc/kubeedge/ca/rootCA.crt", "x")]);
    let ran = conf(&tree, "1.20", &["check"]).expect(3);
    assert!(
        ran.stdout.contains("modules.cloudHub.tlsCAKeyFile: /etc/kubeedge/ca/rootCA.key does not exist, but"),
        "{}",
        ran.stdout
    );
    tree.write("etc/kubeedge/ca/rootCA.key", "x");
    conf(&tree, "1.20", &["check"]).expect(0);
}

#[test]
fn check_finds_a_drop_in_that_overrides_env() {
    for unit in [true, false] {
        let tree = Tree::with(&[(EDGECORE, CONNECTED)]);
        if unit {
            tree.write(
                "etc/systemd/system/edgecore.service",
                "[Service]\nExecStart=/usr/local/bin/edgecore\nEnvironment=A=0\n",
            );
        }
        conf(&tree, "1.20", &["env", "A=1", "B=2"]).expect(0);
        tree.write(&format!("{DROPINS}/10-early.conf"), "[Service]\nEnvironment=A=9\n");
        assert!(conf(&tree, "1.20", &["check"]).expect(0).stdout.ends_with("no problems found\n"));
        tree.write(&format!("{DROPINS}/override.conf"), "[Service]\nEnvironment=B=2\nEnvironment=A=9\n");
        let ran = conf(&tree, "1.20", &["check"]).expect(0);
        let line = ran
            .stdout
            .lines()
            .find(|line| line.contains("override.conf:3: warning: also sets A and takes precedence over"));
        assert!(line.is_some() && ran.stdout.ends_with("no errors, 1 warning\n"), "{}", ran.stdout);
        let ran = conf(&tree, "1.20", &["env", "A=1"]).expect(3);
        assert!(ran.stderr.contains("override.conf:3 also sets A and takes precedence"), "{}", ran.stderr);
        assert!(!ran.stdout.contains("already up to date"), "{}", ran.stdout);
        conf(&tree, "1.20", &["env", "B=2"]).expect(0);
        for removal in ["Environment=", "UnsetEnvironment=A=2 A=1", "UnsetEnvironment=A"] {
            tree.write(&format!("{DROPINS}/override.conf"), format!("[Service]\n{removal}\n"));
            assert!(conf(&tree, "1.20", &["env", "A=1"]).expect(3).stderr.contains("removes A"), "{removal}");
        }
        let ran = conf(&tree, "1.20", &["check"]).expect(0);
        assert!(
            ran.stdout.contains("sets A, but a later Environment= or an UnsetEnvironment= removes it"),
            "{}",
            ran.stdout
        );
    }
}

#[test]
fn check_finds_two_sockets_that_differ() {
    for (version, runtime, images) in [
        ("1.15", "remoteRuntimeEndpoint", "remoteImageEndpoint"),
        ("1.20", "tailoredKubeletConfig.containerRuntimeEndpoint", "tailoredKubeletConfig.imageServiceEndpoint"),
    ] {
        let path = |key: &str| format!("modules.edged.{key}");
        let tree = Tree::with(&[(EDGECORE, CONNECTED)]);
        // The default of the other is containerd.
        let ran = conf(&tree, version, &["set", &format!("{}=unix:///run/crio/crio.sock", path(runtime))]).expect(0);
        assert!(ran.stderr.contains("images are pulled by another runtime"), "{}", ran.stderr);
        let ran = conf(&tree, version, &["check"]).expect(0);
        assert!(ran.stdout.contains("images are pulled by another runtime"), "{}", ran.stdout);
        conf(&tree, version, &["set", &format!("{}=unix:///var/run/crio/crio.sock", path(images))]).expect(0);
        assert!(conf(&tree, version, &["check"]).expect(0).stdout.ends_with("no problems found\n"));
    }
}

#[test]
fn check_finds_built_in_edge_mesh_that_is_on_by_default() {
    let tree = Tree::with(&[(EDGECORE, &CONNECTED.replace("{edgeHub", "{edgeMesh: {listenPort: 40001}, edgeHub"))]);
    for (version, is_found) in [("1.4", true), ("1.7", true), ("1.8", false)] {
        let ran = conf(&tree, version, &["check"]);
        assert_eq!(
            ran.stdout.contains("modules.edgeMesh.enable: is not set, and enabled by default"),
            is_found,
            "{version}"
        );
    }
    conf(&tree, "1.7", &["set", "modules.edgeMesh.enable=false"]).expect(0);
    assert!(conf(&tree, "1.7", &["check"]).expect(0).stdout.ends_with("no problems found\n"));
}

#[test]
fn enable_crio_is_refused_while_cri_o_is_not_installed() {
    for (version, text, now) in [
        ("1.8", "kind: EdgeCore\n", " instead of Docker"),
        ("1.15", "kind: EdgeCore\n", " instead of the runtime at unix:///run/containerd/containerd.sock"),
        (
            "1.23",
            "kind: EdgeCore\nmodules: {edged: {tailoredKubeletConfig: {containerRuntimeEndpoint: 'unix:///run/c.sock'}}}\n",
            " instead of the runtime at unix:///run/c.sock",
        ),
    ] {
        let tree = Tree::with(&[(EDGECORE, text), ("usr/bin/containerd", ""), ("usr/bin/dockerd", "")]);
        let before = tree.snapshot();
        for args in [
            &["enable", "crio"] as &[&str],
            &["enable", "crio", "-n"],
            &["enable", "crio", "--socket", "/run/crio.sock"],
        ] {
            let ran = conf(&tree, version, args).expect(4);
            let expected = format!(
                "cannot enable crio: CRI-O is not installed, and edgecore would use it{now}\nhint: use --force, or install it: edge-crio "
            );
            assert!(ran.stderr.contains(&expected), "{}", ran.stderr);
            assert_same(&tree.snapshot(), &before, "refused");
        }
        let piped = Tool::new("edge-conf").arg("--root").arg(tree.path()).args([
            "--kubeedge-version",
            version,
            "enable",
            "crio",
            "-",
        ]);
        piped.stdin("socket=unix:///run/crio/crio.sock\n").run().expect(4);
        conf(&tree, version, &["enable", "crio", "--force"]).expect(0);
        // Nothing is left to change, so nothing is refused.
        assert_eq!(conf(&tree, version, &["enable", "crio"]).expect(0).stdout, "already up to date\n");
    }
}

#[test]
fn enable_containerd_is_refused_while_containerd_is_not_installed() {
    let tree = Tree::with(&[(EDGECORE, "kind: EdgeCore\n"), ("usr/bin/crio", "")]);
    let before = tree.snapshot();
    let ran = conf(&tree, "1.8", &["enable", "containerd"]).expect(4);
    let expected = "cannot enable containerd: containerd is not installed, and edgecore would use it instead of Docker\n\
                    hint: use --force, or install it: edge-pkg ";
    assert!(ran.stderr.contains(expected), "{}", ran.stderr);
    assert_same(&tree.snapshot(), &before, "refused");
    tree.write("usr/bin/containerd", "");
    conf(&tree, "1.8", &["enable", "containerd", "--cgroup-driver", "systemd"]).expect(0);
    assert_eq!(conf(&tree, "1.8", &["get", "modules.edged.cgroupDriver"]).expect(0).stdout, "systemd\n");
}

#[test]
fn enable_crio_finds_the_program_where_its_unit_has_it() {
    let unit = "[Service]\nExecStart=/opt/crio/bin/crio --log-level info\n";
    let tree = Tree::with(&[(EDGECORE, "kind: EdgeCore\n"), ("etc/systemd/system/crio.service", unit)]);
    // A unit alone starts nothing.
    conf(&tree, "1.23", &["enable", "crio"]).expect(4);
    tree.write("opt/crio/bin/crio", "");
    conf(&tree, "1.23", &["enable", "crio"]).expect(0);
    for place in ["usr/bin/crio", "usr/local/bin/crio"] {
        let tree = Tree::with(&[(EDGECORE, "kind: EdgeCore\n"), (place, "")]);
        conf(&tree, "1.23", &["enable", "crio"]).expect(0);
    }
}

#[test]
fn enable_crio_notes_the_version_that_it_takes_from_the_file() {
    let text = "apiVersion: edgecore.config.kubeedge.io/v1alpha1\nkind: EdgeCore\nmodules: {}\n";
    let tree = Tree::with(&[(EDGECORE, text), ("usr/bin/crio", "")]);
    let enable = |args: &[&str]| {
        Tool::new("edge-conf").arg("--root").arg(tree.path()).args(args).args(["enable", "crio", "-n"]).run().expect(3)
    };
    assert!(enable(&[]).stderr.contains("note: using the keys of KubeEdge 1.11, "));
    assert!(!enable(&["--kubeedge-version", "1.11"]).stderr.contains("using the keys"));
}

/// An address of the hub in edgecore.yaml, and what `enable logs` makes of it.
#[test]
fn enable_logs_takes_only_a_valid_address_of_the_hub_in_use() {
    let websocket =
        |server: &str| format!("kind: EdgeCore\nmodules:\n  edgeHub:\n    websocket:\n      server: '{server}'\n");
    for (server, text) in [
        ("<CLOUD_IP>:10000", "placeholder"),
        ("${IP}:10000", "placeholder"),
        ("wss://192.0.2.1:10000", "must not begin with wss://"),
        ("2001:db8::1", "needs brackets"),
        ("192.0.2.1", "the port is missing"),
        ("192.0.2.300:10000", "neither an IP address nor a DNS name"),
        ("192.0.2.1:10002", "cloudcore's HTTPS port"),
    ] {
        let tree = Tree::with(&[(EDGECORE, &websocket(server))]);
        let before = tree.snapshot();
        let ran = conf(&tree, "1.20", &["enable", "logs"]).expect(4);
        assert!(
            ran.stderr.contains("modules.edgeHub.websocket.server: ") && ran.stderr.contains(text),
            "{}",
            ran.stderr
        );
        assert!(ran.stderr.ends_with(" enable logs --server IP:10004\n"), "{}", ran.stderr);
        assert_same(&tree.snapshot(), &before, server);
        conf(&tree, "1.20", &["enable", "logs", "--server", "192.0.2.7:10004"]).expect(0);
    }
    let server = |tree: &Tree| conf(tree, "1.20", &["get", "modules.edgeStream.server"]).expect(0).stdout;
    let quic = "kind: EdgeCore\nmodules:\n  edgeHub:\n    websocket: {enable: off, server: 'old:10000'}\n    quic: {enable: on, server: 'new:10001'}\n";
    let tree = Tree::with(&[(EDGECORE, quic)]);
    let ran = conf(&tree, "1.20", &["enable", "logs"]).expect(0);
    assert!(ran.stderr.contains("with the host of modules.edgeHub.quic.server") && !ran.stderr.contains("warning"));
    assert_eq!(server(&tree), "new:10004\n");
    let tree = Tree::with(&[(EDGECORE, &websocket("192.0.2.1:30000"))]);
    let ran = conf(&tree, "1.20", &["enable", "logs"]).expect(0);
    assert!(
        ran.stderr.contains("warning: modules.edgeHub.websocket.server has port 30000 instead of 10000"),
        "{}",
        ran.stderr
    );
    let both = quic.replace("enable: off", "enable: true");
    let ran = conf(&Tree::with(&[(EDGECORE, &both)]), "1.20", &["enable", "logs"]).expect(4);
    assert!(ran.stderr.contains("are both enabled"), "{}", ran.stderr);
    // An own address that is valid stays; one on another port of cloudcore does not.
    let tree = Tree::with(&[(EDGECORE, &format!("{}  edgeStream: {{server: 'b:30004'}}\n", websocket("a:10000")))]);
    conf(&tree, "1.20", &["enable", "logs"]).expect(0);
    assert_eq!(server(&tree), "b:30004\n");
    let tree = Tree::with(&[(EDGECORE, &format!("{}  edgeStream: {{server: 'b:10003'}}\n", websocket("a:10000")))]);
    conf(&tree, "1.20", &["enable", "logs"]).expect(0);
    assert_eq!(server(&tree), "a:10004\n");
}

#[test]
fn options_are_validated_like_values() {
    let tree = Tree::with(&[(EDGECORE, "kind: EdgeCore\n")]);
    for server in ["192.0.2.1:10003", "192.0.2.1", "<IP>:10004", "2001:db8::1:10004"] {
        let ran = conf(&tree, "1.20", &["enable", "logs", "--server", server]).expect(2);
        assert!(ran.stderr.starts_with("edge-conf: cannot use --server: \""), "{}", ran.stderr);
    }
    let ran = Tool::new("edge-conf").args(["--kubeedge-version", "foo", "check"]).run().expect(2);
    assert_eq!(ran.stderr.matches("foo").count(), 1, "{}", ran.stderr);
}
