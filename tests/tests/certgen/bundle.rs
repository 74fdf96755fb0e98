//! PEM bundles: several CAs in a file, several certificates in stream.crt, and what Go skips in them.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use edgeutils_tests::pki::{CA_KEYS, Pki, go, shell};
use edgeutils_tests::skip;
use edgeutils_tests::tool::{Ran, Tool};
use edgeutils_tests::tree::{Tree, assert_same};

const CRT: &str = "etc/kubeedge/certs/stream.crt";
const KEY: &str = "etc/kubeedge/certs/stream.key";
const STREAM_CA: &str = "etc/kubeedge/ca/streamCA.crt";
const CLUSTER_CA: &str = "etc/kubernetes/pki/ca.crt";
const CLUSTER_KEY: &str = "etc/kubernetes/pki/ca.key";
const CLEAN: &str = "no problems found\n";

fn certgen(tree: &Tree, args: &[&str]) -> Ran {
    Tool::new("edge-certgen").arg("--root").arg(tree.path()).args(args).run()
}

fn read(pki: &Pki, name: &str) -> String {
    std::fs::read_to_string(pki.at(name)).unwrap()
}

/// Two CAs of one name, as before and after a rotation.
fn rotated() -> Pki {
    let pki = Pki::usual("old");
    pki.authority("new", CA_KEYS[2].1);
    pki
}

fn cluster(pki: &Pki, certificates: &[&str], key: &str) -> Tree {
    let bundle: String = certificates.iter().map(|name| read(pki, name)).collect();
    Tree::with(&[(CLUSTER_CA, &bundle), (CLUSTER_KEY, &read(pki, key))])
}

/// Whether Go's TLS, with this bundle, accepts the pair.
fn go_accepts(tree: &Tree, ca: &str) -> Option<bool> {
    let at = |path: &str| tree.at(path).to_str().unwrap().to_owned();
    Some(go(&["stream", &at(ca), &at(CRT), &at(KEY), "192.0.2.1"])?.code == 0)
}

#[test]
fn check_accepts_a_bundle_in_every_order_with_what_programs_skip() {
    if go(&["x", "y"]).is_none() {
        return skip("certgen bundle", "go is not installed");
    }
    let pki = rotated();
    let tree = cluster(&pki, &["new.crt"], "new.key");
    certgen(&tree, &["stream", "--ip", "192.0.2.1"]).expect(0);
    let (old, new) = (read(&pki, "old.crt"), read(&pki, "new.crt"));
    let indented: String = old.lines().map(|line| format!("  {line}\n")).collect();
    let incomplete = old.split_once("-----END").unwrap().0.to_owned();
    let damaged = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let crlf = |text: &str| text.replace('\n', "\r\n");
    for (text, is_clean) in [
        (format!("{old}{new}"), true),
        (format!("{new}{old}"), true),
        (format!("{new}{new}{old}{new}"), true),
        (format!("# the old one\n{old}\nsubject=CN = kubernetes\n\n{new}trailing text\n"), true),
        (crlf(&format!("{old}{new}")), true),
        (format!("{}{new}", crlf(&old)), true),
        (format!("{}\n{new}", old.trim_end()), true),
        (format!("{indented}{new}"), false),
        (format!("{incomplete}{new}"), false),
        (format!("{new}{incomplete}"), false),
        (format!("{damaged}{new}"), false),
        (format!("{new}-----BEGIN CERTIFICATE-----\n"), false),
    ] {
        tree.write(STREAM_CA, &text);
        assert_eq!(go_accepts(&tree, STREAM_CA), Some(true), "{text}");
        let ran = certgen(&tree, &["check"]).expect(0);
        assert_eq!(ran.stdout.ends_with(CLEAN), is_clean, "{text}\n{}", ran.stdout);
        assert_eq!(ran.stdout.contains("streamCA.crt: warning: programs skip 1 PEM block in it"), !is_clean, "{text}");
    }
    // The hint of the warning removes its cause.
    let ran = certgen(&tree, &["check"]).expect(0);
    assert!(ran.stdout.contains("hint: make it again: edge-certgen "), "{}", ran.stdout);
    certgen(&tree, &["stream"]).expect(0);
    assert!(certgen(&tree, &["check"]).expect(0).stdout.ends_with(CLEAN));
    // Without the right one, or with its end lost on the line of the next, nobody accepts it.
    for text in [old.clone(), format!("{old}{incomplete}"), format!("{}{new}", old.trim_end())] {
        tree.write(STREAM_CA, &text);
        assert_eq!(go_accepts(&tree, STREAM_CA), Some(false), "{text}");
        certgen(&tree, &["check"]).expect(3);
    }
    // Also where the right one is first; in the pair itself, cloudcore would not start.
    let joined = format!("{}{old}", new.trim_end());
    let crt = tree.read(CRT);
    for (file, text) in [(STREAM_CA, joined.clone()), (CRT, format!("{}{new}", crt.trim_end()))] {
        tree.write(file, &text);
        assert_eq!(go_accepts(&tree, STREAM_CA), Some(false), "{text}");
        let ran = certgen(&tree, &["check"]).expect(3);
        assert!(ran.stdout.contains("so programs written in Go find no PEM block"), "{}", ran.stdout);
        certgen(&tree, &["stream", "--ip", "192.0.2.1"]).expect(0);
        assert_eq!(go_accepts(&tree, STREAM_CA), Some(true), "{text}");
        assert!(certgen(&tree, &["check"]).expect(0).stdout.ends_with(CLEAN));
    }
    tree.write(STREAM_CA, format!("{joined}{new}"));
    assert_eq!(go_accepts(&tree, STREAM_CA), Some(true));
    assert!(certgen(&tree, &["check"]).expect(0).stdout.contains("programs skip 2 PEM blocks in it"));
    certgen(&tree, &["stream"]).expect(0);
    assert_eq!(tree.read(STREAM_CA), new);
    tree.write(CLUSTER_CA, &joined);
    let ran = certgen(&tree, &["stream"]).expect(1);
    assert!(ran.stderr.contains("ca.crt: its PEM block "), "{}", ran.stderr);
}

#[test]
fn check_reports_an_expired_ca_only_where_it_is_needed() {
    let Some(odd) = Pki::odd() else { return skip("certgen bundle expired", "go is not installed") };
    let pki = Pki::usual("new");
    let tree = cluster(&pki, &["new.crt"], "new.key");
    certgen(&tree, &["stream", "--ip", "192.0.2.1"]).expect(0);
    tree.write(STREAM_CA, format!("{}{}", read(&odd, "expired.crt"), read(&pki, "new.crt")));
    let ran = certgen(&tree, &["check"]).expect(0);
    let note =
        "streamCA.crt: note: its certificate CN=expired expired on 2021-01-01, and this certificate does not need it";
    assert!(ran.stdout.contains(note) && ran.stdout.ends_with(CLEAN), "{}", ran.stdout);
    assert_eq!(go_accepts(&tree, STREAM_CA), Some(true));
    // A renewed CA has the key of the old one: both sign, and the one that is valid counts.
    let (key, ended) = (pki.at("new.key"), pki.at("ended.crt"));
    shell(&format!(
        "openssl req -x509 -new -key {key} -subj /CN=kubernetes -addext keyUsage=critical,keyCertSign -out {ended} -days 10"
    ));
    let ran = certgen(&tree, &["check"]).expect(0);
    assert!(ran.stdout.ends_with(CLEAN), "{}", ran.stdout);
    tree.write(STREAM_CA, format!("{}{}", read(&pki, "ended.crt"), read(&pki, "new.crt")));
    assert!(certgen(&tree, &["check"]).expect(0).stdout.ends_with(CLEAN));
    tree.write(STREAM_CA, format!("{}{}", read(&pki, "ended.crt"), read(&odd, "expired.crt")));
    let ran = certgen(&tree, &["check", "--renew-before", "20"]).expect(3);
    assert!(ran.stdout.contains("streamCA.crt: error: its certificate CN=kubernetes expires in "), "{}", ran.stdout);
}

#[test]
fn stream_signs_with_the_ca_that_the_key_belongs_to() {
    let pki = rotated();
    for certificates in [["old.crt", "new.crt"], ["new.crt", "old.crt"]] {
        let tree = cluster(&pki, &certificates, "new.key");
        certgen(&tree, &["stream", "--ip", "192.0.2.1"]).expect(0);
        shell(&format!("openssl verify -x509_strict -CAfile {} {}", pki.at("new.crt"), tree.at(CRT).display()));
        assert_eq!(tree.read(STREAM_CA), tree.read(CLUSTER_CA), "the whole bundle");
        assert!(certgen(&tree, &["check"]).expect(0).stdout.ends_with(CLEAN));
        let before = tree.snapshot();
        assert!(certgen(&tree, &["stream"]).expect(0).stdout.ends_with("already up to date\n"));
        assert_same(&tree.snapshot(), &before, "again");
        // With its own bundle of the operator.
        let both = pki.at("both.crt");
        std::fs::write(&both, tree.read(CLUSTER_CA)).unwrap();
        let own = Tree::new();
        certgen(&own, &["stream", "--ip", "192.0.2.1", "--ca", &both, "--ca-key", &pki.at("old.key")]).expect(0);
        shell(&format!("openssl verify -x509_strict -CAfile {} {}", pki.at("old.crt"), own.at(CRT).display()));
    }
    pki.authority("third", CA_KEYS[2].1);
    let tree = cluster(&pki, &["old.crt", "new.crt"], "third.key");
    let ran = certgen(&tree, &["stream", "--ip", "192.0.2.1"]).expect(1);
    assert!(ran.stderr.contains("ca.key: it is not the private key of a certificate in "), "{}", ran.stderr);
}

#[test]
fn stream_follows_a_rotation_of_the_cluster_s_ca() {
    let pki = rotated();
    let tree = cluster(&pki, &["old.crt"], "old.key");
    certgen(&tree, &["stream", "--ip", "192.0.2.1"]).expect(0);
    let crt = tree.read(CRT);
    // Both are trusted: the certificate is kept, and the copy follows.
    tree.write(CLUSTER_CA, format!("{}{}", read(&pki, "old.crt"), read(&pki, "new.crt")));
    tree.write(CLUSTER_KEY, read(&pki, "new.key"));
    assert!(certgen(&tree, &["check"]).expect(0).stdout.ends_with(CLEAN));
    certgen(&tree, &["stream"]).expect(0);
    assert_eq!((tree.read(CRT), tree.read(STREAM_CA)), (crt.clone(), tree.read(CLUSTER_CA)));
    // The old one is removed.
    tree.write(CLUSTER_CA, read(&pki, "new.crt"));
    let ran = certgen(&tree, &["check"]).expect(0);
    let said = "streamCA.crt: warning: the certificate /etc/kubeedge/certs/stream.crt is not signed by the CA of kubeadm in /etc/kubernetes/pki/ca.crt\n";
    assert!(ran.stdout.contains(said), "{}", ran.stdout);
    certgen(&tree, &["stream"]).expect(0);
    assert_ne!(tree.read(CRT), crt);
    assert!(certgen(&tree, &["check"]).expect(0).stdout.ends_with(CLEAN));
    // A bundle of the user that contains the cluster's CA is kept, in any order.
    let own = format!("{}{}", read(&pki, "old.crt"), read(&pki, "new.crt"));
    tree.write(STREAM_CA, &own);
    assert!(certgen(&tree, &["stream"]).expect(0).stdout.ends_with("already up to date\n"));
    assert_eq!(tree.read(STREAM_CA), own);
    assert!(certgen(&tree, &["check"]).expect(0).stdout.ends_with(CLEAN));
}

/// A root, an intermediate CA signed by it, and a leaf of the intermediate one.
fn with_intermediate() -> (Pki, Tree, String) {
    let pki = Pki::usual("root");
    let [key, csr, crt] = ["mid.key", "mid.csr", "mid.crt"].map(|name| pki.at(name));
    shell(&format!("openssl ecparam -name prime256v1 -genkey -noout -out {key}"));
    shell(&format!("openssl req -new -key {key} -subj /CN=mid -out {csr}"));
    sign_intermediate(&pki, "3000");
    let tree = Tree::new();
    certgen(&tree, &["stream", "--ip", "192.0.2.1", "--days", "90", "--ca", &crt, "--ca-key", &key]).expect(0);
    let leaf = tree.read(CRT);
    tree.write(STREAM_CA, read(&pki, "root.crt"));
    (pki, tree, leaf)
}

fn sign_intermediate(pki: &Pki, days: &str) {
    let [csr, crt, root, root_key, ext] =
        ["mid.csr", "mid.crt", "root.crt", "root.key", "ext"].map(|name| pki.at(name));
    std::fs::write(&ext, "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n").unwrap();
    shell(&format!(
        "openssl x509 -req -in {csr} -CA {root} -CAkey {root_key} -set_serial 2 -days {days} -extfile {ext} -out {crt} 2>/dev/null"
    ));
}

#[test]
fn check_follows_the_chain_in_stream_crt() {
    if go(&["x", "y"]).is_none() {
        return skip("certgen bundle chain", "go is not installed");
    }
    let (pki, tree, leaf) = with_intermediate();
    let (root, mid) = (read(&pki, "root.crt"), read(&pki, "mid.crt"));
    let damaged = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (crt, ca, accepts) in [
        (format!("{leaf}{mid}"), root.clone(), true),
        (format!("{leaf}{mid}{root}"), root.clone(), true),
        (format!("{leaf}{root}{mid}"), root.clone(), true),
        (format!("subject=x\n{leaf}\n# its CA\n{mid}"), root.clone(), true),
        (leaf.clone(), mid.clone(), true),
        (leaf.clone(), format!("{root}{mid}"), true),
        (leaf.clone(), leaf.clone(), true),
        (leaf.clone(), root.clone(), false),
        (format!("{mid}{leaf}"), root.clone(), false),
        (format!("{leaf}{mid}"), leaf.replace("CERTIFICATE", "TRUSTED CERTIFICATE"), false),
        (format!("{leaf}{mid}{damaged}"), root.clone(), false),
    ] {
        tree.write(CRT, &crt);
        tree.write(STREAM_CA, &ca);
        assert_eq!(go_accepts(&tree, STREAM_CA), Some(accepts), "{crt}\n{ca}");
        let ran = certgen(&tree, &["check", "stream"]);
        assert_eq!(ran.code, if accepts { 0 } else { 3 }, "{crt}\n{ca}\n{}", ran.stdout);
        assert_eq!(ran.stdout.ends_with(CLEAN), accepts, "{}", ran.stdout);
    }
    tree.write(STREAM_CA, &root);
    tree.write(CRT, format!("{mid}{leaf}"));
    let ran = certgen(&tree, &["check", "stream"]).expect(3);
    assert!(
        ran.stdout.contains("but a later certificate of the file does: cloudcore would not start"),
        "{}",
        ran.stdout
    );
    // The chain that is sent ends with its first CA.
    sign_intermediate(&pki, "50");
    tree.write(CRT, format!("{leaf}{}", read(&pki, "mid.crt")));
    let ran = certgen(&tree, &["check", "stream", "--renew-before", "60"]).expect(3);
    assert!(ran.stdout.contains("stream.crt: error: its certificate CN=mid expires in "), "{}", ran.stdout);
    assert!(certgen(&tree, &["check", "stream"]).expect(0).stdout.ends_with(CLEAN));
}

#[test]
fn hub_has_one_ca_and_sends_one_certificate() {
    let pki = Pki::usual("old");
    let tree = Tree::new();
    certgen(&tree, &["server", "--ip", "192.0.2.1"]).expect(0);
    let (ca, crt) = ("etc/kubeedge/ca/rootCA.crt", "etc/kubeedge/certs/server.crt");
    let (own, server) = (tree.read(ca), tree.read(crt));
    tree.write(ca, format!("{own}{}", read(&pki, "old.crt")));
    assert!(certgen(&tree, &["check"]).expect(0).stdout.ends_with(CLEAN), "a second CA is not read");
    tree.write(ca, format!("{}{own}", read(&pki, "old.crt")));
    let ran = certgen(&tree, &["check", "server"]).expect(3);
    let said = "server.crt: error: it is signed by a later certificate in /etc/kubeedge/ca/rootCA.crt, and cloudcore reads only the first one";
    assert!(ran.stdout.contains(said), "{}", ran.stdout);
    // An edge node trusts all of them, as edgecore reads the whole file.
    tree.write("etc/kubeedge/config/edgecore.yaml", "modules: {}\n");
    tree.write(crt, &server);
    certgen(
        &tree,
        &[
            "genCertAndKey",
            "server",
            "192.0.2.1",
            "--ca",
            &tree.at(ca).display().to_string(),
            "--ca-key",
            &tree.at("etc/kubeedge/ca/rootCA.key").display().to_string(),
        ],
    )
    .expect(0);
    assert!(certgen(&tree, &["check"]).expect(0).stdout.ends_with(CLEAN));
}
