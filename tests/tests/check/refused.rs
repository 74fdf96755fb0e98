//! Calls that make no sense.

use edgeutils_tests::tool::Tool;
use edgeutils_tests::tree::Tree;

#[test]
fn calls_that_need_the_running_system_refuse_an_image() {
    let tree = Tree::with(&[("etc/kubeedge/config/edgecore.yaml", "kind: EdgeCore\n")]);
    let before = tree.snapshot();
    for args in [&["edge"] as &[&str], &["cloud"], &["logs", "--node", "192.0.2.7:10351"]] {
        let ran = Tool::new("edge-check").arg("--root").arg(tree.path()).args(args).run().expect(4);
        assert!(ran.stderr.contains("with --root: nothing of an image"), "{args:?}: {}", ran.stderr);
    }
    assert_eq!(tree.snapshot(), before);
}

#[test]
fn arguments_are_checked_before_anything_is_connected() {
    for (args, text) in [
        (&["logs"] as &[&str], "--node <IP:PORT>"),
        (&["logs", "--node", "192.0.2.7"], "cannot use --node \"192.0.2.7\": the port is missing"),
        (&["logs", "--node", "192.0.2.7:10351", "--pod", "a/b"], "expected NAMESPACE/POD/CONTAINER"),
        (&["host", "--timeout", "0"], "expected a number from 1 to 600"),
    ] {
        let ran = Tool::new("edge-check").args(args).run().expect(2);
        assert!(ran.stderr.contains(text), "{args:?}: {}", ran.stderr);
    }
}
