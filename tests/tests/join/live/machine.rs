//! A machine `edge1` with a systemd of its own, and cloudcore's double beside it.

use std::path::{Path, PathBuf};

use edgeutils_tests::systemd::Systemd;
use edgeutils_tests::tool::Ran;
use edgeutils_tests::{cloudcore, skip, standin, tool};

pub(super) const JOIN: &str =
    "edge-join --force-namespace apply --cloudcore 127.0.0.1 --version 1.23.1 --archive /run/edgecore-1.23.1";

pub(super) struct Machine {
    pub(super) systemd: Systemd,
}

impl Machine {
    /// Boots one; skips the test where that cannot be done.
    pub(super) fn boot(test: &str) -> Option<Machine> {
        Machine::boot_with(test, &[])
    }

    /// Boots one that has edgecore in these versions too, as `/run/programs/edgecore-VERSION`.
    pub(super) fn boot_with(test: &str, versions: &[&str]) -> Option<Machine> {
        match Machine::try_boot(versions) {
            Ok(machine) => Some(machine),
            Err(reason) => {
                skip(test, &reason);
                None
            }
        }
    }

    fn try_boot(versions: &[&str]) -> Result<Machine, String> {
        let double = cloudcore::program().ok_or("Go is not installed")?;
        let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
        let edgecore = cloudcore::edgecore(arch, "1.23.1")?;
        let runtime = standin::build(arch, "1.34.2")?;
        let mut programs: Vec<PathBuf> = vec![tool::path("edge-join"), double, edgecore, runtime];
        let others = tempfile::tempdir().map_err(|cause| cause.to_string())?;
        for version in versions {
            let copy = others.path().join(format!("edgecore-{version}"));
            std::fs::copy(cloudcore::edgecore(arch, version)?, &copy).map_err(|cause| cause.to_string())?;
            programs.push(copy);
        }
        let programs: Vec<&Path> = programs.iter().map(PathBuf::as_path).collect();
        let machine = Machine { systemd: Systemd::boot(&programs)? };
        // What the double and the host are, and nothing of KubeEdge.
        machine
            .sh("mv /usr/local/bin/edgecore /run/edgecore-1.23.1; mv /usr/local/bin/cloudcore /run/cloudcore; rm -rf /etc/kubeedge
                mkdir /run/programs; mv /usr/local/bin/edgecore-* /run/programs/ 2>/dev/null
                hostname edge1; printf '127.0.0.1 localhost\\n127.0.1.1 edge1\\n' > /etc/hosts
                # Where v1 has the memory controller, that of v2 does not list it.
                echo 'cpu io memory pids' > /run/controllers; mount --bind /run/controllers /sys/fs/cgroup/cgroup.controllers
                /run/cloudcore make /run/cloud --san 127.0.0.1
                mv /usr/local/bin/crio /run/crio-standin")
            .expect(0);
        machine.start_runtime("cgroupfs");
        Ok(machine)
    }

    pub(super) fn sh(&self, script: &str) -> Ran {
        self.systemd.sh(script)
    }

    /// Starts the stand-in for a container runtime, where edgecore looks for one, with this cgroup driver.
    pub(super) fn start_runtime(&self, driver: &str) {
        self.sh(&format!(
            "systemctl stop runtime-standin 2>/dev/null; rm -f /run/containerd/containerd.sock
             systemd-run --quiet --unit=runtime-standin /run/crio-standin --cgroup-manager={driver} --listen=/run/containerd/containerd.sock
             for i in $(seq 100); do [ -S /run/containerd/containerd.sock ] && exit 0; sleep 0.05; done; exit 1"
        ))
        .expect(0);
    }

    /// Starts the double with these options in place of the one before.
    pub(super) fn serve(&self, options: &str) {
        self.sh(&format!(
            "systemctl stop cloudcore-double 2>/dev/null; systemctl reset-failed cloudcore-double 2>/dev/null; rm -f /run/record
             systemd-run --quiet --unit=cloudcore-double /run/cloudcore serve /run/cloud --record /run/record --nodes /run/nodes {options}
             for i in $(seq 100); do ss -ltn | grep -q :10002 && exit 0; sleep 0.05; done; exit 1"
        ))
        .expect(0);
    }

    /// Everything that a join may change, with content and mode.
    pub(super) fn tree(&self) -> String {
        let dirs = "/etc/kubeedge /etc/edgeutils /etc/systemd/system /usr/local/bin";
        self.sh(&format!("find {dirs} -printf '%p %m %y %l\\n' 2>/dev/null | sort; find {dirs} -type f -exec sha256sum {{}} + 2>/dev/null | sort")).stdout
    }

    /// Fails where any part of the token is anywhere but in the files of the double.
    pub(super) fn has_no_token(&self, ran: &[&Ran]) {
        let token = self.systemd.read("/run/cloud/token");
        for part in token.trim().split('.').skip(1) {
            for ran in ran {
                assert!(!ran.stdout.contains(part) && !ran.stderr.contains(part), "{}{}", ran.stdout, ran.stderr);
            }
            // /run/record is the double's.
            let script = format!(
                "grep -rlF -e '{part}' /etc /usr/local /var/lib/edgeutils /var/lib/kubeedge /tmp 2>/dev/null
                 find /run -type f -not -path '/run/cloud/*' -not -path /run/record -not -path '/run/log/*' -exec grep -lF -e '{part}' {{}} + 2>/dev/null
                 for p in /proc/[0-9]*; do [ \"$p\" = /proc/$$ ] || tr '\\0' ' ' < $p/cmdline 2>/dev/null | grep -vF grep | grep -F -e '{part}'; done
                 journalctl --no-pager | grep -F -e '{part}'; true"
            );
            let found = self.sh(&script).stdout;
            assert!(found.trim().is_empty(), "a part of the token is in {found}");
        }
    }
}

/// Fails unless one of the outputs has this text.
pub(super) fn says(ran: &Ran, text: &str) {
    assert!(ran.stdout.contains(text) || ran.stderr.contains(text), "{text}:\n{}{}", ran.stdout, ran.stderr);
}
