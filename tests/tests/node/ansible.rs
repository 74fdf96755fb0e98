//! scripts/ansible: the results changed, ok and failed, and check mode.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;
use std::process::Command;

use edge_kubeedge::{Kind, Minor};
use edgeutils_tests::cni::{ARM64, fake_build, image_for, tiny};
use edgeutils_tests::defaults::render;
use edgeutils_tests::standin::bundle;
use edgeutils_tests::tool::{self, Ran, Tool};
use edgeutils_tests::tree::{Tree, assert_same};
use edgeutils_tests::{skip, systems};
use serde_json::{Value, json};

const PLAY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/ansible/edge-node.yaml");
/// Directory of the callback plugin that prints a JSON report; ansible-core has no such plugin.
const CALLBACKS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/ansible");
const EDGECORE: &str = "etc/kubeedge/config/edgecore.yaml";

/// The result of a play on its only host.
struct Played {
    ran: Ran,
    stats: Value,
}

fn play(root: &Tree, cloudcore: &str, args: &[&str]) -> Played {
    play_with(root, json!({"edgeutils_cloudcore": cloudcore}), args)
}

fn play_with(root: &Tree, mut variables: Value, args: &[&str]) -> Played {
    let home = Tree::new();
    if variables["edgeutils_bin"].is_null() {
        variables["edgeutils_bin"] = json!(tool::path("edge-conf").parent().unwrap());
    }
    variables["edgeutils_root"] = json!(root.path());
    let mut command = Command::new("ansible-playbook");
    command.args(["-i", "localhost,", "-c", "local", PLAY, "-e", &variables.to_string()]).args(args);
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("HOME", home.path());
    command.env("LC_ALL", "C.UTF-8").env("ANSIBLE_LOCALHOST_WARNING", "false");
    command.env("ANSIBLE_CALLBACK_PLUGINS", CALLBACKS).env("ANSIBLE_STDOUT_CALLBACK", "report");
    // Python would leave its bytecode beside the callback, in the sources.
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    let ran = Ran::of(&command.output().unwrap());
    let report: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{}{}", ran.stdout, ran.stderr));
    Played { stats: report["stats"]["localhost"].clone(), ran }
}

impl Played {
    #[track_caller]
    fn expect(&self, code: i32, changed: u64, failed: u64) {
        let counted = [&self.stats["changed"], &self.stats["failures"]].map(|count| count.as_u64().unwrap());
        assert_eq!((self.ran.code, counted), (code, [changed, failed]), "{}{}", self.ran.stdout, self.ran.stderr);
    }
}

#[test]
fn play_reports_what_the_utilities_changed() {
    if !Path::new("/usr/bin/ansible-playbook").exists() {
        return skip("play_reports_what_the_utilities_changed", "no ansible-playbook");
    }
    let root = systems::by_name(systems::UBUNTU_24_04);
    root.write(EDGECORE, render(Kind::EdgeCore, Minor::new(12)));
    let before = root.snapshot();
    play(&root, "192.0.2.9", &["--check"]).expect(0, 3, 0);
    assert_same(&root.snapshot(), &before, "check mode");

    play(&root, "192.0.2.9", &[]).expect(0, 3, 0);
    assert!(root.read(EDGECORE).contains("server: 192.0.2.9:10004\n"));
    play(&root, "192.0.2.9", &["--check"]).expect(0, 0, 0);
    play(&root, "192.0.2.9", &[]).expect(0, 0, 0);

    let played = play_with(&root, json!({"edgeutils_bin": "/nowhere"}), &[]);
    played.expect(2, 0, 1);
    let call = &results(&played, "edge-prep apply", "failed")[0];
    // The second is of ansible-core 2.19 and newer, which prints the cause itself.
    let causes = ["No such file or directory", "Error executing command"];
    assert!(causes.iter().any(|cause| call["msg"].as_str().unwrap().contains(cause)), "{call}");
    assert!(call["cmd"].to_string().contains("/nowhere/edge-prep"), "{call}");
    // A condition that could not be evaluated would be a text.
    assert!(!call["changed_when_result"].is_string(), "{call}");

    let played = play(&root, "nonsense!", &[]);
    played.expect(2, 0, 1);
    assert!(played.ran.stdout.contains("cannot use --server"), "{}", played.ran.stdout);
}

/// The results of a task on the only host with this outcome, by the start of its name.
fn results(played: &Played, task: &str, outcome: &str) -> Vec<Value> {
    let report: Value = serde_json::from_str(&played.ran.stdout).unwrap();
    let tasks = report["tasks"].as_array().unwrap();
    let is_it = |one: &&Value| {
        one["task"].as_str().unwrap().starts_with(task) && one["host"] == "localhost" && one["outcome"] == outcome
    };
    tasks.iter().filter(is_it).map(|one| one["said"].clone()).collect()
}

#[test]
fn play_installs_plugins_a_network_and_crio_in_an_image() {
    if !Path::new("/usr/bin/ansible-playbook").exists() {
        return skip("play_installs_plugins_a_network_and_crio_in_an_image", "no ansible-playbook");
    }
    let (root, beside) = (systems::by_name(systems::DEBIAN_RASPI), Tree::new());
    image_for(&root, ARM64);
    root.write(EDGECORE, render(Kind::EdgeCore, Minor::new(12)));
    let plugins = ["bridge", "host-local", "loopback", "portmap"].map(|name| (name, tiny(ARM64, name)));
    fake_build(&beside.at("plugins/arm64"), "v1.9.1", "arm64", &plugins);
    let (archive, sum) = bundle(&beside.at("plugins"), "1.30.4", "arm64", &tiny(ARM64, "crio"));
    let all = |sum: &str| {
        json!({
            "edgeutils_cloudcore": "192.0.2.9",
            "edgeutils_cni_plugins": beside.at("plugins"),
            "edgeutils_pod_subnet": "10.85.0.0/16",
            "edgeutils_crio_version": "1.30.4",
            "edgeutils_crio_options": ["--archive", archive, "--sha256", sum, "--cgroup-driver", "cgroupfs"],
        })
    };
    let before = root.snapshot();
    // Host preparation, plugins, a network, CRI-O, and two parts of edgecore.yaml.
    play_with(&root, all(&sum), &["--check"]).expect(0, 6, 0);
    assert_same(&root.snapshot(), &before, "check mode");

    // A failure stops the play; earlier changes are kept, and are not repeated.
    let failed = play_with(&root, all(&"0".repeat(64)), &[]);
    failed.expect(2, 3, 1);
    let call = &results(&failed, "edge-crio install", "failed")[0];
    assert_eq!(call["rc"], 4, "{call}");
    assert!(call["stderr"].as_str().unwrap().contains("its SHA-256 is"), "{call}");
    assert!(!root.at("usr/local/bin/crio").exists());

    play_with(&root, all(&sum), &[]).expect(0, 3, 0);
    assert!(root.read("etc/cni/net.d/10-edgeutils.conflist").contains("10.85.0.0/16"));
    assert!(root.at("opt/cni/bin/portmap").exists() && root.at("usr/local/bin/crio").exists());
    let edgecore = root.read(EDGECORE);
    assert!(edgecore.contains("cgroupDriver: cgroupfs\n"), "{edgecore}");
    let whole = root.snapshot();
    play_with(&root, all(&sum), &["--check"]).expect(0, 0, 0);
    play_with(&root, all(&sum), &[]).expect(0, 0, 0);
    assert_same(&root.snapshot(), &whole, "a second run");
    let checked = Tool::new("edge-cni").arg("--root").arg(root.path()).arg("check").run().expect(0);
    assert!(checked.stdout.ends_with("no problems found\n"), "{}", checked.stdout);
}

#[test]
fn play_reports_why_an_image_cannot_be_changed() {
    if !Path::new("/usr/bin/ansible-playbook").exists() {
        return skip("play_reports_why_an_image_cannot_be_changed", "no ansible-playbook");
    }
    let root = systems::by_name(systems::DEBIAN_RASPI);
    image_for(&root, ARM64);
    for (variables, task, text) in [
        (
            json!({"edgeutils_crio_version": "1.34", "edgeutils_crio_options": ["--source", "apt"]}),
            "edge-crio install",
            "cannot install CRI-O 1.34 from apt: apt is not run in an image",
        ),
        (json!({"edgeutils_cni_plugins": "/nowhere"}), "edge-cni install", "cannot install from /nowhere: "),
        (json!({"edgeutils_pod_subnet": "10.85.0.0/16"}), "edge-cni conf", "bridge is missing in "),
    ] {
        let played = play_with(&root, variables, &[]);
        assert_eq!(played.stats["failures"], 1, "{}", played.ran.stdout);
        let call = &results(&played, task, "failed")[0];
        let stderr = call["stderr"].as_str().unwrap();
        assert!(stderr.contains(text) && stderr.contains("\nhint: "), "{stderr}");
    }
}
