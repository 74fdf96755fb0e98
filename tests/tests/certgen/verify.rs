//! edge-certgen verify: each fault that cloudcore, an apiserver or a node would stumble over.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::os::unix::fs::PermissionsExt;

use edgeutils_tests::pki::{CA_KEYS, Pki, go, shell, x509};
use edgeutils_tests::skip;
use edgeutils_tests::tool::{Ran, Tool};
use edgeutils_tests::tree::Tree;

fn certgen(tree: &Tree, args: &[&str]) -> Ran {
    Tool::new("edge-certgen").arg("--root").arg(tree.path()).args(args).run()
}

/// The findings alone, without the root and the hints.
fn findings(tree: &Tree, args: &[&str]) -> Vec<String> {
    let ran = certgen(tree, args);
    let root = tree.path().to_str().unwrap();
    let lines: Vec<String> = ran.stdout.lines().map(|line| line.replace(root, "")).collect();
    let found: Vec<String> =
        lines.into_iter().filter(|line| line.contains(": error: ") || line.contains(": warning: ")).collect();
    let faulty = found.iter().any(|line| line.contains(": error: "));
    assert_eq!(ran.code, if faulty { 3 } else { 0 }, "{found:?} {}", ran.stderr);
    found
}

fn stream(pki: &Pki) -> Tree {
    let tree = Tree::new();
    let args = [
        "stream",
        "--ip",
        "192.0.2.1",
        "--dns",
        "*.example.com",
        "--ca",
        &pki.at("ca.crt"),
        "--ca-key",
        &pki.at("ca.key"),
    ];
    certgen(&tree, &args).expect(0);
    tree
}

fn put(tree: &Tree, path: &str, from: &str, mode: u32) {
    tree.write(path, std::fs::read(from).unwrap());
    std::fs::set_permissions(tree.at(path), std::fs::Permissions::from_mode(mode)).unwrap();
}

const CRT: &str = "etc/kubeedge/certs/stream.crt";
const KEY: &str = "etc/kubeedge/certs/stream.key";
const STREAM_CA: &str = "etc/kubeedge/ca/streamCA.crt";

#[test]
fn names_given_or_in_cloudcore_yaml_must_be_there() {
    let tree = stream(&Pki::usual("ca"));
    assert_eq!(findings(&tree, &["verify", "--ip", "192.0.2.1", "--dns", "any.example.com"]), [""; 0]);
    assert_eq!(
        findings(
            &tree,
            &[
                "verify",
                "--ip",
                "192.0.2.2,192.0.2.1",
                "--dns",
                "a.b.example.com,example.com",
                "--node-ip",
                "192.0.2.9"
            ]
        ),
        [format!("/{CRT}: error: it is not for IP:192.0.2.2, IP:192.0.2.9, DNS:a.b.example.com, DNS:example.com")]
    );
    let config = |text: &str| tree.write("etc/kubeedge/config/cloudcore.yaml", text);
    config("modules:\n  cloudHub:\n    advertiseAddress:\n    - 192.0.2.1\n    dnsNames: ['']\n");
    assert_eq!(findings(&tree, &["verify"]), [""; 0]);
    config(
        "modules:\n  cloudHub:\n    advertiseAddress: [192.0.2.7]\n  cloudStream:\n    tlsStreamCertFile: /x/stream.crt\n",
    );
    assert_eq!(
        findings(&tree, &["verify"]),
        [
            "/etc/kubeedge/config/cloudcore.yaml: warning: the stream's certificate is another there: /x/stream.crt"
                .to_owned(),
            format!("/{CRT}: error: it is not for IP:192.0.2.7"),
        ]
    );
    config("modules: [\n");
    assert!(findings(&tree, &["verify"])[0].contains("its addresses are not known: it is no YAML"));
}

#[test]
fn verify_names_what_is_missing_damaged_or_of_another_ca() {
    let pki = Pki::usual("ca");
    assert_eq!(findings(&Tree::new(), &["verify"]), ["/etc/kubeedge/certs: error: no certificate of KubeEdge is here"]);
    assert_eq!(
        findings(&Tree::new(), &["verify", "stream"]),
        [format!("/{CRT}: error: it is not there"), format!("/{KEY}: error: it is not there")]
    );
    let tree = stream(&pki);
    std::fs::remove_file(tree.at(KEY)).unwrap();
    assert_eq!(findings(&tree, &["verify"]), [format!("/{KEY}: error: it is not there")]);
    put(&tree, KEY, &pki.at("ca.key"), 0o600);
    assert_eq!(
        findings(&tree, &["verify"]),
        [
            format!("/{CRT}: error: it is not for the key /{KEY}: cloudcore would not start with it"),
            format!("/{KEY}: error: it is the CA's own key: whoever reads it can sign anything"),
        ]
    );
    shell(&format!("openssl pkcs8 -topk8 -in {} -passout pass:x > {}", pki.at("ca.key"), tree.at(KEY).display()));
    assert_eq!(
        findings(&tree, &["verify"]),
        [format!("/{KEY}: error: it is encrypted, and cloudcore would not start with it")]
    );
    let tree = stream(&pki);
    tree.write(CRT, "");
    assert_eq!(findings(&tree, &["verify"]), [format!("/{CRT}: error: it is empty")]);
    let tree = stream(&pki);
    pki.authority("other", CA_KEYS[2].1);
    put(&tree, STREAM_CA, &pki.at("other.crt"), 0o644);
    assert_eq!(
        findings(&tree, &["verify"]),
        [format!("/{CRT}: error: /{STREAM_CA} did not sign it, but CN=kubernetes")]
    );
    std::fs::remove_file(tree.at(STREAM_CA)).unwrap();
    assert_eq!(findings(&tree, &["verify"]), [format!("/{STREAM_CA}: error: it is not there")]);
}

#[test]
fn verify_judges_ends_uses_and_odd_certificates() {
    let Some(pki) = Pki::odd() else { return skip("certgen_verify ends", "go is not there") };
    let with = |name: &str| {
        let tree = Tree::new();
        put(&tree, CRT, &pki.at(&format!("{name}.crt")), 0o644);
        put(&tree, KEY, &pki.at(&format!("{name}.key")), 0o600);
        put(&tree, STREAM_CA, &pki.at("hub-ca.crt"), 0o644);
        tree
    };
    let today = shell("date -u -d '1 minute ago' +%F");
    assert_eq!(findings(&with("ended"), &["verify"]), [format!("/{CRT}: error: it ended on {}", today.trim())]);
    assert_eq!(findings(&with("nearly"), &["verify"]), [format!("/{CRT}: error: it has 10 days left")]);
    let (ca, key) = (pki.at("hub-ca.crt"), pki.at("hub-ca.key"));
    let tree = with("not-yet");
    let found = findings(&tree, &["verify"]);
    assert!(found.len() == 1 && found[0].contains("stream.crt: error: it is not valid before "), "{found:?}");
    let ran = certgen(&tree, &["stream", "--ca", &ca, "--ca-key", &key]).expect(0);
    assert!(ran.stdout.contains("stream.crt: it is not valid before "), "{}", ran.stdout);
    assert_eq!(findings(&with("nearly"), &["verify", "--renew-before", "9"]), [""; 0]);
    assert_eq!(
        findings(&with("for-clients"), &["verify"]),
        [format!("/{CRT}: error: it is not for serverAuth (extendedKeyUsage)")]
    );
    // cloudcore's own: an empty name is no reason to reject it.
    assert_eq!(findings(&with("empty-name"), &["verify", "--ip", "192.0.2.1"]), [""; 0]);
    // The CA of certgen.sh up to 1.6 signed without names; that is X.509 version 1.
    let tree = with("ended");
    let (ca, key) = (pki.at("hub-ca.crt"), pki.at("hub-ca.key"));
    shell(&format!(
        "openssl req -new -key {k} -subj /O=KubeEdge | openssl x509 -req -CA {ca} -CAkey {key} -set_serial 7 -days 5000 2>/dev/null > {c}",
        k = tree.at(KEY).display(),
        c = tree.at(CRT).display()
    ));
    assert_eq!(
        findings(&tree, &["verify"]),
        [format!("/{CRT}: error: it has no names (subjectAltName), and programs in Go look at nothing else")]
    );
}

#[test]
fn verify_hints_at_what_repairs_it() {
    let Some(pki) = Pki::odd() else { return skip("certgen_verify hints", "go is not there") };
    let ca = ["--ca", &pki.at("hub-ca.crt"), "--ca-key", &pki.at("hub-ca.key")].map(str::to_owned);
    let mends = |tree: &Tree, verify: &[&str], fault: &str, ca: &[String]| {
        let ran = certgen(tree, verify).expect(3);
        let told = ran.stdout.split_once(fault).unwrap_or_else(|| panic!("{fault}: {}", ran.stdout)).1;
        let hint = told.lines().nth(1).and_then(|line| line.strip_prefix("    hint: edge-certgen ")).unwrap();
        let unquoted = hint.replace('\'', "");
        let call: Vec<&str> = unquoted.split(' ').chain(ca.iter().map(String::as_str)).collect();
        certgen(tree, &call).expect(0);
        certgen(tree, verify).expect(0)
    };
    for (name, fault) in
        [("ended", "it ended on "), ("nearly", "it has 10 days left"), ("for-clients", "it is not for serverAuth")]
    {
        let tree = Tree::new();
        put(&tree, CRT, &pki.at(&format!("{name}.crt")), 0o644);
        put(&tree, KEY, &pki.at(&format!("{name}.key")), 0o600);
        put(&tree, STREAM_CA, &pki.at("hub-ca.crt"), 0o644);
        mends(&tree, &["verify"], fault, &ca);
    }
    // The names that it has are not lost for those that it lacks.
    let tree = Tree::new();
    let stream: Vec<&str> = ["stream", "--ip", "192.0.2.1", "--dns", "*.example.com"]
        .into_iter()
        .chain(ca.iter().map(String::as_str))
        .collect();
    certgen(&tree, &stream).expect(0);
    let names = ["verify", "--ip", "192.0.2.1,fd00::7", "--dns", "a.example.com,b.example.org"];
    mends(&tree, &names, "it is not for IP:fd00::7, DNS:b.example.org", &ca);
    let has = x509(&tree.at(CRT), "-ext subjectAltName");
    assert!(has.ends_with("192.0.2.1, IP Address:FD00:0:0:0:0:0:0:7, DNS:*.example.com, DNS:b.example.org\n"), "{has}");
    // A key that nobody takes any more, and one that stands beside a certificate for everybody to read.
    let weak = format!("openssl genrsa -traditional 1024 2>/dev/null > {}", tree.at(KEY).display());
    let sign = format!(
        "openssl req -new -key {} -subj /O=x | openssl x509 -req -CA {} -CAkey {} -days 800 -extfile {} 2>/dev/null > {}",
        tree.at(KEY).display(),
        ca[1],
        ca[3],
        pki.at("san"),
        tree.at(CRT).display(),
    );
    std::fs::write(pki.at("san"), "subjectAltName=DNS:a.example\n").unwrap();
    shell(&format!("{weak} && {sign}"));
    mends(&tree, &["verify"], "it has only 1024 bits", &ca);
    let tree = Tree::new();
    certgen(&tree, &["server", "--ip", "192.0.2.1"]).expect(0);
    let root = "etc/kubeedge/ca/rootCA.crt";
    tree.write(root, format!("{}{}", tree.read(root), tree.read("etc/kubeedge/ca/rootCA.key")));
    mends(&tree, &["verify", "server"], "a private key stands in it", &[]);
    certgen(&tree, &["verify"]).expect(0);
    // What the hub takes for the certificate is whatever comes first.
    let (crt, key) = ("etc/kubeedge/certs/server.crt", "etc/kubeedge/certs/server.key");
    tree.write(crt, format!("{}{}", tree.read(key), tree.read(crt)));
    std::fs::set_permissions(tree.at(crt), std::fs::Permissions::from_mode(0o600)).unwrap();
    let [ca, crt, key] = [root, crt, key].map(|path| tree.at(path).to_str().unwrap().to_owned());
    assert_ne!(go(&["hub", &ca, &crt, &key, "192.0.2.1"]).unwrap().code, 0);
    mends(&tree, &["verify"], "something stands before the certificate", &[]);
    go(&["hub", &ca, &crt, &key, "192.0.2.1"]).unwrap().expect(0);
}

#[test]
fn hub_s_pairs_have_rules_of_their_own() {
    let tree = Tree::new();
    certgen(&tree, &["server", "--ip", "192.0.2.1"]).expect(0);
    certgen(&tree, &["edge"]).expect(0);
    assert_eq!(findings(&tree, &["verify"]), [""; 0]);
    // EC PARAMETERS in front of the key: the stream takes it, the hub does not.
    let parameters = shell("openssl ecparam -name prime256v1");
    let key = tree.read("etc/kubeedge/certs/server.key");
    tree.write("etc/kubeedge/certs/server.key", format!("{parameters}{key}"));
    std::fs::set_permissions(tree.at("etc/kubeedge/certs/server.key"), std::fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(
        findings(&tree, &["verify"]),
        [
            "/etc/kubeedge/certs/server.key: error: something stands before the key, and cloudcore reads the first block only: it would not start"
        ]
    );
    certgen(&tree, &["server"]).expect(0);
    assert_eq!(tree.read("etc/kubeedge/certs/server.key"), key);
    // RSA works, and surprises.
    let own = shell("openssl genrsa 2048 2>/dev/null");
    Tool::new("edge-certgen").arg("--root").arg(tree.path()).args(["server", "--key", "-"]).stdin(own).run().expect(0);
    assert_eq!(
        findings(&tree, &["verify"]),
        [
            "/etc/kubeedge/certs/server.crt: warning: its key is RSA: cloudcore's tunnel refuses edge nodes that have TLS 1.2 only"
        ]
    );
    // An RSA CA, as certgen.sh made it up to 1.21: every join fails.
    let tree = Tree::new();
    std::fs::create_dir_all(tree.at("etc/kubeedge/ca")).unwrap();
    let (k, c) = (tree.at("etc/kubeedge/ca/rootCA.key"), tree.at("etc/kubeedge/ca/rootCA.crt"));
    shell(&format!(
        "openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj /CN=kubeedge.io -keyout {} -out {} 2>/dev/null",
        k.display(),
        c.display()
    ));
    assert!(findings(&tree, &["verify", "ca"])[0].contains(
        "rootCA.key: error: it is rsa-2048: cloudcore takes only an EC key for its CA, and every join fails"
    ));
    let ran = certgen(&tree, &["ca"]).expect(4);
    assert!(ran.stderr.contains("cloudcore loads no rsa-2048 key for its CA"), "{}", ran.stderr);
}

#[test]
fn modes_and_directories() {
    let tree = stream(&Pki::usual("ca"));
    let set =
        |path: &str, mode| std::fs::set_permissions(tree.at(path), std::fs::Permissions::from_mode(mode)).unwrap();
    // A group of its own may read the key.
    set(KEY, 0o640);
    assert_eq!(findings(&tree, &["verify"]), [""; 0]);
    set(KEY, 0o604);
    set(CRT, 0o666);
    set("etc/kubeedge/certs", 0o777);
    assert_eq!(
        findings(&tree, &["verify"]),
        [
            format!("/{KEY}: error: its mode is 0604: others can read or replace the private key"),
            format!("/{CRT}: error: its mode is 0666: others can replace it"),
            "/etc/kubeedge/certs: error: its mode is 0777: others can replace the pairs".to_owned()
        ]
    );
}
