//! A machine as a suite works with it: commands, inventories, reboots, and resets in the middle of a command.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::look::{self, Look};
use super::machine::{Machine, Ran};

/// As an administrator calls the utilities.
const UTILITIES: &str = "PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n";

/// A machine with this file boots without cloud-init.
pub(super) const NO_CLOUD_INIT: &str = "/etc/cloud/cloud-init.disabled";

/// Time limits for a short command, a longer one, and the longest ones, such as all of cloud-init.
pub(super) const QUICK: Duration = Duration::from_secs(10);
const SOME: Duration = Duration::from_secs(30);
const LONG: Duration = Duration::from_secs(240);

/// The machine of a suite.
#[derive(Debug)]
pub(super) struct Guest<'m> {
    pub(super) machine: &'m mut Machine,
    started: Instant,
}

impl Guest<'_> {
    pub(super) fn new(machine: &mut Machine) -> Guest<'_> {
        Guest { machine, started: Instant::now() }
    }

    /// One line for the user: what has been shown.
    pub(super) fn report(&self, what: &str) {
        println!("{:>6.0} s  {what}", self.started.elapsed().as_secs_f64());
    }

    pub(super) fn boot(&mut self) -> Result<()> {
        self.machine.boot()?;
        self.is_up()
    }

    pub(super) fn reboot(&mut self) -> Result<()> {
        self.machine.reboot()?;
        self.is_up()
    }

    /// cloud-init, where it is not disabled, and late units have started, and no unit has failed.
    fn is_up(&mut self) -> Result<()> {
        let status = format!("[ -e {NO_CLOUD_INIT} ] && echo status: done || cloud-init status --wait --long");
        let ran = self.machine.try_sh(&status, LONG)?;
        if ran.code != 0 || !ran.stdout.contains("status: done") {
            let log = self.machine.try_sh("tail -n 12 /var/log/cloud-init-output.log", QUICK)?;
            bail!("cloud-init failed:{}{}", ran.output(), log.output());
        }
        self.is_running()
    }

    /// Late units have started, and no unit has failed.
    pub(super) fn is_running(&mut self) -> Result<()> {
        let ran = self.machine.try_sh("systemctl is-system-running --wait || systemctl --failed", SOME)?;
        if ran.stdout.trim() != "running" {
            bail!("the machine has failed or starting units:{}", ran.output());
        }
        Ok(())
    }

    /// Runs a command with the utilities in PATH, which must exit 0.
    pub(super) fn run(&mut self, command: &str) -> Result<String> {
        self.ends(command, 0).map(|ran| ran.stdout)
    }

    /// Runs a command with the utilities in PATH, which must exit with this code.
    pub(super) fn ends(&mut self, command: &str, code: i64) -> Result<Ran> {
        let ran = self.machine.try_sh(&format!("{UTILITIES}{command}"), LONG)?;
        if ran.code != code {
            bail!("`{command}` ended with {} instead of {code}{}", ran.code, ran.output());
        }
        Ok(ran)
    }

    /// Runs a command, which must print this and nothing else.
    pub(super) fn prints(&mut self, command: &str, expected: &str) -> Result<()> {
        let printed = self.machine.try_sh(command, SOME)?;
        if printed.stdout.trim() != expected {
            bail!("`{command}` did not print {expected:?}, but{}", printed.output());
        }
        Ok(())
    }

    pub(super) fn inventory(&mut self) -> Result<Look> {
        Look::parse(&self.machine.sh(look::SCRIPT, LONG)?)
    }

    /// Stops a call of a utility at the moment when a shell condition is true, powers the machine off, and boots it. In the
    /// condition, `$journals` are the journals that the call has written to.
    pub(super) fn reset_during(&mut self, command: &str, condition: &str) -> Result<()> {
        self.run(&format!(
            "touch /run/before; sleep 0.1
            {command} >/dev/null 2>&1 & call=$!
            while kill -0 $call; do
                journals=$(find /var/lib/edgeutils/journal -type f -newer /run/before)
                if {condition}; then kill -STOP $call; exit 0; fi
            done
            exit 1"
        ))?;
        self.machine.power_cut()?;
        self.boot()?;
        let tool = command.split_whitespace().next().unwrap_or_default();
        let runs = self.run(&format!("{tool} undo --list"))?;
        if !runs.contains("interrupted") {
            bail!("no run is reported as interrupted:\n{runs}");
        }
        Ok(())
    }

    pub(super) fn shut_down(&mut self) -> Result<()> {
        self.machine.shut_down()
    }
}
