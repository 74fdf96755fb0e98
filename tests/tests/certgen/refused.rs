//! What edge-certgen will not do: each reason is one clear error, and nothing is written.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use edgeutils_tests::pki::{CA_KEYS, Pki, shell};
use edgeutils_tests::skip;
use edgeutils_tests::tool::{Ran, Tool};
use edgeutils_tests::tree::{Tree, assert_same};

fn certgen(tree: &Tree, args: &[&str]) -> Ran {
    Tool::new("edge-certgen").arg("--root").arg(tree.path()).args(args).run()
}

/// Signs with a CA; nothing may be written, and this is what is said, without the place of the files.
#[track_caller]
fn refused(pki: &Pki, ca: &str, key: &str, more: &[&str], want: &str) {
    let tree = Tree::with(&[("etc/hosts", "127.0.0.1 localhost\n")]);
    let before = tree.snapshot();
    let (ca, key) = (pki.at(ca), pki.at(key));
    let ran = certgen(&tree, &[&["stream", "--ip", "192.0.2.1", "--ca", &ca, "--ca-key", &key], more].concat());
    let said = ran.stderr.replace(&pki.at(""), "").replace(&tree.path().display().to_string(), "DIR");
    assert_eq!((ran.code, said.as_str()), (1, format!("edge-certgen: {want}\n").as_str()));
    assert_same(&tree.snapshot(), &before, want);
}

#[test]
fn ca_whose_key_cannot_be_used() {
    let pki = Pki::usual("ca");
    pki.authority("other", CA_KEYS[2].1);
    let key = pki.at("ca.key");
    for (name, command) in [
        ("pkcs8.key", format!("openssl pkcs8 -topk8 -in {key} -passout pass:x")),
        ("sec1.key", format!("openssl ec -aes128 -in {key} -passout pass:x 2>/dev/null")),
    ] {
        shell(&format!("{command} > {}", pki.at(name)));
        refused(
            &pki,
            "ca.crt",
            name,
            &[],
            &format!(
                "cannot read {name}: it is encrypted\nhint: pass it decrypted: openssl pkey -in {name} | edge-certgen --root DIR … --ca-key -"
            ),
        );
    }
    refused(
        &pki,
        "ca.crt",
        "other.key",
        &[],
        "cannot sign with other.key: it is not the private key of ca.crt\nhint: pass the certificate and the private key of one CA with --ca and --ca-key",
    );
    refused(&pki, "ca.crt", "ca.crt", &[], "cannot read ca.crt: it contains no private key, only CERTIFICATE");
    refused(&pki, "ca.key", "ca.key", &[], "cannot read ca.key: it contains no certificate, only EC PRIVATE KEY");
    refused(&pki, "nowhere.crt", "ca.key", &[], "cannot read nowhere.crt: No such file or directory");
    refused(
        &pki,
        "ca.crt",
        "nowhere.key",
        &[],
        "cannot sign with ca.crt: its private key nowhere.key does not exist\n\
         hint: pass it with --ca-key FILE, or run this on a control plane host, where the CA's private key is",
    );
    for (name, text, why) in [
        ("empty", "", "it is empty"),
        ("text", "hello\n", "it is not PEM"),
        ("cut", "-----BEGIN CERTIFICATE-----\nMIIB\n", "its PEM block is incomplete: it has no END line"),
    ] {
        std::fs::write(pki.at(name), text).unwrap();
        refused(&pki, name, "ca.key", &[], &format!("cannot read {name}: {why}"));
        refused(&pki, "ca.crt", name, &[], &format!("cannot read {name}: {why}"));
    }
    for (name, command, why) in [
        ("small", "openssl genrsa 1024", "it has fewer than 2048 bits"),
        ("p521", "openssl ecparam -name secp521r1 -genkey -noout", "signing with ecdsa-p521 keys is not supported"),
    ] {
        pki.authority(name, command);
        let key = format!("{name}.key");
        refused(&pki, &format!("{name}.crt"), &key, &[], &format!("cannot sign with {key}: {why}"));
    }
    // A key file with the public key of another private key.
    let other = shell(&format!(
        "openssl ec -in {} -pubout 2>/dev/null | openssl ec -pubin -text -noout 2>/dev/null",
        pki.at("other.key")
    ));
    assert!(other.contains("pub:"));
}

#[test]
fn ca_that_must_not_sign() {
    let Some(pki) = Pki::odd() else { return skip("certgen_refused ca", "go is not there") };
    let of = |name: &str, more: &[&str], want: &str| {
        refused(&pki, &format!("{name}.crt"), &format!("{name}.key"), more, want)
    };
    of(
        "expired",
        &[],
        "cannot sign with expired.crt: it expired on 2021-01-01\nhint: renew the CA first: clients reject what an expired CA has signed",
    );
    let today = shell("date -u +%F");
    of(
        "future",
        &[],
        &format!(
            "cannot sign with future.crt: it is not valid before 2090-01-01, and the system clock is at {}\n\
             hint: if the clock is wrong, set it: timedatectl set-ntp true",
            today.trim()
        ),
    );
    let (end, wanted) = (shell("date -u -d '100 days 1 hour' +%F"), shell("date -u -d '825 days' +%F"));
    of(
        "short",
        &[],
        &format!(
            "cannot sign with short.crt: it expires on {}, before the new certificate would ({})\nhint: use --days 100 or less",
            end.trim(),
            wanted.trim()
        ),
    );
    of(
        "no-ca",
        &[],
        "cannot sign with no-ca.crt: it is not a CA certificate, so clients would reject what it signs\n\
         hint: pass the certificate of the CA itself: --ca FILE",
    );
    of("no-sign", &[], "cannot sign with no-sign.crt: its keyUsage does not allow signing certificates");
    // With as few days as the CA has, it signs.
    let tree = Tree::new();
    let (ca, key) = (pki.at("short.crt"), pki.at("short.key"));
    certgen(&tree, &["stream", "--ip", "192.0.2.1", "--ca", &ca, "--ca-key", &key, "--days", "100"]).expect(0);
}

#[test]
fn wrong_call() {
    let tree = Tree::new();
    for (args, want) in [
        (
            &["stream", "--ip", "cloud.example.com"][..],
            "cannot use --ip \"cloud.example.com\": it is not an IP address\nhint: pass a name with --dns cloud.example.com",
        ),
        (
            &["stream", "--dns", "192.0.2.1"],
            "cannot use --dns \"192.0.2.1\": it is an IP address\nhint: pass an address with --ip 192.0.2.1",
        ),
        (
            &["stream", "--dns", "a b"],
            "cannot use --dns \"a b\": it contains a space\nhint: repeat --dns, or separate the names with commas",
        ),
        (
            &["edge", "--node-name", "Edge_1"],
            "cannot use --node-name \"Edge_1\": it is not a valid node name (lower-case letters, digits, - and .)",
        ),
        (
            &["stream", "--ip", "192.0.2.1", "--node-name", "edge-1,edge_2"],
            "cannot use --node-name \"edge_2\": it is not a valid node name (lower-case letters, digits, - and .)",
        ),
        (
            &["check", "--node-name", "*.example.com"],
            "cannot use --node-name \"*.example.com\": it is not a valid node name (lower-case letters, digits, - and .)",
        ),
        (&["stream", "--dns", "https://a"], "cannot use --dns \"https://a\": it is a URL\nhint: pass only its host"),
        (&["stream", "--ip", ","], "cannot use an empty --ip: expected an address or a name"),
        (
            &["stream", "--ip", "192.0.2.1", "--ca", "/x"],
            "cannot sign: only one of --ca and --ca-key is given\nhint: pass both: --ca FILE --ca-key FILE",
        ),
        (
            &["stream", "--ip", "192.0.2.1", "--subject", "CN=x"],
            "cannot use the subject \"CN=x\": it must begin with /\nhint: write it as for openssl: --subject /O=KubeEdge/CN=name",
        ),
        (
            &["ca", "--key-type", "ed25519"],
            "cannot make rootCA with ed25519: cloudcore loads only ECDSA keys\nhint: use --key-type ecdsa-p256 or --key-type ecdsa-p384",
        ),
        (&["ca", "--ca", "/x", "--ca-key", "/y"], "cannot use --ca and --ca-key with ca: rootCA signs itself"),
        (
            &["genCertAndKey", "../x"],
            "cannot use the name \"../x\": it must be a plain file name\nhint: use letters, digits, dots, hyphens and underscores, such as server",
        ),
        (&["genCertAndKey", "server", "x"], "cannot use IP \"x\": it is not an IP address"),
        (
            &["genCertAndKey", "stream"],
            "cannot make stream with genCertAndKey: it is signed by the cluster's CA\nhint: make it: edge-certgen --root DIR stream --ip IP",
        ),
        (
            &["edge", "--node-name", "a", "--node-name", "b"],
            "cannot make one key pair for several edge nodes\nhint: make one for each node: edge-certgen --root DIR edge --cert-dir DIR",
        ),
        (
            &["secret", "chart", "--namespace", "No"],
            "cannot use the namespace \"No\": it must have 1 to 63 lower-case letters, digits and hyphens",
        ),
        (&["secret", "chart", "--json"], "cannot use --json with secret: it prints a YAML document for kubectl"),
        (&["show", "-", "-"], "cannot use - twice: standard input can be read only once"),
        (
            &["stream", "--ip", "192.0.2.1", "--ca", "/x", "--ca-key", "-", "--key", "-"],
            "cannot use - twice: standard input can be read only once",
        ),
    ] {
        let ran = certgen(&tree, args);
        let said = ran.stderr.replace(&tree.path().display().to_string(), "DIR");
        assert_eq!((ran.code, said.as_str()), (2, format!("edge-certgen: {want}\n").as_str()), "{args:?}");
    }
    for args in [
        &["stream", "--days", "0"][..],
        &["stream", "--days", "x"],
        &["stream", "--key", "/x", "--new-key"],
        &["secret", "x"],
    ] {
        certgen(&tree, args).expect(2);
    }
    assert!(tree.snapshot().is_empty());
}

#[test]
fn key_that_cannot_be_used_is_replaced_only_on_request() {
    let pki = Pki::usual("ca");
    let read = |name| std::fs::read_to_string(pki.at(name)).unwrap();
    let tree = Tree::with(&[
        ("etc/kubernetes/pki/ca.crt", &read("ca.crt")),
        ("etc/kubernetes/pki/ca.key", &read("ca.key")),
        ("etc/kubeedge/certs/stream.key", "damaged\n"),
    ]);
    let before = tree.snapshot();
    let ran = certgen(&tree, &["stream", "--ip", "192.0.2.1", "--key", &pki.at("ca.key")]).expect(4);
    assert!(
        ran.stderr.contains("cannot use the given private key: it is the private key of the CA\nhint: "),
        "{}",
        ran.stderr
    );
    let ran = certgen(&tree, &["stream", "--ip", "192.0.2.1"]).expect(1);
    assert_eq!(
        ran.stderr,
        "edge-certgen: cannot use the private key /etc/kubeedge/certs/stream.key: it is not PEM\n\
         hint: replace it with --new-key, which keeps it with the extension .old\n"
    );
    assert_same(&tree.snapshot(), &before, "after the error");
    certgen(&tree, &["stream", "--ip", "192.0.2.1", "--new-key"]).expect(0);
    assert_eq!(tree.read("etc/kubeedge/certs/stream.key.old"), "damaged\n");
    certgen(&tree, &["check"]).expect(0);
}

#[test]
fn hub_ca_is_replaced_only_on_request() {
    let tree = Tree::new();
    certgen(&tree, &["ca"]).expect(0);
    let (crt, key) = (tree.read("etc/kubeedge/ca/rootCA.crt"), tree.read("etc/kubeedge/ca/rootCA.key"));
    let refused = |why: &str| {
        let before = tree.snapshot();
        let ran = certgen(&tree, &["ca"]).expect(4);
        assert!(ran.stderr.contains(why) && ran.stderr.contains("every edge node must join again"), "{}", ran.stderr);
        assert_same(&tree.snapshot(), &before, why);
    };
    std::fs::remove_file(tree.at("etc/kubeedge/ca/rootCA.key")).unwrap();
    refused("its private key is missing");
    tree.write("etc/kubeedge/ca/rootCA.key", shell("openssl ecparam -name prime256v1 -genkey -noout"));
    refused("the private key beside it belongs to another certificate");
    // The same key in a form that cloudcore does not take is rewritten.
    tree.write("etc/kubeedge/ca/plain.key", &key);
    let plain = tree.at("etc/kubeedge/ca/plain.key").display().to_string();
    tree.write("etc/kubeedge/ca/rootCA.key", shell(&format!("openssl pkcs8 -topk8 -nocrypt -in {plain}")));
    assert!(certgen(&tree, &["check", "ca"]).expect(3).stdout.contains("its format is PKCS#8"));
    certgen(&tree, &["ca"]).expect(0);
    assert_eq!(
        (tree.read("etc/kubeedge/ca/rootCA.crt"), tree.read("etc/kubeedge/ca/rootCA.key")),
        (crt.clone(), key.clone())
    );
    // EC PARAMETERS in front, as openssl ecparam writes them, too.
    let parameters = shell("openssl ecparam -name prime256v1");
    tree.write("etc/kubeedge/ca/rootCA.key", format!("{parameters}{key}"));
    assert!(certgen(&tree, &["check", "ca"]).expect(3).stdout.contains("its first PEM block is not the private key"));
    certgen(&tree, &["ca"]).expect(0);
    assert_eq!(tree.read("etc/kubeedge/ca/rootCA.key"), key);
    certgen(&tree, &["ca", "--new-key", "--force"]).expect(0);
    assert_ne!(tree.read("etc/kubeedge/ca/rootCA.crt"), crt);
    certgen(&tree, &["check", "ca"]).expect(0);
}
