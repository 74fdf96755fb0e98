//! Waits until CRI-O is started, and reports whether it works.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use edge_cri::Answer;
use edge_host::{Error, Host, Result, redact};
use edge_systemd::systemctl;

use crate::config::{Current, Effective};
use crate::facts::socket_path;
use crate::version::Version;
use crate::{cni, log, unit};

const POLL_EVERY: Duration = Duration::from_millis(100);
const ASK_WITHIN: Duration = Duration::from_secs(2);
const LOG_LINES: u32 = 15;
/// systemd restarts a failed unit, which may then start; after this many restarts it is not waited for.
const MAX_RESTARTS: u32 = 3;
const REPORT_EVERY: Duration = Duration::from_secs(10);

/// The start of the unit to wait for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Start {
    /// Any.
    Any,
    /// One after this invocation, which is being stopped.
    After(String),
}

/// Waits until the daemon answers on its socket.
///
/// Fails if the unit fails or is restarted repeatedly, and after `within`; then the end of its log is shown.
pub(crate) fn wait(host: &mut Host, socket: &str, start: &Start, within: Duration) -> Result<Answer> {
    let begin = Instant::now();
    let path = Path::new(socket_path(socket));
    let mut reports = 1;
    let mut pause = Duration::from_millis(10);
    loop {
        host.check_interrupt()?;
        let state = unit::state()?;
        let is_new = match start {
            Start::Any => true,
            Start::After(before) => state.invocation != *before,
        };
        // A daemon that is being restarted may still answer.
        let cause = if state.active == "active" && is_new {
            match edge_cri::ask(path, ASK_WITHIN) {
                Ok(answer) => return Ok(answer),
                Err(error) => error.to_string(),
            }
        } else {
            format!("the unit is {}", state.active)
        };
        let has_failed = is_new && (state.active == "failed" || state.restarts >= MAX_RESTARTS);
        if has_failed || begin.elapsed() >= within {
            show_log(host);
            let how = match (has_failed, state.restarts) {
                (true, 0) => "it failed".to_owned(),
                (true, times) => format!("it failed after {times} restarts"),
                (false, _) => format!("it is not ready after {} s: {cause}", begin.elapsed().as_secs()),
            };
            let how = match log::last_fatal() {
                Ok(Some(fatal)) if has_failed => format!("{how}: CRI-O reports: {fatal}"),
                _ => how,
            };
            return Err(Error::failed(format!("cannot start {}: {how}", unit::UNIT))
                .hint("see the log above; for known causes: edge-crio check"));
        }
        if begin.elapsed() >= REPORT_EVERY * reports {
            reports += 1;
            host.report.note(&format!("waiting for CRI-O for {} s: {cause}", begin.elapsed().as_secs()));
        }
        thread::sleep(pause);
        pause = (pause * 2).min(POLL_EVERY);
    }
}

/// Reports the running release and what it is not ready for. Fails if it cannot run containers.
pub(crate) fn report(host: &mut Host, answer: &Answer, config: &Effective, requested: Version) -> Result<()> {
    host.report.line(&format!(
        "{} {} answers on {} (CRI {}{})",
        answer.name,
        answer.version,
        socket_path(config.socket()),
        answer.api,
        answer.driver.map(|driver| format!(", {driver} cgroups")).unwrap_or_default()
    ));
    if let Some(runs) = version_of(answer).filter(|runs| !requested.matches(*runs)) {
        host.report
            .warning(&format!("CRI-O {runs} is running instead of {requested}: for the cause, run edge-crio check"));
    }
    let network = cni::Network::read(host)?;
    for cause in network.errors() {
        host.report.warning(&format!("pods get no network yet: {}: {}", cause.file, cause.text));
        host.report.hint(cause.hint.as_deref().unwrap_or("for details: edge-cni check"));
    }
    if !answer.runtime_ready.is_met {
        return Err(Error::failed(format!("cannot run containers: CRI-O reports: {}", answer.runtime_ready.message)));
    }
    Ok(())
}

/// The running release, if the answer contains a valid version.
pub(crate) fn version_of(answer: &Answer) -> Option<Version> {
    answer.version.split(['-', '+']).next()?.parse().ok()
}

/// The current configuration.
pub(crate) fn configuration(host: &Host) -> Result<Effective> {
    Ok(Current::read(host)?.effective)
}

fn show_log(host: &mut Host) {
    match systemctl::log_end(unit::UNIT, LOG_LINES) {
        Ok(log) => {
            host.report.note(&format!("the last lines of the log of {}:", unit::UNIT));
            host.report.lines_on_stderr(&redact(&log));
        }
        Err(error) => host.report.note(&format!("the log is not shown: {error}")),
    }
}
