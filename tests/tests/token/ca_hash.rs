//! `ca-hash`, with openssl as an independent judge of every type of key.

use edgeutils_tests::pki::{CA_KEYS, Pki, shell};
use edgeutils_tests::tool::{Ran, Tool};
use edgeutils_tests::tree::Tree;

fn hash(args: &[&str], input: &str) -> Ran {
    Tool::new("edge-token").arg("ca-hash").args(args).stdin(input).run()
}

/// As documented for kubeadm, for any type of key.
fn judged(file: &str) -> String {
    let hash = shell(&format!(
        "openssl x509 -pubkey -noout -in {file} | openssl pkey -pubin -outform der | openssl dgst -sha256 -hex"
    ));
    format!("sha256:{}\n", hash.rsplit(' ').next().unwrap().trim())
}

#[test]
fn hash_is_that_of_openssl_for_every_type_of_key() {
    let pki = Pki::new();
    let (mut bundle, mut all) = (String::new(), String::new());
    for (name, command) in CA_KEYS {
        pki.authority(name, command);
        let file = pki.at(&format!("{name}.crt"));
        let ran = hash(&[&file], "").expect(0);
        assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), (judged(&file).as_str(), ""), "{name}");
        bundle.push_str(&std::fs::read_to_string(&file).unwrap());
        all.push_str(&ran.stdout);
    }
    assert_eq!(hash(&["-"], &bundle).expect(0).stdout, all, "each certificate of a bundle");
    assert_eq!(hash(&["-"], &bundle.replace('\n', "\r\n")).expect(0).stdout, all, "with CRLF");
}

#[test]
fn hash_is_that_of_the_cluster_by_default() {
    let pki = Pki::usual("ca");
    let tree = Tree::with(&[("etc/kubernetes/pki/ca.crt", &std::fs::read_to_string(pki.at("ca.crt")).unwrap())]);
    let ran = Tool::new("edge-token").args(["ca-hash", "--root"]).arg(tree.path()).run().expect(0);
    assert_eq!(ran.stdout, judged(&pki.at("ca.crt")));
    let ran = Tool::new("edge-token").args(["ca-hash", "--json", "--root"]).arg(tree.path()).run().expect(0);
    let record: serde_json::Value = serde_json::from_str(ran.stdout.lines().next().unwrap()).unwrap();
    assert_eq!(record["hash"], judged(&pki.at("ca.crt")).trim());
    assert_eq!((&record["subject"], &record["key"]), (&"CN=kubernetes".into(), &"ecdsa-p256".into()));
    let ran = Tool::new("edge-token").args(["ca-hash", "--root"]).arg(Tree::new().path()).run().expect(1);
    assert!(ran.stderr.contains("etc/kubernetes/pki/ca.crt: No such file or directory"), "{}", ran.stderr);
    assert!(ran.stderr.contains("hint: run this on a control plane host"), "{}", ran.stderr);
}

#[test]
fn nothing_is_printed_without_a_certificate() {
    let pki = Pki::usual("ca");
    let (good, key) = ["ca.crt", "ca.key"].map(|name| std::fs::read_to_string(pki.at(name)).unwrap()).into();
    let half = &good[..good.len() / 2];
    let damaged = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (input, why) in [
        (String::new(), "cannot read standard input: it is empty"),
        (" \r\n".to_owned(), "cannot read standard input: it is empty"),
        ("hello\n".to_owned(), "cannot hash standard input: it is not PEM"),
        (key, "cannot hash standard input: it contains no certificate, only EC PRIVATE KEY"),
        (half.to_owned(), "cannot hash standard input: its PEM block is incomplete"),
        (damaged.to_owned(), "cannot hash standard input: its certificate is damaged"),
        (format!("{good}{damaged}"), "cannot hash standard input: its certificate is damaged"),
        (format!("{good}{half}"), "programs skip 1 PEM block in it"),
    ] {
        let ran = hash(&["-"], &input).expect(1);
        assert!(ran.stdout.is_empty() && ran.stderr.contains(why), "{why}: {}", ran.stderr);
    }
}

#[test]
fn certificate_that_is_not_a_ca_is_hashed_with_a_warning() {
    let pki = Pki::new();
    let (key, crt) = (pki.at("a.key"), pki.at("a.crt"));
    shell(&format!("openssl ecparam -name prime256v1 -genkey -noout -out {key}"));
    shell(&format!(
        "openssl req -x509 -new -key {key} -out {crt} -days 1 -subj /CN=a -addext basicConstraints=critical,CA:FALSE"
    ));
    let ran = hash(&[&crt], "").expect(0);
    assert_eq!(ran.stdout, judged(&crt));
    assert!(
        ran.stderr.contains("warning: ") && ran.stderr.contains("CN=a is not the certificate of a CA"),
        "{}",
        ran.stderr
    );
}
