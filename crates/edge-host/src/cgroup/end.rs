//! Ends all processes of a control group: by `cgroup.kill` (v2 since Linux 5.14), which no fork escapes, else one by
//! one until none is left.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use rustix::process::Signal;

use super::dir::{Dir, is};
use crate::error::{Error, Result, ResultExt};
use crate::process::{Handle, name};

const END: &str = "end the processes of";
const KILL: &str = "cgroup.kill";
/// 0 forbids new processes in the group and below it.
const MAX_PROCESSES: &str = "pids.max";
/// Of v1.
const FREEZER: &str = "freezer.state";
/// Of v2: whether processes are in it or below it.
const EVENTS: &str = "cgroup.events";
const EMPTY: &str = "populated 0";
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Descriptors that are open at the same time.
const BATCH: usize = 128;
/// Processes that are named where some still run.
const SHOWN: usize = 3;

pub(super) fn all(dir: &Dir, shown: &Path, within: Duration) -> Result<()> {
    let own = std::process::id();
    let until = Instant::now() + within;
    let mut is_limited = false;
    loop {
        let members = dir.members().on(END, shown)?;
        if members.contains(&own) {
            return Err(Error::refused(format!("cannot {END} {}: this process is one of them", shown.display())));
        }
        if members.is_empty() && is_empty(dir).on(END, shown)? {
            return Ok(());
        }
        if Instant::now() >= until {
            let cause = format!("{} after {} s", remaining(&members), within.as_secs_f64().round());
            return Err(
                Error::cannot(END, shown, cause).hint("they may be waiting for a device or a file server: see dmesg")
            );
        }
        if !dir.write(KILL, "1").on(END, shown)? {
            if !is_limited {
                // Where it can be done, so that no chain of forks runs ahead of us.
                dir.write(MAX_PROCESSES, "0").on(END, shown)?;
                is_limited = true;
            }
            one_by_one(dir, &members).on(END, shown)?;
        }
        thread::sleep(LOOK_EVERY);
    }
}

/// From the top, as a group is frozen as long as one above it is.
pub(super) fn thaw(dir: &Dir) -> io::Result<()> {
    if !dir.write(FREEZER, "THAWED")? {
        return Ok(());
    }
    for child in dir.children()? {
        if let Some(child) = dir.enter(&child)? {
            thaw(&child)?;
        }
    }
    Ok(())
}

/// In v2 a process without a number of ours, or one of a threaded group, counts as well.
fn is_empty(dir: &Dir) -> io::Result<bool> {
    match dir.read(EVENTS) {
        Ok(events) => Ok(events.lines().any(|line| line == EMPTY)),
        Err(error) if is(&error, &[Errno::ENOENT, Errno::ENODEV]) => Ok(true),
        Err(error) => Err(error),
    }
}

/// Sends SIGKILL to these. A number may be that of another process by now: whoever is in the group once the descriptor
/// is open is meant.
fn one_by_one(dir: &Dir, members: &BTreeSet<u32>) -> io::Result<()> {
    let members: Vec<u32> = members.iter().copied().collect();
    for batch in members.chunks(BATCH) {
        let mut opened = Vec::new();
        for pid in batch {
            opened.extend(Handle::open(*pid)?.map(|handle| (*pid, handle)));
        }
        let still = dir.members()?;
        for (_, handle) in opened.iter().filter(|(pid, _)| still.contains(pid)) {
            handle.send(Signal::KILL)?;
        }
    }
    Ok(())
}

/// `2 still run: 123 (nginx), 456 (sh)`.
fn remaining(members: &BTreeSet<u32>) -> String {
    let named: Vec<String> = members.iter().take(SHOWN).map(|pid| format!("{pid} ({})", name(*pid))).collect();
    let more = if members.len() > SHOWN { ", ..." } else { "" };
    match members.len() {
        0 => "processes of another PID namespace still run".to_owned(),
        1 => format!("1 still runs: {}", named.join("")),
        number => format!("{number} still run: {}{more}", named.join(", ")),
    }
}
