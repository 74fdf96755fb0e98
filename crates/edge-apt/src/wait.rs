//! Waits until no process uses apt or dpkg. Never kills a process or removes a lock.

use std::thread;
use std::time::{Duration, Instant};

use edge_host::{Error, Host, Result};
use serde_json::json;

use crate::lock::{Held, held, words};

const POLL_EVERY: Duration = Duration::from_millis(200);
/// unattended-upgrades and others release the locks between their steps: they must stay free that long.
const STAYS_FREE: Duration = Duration::from_secs(1);
const REPORT_EVERY: Duration = Duration::from_secs(30);

/// Waits until all four locks of apt and dpkg are free; reports who holds them.
///
/// Call it without edge-host's own lock ([`Host::without_lock`]), also before an undo that removes
/// packages. Errors: exit 1 past `timeout`, with the holder's name; exit 5 after a signal.
pub fn wait(host: &mut Host, timeout: Duration) -> Result<()> {
    let begin = Instant::now();
    let mut reported: Option<(Instant, Vec<Held>)> = None;
    let mut free_since: Option<Instant> = None;
    loop {
        let now_held = held(&host.root)?;
        if now_held.is_empty() {
            let since = *free_since.get_or_insert_with(Instant::now);
            if reported.is_none() || since.elapsed() >= STAYS_FREE {
                host.report.progress_ends();
                return Ok(());
            }
        } else {
            free_since = None;
            let is_new = reported.as_ref().is_none_or(|(_, before)| !same_holders(before, &now_held));
            let is_time = reported.as_ref().is_none_or(|(at, _)| at.elapsed() >= REPORT_EVERY);
            if is_new || is_time {
                show(host, &now_held);
                reported = Some((Instant::now(), now_held.clone()));
            }
            if begin.elapsed() >= timeout {
                host.report.progress_ends();
                return Err(timeout_error(&now_held, timeout));
            }
        }
        let waited = words(begin.elapsed());
        host.report.progress(&format!("waited {waited} of {}", words(timeout)));
        host.check_interrupt()?;
        thread::sleep(POLL_EVERY);
    }
}

/// Reports who holds which locks, one line for each process.
pub(crate) fn show(host: &mut Host, all: &[Held]) {
    let mut shown = Vec::new();
    for one in all {
        if shown.contains(&one.holder.pid) {
            continue;
        }
        shown.push(one.holder.pid);
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
    // Without the paths, as a process takes and releases locks all the time.
    b.iter().all(|held| a.iter().any(|before| before.holder.pid == held.holder.pid))
}

fn timeout_error(all: &[Held], timeout: Duration) -> Error {
    let first = all.first().map(|held| format!("{} is held by {}", held.path, held.holder)).unwrap_or_default();
    Error::failed(format!("cannot wait any longer: {first}; waited {}", words(timeout))).hint(
        "let it finish and run again, or wait longer; do not kill it or remove the lock file, as that damages the state of dpkg",
    )
}
