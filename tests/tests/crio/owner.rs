//! The plugins of a bundle after edge-cni has installed others.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use edgeutils_tests::standin::bundle;
use edgeutils_tests::tool::Tool;
use edgeutils_tests::tree::assert_same;

use super::bundle::{install, program, run, system};

#[test]
fn plugins_belong_to_the_utility_that_installed_them_last() {
    let (tree, dir) = (system(), tempfile::tempdir().unwrap());
    let (archive, sum) = bundle(dir.path(), "1.30.4", "arm64", &program("one"));
    let cni = |args: &[&str]| Tool::new("edge-cni").arg("--root").arg(tree.path()).args(args).run();
    let own = std::fs::read(tree.at("usr/bin/dpkg")).unwrap();
    edgeutils_tests::cni::fake_build(&dir.path().join("build"), "v1.9.1", "arm64", &[("bridge", own.clone())]);
    let build = dir.path().join("build").to_str().unwrap().to_owned();
    install(&tree, "1.30.4", &archive, &sum, &[]).expect(0);
    let of_bundle = std::fs::read(tree.at("opt/cni/bin/bridge")).unwrap();
    let bundled = tree.snapshot();
    let ran = cni(&["install", "--from-build", &build]).expect(0);
    assert!(ran.stderr.contains("1 of these plugins are from a bundle of CRI-O and belong to edge-cni"), "{ran:?}");
    // edge-crio neither reports it nor puts its own back.
    let ran = run(&tree, &["check"]).expect(0);
    assert!(ran.stdout.contains("1 plugins of the bundle were replaced by edge-cni, and belong to it"), "{ran:?}");
    assert!(!ran.stdout.contains("differs"), "{ran:?}");
    assert_eq!(install(&tree, "1.30.4", &archive, &sum, &[]).expect(0).stdout, "already up to date\n");
    // Nor does a newer bundle, or a removal.
    let (newer, newer_sum) = bundle(dir.path(), "1.30.5", "arm64", &program("two"));
    let ran = install(&tree, "1.30.5", &newer, &newer_sum, &[]).expect(0);
    assert!(ran.stderr.contains("1 plugins are kept, as edge-cni installed them"), "{ran:?}");
    assert_eq!(std::fs::read(tree.at("opt/cni/bin/bridge")).unwrap(), own);
    assert!(!tree.read("var/lib/edgeutils/edge-crio.json").contains("/opt/cni/bin/bridge"), "recorded once");
    run(&tree, &["remove"]).expect(0);
    assert_eq!(std::fs::read(tree.at("opt/cni/bin/bridge")).unwrap(), own);
    assert!(!tree.at("opt/cni/bin/host-local").exists());
    run(&tree, &["undo"]).expect(0);
    run(&tree, &["undo"]).expect(0);
    // An undo of edge-cni gives it back.
    cni(&["undo"]).expect(0);
    assert_eq!(std::fs::read(tree.at("opt/cni/bin/bridge")).unwrap(), of_bundle);
    assert_same(&tree.snapshot(), &bundled, "undone");
    run(&tree, &["check"]).expect(0);
    // After a removal by edge-cni the bundle installs its own again.
    cni(&["install", "--from-build", &build]).expect(0);
    let ran = cni(&["remove"]).expect(0);
    assert!(ran.stderr.contains("1 of them replaced plugins of the bundle of CRI-O"), "{ran:?}");
    run(&tree, &["check"]).expect(3);
    install(&tree, "1.30.4", &archive, &sum, &[]).expect(0);
    assert_eq!(std::fs::read(tree.at("opt/cni/bin/bridge")).unwrap(), of_bundle);
    run(&tree, &["check"]).expect(0);
}
