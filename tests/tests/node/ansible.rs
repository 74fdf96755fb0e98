//! scripts/ansible: the results changed, ok and failed, and check mode.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use edge_kubeedge::{Kind, Minor};
use edgeutils_tests::cni::{ARM64, fake_build, image_for, tiny};
use edgeutils_tests::defaults::render;
use edgeutils_tests::standin::bundle;
use edgeutils_tests::tool::{self, Ran, Tool};
use edgeutils_tests::tree::{Tree, assert_same};
use edgeutils_tests::{live, skip, systems};
use serde_json::{Value, json};

use crate::cloud_init;

const PLAYS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/ansible");
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

fn play_with(root: &Tree, variables: Value, args: &[&str]) -> Played {
    play_of("edge-node.yaml", root, variables, args)
}

fn play_of(name: &str, root: &Tree, mut variables: Value, args: &[&str]) -> Played {
    if variables["edgeutils_bin"].is_null() && variables["edgeutils_archive"].is_null() {
        variables["edgeutils_bin"] = json!(tool::path("edge-conf").parent().unwrap());
    }
    variables["edgeutils_root"] = json!(root.path());
    variables["edgeutils_hosts"] = json!("localhost");
    run(Command::new("ansible-playbook"), name, &variables, args)
}

/// Runs a play on this host by a command that ends with `ansible-playbook`.
fn run(mut command: Command, name: &str, variables: &Value, args: &[&str]) -> Played {
    let home = Tree::new();
    let play = format!("{PLAYS}/{name}");
    command.args(["-i", "localhost,", "-c", "local", &play, "-e", &variables.to_string()]).args(args);
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
    play(&root, "192.0.2.9", &["--check"]).expect(0, 2, 0);
    assert_same(&root.snapshot(), &before, "check mode");

    play(&root, "192.0.2.9", &[]).expect(0, 2, 0);
    let edgecore = root.read(EDGECORE);
    assert!(edgecore.contains("server: 192.0.2.9:10004\n"));
    assert!(edgecore.contains("dockershim.sock") && !edgecore.contains("crio"), "the runtime was changed: {edgecore}");
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
    for address in ["2001:db8::7", "[2001:db8::8]"] {
        play(&root, address, &[]).expect(0, 1, 0);
        let server = format!("server: \"[{}]:10004\"\n", address.trim_matches(['[', ']']));
        assert!(root.read(EDGECORE).contains(&server), "{}", root.read(EDGECORE));
    }
}

#[test]
fn play_changes_nothing_with_an_invalid_setting() {
    if !Path::new("/usr/bin/ansible-playbook").exists() {
        return skip("play_changes_nothing_with_an_invalid_setting", "no ansible-playbook");
    }
    let root = systems::by_name(systems::UBUNTU_24_04);
    root.write(EDGECORE, render(Kind::EdgeCore, Minor::new(12)));
    let before = root.snapshot();
    for variables in [
        json!({"edgeutils_kubeedge_version": "latest"}),
        json!({"edgeutils_kubeedge_version": 1.21}),
        // YAML reads an unquoted 1.30 as 1.3.
        json!({"edgeutils_crio_version": 1.3}),
        json!({"edgeutils_runtime": "docker"}),
        json!({"edgeutils_kubeedge_version": "1.10.0", "edgeutils_crio_version": "1.34"}),
        json!({"edgeutils_cloudcore": "127.0.0.1"}),
        json!({"edgeutils_cni_plugins": "/nonexistent"}),
        json!({"edgeutils_pod_subnet": "10.85.0.0/99"}),
    ] {
        play_with(&root, variables, &[]).expect(2, 0, 1);
        assert_same(&root.snapshot(), &before, "an invalid setting");
    }
    // CRI-O is not installed: the runtime of a working node is kept.
    let played = play_with(&root, json!({"edgeutils_runtime": "crio"}), &[]);
    assert_eq!(played.stats["failures"], 1, "{}", played.ran.stdout);
    assert!(played.ran.stdout.contains("it is not installed"), "{}", played.ran.stdout);
    assert_same(&root.snapshot(), &before, "edgeutils_runtime");
    let cloud = Tree::with(&[("etc/kubeedge/config/cloudcore.yaml", &render(Kind::CloudCore, Minor::new(7)))]);
    let before = cloud.snapshot();
    let variables = json!({"edgeutils_kubeedge_version": "1.2.0", "edgeutils_certgen_options": []});
    play_of("cloud-node.yaml", &cloud, variables, &[]).expect(2, 0, 1);
    assert_same(&cloud.snapshot(), &before, "edgeutils_kubeedge_version");
}

#[test]
fn play_has_no_hosts_unless_they_are_named() {
    if !Path::new("/usr/bin/ansible-playbook").exists() {
        return skip("play_has_no_hosts_unless_they_are_named", "no ansible-playbook");
    }
    let inventory = Tree::with(&[("hosts", "plain\n[edge_nodes]\nedge-1\nedge-2\n[cloud_nodes]\ncloud-1\n")]);
    for (name, expected) in [("edge-node.yaml", &["edge-1", "edge-2"][..]), ("cloud-node.yaml", &["cloud-1"])] {
        let output = Command::new("ansible-playbook")
            .args(["--list-hosts", "-i"])
            .arg(inventory.at("hosts"))
            .arg(format!("{PLAYS}/{name}"))
            .output();
        let ran = Ran::of(&output.unwrap()).expect(0);
        let mut hosts: Vec<&str> = ran.stdout.lines().filter_map(|line| line.strip_prefix("      ")).collect();
        hosts.sort_unstable();
        assert_eq!(hosts, expected, "{}", ran.stdout);
        // One host after the other, and one reboot at a time whatever `serial` is.
        let play: serde_yaml::Value =
            serde_yaml::from_str(&std::fs::read_to_string(format!("{PLAYS}/{name}")).unwrap()).unwrap();
        assert!(!play[0]["serial"].is_null(), "{name}");
        let mut handlers = play[0]["handlers"].as_sequence().unwrap().iter();
        let reboot = handlers.find(|handler| handler["name"] == "Reboot").unwrap();
        assert_eq!(reboot["throttle"], 1, "{name}");
    }
}

#[test]
fn play_copies_the_archive_and_plugins() {
    if !Path::new("/usr/bin/ansible-playbook").exists() {
        return skip("play_copies_the_archive_and_plugins", "no ansible-playbook");
    }
    let (root, beside) = (systems::by_name(systems::DEBIAN_RASPI), Tree::new());
    image_for(&root, ARM64);
    fake_build(&beside.at("plugins/arm64"), "v1.9.1", "arm64", &[("loopback", tiny(ARM64, "loopback"))]);
    let (archive, _, _) = cloud_init::archive(&["edge-prep", "edge-cni"]);
    let target = beside.at("opt");
    let variables = json!({
        "edgeutils_archive": archive.at("dist.tar"),
        "edgeutils_cni_source": beside.at("plugins"),
        "edgeutils_dir": target,
    });
    let before = root.snapshot();
    // Directory, archive and plugins; host preparation and the installation of the plugins.
    play_with(&root, variables.clone(), &["--check"]).expect(0, 5, 0);
    assert_same(&root.snapshot(), &before, "check mode");
    assert!(!target.exists(), "check mode has copied the utilities");

    play_with(&root, variables.clone(), &[]).expect(0, 6, 0);
    assert!(target.join("scripts/edge-node.sh").exists() && root.at("opt/cni/bin/loopback").exists());
    play_with(&root, variables.clone(), &["--check"]).expect(0, 0, 0);
    play_with(&root, variables.clone(), &[]).expect(0, 0, 0);
    // Copied, and interrupted before it was unpacked.
    std::fs::remove_file(target.join(".unpacked")).unwrap();
    std::fs::write(target.join("bin/edge-prep"), "").unwrap();
    play_with(&root, variables, &[]).expect(0, 1, 0);
    assert!(std::fs::metadata(target.join("bin/edge-prep")).unwrap().len() > 0);
}

/// A host of its own: the directories that the play changes, and a systemctl that records its calls.
const HOST: &str = r#"
mount -t tmpfs tmpfs /run && mkdir /run/upper /run/work
mount -t overlay -o lowerdir=/etc,upperdir=/run/upper,workdir=/run/work overlay /etc
mkdir -p /etc/kubeedge/config && touch "/etc/kubeedge/config/$1"
shift
exec "$@"
"#;

#[test]
fn play_restarts_what_runs_with_changed_settings() {
    if !Path::new("/usr/bin/ansible-playbook").exists() || !live::can_unshare() {
        return skip("play_restarts_what_runs_with_changed_settings", "no ansible-playbook, or no namespace");
    }
    let bin = Tree::new();
    let program = |name: &str, text: &str| {
        bin.write(name, format!("#!/bin/sh\n{text}\n"));
        std::fs::set_permissions(bin.at(name), std::fs::Permissions::from_mode(0o755)).unwrap();
    };
    let calls = bin.at("calls");
    let systemctl = |state: &str| {
        program("systemctl", &format!("echo \"$*\" >> {}; [ \"$1\" != is-active ] || {state}", calls.display()));
    };
    for name in ["edge-prep", "edge-certgen", "edge-redirect"] {
        program(name, "echo '{\"changed\":false,\"reboot\":false}'");
    }
    let edge_conf = |changed: bool| {
        let json = format!("{{\"changed\":{changed},\"reboot\":false}}");
        program("edge-conf", &format!("[ \"$1\" != get ] || {{ echo 192.0.2.1; exit; }}; echo '{json}'"));
    };
    let played = |name: &str| {
        let _ = std::fs::remove_file(&calls);
        let mut command = Command::new("timeout");
        command.args(["300", "unshare", "-m", "--propagation", "private", "sh", "-euc", HOST, "sh"]);
        command
            .arg(format!("{}core.yaml", name.split('-').next().unwrap()))
            .arg("env")
            .arg(format!("PATH={}:/usr/sbin:/usr/bin:/sbin:/bin", bin.path().display()));
        command.arg("ansible-playbook");
        let variables = json!({
            "edgeutils_bin": bin.path(), "edgeutils_root": "", "edgeutils_hosts": "localhost",
            "edgeutils_kubeedge_version": "1.7.2", "edgeutils_restart_wait": 0, "ansible_become": false,
        });
        let played = run(command, name, &variables, &[]);
        (played, std::fs::read_to_string(&calls).unwrap_or_default())
    };
    for name in ["edge-node.yaml", "cloud-node.yaml"] {
        let unit = format!("{}core.service", name.split('-').next().unwrap());
        edge_conf(true);
        systemctl("true");
        let (result, called) = played(name);
        // The file, and the restart.
        result.expect(0, 2, 0);
        let active = format!("is-active --quiet {unit}\n");
        assert_eq!(called, format!("{active}restart {unit}\n{active}"), "{name}");
        // A unit that is not running is not started.
        systemctl("exit 3");
        let (result, called) = played(name);
        result.expect(0, 1, 0);
        assert_eq!(called, active, "{name}");
        // One that does not stay active is reported.
        systemctl("case $(tail -n 2 \"${0%systemctl}calls\" | head -n 1) in restart*) exit 3 ;; esac");
        let (result, _) = played(name);
        assert_eq!(result.stats["failures"], 1, "{}", result.ran.stdout);
        edge_conf(false);
        systemctl("true");
        let (result, called) = played(name);
        result.expect(0, 0, 0);
        assert_eq!(called, "", "{name}");
    }
}

/// The results of a task on the only host with this outcome, by the start of its name.
fn results(played: &Played, task: &str, outcome: &str) -> Vec<Value> {
    let report: Value = serde_json::from_str(&played.ran.stdout).unwrap();
    let tasks = report["tasks"].as_array().unwrap();
    let is_it = |one: &&Value| {
        one["task"].as_str().unwrap().starts_with(task) && one["host"] == "localhost" && one["outcome"] == outcome
    };
    tasks.iter().filter(is_it).map(|one| one["result"].clone()).collect()
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
            "edgeutils_pod_subnet": "10.85.0.0/16,fd00:85::/64",
            "edgeutils_crio_version": "1.30.4",
            "edgeutils_crio_options": ["--archive", archive, "--sha256", sum, "--cgroup-driver", "cgroupfs"],
        })
    };
    let before = root.snapshot();
    // Host preparation, plugins, a network, CRI-O, and two parts of edgecore.yaml.
    play_with(&root, all(&sum), &["--check"]).expect(0, 6, 0);
    assert_same(&root.snapshot(), &before, "check mode");

    // An archive that would be refused is refused before the first change.
    let failed = play_with(&root, all(&"0".repeat(64)), &[]);
    failed.expect(2, 0, 1);
    let call = &results(&failed, "edge-crio install", "failed")[0];
    assert_eq!(call["rc"], 4, "{call}");
    assert!(call["stderr"].as_str().unwrap().contains("its SHA-256 is"), "{call}");
    assert_same(&root.snapshot(), &before, "a damaged archive");

    // A failure stops the play; earlier changes are kept, and are not repeated.
    fake_build(&beside.at("few/arm64"), "v1.9.1", "arm64", &[("loopback", tiny(ARM64, "loopback"))]);
    let mut few = all(&sum);
    few["edgeutils_cni_plugins"] = json!(beside.at("few"));
    let failed = play_with(&root, few, &[]);
    failed.expect(2, 2, 1);
    let call = &results(&failed, "edge-cni conf", "failed")[0];
    assert!(call["stderr"].as_str().unwrap().contains("bridge is missing in "), "{call}");

    play_with(&root, all(&sum), &[]).expect(0, 5, 0);
    let network = root.read("etc/cni/net.d/10-edgeutils.conflist");
    assert!(network.contains("10.85.0.0/16") && network.contains("fd00:85::/64"), "{network}");
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
