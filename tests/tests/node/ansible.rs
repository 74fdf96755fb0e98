//! scripts/ansible: the role on three hosts that are reached by ssh.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;
use std::process::Command;

use edge_kubeedge::{Kind, Minor};
use edgeutils_tests::cni::{AMD64, ARM64, fake_build, own_arch, tiny};
use edgeutils_tests::defaults::render;
use edgeutils_tests::fleet::Fleet;
use edgeutils_tests::pki::Pki;
use edgeutils_tests::skip;
use edgeutils_tests::systemd::Systemd;
use edgeutils_tests::tool::Ran;
use edgeutils_tests::tree::Tree;
use serde_json::{Value, json};

use crate::release;

const PLAYS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/ansible");
const GUIDE: &str = include_str!("../../../docs/fleets.md");

/// Their addresses in the inventory of the guide.
const HOSTS: [&str; 3] = ["192.0.2.10", "192.0.2.11", "192.0.2.12"];
const CLOUD: usize = 0;
const EDGES: [usize; 2] = [1, 2];

const EDGECORE_YAML: &str = "/etc/kubeedge/config/edgecore.yaml";

/// It does not start with one server, as a component that cannot use its configuration.
const EDGECORE: &str = "#!/bin/sh
if grep -q 192.0.2.66 /etc/kubeedge/config/edgecore.yaml; then echo 'the server does not answer'; exit 1; fi
exec sleep 1000
";

/// The three hosts, and what the control node has.
struct Control {
    fleet: Fleet,
    files: Tree,
}

impl Control {
    fn boot() -> Result<Control, String> {
        for program in ["/usr/bin/ansible-playbook", "/usr/bin/dpkg-deb"] {
            if !Path::new(program).exists() {
                return Err(format!("no {program}"));
            }
        }
        let control = Control { fleet: Fleet::boot(&HOSTS)?, files: Tree::new() };
        release::make(&control.files.at("release"));
        control.files.write("inventory.yaml", inventory());
        for number in EDGES {
            edge_host(control.fleet.host(number));
        }
        cloud_host(control.fleet.host(CLOUD));
        Ok(control)
    }

    /// Runs a playbook with these variables.
    fn play(&self, name: &str, variables: Value, args: &[&str]) -> Played {
        let common = format!(
            "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -i {}",
            self.fleet.key().display()
        );
        // The hosts are namespaces, which the utilities change only on request.
        let mut all = json!({
            "ansible_ssh_common_args": common,
            "edgeutils_source": self.files.at("release"),
            "edgeutils_options": ["--force-namespace"],
        });
        let Value::Object(variables) = variables else { panic!("not variables: {variables}") };
        all.as_object_mut().unwrap().extend(variables);
        let (inventory, play) = (self.files.at("inventory.yaml"), format!("{PLAYS}/{name}"));
        let all = all.to_string();
        let words = ["timeout", "1200", "ansible-playbook", "-i", inventory.to_str().unwrap(), &play, "-e", &all];
        let config = format!("{PLAYS}/ansible.cfg");
        let variables =
            [("ANSIBLE_CONFIG", config.as_str()), ("ANSIBLE_TIMEOUT", "60"), ("PYTHONDONTWRITEBYTECODE", "1")];
        Played(self.fleet.run(words.iter().chain(args), &variables))
    }
}

/// What a playbook printed, and its exit code.
struct Played(Ran);

impl Played {
    /// Fails unless these are its exit code and the counts of each host in its recap: changed, unreachable, failed.
    #[track_caller]
    fn expect(self, code: i32, hosts: &[(&str, [u32; 3])]) -> Ran {
        let (_, recap) = self.0.stdout.split_once("PLAY RECAP").unwrap_or_else(|| panic!("{:?}", self.0));
        let counts: Vec<(&str, [u32; 3])> = recap.lines().skip(1).filter_map(counts).collect();
        assert_eq!((self.0.code, counts.as_slice()), (code, hosts), "{}{}", self.0.stdout, self.0.stderr);
        self.0
    }
}

/// `edge-1 : ok=9 changed=2 unreachable=0 failed=0 …`
fn counts(line: &str) -> Option<(&str, [u32; 3])> {
    let (host, rest) = line.split_once(':')?;
    let count = |name: &str| {
        let word = rest.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        word.unwrap().parse().unwrap()
    };
    Some((host.trim(), ["changed", "unreachable", "failed"].map(count)))
}

/// The inventory of the guide.
fn inventory() -> &'static str {
    let (_, block) = GUIDE.split_once("```yaml inventory\n").unwrap();
    let block = block.split_once("```").unwrap().0;
    assert!(block.lines().count() <= 10, "the guide promises ten lines");
    block
}

/// A Raspberry Pi with the memory cgroup off, on which keadm join has run.
fn edge_host(host: &Systemd) {
    host.write("/boot/firmware/config.txt", "[all]\n", "644");
    host.write("/boot/firmware/cmdline.txt", "root=/dev/mmcblk0p2 cgroup_disable=memory\n", "644");
    host.write("/usr/local/bin/edgecore", EDGECORE, "755");
    host.write("/etc/systemd/system/edgecore.service", "[Service]\nExecStart=/usr/local/bin/edgecore\n", "644");
    host.sh(
        "mkdir /etc/systemd/system/boot.target.wants; ln -s ../edgecore.service /etc/systemd/system/boot.target.wants/",
    )
    .expect(0);
    host.write(EDGECORE_YAML, &render(Kind::EdgeCore, Minor::new(21)), "640");
    host.sh("systemctl daemon-reload; systemctl start edgecore.service").expect(0);
}

/// The host of an older cloudcore, whose redirect is not its own, after keadm init.
fn cloud_host(host: &Systemd) {
    let pki = Pki::usual("ca");
    for name in ["ca.crt", "ca.key"] {
        host.write(&format!("/etc/kubernetes/pki/{name}"), &std::fs::read_to_string(pki.at(name)).unwrap(), "600");
    }
    host.write("/etc/kubeedge/config/cloudcore.yaml", &render(Kind::CloudCore, Minor::new(7)), "640");
    host.write("/etc/systemd/system/cloudcore.service", "[Service]\nExecStart=/bin/sleep 1000\n", "644");
    host.sh("systemctl daemon-reload; systemctl start cloudcore.service").expect(0);
}

#[test]
fn role_passes_ansible_lint() {
    if !Path::new("/usr/bin/ansible-lint").exists() {
        return skip("role_passes_ansible_lint", "no ansible-lint");
    }
    let home = Tree::new();
    let mut command = Command::new("ansible-lint");
    command.args(["--nocolor", "--offline", "--profile", "production", "edge-node.yaml", "cloud-node.yaml"]);
    command.arg("roles/edgeutils").current_dir(PLAYS).env("HOME", home.path()).env("XDG_CACHE_HOME", home.path());
    let ran = Ran::of(&command.output().unwrap()).expect(0);
    assert!(ran.stderr.contains("Passed with production profile: 0 failure(s), 0 warning(s)"), "{}", ran.stderr);
}

/// One test, as the hosts take longer than most of what is done with them.
#[test]
fn role_prepares_three_hosts() {
    match Control::boot() {
        Ok(control) => {
            packages_that_cannot_be_installed(&control);
            edge_nodes(&control);
            errors_of_one_host(&control);
            cloud_node(&control);
        }
        Err(reason) => skip("role_prepares_three_hosts", &reason),
    }
}

fn packages_that_cannot_be_installed(control: &Control) {
    let failed = [("edge-1", [0, 0, 1])];
    let ran = control.play("edge-node.yaml", json!({"edgeutils_source": ""}), &[]).expect(2, &failed);
    assert!(ran.stdout.contains("edgeutils is not installed: set edgeutils_source"), "{}", ran.stdout);

    let ran = control.play("edge-node.yaml", json!({"edgeutils_crio_version": 1.3}), &[]).expect(2, &failed);
    assert!(ran.stdout.contains("must be in quotes"), "{}", ran.stdout);

    let other = control.files.at("edgeutils_0.1.0_s390x.deb");
    std::fs::write(&other, "").unwrap();
    let ran = control.play("edge-node.yaml", json!({ "edgeutils_source": other }), &[]).expect(2, &failed);
    assert!(ran.stdout.contains("cannot install edgeutils: "), "{}", ran.stdout);

    let host = control.fleet.host(EDGES[0]);
    host.sh("mkdir /var/cache/edgeutils; mount -t tmpfs -o size=64k tmpfs /var/cache/edgeutils").expect(0);
    let ran = control.play("edge-node.yaml", json!({}), &[]).expect(2, &failed);
    assert!(ran.stdout.contains("No space left on device"), "{}", ran.stdout);
    host.sh("umount /var/cache/edgeutils; rmdir /var/cache/edgeutils").expect(0);
}

fn edge_nodes(control: &Control) {
    let edges = |counts: [u32; 3]| [("edge-1", counts), ("edge-2", counts)];
    let [first, second] = EDGES.map(|number| control.fleet.host(number));

    // Check mode: the package, and the changes of the utilities. Nothing is left on the hosts.
    let machine = if own_arch() == "arm64" { ARM64 } else { AMD64 };
    let plugins = ["bridge", "host-local", "loopback", "portmap"].map(|name| (name, tiny(machine, name)));
    fake_build(&control.files.at("plugins").join(own_arch()), "v1.9.1", own_arch(), &plugins);
    let network = json!({
        "edgeutils_cni_plugins": control.files.at("plugins"),
        "edgeutils_pod_subnet": "10.85.0.0/16",
        "edgeutils_serial": 2,
    });
    let ran = control.play("edge-node.yaml", network, &["--check"]).expect(0, &edges([2, 0, 0]));
    for line in [
        "would write /boot/firmware/cmdline.txt: turns the memory cgroup on",
        "would write /opt/cni/bin/bridge",
        "would run edge-cni conf bridge --subnet 10.85.0.0/16, once the plugins",
        "modules.edgeStream.server: 127.0.0.1:10004 -> 192.0.2.10:10004",
    ] {
        assert!(ran.stdout.contains(line), "no {line}: {}", ran.stdout);
    }
    for host in [first, second] {
        let left = host.sh("ls -d /tmp/* /var/cache/edgeutils /var/lib/edgeutils /usr/bin/edge-*");
        assert_eq!(left.stdout, "", "check mode");
    }

    // The package, the settings, the reboot that they require, and the reboot itself.
    let both = || json!({"edgeutils_serial": 2});
    control.play("edge-node.yaml", both(), &[]).expect(0, &edges([4, 0, 0]));
    // Monotonic time is the same for all: one host goes down after the other one is up again.
    let time = |host: &Systemd, words: &str| -> u64 {
        host.sh(&format!("systemctl show --value -p {words}")).expect(0).stdout.trim().parse().unwrap()
    };
    let is_up = |host| time(host, "ActiveEnterTimestampMonotonic ssh.service");
    let boots = |host| time(host, "UserspaceTimestampMonotonic");
    assert!(is_up(first) < boots(second) || is_up(second) < boots(first), "both hosts were rebooted at once");
    for host in [first, second] {
        assert!(host.read("/proc/cmdline").contains("cgroup_enable=memory"), "not rebooted");
        assert!(host.read(EDGECORE_YAML).contains("server: 192.0.2.10:10004\n"));
        host.sh("systemctl is-active edgecore.service").expect(0);
    }
    for args in [&[][..], &["--check"]] {
        control.play("edge-node.yaml", both(), args).expect(0, &edges([0, 0, 0]));
    }
}

fn errors_of_one_host(control: &Control) {
    // A host that cannot be reached does not keep the others of its batch.
    control.fleet.plug(EDGES[1], "down");
    let unreachable = [("edge-1", [0, 0, 0]), ("edge-2", [0, 1, 0])];
    let ran = control.play("edge-node.yaml", json!({"edgeutils_serial": 2}), &[]).expect(4, &unreachable);
    assert!(ran.stdout.contains("fatal: [edge-2]: UNREACHABLE!"), "{}", ran.stdout);
    control.fleet.plug(EDGES[1], "up");

    // An error stops at the first host, and is that of the utility. What does not start is restored.
    let failed = |changed: u32| [("edge-1", [changed, 0, 1])];
    let ran = control.play("edge-node.yaml", json!({"edgeutils_cloudcore": "127.0.0.1"}), &[]).expect(2, &failed(0));
    assert!(ran.stdout.contains("edge-conf: cannot set modules.edgeStream.server: "), "{}", ran.stdout);
    let host = control.fleet.host(EDGES[0]);
    let configuration = host.read(EDGECORE_YAML);
    let ran = control.play("edge-node.yaml", json!({"edgeutils_cloudcore": "192.0.2.66"}), &[]).expect(2, &failed(1));
    assert!(ran.stdout.contains("the server does not answer"), "{}", ran.stdout);
    assert_eq!(host.read(EDGECORE_YAML), configuration);
    host.sh("systemctl is-active edgecore.service").expect(0);
}

/// From the archive, with new certificates later.
fn cloud_node(control: &Control) {
    let host = control.fleet.host(CLOUD);
    let archive = release::file(&control.files.at("release"), "gz");
    let play = |changed: u32| {
        let variables = json!({"edgeutils_kubeedge_version": "1.7.2", "edgeutils_source": archive});
        control.play("cloud-node.yaml", variables, &[]).expect(0, &[("cloud-1", [changed, 0, 0])])
    };
    let started = || host.sh("systemctl show --value -p InvocationID cloudcore.service").expect(0).stdout;
    let before = started();
    play(2);
    host.sh("iptables -t nat -S EDGEUTILS-STREAM | grep 'to-destination 192.0.2.10:10003'").expect(0);
    // By edge-conf, after it has changed the configuration.
    let configured = started();
    assert_ne!(before, configured);
    play(0);
    assert_eq!(started(), configured);
    // The certificates alone: the script, the report, and the handler.
    host.sh("rm /etc/kubeedge/certs/stream.*").expect(0);
    play(3);
    assert_ne!(started(), configured);
    host.sh("systemctl is-active cloudcore.service").expect(0);
}
