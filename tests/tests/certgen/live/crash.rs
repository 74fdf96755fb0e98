//! A kill before each system call that changes something: what is left is seen, and the same call completes it.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Mutex;

use edgeutils_tests::pki::Pki;
use edgeutils_tests::tool::{Ran, Tool};
use edgeutils_tests::tree::Tree;
use edgeutils_tests::{kill, skip};

const KEY: &str = "etc/kubeedge/certs/stream.key";

fn certgen(tree: &Tree, args: &[&str]) -> Ran {
    Tool::new("edge-certgen").arg("--root").arg(tree.path()).args(args).run()
}

/// A tree with a valid key pair.
fn start(pki: &Pki) -> Tree {
    let read = |name| std::fs::read_to_string(pki.at(name)).unwrap();
    let tree =
        Tree::with(&[("etc/kubernetes/pki/ca.crt", &read("ca.crt")), ("etc/kubernetes/pki/ca.key", &read("ca.key"))]);
    certgen(&tree, &["stream", "--ip", "192.0.2.1"]).expect(0);
    tree
}

fn argv(tree: &Tree, args: &[&str]) -> Vec<String> {
    let program = edgeutils_tests::tool::path("edge-certgen");
    let own = [program.to_str().unwrap(), "--root", tree.path().to_str().unwrap()];
    own.iter().chain(args).map(|word| (*word).to_owned()).collect()
}

/// Kills the call everywhere; `then` gets what is left of each.
fn everywhere(pki: &Pki, args: &'static [&'static str], then: impl Fn(&Tree, &kill::Call) + Sync) {
    let tree = start(pki);
    let own = argv(&tree, args);
    let calls = kill::calls(&own.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(calls.len() > 12, "{calls:?}");
    let next = Mutex::new(calls.iter());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let call = next.lock().unwrap().next();
                    let Some(call) = call else { return };
                    let tree = start(pki);
                    let own = argv(&tree, args);
                    assert!(kill::kill_before(call, &own.iter().map(String::as_str).collect::<Vec<_>>()), "{call:?}");
                    then(&tree, call);
                }
            });
        }
    });
}

#[test]
fn renewal_is_one_rename() {
    if !kill::can_kill() {
        return skip("certgen_live_crash renewal", "strace cannot trace here");
    }
    let pki = Pki::usual("ca");
    everywhere(&pki, &["stream", "--force"], |tree, call| {
        let key = tree.read(KEY);
        let ran = certgen(tree, &["check"]);
        assert_eq!(ran.code, 0, "killed before {call:?}: {}", ran.stdout);
        certgen(tree, &["stream", "--force"]).expect(0);
        certgen(tree, &["check"]).expect(0);
        assert_eq!(tree.read(KEY), key);
        nothing_half(tree);
    });
}

#[test]
fn new_key_is_two_renames_and_a_kill_between_is_completed() {
    if !kill::can_kill() {
        return skip("certgen_live_crash new key", "strace cannot trace here");
    }
    let pki = Pki::usual("ca");
    let between = Mutex::new(0);
    everywhere(&pki, &["stream", "--new-key", "--force"], |tree, call| {
        let ran = certgen(tree, &["check"]);
        let is_between = ran.code == 3;
        if is_between {
            *between.lock().unwrap() += 1;
            let said = "stream.crt: error: a renewal was interrupted: the private key is new, the certificate is of the previous key\n    hint: complete it: edge-certgen --root ROOT stream\n";
            let stdout = ran.stdout.replace(tree.path().to_str().unwrap(), "ROOT");
            assert!(stdout.contains(said), "killed before {call:?}: {}", ran.stdout);
        } else {
            assert_eq!(ran.code, 0, "killed before {call:?}: {}", ran.stdout);
        }
        let key = tree.read(KEY);
        // Any next call completes the new key and does not make a third one.
        let next: &[&str] = if call.name() == "fsync" { &["stream"] } else { &["stream", "--new-key", "--force"] };
        certgen(tree, next).expect(0);
        certgen(tree, &["check"]).expect(0);
        if is_between {
            assert_eq!(tree.read(KEY), key, "killed before {call:?}");
        }
        nothing_half(tree);
        if next.len() > 1 && !is_between {
            // The run was resumed, or it had ended and another one followed it.
            let ran = certgen(tree, &["undo"]);
            assert_eq!(ran.code, 0, "undo after a kill before {call:?}: {}{}", ran.stdout, ran.stderr);
            certgen(tree, &["check"]).expect(0);
        }
        if is_between && next.len() > 1 {
            // The resumed run and its beginning are one: one undo reverts both.
            let ran = certgen(tree, &["undo"]);
            assert_eq!(ran.code, 0, "undo after a kill before {call:?}: {}{}", ran.stdout, ran.stderr);
            certgen(tree, &["check"]).expect(0);
            assert!(!tree.at("etc/kubeedge/certs/stream.key.old").exists(), "killed before {call:?}");
        }
    });
    assert!(*between.lock().unwrap() > 0, "no kill fell between the two renames");
}

/// No temporary file is left, and no key but those that have a name.
fn nothing_half(tree: &Tree) {
    for path in tree.snapshot().keys().filter(|path| path.starts_with("etc/kubeedge")) {
        let name = path.file_name().unwrap().to_str().unwrap();
        let known = ["kubeedge", "ca", "certs", "streamCA.crt", "stream.crt", "stream.key", "stream.key.old"];
        assert!(known.contains(&name), "{} is left", path.display());
    }
}
