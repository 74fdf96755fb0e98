//! Compares what edge-crio and edge-cni report of network configurations with CRI-O's own library.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;
use std::process::Command;

use edgeutils_tests::cni::{AMD64, ARM64, image_for, own_arch, tiny};
use edgeutils_tests::tool::{Ran, Tool};
use edgeutils_tests::tree::Tree;
use edgeutils_tests::{skip, standin};

/// Files of network configurations, each alone in its directory.
const CASES: [(&str, &str); 33] = [
    ("1.conflist", r#"{"cniVersion": "1.0.0", "name": "n", "plugins": [{"type": "bridge"}]}"#),
    ("1.conflist", r#"{"name": "n", "plugins": [{"type": "bridge"}]}"#),
    ("1.conflist", r#"{"name": "", "plugins": [{"type": "bridge"}]}"#),
    ("1.conflist", r#"{"plugins": [{"type": "bridge"}]}"#),
    ("1.conflist", r#"{"name": 5, "plugins": [{"type": "bridge"}]}"#),
    ("1.conflist", r#"{"name": null, "plugins": [{"type": "bridge"}]}"#),
    ("1.conflist", r#"{"name": "n"}"#),
    ("1.conflist", r#"{"name": "n", "plugins": []}"#),
    ("1.conflist", r#"{"name": "n", "plugins": {}}"#),
    ("1.conflist", r#"{"name": "n", "plugins": null}"#),
    ("1.conflist", r#"{"name": "n", "plugins": ["bridge"]}"#),
    ("1.conflist", r#"{"name": "n", "plugins": [{"type": "bridge"}, {}]}"#),
    ("1.conflist", r#"{"name": "n", "plugins": [{"type": ""}]}"#),
    ("1.conflist", r#"{"name": "n", "plugins": [{"type": 5}]}"#),
    ("1.conflist", r#"{"name": "n", "plugins": [{"type": "bridge", "ipam": "host-local"}]}"#),
    ("1.conflist", r#"{"name": "n", "plugins": [{"type": "bridge", "ipam": null}]}"#),
    ("1.conflist", r#"{"name": "n", "plugins": [{"type": "bridge", "ipam": {}}]}"#),
    ("1.conflist", r#"{"name": "n", "plugins": [{"type": "bridge", "capabilities": {"a": 1}}]}"#),
    ("1.conflist", r#"{"name": "n", "plugins": [{"type": "bridge", "dns": []}]}"#),
    ("1.conflist", r#"{"name": "n", "disableCheck": true, "plugins": [{"type": "bridge"}]}"#),
    ("1.conflist", r#"{"name": "n", "disableCheck": "TRUE", "plugins": [{"type": "bridge"}]}"#),
    ("1.conflist", r#"{"name": "n", "disableCheck": 1, "plugins": [{"type": "bridge"}]}"#),
    ("1.conflist", r#"{"name": "n", "cniVersion": 1, "plugins": [{"type": "bridge"}]}"#),
    ("1.conflist", r#"{"name": "n", "cniVersions": ["0.4.0", "9.9.9"], "plugins": [{"type": "bridge"}]}"#),
    ("1.conflist", r#"{"name": "n", "cniVersions": "1.0.0", "plugins": [{"type": "bridge"}]}"#),
    ("1.conflist", r#"{"name": "n", "cniVersions": [1], "plugins": [{"type": "bridge"}]}"#),
    ("1.conflist", r#"{"name": "n", "type": "bridge"}"#),
    ("1.conf", r#"{"name": "n", "type": "bridge"}"#),
    ("1.conf", r#"{"type": "bridge"}"#),
    ("1.conf", r#"{"name": "n", "plugins": [{"type": "bridge"}]}"#),
    ("1.json", r#"{"name": "n", "type": "bridge", "cniVersions": 5}"#),
    ("1.conflist.bak", r#"{"name": "n", "plugins": [{"type": "bridge"}]}"#),
    ("1.conflist", "\u{feff}{\"name\": \"n\", \"plugins\": [{\"type\": \"bridge\"}]}"),
];

/// The library's error; none if the network can be used.
fn judged(judge: &Path, tree: &Tree, plugins: &Tree) -> Option<String> {
    let output = Command::new(judge).arg("judge").arg(tree.at("etc/cni/net.d")).arg(plugins.path()).output().unwrap();
    let ran = Ran::of(&output);
    (ran.code != 0).then_some(ran.stderr)
}

#[test]
fn check_rejects_exactly_what_cri_o_cannot_use() {
    let judge = match standin::build(own_arch(), "1.34.2") {
        Ok(judge) => judge,
        Err(reason) => return skip("crio_judge", &reason),
    };
    let plugins = Tree::new();
    // Called by this name, the program behaves as a plugin.
    plugins.link("bridge", judge.to_str().unwrap());
    let machine = if own_arch() == "arm64" { ARM64 } else { AMD64 };
    let mut usable = 0;
    for (name, text) in CASES {
        let tree = Tree::new();
        image_for(&tree, machine);
        tree.write("opt/cni/bin/bridge", tiny(machine, "bridge"));
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(tree.at("opt/cni/bin/bridge"), mode).unwrap();
        tree.write(&format!("etc/cni/net.d/{name}"), text);
        let want = judged(&judge, &tree, &plugins);
        usable += usize::from(want.is_none());
        let run = |tool: &str| Tool::new(tool).arg("--root").arg(tree.path()).arg("check").run();
        let (crio, cni) = (run("edge-crio"), run("edge-cni"));
        let reports = crio.stdout.contains("pods get no network");
        assert_eq!(reports, want.is_some(), "{name} {text}\nCRI-O: {want:?}\nedge-crio: {}", crio.stdout);
        assert_eq!(cni.code == 3, want.is_some(), "{name} {text}\nCRI-O: {want:?}\nedge-cni: {}", cni.stdout);
    }
    assert!((8..CASES.len() - 8).contains(&usable), "{usable} of {} can be used", CASES.len());
}
