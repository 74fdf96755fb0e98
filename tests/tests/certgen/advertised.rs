//! edge-certgen stream and server without addresses: those that cloudcore.yaml advertises.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use edgeutils_tests::pki::{Pki, x509};
use edgeutils_tests::tool::{Ran, Tool};
use edgeutils_tests::tree::Tree;

const CRT: &str = "etc/kubeedge/certs/stream.crt";

fn certgen(tree: &Tree, args: &[&str]) -> Ran {
    Tool::new("edge-certgen").arg("--root").arg(tree.path()).args(args).run()
}

#[test]
fn stream_without_addresses_uses_those_of_cloudcore_yaml() {
    let pki = Pki::usual("ca");
    let read = |name| std::fs::read_to_string(pki.at(name)).unwrap();
    let tree =
        Tree::with(&[("etc/kubernetes/pki/ca.crt", &read("ca.crt")), ("etc/kubernetes/pki/ca.key", &read("ca.key"))]);
    let hint = format!(
        "hint: pass the addresses or names that clients connect to: edge-certgen --root {} stream --ip IP --dns NAME\n",
        tree.path().display()
    );
    let ran = certgen(&tree, &["stream"]).expect(2);
    assert_eq!(ran.stderr, format!("edge-certgen: cannot make stream: no address or name is given\n{hint}"));
    let yaml = tree.at("etc/kubeedge/config/cloudcore.yaml").display().to_string();
    let config = |text: &str| tree.write("etc/kubeedge/config/cloudcore.yaml", text);
    config("modules:\n  cloudHub:\n    advertiseAddress: ['']\n");
    let ran = certgen(&tree, &["stream"]).expect(2);
    let none =
        format!("edge-certgen: cannot make stream: no address or name is given, and {yaml} advertises none\n{hint}");
    assert_eq!(ran.stderr, none);
    config("modules: [\n");
    let ran = certgen(&tree, &["stream"]).expect(1);
    assert!(ran.stderr.starts_with(&format!("edge-certgen: cannot read {yaml}: ")), "{}", ran.stderr);
    config("modules:\n  cloudHub:\n    advertiseAddress: [192.0.2.9, 'a b']\n");
    let ran = certgen(&tree, &["server", "-n"]).expect(3);
    let left_out = format!("warning: {yaml} advertises \"a b\": it is not a valid address or name; it is left out\n");
    assert!(ran.stderr.contains(&left_out), "{}", ran.stderr);
    config("modules:\n  CloudHub:\n    advertiseAddress:\n    - 192.0.2.7\n    dnsNames: [cloud.example.com]\n");
    let note = format!("note: using the addresses that {yaml}:3 advertises: IP:192.0.2.7, DNS:cloud.example.com\n");
    for (verb, file) in [("stream", CRT), ("server", "etc/kubeedge/certs/server.crt")] {
        let ran = certgen(&tree, &[verb]).expect(0);
        assert!(ran.stderr.contains(&note), "{verb}: {}", ran.stderr);
        let names = x509(&tree.at(file), "-ext subjectAltName");
        assert!(names.contains("IP Address:127.0.0.1, IP Address:192.0.2.7, DNS:cloud.example.com"), "{names}");
    }
    // What check requires, a call without addresses adds; the SANs of the certificate stay.
    config("modules:\n  cloudHub:\n    advertiseAddress: [192.0.2.8]\n    dnsNames: [cloud.example.com]\n");
    for verb in ["stream", "server"] {
        certgen(&tree, &["check", verb]).expect(3);
        let ran = certgen(&tree, &[verb]).expect(0);
        let note = format!("note: adding the addresses that {yaml}:3 advertises: IP:192.0.2.8\n");
        assert!(ran.stderr.contains(&note), "{}", ran.stderr);
        certgen(&tree, &["check", verb]).expect(0);
        let ran = certgen(&tree, &[verb]).expect(0);
        assert!(ran.stdout.ends_with("already up to date\n") && !ran.stderr.contains("advertises"), "{}", ran.stderr);
    }
    let sans = || x509(&tree.at(CRT), "-ext subjectAltName");
    let cloud = "IP Address:127.0.0.1, IP Address:192.0.2.7, DNS:cloud.example.com, IP Address:192.0.2.8";
    assert!(sans().contains(cloud), "{}", sans());
    // With a rotated CA and with --force, too.
    let other = Pki::usual("ca");
    for name in ["ca.crt", "ca.key"] {
        tree.write(&format!("etc/kubernetes/pki/{name}"), std::fs::read(other.at(name)).unwrap());
    }
    config("modules: {cloudHub: {advertiseAddress: [192.0.2.9], dnsNames: ['*.example.com']}}\n");
    certgen(&tree, &["stream"]).expect(0);
    config("modules: {cloudHub: {advertiseAddress: [192.0.2.10], dnsNames: [a.example.com]}}\n");
    certgen(&tree, &["stream", "--force"]).expect(0);
    let cloud = format!("{cloud}, IP Address:192.0.2.9, DNS:*.example.com, IP Address:192.0.2.10");
    assert!(sans().ends_with(&format!("{cloud}\n")), "{}", sans());
    // Edge nodes are added to them.
    for (option, node) in [("--node-ip", "198.51.100.7"), ("--node-name", "edge-1"), ("--node-name", "edge-2")] {
        let ran = certgen(&tree, &["stream", option, node]).expect(0);
        assert!(!ran.stderr.contains("will lose"), "{}", ran.stderr);
    }
    let nodes = format!("{cloud}, IP Address:198.51.100.7, DNS:edge-1, DNS:edge-2\n");
    assert!(sans().ends_with(&nodes), "{}", sans());
    certgen(&tree, &["check", "stream"]).expect(0);
    std::fs::remove_file(tree.at(CRT)).unwrap();
    certgen(&tree, &["stream", "--node-name", "edge-1"]).expect(0);
    assert!(sans().ends_with("192.0.2.10, DNS:a.example.com, DNS:edge-1\n"), "{}", sans());
    // Where they cannot be read, the existing ones are kept.
    config("modules: [\n");
    let ran = certgen(&tree, &["stream"]).expect(0);
    assert!(ran.stderr.contains("; what it advertises is left out\n"), "{}", ran.stderr);
}

#[test]
fn file_of_cloudcore_is_the_one_that_its_unit_names() {
    let tree = Tree::with(&[
        (
            "etc/systemd/system/cloudcore.service",
            "[Service]\nExecStart=/usr/local/bin/cloudcore --config=/opt/cloud.yaml\n",
        ),
        ("opt/cloud.yaml", "modules:\n  cloudHub:\n    advertiseAddress: [192.0.2.7]\n"),
        ("etc/kubeedge/config/cloudcore.yaml", "modules:\n  cloudHub:\n    advertiseAddress: [192.0.2.8]\n"),
    ]);
    let ran = certgen(&tree, &["server", "-n"]).expect(3);
    let note =
        format!("note: using the addresses that {}:3 advertises: IP:192.0.2.7\n", tree.at("opt/cloud.yaml").display());
    assert!(ran.stderr.contains(&note), "{}", ran.stderr);
    tree.write("opt/cloud.yaml", "modules: [\n");
    let ran = certgen(&tree, &["check"]).expect(3);
    let start = format!("{}: error: cannot read the addresses", "/opt/cloud.yaml");
    assert!(ran.stdout.contains(&start), "{}", ran.stdout);
}
