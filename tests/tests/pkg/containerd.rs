//! containerd in images: its configuration and the check of it, on root trees.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use edgeutils_tests::tree::{Tree, assert_same};

use super::check::{DPKG, INSTALLED, run, tree};

const CONFIG: &str = "etc/containerd/config.toml";

/// An image with this package of containerd, enabled.
fn image(package: &str, version: &str) -> Tree {
    let tree = tree(&[DPKG, (package, version, INSTALLED)]);
    tree.write(
        "usr/lib/systemd/system/containerd.service",
        "[Service]\nExecStart=/usr/bin/containerd\n[Install]\nWantedBy=multi-user.target\n",
    );
    tree
}

#[test]
fn image_gets_the_form_of_its_version_and_is_restored() {
    for (package, version, form, key) in [
        ("containerd", "1.6.20~ds1-1+b1", 2, "plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc.options]"),
        ("containerd.io", "1.7.27-1", 2, "plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc.options]"),
        (
            "containerd.io",
            "2.1.3-1~debian.12~bookworm",
            3,
            "plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]",
        ),
    ] {
        let tree = image(package, version);
        tree.write(CONFIG, "disabled_plugins = [\"cri\"]\n");
        let before = tree.snapshot_without(&["var/lib/edgeutils"]);
        let call =
            ["install", "containerd", "--cgroup-driver", "systemd", "--registry-mirror", "docker.io=https://m.example"];
        run(&tree, &[&call[..], &["-n"]].concat()).expect(3);
        assert_same(&tree.snapshot_without(&["var/lib/edgeutils"]), &before, "a dry run");
        let ran = run(&tree, &call).expect(0);
        assert!(
            ran.stdout.contains("    disabled_plugins: without the CRI\n") && ran.stdout.ends_with("\n3 changes\n"),
            "{}",
            ran.stdout
        );
        let text = tree.read(CONFIG);
        assert!(text.contains(&format!("disabled_plugins = []\nversion = {form}\n")), "{text}");
        assert!(text.contains(&key.replace('\'', "\"")) && text.contains("\nSystemdCgroup = true\n"), "{text}");
        assert!(tree.read("etc/containerd/certs.d/docker.io/hosts.toml").contains("[host.\"https://m.example\"]"));
        assert!(tree.at("etc/systemd/system/multi-user.target.wants/containerd.service").is_symlink());
        assert_eq!(run(&tree, &call).expect(0).stdout, "already up to date\n");
        assert!(run(&tree, &["check"]).expect(0).stdout.ends_with("no problems found\n"), "{version}");
        run(&tree, &["undo"]).expect(0);
        assert_same(&tree.snapshot_without(&["var/lib/edgeutils"]), &before, "after the undo");
    }
}

#[test]
fn check_names_file_line_and_cause() {
    let tree = image("containerd", "1.7.24~ds1-6");
    tree.write(CONFIG, "version = 2\ndisabled_plugins = [\n  'io.containerd.grpc.v1.cri']\nimports = ['/etc/containerd/conf.d/*.toml']\n[plugins.'io.containerd.grpc.v1.cri'.cni]\nbin_dir = '/usr/lib/cni'\n");
    tree.write(
        "etc/containerd/conf.d/site.toml",
        "version = 2\n[plugins.'io.containerd.grpc.v1.cri']\nsandbox_image = 'x'\n",
    );
    tree.write("opt/cni/bin/loopback", "");
    tree.write("var/lib/kubelet/config.yaml", "kind: KubeletConfiguration\ncgroupDriver: systemd\n");
    tree.write("etc/kubeedge/config/edgecore.yaml", "apiVersion: edgecore.config.kubeedge.io/v1alpha2\nkind: EdgeCore\nmodules:\n  edged:\n    tailoredKubeletConfig:\n      cgroupDriver: systemd\n      containerRuntimeEndpoint: unix:///var/run/containerd/containerd.sock\n");
    let found = run(&tree, &["check", "containerd"]).expect(3).stdout;
    for line in [
        "containerd.service: error: the unit is not enabled at boot\n",
        "/etc/containerd/config.toml:2: error: the CRI is disabled: neither edgecore nor kubelet can use containerd\n",
        "/etc/containerd/conf.d/site.toml: warning: this file is imported by /etc/containerd/config.toml, and takes precedence in the CRI\n",
        "/etc/kubeedge/config/edgecore.yaml: error: modules.edged.tailoredKubeletConfig.cgroupDriver: edgecore uses the cgroup driver systemd, but containerd uses cgroupfs: pods cannot start\n",
        "/var/lib/kubelet/config.yaml: error: cgroupDriver: kubelet uses the cgroup driver systemd, but containerd uses cgroupfs: pods cannot start\n",
        "/etc/containerd/config.toml:6: error: containerd looks for CNI plugins in /usr/lib/cni, which has no loopback; it is in /opt/cni/bin: pods get no network\n",
    ] {
        assert!(found.contains(line), "{line}: {found}");
    }
    // What is set there would have no effect.
    let refused = run(&tree, &["install", "containerd", "--cgroup-driver", "systemd"]).expect(4);
    assert!(refused.stderr.contains("cannot edit /etc/containerd/config.toml: it imports /etc/containerd/conf.d/site.toml, which takes precedence in the CRI\nhint: "), "{}", refused.stderr);
    tree.write(CONFIG, "version = 2\n[grpc\n");
    let found = run(&tree, &["check", "containerd"]).expect(3).stdout;
    assert!(
        found.contains("/etc/containerd/config.toml:2: error: the file is not valid TOML: containerd does not start\n"),
        "{found}"
    );
    run(&tree, &["settings"]).expect(1);
    tree.write(CONFIG, b"version = 2\n# \xff\n");
    assert!(
        run(&tree, &["check", "containerd"])
            .expect(3)
            .stdout
            .contains("config.toml:2: error: the file is not valid TOML")
    );
}

#[test]
fn config_that_the_unit_names_is_the_one_in_use() {
    let tree = image("containerd", "1.7.24~ds1-6");
    tree.write(
        "etc/systemd/system/containerd.service.d/site.conf",
        "[Service]\nExecStart=\nExecStart=/usr/bin/containerd -c /etc/site/containerd.toml\n",
    );
    tree.write("etc/site/containerd.toml", "version = 2\n[grpc]\naddress = '/run/site/c.sock'\n");
    run(&tree, &["install", "containerd", "--cgroup-driver", "systemd"]).expect(0);
    assert!(tree.read("etc/site/containerd.toml").contains("SystemdCgroup = true"));
    assert!(!tree.at(CONFIG).exists());
    assert_eq!(run(&tree, &["settings"]).expect(0).stdout, "socket=unix:///run/site/c.sock\ncgroupDriver=systemd\n");
}

#[test]
fn invalid_options_are_usage_errors() {
    let tree = image("containerd", "1.7.24~ds1-6");
    for (args, said) in [
        (&["--pause-image", "Registry/Pause"][..], "its name contains capital letters"),
        (&["--registry-mirror", "docker.io=m.example"], "does not begin with https:// or http://"),
        (&["--registry-mirror", "docker.io=https://user:pass@m.example"], "must not contain credentials"),
        (&["--registry-mirror", "https://m.example"], "the = is missing"),
        (&["--cgroup-driver", "cgroups"], "invalid value 'cgroups'"),
    ] {
        let ran = run(&tree, &[&["install", "containerd"], args].concat()).expect(2);
        assert!(ran.stderr.contains(said), "{args:?}: {}", ran.stderr);
    }
    let none = run(&super::check::tree(&[DPKG]), &["install", "containerd"]).expect(4);
    assert!(none.stderr.contains("the scripts of its packages would run as root on this host"), "{}", none.stderr);
}
