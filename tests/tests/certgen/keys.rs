//! A private key that stays: nothing is rewritten for its mode or owner, and the previous key beside it is
//! replaced by another key only.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};

use edgeutils_tests::pki::{Pki, shell};
use edgeutils_tests::tool::{Ran, Tool};
use edgeutils_tests::tree::{Tree, assert_same};
use edgeutils_tests::{is_root, skip};

const KEY: &str = "etc/kubeedge/certs/stream.key";
const ROOT: &str = "etc/kubeedge/ca/rootCA.key";

fn certgen(tree: &Tree, args: &[&str]) -> Ran {
    Tool::new("edge-certgen").arg("--root").arg(tree.path()).args(args).run()
}

/// Two keys were made for stream, and two for the hub's CA.
fn start() -> (Tree, Pki) {
    let pki = Pki::usual("ca");
    let read = |name| fs::read_to_string(pki.at(name)).unwrap();
    let tree =
        Tree::with(&[("etc/kubernetes/pki/ca.crt", &read("ca.crt")), ("etc/kubernetes/pki/ca.key", &read("ca.key"))]);
    for args in [&["stream", "--ip", "192.0.2.1"][..], &["stream", "--new-key", "--force"], &["ca"]] {
        certgen(&tree, args).expect(0);
    }
    certgen(&tree, &["ca", "--new-key", "--force"]).expect(0);
    (tree, pki)
}

fn set_mode(tree: &Tree, path: &str, mode: u32) {
    fs::set_permissions(tree.at(path), fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn key_that_others_can_read_is_closed_and_not_rewritten() {
    let (tree, _pki) = start();
    for (mode, call) in [(0o644, "stream"), (0o666, "stream"), (0o620, "stream"), (0o604, "stream")] {
        set_mode(&tree, KEY, mode);
        let before = tree.snapshot();
        let inode = fs::metadata(tree.at(KEY)).unwrap().ino();
        let dry = certgen(&tree, &[call, "-n"]).expect(3);
        assert!(dry.stdout.contains(&format!("{mode:04o} to 0600")), "{}", dry.stdout);
        let ran = certgen(&tree, &[call]).expect(0);
        let line = format!(
            "chmod /{KEY}: {mode:04o} to 0600: other users can read or replace the private key  [undo: exact]\n"
        );
        assert!(ran.stdout.starts_with(&line), "{}", ran.stdout);
        let is = fs::metadata(tree.at(KEY)).unwrap();
        assert_eq!((is.ino(), is.mode() & 0o7777), (inode, 0o600));
        certgen(&tree, &["check", call]).expect(0);
        let mut after = tree.snapshot();
        after.insert(KEY.into(), before[std::path::Path::new(KEY)].clone());
        assert_same(&after, &before, "but for the mode");
        certgen(&tree, &["undo"]).expect(0);
        assert_same(&tree.snapshot(), &before, "after the undo");
    }
    // Along with a new certificate, too.
    let old = tree.read(&format!("{KEY}.old"));
    certgen(&tree, &["stream", "--force"]).expect(0);
    assert_eq!((fs::metadata(tree.at(KEY)).unwrap().mode() & 0o7777, tree.read(&format!("{KEY}.old"))), (0o600, old));
}

#[test]
fn harmless_owner_or_mode_changes_nothing() {
    if !is_root() {
        return skip("certgen_keys owner", "chown needs root");
    }
    let (tree, _pki) = start();
    for (mode, owner) in [(0o600, 1000), (0o640, 0), (0o400, 1000), (0o700, 0)] {
        set_mode(&tree, KEY, mode);
        chown(tree.at(KEY), Some(owner), Some(owner)).unwrap();
        let before = tree.snapshot();
        let ran = certgen(&tree, &["stream"]).expect(0);
        assert!(ran.stdout.ends_with("already up to date\n"), "{mode:o} {owner}: {}", ran.stdout);
        assert_same(&tree.snapshot(), &before, "after the call");
    }
}

#[test]
fn same_key_in_the_form_that_its_program_loads_does_not_replace_the_key_before() {
    let (tree, _pki) = start();
    let old = tree.read(&format!("{ROOT}.old"));
    let key = tree.read(ROOT);
    let pkcs8 = shell(&format!("openssl pkcs8 -topk8 -nocrypt -in {}", tree.at(ROOT).display()));
    fs::write(tree.at(ROOT), pkcs8).unwrap();
    set_mode(&tree, ROOT, 0o644);
    let before = tree.snapshot();
    certgen(&tree, &["ca"]).expect(0);
    assert_eq!((tree.read(ROOT), tree.read(&format!("{ROOT}.old"))), (key, old));
    let journal = shell(&format!("cat {}/var/lib/edgeutils/journal/*.jsonl", tree.path().display()));
    assert!(journal.contains("rootCA.key") && !journal.contains("PRIVATE KEY"), "{journal}");
    certgen(&tree, &["undo"]).expect(0);
    assert_same(&tree.snapshot(), &before, "after the undo");
}

#[test]
fn cluster_s_own_key_behind_a_link_keeps_its_mode() {
    let (tree, _pki) = start();
    let cluster = "etc/kubernetes/pki/ca.key";
    fs::copy(tree.at(KEY), tree.at(cluster)).unwrap();
    set_mode(&tree, cluster, 0o644);
    fs::remove_file(tree.at(KEY)).unwrap();
    tree.link(KEY, &format!("/{cluster}"));
    let before = tree.snapshot();
    let ran = certgen(&tree, &["stream"]).expect(4);
    assert!(ran.stderr.contains("it is a link to /etc/kubernetes/pki/ca.key, the CA of kubeadm"), "{}", ran.stderr);
    assert_same(&tree.snapshot(), &before, "after the refusal");
}
