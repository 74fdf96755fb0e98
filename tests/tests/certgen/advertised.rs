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
    // A renewal keeps the SANs of the certificate.
    config("modules:\n  cloudHub:\n    advertiseAddress: [192.0.2.8]\n");
    let ran = certgen(&tree, &["stream", "--force"]).expect(0);
    assert!(!ran.stderr.contains("advertises"), "{}", ran.stderr);
    assert!(x509(&tree.at(CRT), "-ext subjectAltName").contains("192.0.2.7"));
}
