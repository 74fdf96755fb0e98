//! EdgeMesh's name server in /etc/resolv.conf.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use edgeutils_tests::sweep::look;
use edgeutils_tests::tool::{Ran, Tool};
use edgeutils_tests::tree::{Tree, assert_same};

use crate::pictures;

const REST: &str = "# made by the host\nsearch lan\nnameserver 192.0.2.53\noptions edns0\n";

fn reset(tree: &Tree, args: &[&str]) -> Ran {
    Tool::new("edge-reset").arg("--root").arg(tree.path()).args(args).run()
}

/// A node of 1.7, whose edgecore runs EdgeMesh, with this name server before the others; the file is behind a link.
fn node(address: &str) -> Tree {
    let tree = pictures::keadm_1_8();
    tree.write(
        "etc/kubeedge/config/edgecore.yaml",
        "apiVersion: edgecore.config.kubeedge.io/v1alpha1\nmodules: {edgeMesh: {enable: true, listenInterface: docker0}}\n",
    );
    tree.write(
        "etc/resolvconf/resolv.conf",
        REST.replacen("nameserver", &format!("nameserver {address}\nnameserver"), 1),
    );
    fs::set_permissions(tree.at("etc/resolvconf/resolv.conf"), fs::Permissions::from_mode(0o600)).unwrap();
    tree.link("etc/resolv.conf", "resolvconf/resolv.conf");
    tree
}

#[test]
fn name_server_of_edgemesh_goes_and_is_restored() {
    let tree = node("172.17.0.1");
    let before = look(tree.path());
    let ran = reset(&tree, &["apply", "--yes"]).expect(0);
    assert_eq!(tree.read("etc/resolvconf/resolv.conf"), REST, "{}", ran.stdout);
    assert!(tree.at("etc/resolv.conf").is_symlink());
    assert_eq!(fs::metadata(tree.at("etc/resolv.conf")).unwrap().permissions().mode() & 0o7777, 0o600);
    assert!(ran.stdout.contains("the line nameserver 172.17.0.1 of EdgeMesh goes, the rest stays  [undo: exact]"));
    assert!(reset(&tree, &["apply", "--yes"]).expect(0).stdout.ends_with("already up to date\n"));
    reset(&tree, &["undo"]).expect(0);
    assert_same(&look(tree.path()), &before, "after the undo");
}

#[test]
fn name_server_stays_where_a_proof_is_missing() {
    let unchanged = |tree: &Tree, what: &str| {
        let before = tree.read("etc/resolvconf/resolv.conf");
        let ran = reset(tree, &["apply", "--yes"]).expect(0);
        assert_eq!(tree.read("etc/resolvconf/resolv.conf"), before, "{what}: {}", ran.stdout);
        ran
    };
    unchanged(&node("172.17.0.2"), "it is not docker0's address");
    let tree = node("172.17.0.1");
    tree.write("etc/docker/daemon.json", r#"{"bip": "10.9.0.1/24"}"#);
    unchanged(&tree, "docker0 has another address");
    let tree = node("172.17.0.1");
    tree.write("etc/kubeedge/config/edgecore.yaml", "modules: {edgeMesh: {enable: false, listenInterface: docker0}}\n");
    unchanged(&tree, "EdgeMesh is off");
    // dnsmasq answers there from the next boot on.
    let tree = node("172.17.0.1");
    tree.write("usr/lib/systemd/system/multi-user.target", "[Unit]\n");
    tree.write("usr/lib/systemd/system/dnsmasq.service", "[Service]\nExecStart=/usr/sbin/dnsmasq\n");
    tree.link("etc/systemd/system/multi-user.target.wants/dnsmasq.service", "/usr/lib/systemd/system/dnsmasq.service");
    let ran = unchanged(&tree, "another server answers there");
    assert!(ran.stdout.contains("/etc/resolv.conf: dnsmasq.service answers on 172.17.0.1"), "{}", ran.stdout);
}
