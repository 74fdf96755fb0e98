//! Waits until CRI-O is up and says whether it works.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use edge_host::{Error, Host, Result, redact};
use edge_systemd::systemctl;

use crate::config::{self, Effective};
use crate::cri::{self, Answer};
use crate::facts::socket_path;
use crate::version::Version;
use crate::{cni, unit};

const LOOK_EVERY: Duration = Duration::from_millis(100);
const ASK_WITHIN: Duration = Duration::from_secs(2);
const LOG_LINES: u32 = 15;
/// A unit that systemd starts again may still come up; not after so many times.
const MANY: u32 = 3;
const TELL_AFTER: Duration = Duration::from_secs(10);

/// Which start of the unit is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Start {
    /// Any.
    Any,
    /// One after this, which is about to end.
    After(String),
}

/// Waits for the socket and the daemon behind it.
///
/// Fails with the end of its log where the unit fails or ends again and again, and after `within`.
pub(crate) fn wait(host: &mut Host, socket: &str, start: &Start, within: Duration) -> Result<Answer> {
    let begin = Instant::now();
    let path = Path::new(socket_path(socket));
    let mut told = 1;
    let mut pause = Duration::from_millis(10);
    loop {
        host.check_interrupt()?;
        let state = unit::state()?;
        let is_new = match start {
            Start::Any => true,
            Start::After(before) => state.invocation != *before,
        };
        // One that is about to be replaced still answers.
        let cause = if state.active == "active" && is_new {
            match cri::ask(path, ASK_WITHIN) {
                Ok(answer) => return Ok(answer),
                Err(error) => error.to_string(),
            }
        } else {
            format!("the unit is {}", state.active)
        };
        let gone = is_new && (state.active == "failed" || state.restarts >= MANY);
        if gone || begin.elapsed() >= within {
            show_log(host);
            let how = match (gone, state.restarts) {
                (true, 0) => "it ended".to_owned(),
                (true, times) => format!("it ended {times} times"),
                (false, _) => format!("after {} s {cause}", begin.elapsed().as_secs()),
            };
            return Err(Error::failed(format!("cannot start {}: {how}", unit::UNIT))
                .hint("the log above says why; edge-crio check looks for known causes"));
        }
        if begin.elapsed() >= TELL_AFTER * told {
            told += 1;
            host.report.note(&format!("waiting for CRI-O for {} s: {cause}", begin.elapsed().as_secs()));
        }
        thread::sleep(pause);
        pause = (pause * 2).min(LOOK_EVERY);
    }
}

/// Says who answers, and what it is not ready for.
pub(crate) fn report(host: &mut Host, answer: &Answer, config: &Effective, wanted: Version) -> Result<()> {
    host.report.line(&format!(
        "{} {} answers on {} (CRI {}{})",
        answer.name,
        answer.version,
        socket_path(config.socket()),
        answer.api,
        answer.driver.map(|driver| format!(", {driver} cgroups")).unwrap_or_default()
    ));
    if let Some(runs) = version_of(answer).filter(|runs| !wanted.takes(*runs)) {
        host.report
            .warning(&format!("CRI-O {runs} runs, and not {wanted}: another crio was started, see edge-crio check"));
    }
    let causes = match answer.network_ready.holds {
        false => cni::causes(host, config)?,
        true => cni::unseen_causes(host, config)?,
    };
    for cause in causes {
        host.report.warning(&format!("pods get no network yet: {}: {}", cause.file, cause.text));
        host.report.hint(cause.hint.as_deref().unwrap_or("edge-cni check says more"));
    }
    if !answer.runtime_ready.holds {
        return Err(Error::failed(format!("cannot run containers: CRI-O says: {}", answer.runtime_ready.message)));
    }
    Ok(())
}

/// The release that answers, where it says one.
pub(crate) fn version_of(answer: &Answer) -> Option<Version> {
    answer.version.split(['-', '+']).next()?.parse().ok()
}

/// The configuration as it is now.
pub(crate) fn configuration(host: &Host) -> Result<Effective> {
    Ok(config::effective(&config::read(host)?))
}

fn show_log(host: &mut Host) {
    match systemctl::log_end(unit::UNIT, LOG_LINES) {
        Ok(log) => {
            host.report.note(&format!("the end of the log of {}:", unit::UNIT));
            host.report.lines_on_stderr(&redact(&log));
        }
        Err(error) => host.report.note(&format!("its log cannot be shown: {error}")),
    }
}
