//! Ends one process: by a descriptor of it, so that a signal never reaches a later process with the same number.

use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal};

use super::{DELETED, PROCESSES};
use crate::error::{Error, Result};

const END: &str = "end process";
const WAITING: &str = "it may be waiting for a device or a file server: see dmesg";
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// SIGKILL needs no more, unless the process waits for a device or a file server.
const KILLED_WITHIN: Duration = Duration::from_secs(5);
/// The parent and the start time among the fields of /proc/PID/stat after the name (proc_pid_stat(5): 4 and 22, counted
/// from 1).
const PARENT: usize = 4 - 3;
const START_TIME: usize = 22 - 3;

/// A process, told from a later one with the same number by its start time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessId {
    pid: u32,
    /// In ticks since the boot.
    started: u64,
    executable: Option<PathBuf>,
}

impl ProcessId {
    pub(super) fn new(pid: u32, started: u64, executable: Option<PathBuf>) -> ProcessId {
        ProcessId { pid, started, executable }
    }

    /// Its number.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// When it was started, in ticks since the boot.
    pub fn started(&self) -> u64 {
        self.started
    }

    /// Ends it: SIGTERM, and SIGKILL if it still runs after `grace`. One that has ended already is success.
    ///
    /// Errors: it runs another program by now (exit 4), it is the calling process (exit 4), it does not end.
    pub fn end(&self, grace: Duration) -> Result<()> {
        let shown = self.shown();
        if self.pid == std::process::id() {
            return Err(Error::refused(format!("cannot {END} {shown}: it is this process")));
        }
        let Some(handle) = Handle::open(self.pid).map_err(|errno| failed(&shown, errno))? else { return Ok(()) };
        if !self.is_running() {
            return Ok(());
        }
        let runs = executable(self.pid);
        if runs != self.executable && self.is_running() {
            let runs = runs.unwrap_or_default();
            let cause = format!("it runs {} by now", runs.display());
            return Err(Error::refused(format!("cannot {END} {shown}: {cause}")).hint("run the same command again"));
        }
        for (signal, within) in [(Signal::TERM, grace), (Signal::KILL, KILLED_WITHIN)] {
            handle.send(signal).map_err(|errno| failed(&shown, errno))?;
            if self.has_ended(within) {
                return Ok(());
            }
        }
        let cause = format!("it still runs {} s after SIGKILL", KILLED_WITHIN.as_secs());
        Err(Error::cannot(END, shown, cause).hint(WAITING))
    }

    /// Ends its children by SIGKILL, then the process itself as [`ProcessId::end`]: of a monitor of containers they are
    /// the first processes of the containers, which would otherwise outlive it.
    ///
    /// Errors: as [`ProcessId::end`], a child does not end, and the calling process descends from it (exit 4).
    pub fn end_with_children(&self, grace: Duration) -> Result<()> {
        let shown = self.shown();
        if ancestors(std::process::id()).contains(&self.pid) {
            let cause = "this process runs in one of its containers";
            return Err(Error::refused(format!("cannot {END} {shown}: {cause}")));
        }
        let until = Instant::now() + KILLED_WITHIN;
        // Those of another process with its number are not meant.
        while self.is_running() && executable(self.pid) == self.executable {
            let children = children(self.pid);
            let Some(first) = children.first() else { break };
            if Instant::now() >= until {
                let cause = format!(
                    "its child {first} ({}) still runs {} s after SIGKILL",
                    name(*first),
                    KILLED_WITHIN.as_secs()
                );
                return Err(Error::cannot(END, shown, cause).hint(WAITING));
            }
            for child in children {
                let handle = Handle::open(child).map_err(|errno| failed(&shown, errno))?;
                if let Some(handle) = handle.filter(|_| parent(child) == Some(self.pid)) {
                    handle.send(Signal::KILL).map_err(|errno| failed(&shown, errno))?;
                }
            }
            thread::sleep(LOOK_EVERY);
        }
        self.end(grace)
    }

    /// `1234 (/usr/local/bin/edgecore)`.
    fn shown(&self) -> String {
        let program = self.executable.as_ref().map(|path| format!(" ({})", path.display()));
        format!("{}{}", self.pid, program.unwrap_or_default())
    }

    fn has_ended(&self, within: Duration) -> bool {
        let until = Instant::now() + within;
        while self.is_running() {
            if Instant::now() >= until {
                return false;
            }
            thread::sleep(LOOK_EVERY);
        }
        true
    }

    fn is_running(&self) -> bool {
        let stat = fs::read(place(self.pid).join("stat")).unwrap_or_default();
        started(&stat) == Some(self.started)
    }
}

fn failed(shown: &str, errno: Errno) -> Error {
    Error::io(END, shown, &errno.into())
}

/// What a signal is sent to.
#[derive(Debug)]
pub(crate) enum Handle {
    /// The process itself.
    Descriptor(OwnedFd),
    /// Its number, before Linux 5.3: checked right before the signal, which is the best that can be done.
    Number(Pid),
}

impl Handle {
    /// None if no process has this number.
    pub(crate) fn open(pid: u32) -> Result<Option<Handle>, Errno> {
        // Zero stands for a process of another PID namespace; a signal to it would go to our own group.
        let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return Ok(None) };
        match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(descriptor) => Ok(Some(Handle::Descriptor(descriptor))),
            // A kernel without it, or a seccomp filter.
            Err(Errno::NOSYS | Errno::PERM) => Ok(Some(Handle::Number(pid))),
            Err(Errno::SRCH) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    /// A process that has ended is success.
    pub(crate) fn send(&self, signal: Signal) -> Result<(), Errno> {
        let sent = match self {
            Handle::Descriptor(descriptor) => pidfd_send_signal(descriptor, signal),
            Handle::Number(pid) => kill_process(*pid, signal),
        };
        match sent {
            Err(Errno::SRCH) => Ok(()),
            sent => sent,
        }
    }
}

/// The start time in /proc/PID/stat; none for a process that has ended and only waits for its parent.
pub(super) fn started(stat: &[u8]) -> Option<u64> {
    field(stat, START_TIME)
}

/// A number in /proc/PID/stat, by its position after the state.
fn field<T: FromStr>(stat: &[u8], at: usize) -> Option<T> {
    // The name before it may contain anything.
    let text = String::from_utf8_lossy(stat);
    let mut fields = text.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?;
    if ["Z", "X"].contains(&state) { None } else { fields.nth(at - 1)?.parse().ok() }
}

fn parent(pid: u32) -> Option<u32> {
    field(&fs::read(place(pid).join("stat")).ok()?, PARENT)
}

fn children(of: u32) -> Vec<u32> {
    let all = fs::read_dir(PROCESSES).into_iter().flatten().flatten();
    let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| parent(*pid) == Some(of)).collect()
}

fn ancestors(of: u32) -> Vec<u32> {
    std::iter::successors(parent(of), |pid| parent(*pid)).take_while(|pid| *pid != 0).collect()
}

/// What the process calls itself, for messages only.
pub(crate) fn name(pid: u32) -> String {
    let name = fs::read(place(pid).join("comm")).unwrap_or_default();
    String::from_utf8_lossy(&name).trim_end().to_owned()
}

fn executable(pid: u32) -> Option<PathBuf> {
    let target = fs::read_link(place(pid).join("exe")).ok()?;
    let text = target.to_string_lossy();
    Some(PathBuf::from(text.strip_suffix(DELETED).unwrap_or(&text)))
}

fn place(pid: u32) -> PathBuf {
    Path::new(PROCESSES).join(pid.to_string())
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Child, Command, Stdio};

    use super::*;
    use crate::exit::Exit;
    use crate::process::processes;
    use crate::root::Root;

    fn id_of(child: &Child) -> ProcessId {
        let root = Root::live().unwrap();
        let all = processes(&root).unwrap();
        all.iter().find(|process| process.pid() == child.id()).unwrap().id().unwrap()
    }

    fn shell(script: &str) -> Child {
        let mut child = Command::new("/bin/sh").args(["-c", script]).stdout(Stdio::piped()).spawn().unwrap();
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut [0]).unwrap();
        child
    }

    fn signal_of(mut child: Child) -> Option<i32> {
        child.wait().unwrap().signal()
    }

    #[test]
    fn process_ends_by_sigterm_or_else_by_sigkill() {
        for (script, signal) in [("echo; sleep 60; :", 15), ("trap '' TERM; echo; while :; do sleep 0.05; done", 9)] {
            let child = shell(script);
            id_of(&child).end(Duration::from_millis(300)).unwrap();
            assert_eq!(signal_of(child), Some(signal), "{script}");
        }
    }

    #[test]
    fn process_that_has_ended_or_is_another_gets_no_signal() {
        let mut child = shell("echo; sleep 60; :");
        let id = id_of(&child);
        let earlier = ProcessId { started: id.started - 1, ..id.clone() };
        earlier.end(Duration::from_secs(9)).unwrap();
        assert_eq!(child.try_wait().unwrap(), None);
        let other = ProcessId { executable: Some("/usr/bin/other".into()), ..id };
        let error = other.end(Duration::from_secs(9)).unwrap_err();
        assert_eq!(error.exit(), Exit::Refused);
        assert!(error.message().contains("(/usr/bin/other): it runs /"), "{error}");
        assert_eq!(child.try_wait().unwrap(), None);
        let id = id_of(&child);
        child.kill().unwrap();
        // It is a zombie until someone waits for it.
        while id.is_running() {
            thread::yield_now();
        }
        id.end(Duration::from_secs(9)).unwrap();
        child.wait().unwrap();
        id.end(Duration::from_secs(9)).unwrap();
        let own = ProcessId { pid: std::process::id(), ..id };
        assert_eq!(own.end(Duration::ZERO).unwrap_err().exit(), Exit::Refused);
    }

    #[test]
    fn children_end_with_the_process() {
        let child = shell("sleep 60 & (trap '' TERM; sleep 60; :) & echo; while :; do wait; done");
        let id = id_of(&child);
        let before = children(child.id());
        assert_eq!(before.len(), 2);
        id.end_with_children(Duration::from_millis(300)).unwrap();
        assert!(before.iter().all(|pid| parent(*pid) != Some(child.id())));
        assert_eq!(signal_of(child), Some(15));
        // One that this process descends from.
        let root = Root::live().unwrap();
        let above = std::os::unix::process::parent_id();
        let above = processes(&root).unwrap().into_iter().find(|process| process.pid() == above).unwrap().id().unwrap();
        assert_eq!(above.end_with_children(Duration::ZERO).unwrap_err().exit(), Exit::Refused);
    }

    #[test]
    fn start_time_follows_any_name() {
        let rest = "S 1 7 7 0 -1 4194560 0 0 0 0 1 2 0 0 20 0 1 0 4711 2 3";
        assert_eq!(started(format!("7 (a) R 1 (b)) {rest}").as_bytes()), Some(4711));
        assert_eq!(started(format!("7 (x) {}", rest.replace('S', "Z")).as_bytes()), None);
        for odd in ["", "7 (x", "7 (x) S 1 2"] {
            assert_eq!(started(odd.as_bytes()), None, "{odd}");
        }
    }
}
