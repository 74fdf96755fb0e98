//! edge-cni conf for an image: the version is that of the recorded plugins, and nothing is overwritten.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;

use edgeutils_tests::cni::{ARM64, fake_build, image_for, tiny};
use edgeutils_tests::tool::{Ran, Tool};
use edgeutils_tests::tree::{Tree, assert_same};
use serde_json::Value;

const FILE: &str = "etc/cni/net.d/10-edgeutils.conflist";
const ROUTES: &str = "edge-cni: note: the routes of the image are unknown: the subnet may overlap one of them\n";

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
fn version_is_the_newest_that_the_installed_release_supports() {
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
fn conf_out_may_be_a_stream_and_never_blocks() {
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
fn conf_writes_a_range_and_a_route_for_each_family() {
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
fn cni_version_sets_an_older_version() {
    let tree = image("v1.9.1");
    run(&tree, &["conf", "bridge", "--subnet", "10.85.0.0/16", "--cni-version", "0.3.1"]).expect(0);
    assert_eq!(read(&tree)["cniVersion"], "0.3.1");
    let old = image("v0.8.7");
    let ran = run(&old, &["conf", "bridge", "--subnet", "10.85.0.0/16", "--cni-version", "1.0.0"]).expect(4);
    assert!(
        ran.stderr.contains("cannot write CNI version 1.0.0: the installed bridge supports versions up to 0.4.0"),
        "{ran:?}"
    );
    run(&tree, &["conf", "bridge", "--subnet", "10.85.0.0/16", "--cni-version", "7.0.0"]).expect(2);
    run(&tree, &["conf", "bridge", "--subnet", "10.85.0.0/16", "--cni-version", "1.0"]).expect(2);
}

#[test]
fn conf_refuses_plugins_of_unknown_version() {
    let tree = Tree::new();
    let ran = run(&tree, &["conf", "bridge", "--subnet", "10.85.0.0/16"]).expect(1);
    assert!(ran.stderr.contains("cannot write a network: bridge is missing in "), "{ran:?}");
    tree.write("usr/lib/cni/bridge", tiny(ARM64, "Debian's"));
    let ran = run(&tree, &["conf", "bridge", "--subnet", "10.85.0.0/16"]).expect(1);
    assert!(ran.stderr.contains("hint: install the plugins into /opt/cni/bin: edge-cni --root "), "{ran:?}");
    for name in ["bridge", "host-local", "portmap"] {
        tree.write(&format!("opt/cni/bin/{name}"), tiny(ARM64, "someone's"));
        std::fs::set_permissions(
            tree.at(&format!("opt/cni/bin/{name}")),
            std::os::unix::fs::PermissionsExt::from_mode(0o755),
        )
        .unwrap();
    }
    let ran = run(&tree, &["conf", "bridge", "--subnet", "10.85.0.0/16"]).expect(1);
    assert!(
        ran.stderr.contains("cannot determine the CNI version of /opt/cni/bin/bridge: edge-cni did not install it"),
        "{ran:?}"
    );
    run(&tree, &["conf", "bridge", "--subnet", "10.85.0.0/16", "--cni-version", "1.0.0"]).expect(0);
    assert_eq!(read(&tree)["cniVersion"], "1.0.0");
}

#[test]
fn conf_refuses_the_subnet_and_name_of_another_network() {
    let tree = image("v1.9.1");
    let other = r#"{"cniVersion": "0.4.0", "name": "other", "plugins": [{"type": "bridge", "bridge": "br0",
        "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.85.128.0/17"}]]}}]}"#;
    tree.write("etc/cni/net.d/05-other.conflist", other);
    let ran = run(&tree, &["conf", "bridge", "--subnet", "10.85.0.0/16"]).expect(4);
    let want = "cannot use 10.85.0.0/16: it overlaps 10.85.128.0/17 in /etc/cni/net.d/05-other.conflist\nhint: ";
    assert!(ran.stderr.contains(want), "{ran:?}");
    let ran = run(&tree, &["conf", "bridge", "--subnet", "10.86.0.0/16", "--name", "other"]).expect(4);
    assert!(ran.stderr.contains("05-other.conflist has that name"), "{ran:?}");
    let ran = run(&tree, &["conf", "bridge", "--subnet", "10.86.0.0/16"]).expect(0);
    assert!(
        ran.stderr.contains("note: /etc/cni/net.d/05-other.conflist comes first: runtimes use that network"),
        "{ran:?}"
    );
    tree.write("etc/cni/net.d/05-other.conflist", "{");
    let ran = run(&tree, &["conf", "bridge", "--subnet", "10.86.0.0/16"]).expect(0);
    assert!(!ran.stderr.contains("comes first"), "an invalid file is not used: {ran:?}");
}

#[test]
fn conf_keeps_a_file_that_was_edited() {
    let tree = image("v1.9.1");
    run(&tree, &["conf", "bridge", "--subnet", "10.85.0.0/16"]).expect(0);
    // A file that edge-cni wrote is replaced.
    run(&tree, &["conf", "bridge", "--subnet", "10.86.0.0/16"]).expect(0);
    let edited = tree.read(FILE).replace("true", "false");
    tree.write(FILE, &edited);
    let ran = run(&tree, &["conf", "bridge", "--subnet", "10.87.0.0/16"]).expect(4);
    assert!(
        ran.stderr.contains("10-edgeutils.conflist: it was not written by edge-cni, or was changed since\nhint: "),
        "{ran:?}"
    );
    assert_eq!(tree.read(FILE), edited);
    run(&tree, &["remove"]).expect(0);
    assert_eq!(tree.read(FILE), edited);
}

#[test]
fn conf_out_writes_a_file_or_standard_output() {
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
        let said = "cannot write /no/such/x.conflist: the directory /no/such does not exist\nhint: create it: mkdir -p /no/such";
        assert!(ran.stderr.contains(said), "{}", ran.stderr);
    }
    assert_same(&tree.snapshot(), &before, "the image is unchanged");

    // For another machine no plugins need to be installed.
    let empty = Tree::new();
    let args = ["conf", "bridge", "--subnet", "10.85.0.0/16", "--cni-version", "1.0.0", "--out", "-"];
    assert_eq!(run(&empty, &args).expect(0).stdout, ran.stdout.replace("1.1.0", "1.0.0"));
    assert!(!Path::new(&empty.at("var")).exists());
}

#[test]
fn conf_refuses_invalid_subnets() {
    let tree = image("v1.9.1");
    for (subnet, want) in [
        ("10.85.0.1/16", "cannot use 10.85.0.1/16: it has host bits set\nhint: use --subnet 10.85.0.0/16\n"),
        ("127.0.0.0/8", "cannot use 127.0.0.0/8: it is reserved\n"),
        ("10.85.0.0/30", "cannot use 10.85.0.0/30: it is too small\n"),
        (
            "10.85.0.0",
            "invalid value '10.85.0.0' for '--subnet <CIDR>': it is not a valid CIDR: the prefix length is missing",
        ),
        (
            "10.85.0.0/99",
            "'10.85.0.0/99' for '--subnet <CIDR>': it is not a valid CIDR: the prefix length must be 0 to 32",
        ),
    ] {
        let ran = run(&tree, &["conf", "bridge", "--subnet", subnet]).expect(2);
        assert!(ran.stderr.contains(want), "{subnet}: {ran:?}");
    }
    run(&tree, &["conf", "bridge"]).expect(2);
    run(&tree, &["conf"]).expect(2);
    run(&tree, &["conf", "bridge", "--subnet", "10.85.0.0/16", "--name", "../x"]).expect(2);
}

/// A program with a list of Go modules.
fn runtime(tree: &Tree, path: &str, libcni: &str) {
    tree.write(
        path,
        format!("{}\tmod\tx\ndep\tgithub.com/containernetworking/cni\t{libcni}\th1:x\n", "x".repeat(400_000)),
    );
}

#[test]
fn version_is_not_newer_than_the_runtime_supports() {
    let tree = image("v1.9.1");
    runtime(&tree, "usr/bin/crio", "v1.1.2");
    let ran = run(&tree, &["conf", "bridge", "--subnet", "10.85.0.0/16"]).expect(0);
    assert_eq!(read(&tree)["cniVersion"], "1.0.0");
    let note =
        "note: the plugins support newer CNI versions, but CRI-O (/usr/bin/crio, libcni v1.1.2) only up to 1.0.0\n";
    assert!(ran.stderr.contains(note), "{ran:?}");
    assert!(run(&tree, &["check"]).expect(0).stdout.ends_with("no problems found\n"));
    run(&tree, &["conf", "bridge", "--subnet", "10.85.0.0/16", "--cni-version", "1.1.0"]).expect(0);
    let ran = run(&tree, &["check"]).expect(3);
    let fault = "error: cniVersion: CRI-O (/usr/bin/crio, libcni v1.1.2) supports CNI versions up to 1.0.0, but the network requires 1.1.0: CRI-O reports that the network is ready, but pods fail\n    hint: write it again: edge-cni --root DIR conf bridge --subnet CIDR --cni-version 1.0.0\n";
    let said = ran.stdout.replace(&tree.path().display().to_string(), "DIR");
    assert!(said.contains(fault), "{ran:?}");
    // With two runtimes it is unknown which one is used.
    runtime(&tree, "usr/local/bin/containerd", "v1.3.0");
    assert!(run(&tree, &["check"]).expect(0).stdout.contains("warning: cniVersion: CRI-O "));
    runtime(&tree, "usr/bin/crio", "v1.2.3");
    run(&tree, &["conf", "bridge", "--subnet", "10.85.0.0/16"]).expect(0);
    assert_eq!(read(&tree)["cniVersion"], "1.1.0");
}
