//! One machine: boot, commands, reboot, reset. Every wait has a deadline.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use super::arch::Arch;
use super::channel::Channel;
use super::disk::Disk;
use super::image::Image;
use super::qemu::{self, Accelerator, Drive, Wiring};
use super::write_cache::WriteCache;
use crate::failure::hinted;

/// Time limits on real hardware; software emulation gets more.
const BOOT: Duration = Duration::from_secs(60);
const SHUTDOWN: Duration = Duration::from_secs(30);
/// Replies of the agent itself; one may contain megabytes of a command's output.
const ANSWER: Duration = Duration::from_secs(20);

/// The environment of every command. An emulated machine on a busy one may need longer than the 25 s that systemctl
/// waits for an answer.
const ENVIRONMENT: &str = "export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C \
    SYSTEMD_BUS_TIMEOUT=600\n";

/// A machine and its console output so far.
#[derive(Debug)]
pub(super) struct Machine {
    arch: Arch,
    accelerator: Accelerator,
    image: Image,
    disk: Disk,
    has_write_cache: bool,
    console: PathBuf,
    /// The command that answers one connection of the machine.
    server: String,
    /// Has a short path, as sockets need; removed on drop.
    sockets: tempfile::TempDir,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    qemu: Child,
    agent: Channel,
    /// Ends after QEMU, which flushes.
    cache: Option<WriteCache>,
}

/// Output and exit code of a command in the machine.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) code: i64,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Machine {
    /// A machine that is off.
    pub(super) fn new(arch: Arch, image: Image, disk: Disk, console: PathBuf, server: String) -> Result<Machine> {
        let accelerator = Accelerator::find(arch, &image);
        let sockets = tempfile::Builder::new().prefix("edgeutils-e2e-").tempdir();
        let sockets = sockets.context("cannot make a directory for sockets")?;
        let (has_write_cache, running) = (false, None);
        Ok(Machine { arch, accelerator, image, disk, has_write_cache, console, server, sockets, running })
    }

    /// From the next boot on, a power cut loses what the machine has written to the disk and not flushed.
    pub(super) fn use_write_cache(&mut self) {
        self.has_write_cache = true;
    }

    pub(super) fn accelerator(&self) -> Accelerator {
        self.accelerator
    }

    /// Turns it on and waits until it takes commands.
    pub(super) fn boot(&mut self) -> Result<()> {
        let socket = self.sockets.path().join("agent");
        match fs::remove_file(&socket) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).context("cannot remove the machine's last socket");
            }
            _ => {}
        }
        let mut console = File::options().append(true).create(true).open(&self.console).context("no console log")?;
        writeln!(console, "\n==== power on ====").context("cannot write the console log")?;
        let cache = self.has_write_cache.then(|| WriteCache::start(self.disk.path(), self.sockets.path()));
        let cache = cache.transpose()?;
        let wiring = Wiring {
            image: &self.image,
            drive: cache.as_ref().map_or(Drive::File(self.disk.path()), |cache| Drive::Server(cache.socket())),
            console: &self.console,
            agent_socket: &socket,
            server: &self.server,
        };
        let log = console.try_clone().context("no console log")?;
        let mut command: Command = qemu::command(self.arch, self.accelerator, &wiring).into_command();
        let qemu = command.stdin(Stdio::null()).stdout(log).stderr(console).spawn();
        let mut qemu = qemu.with_context(|| format!("cannot run {}", self.arch.qemu()))?;
        let until = Instant::now() + BOOT * self.accelerator.patience();
        match first_answer(&mut qemu, &socket, until) {
            Ok(agent) => {
                self.running = Some(Running { qemu, agent, cache });
                Ok(())
            }
            Err(error) => {
                let _ = qemu.kill();
                let _ = qemu.wait();
                Err(error.context("the machine did not boot"))
            }
        }
    }

    /// Runs a shell script in the machine; its exit code and output.
    pub(super) fn try_sh(&mut self, script: &str, within: Duration) -> Result<Ran> {
        let until = Instant::now() + within * self.accelerator.patience();
        let answer = self.answer();
        let pid = self.start(script)?;
        let running = self.running()?;
        loop {
            let status = running.agent.request("guest-exec-status", &json!({"pid": pid}), answer)?;
            if status.get("exited").and_then(Value::as_bool) == Some(true) {
                return ran(&status);
            }
            if Instant::now() >= until {
                bail!("`{script}` timed out");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Runs a shell script in the machine, which must exit 0; its output.
    pub(super) fn sh(&mut self, script: &str, within: Duration) -> Result<String> {
        let ran = self.try_sh(script, within)?;
        if ran.code != 0 {
            bail!("`{script}` ended with {}{}", ran.code, ran.output());
        }
        Ok(ran.stdout)
    }

    /// Starts a shell script in the machine and does not wait for it; its process there.
    pub(super) fn start(&mut self, script: &str) -> Result<i64> {
        let script = format!("{ENVIRONMENT}{script}");
        let arguments = json!({"path": "/bin/sh", "arg": ["-c", script], "capture-output": true});
        let answer = self.answer();
        let started = self.running()?.agent.request("guest-exec", &arguments, answer)?;
        started.get("pid").and_then(Value::as_i64).ok_or_else(|| anyhow!("the guest agent returned no process"))
    }

    fn answer(&self) -> Duration {
        ANSWER * self.accelerator.patience()
    }

    /// Reboots as an administrator does.
    pub(super) fn reboot(&mut self) -> Result<()> {
        self.start("systemctl reboot")?;
        self.wait_for_end().context("the machine did not shut down for its reboot")?;
        self.boot()
    }

    /// Powers it off hard: data that the kernel has not written is lost, and what is in the write cache of the disk.
    pub(super) fn power_cut(&mut self) -> Result<()> {
        let mut running = self.running.take().ok_or_else(|| anyhow!("the machine is off"))?;
        drop(running.cache.take());
        running.qemu.kill().context("cannot reset the machine")?;
        running.qemu.wait().context("cannot reset the machine")?;
        Ok(())
    }

    /// Turns it off as an administrator does.
    pub(super) fn shut_down(&mut self) -> Result<()> {
        self.start("systemctl poweroff")?;
        self.wait_for_end().context("the machine did not turn itself off")
    }

    fn wait_for_end(&mut self) -> Result<()> {
        let until = Instant::now() + SHUTDOWN * self.accelerator.patience();
        let mut running = self.running.take().ok_or_else(|| anyhow!("the machine is off"))?;
        while Instant::now() < until {
            if let Some(status) = running.qemu.try_wait().context("lost QEMU")? {
                return if status.success() { Ok(()) } else { Err(anyhow!("QEMU ended with {status}")) };
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        self.running = Some(running);
        bail!("still on after {} s", (SHUTDOWN * self.accelerator.patience()).as_secs())
    }

    fn running(&mut self) -> Result<&mut Running> {
        self.running.as_mut().ok_or_else(|| anyhow!("the machine is off"))
    }

    /// The error with a hint to the console's log.
    pub(super) fn failed(&self, error: &anyhow::Error) -> anyhow::Error {
        hinted(format!("{error:#}"), format!("the machine's console: {}", self.console.display()))
    }

    pub(super) fn disk(&self) -> &Disk {
        &self.disk
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if let Some(mut running) = self.running.take() {
            let _ = running.qemu.kill();
            let _ = running.qemu.wait();
        }
    }
}

/// Waits for the guest agent; fails at once where QEMU ends.
fn first_answer(qemu: &mut Child, socket: &Path, until: Instant) -> Result<Channel> {
    let mut agent = loop {
        if let Ok(agent) = Channel::connect(socket, "the guest agent") {
            break agent;
        }
        still_on(qemu)?;
        if Instant::now() >= until {
            bail!("QEMU did not create its socket");
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    for id in 1.. {
        still_on(qemu)?;
        agent.send(&json!({"execute": "guest-sync", "arguments": {"id": id}}))?;
        let next = until.min(Instant::now() + Duration::from_secs(2));
        while let Ok(message) = agent.receive(next) {
            if message.get("return").is_some() {
                // Replies to early requests arrive now; a last request separates them from the rest.
                return settled(agent, until);
            }
        }
        if Instant::now() >= until {
            bail!("timed out waiting for the guest agent");
        }
    }
    bail!("timed out waiting for the guest agent")
}

fn settled(mut agent: Channel, until: Instant) -> Result<Channel> {
    const LAST: i64 = i64::MAX >> 8;
    agent.send(&json!({"execute": "guest-sync", "arguments": {"id": LAST}}))?;
    while agent.receive(until)?.get("return").and_then(Value::as_i64) != Some(LAST) {}
    Ok(agent)
}

fn still_on(qemu: &mut Child) -> Result<()> {
    match qemu.try_wait().context("lost QEMU")? {
        Some(status) => bail!("QEMU ended with {status}"),
        None => Ok(()),
    }
}

fn ran(status: &Value) -> Result<Ran> {
    let output = |key: &str| -> Result<String> {
        let encoded = status.get(key).and_then(Value::as_str).unwrap_or_default();
        let bytes = BASE64.decode(encoded).context("the output of the guest agent is not valid base64")?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let signal = status.get("signal").and_then(Value::as_i64).map(|signal| 128 + signal);
    let code = status.get("exitcode").and_then(Value::as_i64).or(signal);
    Ok(Ran {
        code: code.ok_or_else(|| anyhow!("the guest agent returned no exit code"))?,
        stdout: output("out-data")?,
        stderr: output("err-data")?,
    })
}

impl Ran {
    /// The end of its output, for an error message.
    pub(super) fn output(&self) -> String {
        const LINES: usize = 15;
        let lines: Vec<&str> = self.stdout.lines().chain(self.stderr.lines()).collect();
        let last = lines.iter().skip(lines.len().saturating_sub(LINES));
        last.map(|line| format!("\n  | {line}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_and_status_come_out_of_the_agents_record() {
        let done = ran(&json!({"exited": true, "exitcode": 3, "out-data": BASE64.encode("a\n")})).unwrap();
        assert_eq!((done.code, done.stdout.as_str(), done.stderr.as_str()), (3, "a\n", ""));
        assert_eq!(done.output(), "\n  | a");
        assert_eq!(ran(&json!({"exited": true, "signal": 9})).unwrap().code, 137);
        assert!(ran(&json!({"exited": true})).is_err());
    }
}
