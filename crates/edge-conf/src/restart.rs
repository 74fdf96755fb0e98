//! `--restart`: restarts the component, and restores the old settings if it does not start.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use edge_host::{Cmd, Error, Exit, Host, Outcome, Result, UndoArgs, redact, undo};
use edge_kubeedge::Kind;
use edge_kubeedge::spelling::{spelled, texts};
use edge_systemd::systemctl;
use edge_yaml::{Document, Edited};

mod setting_state;
mod watch;

use crate::EDITORS;
use crate::by_hand::{self, Runs};
use setting_state::{SettingState, state_of};
use watch::{State, Verdict, Watch};

/// systemd gives a unit 90 s to stop and 90 s to start.
const RESTART_WITHIN: Duration = Duration::from_secs(200);
const UP_WITHIN: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(200);
const LOG_LINES: u32 = 20;

/// What must be true after the restart.
pub(crate) enum Expectation<'a> {
    /// The unit stays active.
    Running,
    /// The unit stays active, and the settings are still in the file, which edgecore rewrites.
    Settings {
        /// The file.
        path: &'a Path,
        /// The changes in it.
        edited: &'a Edited,
    },
}

/// Fails where the unit cannot be restarted; called before anything is changed.
pub(crate) fn check_unit(host: &Host, unit: &str) -> Result<()> {
    let refused = |why: &str| Error::failed(format!("cannot restart {unit}: {why}; nothing was changed"));
    if !edge_systemd::is_running(&host.root)? {
        return Err(refused("this host does not run systemd")
            .hint("run it without --restart, and restart the component yourself"));
    }
    match systemctl::show(unit, "LoadState")?.get("LoadState") {
        "loaded" => Ok(()),
        "not-found" => {
            let started = Kind::of_unit(unit).is_some_and(|kind| is_by_hand(host, kind));
            let hint = match Kind::of_unit(unit).filter(|_| started) {
                Some(kind) => format!("it was started by hand; give it a unit: edge-conf unit {}", kind.program()),
                None => "run it without --restart; the component reads the file when it starts".to_owned(),
            };
            Err(refused("the unit does not exist").hint(hint))
        }
        "masked" => Err(refused("it is masked").hint(format!("systemctl unmask {unit}; or run it without --restart"))),
        other => Err(refused(&format!("its load state is {other}")).hint(format!("systemctl status {unit}"))),
    }
}

/// What restarts a component.
pub(crate) fn command(host: &Host, kind: Kind) -> String {
    if is_by_hand(host, kind) {
        format!("edge-conf unit {} --restart", kind.program())
    } else {
        format!("systemctl restart {}", kind.unit())
    }
}

fn is_by_hand(host: &Host, kind: Kind) -> bool {
    matches!(by_hand::find(&host.root, kind), Ok(Runs::ByHand(_)))
}

/// Restarts the unit and watches it; if it does not start, the run is undone.
pub(crate) fn run(host: &mut Host, unit: &str, outcome: Outcome, check: &Expectation<'_>) -> Result<()> {
    let Err(error) = restart_and_watch(host, unit) else {
        host.report.line(&format!("restarted {unit}: it is active"));
        return match check {
            Expectation::Running => Ok(()),
            Expectation::Settings { path, edited } => check_settings(host, unit, path, edited),
        };
    };
    if error.exit() == Exit::Interrupted {
        // Whether the unit starts is unknown.
        return Err(Error::interrupted(format!("interrupted while waiting for {unit}: the new values are kept"))
            .hint(format!("systemctl status {unit}; to restore the old values: edge-conf undo")));
    }
    show_log(host, unit);
    let Some(id) = outcome.run else { return Err(error) };
    host.report.error(&error);
    let undone = undo::run(host, &UndoArgs { id: Some(id), ..UndoArgs::default() }, EDITORS)?;
    if undone.exit != Exit::Done {
        return Err(Error::failed(format!("cannot restore the old values for {unit}: see the errors above")));
    }
    restart_and_watch(host, unit).map_err(|again| {
        Error::failed(format!(
            "cannot restart {unit}: the old values are restored, but it does not start with them either: {again}"
        ))
    })?;
    Err(Error::failed(format!(
        "cannot restart {unit} with the new values: it did not start; the old values are restored and it is active"
    ))
    .hint("see the end of its log above"))
}

fn restart_and_watch(host: &Host, unit: &str) -> Result<()> {
    Cmd::find("systemctl")?.arg("daemon-reload").run()?;
    // systemd does not start a unit that has failed too often; for any other unit this has no effect.
    Cmd::find("systemctl")?.args(["reset-failed", "--", unit]).output()?;
    Cmd::find("systemctl")?.args(["restart", "--", unit]).deadline(RESTART_WITHIN).run()?;
    watch(host, unit)
}

/// Waits until a unit that was started stays active; its log is shown if it does not.
pub(crate) fn wait(host: &mut Host, unit: &str) -> Result<()> {
    watch(host, unit).inspect_err(|error| {
        if error.exit() != Exit::Interrupted {
            show_log(host, unit);
        }
    })?;
    host.report.line(&format!("started {unit}: it is active"));
    Ok(())
}

fn watch(host: &Host, unit: &str) -> Result<()> {
    let until = Instant::now() + UP_WITHIN;
    let mut watch = Watch::default();
    loop {
        host.check_interrupt()?;
        let shown = systemctl::show(unit, "ActiveState,SubState,MainPID,Result")?;
        match watch.observe(State::of(&shown), Instant::now()) {
            Verdict::Up => return Ok(()),
            Verdict::Down(why) => return Err(Error::failed(format!("{unit} {why}"))),
            Verdict::Wait if Instant::now() >= until => {
                return Err(Error::failed(format!("{unit} was not active within {} s", UP_WITHIN.as_secs())));
            }
            Verdict::Wait => thread::sleep(POLL),
        }
    }
}

/// Fails where the component has removed a setting while it rewrote its file.
fn check_settings(host: &mut Host, unit: &str, path: &Path, edited: &Edited) -> Result<()> {
    let bytes = host.root.read(path)?.unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let document =
        Document::parse(&text).map_err(|error| crate::plan::parse_error(&path.display().to_string(), &error))?;
    let mut lost = Vec::new();
    for change in &edited.changes {
        let own = spelled(document.value(), &texts(&change.path)).unwrap_or_else(|| change.path.clone());
        match state_of(change, &edited.changes, document.get(&own).as_ref()) {
            SettingState::AsSet => {}
            SettingState::Rewritten => host.report.note(&format!("{unit} has rewritten {own} in another form")),
            SettingState::Lost => lost.push(change.path.to_string()),
        }
    }
    if lost.is_empty() {
        return Ok(());
    }
    Err(Error::failed(format!(
        "{unit} is active but has removed settings from {}: {}",
        path.display(),
        lost.join(", ")
    ))
    .hint("find the cause: edge-conf check"))
}

fn show_log(host: &mut Host, unit: &str) {
    match systemctl::log_end(unit, LOG_LINES) {
        Ok(log) => {
            host.report.note(&format!("the end of the log of {unit}:"));
            host.report.lines_on_stderr(&redact(&log));
        }
        Err(error) => host.report.note(&format!("cannot show the log of {unit}: {error}")),
    }
}
