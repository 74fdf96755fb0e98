//! A network configuration for an image: its version from what is recorded, nothing overwritten.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;

use edgeutils_tests::cni::{ARM64, fake_build, image_for, tiny};
use edgeutils_tests::tool::{Ran, Tool};
use edgeutils_tests::tree::{Tree, assert_same};
use serde_json::Value;

const FILE: &str = "etc/cni/net.d/10-edgeutils.conflist";
const ROUTES: &str = "edge-cni: note: the image's routes are not known: the subnet may overlap one of them\n";

fn run(tree: &Tree, args: &[&str]) -> Ran {
    Tool::new("edge-cni").arg("--root").arg(tree.path()).args(args).run()
}

/// An image with these plugins of this release installed.
fn image(version: &str) -> Tree {
    let (tree, beside) = (Tree::new(), Tree::new());
    image_for(&tree, ARM64);
    let plugins = ["bridge", "host-local", "loopback", "portmap"].map(|name| (name, tiny(ARM64, name)));
    fake_build(&beside.at("build"), version, "arm64", &plugins);
    run(&tree, &["install", "--from-build", beside.at("build").to_str().unwrap()]).expect(0);
    tree
}

fn read(tree: &Tree) -> Value {
    serde_json::from_str(&tree.read(FILE)).unwrap()
}

#[test]
fn version_is_the_newest_that_the_installed_release_reads() {
    for (release, want) in [("v0.8.7", "0.4.0"), ("v1.2.0", "1.0.0"), ("v1.9.1", "1.1.0")] {
        let tree = image(release);
        let before = tree.snapshot();
        let ran = run(&tree, &["conf", "bridge", "--subnet", "10.85.0.0/16"]).expect(0);
        assert_eq!(ran.stderr, ROUTES);
        let network = read(&tree);
        assert_eq!((network["cniVersion"].as_str(), network["name"].as_str()), (Some(want), Some("edgeutils")));
        let again = run(&tree, &["conf", "bridge", "--subnet", "10.85.0.0/16"]).expect(0);
        assert_eq!(again.stdout, "already up to date\n");
        run(&tree, &["undo"]).expect(0);
        assert_same(&tree.snapshot(), &before, release);
    }
}

#[test]
fn conf_out_may_be_a_stream_and_never_waits() {
    let tree = image("v1.9.1");
    let conf = |out: &str| run(&tree, &["conf", "bridge", "--subnet", "10.85.0.0/16", "--out", out]);
    let want = conf("-").expect(0).stdout;
    for stream in ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"] {
        assert_eq!(conf(stream).expect(0).stdout, want, "{stream}");
    }
    assert_eq!(conf("/dev/stderr").expect(0).stderr, format!("{ROUTES}{want}"));
    assert_eq!(conf("/dev/null").expect(0).stdout, "");
    let pipe = tree.at("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let ran = conf(pipe.to_str().unwrap()).expect(1);
    assert!(ran.stderr.contains("/pipe: no process reads from it\nhint: "), "{}", ran.stderr);
}

#[test]
fn families_get_a_range_and_a_route_each() {
    let tree = image("v1.9.1");
    run(&tree, &["conf", "bridge", "--subnet", "10.85.0.0/16", "--subnet", "fd00:85::/64"]).expect(0);
    let ipam = &read(&tree)["plugins"][0]["ipam"];
    let of = |key: &str, at: &str| -> Vec<String> {
        ipam[key].as_array().unwrap().iter().map(|one| one.pointer(at).unwrap().as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(of("ranges", "/0/subnet"), ["10.85.0.0/16", "fd00:85::/64"]);
    assert_eq!(of("routes", "/dst"), ["0.0.0.0/0", "::/0"]);
}

#[test]
fn older_runtime_can_be_written_for() {
    let tree = image("v1.9.1");
    run(&tree, &["conf", "bridge", "--subnet", "10.85.0.0/16", "--cni-version", "0.3.1"]).expect(0);
    assert_eq!(read(&tree)["cniVersion"], "0.3.1");
    let old = image("v0.8.7");
    let ran = run(&old, &["conf", "bridge", "--subnet", "10.85.0.0/16", "--cni-version", "1.0.0"]).expect(4);
    assert!(ran.stderr.contains("cannot write version 1.0.0: the installed bridge reads at most 0.4.0"), "{ran:?}");
    run(&tree, &["conf", "bridge", "--subnet", "10.85.0.0/16", "--cni-version", "7.0.0"]).expect(2);
    run(&tree, &["conf", "bridge", "--subnet", "10.85.0.0/16", "--cni-version", "1.0"]).expect(2);
}

#[test]
fn plugins_that_nobody_knows_are_not_guessed_at() {
    let tree = Tree::new();
    let ran = run(&tree, &["conf", "bridge", "--subnet", "10.85.0.0/16"]).expect(1);
    assert!(ran.stderr.contains("cannot write a network: there is no bridge in "), "{ran:?}");
    tree.write("usr/lib/cni/bridge", tiny(ARM64, "Debian's"));
    let ran = run(&tree, &["conf", "bridge", "--subnet", "10.85.0.0/16"]).expect(1);
    assert!(ran.stderr.contains("hint: /usr/lib/cni has one, but runtimes look in /opt/cni/bin"), "{ran:?}");
    for name in ["bridge", "host-local", "portmap"] {
        tree.write(&format!("opt/cni/bin/{name}"), tiny(ARM64, "someone's"));
        std::fs::set_permissions(
            tree.at(&format!("opt/cni/bin/{name}")),
            std::os::unix::fs::PermissionsExt::from_mode(0o755),
        )
        .unwrap();
    }
    let ran = run(&tree, &["conf", "bridge", "--subnet", "10.85.0.0/16"]).expect(1);
    assert!(ran.stderr.contains("cannot tell what /opt/cni/bin/bridge reads: edge-cni did not install it"), "{ran:?}");
    run(&tree, &["conf", "bridge", "--subnet", "10.85.0.0/16", "--cni-version", "1.0.0"]).expect(0);
    assert_eq!(read(&tree)["cniVersion"], "1.0.0");
}

#[test]
fn networks_of_others_are_left_alone() {
    let tree = image("v1.9.1");
    let other = r#"{"cniVersion": "0.4.0", "name": "other", "plugins": [{"type": "bridge", "bridge": "br0",
        "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.85.128.0/17"}]]}}]}"#;
    tree.write("etc/cni/net.d/05-other.conflist", other);
    let ran = run(&tree, &["conf", "bridge", "--subnet", "10.85.0.0/16"]).expect(4);
    let want =
        "cannot use 10.85.0.0/16: /etc/cni/net.d/05-other.conflist gives away addresses of 10.85.128.0/17\nhint: ";
    assert!(ran.stderr.contains(want), "{ran:?}");
    let ran = run(&tree, &["conf", "bridge", "--subnet", "10.86.0.0/16", "--name", "other"]).expect(4);
    assert!(ran.stderr.contains("05-other.conflist has that name"), "{ran:?}");
    let ran = run(&tree, &["conf", "bridge", "--subnet", "10.86.0.0/16"]).expect(0);
    assert!(
        ran.stderr.contains("note: /etc/cni/net.d/05-other.conflist comes first, and is what a runtime uses"),
        "{ran:?}"
    );
    tree.write("etc/cni/net.d/05-other.conflist", "{");
    let ran = run(&tree, &["conf", "bridge", "--subnet", "10.86.0.0/16"]).expect(0);
    assert!(!ran.stderr.contains("comes first"), "nothing uses what cannot be read: {ran:?}");
}

#[test]
fn file_that_someone_edited_stays() {
    let tree = image("v1.9.1");
    run(&tree, &["conf", "bridge", "--subnet", "10.85.0.0/16"]).expect(0);
    // Another subnet is another wish: the file is ours.
    run(&tree, &["conf", "bridge", "--subnet", "10.86.0.0/16"]).expect(0);
    let edited = tree.read(FILE).replace("true", "false");
    tree.write(FILE, &edited);
    let ran = run(&tree, &["conf", "bridge", "--subnet", "10.87.0.0/16"]).expect(4);
    assert!(ran.stderr.contains("10-edgeutils.conflist: it is not as edge-cni left it\nhint: "), "{ran:?}");
    assert_eq!(tree.read(FILE), edited);
    run(&tree, &["remove"]).expect(0);
    assert_eq!(tree.read(FILE), edited);
}

#[test]
fn document_goes_to_standard_output_or_a_file_of_the_operators() {
    let tree = image("v1.9.1");
    let before = tree.snapshot();
    let ran = run(&tree, &["conf", "bridge", "--subnet", "10.85.0.0/16", "--out", "-"]).expect(0);
    let network: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(network["plugins"][1]["type"], "portmap");
    let beside = Tree::new();
    let out = beside.at("x.conflist");
    let args = ["conf", "bridge", "--subnet", "10.85.0.0/16", "--out", out.to_str().unwrap()];
    run(&tree, &args).expect(0);
    assert_eq!(beside.read("x.conflist"), ran.stdout);
    assert_eq!(run(&tree, &args).expect(0).stdout, "already up to date\n");
    run(&tree, &["conf", "bridge", "--subnet", "10.85.0.0/16", "--out", "-", "--json"]).expect(2);
    for dry in [&[][..], &["-n"]] {
        let args = ["conf", "bridge", "--subnet", "10.85.0.0/16", "--out", "/no/such/x.conflist"];
        let ran = run(&tree, &[&args, dry].concat()).expect(1);
        let said = "cannot write /no/such/x.conflist: there is no directory /no/such\nhint: make it first";
        assert!(ran.stderr.contains(said), "{}", ran.stderr);
    }
    assert_same(&tree.snapshot(), &before, "the image is as it was");

    // For another machine no plugins need be here.
    let empty = Tree::new();
    let args = ["conf", "bridge", "--subnet", "10.85.0.0/16", "--cni-version", "1.0.0", "--out", "-"];
    assert_eq!(run(&empty, &args).expect(0).stdout, ran.stdout.replace("1.1.0", "1.0.0"));
    assert!(!Path::new(&empty.at("var")).exists());
}

#[test]
fn wrong_subnet_is_a_wrong_call() {
    let tree = image("v1.9.1");
    for (subnet, want) in [
        ("10.85.0.1/16", "cannot use 10.85.0.1/16: it has bits behind its prefix\nhint: the subnet is 10.85.0.0/16\n"),
        ("127.0.0.0/8", "cannot use 127.0.0.0/8: its addresses are not for pods\n"),
        ("10.85.0.0/30", "cannot use 10.85.0.0/30: it has room for no pod or two\n"),
        (
            "10.85.0.0",
            "invalid value '10.85.0.0' for '--subnet <CIDR>': it is no subnet: 10.85.0.0/16 or fd00:85::/64 is",
        ),
        ("10.85.0.0/99", "invalid value '10.85.0.0/99' for '--subnet <CIDR>': it is no subnet: "),
    ] {
        let ran = run(&tree, &["conf", "bridge", "--subnet", subnet]).expect(2);
        assert!(ran.stderr.contains(want), "{subnet}: {ran:?}");
    }
    run(&tree, &["conf", "bridge"]).expect(2);
    run(&tree, &["conf"]).expect(2);
    run(&tree, &["conf", "bridge", "--subnet", "10.85.0.0/16", "--name", "../x"]).expect(2);
}

/// A program with Go's list of modules in it, as far as it matters.
fn runtime(tree: &Tree, path: &str, libcni: &str) {
    tree.write(
        path,
        format!("{}\tmod\tx\ndep\tgithub.com/containernetworking/cni\t{libcni}\th1:x\n", "x".repeat(400_000)),
    );
}

#[test]
fn old_runtime_is_not_given_what_it_does_not_read() {
    let tree = image("v1.9.1");
    runtime(&tree, "usr/bin/crio", "v1.1.2");
    let ran = run(&tree, &["conf", "bridge", "--subnet", "10.85.0.0/16"]).expect(0);
    assert_eq!(read(&tree)["cniVersion"], "1.0.0");
    let note = "note: the plugins read newer versions, but CRI-O (/usr/bin/crio, libcni v1.1.2) at most 1.0.0\n";
    assert!(ran.stderr.contains(note), "{ran:?}");
    assert!(run(&tree, &["check"]).expect(0).stdout.ends_with("no problems found\n"));
    run(&tree, &["conf", "bridge", "--subnet", "10.85.0.0/16", "--cni-version", "1.1.0"]).expect(0);
    let ran = run(&tree, &["check"]).expect(3);
    let fault = "error: cniVersion: CRI-O (/usr/bin/crio, libcni v1.1.2) reads at most 1.0.0, and the network asks for 1.1.0: it looks ready, and every pod fails\n    hint: write it for that runtime: edge-cni conf bridge --cni-version 1.0.0\n";
    assert!(ran.stdout.contains(fault), "{ran:?}");
    // One of two may not be the one that is used.
    runtime(&tree, "usr/local/bin/containerd", "v1.3.0");
    assert!(run(&tree, &["check"]).expect(0).stdout.contains("warning: cniVersion: CRI-O "));
    runtime(&tree, "usr/bin/crio", "v1.2.3");
    run(&tree, &["conf", "bridge", "--subnet", "10.85.0.0/16"]).expect(0);
    assert_eq!(read(&tree)["cniVersion"], "1.1.0");
}
