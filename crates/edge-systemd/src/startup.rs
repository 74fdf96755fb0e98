//! Waits until a unit is started and its daemon answers.

use std::thread;
use std::time::{Duration, Instant};

use edge_host::{Error, Host, Result, redact};

use crate::systemctl;

const POLL_EVERY: Duration = Duration::from_millis(100);
const LOG_LINES: u32 = 15;
/// systemd restarts a failed unit, which may then start; after this many restarts it is not waited for.
const MAX_RESTARTS: u32 = 3;
const REPORT_EVERY: Duration = Duration::from_secs(10);

/// The state of a unit, from systemd.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Running {
    /// `active`, `activating`, `failed`, `inactive`.
    pub active: String,
    /// The ID of this start of the unit.
    pub invocation: String,
    /// The number of automatic restarts.
    pub restarts: u32,
    /// Its main process; none if it does not run.
    pub main_pid: Option<u32>,
}

/// Reads the state from systemd.
pub fn state(unit: &str) -> Result<Running> {
    let shown = systemctl::show(unit, "ActiveState,InvocationID,NRestarts,MainPID")?;
    Ok(Running {
        active: shown.get("ActiveState").to_owned(),
        invocation: shown.get("InvocationID").to_owned(),
        restarts: shown.get("NRestarts").parse().unwrap_or_default(),
        main_pid: shown.get("MainPID").parse().ok().filter(|pid| *pid != 0),
    })
}

/// The start of a unit to wait for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// Any.
    Any,
    /// One after this invocation, which is being stopped.
    After(String),
}

/// What is waited for.
#[derive(Debug, Clone, Copy)]
pub struct Waiting<'w> {
    /// The unit.
    pub unit: &'w str,
    /// The daemon, for messages.
    pub name: &'w str,
    /// Its start.
    pub start: &'w Start,
    /// How long, at most.
    pub within: Duration,
    /// What the user can do if it does not start.
    pub hint: &'w str,
}

/// Waits until the unit is active and `ask` succeeds. `fatal` is the reason in its log, if it is known.
///
/// Fails if the unit fails or is restarted repeatedly, and after `within`; then the end of its log is shown.
pub fn wait<T>(
    host: &mut Host,
    waiting: &Waiting<'_>,
    ask: &dyn Fn() -> Result<T>,
    fatal: &dyn Fn() -> Option<String>,
) -> Result<T> {
    let Waiting { unit, name, start, within, hint } = *waiting;
    let begin = Instant::now();
    let mut reports = 1;
    let mut pause = Duration::from_millis(10);
    loop {
        host.check_interrupt()?;
        let state = state(unit)?;
        let is_new = match start {
            Start::Any => true,
            Start::After(before) => state.invocation != *before,
        };
        // A daemon that is being restarted may still answer.
        let cause = if state.active == "active" && is_new {
            match ask() {
                Ok(answer) => return Ok(answer),
                Err(error) => error.to_string(),
            }
        } else {
            format!("the unit is {}", state.active)
        };
        let has_failed = is_new && (state.active == "failed" || state.restarts >= MAX_RESTARTS);
        if has_failed || begin.elapsed() >= within {
            show_log(host, unit);
            let how = match (has_failed, state.restarts) {
                (true, 0) => "it failed".to_owned(),
                (true, times) => format!("it failed after {times} restarts"),
                (false, _) => format!("it is not ready after {} s: {cause}", begin.elapsed().as_secs()),
            };
            let how = match fatal().filter(|_| has_failed) {
                Some(fatal) => format!("{how}: {name} reports: {fatal}"),
                None => how,
            };
            return Err(Error::failed(format!("cannot start {unit}: {how}")).hint(hint));
        }
        if begin.elapsed() >= REPORT_EVERY * reports {
            reports += 1;
            host.report.note(&format!("waiting for {name} for {} s: {cause}", begin.elapsed().as_secs()));
        }
        thread::sleep(pause);
        pause = (pause * 2).min(POLL_EVERY);
    }
}

fn show_log(host: &mut Host, unit: &str) {
    match systemctl::log_end(unit, LOG_LINES) {
        Ok(log) => {
            host.report.note(&format!("the last lines of the log of {unit}:"));
            host.report.lines_on_stderr(&redact(&log));
        }
        Err(error) => host.report.note(&format!("the log is not shown: {error}")),
    }
}
