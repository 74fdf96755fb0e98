//! Wrong calls and wrong input: the cause, the exit code, and nothing changed.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use edgeutils_tests::tool::Tool;
use edgeutils_tests::tree::{Tree, assert_same};

fn config_map(record: &str) -> String {
    let annotations = serde_json::json!({"tunnelportrecord.kubeedge.io": record});
    serde_json::json!({"kind": "ConfigMap", "metadata": {"annotations": annotations}}).to_string()
}

#[test]
fn wrong_calls_report_cause_and_hint() {
    let tree = Tree::new();
    let before = tree.snapshot();
    for (args, code, cause, hint) in [
        ("add", 2, "cannot add a redirect: no port and address given", "edge-redirect --root DIR add 10351="),
        ("add 10350", 2, "cannot use \"10350\": expected PORT=IP:PORT", "for example 10351=192.0.2.1:10003"),
        ("add 10350=cloudcore:10003", 2, "\"cloudcore\" is not a valid IP address", "getent hosts"),
        ("add 0=192.0.2.1:10003", 2, "\"0\" is not a port from 1 to 65535", "for example"),
        ("add 70000=192.0.2.1:10003", 2, "\"70000\" is not a port from 1 to 65535", "for example"),
        ("add 1=192.0.2.1:70000", 2, "\"70000\" is not a port", "for example"),
        ("add 1=192.0.2.1", 2, "the address has no port", "for example"),
        ("add 1=2001:db8::1:10003", 2, "an IPv6 address must be in brackets", "[2001:db8::1]:10003"),
        ("add 1=127.0.0.1:10003", 2, "it is a loopback address", ""),
        (
            "add 1=192.0.2.1:1 1=192.0.2.2:1",
            2,
            "cannot redirect port 1 to both 192.0.2.1:1 and 192.0.2.2:1",
            "each cloudcore has its own port",
        ),
        (
            "add --cloudcore 192.0.2.1",
            2,
            "cannot redirect to 192.0.2.1: the port depends on the KubeEdge version",
            "--kubeedge-version",
        ),
        ("add --cloudcore cloud --kubeedge-version 1.8", 2, "invalid value 'cloud'", ""),
        (
            "add --cloudcore 192.0.2.1 --kubeedge-version new",
            2,
            "it is not a KubeEdge version such as 1.8 or v1.23.1",
            "",
        ),
        ("add --cloudcore 192.0.2.1 --kubeedge-version 1.2", 2, "kubectl logs is supported since KubeEdge 1.3", ""),
        ("add --kubeedge-version 1.8", 2, "--cloudcore <IP>", ""),
        ("add 1=192.0.2.1:1 --tunnelport -", 2, "cannot be used with", ""),
        ("add 1=192.0.2.1:1 --backend ipfw", 2, "invalid value 'ipfw'", ""),
        ("add 1=192.0.2.1:1", 4, "cannot add rules with --root", "--persist"),
        (
            "add 10250=192.0.2.1:10003 --persist",
            4,
            "cannot redirect port 10250: it is the port of the kubelet",
            "--force-port",
        ),
        ("add 22=192.0.2.1:22 --persist -n", 4, "cannot redirect port 22: it is the port of SSH", "--force-port"),
        (
            "add 10351=192.0.2.1:10003 6443=[2001:db8::1]:6443 --persist",
            4,
            "port 6443: it is the port of the API server",
            "10351",
        ),
        (
            "add 10000=192.0.2.1:10003 --persist --force",
            4,
            "port 10000: it is the port of cloudcore's websocket hub",
            "",
        ),
        ("add 10004=192.0.2.1:10003 --persist", 4, "port 10004: it is the port of cloudcore's tunnel server", ""),
        (
            "render iptables-restore 10003=192.0.2.1:10003",
            4,
            "port 10003: it is the port of cloudcore's stream server",
            "",
        ),
        ("add --tunnelport /no/such --persist", 1, "cannot read /no/such: No such file", ""),
        ("remove 0", 2, "expected a number from 1 to 65535", ""),
        (
            "restore",
            1,
            "cannot restore: /etc/edgeutils/redirect.toml does not exist",
            "create it: edge-redirect --root DIR add PORT=IP:PORT --persist",
        ),
        ("render", 2, "required arguments were not provided", ""),
        ("flush", 2, "unrecognized subcommand 'flush'", ""),
    ] {
        let ran = Tool::new("edge-redirect").arg("--root").arg(tree.path()).args(args.split(' ')).run().expect(code);
        let said = ran.stderr.replace(&tree.path().display().to_string(), "DIR");
        assert!(said.contains(cause) && said.contains(hint), "{args}: {said}");
        assert!(ran.stderr.starts_with("edge-redirect: ") && ran.stdout.is_empty(), "{args}: {}", ran.stderr);
        assert!(hint.is_empty() || ran.stderr.contains("\nhint: "), "{args}: {}", ran.stderr);
        assert_same(&tree.snapshot(), &before, args);
    }
}

#[test]
fn invalid_config_map_changes_nothing() {
    let tree = Tree::new();
    let before = tree.snapshot();
    let good = config_map(r#"{"ipTunnelPort":{"192.0.2.1":10351,"192.0.2.2":10352},"port":{"10351":true}}"#);
    let run = |input: &str| {
        let tool = Tool::new("edge-redirect").arg("--root").arg(tree.path());
        tool.args(["add", "--tunnelport", "-", "--persist"]).stdin(input).run()
    };
    for (input, code, cause) in [
        ("", 1, "the input is empty"),
        (&good[..40], 1, "it is not complete JSON"),
        ("kind: ConfigMap\n", 1, "it is not valid JSON"),
        (r#"{"kind":"Secret"}"#, 1, "expected kind \"ConfigMap\", found \"Secret\""),
        (&config_map(r#"{"ipTunnelPort":{"":10351}}"#), 1, "port 10351 has an empty address"),
        (
            &config_map(r#"{"ipTunnelPort":{"192.0.2.1":10351,"192.0.2.2":10351}}"#),
            2,
            "cannot redirect port 10351 to both",
        ),
        (&config_map(r#"{"ipTunnelPort":{"127.0.1.1":10351}}"#), 1, "127.0.1.1: it is a loopback address"),
    ] {
        let ran = run(input).expect(code);
        assert!(ran.stderr.contains(cause), "{input}: {}", ran.stderr);
        assert_same(&tree.snapshot(), &before, input);
    }
    let needed = config_map(r#"{"ipTunnelPort":{"192.0.2.1":10250}}"#);
    assert!(run(&needed).expect(4).stderr.contains("cannot redirect port 10250"));
    assert_same(&tree.snapshot(), &before, "a port that others need");
    run(&good).expect(0);
    let text = tree.read("etc/edgeutils/redirect.toml");
    assert!(text.contains("\"10351=192.0.2.1:10003\",\n    \"10352=192.0.2.2:10003\""), "{text}");
}

#[test]
fn needed_ports_are_redirected_by_force() {
    let tree = Tree::new();
    let run = |args: &str| Tool::new("edge-redirect").arg("--root").arg(tree.path()).args(args.split(' ')).run();
    run("add 10250=192.0.2.1:10003 --persist --force-port").expect(0);
    assert!(tree.read("etc/edgeutils/redirect.toml").contains("10250=192.0.2.1:10003"));
    // It is already redirected, but not by this call.
    run("add 10351=192.0.2.1:10003 --persist").expect(0);
    let ran = run("render iptables-restore 10003=192.0.2.1:10003 --force-port").expect(0);
    assert!(ran.stdout.contains("--dport 10003 -j DNAT"), "{}", ran.stdout);
}

#[test]
fn damaged_file_is_neither_used_nor_overwritten() {
    for (text, cause) in [
        ("redirect = [\"10351=192.0.2.1:10003\"", "line 1: it is not valid TOML"),
        ("redirect = [\"10351=x:1\"]\n", "\"x\" is not a valid IP address"),
        ("redirect = [\"1=192.0.2.1:1\", \"1=192.0.2.2:1\"]\n", "cannot redirect port 1 to both"),
        ("redirect = []\nfrom = \"input\"\n", "from must be one of output, forward"),
        ("redirects = []\n", "\"redirects\" is not a valid key"),
    ] {
        let tree = Tree::with(&[("etc/edgeutils/redirect.toml", text)]);
        let before = tree.snapshot();
        for args in [&["status"][..], &["check"], &["add", "1=192.0.2.1:1", "--persist"], &["remove"], &["restore"]] {
            let ran = Tool::new("edge-redirect").arg("--root").arg(tree.path()).args(args).run().expect(1);
            let shown = tree.at("etc/edgeutils/redirect.toml");
            assert!(ran.stderr.contains(&format!("cannot read {}: ", shown.display())), "{}", ran.stderr);
            assert!(
                ran.stderr.contains(cause) && ran.stderr.contains("\nhint: fix the file or remove it"),
                "{}",
                ran.stderr
            );
            assert_same(&tree.snapshot(), &before, cause);
        }
    }
}
