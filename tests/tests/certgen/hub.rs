//! rootCA, server and edge; the aliases of certgen.sh; Secrets; show.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use edgeutils_tests::pki::{Pki, shell, x509};
use edgeutils_tests::skip;
use edgeutils_tests::tool::{Ran, Tool};
use edgeutils_tests::tree::{Tree, assert_same};

fn certgen(tree: &Tree, args: &[&str]) -> Ran {
    Tool::new("edge-certgen").arg("--root").arg(tree.path()).args(args).run()
}

fn at(tree: &Tree, path: &str) -> String {
    tree.at("etc/kubeedge").join(path).to_str().unwrap().to_owned()
}

#[test]
fn hub_pairs_are_made_in_one_run_with_their_ca() {
    let tree = Tree::new();
    certgen(&tree, &["server"]).expect(2);
    assert!(tree.snapshot().is_empty(), "a call without names makes no CA");
    let ran = certgen(&tree, &["server", "--ip", "192.0.2.1", "-n"]).expect(3);
    assert!(
        ran.stderr
            .ends_with("note: then /etc/kubeedge/certs/server.key and /etc/kubeedge/certs/server.crt, signed by it\n")
    );
    assert!(tree.snapshot().is_empty());
    certgen(&tree, &["server", "--ip", "192.0.2.1", "--days", "10", "--key-type", "ed25519", "--subject", "/CN=x"])
        .expect(0);
    // The options are not applied to its CA.
    let root = tree.at("etc/kubeedge/ca/rootCA.crt");
    assert!(x509(&root, "-subject").contains("CN = KubeEdge"));
    assert!(x509(&root, "-ext basicConstraints,keyUsage").contains("CA:TRUE"));
    assert!(shell(&format!("openssl x509 -noout -checkend 315000000 -in {}", root.display())).contains("will not"));
    certgen(&tree, &["edge", "--node-name", "edge-1"]).expect(0);
    for name in ["server", "edge"] {
        shell(&format!(
            "openssl verify -x509_strict -CAfile {} {}",
            root.display(),
            at(&tree, &format!("certs/{name}.crt"))
        ));
    }
    assert_eq!(
        x509(&tree.at("etc/kubeedge/certs/edge.crt"), "-subject").trim(),
        "subject=O = system:nodes, CN = system:node:edge-1"
    );
    let before = tree.snapshot();
    for args in [&["server"][..], &["edge"], &["ca"], &["edge", "--node-name", "edge-1"]] {
        certgen(&tree, &[args, &["-n", "--renew-before", "5"]].concat()).expect(0);
        certgen(&tree, &[args, &["--renew-before", "5"]].concat()).expect(0);
    }
    assert_same(&tree.snapshot(), &before, "the second time");
    assert!(
        certgen(&tree, &["edge", "--node-name", "edge-2", "-n"])
            .expect(3)
            .stdout
            .contains("its SANs do not include DNS:edge-2")
    );
    certgen(&tree, &["undo"]).expect(0);
    certgen(&tree, &["undo"]).expect(0);
    assert!(tree.snapshot().is_empty(), "{:?}", tree.snapshot());
}

#[test]
fn aliases_of_certgen_sh() {
    let tree = Tree::new();
    certgen(&tree, &["genCertAndKey", "server", "192.0.2.1", "192.0.2.2"]).expect(0);
    assert!(
        x509(&tree.at("etc/kubeedge/certs/server.crt"), "-ext subjectAltName")
            .contains("127.0.0.1, IP Address:192.0.2.1, IP Address:192.0.2.2")
    );
    certgen(&tree, &["genCertAndKey", "mine"]).expect(0);
    let uses = x509(&tree.at("etc/kubeedge/certs/mine.crt"), "-ext extendedKeyUsage");
    assert!(uses.contains("TLS Web Server Authentication, TLS Web Client Authentication"), "{uses}");
    let ran = certgen(&tree, &["buildSecret"]).expect(0);
    assert!(
        ran.stdout.starts_with("apiVersion: v1\nkind: Secret\n") && !ran.stdout.contains("wrote"),
        "{}",
        ran.stdout
    );
    assert!(ran.stderr.contains("wrote /etc/kubeedge/certs/edge.key: a new ecdsa-p256 key"), "{}", ran.stderr);
    assert_eq!(certgen(&tree, &["secret", "cloudcore"]).expect(0).stdout, ran.stdout);
    assert_eq!(certgen(&tree, &["buildSecret"]).expect(0).stdout, ran.stdout);
    certgen(&tree, &["buildSecret", "-n"]).expect(2);
}

/// What Python reads in a Secret: name, namespace, labels, and each entry.
fn read(yaml: &str) -> String {
    let program = "import sys, yaml, json; d = yaml.safe_load(sys.stdin); m = d['metadata']; \
        print(d['apiVersion'], d['kind'], d['type'], m['name'], m['namespace'], json.dumps(m.get('labels'), sort_keys=True)); \
        [print(k, v, sep='\\n', end='') for k, v in d['stringData'].items()]";
    let mut child = std::process::Command::new("python3")
        .args(["-c", program])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), yaml.as_bytes()).unwrap();
    Ran::of(&child.wait_with_output().unwrap()).expect(0).stdout
}

#[test]
fn secret_contains_the_files_byte_for_byte_in_each_shape() {
    let pki = Pki::usual("ca");
    let tree = Tree::new();
    let stream = ["stream", "--ip", "192.0.2.1", "--ca", &pki.at("ca.crt"), "--ca-key", &pki.at("ca.key")];
    for shape in ["cloudcore", "chart", "metaserver"] {
        let ran = certgen(&tree, &["secret", shape]).expect(1);
        assert!(
            ran.stdout.is_empty() && ran.stderr.contains("No such file or directory\nhint: make it: edge-certgen "),
            "{}",
            ran.stderr
        );
    }
    certgen(&tree, &stream).expect(0);
    certgen(&tree, &["edge"]).expect(0);
    let file = |path: &str| tree.read(&format!("etc/kubeedge/{path}"));
    let labels = r#"{"k8s-app": "kubeedge", "kubeedge": "cloudcore"}"#;
    for (shape, head, entries) in [
        (
            "cloudcore",
            format!("cloudcore kubeedge {labels}"),
            [("rootCA.crt", "ca/rootCA.crt"), ("edge.crt", "certs/edge.crt"), ("edge.key", "certs/edge.key")],
        ),
        (
            "chart",
            format!("cloudcore kubeedge {labels}"),
            [
                ("streamCA.crt", "ca/streamCA.crt"),
                ("stream.crt", "certs/stream.crt"),
                ("stream.key", "certs/stream.key"),
            ],
        ),
        (
            "metaserver",
            "metaserver-certs kubeedge null".to_owned(),
            [("rootCA.crt", "ca/streamCA.crt"), ("server.crt", "certs/stream.crt"), ("server.key", "certs/stream.key")],
        ),
    ] {
        let secret = certgen(&tree, &["secret", shape]).expect(0).stdout;
        let want: String = entries.iter().map(|(key, path)| format!("{key}\n{}", file(path))).collect();
        assert_eq!(read(&secret), format!("v1 Secret Opaque {head}\n{want}"), "{shape}");
    }
    assert!(
        certgen(&tree, &["secret", "chart", "--namespace", "edge"]).expect(0).stdout.contains("\n  namespace: edge\n")
    );
    // The key must match the certificate.
    tree.write("etc/kubeedge/certs/stream.key", file("certs/edge.key"));
    let ran = certgen(&tree, &["secret", "chart"]).expect(1);
    assert!(ran.stdout.is_empty() && ran.stderr.contains("does not match the private key"), "{}", ran.stderr);
}

#[test]
fn show_prints_certificates_and_keys_and_which_ones_match() {
    let Some(pki) = Pki::odd() else { return skip("certgen_hub show", "go is not installed") };
    let show = |args: &[&str]| Tool::new("edge-certgen").arg("show").args(args).run();
    let (crt, key) = (pki.at("empty-name.crt"), pki.at("empty-name.key"));
    let ran = show(&[&crt, &key]).expect(0);
    let fingerprint = shell(&format!("openssl x509 -noout -fingerprint -sha256 -in {crt}"));
    for line in [
        "    subject      CN=empty-name\n",
        "    issuer       CN=hub-ca\n",
        "    SANs         IP:192.0.2.1, DNS:\n",
        &format!("    key          ecdsa-p256, private key in {key}\n"),
        &format!("    sha256       {}", fingerprint.split('=').nth(1).unwrap()),
        &format!("{key}: a private key, ecdsa-p256, PKCS#8\n    certificate  {crt}\n"),
    ] {
        assert!(ran.stdout.contains(line), "{line}\n{}", ran.stdout);
    }
    let ran = show(&[&crt, &pki.at("ended.key")]).expect(0);
    assert!(ran.stdout.ends_with("    certificate  none of the given files\n"), "{}", ran.stdout);
    assert!(!ran.stdout.contains("PRIVATE KEY"));
    let ran = show(&[&pki.at("corporate.crt")]).expect(0);
    assert!(ran.stdout.contains("subject      DC=com, DC=example, O=bärg+OU=unit, CN=corp."), "{}", ran.stdout);
    let piped = Tool::new("edge-certgen").args(["show", "-"]).stdin(std::fs::read(&crt).unwrap()).run().expect(0);
    assert!(piped.stdout.starts_with("standard input: a certificate, "), "{}", piped.stdout);
    let ran = show(&[&pki.at("nothing")]).expect(1);
    assert!(ran.stdout.is_empty() && ran.stderr.ends_with("nothing: No such file or directory\n"), "{}", ran.stderr);
}
