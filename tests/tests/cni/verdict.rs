//! edge-cni check and edge-crio check have the same verdict: directories of CRI-O, leftovers, versions and ranges.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::os::unix::fs::PermissionsExt;

use edgeutils_tests::cni::ARM64;
use edgeutils_tests::tool::Tool;
use edgeutils_tests::tree::Tree;
use serde_json::Value;

use super::check::{LIST, NOT_READY, READY, findings, image, run};

/// The findings of edge-crio about networks, as those of [`findings`]: in an image they are warnings at most.
fn crio_findings(tree: &Tree) -> Vec<String> {
    let ran = Tool::new("edge-crio").arg("--root").arg(tree.path()).args(["check", "--json"]).run();
    let records = ran.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let text = |record: &Value, key: &str| record[key].as_str().unwrap_or_default().to_owned();
    let of = |record: Value| format!("{} {}: {}", text(&record, "file"), text(&record, "path"), text(&record, "text"));
    records.filter(|record| record["type"] == "finding").map(of).collect()
}

#[test]
fn check_reads_the_directories_that_cri_o_is_set_to() {
    let drop_in = |text: &str| format!("[crio.network]\n{text}\n");
    type Files<'a> = &'a [(&'a str, String)];
    let cases: [(&str, Files<'_>, &str); 6] = [
        (
            "network_dir in a drop-in",
            &[("etc/crio/crio.conf.d/50-net.conf", drop_in("network_dir = \"/srv/net.d/\""))],
            "/srv/net.d/10-pods.conflist (1.0.0",
        ),
        (
            "a later drop-in",
            &[
                ("etc/crio/crio.conf", drop_in("network_dir = \"/nowhere\"")),
                ("etc/crio/crio.conf.d/sub/60.bak", drop_in("network_dir = \"/srv/net.d\"")),
            ],
            "/srv/net.d/10-pods.conflist (1.0.0",
        ),
        (
            "an option of the unit",
            &[
                ("usr/lib/systemd/system/crio.service", "[Service]\nExecStart=/usr/bin/crio $OPTIONS\n".to_owned()),
                (
                    "etc/systemd/system/crio.service.d/net.conf",
                    "[Service]\nEnvironment=OPTIONS=--cni-config-dir=/srv/net.d\n".to_owned(),
                ),
            ],
            "/srv/net.d/10-pods.conflist (1.0.0",
        ),
        (
            "a variable of the unit",
            &[(
                "usr/lib/systemd/system/crio.service",
                "[Service]\nEnvironment=CONTAINER_CNI_CONFIG_DIR=/srv/net.d\nExecStart=/usr/bin/crio\n".to_owned(),
            )],
            "/srv/net.d/10-pods.conflist (1.0.0",
        ),
        (
            "plugin_dirs",
            &[("etc/crio/crio.conf.d/50-net.conf", drop_in("plugin_dirs = [\"/nowhere\", \"/opt/cni/bin\"]"))],
            "/etc/cni/net.d/10-pods.conflist (1.0.0",
        ),
        (
            "the older plugin_dir adds to the default",
            &[("etc/crio/crio.conf.d/50-net.conf", drop_in("plugin_dir = \"/opt/more\""))],
            "/etc/cni/net.d/10-pods.conflist (1.0.0",
        ),
    ];
    for (what, files, want) in cases {
        let tree = image("v1.9.1", ARM64);
        let dir = if want.starts_with("/srv") { "srv/net.d" } else { "etc/cni/net.d" };
        tree.write(&format!("{dir}/10-pods.conflist"), LIST);
        for (path, text) in files {
            tree.write(path, text);
        }
        let ran = run(&tree, &["check"]).expect(0);
        assert!(ran.stdout.starts_with(want), "{what}: {}", ran.stdout);
        let found = crio_findings(&tree);
        assert!(!found.iter().any(|line| line.contains("network")), "{what}: {found:?}");
        // An option takes precedence.
        run(&tree, &["check", "--conf-dir", "/none"]).expect(3);
    }
}

#[test]
fn check_uses_only_the_default_network_of_cri_o() {
    let tree = image("v1.9.1", ARM64);
    tree.write("etc/cni/net.d/10-pods.conflist", LIST);
    tree.write("etc/cni/net.d/20-second.conflist", LIST.replace("\"pods\"", "\"second\"").replace("10.85", "10.86"));
    let conf = "etc/crio/crio.conf.d/50-net.conf";
    tree.write(conf, "[crio.network]\ncni_default_network = \"second\"\n");
    let ran = run(&tree, &["check"]).expect(0);
    assert!(ran.stdout.contains("/etc/cni/net.d/20-second.conflist (1.0.0"), "{}", ran.stdout);
    let note = format!("not used, as /{conf} limits CRI-O to the network second");
    assert!(ran.stdout.contains(&format!("10-pods.conflist: note: {note}")), "{}", ran.stdout);
    assert!(crio_findings(&tree).iter().any(|line| line.ends_with(&note)));
    tree.write(conf, "[crio.network]\ncni_default_network = \"third\"\n");
    let want = "network \"third\" does not exist: /etc/cni/net.d contains pods, second";
    assert!(findings(&tree, 3).iter().any(|line| line.contains(want)), "{:?}", findings(&tree, 3));
    assert!(crio_findings(&tree).iter().any(|line| line.contains(want)), "{:?}", crio_findings(&tree));
}

#[test]
fn check_names_files_in_subdirectories() {
    let tree = image("v1.9.1", ARM64);
    tree.write("etc/cni/net.d/old/10-pods.conflist", LIST);
    let ran = run(&tree, &["check"]).expect(3);
    let dir = tree.at("etc/cni/net.d").display().to_string();
    let hint = format!("hint: files in subdirectories are ignored, move it up: mv {dir}/old/10-pods.conflist {dir}/\n");
    assert!(ran.stdout.contains(&hint), "{}", ran.stdout);
    let (_, command) = hint.trim_end().rsplit_once(": ").unwrap();
    assert!(std::process::Command::new("sh").args(["-c", command]).status().unwrap().success());
    run(&tree, &["check"]).expect(0);
}

#[test]
fn check_refuses_versions_that_do_not_exist() {
    let tree = image("v1.9.1", ARM64);
    for (version, nearest) in [("0.5.0", "0.4.0"), ("1.0", "1.0.0"), ("2.0.0", "1.1.0"), ("v1.0.0", "1.0.0")] {
        tree.write("etc/cni/net.d/10-pods.conflist", LIST.replace("\"1.0.0\"", &format!("\"{version}\"")));
        let ran = run(&tree, &["check"]).expect(3);
        let want = format!(
            "error: cniVersion: \"{version}\" is not a CNI version: the versions are 0.1.0, 0.2.0, 0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0: {NOT_READY}\n    hint: set the nearest, \"{nearest}\"\n"
        );
        assert!(ran.stdout.contains(&want) && !ran.stdout.contains("newer release"), "{}", ran.stdout);
        let want = format!("cniVersion: pods get no network: \"{version}\" is not a CNI version");
        let ran = Tool::new("edge-crio").arg("--root").arg(tree.path()).arg("check").run();
        assert!(ran.stdout.contains(&want), "{}", ran.stdout);
        let ran = run(&tree, &["conf", "bridge", "--subnet", "10.87.0.0/16", "--cni-version", version]).expect(2);
        assert!(ran.stderr.contains(&format!("the nearest is {nearest} ")), "{}", ran.stderr);
    }
}

#[test]
fn check_validates_ranges_as_host_local_does() {
    let tree = image("v1.9.1", ARM64);
    for (ranges, want) in [
        (r#"[[{"subnet": "10.85.0.0/99"}]]"#, "ranges[0][0].subnet: \"10.85.0.0/99\" is not a valid CIDR"),
        (r#"[[{"subnet": "10.85.0.5/16"}]]"#, "ranges[0][0].subnet: \"10.85.0.5/16\" has host bits set"),
        (r#"[[{"subnet": "fd00::/127"}]]"#, "ranges[0][0].subnet: \"fd00::/127\" has no address for a pod"),
        (
            r#"[[{"subnet": "10.85.0.0/16", "rangeStart": "10.86.0.1"}]]"#,
            "ranges[0][0].rangeStart: \"10.86.0.1\" is not in the subnet 10.85.0.0/16",
        ),
        (
            r#"[[{"subnet": "10.85.0.0/16"}], [{"subnet": "10.85.1.0/24"}]]"#,
            "ranges[1][0]: the range overlaps ipam.ranges[0][0]",
        ),
        (r#"[[{}]]"#, "ranges[0][0].subnet: the subnet is not set"),
        (r#"[]"#, "ipam: host-local has neither a subnet nor ranges"),
    ] {
        tree.write("etc/cni/net.d/10-pods.conflist", LIST.replace(r#"[[{"subnet": "10.85.0.0/29"}]]"#, ranges));
        let found = findings(&tree, 3);
        assert!(found[0].contains(want) && found[0].ends_with(READY), "{ranges}: {found:?}");
        assert!(crio_findings(&tree).iter().any(|line| line.contains(want.rsplit(": ").next().unwrap())), "{ranges}");
    }
}

#[test]
fn check_of_an_image_notes_what_a_daemon_will_make() {
    let tree = image("v1.9.1", ARM64);
    for name in ["flannel", "calico", "multus"] {
        std::fs::copy(tree.at("opt/cni/bin/bridge"), tree.at(&format!("opt/cni/bin/{name}"))).unwrap();
    }
    for (plugin, want) in [
        (
            r#"{"type": "flannel"}"#,
            "flannel needs /run/flannel/subnet.env of flanneld, which is only made on the running system",
        ),
        (r#"{"type": "calico"}"#, "calico needs /var/lib/calico/nodename of calico-node, which does not exist"),
        (
            r#"{"type": "multus", "kubeconfig": "/etc/cni/net.d/multus.d/k"}"#,
            "multus needs /etc/cni/net.d/multus.d/k of the DaemonSet of multus, which does not exist",
        ),
    ] {
        let text = format!(r#"{{"cniVersion": "1.0.0", "name": "left", "plugins": [{plugin}]}}"#);
        tree.write("etc/cni/net.d/05-left.conflist", text);
        assert_eq!(findings(&tree, 0), [format!("note 05-left.conflist plugins[0].type: {want}")]);
    }
    tree.write("var/lib/calico/nodename", "edge-1");
    tree.write("etc/cni/net.d/05-left.conflist", r#"{"name": "left", "plugins": [{"type": "calico"}]}"#);
    assert!(findings(&tree, 0).is_empty());
}

#[test]
fn check_warns_about_two_networks_with_one_subnet() {
    let tree = image("v1.9.1", ARM64);
    tree.write("etc/cni/net.d/10-pods.conflist", LIST);
    tree.write("etc/cni/net.d/87-podman.conflist", LIST.replace("\"pods\"", "\"podman\""));
    let want = "warning 87-podman.conflist : 10.85.0.0/29 of the network podman overlaps 10.85.0.0/29 of /etc/cni/net.d/10-pods.conflist: where both are used, pods get the same addresses";
    let found = findings(&tree, 0);
    assert!(
        found.iter().any(|line| line.replace("/etc/cni/net.d/", "") == want.replace("/etc/cni/net.d/", "")),
        "{found:?}"
    );
}

#[test]
fn check_reports_a_network_newer_than_the_runtime_for_both() {
    let tree = image("v1.9.1", ARM64);
    tree.write("etc/cni/net.d/10-pods.conflist", LIST.replace("\"1.0.0\"", "\"1.1.0\""));
    tree.write("usr/bin/crio", "\tgithub.com/containernetworking/cni\tv1.1.2\th1:x\n");
    let want = "CRI-O (/usr/bin/crio, libcni v1.1.2) supports CNI versions up to 1.0.0, but the network requires 1.1.0";
    assert_eq!(findings(&tree, 3), [format!("error 10-pods.conflist cniVersion: {want}: {READY}")]);
    assert!(crio_findings(&tree).iter().any(|line| line.contains(want)), "{:?}", crio_findings(&tree));
}

#[test]
fn check_by_another_user_does_not_judge_what_it_cannot_read() {
    if !edgeutils_tests::is_root() {
        return edgeutils_tests::skip("cni_check another user", "another user's rights need root");
    }
    let tree = image("v1.9.1", ARM64);
    tree.write("etc/cni/net.d/10-pods.conflist", LIST);
    std::fs::set_permissions(tree.at("etc/cni/net.d/10-pods.conflist"), std::fs::Permissions::from_mode(0o600))
        .unwrap();
    let beside = Tree::new();
    for dir in [tree.path(), beside.path()] {
        std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    for name in ["edge-cni", "edge-crio"] {
        let said = Tool::of_nobody(name, beside.path()).arg("--root").arg(tree.path()).arg("check").run().stdout;
        let want = "10-pods.conflist: warning: this user cannot read the file: it is unknown whether the network is usable\n    hint: run it as root (sudo)\n";
        assert!(said.contains(want), "{name}: {said}");
    }
}

#[test]
fn check_reports_a_file_in_the_place_of_the_leases() {
    let tree = image("v1.9.1", ARM64);
    tree.write("srv/leases", "a file");
    tree.write("srv/dir/pods", "a file");
    for (data_dir, file) in
        [("/srv/leases", "/srv/leases"), ("/srv/leases/below", "/srv/leases"), ("/srv/dir", "/srv/dir/pods")]
    {
        let list = LIST.replace("\"ranges\"", &format!("\"dataDir\": \"{data_dir}\", \"ranges\""));
        tree.write("etc/cni/net.d/10-pods.conflist", list);
        let want = "it is not a directory: host-local cannot write leases, and new pods get no address";
        assert_eq!(findings(&tree, 3), [format!("error {file} : {want}")]);
        assert!(crio_findings(&tree).iter().any(|line| line.contains(want)), "{:?}", crio_findings(&tree));
    }
}
