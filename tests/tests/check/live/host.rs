//! `host` with the real utilities, which edge-check runs itself: an emulator would have to run them, too.

use edgeutils_tests::tool::Tool;
use edgeutils_tests::tree::Tree;

#[test]
fn real_utilities_are_understood() {
    let tree = Tree::with(&[("etc/kubeedge/config/edgecore.yaml", "kind: EdgeCore\nedgeStream: {enable: true}\n")]);
    let ran = Tool::new("edge-check").arg("--root").arg(tree.path()).arg("host").run().expect(3);
    assert!(ran.stdout.contains("edge-conf: error: edgeStream: is in the wrong place"), "{}", ran.stdout);
    assert!(ran.stdout.contains("edge-prep: error: ") && !ran.stdout.contains(": unknown"), "{}", ran.stdout);
}
