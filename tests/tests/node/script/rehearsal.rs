//! What a step of the scripts refuses is refused before the first change.

use super::*;

const CLOUDCORE: &str = "etc/kubeedge/config/cloudcore.yaml";
const LAST: &str = ": nothing was changed: after the cause is fixed, run the same command again\n";

/// A cloud host with the CA of its cluster.
fn cloud() -> Tree {
    let (tree, pki) = (Tree::new(), Pki::usual("ca"));
    for (file, name) in [("etc/kubernetes/pki/ca.crt", "ca.crt"), ("etc/kubernetes/pki/ca.key", "ca.key")] {
        tree.write(file, std::fs::read(pki.at(name)).unwrap());
    }
    tree.write(CLOUDCORE, render(Kind::CloudCore, Minor::new(7)));
    tree
}

#[test]
fn setting_that_a_later_step_refuses_changes_nothing() {
    let empty = Tree::empty();
    let empty = empty.path().to_str().unwrap();
    for is_joined in [false, true] {
        let tree = systems::by_name(systems::DEBIAN_RASPI);
        image_for(&tree, ARM64);
        if is_joined {
            tree.write(FILE, render(Kind::EdgeCore, Minor::new(12)));
        }
        let before = tree.snapshot();
        for (variables, code, text) in [
            (&[("KUBEEDGE_VERSION", "1.10.0"), ("CRIO_VERSION", "1.34")][..], 4, "cannot install CRI-O 1.34: KubeEdge"),
            (&[("CRIO_VERSION", "1.99")], 1, "cannot find CRI-O 1.99"),
            (&[("CRIO_VERSION", "1.30.4"), ("CRIO_OPTIONS", "--sha256 zz")], 2, "cannot use --sha256 \"zz\""),
            (&[("CRIO_VERSION", "1.30.4"), ("CRIO_OPTIONS", "--archive /nonexistent.tar.gz")], 1, "it does not exist"),
            (&[("CRIO_VERSION", "1.34"), ("CRIO_OPTIONS", "--proxy x://y")], 2, "cannot use the proxy"),
            (&[("CNI_PLUGINS", empty)], 1, "cannot install from"),
            (&[("POD_SUBNET", "10.85.0.0/16")], 1, "bridge is missing"),
        ] {
            let ran = script(&tree, variables, &[]);
            assert!(ran.code == code && ran.stderr.contains(text), "{variables:?} {}\n{}", ran.code, ran.stderr);
            assert!(ran.stderr.ends_with(&format!("edge-node.sh{LAST}")), "{}", ran.stderr);
            assert_same(&tree.snapshot(), &before, text);
        }
    }
    // A stream server that is this host, where cloudcore is another one.
    let tree = systems::by_name(systems::RASPBERRY_PI_OS_12);
    tree.write(FILE, render(Kind::EdgeCore, Minor::new(12)));
    let before = tree.snapshot();
    let ran = script(&tree, &[("CLOUDCORE", "127.0.0.1")], &[]).expect(4);
    assert!(ran.stderr.ends_with(&format!("edge-node.sh{LAST}")), "{}", ran.stderr);
    assert_same(&tree.snapshot(), &before, "CLOUDCORE");
}

#[test]
fn pod_subnet_that_overlaps_is_refused_before_the_plugins_are_installed() {
    let (tree, beside) = (systems::by_name(systems::DEBIAN_RASPI), Tree::new());
    image_for(&tree, ARM64);
    let plugins = ["bridge", "host-local", "loopback", "portmap"].map(|name| (name, tiny(ARM64, name)));
    fake_build(&beside.at("plugins"), "v1.9.1", "arm64", &plugins);
    let other = "{\"cniVersion\":\"1.0.0\",\"name\":\"other\",\"plugins\":[{\"type\":\"bridge\",\
                 \"ipam\":{\"type\":\"host-local\",\"subnet\":\"10.85.0.0/16\"}}]}";
    tree.write("etc/cni/net.d/05-other.conflist", other);
    let before = tree.snapshot();
    let plugins = beside.at("plugins").display().to_string();
    let variables = [("CNI_PLUGINS", plugins.as_str()), ("POD_SUBNET", "10.85.0.0/16")];
    for args in [&["-n"][..], &[]] {
        let ran = script(&tree, &variables, args).expect(4);
        assert!(ran.stderr.contains("cannot use 10.85.0.0/16: it overlaps"), "{}", ran.stderr);
        assert_same(&tree.snapshot(), &before, "POD_SUBNET");
    }
}

/// An installed CRI-O that this run replaces is not a reason to refuse it.
#[test]
fn incompatible_crio_can_be_replaced() {
    let (tree, beside) = (systems::by_name(systems::DEBIAN_RASPI), Tree::new());
    image_for(&tree, ARM64);
    let install = |release: &str, kubeedge: &str| {
        let (archive, sum) = bundle(beside.path(), release, "arm64", &tiny(ARM64, "crio"));
        let options = format!("--archive {} --sha256 {sum}", archive.display());
        let variables = [("KUBEEDGE_VERSION", kubeedge), ("CRIO_VERSION", release), ("CRIO_OPTIONS", options.as_str())];
        script(&tree, &variables, &[])
    };
    install("1.30.4", "1.18.3").expect(0);
    install("1.24.6", "1.10.0").expect(0);
}

#[test]
fn proxy_from_standard_input_reaches_the_install() {
    let (tree, beside) = (systems::by_name(systems::DEBIAN_RASPI), Tree::new());
    image_for(&tree, ARM64);
    let (archive, sum) = bundle(beside.path(), "1.30.4", "arm64", &tiny(ARM64, "crio"));
    let options = format!("--archive {} --sha256 {sum} --proxy -", archive.display());
    let variables = [("CRIO_VERSION", "1.30.4"), ("CRIO_OPTIONS", options.as_str())];
    let ran = with_input("edge-node.sh", &tree, &variables, &[], "http://user:word@proxy.example:3128\n").expect(0);
    assert!(!format!("{}{}", ran.stdout, ran.stderr).contains("word@"), "{}{}", ran.stdout, ran.stderr);
    let found = tree.snapshot().values().any(|text| text.contains("user:word@proxy.example"));
    assert!(found, "the proxy is not set");
}

#[test]
fn cloud_setting_that_a_later_step_refuses_changes_nothing() {
    let tree = cloud();
    let before = tree.snapshot();
    for (variables, code, text) in [
        (&[("KUBEEDGE_VERSION", "1.2.0")][..], 2, "kubectl logs is supported since"),
        (&[("KUBEEDGE_VERSION", "1.7.2"), ("CLOUDCORE", "127.0.0.1")], 2, "it is a loopback address"),
        (&[("KUBEEDGE_VERSION", "1.7.2"), ("NAMES", "cloud!")], 2, "cannot use --dns"),
        (&[("KUBEEDGE_VERSION", "1.7.2"), ("CA", "/nonexistent")], 2, "only one of --ca and --ca-key"),
        (&[("KUBEEDGE_VERSION", "1.7.2"), ("CA", "/nonexistent"), ("CA_KEY", "/nonexistent")], 1, "/nonexistent"),
    ] {
        let ran = named("cloud-node.sh", &tree, variables, &[]);
        assert!(ran.code == code && ran.stderr.contains(text), "{variables:?} {}\n{}", ran.code, ran.stderr);
        assert!(ran.stderr.ends_with(&format!("cloud-node.sh{LAST}")), "{}", ran.stderr);
        assert_same(&tree.snapshot(), &before, text);
    }
    // A cloudcore.yaml that cannot be edited is found before the certificates are made, also by a dry run.
    let version = [("KUBEEDGE_VERSION", "1.7.2"), ("CLOUDCORE", "192.0.2.1")];
    tree.write(CLOUDCORE, "modules: [\n");
    let before = tree.snapshot();
    for args in [&["-n"][..], &[]] {
        let ran = named("cloud-node.sh", &tree, &version, args).expect(1);
        assert!(ran.stderr.contains("cannot parse"), "{}", ran.stderr);
        assert_same(&tree.snapshot(), &before, "cloudcore.yaml");
    }
}

#[test]
fn utility_that_is_not_installed_is_named() {
    let tree = systems::by_name(systems::RASPBERRY_PI_OS_12);
    let before = tree.snapshot();
    let bin = Tree::new();
    let all = ["edge-conf", "edge-prep", "edge-certgen", "edge-redirect"];
    for (script, missing, variables) in [
        ("edge-node.sh", "edge-conf", &[][..]),
        ("edge-node.sh", "edge-prep", &[]),
        ("edge-node.sh", "edge-cni", &[("POD_SUBNET", "10.85.0.0/16")]),
        ("edge-node.sh", "edge-crio", &[("CRIO_VERSION", "1.34")]),
        ("cloud-node.sh", "edge-certgen", &[("KUBEEDGE_VERSION", "1.7.2")]),
        ("cloud-node.sh", "edge-redirect", &[("KUBEEDGE_VERSION", "1.7.2")]),
    ] {
        for name in all {
            bin.write(name, "#!/bin/sh\n");
            std::fs::set_permissions(bin.at(name), std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        let _ = std::fs::remove_file(bin.at(missing));
        let search = format!("{}:/usr/bin:/bin", bin.path().display());
        let variables = [variables, &[("PATH", search.as_str())]].concat();
        let ran = named(script, &tree, &variables, &[]).expect(1);
        let text = format!(
            "{script}: cannot find {missing}: install the utilities in /usr/local/bin, or add their directory to PATH\n"
        );
        assert_eq!((ran.stdout.as_str(), ran.stderr), ("", text));
        assert_same(&tree.snapshot(), &before, missing);
    }
}

#[test]
fn ca_key_from_standard_input_reaches_the_certificates() {
    let (tree, pki) = (cloud(), Pki::usual("ca"));
    let ca = pki.at("ca.crt");
    let variables = [("KUBEEDGE_VERSION", "1.7.2"), ("CA", ca.as_str()), ("CA_KEY", "-")];
    let key = std::fs::read_to_string(pki.at("ca.key")).unwrap();
    with_input("cloud-node.sh", &tree, &variables, &[], &key).expect(0);
    assert!(tree.at("etc/kubeedge/certs/stream.crt").exists());
}
