//! Hosts that are reached by ssh: a Debian with a real systemd and sshd in namespaces of its own for each, on one
//! network, and a place on that network for the programs of the control node.

use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::debian;
use crate::systemd::Systemd;
use crate::tool::Ran;

/// What a host has beside a minimal Debian.
const PACKAGES: &[&str] =
    &["cloud-init", "curl", "dbus", "iptables", "openssh-server", "python3", "sudo", "systemd-sysv"];

/// The units that a user needs to log in.
const UNITS: &str = "dbus.service systemd-user-sessions.service ssh.service";

/// The user that logs in, as on an image of a cloud.
pub const USER: &str = "admin";

/// The address of the control node.
const CONTROL: &str = "192.0.2.1";

/// Seconds until the namespace of the network exists.
const WITHIN: Duration = Duration::from_secs(10);

/// The hosts, and the network.
#[derive(Debug)]
pub struct Fleet {
    hosts: Vec<Systemd>,
    network: Child,
    home: tempfile::TempDir,
}

/// The tree of such a host, for an overlay.
pub fn tree() -> Result<PathBuf, String> {
    debian::tree_with(debian::RELEASE, PACKAGES)
}

impl Fleet {
    /// Hosts with these addresses in 192.0.2.0/24; says why where they cannot be had here.
    pub fn boot(addresses: &[&str]) -> Result<Fleet, String> {
        for (program, package) in [("/usr/bin/ssh", "openssh-client"), ("/usr/bin/mmdebstrap", "mmdebstrap")] {
            if !std::path::Path::new(program).exists() {
                return Err(format!("{package} is not installed"));
            }
        }
        let tree = tree()?;
        let home = tempfile::Builder::new().prefix("edgeutils-fleet-").tempdir().map_err(|cause| cause.to_string())?;
        // Its end is the end of the network.
        let network = Command::new("unshare").args(["-n", "cat"]).stdin(Stdio::piped()).spawn();
        let mut fleet = Fleet { hosts: Vec::new(), network: network.map_err(|cause| cause.to_string())?, home };
        fleet.await_network()?;
        let network = fleet.network.id();
        ip(network, &["link", "add", "fleet", "up", "type", "bridge"]);
        ip(network, &["address", "add", &format!("{CONTROL}/24"), "dev", "fleet"]);
        let key = fleet.home.path().join("key");
        let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key).status();
        assert!(made.unwrap().success(), "ssh-keygen");
        let key = fs::read_to_string(key.with_extension("pub")).unwrap();
        for address in addresses {
            let host = Systemd::boot_tree(&tree, UNITS, &[])?;
            host.sh(&format!(
                "useradd --create-home --shell /bin/bash {USER}
                echo '{USER} ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/{USER}
                install -d -m 700 -o {USER} -g {USER} /home/{USER}/.ssh
                echo '{}' > /home/{USER}/.ssh/authorized_keys",
                key.trim()
            ))
            .expect(0);
            fleet.connect(host, address);
        }
        Ok(fleet)
    }

    /// A host, in the order of the addresses.
    pub fn host(&self, number: usize) -> &Systemd {
        &self.hosts[number]
    }

    /// The private key of the user.
    pub fn key(&self) -> PathBuf {
        self.home.path().join("key")
    }

    /// Runs a program of this machine on the network of the hosts.
    pub fn run<A: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = A>, variables: &[(&str, &str)]) -> Ran {
        let mut command = inside(self.network.id());
        command.args(words).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("LC_ALL", "C.UTF-8");
        command.env("HOME", self.home.path()).envs(variables.iter().copied()).stdin(Stdio::null());
        Ran::of(&command.output().unwrap())
    }

    /// A host's end of the cable, `up` or `down`.
    pub fn plug(&self, number: usize, state: &str) {
        ip(self.hosts[number].holder().unwrap(), &["link", "set", "eth0", state]);
    }

    fn connect(&mut self, host: Systemd, address: &str) {
        let holder = host.holder().unwrap();
        let (cable, pid) = (format!("host{}", self.hosts.len()), holder.to_string());
        let network = self.network.id();
        ip(network, &["link", "add", &cable, "type", "veth", "peer", "name", "eth0", "netns", &pid]);
        ip(network, &["link", "set", &cable, "master", "fleet", "up"]);
        ip(holder, &["address", "add", &format!("{address}/24"), "dev", "eth0"]);
        self.hosts.push(host);
        self.plug(self.hosts.len() - 1, "up");
    }

    fn await_network(&self) -> Result<(), String> {
        let namespace = |pid: u32| fs::read_link(format!("/proc/{pid}/ns/net")).ok();
        let until = Instant::now() + WITHIN;
        while namespace(self.network.id()) == namespace(std::process::id()) {
            if Instant::now() > until {
                return Err("no network namespace can be made".to_owned());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

/// A command in the network namespace of a process.
fn inside(pid: u32) -> Command {
    let mut command = Command::new("nsenter");
    command.args(["-t", &pid.to_string(), "-n"]);
    command
}

fn ip(pid: u32, words: &[&str]) {
    assert!(inside(pid).arg("ip").args(words).status().unwrap().success(), "ip {words:?}");
}

impl Drop for Fleet {
    fn drop(&mut self) {
        let _ = self.network.kill();
        let _ = self.network.wait();
    }
}
