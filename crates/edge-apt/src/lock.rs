//! The four locks of apt and dpkg, and the processes that hold them.
//!
//! They are record locks of fcntl(2): the kernel releases them with their process, so there are no stale ones,
//! and the existence of the file means nothing.

use std::fmt;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::Duration;

use edge_host::{Result, ResultExt, Root};
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use nix::unistd::{SysconfVar, sysconf};

/// In the order in which apt takes them.
pub const LOCKS: [&str; 4] =
    ["/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/lock", "/var/lib/apt/lists/lock", "/var/cache/apt/archives/lock"];
const PROC: &str = "/proc";
const UPTIME: &str = "/proc/uptime";
/// How many characters of a command line are shown.
const SHOWN: usize = 60;

/// A lock that another process holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The file of the lock.
    pub path: &'static str,
    /// Its holder.
    pub holder: Holder,
}

/// The process that holds a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Its PID; none where it is in another PID namespace, such as outside this container.
    pub pid: Option<i32>,
    /// The beginning of its command line; empty where it is not known.
    pub command: String,
    /// How long it has been running.
    pub running: Option<Duration>,
}

/// The locks that are held now; takes none itself.
pub fn held(root: &Root) -> Result<Vec<Held>> {
    let mut all = Vec::new();
    for path in LOCKS {
        if let Some(pid) = holder(root, path)? {
            all.push(Held { path, holder: describe(root, pid) });
        }
    }
    Ok(all)
}

/// The PID of the process that holds the lock.
fn holder(root: &Root, path: &str) -> Result<Option<i32>> {
    let Some(file) = root.open(Path::new(path))? else { return Ok(None) };
    let mut lock = libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    fcntl(file.as_fd(), FcntlArg::F_GETLK(&mut lock)).on("look at", path)?;
    Ok((libc::c_int::from(lock.l_type) != libc::F_UNLCK).then_some(lock.l_pid))
}

fn describe(root: &Root, pid: i32) -> Holder {
    // 0 and -1 are processes in other namespaces.
    if pid <= 0 {
        return Holder { pid: None, command: String::new(), running: None };
    }
    // It may end meanwhile: then nothing is known about it.
    let text = |path: &Path| root.read(path).ok().flatten().map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let dir = Path::new(PROC).join(pid.to_string());
    let line = text(&dir.join("cmdline")).map(|line| command(&line)).filter(|line| !line.is_empty());
    let command = line.or_else(|| text(&dir.join("comm")).map(|name| name.trim().to_owned())).unwrap_or_default();
    let ticks = sysconf(SysconfVar::CLK_TCK).ok().flatten().and_then(|ticks| u64::try_from(ticks).ok());
    let running = text(&dir.join("stat")).zip(text(Path::new(UPTIME))).zip(ticks);
    let running = running.and_then(|((stat, uptime), ticks)| running_for(&stat, &uptime, ticks));
    Holder { pid: Some(pid), command, running }
}

/// A command line of /proc as text, without the path of the program.
fn command(line: &str) -> String {
    let mut words = line.split('\0').filter(|word| !word.is_empty());
    let program = words.next().unwrap_or_default();
    let name = program.rsplit('/').next().unwrap_or(program);
    let all: Vec<&str> = std::iter::once(name).chain(words).collect();
    let all = all.join(" ").replace(char::is_control, "?");
    let mut shown: String = all.chars().take(SHOWN).collect();
    if shown.len() < all.len() {
        shown.push('…');
    }
    shown
}

/// From the 22nd field of its stat, in ticks since boot, and the time since boot in seconds.
fn running_for(stat: &str, uptime: &str, ticks_a_second: u64) -> Option<Duration> {
    // The name in brackets may contain spaces and brackets.
    let fields = stat.rsplit_once(')')?.1;
    let start: u64 = fields.split_whitespace().nth(19)?.parse().ok()?;
    let now: u64 = uptime.split('.').next()?.trim().parse().ok()?;
    Some(Duration::from_secs(now.saturating_sub(start.checked_div(ticks_a_second)?)))
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.pid, self.command.as_str()) {
            (None, _) => return f.write_str("a process outside this PID namespace"),
            (Some(pid), "") => write!(f, "pid {pid}")?,
            (Some(pid), command) => write!(f, "{command} (pid {pid})")?,
        }
        match self.running {
            Some(running) => write!(f, ", running for {}", words(running)),
            None => Ok(()),
        }
    }
}

/// A time as shown to users: `12 s`, `4 min`, `2 h 5 min`.
pub(crate) fn words(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_is_one_short_line() {
        assert_eq!(command("/usr/bin/apt-get\0-y\0install\0x\0"), "apt-get -y install x");
        assert_eq!(command("python3\0a\nb\0"), "python3 a?b");
        assert_eq!(command(""), "");
        assert_eq!(command(&"x".repeat(99)).chars().count(), SHOWN + 1);
    }

    #[test]
    fn running_for_reads_stat() {
        let stat = "7 (a b) c) S 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 12345 0";
        assert_eq!(running_for(stat, "200.55 1.0\n", 100), Some(Duration::from_secs(77)));
        for (stat, uptime) in [("", "1.0"), (stat, ""), ("7 (x) S 1", "2.0")] {
            assert_eq!(running_for(stat, uptime, 100), None);
        }
    }

    #[test]
    fn holder_is_shown_as_far_as_it_is_known() {
        let holder = |pid, command: &str, seconds: Option<u64>| {
            Holder { pid, command: command.to_owned(), running: seconds.map(Duration::from_secs) }.to_string()
        };
        assert_eq!(holder(Some(7), "apt-get update", Some(150)), "apt-get update (pid 7), running for 2 min");
        assert_eq!(holder(Some(7), "", None), "pid 7");
        assert_eq!(holder(None, "", None), "a process outside this PID namespace");
        assert_eq!(words(Duration::from_secs(7500)), "2 h 5 min");
    }
}
