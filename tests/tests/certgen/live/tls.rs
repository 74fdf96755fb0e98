//! The pairs in use: Go's crypto/tls loads and serves them as cloudcore does, openssl connects.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::process::Command;

use edgeutils_tests::live::can_unshare;
use edgeutils_tests::pki::{CA_KEYS, Pki, go, shell};
use edgeutils_tests::skip;
use edgeutils_tests::tool::{Ran, Tool};
use edgeutils_tests::tree::{Tree, assert_same};

fn certgen(tree: &Tree, args: &[&str]) -> Ran {
    Tool::new("edge-certgen").arg("--root").arg(tree.path()).args(args).run()
}

fn at(tree: &Tree, path: &str) -> String {
    tree.at("etc/kubeedge").join(path).to_str().unwrap().to_owned()
}

/// Each name by both versions of TLS, as the program in Go prints them.
fn served(names: &[&str]) -> String {
    ["TLS 1.2", "TLS 1.3"].iter().flat_map(|tls| names.iter().map(move |name| format!("{tls} {name}\n"))).collect()
}

#[test]
fn go_serves_the_stream_pair_of_every_kind_and_every_ca() {
    if go(&["x", "y"]).is_none() {
        return skip("certgen_live_tls stream", "go is not installed");
    }
    let names = ["127.0.0.1", "192.0.2.1", "fd00::1", "any.example.com", "xn--bcher-kva.example", "edge-1"];
    for (form, command) in CA_KEYS {
        let pki = Pki::new();
        pki.authority("ca", command);
        let tree = Tree::new();
        for key_type in ["ecdsa-p256", "ecdsa-p384", "ed25519"] {
            certgen(
                &tree,
                &[
                    &["stream", "--ca", &pki.at("ca.crt"), "--ca-key", &pki.at("ca.key"), "--key-type", key_type][..],
                    &[
                        "--ip",
                        "192.0.2.1",
                        "--ip",
                        "fd00::1",
                        "--dns",
                        "*.example.com,bücher.example",
                        "--node-name",
                        "edge-1",
                    ],
                ]
                .concat(),
            )
            .expect(0);
            let files = [at(&tree, "ca/streamCA.crt"), at(&tree, "certs/stream.crt"), at(&tree, "certs/stream.key")];
            let args: Vec<&str> =
                std::iter::once("stream").chain(files.iter().map(String::as_str)).chain(names).collect();
            let ran = go(&args).unwrap();
            assert_eq!(
                (ran.code, ran.stdout.as_str()),
                (0, served(&names).as_str()),
                "{form} {key_type}: {}",
                ran.stderr
            );
        }
    }
}

#[test]
fn go_loads_the_hub_pairs_by_their_first_block_and_signs_with_its_ca() {
    if go(&["x", "y"]).is_none() {
        return skip("certgen_live_tls hub", "go is not installed");
    }
    for key_type in ["ecdsa-p256", "ecdsa-p384"] {
        let tree = Tree::new();
        certgen(&tree, &["ca", "--key-type", key_type]).expect(0);
        certgen(&tree, &["server", "--ip", "192.0.2.1"]).expect(0);
        certgen(&tree, &["edge", "--node-name", "edge-1"]).expect(0);
        let [ca, ca_key] = ["ca/rootCA.crt", "ca/rootCA.key"].map(|path| at(&tree, path));
        let ran = go(&["authority", &ca, &ca_key]).unwrap().expect(0);
        assert_eq!(ran.stdout, "CN=KubeEdge,O=KubeEdge,L=Hangzhou,ST=Zhejiang,C=CN\n");
        let [crt, key] = ["certs/server.crt", "certs/server.key"].map(|path| at(&tree, path));
        let ran = go(&["hub", &ca, &crt, &key, "127.0.0.1", "192.0.2.1"]).unwrap().expect(0);
        assert_eq!(ran.stdout, served(&["127.0.0.1", "192.0.2.1"]));
        let [crt, key] = ["certs/edge.crt", "certs/edge.key"].map(|path| at(&tree, path));
        assert_eq!(
            go(&["client", &ca, &crt, &key]).unwrap().expect(0).stdout,
            "CN=system:node:edge-1,O=system:nodes\n"
        );
    }
    // The judge can say no: a key in PKCS#8 is what cloudcore fails with.
    let tree = Tree::new();
    certgen(&tree, &["ca"]).expect(0);
    let [ca, ca_key] = ["ca/rootCA.crt", "ca/rootCA.key"].map(|path| at(&tree, path));
    shell(&format!("openssl pkcs8 -topk8 -nocrypt -in {ca_key} -out {ca_key}.pkcs8"));
    assert!(
        go(&["authority", &ca, &format!("{ca_key}.pkcs8")])
            .unwrap()
            .expect(1)
            .stderr
            .contains("use ParsePKCS8PrivateKey")
    );
}

#[test]
fn ca_with_an_unusual_subject_is_named_to_the_byte() {
    let Some(pki) = Pki::odd() else { return skip("certgen_live_tls corporate", "go is not installed") };
    let tree = Tree::new();
    let (ca, key) = (pki.at("corporate.crt"), pki.at("corporate.key"));
    certgen(&tree, &["stream", "--ip", "192.0.2.1", "--ca", &ca, "--ca-key", &key]).expect(0);
    let [crt, key] = ["certs/stream.crt", "certs/stream.key"].map(|path| at(&tree, path));
    shell(&format!("openssl verify -CAfile {ca} {crt}"));
    assert_eq!(go(&["stream", &ca, &crt, &key, "192.0.2.1"]).unwrap().expect(0).stdout, served(&["192.0.2.1"]));
    certgen(&tree, &["check"]).expect(0);
}

#[test]
fn check_accepts_exactly_what_go_accepts() {
    if go(&["x", "y"]).is_none() {
        return skip("certgen_live_tls as Go reads", "go is not installed");
    }
    let pki = Pki::usual("ca");
    let tree = Tree::new();
    let args = ["stream", "--ip", "192.0.2.1", "--ca", &pki.at("ca.crt"), "--ca-key", &pki.at("ca.key")];
    certgen(&tree, &args).expect(0);
    let [ca, crt, key] = ["ca/streamCA.crt", "certs/stream.crt", "certs/stream.key"].map(|path| at(&tree, path));
    let rewrite = |file: &str, how: &str| {
        shell(&format!("cp -p {file} {file}.good && {how} < {file}.good > {file}"));
        let (served, verified) = (go(&["stream", &ca, &crt, &key, "192.0.2.1"]).unwrap(), certgen(&tree, &["check"]));
        shell(&format!("mv {file}.good {file}"));
        (served, verified)
    };
    for file in [&crt, &key] {
        for (how, loads, why) in [
            ("sed 's/^/    /'", false, "indented"),
            ("sed 's/^-----BEGIN/x -----BEGIN/'", false, "indented"),
            ("sed '/-----END/s/^/  /'", false, "indented"),
            ("sed 's/-----$/----- x/'", false, "other text"),
            ("tr -d '\\n'", false, "other text"),
            ("{ printf '\\357\\273\\277'; cat; }", false, "byte order mark"),
            ("sed '2,$s/^/    /; /-----END/s/^ *//'", true, ""),
            ("sed 's/$/  /'", true, ""),
            ("sed 's/$/\\r/'", true, ""),
            ("sed 's/^-----BEGIN/subject=O = KubeEdge\\n\\n&/'", true, ""),
        ] {
            let (served, verified) = rewrite(file, how);
            assert_eq!(served.code == 0, loads, "{how} {file}: {}", served.stderr);
            assert_eq!(verified.code, if loads { 0 } else { 3 }, "{how}: {}", verified.stdout);
            assert!(verified.stdout.contains(why), "{how}: {}", verified.stdout);
        }
    }
    // A CA that no program of the cluster can read is not handed on.
    let (before, indented) = (tree.snapshot(), pki.at("indented.crt"));
    shell(&format!("sed 's/^/    /' {} > {indented}", pki.at("ca.crt")));
    let ran = certgen(&tree, &["stream", "--force", "--ca", &indented, "--ca-key", &pki.at("ca.key")]).expect(1);
    assert!(ran.stderr.contains(&format!("cannot read {indented}: its PEM block is indented")), "{}", ran.stderr);
    assert_same(&tree.snapshot(), &before, "refused");
}

#[test]
fn openssl_connects_with_both_versions() {
    if !can_unshare() {
        return skip("certgen_live_tls openssl", "no namespaces here");
    }
    let pki = Pki::usual("ca");
    for key_type in ["ecdsa-p256", "ecdsa-p384", "ed25519"] {
        let tree = Tree::new();
        let args = [
            "stream",
            "--ip",
            "192.0.2.1",
            "--dns",
            "cloud.example.com",
            "--key-type",
            key_type,
            "--ca",
            &pki.at("ca.crt"),
            "--ca-key",
            &pki.at("ca.key"),
        ];
        certgen(&tree, &args).expect(0);
        let script = format!(
            "ip link set lo up && cd {} || exit 9
            openssl s_server -accept 10003 -cert certs/stream.crt -key certs/stream.key -naccept 4 -quiet >/dev/null 2>&1 &
            until grep -qi ' 0A$\\|:2713 ' /proc/net/tcp6 /proc/net/tcp 2>/dev/null; do sleep 0.05; done
            for tls in tls1_2 tls1_3; do for name in '-verify_ip 192.0.2.1' '-verify_hostname cloud.example.com'; do
                openssl s_client -connect 127.0.0.1:10003 -$tls -CAfile ca/streamCA.crt -verify_return_error $name </dev/null 2>&1 | grep -E 'Verify return code|^ *Protocol|^New'
            done; done; wait",
            tree.at("etc/kubeedge").display()
        );
        let output = Command::new("timeout").args(["60", "unshare", "-n", "sh", "-uc", &script]).output().unwrap();
        let ran = Ran::of(&output).expect(0);
        let count = |text: &str| ran.stdout.matches(text).count();
        assert_eq!((count("New, TLSv1.2"), count("New, TLSv1.3")), (2, 2), "{key_type}: {}{}", ran.stdout, ran.stderr);
        assert_eq!(count("Verify return code:"), count("Verify return code: 0 (ok)"), "{}", ran.stdout);
    }
}

#[test]
fn pair_of_gen_cert_and_key_serves_and_is_accepted_as_a_client() {
    if go(&["x", "y"]).is_none() || !can_unshare() {
        return skip("certgen_live_tls client", "go or namespaces are not available");
    }
    let tree = Tree::new();
    for name in ["server", "edge"] {
        certgen(&tree, &["genCertAndKey", name, "192.0.2.1"]).expect(0);
        let files = ["ca/rootCA.crt".to_owned(), format!("certs/{name}.crt"), format!("certs/{name}.key")];
        let [ca, crt, key] = files.map(|path| at(&tree, &path));
        assert_eq!(go(&["hub", &ca, &crt, &key, "192.0.2.1"]).unwrap().expect(0).stdout, served(&["192.0.2.1"]));
        go(&["client", &ca, &crt, &key]).unwrap().expect(0);
    }
    // The judge rejects what only a server has.
    let own = Tree::new();
    certgen(&own, &["server", "--ip", "192.0.2.1"]).expect(0);
    let [ca, crt, key] = ["ca/rootCA.crt", "certs/server.crt", "certs/server.key"].map(|path| at(&own, path));
    assert!(go(&["client", &ca, &crt, &key]).unwrap().expect(1).stderr.contains("incompatible key usage"));
    // openssl: both ends, with the old and the new CA in one file.
    let pki = Pki::usual("old");
    let bundle = at(&tree, "ca/bundle.crt");
    shell(&format!("cat {} {} > {bundle}", pki.at("old.crt"), at(&tree, "ca/rootCA.crt")));
    let script = format!(
        "ip link set lo up && cd {} || exit 9
        openssl s_server -accept 10002 -cert certs/server.crt -key certs/server.key -CAfile ca/bundle.crt -Verify 1 -verify_return_error -naccept 1 -quiet >/dev/null 2>&1 &
        until grep -qi ':2712 ' /proc/net/tcp6 /proc/net/tcp 2>/dev/null; do sleep 0.05; done
        {{ sleep 1; echo; }} | openssl s_client -connect 127.0.0.1:10002 -cert certs/edge.crt -key certs/edge.key -CAfile ca/bundle.crt -verify_return_error 2>&1 | grep -E 'Verify return code|alert|error'
        wait $!; echo server $?",
        tree.at("etc/kubeedge").display()
    );
    let output = Command::new("timeout").args(["60", "unshare", "-n", "sh", "-uc", &script]).output().unwrap();
    let ran = Ran::of(&output).expect(0);
    assert!(ran.stdout.contains("Verify return code: 0 (ok)") && !ran.stdout.contains("alert"), "{}", ran.stdout);
}
