//! A tree that is not a system, such as a directory on which no image is mounted, is refused by every utility.

use std::fs;
use std::path::Path;

use edgeutils_tests::tool::{Ran, Tool};
use edgeutils_tests::tree::Tree;

const REDIRECT: &str = "10351=192.0.2.1:10003";
const PLAN: &str = r#"[{"write": "/etc/new", "text": "x"}]"#;

fn call(root: &Path, tool: &str, args: &[&str]) -> Ran {
    Tool::new(tool).arg("--root").arg(root).args(args).run()
}

fn fixture(root: &Path, args: &[&str]) -> Ran {
    Tool::program(Path::new(env!("CARGO_BIN_EXE_edge-fixture"))).arg("--root").arg(root).args(args).run()
}

#[test]
fn unmounted_root_is_refused_by_every_verb_that_works_on_it() {
    let tree = Tree::empty();
    let calls: &[(&str, &[&str])] = &[
        ("edge-prep", &["status"]),
        ("edge-prep", &["check", "--for", "kubeadm"]),
        ("edge-prep", &["apply", "--for", "kubeadm"]),
        ("edge-prep", &["apply", "--for", "kubeadm", "-n"]),
        ("edge-prep", &["undo"]),
        ("edge-prep", &["undo", "--list"]),
        ("edge-certgen", &["ca"]),
        ("edge-certgen", &["check"]),
        ("edge-certgen", &["secret", "chart"]),
        ("edge-certgen", &["undo", "-n"]),
        ("edge-cni", &["conf", "bridge", "--subnet", "10.85.0.0/16"]),
        ("edge-cni", &["check"]),
        ("edge-cni", &["remove"]),
        ("edge-crio", &["check"]),
        ("edge-crio", &["resolve", "--version", "1.34", "--arch", "arm64"]),
        ("edge-crio", &["settings"]),
        ("edge-crio", &["undo", "--list"]),
        ("edge-conf", &["check"]),
        ("edge-conf", &["set", "modules.edgeHub.heartbeat=20"]),
        ("edge-conf", &["--file", "-", "enable", "logs"]),
        ("edge-conf", &["env", "A=b"]),
        ("edge-redirect", &["add", REDIRECT, "--persist"]),
        ("edge-redirect", &["status"]),
        ("edge-redirect", &["check"]),
        ("edge-redirect", &["render", "iptables-restore"]),
        ("edge-apt", &["undo", "--list"]),
    ];
    let dir = tree.path().display();
    for (tool, args) in calls {
        let ran = call(tree.path(), tool, args).expect(4);
        let stderr = format!(
            "{tool}: cannot work on {dir}: it is empty, so probably no image is mounted there\n\
             hint: mount the image there first, or add --force-root to work on this directory anyway\n"
        );
        assert_eq!((ran.stdout.as_str(), ran.stderr), ("", stderr), "{tool} {args:?}");
        let ran = call(tree.path(), tool, &[args, &["--json"] as &[&str]].concat()).expect(4);
        assert!(ran.stdout.contains(r#""exit":4"#) && ran.stdout.lines().count() == 2, "{}", ran.stdout);
    }
    assert_eq!(fs::read_dir(tree.path()).unwrap().count(), 0, "nothing was written");
}

#[test]
fn unmounted_root_does_not_matter_where_it_is_not_used() {
    let tree = Tree::empty();
    let pem = tree.path().with_extension("pem");
    call(&tree.at("nowhere"), "edge-prep", &["status"]).expect(1);
    for (tool, args, code) in [
        ("edge-redirect", &["render", "iptables-restore", REDIRECT] as &[&str], 0),
        ("edge-crio", &["download", "--version", "1.99", "--arch", "amd64", "--to", "/nowhere"], 1),
        ("edge-certgen", &["show", pem.to_str().unwrap()], 1),
        ("edge-prep", &["apply", "--help"], 0),
        ("edge-prep", &["--version"], 0),
        ("edge-prep", &["apply", "--swap", "perhaps"], 2),
    ] {
        call(tree.path(), tool, args).expect(code);
    }
    let args: &[&str] = &["--kubeedge-version", "1.18", "--file", "-", "set", "modules.edgeHub.heartbeat=20"];
    let yaml = "apiVersion: edgecore.config.kubeedge.io/v1alpha2\nkind: EdgeCore\n";
    let ran = Tool::new("edge-conf").arg("--root").arg(tree.path()).args(args).stdin(yaml).run().expect(0);
    assert!(ran.stdout.contains("heartbeat: 20"), "{}", ran.stdout);
}

#[test]
fn unmounted_root_is_told_from_a_system_by_its_files() {
    type Make = fn(&Tree);
    let systems: [(&str, Make); 6] = [
        ("etc/os-release", |tree| tree.write("etc/os-release", "ID=debian\n")),
        ("usr/lib/os-release", |tree| tree.write("usr/lib/os-release", "")),
        ("a link to it", |tree| {
            tree.write("usr/lib/os-release", "ID=alpine\n");
            tree.link("etc/os-release", "../usr/lib/os-release");
        }),
        ("an absolute link to it", |tree| {
            tree.write("nix/os-release", "ID=nixos\n");
            tree.link("etc/os-release", "/nix/os-release");
        }),
        ("/etc with /usr", |tree| {
            tree.write("etc/hostname", "");
            tree.write("usr/bin/sh", "");
        }),
        ("links to both", |tree| {
            tree.write("system/etc/hostname", "");
            tree.link("etc", "system/etc");
            tree.link("usr", "/system");
        }),
    ];
    for (what, make) in systems {
        let tree = Tree::empty();
        make(&tree);
        assert_eq!(fixture(tree.path(), &["undo", "--list"]).code, 0, "{what}");
    }
    let others: [(&str, Make); 7] = [
        ("a boot partition", |tree| tree.write("cmdline.txt", "console=tty1\n")),
        ("an empty ext4", |tree| fs::create_dir(tree.at("lost+found")).unwrap()),
        ("only /etc", |tree| tree.write("etc/fstab", "")),
        ("only /usr", |tree| tree.write("usr/bin/sh", "")),
        ("a directory of the name", |tree| fs::create_dir_all(tree.at("etc/os-release")).unwrap()),
        ("a link to the os-release of the host", |tree| tree.link("etc", "../../../etc")),
        ("files of the names", |tree| {
            tree.write("etc", "");
            tree.write("usr", "");
        }),
    ];
    for (what, make) in others {
        let tree = Tree::empty();
        make(&tree);
        let ran = fixture(tree.path(), &["undo", "--list"]).expect(4);
        assert!(ran.stderr.contains(": it is not a system: it has neither"), "{what}: {}", ran.stderr);
    }
}

#[test]
fn unmounted_root_is_accepted_with_force_root_which_hints_repeat() {
    let (tree, plans) = (Tree::empty(), Tree::empty());
    plans.write("plan.json", PLAN);
    let plan = plans.at("plan.json");
    let apply: &[&str] = &["apply", "--plan", plan.to_str().unwrap()];
    fixture(tree.path(), apply).expect(4);
    assert_eq!(fs::read_dir(tree.path()).unwrap().count(), 0);
    fixture(tree.path(), &[&["--force-root"], apply].concat()).expect(0);
    tree.write("etc/new", "changed");
    // With /etc alone it is still not a system.
    fixture(tree.path(), &["undo"]).expect(4);
    let ran = fixture(tree.path(), &["undo", "--force-root"]).expect(4);
    let again = format!("edge-fixture --root {} --force-root undo --id 1", tree.path().display());
    assert!(ran.stderr.contains(&again), "{}", ran.stderr);
    fixture(tree.path(), &["undo", "--force-root", "--force"]).expect(0);
    // In a system the option changes nothing, and no hint has it.
    let tree = Tree::new();
    fixture(tree.path(), &[&["--force-root"], apply].concat()).expect(0);
    tree.write("etc/new", "changed");
    let ran = fixture(tree.path(), &["undo", "--force-root"]).expect(4);
    assert!(!ran.stderr.contains("--force-root"), "{}", ran.stderr);
}
