//! edge-certgen check: each problem that cloudcore, an apiserver or an edge node would have.

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
fn check_requires_the_names_given_or_in_cloudcore_yaml() {
    let tree = stream(&Pki::usual("ca"));
    assert_eq!(findings(&tree, &["check", "--ip", "192.0.2.1", "--dns", "any.example.com"]), [""; 0]);
    assert_eq!(
        findings(
            &tree,
            &["check", "--ip", "192.0.2.2,192.0.2.1", "--dns", "a.b.example.com,example.com", "--node-ip", "192.0.2.9"]
        ),
        [format!(
            "/{CRT}: error: its SANs do not include IP:192.0.2.2, IP:192.0.2.9, DNS:a.b.example.com, DNS:example.com"
        )]
    );
    let config = |text: &str| tree.write("etc/kubeedge/config/cloudcore.yaml", text);
    config("modules:\n  cloudHub:\n    advertiseAddress:\n    - 192.0.2.1\n    dnsNames: ['']\n");
    assert_eq!(findings(&tree, &["check"]), [""; 0]);
    config(
        "modules:\n  cloudHub:\n    advertiseAddress: [192.0.2.7]\n  cloudStream:\n    tlsStreamCertFile: /x/stream.crt\n",
    );
    assert_eq!(
        findings(&tree, &["check"]),
        [
            "/etc/kubeedge/config/cloudcore.yaml: warning: tlsStreamCertFile is /x/stream.crt, which this check does not read"
                .to_owned(),
            format!("/{CRT}: error: its SANs do not include IP:192.0.2.7"),
        ]
    );
    assert_eq!(findings(&tree, &["verify"]), findings(&tree, &["check"]), "verify is an alias");
    config("modules: [\n");
    assert!(findings(&tree, &["check"])[0].contains(": not valid YAML at line "));
}

#[test]
fn check_finds_missing_and_damaged_files_and_another_ca() {
    let pki = Pki::usual("ca");
    assert_eq!(findings(&Tree::new(), &["check"]), ["/etc/kubeedge/certs: error: no KubeEdge certificate found"]);
    assert_eq!(
        findings(&Tree::new(), &["check", "stream"]),
        [format!("/{CRT}: error: the file is missing"), format!("/{KEY}: error: the file is missing")]
    );
    let tree = stream(&pki);
    std::fs::remove_file(tree.at(KEY)).unwrap();
    assert_eq!(findings(&tree, &["check"]), [format!("/{KEY}: error: the file is missing")]);
    put(&tree, KEY, &pki.at("ca.key"), 0o600);
    assert_eq!(
        findings(&tree, &["check"]),
        [
            format!("/{CRT}: error: it does not match the private key /{KEY}: cloudcore would not start with it"),
            format!("/{KEY}: error: it is the private key of the CA: anyone who can read it can sign certificates"),
        ]
    );
    shell(&format!("openssl pkcs8 -topk8 -in {} -passout pass:x > {}", pki.at("ca.key"), tree.at(KEY).display()));
    assert_eq!(
        findings(&tree, &["check"]),
        [format!("/{KEY}: error: it is encrypted: cloudcore would not start with it")]
    );
    let tree = stream(&pki);
    tree.write(CRT, "");
    assert_eq!(findings(&tree, &["check"]), [format!("/{CRT}: error: it is empty")]);
    let tree = stream(&pki);
    pki.authority("other", CA_KEYS[2].1);
    put(&tree, STREAM_CA, &pki.at("other.crt"), 0o644);
    assert_eq!(
        findings(&tree, &["check"]),
        [format!("/{CRT}: error: it is not signed by /{STREAM_CA}, but by CN=kubernetes")]
    );
    std::fs::remove_file(tree.at(STREAM_CA)).unwrap();
    assert_eq!(findings(&tree, &["check"]), [format!("/{STREAM_CA}: error: the file is missing")]);
}

#[test]
fn check_finds_expired_and_unusual_certificates() {
    let Some(pki) = Pki::odd() else { return skip("certgen_check ends", "go is not installed") };
    let with = |name: &str| {
        let tree = Tree::new();
        put(&tree, CRT, &pki.at(&format!("{name}.crt")), 0o644);
        put(&tree, KEY, &pki.at(&format!("{name}.key")), 0o600);
        put(&tree, STREAM_CA, &pki.at("hub-ca.crt"), 0o644);
        tree
    };
    let today = shell("date -u -d '1 minute ago' +%F");
    assert_eq!(findings(&with("ended"), &["check"]), [format!("/{CRT}: error: it expired on {}", today.trim())]);
    assert_eq!(findings(&with("nearly"), &["check"]), [format!("/{CRT}: error: it expires in 10 days")]);
    let (ca, key) = (pki.at("hub-ca.crt"), pki.at("hub-ca.key"));
    let tree = with("not-yet");
    let found = findings(&tree, &["check"]);
    assert!(found.len() == 1 && found[0].contains("stream.crt: error: it is not valid before "), "{found:?}");
    let ran = certgen(&tree, &["stream", "--ca", &ca, "--ca-key", &key]).expect(0);
    assert!(ran.stdout.contains("stream.crt: it is not valid before "), "{}", ran.stdout);
    assert_eq!(findings(&with("nearly"), &["check", "--renew-before", "9"]), [""; 0]);
    assert_eq!(
        findings(&with("for-clients"), &["check"]),
        [format!("/{CRT}: error: its extendedKeyUsage does not include serverAuth")]
    );
    // Made by cloudcore: an empty name is accepted.
    assert_eq!(findings(&with("empty-name"), &["check", "--ip", "192.0.2.1"]), [""; 0]);
    // The CA of certgen.sh up to 1.6 signed without names; that is X.509 version 1.
    let tree = with("ended");
    let (ca, key) = (pki.at("hub-ca.crt"), pki.at("hub-ca.key"));
    shell(&format!(
        "openssl req -new -key {k} -subj /O=KubeEdge | openssl x509 -req -CA {ca} -CAkey {key} -set_serial 7 -days 5000 2>/dev/null > {c}",
        k = tree.at(KEY).display(),
        c = tree.at(CRT).display()
    ));
    assert_eq!(
        findings(&tree, &["check"]),
        [format!("/{CRT}: error: it has no SANs (subjectAltName), and programs written in Go accept nothing else")]
    );
}

#[test]
fn check_hint_repairs_the_problem() {
    let Some(pki) = Pki::odd() else { return skip("certgen_check hints", "go is not installed") };
    let ca = ["--ca", &pki.at("hub-ca.crt"), "--ca-key", &pki.at("hub-ca.key")].map(str::to_owned);
    let repairs = |tree: &Tree, check: &[&str], problem: &str, ca: &[String]| {
        let ran = certgen(tree, check).expect(3);
        let after = ran.stdout.split_once(problem).unwrap_or_else(|| panic!("{problem}: {}", ran.stdout)).1;
        let hint = after
            .lines()
            .nth(1)
            .and_then(|line| line.strip_prefix("    hint: make it again: edge-certgen --root "))
            .unwrap();
        let hint = hint.strip_prefix(&format!("{} ", tree.path().display())).unwrap();
        let unquoted = hint.replace('\'', "");
        let call: Vec<&str> = unquoted.split(' ').chain(ca.iter().map(String::as_str)).collect();
        certgen(tree, &call).expect(0);
        certgen(tree, check).expect(0)
    };
    for (name, problem) in [
        ("ended", "it expired on "),
        ("nearly", "it expires in 10 days"),
        ("for-clients", "its extendedKeyUsage does not include serverAuth"),
    ] {
        let tree = Tree::new();
        put(&tree, CRT, &pki.at(&format!("{name}.crt")), 0o644);
        put(&tree, KEY, &pki.at(&format!("{name}.key")), 0o600);
        put(&tree, STREAM_CA, &pki.at("hub-ca.crt"), 0o644);
        repairs(&tree, &["check"], problem, &ca);
    }
    // The names that it has are not lost for those that it lacks.
    let tree = Tree::new();
    let stream: Vec<&str> = ["stream", "--ip", "192.0.2.1", "--dns", "*.example.com"]
        .into_iter()
        .chain(ca.iter().map(String::as_str))
        .collect();
    certgen(&tree, &stream).expect(0);
    let names = ["check", "--ip", "192.0.2.1,fd00::7", "--dns", "a.example.com,b.example.org"];
    repairs(&tree, &names, "its SANs do not include IP:fd00::7, DNS:b.example.org", &ca);
    let has = x509(&tree.at(CRT), "-ext subjectAltName");
    assert!(has.ends_with("192.0.2.1, IP Address:FD00:0:0:0:0:0:0:7, DNS:*.example.com, DNS:b.example.org\n"), "{has}");
    // A key that clients reject, and one in the readable file of a certificate.
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
    repairs(&tree, &["check"], "it has only 1024 bits", &ca);
    let tree = Tree::new();
    certgen(&tree, &["server", "--ip", "192.0.2.1"]).expect(0);
    let root = "etc/kubeedge/ca/rootCA.crt";
    tree.write(root, format!("{}{}", tree.read(root), tree.read("etc/kubeedge/ca/rootCA.key")));
    repairs(&tree, &["check", "server"], "it contains a private key", &[]);
    certgen(&tree, &["check"]).expect(0);
    // The hub reads the first block as the certificate, whatever it is.
    let (crt, key) = ("etc/kubeedge/certs/server.crt", "etc/kubeedge/certs/server.key");
    tree.write(crt, format!("{}{}", tree.read(key), tree.read(crt)));
    std::fs::set_permissions(tree.at(crt), std::fs::Permissions::from_mode(0o600)).unwrap();
    let [ca, crt, key] = [root, crt, key].map(|path| tree.at(path).to_str().unwrap().to_owned());
    assert_ne!(go(&["hub", &ca, &crt, &key, "192.0.2.1"]).unwrap().code, 0);
    repairs(&tree, &["check"], "its first PEM block is not the certificate", &[]);
    go(&["hub", &ca, &crt, &key, "192.0.2.1"]).unwrap().expect(0);
}

#[test]
fn check_of_the_hub_has_stricter_rules() {
    let tree = Tree::new();
    certgen(&tree, &["server", "--ip", "192.0.2.1"]).expect(0);
    certgen(&tree, &["edge"]).expect(0);
    assert_eq!(findings(&tree, &["check"]), [""; 0]);
    // EC PARAMETERS before the key: the stream server accepts it, the hub does not.
    let parameters = shell("openssl ecparam -name prime256v1");
    let key = tree.read("etc/kubeedge/certs/server.key");
    tree.write("etc/kubeedge/certs/server.key", format!("{parameters}{key}"));
    std::fs::set_permissions(tree.at("etc/kubeedge/certs/server.key"), std::fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(
        findings(&tree, &["check"]),
        [
            "/etc/kubeedge/certs/server.key: error: its first PEM block is not the private key: cloudcore reads only the first block and would not start"
        ]
    );
    certgen(&tree, &["server"]).expect(0);
    assert_eq!(tree.read("etc/kubeedge/certs/server.key"), key);
    // RSA works, and surprises.
    let own = shell("openssl genrsa 2048 2>/dev/null");
    Tool::new("edge-certgen").arg("--root").arg(tree.path()).args(["server", "--key", "-"]).stdin(own).run().expect(0);
    assert_eq!(
        findings(&tree, &["check"]),
        [
            "/etc/kubeedge/certs/server.crt: warning: its key is RSA: cloudcore's tunnel rejects edge nodes that only support TLS 1.2"
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
    assert!(findings(&tree, &["check", "ca"])[0].contains(
        "rootCA.key: error: its type is rsa-2048: cloudcore accepts only an EC key for its CA, so every join fails"
    ));
    let ran = certgen(&tree, &["ca"]).expect(4);
    assert!(ran.stderr.contains("cloudcore does not load rsa-2048 keys for its CA"), "{}", ran.stderr);
}

#[test]
fn check_finds_open_modes() {
    let tree = stream(&Pki::usual("ca"));
    let set =
        |path: &str, mode| std::fs::set_permissions(tree.at(path), std::fs::Permissions::from_mode(mode)).unwrap();
    // The group of the file may read the key.
    set(KEY, 0o640);
    assert_eq!(findings(&tree, &["check"]), [""; 0]);
    set(KEY, 0o604);
    set(CRT, 0o666);
    set("etc/kubeedge/certs", 0o777);
    assert_eq!(
        findings(&tree, &["check"]),
        [
            format!("/{KEY}: error: its mode is 0604: other users can read or replace the private key"),
            format!("/{CRT}: error: its mode is 0666: other users can replace it"),
            "/etc/kubeedge/certs: error: its mode is 0777: other users can replace the key pairs".to_owned()
        ]
    );
}
