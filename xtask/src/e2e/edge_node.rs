//! Suite edge-node: from a bare image by the user-data of scripts/cloud-init alone to a prepared node, and back.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha2::{Digest, Sha256};

use super::allowed::{LEFT, VOLATILE};
use super::arch::Arch;
use super::disk::GuestFile;
use super::look::{self, Look};
use super::machine::Machine;
use super::repository::{self, Repository};
use super::seed;
use crate::dist::{self, Toolchain};
use crate::sample;
use crate::workspace::{Workspace, read, write};

/// The KubeEdge release whose defaults keadm join has written.
const RELEASE: &str = "1.21";

const CONFIGURATION: &str = "/etc/kubeedge/config/edgecore.yaml";

/// A documentation address: nothing is ever sent there.
const CLOUDCORE: &str = "192.0.2.7";

/// The redirect of a cluster with the API server on this host.
const REDIRECT: &str = "10351=192.0.2.7:10003";

/// The utilities are where the user-data links them, as an administrator would call them.
const NODE: &str = "PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n";

/// Time limits for a short command, a long one, and all of cloud-init.
const QUICK: Duration = Duration::from_secs(10);
const SOME: Duration = Duration::from_secs(30);
const LONG: Duration = Duration::from_secs(120);

/// What the suite needs before its machine exists.
#[derive(Debug)]
pub(super) struct Prepared {
    /// Files on the image before the utilities.
    pub(super) files: Vec<GuestFile>,
    user_data: String,
}

/// Builds everything that the machine gets: on its disk what keadm join has written, a cloud-init with nothing to do,
/// and a stick; on the server the archive and a repository.
pub(super) fn prepare(workspace: &Workspace, arch: Arch, dir: &Path, served: &Path) -> Result<Prepared> {
    let repository = Repository::make(arch, dir, served)?;
    let mut files = Vec::from(seed::files("bare", seed::NOTHING));
    files.push(GuestFile::text(CONFIGURATION, sample::edgecore_yaml(RELEASE)?));
    files.extend(repository.stick(workspace, arch, dir)?);
    Ok(Prepared { files, user_data: user_data(workspace, arch, served, &repository)? })
}

/// Runs all steps; the first one that fails ends the suite.
pub(super) fn run(machine: &mut Machine, prepared: &Prepared) -> Result<()> {
    let mut suite = Suite { machine, started: Instant::now() };

    suite.boot_bare()?;
    let before = suite.inventory().context("looking at the bare machine")?;
    suite.report(&format!("bare: {} entries, swap on {}", before.len(), before.names("swap").join(", ")));
    suite.is_bare(&before)?;

    suite.first_boot("edge-node", &prepared.user_data).context("the first boot with the user-data")?;
    suite.is_prepared().context("after the user-data")?;
    suite.report("prepared by the user-data alone");
    suite.node(&format!("edge-redirect add {REDIRECT} --persist")).context("the redirect")?;
    suite.is_redirected().context("after edge-redirect add")?;

    suite.reboot()?;
    suite.is_prepared().context("after a reboot")?;
    suite.is_redirected().context("after a reboot")?;
    suite.report("the same after a reboot");

    let inventory = suite.inventory().context("looking at the prepared machine")?;
    suite.second_run().context("the second run")?;
    let unchanged = inventory.differences(&suite.inventory()?, VOLATILE);
    same(&unchanged, "a second run changed something")?;
    suite.report("a second run changes nothing");

    suite.undo_all().context("undo")?;
    suite.reset_in_the_middle().context("a hard reset in the middle of an apply")?;
    suite.is_prepared().context("after the hard reset and the resumed command")?;
    suite.report("reset in the middle, and the same command resumed");

    suite.undo_all().context("undo")?;
    suite.reboot()?;
    let differences = before.differences(&suite.inventory()?, &[LEFT, VOLATILE].concat());
    same(&differences, "the machine is not as before")?;
    suite.report("everything undone, and the machine as before");
    suite.machine.shut_down()
}

/// Packs the utilities for the machine, serves them, and names them in the user-data.
fn user_data(workspace: &Workspace, arch: Arch, served: &Path, repository: &Repository) -> Result<String> {
    let toolchain = Toolchain::choose(Some(arch.target()))?;
    let built = dist::build(workspace, &toolchain, &workspace.target.join("dist"))?;
    let archive = read(&built.archive)?;
    let sum: String = Sha256::digest(&archive).iter().map(|byte| format!("{byte:02x}")).collect();
    write(&served.join("dist.tar"), archive)?;
    let text = read(&workspace.root.join("scripts/cloud-init/edge-node.yaml"))?;
    let crio = format!(
        "'--apt-mirror http://10.0.2.100/{} --key {} --fingerprint {} --hold'",
        repository::PLACE,
        repository::KEY,
        repository.fingerprint
    );
    let values = [
        ("ARCHIVE", "http://10.0.2.100/dist.tar"),
        ("SHA256", sum.as_str()),
        ("CLOUDCORE", CLOUDCORE),
        ("SWAP", "off"),
        ("CNI_PLUGINS", repository::STICK),
        ("POD_SUBNET", "10.85.0.0/16"),
        ("RUNTIME", "crio"),
        ("CRIO_VERSION", "1.34"),
        ("CRIO_OPTIONS", crio.as_str()),
    ];
    seed::filled(&String::from_utf8_lossy(&text), &values)
}

/// How often edge-node.sh calls a utility, and its last line the second time.
const STEPS: usize = 6;
const ALREADY: &str = "already up to date";

struct Suite<'a> {
    machine: &'a mut Machine,
    started: Instant,
}

impl Suite<'_> {
    fn report(&mut self, what: &str) {
        println!("{:>6.0} s  {what}", self.started.elapsed().as_secs_f64());
    }

    fn boot_bare(&mut self) -> Result<()> {
        self.machine.boot()?;
        self.is_up()
    }

    fn reboot(&mut self) -> Result<()> {
        self.machine.reboot()?;
        self.is_up()
    }

    /// The image has the swap and modules that the suite removes.
    fn is_bare(&mut self, look: &Look) -> Result<()> {
        let swaps = look.names("swap");
        if swaps != ["/dev/zram0", "/swapfile", "/swapfile2"] {
            bail!("the bare machine swaps to {swaps:?}, not from fstab, a unit and zram");
        }
        if look.names("module").contains(&"br_netfilter") {
            bail!("the bare machine has br_netfilter loaded");
        }
        Ok(())
    }

    /// A new instance, as a cloud makes one from an image: cloud-init sees another id and begins anew.
    fn first_boot(&mut self, instance: &str, user_data: &str) -> Result<()> {
        for file in seed::files(instance, user_data) {
            let content = BASE64.encode(&file.content);
            self.machine.sh(&format!("echo {content} | base64 -d >{}", file.path), QUICK)?;
        }
        self.reboot()
    }

    /// cloud-init and late units have started, and no unit has failed.
    fn is_up(&mut self) -> Result<()> {
        let ran = self.machine.try_sh("cloud-init status --wait --long", LONG)?;
        if ran.code != 0 || !ran.stdout.contains("status: done") {
            let log = self.machine.try_sh("tail -n 12 /var/log/cloud-init-output.log", QUICK)?;
            bail!("cloud-init failed:{}{}", ran.output(), log.output());
        }
        let ran = self.machine.try_sh("systemctl is-system-running --wait || systemctl --failed", SOME)?;
        if ran.stdout.trim() != "running" {
            bail!("the machine has failed or starting units:{}", ran.output());
        }
        Ok(())
    }

    /// Runs a command with the utilities in PATH, which must exit 0.
    fn node(&mut self, command: &str) -> Result<String> {
        self.machine.sh(&format!("{NODE}{command}"), LONG)
    }

    fn inventory(&mut self) -> Result<Look> {
        Look::parse(&self.machine.sh(look::SCRIPT, LONG)?)
    }

    /// Verifies each state with another program than the one that made it, then with the utility.
    fn is_prepared(&mut self) -> Result<()> {
        self.prints("swapon --show --noheadings", "")?;
        for (key, value) in [
            ("net.ipv4.ip_forward", "1"),
            ("net.bridge.bridge-nf-call-iptables", "1"),
            ("net.bridge.bridge-nf-call-ip6tables", "1"),
        ] {
            self.prints(&format!("sysctl -n {key}"), value)?;
        }
        self.prints("lsmod | grep -cE '^(overlay|br_netfilter) '", "2")?;
        self.prints("grep -cw memory /sys/fs/cgroup/cgroup.controllers", "1")?;
        self.prints(&format!("grep -c 'server: {CLOUDCORE}:10004$' {CONFIGURATION}"), "1")?;
        self.prints(
            &format!("grep -c 'containerRuntimeEndpoint: unix:///var/run/crio/crio.sock$' {CONFIGURATION}"),
            "1",
        )?;
        self.prints("systemctl is-active crio; systemctl is-enabled crio", "active\nenabled")?;
        self.prints("dpkg-query -W -f '${db:Status-Abbrev}' cri-o", "hi")?;
        for check in ["edge-prep check", "edge-cni check", "edge-crio check", "edge-conf check"] {
            self.node(check)?;
        }
        Ok(())
    }

    /// iptables has the rule, once.
    fn is_redirected(&mut self) -> Result<()> {
        let rule = "-A EDGEUTILS-STREAM.* --dport 10351 .*-j DNAT --to-destination 192.0.2.7:10003";
        self.prints(&format!("iptables-save -t nat | grep -cE -e '{rule}'"), "1")?;
        self.prints("iptables-save -t nat | grep -c -e '-j EDGEUTILS-STREAM$'", "1")
    }

    fn prints(&mut self, command: &str, expected: &str) -> Result<()> {
        let printed = self.machine.try_sh(command, QUICK)?;
        if printed.stdout.trim() != expected {
            bail!("`{command}` did not print {expected:?}, but{}", printed.output());
        }
        Ok(())
    }

    /// The same script again, once as a dry run: neither finds anything to do.
    fn second_run(&mut self) -> Result<()> {
        for call in ["/opt/edgeutils/scripts/edge-node.sh -n", "/opt/edgeutils/scripts/edge-node.sh"] {
            let printed = self.node(&format!("sh {call}"))?;
            // edge-crio also reports the state of CRI-O.
            if printed.lines().filter(|line| *line == ALREADY).count() != STEPS || printed.contains("wrote ") {
                bail!("`{call}` found something to do: {printed}");
            }
        }
        Ok(())
    }

    /// Every run of every utility, newest first.
    fn undo_all(&mut self) -> Result<()> {
        self.node(
            "for tool in edge-redirect edge-conf edge-crio edge-cni edge-prep; do
                until [ -z \"$($tool undo --list | grep -v undone)\" ]; do $tool undo || exit; done
            done",
        )
        .map(drop)
    }

    /// Stops an apply as soon as one of its changes is done, and powers the machine off.
    fn reset_in_the_middle(&mut self) -> Result<()> {
        let stopped = self.node(
            "cd /var/lib/edgeutils/journal
            last=$(ls | grep edge-prep | sort | tail -n 1)
            edge-prep apply --for edgecore --swap off >/dev/null 2>&1 & apply=$!
            while kill -0 $apply; do
                run=$(ls | grep edge-prep | sort | tail -n 1)
                if [ \"$run\" != \"$last\" ] && grep -q '\"done\"' \"$run\"; then kill -STOP $apply; cat \"$run\"; exit 0; fi
            done
            exit 1",
        )?;
        if stopped.contains("\"end\"") {
            bail!("the apply was over before it could be stopped:\n{stopped}");
        }
        self.machine.power_cut()?;
        self.machine.boot()?;
        self.is_up()?;
        let runs = self.node("edge-prep undo --list")?;
        if !runs.contains("interrupted") {
            bail!("no run is reported as interrupted:\n{runs}");
        }
        self.node("sh /opt/edgeutils/scripts/edge-node.sh").map(drop)
    }
}

fn same(differences: &[String], what: &str) -> Result<()> {
    const SHOWN: usize = 40;
    if differences.is_empty() {
        return Ok(());
    }
    let shown: String = differences.iter().take(SHOWN).map(|line| format!("\n  | {line}")).collect();
    bail!("{what}, in {} places:{shown}", differences.len())
}
