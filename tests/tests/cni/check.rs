//! edge-cni check in an image: each reason why a network is not ready.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::os::unix::fs::PermissionsExt;

use edgeutils_tests::cni::{AMD64, ARM64, fake_build, image_for, tiny};
use edgeutils_tests::tool::{Ran, Tool};
use edgeutils_tests::tree::{Tree, assert_same};
use serde_json::Value;

pub(crate) const LIST: &str = r#"{
  "cniVersion": "1.0.0",
  "name": "pods",
  "plugins": [
    {"type": "bridge", "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.85.0.0/29"}]]}},
    {"type": "portmap"}
  ]
}"#;

pub(crate) fn run(tree: &Tree, args: &[&str]) -> Ran {
    Tool::new("edge-cni").arg("--root").arg(tree.path()).args(args).run()
}

pub(crate) fn image(release: &str, machine: u8) -> Tree {
    let (tree, beside) = (Tree::new(), Tree::new());
    image_for(&tree, ARM64);
    let arch = if machine == ARM64 { "arm64" } else { "amd64" };
    let plugins = ["bridge", "host-local", "loopback", "portmap"].map(|name| (name, tiny(machine, name)));
    fake_build(&beside.at("build"), release, arch, &plugins);
    run(&tree, &["install", "--from-build", beside.at("build").to_str().unwrap()]).expect(0);
    tree
}

/// Severity, file, line, setting and text of each finding.
pub(crate) fn findings(tree: &Tree, code: i32) -> Vec<String> {
    let ran = run(tree, &["check", "--json"]).expect(code);
    let records = ran.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let text = |record: &Value, key: &str| record[key].as_str().unwrap_or_default().to_owned();
    records
        .filter(|record| record["type"] == "finding")
        .map(|record| {
            let line = record["line"].as_u64().map(|line| format!(":{line}")).unwrap_or_default();
            let file = text(&record, "file").replace("/etc/cni/net.d/", "");
            format!("{} {file}{line} {}: {}", text(&record, "severity"), text(&record, "path"), text(&record, "text"))
        })
        .collect()
}

pub(crate) const NOT_READY: &str = "pods get no network";
/// The effect of an error that only pods run into.
pub(crate) const READY: &str = "CRI-O reports that the network is ready, but pods fail";

#[test]
fn check_without_problems_prints_the_network_and_changes_nothing() {
    let tree = image("v1.9.1", ARM64);
    tree.write("etc/cni/net.d/10-pods.conflist", LIST);
    let before = tree.snapshot();
    let ran = run(&tree, &["check"]).expect(0);
    assert_eq!(
        ran.stdout,
        "/etc/cni/net.d/10-pods.conflist (1.0.0, with bridge, host-local, portmap)\nno problems found\n"
    );
    assert_same(&tree.snapshot(), &before, "a check");
}

#[test]
fn check_names_the_cause() {
    let with = |change: &dyn Fn(&Tree), release: &str| {
        let tree = image(release, ARM64);
        tree.write("etc/cni/net.d/10-pods.conflist", LIST);
        change(&tree);
        findings(&tree, 3)
    };
    let gone = |tree: &Tree| std::fs::remove_file(tree.at("opt/cni/bin/portmap")).unwrap();
    assert_eq!(
        with(&gone, "v1.9.1"),
        [format!("error 10-pods.conflist plugins[1].type: portmap is not in /opt/cni/bin: {NOT_READY}")]
    );
    let script = |tree: &Tree| std::fs::write(tree.at("opt/cni/bin/host-local"), "half a download").unwrap();
    assert_eq!(
        with(&script, "v1.9.1"),
        [format!("error 10-pods.conflist plugins[0].ipam.type: /opt/cni/bin/host-local is not a program: {READY}")]
    );
    let locked = |tree: &Tree| {
        std::fs::set_permissions(tree.at("opt/cni/bin/bridge"), std::fs::Permissions::from_mode(0o644)).unwrap();
    };
    assert_eq!(
        with(&locked, "v1.9.1"),
        [format!("error 10-pods.conflist plugins[0].type: /opt/cni/bin/bridge is not executable: {NOT_READY}")]
    );
    assert_eq!(
        with(&|_| (), "v0.8.7")[0],
        format!(
            "error 10-pods.conflist plugins[0].type: bridge supports CNI versions up to 0.4.0, but the network requires 1.0.0: {NOT_READY}"
        )
    );
    let broken =
        |tree: &Tree| tree.write("etc/cni/net.d/10-pods.conflist", LIST.replace("\"portmap\"}", "\"portmap\"},"));
    assert_eq!(
        with(&broken, "v1.9.1"),
        [format!(
            "error 10-pods.conflist:7 : the file is not valid JSON: line 7, column 3: a comma must be followed by another entry: {NOT_READY}"
        )]
    );
}

#[test]
fn check_recognizes_plugins_for_another_architecture() {
    let tree = image("v1.9.1", ARM64);
    for name in ["bridge", "host-local", "portmap"] {
        std::fs::write(tree.at(&format!("opt/cni/bin/{name}")), tiny(AMD64, name)).unwrap();
    }
    tree.write("etc/cni/net.d/10-pods.conflist", LIST);
    let found = findings(&tree, 3);
    assert_eq!(found.len(), 3, "{found:?}");
    assert_eq!(
        found[0],
        format!(
            "error 10-pods.conflist plugins[0].type: /opt/cni/bin/bridge is for amd64, and this host is arm64: {NOT_READY}"
        )
    );
}

#[test]
fn check_names_a_missing_or_disabled_configuration() {
    let tree = image("v1.9.1", ARM64);
    assert!(findings(&tree, 3)[0].contains("no network configuration found"));
    tree.write("etc/cni/net.d/10-crio-bridge.conflist.disabled", LIST);
    let ran = run(&tree, &["check"]).expect(3);
    assert!(ran.stdout.contains("hint: rename 10-crio-bridge.conflist.disabled"), "{}", ran.stdout);
}

#[test]
fn check_uses_the_first_valid_configuration() {
    let tree = image("v1.9.1", ARM64);
    tree.write("etc/cni/net.d/10-pods.conflist", LIST);
    tree.write("etc/cni/net.d/20-late.conf", r#"{"name": "late", "type": "gone"}"#);
    let found = findings(&tree, 0);
    assert_eq!(found[0], "note 20-late.conf : not used, as 10-pods.conflist comes first");
    assert_eq!(found[1], "warning 20-late.conf plugins[0].type: gone is not in /opt/cni/bin", "the runtime is ready");
    tree.write("etc/cni/net.d/05-list.conf", LIST);
    let found = findings(&tree, 3);
    assert!(
        found[0].starts_with(
            "error 05-list.conf : the file is a list of plugins, which is only read from a .conflist file"
        ),
        "{found:?}"
    );
    assert!(found[0].ends_with(": CRI-O skips it, and with containerd no pod gets a network"), "{found:?}");
    let ran = run(&tree, &["check"]).expect(3);
    // CRI-O uses the next one.
    tree.write("usr/bin/crio", "");
    assert!(findings(&tree, 0)[0].starts_with("warning 05-list.conf : the file is a list of plugins"));
    std::fs::remove_file(tree.at("usr/bin/crio")).unwrap();
    assert!(ran.stdout.ends_with("\n2 problems found\n"), "the one that is used has no problems: {}", ran.stdout);
}

#[test]
fn check_warns_about_a_missing_loopback() {
    let tree = image("v1.9.1", ARM64);
    tree.write("etc/cni/net.d/10-pods.conflist", LIST);
    std::fs::remove_file(tree.at("opt/cni/bin/loopback")).unwrap();
    assert_eq!(
        findings(&tree, 0),
        [
            "warning /opt/cni/bin : the plugin loopback is missing, which containerd and CRI-O before 1.30 run for every pod"
        ]
    );
}

#[test]
fn check_reports_a_range_without_free_addresses() {
    let tree = image("v1.9.1", ARM64);
    tree.write("etc/cni/net.d/10-pods.conflist", LIST);
    tree.write("var/lib/cni/networks/pods/last_reserved_ip.0", "10.85.0.6");
    for last in 2..=6 {
        assert!(findings(&tree, 0).is_empty(), "{last}");
        tree.write(&format!("var/lib/cni/networks/pods/10.85.0.{last}"), "container\neth0");
    }
    assert_eq!(
        findings(&tree, 3),
        ["error /var/lib/cni/networks/pods : all 5 addresses of 10.85.0.0/29 are leased, new pods get none"]
    );
}

#[test]
fn check_uses_the_directories_of_the_options() {
    let tree = image("v1.9.1", ARM64);
    std::fs::rename(tree.at("opt/cni/bin"), tree.at("opt/plugins")).unwrap();
    tree.write("srv/net.d/10-pods.conflist", LIST);
    run(&tree, &["check"]).expect(3);
    let ran = run(&tree, &["check", "--bin-dir", "/opt/plugins", "--conf-dir", "/srv/net.d"]).expect(0);
    assert!(ran.stdout.starts_with("/srv/net.d/10-pods.conflist (1.0.0"), "{}", ran.stdout);
    run(&tree, &["check", "--conf-dir", "net.d"]).expect(2);
    let ran = run(&tree, &["check", "--live"]).expect(2);
    assert!(ran.stderr.contains("cannot use --live with --root"), "{}", ran.stderr);
}

#[test]
fn check_and_edge_crio_report_the_same_errors() {
    let tree = image("v1.9.1", ARM64);
    let plugin = r#"{"type": "bridge", "ipam": {"type": "host-local", "subnet": "10.85.0.0/16"}}"#;
    for (text, want) in [
        (r#"{"name": "n"}"#.to_owned(), "the network has no plugins"),
        (r#"{"name": "n", "plugins": []}"#.to_owned(), "plugins: expected a list with at least one plugin"),
        (format!(r#"{{"plugins": [{plugin}]}}"#), "the network has no name"),
        (r#"{"name": "n", "plugins": [{"ipam": {}}]}"#.to_owned(), "plugins[0] has no type"),
        (format!(r#"{{"name": "n", "plugins": [{plugin}, "portmap"]}}"#), "plugins[1] is not a JSON object"),
        (format!(r#"{{"name": "a/b", "plugins": [{plugin}]}}"#), "\"a/b\" is not a valid network name"),
        (format!(r#"{{"name": "n", "cniVersions": "1.0.0", "plugins": [{plugin}]}}"#), "expected a list such as"),
        (plugin.replace("bridge", "vlan"), "a .conflist file must have a list of plugins"),
    ] {
        tree.write("etc/cni/net.d/10-pods.conflist", &text);
        let found = findings(&tree, 3);
        let at = match want {
            "expected a list such as" => "cniVersions",
            _ if want.starts_with("\"a/b\"") => "name",
            _ => "",
        };
        assert!(found[0].starts_with(&format!("error 10-pods.conflist {at}: {want}")), "{text}: {found:?}");
        let ran = Tool::new("edge-crio").arg("--root").arg(tree.path()).arg("check").run();
        let at = if at.is_empty() { String::new() } else { format!("{at}: ") };
        let said = format!("/etc/cni/net.d/10-pods.conflist: error: {at}pods get no network: {want}");
        assert!(ran.stdout.contains(&said), "{text}: {}", ran.stdout);
    }
}

#[test]
fn check_uses_the_highest_listed_version() {
    let tree = image("v1.5.1", ARM64);
    let with = |versions: &str| {
        let text = LIST.replace("\"cniVersion\": \"1.0.0\"", versions);
        tree.write("etc/cni/net.d/10-pods.conflist", text);
        run(&tree, &["check"]).stdout
    };
    let said = with(r#""cniVersion": "0.4.0", "cniVersions": ["0.4.0", "1.0.0"]"#);
    assert_eq!(said, "/etc/cni/net.d/10-pods.conflist (1.0.0, with bridge, host-local, portmap)\nno problems found\n");
    let said = with(r#""cniVersion": "0.4.0", "cniVersions": ["1.1.0", "0.4.0"]"#);
    assert!(said.contains("bridge supports CNI versions up to 1.0.0, but the network requires 1.1.0"), "{said}");
    // An older runtime ignores such lists.
    tree.write("usr/bin/crio", "\tgithub.com/containernetworking/cni\tv1.1.2\th1:x\n");
    let said = with(r#""cniVersion": "0.4.0", "cniVersions": ["1.1.0", "0.4.0"]"#);
    assert_eq!(said, "/etc/cni/net.d/10-pods.conflist (0.4.0, with bridge, host-local, portmap)\nno problems found\n");
}

#[test]
fn check_reads_plugins_from_the_directory_with_the_networks_name() {
    let tree = image("v1.9.1", ARM64);
    tree.write("etc/cni/net.d/10-pods.conflist", r#"{"cniVersion": "1.0.0", "name": "pods"}"#);
    assert!(findings(&tree, 3)[0].starts_with("error 10-pods.conflist : the network has no plugins"));
    tree.write("etc/cni/net.d/pods/10-bridge.conf", r#"{"type": "bridge"}"#);
    assert!(findings(&tree, 0).is_empty());
    tree.write("etc/cni/net.d/pods/20-x.conf", "{}");
    assert!(findings(&tree, 3)[0].starts_with("error 10-pods.conflist : pods/20-x.conf: the plugin has no type"));
}
