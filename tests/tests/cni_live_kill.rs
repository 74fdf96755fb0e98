//! A kill while plugins are put in place, and the same command again.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;

use edgeutils_tests::cni::{ARM64, fake_build, image_for, tiny};
use edgeutils_tests::tool::Tool;
use edgeutils_tests::tree::{Tree, assert_same};
use edgeutils_tests::{kill, skip, tool};

fn image() -> (Tree, Tree) {
    let (tree, beside) = (Tree::new(), Tree::new());
    image_for(&tree, ARM64);
    tree.write("opt/cni/bin/bridge", tiny(ARM64, "the distribution's"));
    tree.link("opt/cni/bin/loopback", "bridge");
    let plugins = [("bridge", tiny(ARM64, "new bridge")), ("loopback", tiny(ARM64, "new loopback"))];
    fake_build(&beside.at("build"), "v1.9.1", "arm64", &plugins);
    (tree, beside)
}

fn argv(tree: &Tree, args: &[&str]) -> Vec<String> {
    let mut argv = vec![tool::path("edge-cni"), "--root".into(), tree.path().to_path_buf()];
    argv.extend(args.iter().map(Into::into));
    argv.into_iter().map(|word| word.to_str().unwrap().to_owned()).collect()
}

fn run(argv: &[String]) {
    Tool::program(Path::new(&argv[0])).args(&argv[1..]).run().expect(0);
}

#[test]
fn an_install_killed_anywhere_and_run_again_is_whole() {
    if !kill::can_kill() {
        return skip("cni_live_kill", "strace is not installed");
    }
    let install =
        |tree: &Tree, beside: &Tree| argv(tree, &["install", "--from-build", beside.at("build").to_str().unwrap()]);
    let words = |argv: &[String]| argv.iter().map(String::clone).collect::<Vec<_>>();
    let (tree, beside) = image();
    let counted = words(&install(&tree, &beside));
    let calls = kill::calls(&counted.iter().map(String::as_str).collect::<Vec<_>>());
    let want = tree.snapshot();
    assert!(calls.len() > 20, "{calls:?}");
    for call in &calls {
        let (tree, beside) = image();
        let before = tree.snapshot();
        let argv_install = install(&tree, &beside);
        kill::kill_before(call, &argv_install.iter().map(String::as_str).collect::<Vec<_>>());
        run(&argv_install);
        assert_same(&tree.snapshot(), &want, &format!("killed before {call:?}, and again"));
        // All that was done comes off again, whichever of the runs did it.
        run(&argv(&tree, &["remove"]));
        run(&argv(&tree, &["undo"]));
        assert_same(&tree.snapshot(), &want, &format!("killed before {call:?}, removed, and undone"));
        run(&argv(&tree, &["undo"]));
        assert_same(&tree.snapshot(), &before, &format!("killed before {call:?}, and all undone"));
    }
}
