//! scripts/cloud-init: the commands of the user-data, in a private mount namespace.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use edge_kubeedge::{Kind, Minor};
use edgeutils_tests::cni::{ARM64, image_for, sha256, tiny};
use edgeutils_tests::defaults::render;
use edgeutils_tests::tool::{self, Ran};
use edgeutils_tests::tree::Tree;
use edgeutils_tests::{live, skip, systems};
use serde_yaml::Value;

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts");

/// Mounts that isolate this host, then the files, then the command.
const RUN: &str = r#"
mount -t tmpfs tmpfs /run && mkdir /run/upper /run/work
mount -t overlay -o lowerdir=/etc,upperdir=/run/upper,workdir=/run/work overlay /etc
mount -t tmpfs tmpfs /opt
mount -t tmpfs tmpfs /usr/local/bin
mkdir -p "$(dirname "$FILE")" && printf %s "$CONTENT" > "$FILE"
eval "$SETUP"
"$@"
echo "on the PATH: $(command -v edge-prep)"
"#;

struct UserData(Value);

impl UserData {
    fn read(name: &str) -> UserData {
        let text = std::fs::read_to_string(Path::new(SCRIPTS).join("cloud-init").join(name)).unwrap();
        assert!(text.starts_with("#cloud-config\n"), "cloud-init detects the format by the first line");
        UserData(serde_yaml::from_str(&text).unwrap())
    }

    /// The path and content of node.env: the examples, replaced and extended by `own`.
    fn node_env(&self, own: &[(&str, &str)]) -> (String, String) {
        let file = &self.0["write_files"][0];
        let mut content = String::new();
        for line in file["content"].as_str().unwrap().lines() {
            let name = line.split_once('=').unwrap().0;
            if !own.iter().any(|(own, _)| *own == name) {
                content.push_str(&format!("{line}\n"));
            }
        }
        for (name, value) in own {
            content.push_str(&format!("{name}='{value}'\n"));
        }
        (file["path"].as_str().unwrap().to_owned(), content)
    }

    fn run(&self, own: &[(&str, &str)]) -> Ran {
        self.run_with(own, "")
    }

    /// After more commands on the host.
    fn run_with(&self, own: &[(&str, &str)], setup: &str) -> Ran {
        let (file, content) = self.node_env(own);
        let argv = self.0["runcmd"][0].as_sequence().unwrap().iter().map(|word| word.as_str().unwrap());
        let mut command = Command::new("timeout");
        command.args(["--kill-after=1", "300", "unshare", "-m", "--propagation", "private", "sh", "-euc"]);
        command.args([RUN, "run"]);
        command.args(argv).env_clear().env("PATH", "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        Ran::of(&command.env("FILE", file).env("CONTENT", content).env("SETUP", setup).output().unwrap())
    }
}

/// An archive as `cargo xtask dist` packs one, and its SHA-256.
pub(crate) fn archive(utilities: &[&str]) -> (Tree, String, String) {
    packed(utilities.iter().map(|name| (*name, std::fs::read(tool::path(name)).unwrap())))
}

/// With programs that write their calls to $CALLS; systemctl is one of them, and reports each unit as active.
fn recording_archive() -> (Tree, String, String) {
    let text = "#!/bin/sh\necho \"${0##*/} $*\" >> \"$CALLS\"\n[ -z \"${EDIT:-}\" ] || echo >> \"$EDIT\"\n";
    let names = ["edge-prep", "edge-certgen", "edge-conf", "edge-redirect", "systemctl"];
    packed(names.map(|name| (name, text.into())).into_iter())
}

fn packed<'a>(programs: impl Iterator<Item = (&'a str, Vec<u8>)>) -> (Tree, String, String) {
    let tree = Tree::new();
    let stem = "edgeutils-0";
    for (name, content) in programs {
        let path = format!("{stem}/bin/{name}");
        tree.write(&path, content);
        std::fs::set_permissions(tree.at(&path), std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    for name in ["edge-node.sh", "cloud-node.sh", "settings.sh"] {
        tree.write(&format!("{stem}/scripts/{name}"), std::fs::read(Path::new(SCRIPTS).join(name)).unwrap());
    }
    let tar = tree.at("dist.tar");
    assert!(Command::new("tar").arg("-C").arg(tree.path()).arg("-cf").arg(&tar).arg(stem).status().unwrap().success());
    let sum = sha256(&std::fs::read(&tar).unwrap());
    (tree, format!("file://{}", tar.display()), sum)
}

#[test]
fn edge_node_is_prepared_from_the_archive() {
    if !live::can_unshare() {
        return skip("edge_node_is_prepared_from_the_archive", "no private mount namespace");
    }
    let (_dir, url, sum) = archive(&["edge-prep", "edge-conf"]);
    let root = systems::by_name(systems::RASPBERRY_PI_OS_12);
    let file = "etc/kubeedge/config/edgecore.yaml";
    root.write(file, render(Kind::EdgeCore, Minor::new(8)));
    let root_dir = root.path().display().to_string();
    let own = [("ARCHIVE", url.as_str()), ("SHA256", &sum), ("CLOUDCORE", "192.0.2.9"), ("ROOT", &root_dir)];
    let user_data = UserData::read("edge-node.yaml");
    let ran = user_data.run(&own).expect(0);
    assert!(ran.stdout.contains("dist.tar: OK\n"), "{}", ran.stdout);
    assert!(root.read(file).contains("server: 192.0.2.9:10004\n"), "{}", root.read(file));
    let again = user_data.run(&own).expect(0);
    let last = "already up to date\nalready up to date\non the PATH: /usr/local/bin/edge-prep\n";
    assert!(again.stdout.ends_with(last), "{}", again.stdout);
    assert!(!root.read(file).contains("crio.sock"), "the runtime was changed: {}", root.read(file));
    assert!(!Path::new("/opt/edgeutils").exists(), "the namespace leaked");
}

#[test]
fn plugins_are_fetched_with_their_checksum() {
    if !live::can_unshare() {
        return skip("plugins_are_fetched_with_their_checksum", "no private mount namespace");
    }
    let (dir, url, sum) = archive(&["edge-prep", "edge-cni", "edge-conf"]);
    let root = systems::by_name(systems::DEBIAN_RASPI);
    image_for(&root, ARM64);
    dir.write("loopback", tiny(ARM64, "loopback"));
    let release = dir.at("cni-plugins-linux-arm64-v1.9.1.tgz");
    let made =
        Command::new("tar").arg("-C").arg(dir.path()).arg("-czf").arg(&release).arg("loopback").status().unwrap();
    assert!(made.success());
    let (plugins, plugins_sum) = (format!("file://{}", release.display()), sha256(&std::fs::read(&release).unwrap()));
    let root_dir = root.path().display().to_string();
    let own = [("ARCHIVE", url.as_str()), ("SHA256", &sum), ("ROOT", &root_dir), ("CNI_ARCHIVE", &plugins)];
    let user_data = UserData::read("edge-node.yaml");
    let ran = user_data.run(&[&own[..], &[("CNI_SHA256", plugins_sum.as_str())]].concat()).expect(0);
    assert!(root.at("opt/cni/bin/loopback").exists(), "{}{}", ran.stdout, ran.stderr);
    let ran = user_data.run(&[&own[..], &[("CNI_SHA256", "0".repeat(64).as_str())]].concat()).expect(1);
    assert!(ran.stdout.contains("v1.9.1.tgz: FAILED\n"), "{}", ran.stdout);
}

#[test]
fn edge_node_names_the_next_step() {
    if !live::can_unshare() {
        return skip("edge_node_names_the_next_step", "no private mount namespace");
    }
    let (_dir, url, sum) = recording_archive();
    let host = Tree::new();
    let file = "/etc/kubeedge/config/edgecore.yaml";
    let joined = format!("mkdir -p /etc/kubeedge/config; touch {file}; export CALLS={}", host.at("calls").display());
    let edit = format!("{joined} EDIT={file}");
    let reboot = format!("{joined}; touch /run/reboot-required");
    let bare = format!("{reboot}; rm {file}");
    for (setup, restart, last) in [
        (&joined, "no", "\nedge-node.sh: done\n"),
        (&edit, "no", "\nedge-node.sh: next: systemctl restart edgecore\n"),
        (&edit, "yes", "\nedge-node.sh: done\n"),
        (&reboot, "no", "\nedge-node.sh: reboot required: reboot\nedge-node.sh: done\n"),
        (
            &bare,
            "no",
            "edge-node.sh: reboot required: reboot\nedge-node.sh: edgecore.yaml does not exist yet: run keadm join, then this script again\n",
        ),
    ] {
        let own = [("ARCHIVE", url.as_str()), ("SHA256", &sum), ("RESTART", restart)];
        let ran = UserData::read("edge-node.yaml").run_with(&own, setup).expect(0);
        assert!(ran.stderr.ends_with(last), "{setup}\n{}", ran.stderr);
    }
    assert!(host.read("calls").contains("edge-conf --restart enable logs"), "{}", host.read("calls"));
}

/// cloudcore runs after keadm init, and is restarted once its file was changed.
#[test]
fn cloud_node_restarts_cloudcore_after_the_edit() {
    if !live::can_unshare() {
        return skip("cloud_node_restarts_cloudcore_after_the_edit", "no private mount namespace");
    }
    let user_data = UserData::read("cloud-node.yaml");
    let (_, content) = user_data.node_env(&[]);
    assert!(content.contains("\nRESTART=yes\n"), "{content}");
    let (_, content) = UserData::read("edge-node.yaml").node_env(&[]);
    assert!(content.contains("\nRESTART=yes\n") && content.contains("\nRUNTIME=keep\n"), "{content}");
    // The utilities record their calls; the unit is active.
    let (dir, url, sum) = recording_archive();
    let host = Tree::new();
    let own = [("ARCHIVE", url.as_str()), ("SHA256", &sum), ("CLOUDCORE", "192.0.2.1")];
    let calls = host.at("calls").display().to_string();
    let setup =
        format!("export CALLS={calls}; mkdir -p /etc/kubeedge/config; touch /etc/kubeedge/config/cloudcore.yaml");
    let ran = user_data.run_with(&own, &setup).expect(0);
    let calls = host.read("calls");
    assert!(calls.contains("edge-conf --kubeedge-version 1.7.2 --restart enable logs\n"), "{calls}{}", ran.stderr);
    assert!(ran.stderr.ends_with("\ncloud-node.sh: done\n"), "{}", ran.stderr);
    drop(dir);
}

#[test]
fn archive_with_another_sum_is_not_unpacked() {
    if !live::can_unshare() {
        return skip("archive_with_another_sum_is_not_unpacked", "no private mount namespace");
    }
    let (_dir, url, _) = archive(&[]);
    for name in ["edge-node.yaml", "cloud-node.yaml"] {
        let ran = UserData::read(name).run(&[("ARCHIVE", &url), ("ROOT", "/nonexistent")]);
        assert_eq!(ran.code, 1, "{}", ran.stderr);
        assert!(ran.stdout.contains("dist.tar: FAILED\n"), "{}", ran.stdout);
    }
}
