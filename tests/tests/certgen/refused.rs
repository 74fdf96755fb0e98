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
    let said = ran.stderr.replace(&pki.at(""), "");
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
                "cannot read {name}: it is encrypted\nhint: give it decrypted: openssl pkey -in {name} | edge-certgen … --ca-key -"
            ),
        );
    }
    refused(
        &pki,
        "ca.crt",
        "other.key",
        &[],
        "cannot sign with other.key: it is not the key of ca.crt\nhint: --ca and --ca-key must be of one CA",
    );
    refused(&pki, "ca.crt", "ca.crt", &[], "cannot read ca.crt: it holds no private key but CERTIFICATE");
    refused(&pki, "ca.key", "ca.key", &[], "cannot read ca.key: it holds no certificate but EC PRIVATE KEY");
    refused(&pki, "nowhere.crt", "ca.key", &[], "cannot read nowhere.crt: it is not there");
    refused(
        &pki,
        "ca.crt",
        "nowhere.key",
        &[],
        "cannot sign: the key of ca.crt is not there: nowhere.key\n\
         hint: name it with --ca-key FILE, or run this where the CA's key is (a control plane host)",
    );
    for (name, text, why) in [
        ("empty", "", "it is empty"),
        ("text", "hello\n", "it is not PEM"),
        ("cut", "-----BEGIN CERTIFICATE-----\nMIIB\n", "its PEM is cut off"),
    ] {
        std::fs::write(pki.at(name), text).unwrap();
        refused(&pki, name, "ca.key", &[], &format!("cannot read {name}: {why}"));
        refused(&pki, "ca.crt", name, &[], &format!("cannot read {name}: {why}"));
    }
    for (name, command, why) in [
        ("small", "openssl genrsa 1024", "it has fewer than 2048 bits"),
        ("p521", "openssl ecparam -name secp521r1 -genkey -noout", "no ecdsa-p521 key can sign here"),
    ] {
        pki.authority(name, command);
        let key = format!("{name}.key");
        refused(&pki, &format!("{name}.crt"), &key, &[], &format!("cannot sign with {key}: {why}"));
    }
    // A key whose halves are not one: what the file says is its public half is another's.
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
        "cannot sign with expired.crt: it ended on 2021-01-01\nhint: renew the CA first; what it signs now would be refused",
    );
    let today = shell("date -u +%F");
    of(
        "future",
        &[],
        &format!(
            "cannot sign with future.crt: it is not valid before 2090-01-01, and the clock says {}\n\
             hint: set the clock, if that is what is wrong",
            today.trim()
        ),
    );
    let (end, wanted) = (shell("date -u -d '100 days 1 hour' +%F"), shell("date -u -d '825 days' +%F"));
    of(
        "short",
        &[],
        &format!(
            "cannot sign with short.crt: it ends on {}, before the new certificate would ({})\nhint: --days 100 is the most that it can sign",
            end.trim(),
            wanted.trim()
        ),
    );
    of(
        "no-ca",
        &[],
        "cannot sign with no-ca.crt: it is no CA, and clients would refuse what it signs\n\
         hint: name the certificate of the CA itself with --ca",
    );
    of("no-sign", &[], "cannot sign with no-sign.crt: its keyUsage does not let it sign certificates");
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
            "cannot take --ip cloud.example.com: it is not an IP address\nhint: for a name: --dns cloud.example.com",
        ),
        (
            &["stream", "--dns", "192.0.2.1"],
            "cannot take --dns 192.0.2.1: it is an IP address\nhint: for an address: --ip 192.0.2.1",
        ),
        (
            &["stream", "--dns", "a b"],
            "cannot take --dns a b: it has a space in it\nhint: repeat --dns, or put commas between",
        ),
        (
            &["stream", "--dns", "https://a"],
            "cannot take --dns https://a: it is a URL\nhint: give the host of it alone",
        ),
        (&["stream", "--ip", ","], "cannot take --ip: it is empty"),
        (
            &["stream", "--ip", "192.0.2.1", "--ca", "/x"],
            "cannot sign: a CA is a certificate and its key\nhint: give both --ca and --ca-key",
        ),
        (
            &["stream", "--ip", "192.0.2.1", "--subject", "CN=x"],
            "cannot take the subject CN=x: it does not begin with /\nhint: as openssl takes it: /O=KubeEdge/CN=name",
        ),
        (
            &["ca", "--key-type", "ed25519"],
            "cannot make the hub's CA with ed25519: cloudcore loads ECDSA only\nhint: ecdsa-p256 or ecdsa-p384",
        ),
        (&["ca", "--ca", "/x", "--ca-key", "/y"], "cannot take --ca and --ca-key here: the hub's CA signs itself"),
        (
            &["genCertAndKey", "../x"],
            "cannot take the name ../x: it becomes a file name\nhint: letters, digits, dots, hyphens and underscores, such as server",
        ),
        (&["genCertAndKey", "server", "x"], "cannot take IP x: it is not an IP address"),
        (
            &["genCertAndKey", "stream"],
            "cannot make stream so: it is signed by the cluster's CA\nhint: edge-certgen stream --ip IP",
        ),
        (
            &["edge", "--node-name", "a", "--node-name", "b"],
            "cannot make one pair for several edge nodes\nhint: call edge-certgen edge for each, with a --cert-dir of its own",
        ),
        (&["secret", "chart", "--namespace", "No"], "cannot take the namespace No: Kubernetes has no such name"),
        (
            &["secret", "chart", "--json"],
            "cannot print the Secret as records: it is a document (kubectl takes it as it is)",
        ),
        (&["show", "-", "-"], "cannot take - twice: standard input is read once"),
        (
            &["stream", "--ip", "192.0.2.1", "--ca", "/x", "--ca-key", "-", "--key", "-"],
            "cannot take - twice: standard input is read once",
        ),
    ] {
        let ran = certgen(&tree, args);
        assert_eq!((ran.code, ran.stderr.as_str()), (2, format!("edge-certgen: {want}\n").as_str()), "{args:?}");
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
fn key_that_cannot_be_used_is_never_replaced_unasked() {
    let pki = Pki::usual("ca");
    let read = |name| std::fs::read_to_string(pki.at(name)).unwrap();
    let tree = Tree::with(&[
        ("etc/kubernetes/pki/ca.crt", &read("ca.crt")),
        ("etc/kubernetes/pki/ca.key", &read("ca.key")),
        ("etc/kubeedge/certs/stream.key", "damaged\n"),
    ]);
    let before = tree.snapshot();
    let ran = certgen(&tree, &["stream", "--ip", "192.0.2.1", "--key", &pki.at("ca.key")]).expect(4);
    assert!(ran.stderr.contains("cannot use the key that is given: it is the CA's own\nhint: "), "{}", ran.stderr);
    let ran = certgen(&tree, &["stream", "--ip", "192.0.2.1"]).expect(1);
    assert_eq!(
        ran.stderr,
        "edge-certgen: cannot use the key /etc/kubeedge/certs/stream.key: it is not PEM\n\
         hint: --new-key makes another one and keeps this one beside as .old\n"
    );
    assert_same(&tree.snapshot(), &before, "after the error");
    certgen(&tree, &["stream", "--ip", "192.0.2.1", "--new-key"]).expect(0);
    assert_eq!(tree.read("etc/kubeedge/certs/stream.key.old"), "damaged\n");
    certgen(&tree, &["verify"]).expect(0);
}

#[test]
fn hub_s_ca_is_not_replaced_unasked() {
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
    refused("its key is not there");
    tree.write("etc/kubeedge/ca/rootCA.key", shell("openssl ecparam -name prime256v1 -genkey -noout"));
    refused("the key beside it is another's");
    // The same key in a form that cloudcore does not take is rewritten.
    tree.write("etc/kubeedge/ca/plain.key", &key);
    let plain = tree.at("etc/kubeedge/ca/plain.key").display().to_string();
    tree.write("etc/kubeedge/ca/rootCA.key", shell(&format!("openssl pkcs8 -topk8 -nocrypt -in {plain}")));
    assert!(certgen(&tree, &["verify", "ca"]).expect(3).stdout.contains("it is in the form PKCS#8"));
    certgen(&tree, &["ca"]).expect(0);
    assert_eq!(
        (tree.read("etc/kubeedge/ca/rootCA.crt"), tree.read("etc/kubeedge/ca/rootCA.key")),
        (crt.clone(), key.clone())
    );
    // EC PARAMETERS in front, as openssl ecparam writes them, too.
    let parameters = shell("openssl ecparam -name prime256v1");
    tree.write("etc/kubeedge/ca/rootCA.key", format!("{parameters}{key}"));
    assert!(certgen(&tree, &["verify", "ca"]).expect(3).stdout.contains("something stands before the key"));
    certgen(&tree, &["ca"]).expect(0);
    assert_eq!(tree.read("etc/kubeedge/ca/rootCA.key"), key);
    certgen(&tree, &["ca", "--new-key", "--force"]).expect(0);
    assert_ne!(tree.read("etc/kubeedge/ca/rootCA.crt"), crt);
    certgen(&tree, &["verify", "ca"]).expect(0);
}
