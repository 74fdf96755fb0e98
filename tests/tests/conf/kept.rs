//! An edit keeps links, mode, owner, attributes and brackets.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};

use edgeutils_tests::tool::{Ran, Tool};
use edgeutils_tests::tree::{Tree, assert_same};
use edgeutils_tests::{acl, is_root, skip};

const FILE: &str = "etc/kubeedge/config/edgecore.yaml";
const START: &str = "kind: EdgeCore\nmodules:\n  edgeStream:\n    enable: false\n";

fn conf(tree: &Tree, args: &[&str]) -> Ran {
    Tool::new("edge-conf").arg("--root").arg(tree.path()).args(["--kubeedge-version", "1.8"]).args(args).run()
}

#[test]
fn linked_configuration_stays_a_link() {
    for target in ["/srv/edge/edgecore.yaml", "../../../srv/edge/edgecore.yaml"] {
        let tree = Tree::with(&[("srv/edge/edgecore.yaml", START)]);
        tree.link(FILE, target);
        let before = tree.snapshot();
        conf(&tree, &["set", "modules.edgeStream.enable=true"]).expect(0);
        assert_eq!(fs::read_link(tree.at(FILE)).unwrap().to_str().unwrap(), target);
        assert_eq!(tree.read("srv/edge/edgecore.yaml"), START.replace("false", "true"));
        conf(&tree, &["undo"]).expect(0);
        assert_same(&tree.snapshot(), &before, target);
    }
}

#[test]
fn set_does_not_inherit_the_default_acl_of_the_directory() {
    let tree = Tree::with(&[(FILE, START)]);
    let (file, dir) = (tree.at(FILE), tree.at("etc/kubeedge/config"));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    // setfacl -d -m u:1234:rwx
    xattr::set(&dir, acl::DEFAULT, &acl::for_user(1234, 7)).unwrap();
    let before = tree.snapshot();
    conf(&tree, &["set", "modules.edgeStream.enable=true"]).expect(0);
    assert_eq!((acl::allows(&file, 1234), xattr::get(&file, acl::ACCESS).unwrap()), (0, None));
    conf(&tree, &["undo"]).expect(0);
    assert_same(&tree.snapshot(), &before, "undone");
}

#[test]
fn mode_owner_and_attributes_stay() {
    let tree = Tree::with(&[(FILE, START)]);
    let file = tree.at(FILE);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o604)).unwrap();
    if is_root() {
        chown(&file, Some(1234), Some(4321)).unwrap();
    }
    let attributes = xattr::set(&file, "user.edgeutils", b"kept").is_ok();
    let seen = || {
        let meta = fs::metadata(&file).unwrap();
        (meta.mode(), meta.uid(), meta.gid(), xattr::get(&file, "user.edgeutils").ok().flatten())
    };
    let before = seen();
    conf(&tree, &["set", "modules.edgeStream.enable=true"]).expect(0);
    assert_eq!(seen(), before);
    conf(&tree, &["undo"]).expect(0);
    assert_eq!(seen(), before);
    if !attributes {
        skip("mode_owner_and_attributes_stay", "this file system has no extended attributes");
    }
}

#[test]
fn brackets_over_several_lines_stay() {
    let text = "kind: EdgeCore\nmodules: {\n  # first\n  edgeStream: { # a\n    enable: false, # b\n    server: 'x:1' # c\n  },\n  edgeHub: {heartbeat: 15},\n}\n";
    let tree = Tree::with(&[(FILE, text)]);
    conf(&tree, &["set", "modules.edgeStream.enable=true", "modules.edgeHub.heartbeat=20"]).expect(0);
    assert_eq!(tree.read(FILE), text.replace("false", "true").replace("15", "20"));
    conf(&tree, &["unset", "modules.edgeStream.enable"]).expect(0);
    assert_eq!(tree.read(FILE), text.replace("    enable: false, # b\n", "").replace("15", "20"));
    conf(&tree, &["undo"]).expect(0);
    conf(&tree, &["undo"]).expect(0);
    assert_eq!(tree.read(FILE), text);
}

#[test]
fn force_sets_what_is_refused() {
    for setting in [
        "edgeStream.enable=true",
        "modules.edgeHub.heartbeat=often",
        "modules.edged.tailoredKubeletConfig.cgroupDriver=systemd",
        "modules.dynamicController.enable=true",
        "nobody.knows=1",
    ] {
        let tree = Tree::with(&[(FILE, START)]);
        let before = tree.snapshot();
        let ran = conf(&tree, &["set", setting]).expect(4);
        assert!(ran.stderr.trim_end().ends_with("--force sets it anyway"), "{}", ran.stderr);
        assert_same(&tree.snapshot(), &before, setting);
        let (path, value) = setting.split_once('=').unwrap();
        conf(&tree, &["set", "--force", setting]).expect(0);
        assert_eq!(conf(&tree, &["get", path]).expect(0).stdout.trim_end(), value);
        assert_eq!(conf(&tree, &["set", "--force", setting]).expect(0).stdout, "already up to date\n");
        conf(&tree, &["undo"]).expect(0);
        assert_same(&tree.snapshot(), &before, setting);
    }
    // It also enables cloudcore's tunnel without the certificates.
    let tree = Tree::with(&[("etc/kubeedge/config/cloudcore.yaml", "kind: CloudCore\n")]);
    conf(&tree, &["enable", "logs"]).expect(4);
    conf(&tree, &["enable", "logs", "--force"]).expect(0);
}

#[test]
fn option_that_a_verb_does_not_support_is_a_usage_error() {
    let tree = Tree::with(&[(FILE, START)]);
    for (args, message) in [
        (&["get", "kind", "--restart"] as &[&str], "cannot use --restart with get"),
        (&["check", "--restart"], "cannot use --restart with check"),
        (&["undo", "--file", "/x"], "cannot use --file with undo"),
        (&["env", "A=1", "--file", "/x"], "cannot use --file with env"),
        (&["set", "kind=EdgeCore", "--restart"], "cannot use --restart with --root or --file -"),
        (
            &["get", "kind", "--file", "edgecore.yaml"],
            "cannot use --file edgecore.yaml: with --root, it must be an absolute path below that directory",
        ),
    ] {
        let ran = conf(&tree, args).expect(2);
        assert!(ran.stderr.starts_with(&format!("edge-conf: {message}")), "{}", ran.stderr);
    }
    let outside = tree.at(FILE);
    let ran = conf(&tree, &["get", "kind", "--file", outside.to_str().unwrap()]).expect(1);
    assert!(
        ran.stderr.ends_with("hint: with --root, --file is an absolute path below that directory\n"),
        "{}",
        ran.stderr
    );
}
