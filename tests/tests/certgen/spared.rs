//! Keys that edge-certgen never exposes, and files of others that it never overwrites.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use edgeutils_tests::pki::Pki;
use edgeutils_tests::tool::{Ran, Tool};
use edgeutils_tests::tree::{Tree, assert_same};

const STREAM_CA: &str = "etc/kubeedge/ca/streamCA.crt";
const KEY: &str = "etc/kubeedge/certs/stream.key";
const CRT: &str = "etc/kubeedge/certs/stream.crt";

fn certgen(tree: &Tree, args: &[&str]) -> Ran {
    Tool::new("edge-certgen").arg("--root").arg(tree.path()).args(args).run()
}

fn read(pki: &Pki, name: &str) -> String {
    std::fs::read_to_string(pki.at(name)).unwrap()
}

/// A tree with kubeadm's CA, and another CA beside.
fn cluster() -> (Tree, Pki) {
    let pki = Pki::usual("ca");
    pki.authority("other", "openssl ecparam -name prime256v1 -genkey -noout");
    let tree = Tree::with(&[
        ("etc/kubernetes/pki/ca.crt", &read(&pki, "ca.crt")),
        ("etc/kubernetes/pki/ca.key", &read(&pki, "ca.key")),
    ]);
    (tree, pki)
}

#[test]
fn ca_s_key_in_the_file_of_its_certificate_stays_there() {
    let pki = Pki::usual("ca");
    let both = pki.at("both.pem");
    for (first, second) in [("ca.crt", "ca.key"), ("ca.key", "ca.crt")] {
        std::fs::write(&both, format!("{}{}", read(&pki, first), read(&pki, second))).unwrap();
        let tree = Tree::new();
        let args = ["stream", "--ip", "192.0.2.1", "--ca", &both, "--ca-key", &both];
        let ran = certgen(&tree, &args).expect(0);
        assert!(ran.stdout.contains(&format!("only the certificates of {both}")), "{}", ran.stdout);
        assert_eq!(tree.read(STREAM_CA), read(&pki, "ca.crt"));
        assert!(certgen(&tree, &args).expect(0).stdout.contains("already up to date"));
        certgen(&tree, &["check"]).expect(0);
    }
}

#[test]
fn key_in_a_certificate_s_file_is_found_and_never_printed() {
    let (tree, pki) = cluster();
    certgen(&tree, &["stream", "--ip", "192.0.2.1"]).expect(0);
    let both = format!("{}{}", read(&pki, "ca.crt"), read(&pki, "ca.key"));
    tree.write(STREAM_CA, &both);
    let crt = tree.read(CRT);
    tree.write(CRT, format!("{crt}{}", tree.read(KEY)));
    let ran = certgen(&tree, &["check"]).expect(3);
    for file in [STREAM_CA, CRT] {
        let fault = format!("/{file}: error: it contains a private key and is readable by everyone");
        assert!(ran.stdout.contains(&fault), "{}", ran.stdout);
    }
    let secret = certgen(&tree, &["secret", "chart"]).expect(0).stdout;
    // That of the pair, where it belongs.
    assert_eq!(secret.matches("PRIVATE KEY").count(), 2, "{secret}");
    assert!(secret.find("stream.key: |").unwrap() < secret.find("PRIVATE KEY").unwrap());
    certgen(&tree, &["stream"]).expect(0);
    assert_eq!(tree.read(STREAM_CA), read(&pki, "ca.crt"));
}

#[test]
fn cluster_s_own_files_are_not_written_through_a_link() {
    let (tree, pki) = cluster();
    tree.link(STREAM_CA, "../../kubernetes/pki/ca.crt");
    // As long as it says the same it does no harm.
    certgen(&tree, &["stream", "--ip", "192.0.2.1", "-n"]).expect(3);
    let before = tree.snapshot();
    let (ca, key) = (pki.at("other.crt"), pki.at("other.key"));
    for mode in [&["-n"][..], &[]] {
        let args = [&["stream", "--ip", "192.0.2.1", "--ca", &ca, "--ca-key", &key], mode].concat();
        let ran = certgen(&tree, &args).expect(4);
        assert_eq!(
            ran.stderr,
            "edge-certgen: cannot write /etc/kubeedge/ca/streamCA.crt: it is a link to /etc/kubernetes/pki/ca.crt, the CA of kubeadm\n\
             hint: remove the symbolic link at or above /etc/kubeedge/ca/streamCA.crt and run again\n"
        );
        assert_same(&tree.snapshot(), &before, "refused");
    }
    let ran = certgen(&tree, &["--cert-dir", "/etc/kubernetes/pki", "genCertAndKey", "ca"]).expect(4);
    assert!(ran.stderr.contains("cannot write /etc/kubernetes/pki/ca.key: it is the CA of kubeadm"), "{}", ran.stderr);
    assert_eq!(tree.read("etc/kubernetes/pki/ca.crt"), read(&pki, "ca.crt"));
    assert_eq!(tree.read("etc/kubernetes/pki/ca.key"), read(&pki, "ca.key"));
}

#[test]
fn server_does_not_get_the_ca_s_own_key() {
    let (tree, pki) = cluster();
    tree.link(KEY, "../../kubernetes/pki/ca.key");
    let before = tree.snapshot();
    let ran = certgen(&tree, &["stream", "--ip", "192.0.2.1"]).expect(4);
    assert_eq!(
        ran.stderr,
        "edge-certgen: cannot use the private key /etc/kubeedge/certs/stream.key: it is the private key of the CA\n\
         hint: remove it and run again: anyone who can read the private key of the CA can sign certificates\n"
    );
    let ran = certgen(&tree, &["stream", "--ip", "192.0.2.1", "--new-key"]).expect(4);
    assert!(ran.stderr.contains("it is a link to /etc/kubernetes/pki/ca.key, the CA of kubeadm"), "{}", ran.stderr);
    assert_same(&tree.snapshot(), &before, "refused");
    std::fs::remove_file(tree.at(KEY)).unwrap();
    tree.write(KEY, read(&pki, "ca.key"));
    tree.write(CRT, read(&pki, "ca.crt"));
    tree.write(STREAM_CA, read(&pki, "ca.crt"));
    let ran = certgen(&tree, &["check", "stream"]).expect(3);
    assert!(ran.stdout.contains("stream.key: error: it is the private key of the CA"), "{}", ran.stdout);
    certgen(&tree, &["stream", "--ip", "192.0.2.1"]).expect(4);
    certgen(&tree, &["stream", "--ip", "192.0.2.1", "--new-key"]).expect(0);
    certgen(&tree, &["check", "stream"]).expect(0);
}

#[test]
fn gen_cert_and_key_makes_no_pair_over_a_ca() {
    let tree = Tree::new();
    let dirs = ["--ca-dir", "/x", "--cert-dir", "/x"];
    certgen(&tree, &[&dirs[..], &["ca"]].concat()).expect(0);
    let before = tree.snapshot();
    for name in ["rootCA", "streamCA"] {
        let ran = certgen(&tree, &[&dirs[..], &["genCertAndKey", name, "192.0.2.1"]].concat()).expect(2);
        assert_eq!(
            ran.stderr,
            format!(
                "edge-certgen: cannot make {name} with genCertAndKey: it is the name of a CA\nhint: for rootCA: edge-certgen --root {root} ca; for streamCA: edge-certgen --root {root} stream\n",
                root = tree.path().display()
            )
        );
    }
    assert_same(&tree.snapshot(), &before, "refused");
}

#[test]
fn pair_of_a_node_is_for_one_node() {
    let tree = Tree::new();
    for args in [&["edge", "--node-name", "a,b"][..], &["edge", "--node-name", "a", "--node-name", "b"]] {
        let ran = certgen(&tree, args).expect(2);
        assert!(ran.stderr.contains("cannot make one key pair for several edge nodes"), "{}", ran.stderr);
    }
    let ran = certgen(&tree, &["edge", "--node-name", " edge-1"]).expect(0);
    assert!(ran.stdout.contains("subject O=system:nodes, CN=system:node:edge-1\n"), "{}", ran.stdout);
}

#[test]
fn short_certificate_is_not_renewed_by_each_run() {
    let (tree, _pki) = cluster();
    let args = ["stream", "--ip", "192.0.2.1", "--days", "20"];
    certgen(&tree, &args).expect(0);
    assert!(certgen(&tree, &args).expect(0).stdout.contains("already up to date"));
    certgen(&tree, &["check"]).expect(0);
    let said = certgen(&tree, &[&args[..], &["--renew-before", "20"]].concat()).expect(2).stderr;
    assert_eq!(
        said,
        "edge-certgen: cannot use --renew-before 20: every run would renew a certificate that is valid for 20 days\n\
         hint: use the default: --renew-before 6\n"
    );
}
