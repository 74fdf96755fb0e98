//! Waiting until nobody works with apt or dpkg: never kills, never removes a lock.

use std::thread;
use std::time::{Duration, Instant};

use edge_host::{Error, Host, Result};
use serde_json::json;

use crate::lock::{Held, held, words};

const LOOK_EVERY: Duration = Duration::from_millis(200);
/// unattended-upgrades and others let go between two of their steps: free is what stays free.
const STAYS_FREE: Duration = Duration::from_secs(1);
const SAY_EVERY: Duration = Duration::from_secs(30);

/// Waits until all four locks of apt and dpkg are free; says who holds them.
///
/// Call it without edge-host's own lock ([`Host::without_lock`]), also before an undo that removes
/// packages. Errors: exit 1 past `timeout`, with the holder's name; exit 5 after a signal.
pub fn wait(host: &mut Host, timeout: Duration) -> Result<()> {
    let begin = Instant::now();
    let mut said: Option<(Instant, Vec<Held>)> = None;
    let mut free_since: Option<Instant> = None;
    loop {
        let now_held = held(&host.root)?;
        if now_held.is_empty() {
            let since = *free_since.get_or_insert_with(Instant::now);
            if said.is_none() || since.elapsed() >= STAYS_FREE {
                host.report.progress_ends();
                return Ok(());
            }
        } else {
            free_since = None;
            let is_new = said.as_ref().is_none_or(|(_, before)| !same_holders(before, &now_held));
            let is_time = said.as_ref().is_none_or(|(at, _)| at.elapsed() >= SAY_EVERY);
            if is_new || is_time {
                show(host, &now_held);
                said = Some((Instant::now(), now_held.clone()));
            }
            if begin.elapsed() >= timeout {
                host.report.progress_ends();
                return Err(too_long(&now_held, timeout));
            }
        }
        let waited = words(begin.elapsed());
        host.report.progress(&format!("waited {waited} of {}", words(timeout)));
        host.check_interrupt()?;
        thread::sleep(LOOK_EVERY);
    }
}

/// Who holds what, one line for each process.
pub(crate) fn show(host: &mut Host, all: &[Held]) {
    let mut told = Vec::new();
    for one in all {
        if told.contains(&one.holder.pid) {
            continue;
        }
        told.push(one.holder.pid);
        let paths: Vec<&str> =
            all.iter().filter(|other| other.holder.pid == one.holder.pid).map(|held| held.path).collect();
        let are = if paths.len() == 1 { "is" } else { "are" };
        host.report.note(&format!("{} {are} held by {}", paths.join(", "), one.holder));
        host.report.record(
            "lock",
            json!({"paths": paths, "pid": one.holder.pid, "command": one.holder.command,
                   "seconds": one.holder.running.map(|time| time.as_secs())}),
        );
    }
}

fn same_holders(a: &[Held], b: &[Held]) -> bool {
    // Which of the locks it has taken by now changes all the time.
    b.iter().all(|held| a.iter().any(|before| before.holder.pid == held.holder.pid))
}

fn too_long(all: &[Held], timeout: Duration) -> Error {
    let first = all.first().map(|held| format!("{} is held by {}", held.path, held.holder)).unwrap_or_default();
    Error::failed(format!("cannot wait any longer: {first}; waited {}", words(timeout))).hint(
        "let it finish and run again, or wait longer; ending it or removing the lock file would damage dpkg's state",
    )
}
