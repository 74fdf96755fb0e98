//! `edge-apt wait`: waits for apt, then repairs and updates if requested.

use std::time::{Duration, Instant};

use edge_host::action::Run;
use edge_host::{Error, Exit, Host, Mode, Outcome, Plan, Result, apply, apply_part};

use crate::apt::{self, Scope};
use crate::cli::WaitArgs;
use crate::diagnose::{TAKEN_MEANWHILE, is_locked};
use crate::wait::{show, wait as wait_for_locks};
use crate::{lock, repair, status};

const ALL: &str = "this host's sources";

pub(crate) fn wait(host: &mut Host, args: &WaitArgs) -> Result<Outcome> {
    host.must_be_live(
        "wait for apt",
        "an image has no running apt",
        "run it on the host itself, for an image at its first boot",
    )?;
    if host.mode == Mode::DryRun {
        return dry_run(host, args);
    }
    let begin = Instant::now();
    let timeout = Duration::from_secs(args.timeout);
    wait_for_locks(host, timeout)?;
    host.report.line("apt and dpkg are free");
    // Before apt is used: it would read the same, and take a missing file for a host without packages.
    status::of(&host.root)?;
    if args.update || args.repair {
        host.prepare_change().map_err(of_this_tree)?;
        // Another utility may have used apt between the wait and our own lock.
        host.without_lock(|host| wait_for_locks(host, timeout.saturating_sub(begin.elapsed())))?;
    }
    // First, as a repair may need the lists; a failure does not prevent the repair.
    let updated = if args.update { update(host, timeout, begin) } else { Ok(()) };
    let mut outcome = Outcome::default();
    if args.repair {
        outcome = repair_when_free(host, timeout, begin)?;
    } else if let [first, ..] = repair::unfinished(&host.root)?.as_slice() {
        host.report.warning(&format!("{first}: repair it with edge-apt wait --repair"));
    }
    outcome.changed |= args.update && updated.is_ok();
    updated.map(|()| outcome)
}

fn update(host: &mut Host, timeout: Duration, begin: Instant) -> Result<()> {
    loop {
        match apt::update(&Scope::default(), ALL) {
            Err(error) if is_locked(&error) && begin.elapsed() < timeout => {
                host.without_lock(|host| wait_for_locks(host, timeout.saturating_sub(begin.elapsed())))?;
            }
            Ok(()) => {
                host.report.line("updated the package lists");
                return Ok(());
            }
            failed => return failed,
        }
    }
}

fn repair_when_free(host: &mut Host, timeout: Duration, begin: Instant) -> Result<Outcome> {
    loop {
        match repair::repair(host) {
            Err(error) if is_locked(&error) && begin.elapsed() < timeout => {
                host.report.note(TAKEN_MEANWHILE);
                host.without_lock(|host| wait_for_locks(host, timeout.saturating_sub(begin.elapsed())))?;
            }
            ended => return ended,
        }
    }
}

/// The refusal in a container suggests --root, with which apt is never run.
fn of_this_tree(error: Error) -> Error {
    match error.exit() {
        Exit::Refused => error.hint("run it on the host itself; --force-namespace uses apt and dpkg of this container"),
        _ => error,
    }
}

/// Shows what a call without `--dry-run` would find and do now.
fn dry_run(host: &mut Host, args: &WaitArgs) -> Result<Outcome> {
    let held = lock::held(&host.root)?;
    show(host, &held);
    host.report.line(if held.is_empty() { "apt and dpkg are free" } else { "would wait for apt and dpkg" });
    let unfinished = repair::unfinished(&host.root)?;
    let mut plan = Plan::new();
    if args.update {
        let run = Run::new(["apt-get", "update"], repair::DEADLINE);
        plan.run(run, "the package lists; fails if one of them cannot be updated");
    }
    let mut outcome = Outcome::default();
    if args.repair {
        apply_part(host, plan)?;
        outcome = repair::repair(host)?;
    } else {
        if let [first, ..] = unfinished.as_slice() {
            host.report.warning(&format!("{first}: repair it with edge-apt wait --repair"));
        }
        if args.update {
            outcome = apply(host, plan)?;
        }
    }
    if !held.is_empty() {
        outcome.exit = outcome.exit.worst(Exit::Differs);
    }
    Ok(outcome)
}
