//! edge-certgen stream instead of certgen.sh: the same files, kept while they are valid.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use edgeutils_tests::pki::{CA_KEYS, Pki, shell, x509};
use edgeutils_tests::tool::{Ran, Tool};
use edgeutils_tests::tree::{Tree, assert_same};
use edgeutils_tests::{is_root, skip};

const CRT: &str = "etc/kubeedge/certs/stream.crt";
const KEY: &str = "etc/kubeedge/certs/stream.key";
const STREAM_CA: &str = "etc/kubeedge/ca/streamCA.crt";

fn tool(tree: &Tree) -> Tool {
    Tool::new("edge-certgen").arg("--root").arg(tree.path())
}

fn certgen(tree: &Tree, args: &[&str]) -> Ran {
    tool(tree).args(args).run()
}

/// A control plane host of kubeadm, and nothing of KubeEdge.
fn cluster() -> Tree {
    cluster_with("etc/kubernetes/pki/ca.crt", "etc/kubernetes/pki/ca.key", &Pki::usual("ca"))
}

fn cluster_with(crt: &str, key: &str, pki: &Pki) -> Tree {
    let read = |name| std::fs::read_to_string(pki.at(name)).unwrap();
    Tree::with(&[(crt, &read("ca.crt")), (key, &read("ca.key"))])
}

fn files(tree: &Tree) -> Vec<String> {
    let all = tree.snapshot();
    let kubeedge = all.iter().filter(|(path, what)| path.starts_with("etc/kubeedge") && !what.ends_with("directory"));
    kubeedge.map(|(path, what)| format!("{} {}", &what[..3], path.display())).collect()
}

#[test]
fn stream_writes_the_files_of_certgen_sh_and_nothing_else() {
    let tree = cluster();
    let before = tree.snapshot();
    certgen(
        &tree,
        &["stream", "--ip", "192.0.2.1,fd00::1", "--dns", "*.Example.com.", "--dns", "bücher.example", "-n"],
    )
    .expect(3);
    assert_same(&tree.snapshot(), &before, "after the dry run");
    let args = ["stream", "--ip", "192.0.2.1,fd00::1", "--dns", "*.Example.com.", "--dns", "bücher.example"];
    certgen(&tree, &args).expect(0);
    assert_eq!(files(&tree), [format!("644 {STREAM_CA}"), format!("644 {CRT}"), format!("600 {KEY}")]);
    assert_eq!(tree.read(STREAM_CA), tree.read("etc/kubernetes/pki/ca.crt"));
    let crt = tree.at(CRT);
    assert_eq!(
        x509(&crt, "-ext subjectAltName"),
        "X509v3 Subject Alternative Name: \n    IP Address:127.0.0.1, IP Address:192.0.2.1, IP Address:FD00:0:0:0:0:0:0:1, \
         DNS:*.example.com, DNS:xn--bcher-kva.example\n"
    );
    let constraints = x509(&crt, "-ext keyUsage,extendedKeyUsage,basicConstraints");
    for what in
        ["critical\n    Digital Signature\n", "\n    TLS Web Server Authentication\n", "critical\n    CA:FALSE\n"]
    {
        assert!(constraints.contains(what), "{what:?}: {constraints}");
    }
    assert_eq!(x509(&crt, "-subject").trim(), "subject=C = CN, ST = Zhejiang, L = Hangzhou, O = KubeEdge");
    let seconds = |option: &str| -> i64 {
        let date = x509(&crt, option);
        shell(&format!("date -d '{}' +%s", date.trim().split_once('=').unwrap().1)).trim().parse().unwrap()
    };
    let now: i64 = shell("date +%s").trim().parse().unwrap();
    let since = now - seconds("-startdate");
    assert!((300..360).contains(&since), "it begins {since} seconds back");
    assert_eq!(seconds("-enddate") - seconds("-startdate"), 825 * 86_400 + 300);
    let serial = x509(&crt, "-serial");
    assert!(serial.trim().len() >= "serial=".len() + 28, "{serial}");
    shell(&format!("openssl verify -x509_strict -CAfile {} {}", tree.at(STREAM_CA).display(), crt.display()));
    // Again: nothing, in the dry run as well.
    let after = tree.snapshot();
    certgen(&tree, &args).expect(0);
    certgen(&tree, &[&args[..], &["-n"]].concat()).expect(0);
    assert_same(&tree.snapshot(), &after, "after the second run");
    certgen(&tree, &["undo"]).expect(0);
    assert_same(&tree.snapshot(), &before, "after the undo");
}

#[test]
fn operator_s_own_files_may_be_pipes() {
    let pki = Pki::usual("ca");
    let tree = Tree::new();
    let (ca, key) = (pki.at("ca.crt"), std::fs::read_to_string(pki.at("ca.key")).unwrap());
    let args = ["stream", "--ip", "192.0.2.1", "--ca", &ca, "--ca-key", "/dev/stdin"];
    tool(&tree).args(args).stdin(key.as_str()).run().expect(0);
    let ran = tool(&tree).args(["show", "/dev/stdin"]).stdin(key.as_str()).run().expect(0);
    assert!(ran.stdout.starts_with("/dev/stdin: a private key, ecdsa-p256, SEC1"), "{}", ran.stdout);
    // What ends too late is not taken for all there is.
    let endless = Tool::new("edge-certgen").args(["show", "/dev/zero"]).run().expect(1);
    assert_eq!(endless.stderr, "edge-certgen: cannot read /dev/zero: it is larger than 16 MiB\n");
    let long = "x".repeat(17 << 20);
    let ran = tool(&tree).args(["show", "-"]).stdin(long).run().expect(1);
    assert_eq!(ran.stderr, "edge-certgen: cannot read standard input: it is larger than 16 MiB\n");
    let dir = tool(&tree).args(["show", "/etc"]).run().expect(1);
    assert_eq!(dir.stderr, "edge-certgen: cannot read /etc: Is a directory (os error 21)\n");
}

#[test]
fn form_of_a_ca_s_key_signs() {
    for (form, command) in CA_KEYS {
        let pki = Pki::new();
        pki.authority("ca", command);
        let tree = cluster_with("etc/kubernetes/pki/ca.crt", "etc/kubernetes/pki/ca.key", &pki);
        for key_type in ["ecdsa-p256", "ecdsa-p384", "ed25519"] {
            certgen(&tree, &["stream", "--ip", "192.0.2.1", "--key-type", key_type]).expect(0);
            let (ca, crt) = (pki.at("ca.crt"), tree.at(CRT));
            shell(&format!("openssl verify -x509_strict -CAfile {ca} -verify_ip 192.0.2.1 {}", crt.display()));
            let public = |line: &str| shell(&format!("openssl {line}"));
            let of_key = public(&format!("pkey -pubout -in {}", tree.at(KEY).display()));
            assert_eq!(public(&format!("x509 -noout -pubkey -in {}", crt.display())), of_key, "{form} {key_type}");
            certgen(&tree, &["check", "stream", "--ip", "192.0.2.1"]).expect(0);
        }
    }
}

#[test]
fn ca_of_each_distribution_is_found_and_its_directory_left_alone() {
    for (name, dir, stem) in [
        ("k3s", "var/lib/rancher/k3s/server/tls", "server-ca"),
        ("RKE2", "var/lib/rancher/rke2/server/tls", "server-ca"),
        ("k0s", "var/lib/k0s/pki", "ca"),
        ("MicroK8s", "var/snap/microk8s/current/certs", "ca"),
    ] {
        let tree = cluster_with(&format!("{dir}/{stem}.crt"), &format!("{dir}/{stem}.key"), &Pki::usual("ca"));
        let before = edgeutils_tests::tree::snapshot(&tree.at(dir));
        certgen(&tree, &["stream", "--ip", "192.0.2.1"]).expect(0);
        assert_same(&edgeutils_tests::tree::snapshot(&tree.at(dir)), &before, name);
        certgen(&tree, &["check"]).expect(0);
    }
    let nowhere = Tree::new();
    let ran = certgen(&nowhere, &["stream", "--ip", "192.0.2.1"]).expect(1);
    assert_eq!(
        ran.stderr,
        "edge-certgen: cannot sign: this host has no CA of kubeadm, k3s, RKE2, k0s, MicroK8s\n\
         hint: run this on a control plane host, or pass the CA: --ca FILE --ca-key FILE\n"
    );
    assert!(nowhere.snapshot().is_empty());
}

#[test]
fn variables_of_certgen_sh_are_used_and_options_take_precedence() {
    let pki = Pki::usual("ca");
    let tree = Tree::new();
    let with = |args: &[&str]| {
        tool(&tree)
            .env("CLOUDCOREIPS", "192.0.2.1 192.0.2.2")
            .env("CLOUDCORE_DOMAINS", "a.example b.example")
            .env("CA_PATH", "/x/ca")
            .env("CERT_PATH", "/x/certs")
            .env("K8SCA_FILE", pki.at("ca.crt"))
            .env("K8SCA_KEY_FILE", pki.at("ca.key"))
            .env("SUBJECT", "/O=Mine/CN=my name")
            .env("KEY_TYPE", "ec")
            .args(args)
            .run()
    };
    with(&["stream"]).expect(0);
    assert!(tree.at("x/ca/streamCA.crt").exists());
    let crt = tree.at("x/certs/stream.crt");
    assert_eq!(x509(&crt, "-subject").trim(), "subject=O = Mine, CN = my name");
    assert!(
        x509(&crt, "-ext subjectAltName")
            .contains("IP Address:127.0.0.1, IP Address:192.0.2.1, IP Address:192.0.2.2, DNS:a.example, DNS:b.example")
    );
    with(&["stream", "--ip", "192.0.2.3", "--cert-dir", "/y", "--subject", "/CN=flag"]).expect(0);
    let crt = tree.at("y/stream.crt");
    assert!(x509(&crt, "-ext subjectAltName").contains("192.0.2.3, DNS:a.example"));
    assert_eq!(x509(&crt, "-subject").trim(), "subject=CN = flag");
    // Each of the two defaults to the path of kubeadm.
    for (name, file, missing) in [
        ("K8SCA_FILE", "ca.crt", "/etc/kubernetes/pki/ca.key"),
        ("K8SCA_KEY_FILE", "ca.key", "/etc/kubernetes/pki/ca.crt"),
    ] {
        let ran = tool(&Tree::new()).env(name, pki.at(file)).args(["stream", "--ip", "192.0.2.1"]).run().expect(1);
        assert!(ran.stderr.contains(missing), "{name}: {}", ran.stderr);
    }
    let ran = Tool::new("edge-certgen").env("KEY_TYPE", "rsa").args(["ca", "-n"]).run().expect(2);
    assert!(
        ran.stderr.contains("cannot use KEY_TYPE=rsa: edge-certgen does not make RSA keys\nhint: "),
        "{}",
        ran.stderr
    );
    let ran = Tool::new("edge-certgen").env("USE_PASSWORD", "true").args(["ca", "-n"]).run().expect(2);
    assert!(ran.stderr.contains("cloudcore does not load encrypted keys"), "{}", ran.stderr);
    let ran = tool(&tree).env("CERT_PATH", "./").args(["stream", "--ip", "192.0.2.1"]).run().expect(2);
    assert!(ran.stderr.contains("cannot use CERT_PATH ./: with --root it must begin with /"), "{}", ran.stderr);
}

#[test]
fn renewal_keeps_the_key_and_a_new_key_keeps_the_previous_one() {
    let tree = cluster();
    certgen(&tree, &["stream", "--ip", "192.0.2.1"]).expect(0);
    let (first_key, first_crt) = (tree.read(KEY), tree.read(CRT));
    let inode = std::fs::metadata(tree.at(KEY)).unwrap().ino();
    // Another name, then the end that comes near: each says why.
    let ran = certgen(&tree, &["stream", "--ip", "192.0.2.1", "--dns", "new.example"]).expect(0);
    assert!(
        ran.stdout.starts_with(&format!("wrote /{CRT}: its SANs do not include DNS:new.example  [undo: exact]\n")),
        "{}",
        ran.stdout
    );
    assert_eq!((tree.read(KEY), std::fs::metadata(tree.at(KEY)).unwrap().ino()), (first_key.clone(), inode));
    assert_ne!(tree.read(CRT), first_crt);
    // SANs that the new one would lose are reported before.
    let ran = certgen(&tree, &["stream", "--ip", "192.0.2.9", "-n"]).expect(3);
    let lost = "stream.crt will lose the SANs IP:192.0.2.1, DNS:new.example: pass them too to keep them";
    assert!(ran.stderr.contains(lost), "{}", ran.stderr);
    // Without names: those that are there.
    let ran = certgen(&tree, &["stream", "--days", "900", "--renew-before", "899"]).expect(0);
    // A second later it is one day less.
    let left = ["it expires in 825 days", "it expires in 824 days"];
    assert!(left.iter().any(|left| ran.stdout.contains(left)), "{}", ran.stdout);
    assert!(x509(&tree.at(CRT), "-ext subjectAltName").contains("192.0.2.1, DNS:new.example"));
    assert_eq!(tree.read(KEY), first_key);
    // --new-key is a wish for when something is made; --force makes it.
    certgen(&tree, &["stream", "--new-key", "-n"]).expect(0);
    certgen(&tree, &["stream", "--new-key", "--force"]).expect(0);
    assert_ne!(tree.read(KEY), first_key);
    assert_eq!(tree.read("etc/kubeedge/certs/stream.key.old"), first_key);
    assert_eq!(std::fs::metadata(tree.at("etc/kubeedge/certs/stream.key.old")).unwrap().mode() & 0o777, 0o600);
    certgen(&tree, &["check", "stream"]).expect(0);
    let journal = shell(&format!("cat {}/var/lib/edgeutils/journal/*", tree.path().display()));
    assert!(journal.contains("stream.key") && !journal.contains("PRIVATE KEY"), "{journal}");
    // Back to the first, step by step.
    for _ in 0..4 {
        certgen(&tree, &["undo"]).expect(0);
        if tree.at(CRT).exists() {
            certgen(&tree, &["check", "stream"]).expect(0);
        }
    }
    assert_eq!(files(&tree), [""; 0]);
}

#[test]
fn undo_without_the_previous_key_is_refused() {
    let tree = cluster();
    certgen(&tree, &["stream", "--ip", "192.0.2.1"]).expect(0);
    certgen(&tree, &["stream", "--new-key", "--force"]).expect(0);
    let second = tree.read(KEY);
    certgen(&tree, &["stream", "--new-key", "--force"]).expect(0);
    // The newest comes back; the one before has no key to come back to.
    certgen(&tree, &["undo"]).expect(0);
    assert_eq!(tree.read(KEY), second);
    let before = tree.snapshot();
    let ran = certgen(&tree, &["undo"]).expect(4);
    let (key, root) = (tree.at(KEY), tree.path().display().to_string());
    assert_eq!(
        ran.stderr,
        format!(
            "edge-certgen: cannot undo {}: {root}/{KEY}.old does not exist: only one previous key is kept\n\
             hint: the rest of the run is kept too, because it belongs to the key; \
             to keep the run: edge-certgen --root {root} undo --id 2 --skip\n",
            key.display()
        )
    );
    assert_same(&tree.snapshot(), &before, "after the undo that was refused");
    certgen(&tree, &["check"]).expect(0);
}

#[test]
fn another_ca_type_or_key_makes_a_new_certificate() {
    let tree = cluster();
    certgen(&tree, &["stream", "--ip", "192.0.2.1"]).expect(0);
    let key = tree.read(KEY);
    let pki = Pki::usual("ca");
    tree.write("etc/kubernetes/pki/ca.crt", std::fs::read(pki.at("ca.crt")).unwrap());
    tree.write("etc/kubernetes/pki/ca.key", std::fs::read(pki.at("ca.key")).unwrap());
    let ran = certgen(&tree, &["check"]).expect(0);
    let replaced = "streamCA.crt: warning: it is not the CA of kubeadm in /etc/kubernetes/pki/ca.crt, which may have been replaced";
    assert!(ran.stdout.contains(replaced), "{}", ran.stdout);
    let ran = certgen(&tree, &["stream"]).expect(0);
    assert!(ran.stdout.contains("it is signed by another CA: CN=kubernetes"), "{}", ran.stdout);
    assert_eq!(tree.read(KEY), key);
    let ran = certgen(&tree, &["stream", "--key-type", "ecdsa-p384"]).expect(0);
    assert!(ran.stdout.contains("its key is ecdsa-p256, and ecdsa-p384 is requested"), "{}", ran.stdout);
    let own = shell("openssl genrsa -traditional 2048 2>/dev/null");
    tool(&tree).args(["stream", "--key", "-"]).stdin(own.clone()).run().expect(0);
    assert_eq!(tree.read(KEY).replace(['\n', '\r'], ""), own.replace('\n', ""));
    assert!(x509(&tree.at(CRT), "-ext keyUsage").contains("Digital Signature, Key Encipherment"));
    tool(&tree).args(["stream", "--key", "-", "-n"]).stdin(own).run().expect(0);
    // The key stays through a renewal in the form that it has.
    let pkcs8 = shell(&format!("openssl pkcs8 -topk8 -nocrypt -in {}", tree.at(KEY).display()));
    tree.write(KEY, &pkcs8);
    std::fs::set_permissions(tree.at(KEY), std::fs::Permissions::from_mode(0o600)).unwrap();
    certgen(&tree, &["stream", "--force"]).expect(0);
    assert_eq!(tree.read(KEY), pkcs8);
    certgen(&tree, &["check"]).expect(0);
}

#[test]
fn modes_do_not_depend_on_the_umask() {
    for umask in ["000", "077"] {
        let tree = cluster();
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", "umask $0; exec \"$@\"", umask]).arg(edgeutils_tests::tool::path("edge-certgen"));
        if let Some(runner) = std::env::var_os(edgeutils_tests::tool::RUNNER) {
            shell = std::process::Command::new("sh");
            shell
                .args(["-c", "umask $0; exec \"$@\"", umask])
                .arg(runner)
                .arg(edgeutils_tests::tool::path("edge-certgen"));
        }
        Ran::of(&shell.arg("--root").arg(tree.path()).args(["server", "--ip", "192.0.2.1"]).output().unwrap())
            .expect(0);
        let mode = |path: &str| std::fs::metadata(tree.at(path)).unwrap().mode() & 0o7777;
        let all = [
            "etc/kubeedge/ca",
            "etc/kubeedge/ca/rootCA.key",
            "etc/kubeedge/ca/rootCA.crt",
            "etc/kubeedge/certs/server.key",
        ];
        assert_eq!(all.map(mode), [0o755, 0o600, 0o644, 0o600], "umask {umask}");
    }
    let tree = cluster();
    certgen(&tree, &["stream", "--ip", "192.0.2.1"]).expect(0);
    std::fs::set_permissions(tree.at(KEY), std::fs::Permissions::from_mode(0o644)).unwrap();
    let ran = certgen(&tree, &["check"]).expect(3);
    assert!(ran.stdout.contains(
        "stream.key: error: its mode is 0644: other users can read or replace the private key\n    hint: chmod 600 "
    ));
    let crt = tree.read(CRT);
    certgen(&tree, &["stream"]).expect(0);
    certgen(&tree, &["check"]).expect(0);
    assert_eq!(tree.read(CRT), crt);
}

#[test]
fn links_are_followed_and_a_directory_is_an_error() {
    let tree = cluster();
    std::fs::create_dir_all(tree.at("data/tls")).unwrap();
    tree.link("etc/kubeedge/certs", "../../data/tls");
    certgen(&tree, &["stream", "--ip", "192.0.2.1"]).expect(0);
    assert!(tree.at("data/tls/stream.key").exists());
    std::fs::rename(tree.at("data/tls/stream.crt"), tree.at("data/real.crt")).unwrap();
    tree.link("data/tls/stream.crt", "/data/real.crt");
    let old = tree.read("data/real.crt");
    certgen(&tree, &["stream", "--force"]).expect(0);
    assert_ne!(tree.read("data/real.crt"), old);
    assert!(tree.at("data/tls/stream.crt").symlink_metadata().unwrap().is_symlink());
    std::fs::remove_file(tree.at("data/tls/stream.crt")).unwrap();
    std::fs::create_dir(tree.at("data/tls/stream.crt")).unwrap();
    let before = tree.snapshot();
    let ran = certgen(&tree, &["stream", "--ip", "192.0.2.1"]).expect(1);
    assert!(ran.stderr.contains("stream.crt: it is a directory"), "{}", ran.stderr);
    assert_same(&tree.snapshot(), &before, "after the error");
    // The new file is written where a dangling link points.
    let other = cluster();
    other.link("etc/kubeedge/certs/stream.key", "/secure/stream.key");
    std::fs::create_dir(other.at("secure")).unwrap();
    certgen(&other, &["stream", "--ip", "192.0.2.1"]).expect(0);
    assert!(other.at("secure/stream.key").exists() && Path::new(&other.at(KEY)).is_symlink());
}

#[test]
fn certificate_that_cannot_be_written_leaves_the_old_pair_whole() {
    if !is_root() {
        return skip("certgen_stream immutable", "chattr needs root");
    }
    let tree = cluster();
    certgen(&tree, &["stream", "--ip", "192.0.2.1"]).expect(0);
    certgen(&tree, &["stream", "--new-key", "--force"]).expect(0);
    let before = tree.snapshot();
    let chattr = |flag: &str| std::process::Command::new("chattr").arg(flag).arg(tree.at(CRT)).output();
    if !chattr("+i").is_ok_and(|output| output.status.success()) {
        return skip("certgen_stream immutable", "chattr +i does not work here");
    }
    let ran = certgen(&tree, &["stream", "--new-key", "--force"]);
    let after = tree.snapshot();
    chattr("-i").unwrap();
    assert_eq!(ran.code, 1, "{}{}", ran.stdout, ran.stderr);
    let shown = tree.at(CRT);
    let want = format!("edge-certgen: cannot write {}: Operation not permitted (os error 1)\nhint: ", shown.display());
    assert!(ran.stderr.starts_with(&want), "{}", ran.stderr);
    assert_same(&after, &before, "key, certificate, the key before, and nothing beside");
    certgen(&tree, &["check"]).expect(0);
    certgen(&tree, &["stream", "--new-key", "--force"]).expect(0);
    certgen(&tree, &["check"]).expect(0);
    certgen(&tree, &["undo"]).expect(0);
    certgen(&tree, &["check"]).expect(0);
}
