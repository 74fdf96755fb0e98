//! scripts/cloud-init: the commands of the user-data, in a private mount namespace.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;
use std::process::Command;

use edge_kubeedge::{Kind, Minor};
use edgeutils_tests::defaults::render;
use edgeutils_tests::tool::{self, Ran};
use edgeutils_tests::tree::Tree;
use edgeutils_tests::{live, skip, systems};
use serde_yaml::Value;
use sha2::{Digest, Sha256};

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts");

/// Mounts that isolate this host, then the files, then the command.
const RUN: &str = r#"
mount -t tmpfs tmpfs /run && mkdir /run/upper /run/work
mount -t overlay -o lowerdir=/etc,upperdir=/run/upper,workdir=/run/work overlay /etc
mount -t tmpfs tmpfs /opt
mkdir -p "$(dirname "$FILE")" && printf %s "$CONTENT" > "$FILE"
exec "$@"
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
        let (file, content) = self.node_env(own);
        let argv = self.0["runcmd"][0].as_sequence().unwrap().iter().map(|word| word.as_str().unwrap());
        let mut command = Command::new("timeout");
        command.args(["--kill-after=1", "60", "unshare", "-m", "--propagation", "private", "sh", "-euc", RUN, "run"]);
        command.args(argv).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        Ran::of(&command.env("FILE", file).env("CONTENT", content).output().unwrap())
    }
}

/// An archive as `cargo xtask dist` packs one, and its SHA-256.
fn archive(utilities: &[&str]) -> (Tree, String, String) {
    let tree = Tree::new();
    let stem = "edgeutils-0";
    for name in utilities {
        tree.write(&format!("{stem}/bin/{name}"), std::fs::read(tool::path(name)).unwrap());
        Command::new("chmod").arg("755").arg(tree.at(&format!("{stem}/bin/{name}"))).status().unwrap();
    }
    for name in ["edge-node.sh", "cloud-node.sh"] {
        tree.write(&format!("{stem}/scripts/{name}"), std::fs::read(Path::new(SCRIPTS).join(name)).unwrap());
    }
    let tar = tree.at("dist.tar");
    assert!(Command::new("tar").arg("-C").arg(tree.path()).arg("-cf").arg(&tar).arg(stem).status().unwrap().success());
    let sum = Sha256::digest(std::fs::read(&tar).unwrap()).iter().map(|byte| format!("{byte:02x}")).collect();
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
    assert!(again.stdout.ends_with(&"already up to date\n".repeat(3)), "{}", again.stdout);
    assert!(!Path::new("/opt/edgeutils").exists(), "the namespace leaked");
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
