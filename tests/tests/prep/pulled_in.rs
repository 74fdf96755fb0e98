//! Swap that is turned on by a unit that is not enabled itself, but started by another unit.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use edgeutils_tests::tool::{Ran, Tool};
use edgeutils_tests::tree::Tree;

const ETC: &str = "etc/systemd/system";
const LIB: &str = "usr/lib/systemd/system";
const SWAPON: &str = "[Service]\nType=oneshot\nExecStart=/sbin/swapon /s\n";
const SWAP: &str = "[Swap]\nWhat=/s\n";

fn prep(tree: &Tree, args: &[&str]) -> Ran {
    Tool::new("edge-prep").arg("--root").arg(tree.path()).args(args).run()
}

/// A system whose default target starts b.service.
fn system(files: &[(&str, &str)]) -> Tree {
    let tree = Tree::with(&[(&format!("{LIB}/multi-user.target"), "[Unit]\nRequires=basic.target\n")]);
    files.iter().for_each(|(name, text)| tree.write(&format!("{ETC}/{name}"), text));
    tree.link(&format!("{ETC}/default.target"), "/usr/lib/systemd/system/multi-user.target");
    tree.link(&format!("{ETC}/multi-user.target.wants/b.service"), "../b.service");
    tree
}

/// `check` names what starts it, and the hint works: with the line removed, nothing is found.
#[track_caller]
fn is_found(tree: &Tree, by: &str, file: &str, line: usize) {
    let ran = prep(tree, &["check", "--swap", "off"]).expect(3);
    let place = format!("{}/{file}:{line}", tree.path().display());
    assert!(ran.stdout.contains(&format!("{by} ({place})")), "{by}: {}", ran.stdout);
    assert!(ran.stdout.contains(&format!("= in {place}\n")), "{}", ran.stdout);
    for _ in 0..2 {
        let ran = prep(tree, &["apply", "--swap", "off"]).expect(3);
        assert!(ran.stderr.contains("swap is re-enabled at boot by "), "{}", ran.stderr);
    }
    let text = tree.read(file);
    let rest = text.lines().enumerate().filter(|(index, _)| index + 1 != line);
    tree.write(file, rest.map(|(_, text)| format!("{text}\n")).collect::<String>());
    is_not_found(tree);
}

#[track_caller]
fn is_not_found(tree: &Tree) {
    assert_eq!(prep(tree, &["check", "--swap", "off"]).expect(0).stdout, "no problems found\n");
}

#[test]
fn service_that_an_enabled_unit_starts_is_found() {
    for (key, how) in [("Wants", "wanted"), ("Requires", "required"), ("BindsTo", "required")] {
        let tree = system(&[("a.service", SWAPON), ("b.service", &format!("[Unit]\n{key}=a.service\n"))]);
        is_found(&tree, &format!("{how} by b.service"), &format!("{ETC}/b.service"), 2);
    }
    let chain = [
        ("a.service", SWAPON),
        ("b.service", "[Unit]\nWants=c.service\n"),
        ("c.service", "[Unit]\nWants=a.service b.service\n"),
    ];
    is_found(&system(&chain), "wanted by c.service", &format!("{ETC}/c.service"), 2);
    let instance = [("a@.service", SWAPON), ("b.service", "[Unit]\nWants=a@x.service\n")];
    is_found(&system(&instance), "wanted by b.service", &format!("{ETC}/b.service"), 2);
    let drop_in = [
        ("a.service", SWAPON),
        ("b.service", "[Unit]\n"),
        ("multi-user.target.d/x.conf", "[Unit]\n\nWants=a.service\n"),
    ];
    is_found(&system(&drop_in), "wanted by multi-user.target", &format!("{ETC}/multi-user.target.d/x.conf"), 3);
    let timer =
        [("a.service", SWAPON), ("b.service", "[Unit]\nWants=a.timer\n"), ("a.timer", "[Timer]\nOnBootSec=1\n")];
    is_found(&system(&timer), "wanted by b.service", &format!("{ETC}/b.service"), 2);
}

#[test]
fn service_that_nothing_starts_is_not_found() {
    for text in ["[Unit]\nAfter=a.service\n", "[Unit]\nConflicts=a.service\n", "[Install]\nWants=a.service\n"] {
        is_not_found(&system(&[("a.service", SWAPON), ("b.service", text)]));
    }
    is_not_found(&system(&[
        ("a.service", SWAPON),
        ("b.service", "[Unit]\n"),
        ("c.service", "[Unit]\nWants=a.service\n"),
    ]));
    let tree = system(&[("a.service", SWAPON), ("c.service", "[Unit]\nWants=a.service\n")]);
    tree.link(&format!("{ETC}/b.service"), "/dev/null");
    is_not_found(&tree);
}

#[test]
fn service_of_a_directory_of_links_is_found() {
    for end in ["wants", "requires"] {
        let tree = system(&[("a.service", SWAPON), ("b.service", "[Unit]\n")]);
        let link = format!("{ETC}/b.service.{end}/a.service");
        tree.link(&link, "../a.service");
        let ran = prep(&tree, &["check", "--swap", "off"]).expect(3);
        assert!(ran.stdout.contains(&format!("enabled by {}/{link}", tree.path().display())), "{}", ran.stdout);
    }
}

#[test]
fn swap_unit_that_a_service_requires_is_found() {
    let tree = system(&[("s.swap", SWAP), ("b.service", "[Unit]\nRequires=s.swap\n")]);
    is_found(&tree, "required by b.service", &format!("{ETC}/s.swap").replace("s.swap", "b.service"), 2);
    let tree = system(&[("s.swap", SWAP), ("b.service", "[Unit]\nAfter=s.swap\n")]);
    is_not_found(&tree);

    // Enabled as well: the link is removed, and the rest is the user's.
    let tree = system(&[("s.swap", SWAP), ("b.service", "[Unit]\nRequires=s.swap\n")]);
    tree.link(&format!("{ETC}/swap.target.wants/s.swap"), "../s.swap");
    is_found(&tree, "required by b.service", &format!("{ETC}/b.service"), 2);
}

#[test]
fn packaged_service_that_another_unit_starts_is_masked() {
    let tree = system(&[("b.service", "[Unit]\nWants=zramswap.service\n")]);
    tree.write(&format!("{LIB}/zramswap.service"), "[Service]\nExecStart=/usr/sbin/zramswap start\n");
    let ran = prep(&tree, &["check", "--swap", "off"]).expect(3);
    assert!(ran.stdout.contains("wanted by b.service"), "{}", ran.stdout);
    prep(&tree, &["apply", "--swap", "off"]).expect(0);
    is_not_found(&tree);
}
