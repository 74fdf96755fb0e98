//! `--restart`: the component has the new settings, or the old ones are back.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use edge_host::{Cmd, Error, Exit, Host, Outcome, Result, UndoArgs, redact, undo};
use edge_kubeedge::spelling::{spelled, texts};
use edge_systemd::systemctl;
use edge_yaml::{Document, Edited};

mod setting_state;
mod watch;

use crate::EDITORS;
use setting_state::{SettingState, state_of};
use watch::{State, Verdict, Watch};

/// systemd itself gives a unit 90 s to stop and 90 s to start, and ends the restart then.
const RESTART_WITHIN: Duration = Duration::from_secs(200);
const UP_WITHIN: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(200);
const LOG_LINES: u32 = 20;

/// What must hold once it is up.
pub(crate) enum Check<'a> {
    /// That it stays up.
    Running,
    /// That the settings are still in the file: edgecore rewrites its own.
    Settings {
        /// The file.
        path: &'a Path,
        /// What was changed in it.
        edited: &'a Edited,
    },
}

/// Fails where the unit cannot be restarted anyway: asked before anything is changed.
pub(crate) fn ready(host: &Host, unit: &str) -> Result<()> {
    let refused = |why: &str| Error::failed(format!("cannot restart {unit}: {why}; nothing was changed"));
    if !edge_systemd::is_running(&host.root)? {
        return Err(refused("this host does not run systemd")
            .hint("without --restart the change is made; restart the component as it was started"));
    }
    match systemctl::show(unit, "LoadState")?.get("LoadState") {
        "loaded" => Ok(()),
        "not-found" => Err(refused("systemd knows no such unit")
            .hint("without --restart the change is made, for when the component is installed")),
        "masked" => Err(refused("it is masked").hint(format!("systemctl unmask {unit}, or leave --restart away"))),
        other => Err(refused(&format!("its unit is {other}")).hint(format!("systemctl status {unit} says more"))),
    }
}

/// Restarts the unit and watches it; if it does not come up the run is taken back.
pub(crate) fn run(host: &mut Host, unit: &str, outcome: Outcome, check: &Check<'_>) -> Result<()> {
    let Err(error) = restart_and_watch(host, unit) else {
        host.report.line(&format!("restarted {unit}: it is up"));
        return match check {
            Check::Running => Ok(()),
            Check::Settings { path, edited } => still_there(host, unit, path, edited),
        };
    };
    if error.exit() == Exit::Interrupted {
        // The user stopped the waiting; whether the unit comes up is not known.
        return Err(Error::interrupted(format!("interrupted while {unit} came up: the new values stay"))
            .hint(format!("systemctl status {unit}; edge-conf undo takes the values back")));
    }
    show_log(host, unit);
    let Some(id) = outcome.run else { return Err(error) };
    host.report.error(&error);
    let undone = undo::run(host, &UndoArgs { id: Some(id), ..UndoArgs::default() }, EDITORS)?;
    if undone.exit != Exit::Done {
        return Err(Error::failed(format!("cannot put the old values back for {unit}: see above")));
    }
    restart_and_watch(host, unit).map_err(|again| {
        Error::failed(format!("the old values are back, but {unit} does not come up with them either: {again}"))
    })?;
    Err(Error::failed(format!("{unit} did not come up with the new values: the old ones are back and it is up"))
        .hint("the end of its log stands above"))
}

fn restart_and_watch(host: &Host, unit: &str) -> Result<()> {
    Cmd::find("systemctl")?.arg("daemon-reload").run()?;
    // A unit that has failed too often is not started again without this; one that has not is no error.
    Cmd::find("systemctl")?.args(["reset-failed", "--", unit]).output()?;
    Cmd::find("systemctl")?.args(["restart", "--", unit]).deadline(RESTART_WITHIN).run()?;
    let until = Instant::now() + UP_WITHIN;
    let mut watch = Watch::default();
    loop {
        host.check_interrupt()?;
        let shown = systemctl::show(unit, "ActiveState,SubState,MainPID,Result")?;
        match watch.see(State::of(&shown), Instant::now()) {
            Verdict::Up => return Ok(()),
            Verdict::Down(why) => return Err(Error::failed(format!("{unit} {why}"))),
            Verdict::Wait if Instant::now() >= until => {
                return Err(Error::failed(format!("{unit} was not up within {} s", UP_WITHIN.as_secs())));
            }
            Verdict::Wait => thread::sleep(POLL),
        }
    }
}

/// Fails where the component has dropped a setting while it rewrote its file.
fn still_there(host: &mut Host, unit: &str, path: &Path, edited: &Edited) -> Result<()> {
    let bytes = host.root.read(path)?.unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let document =
        Document::parse(&text).map_err(|error| crate::plan::yaml_error(&path.display().to_string(), &error))?;
    let mut lost = Vec::new();
    for change in &edited.changes {
        let own = spelled(document.value(), &texts(&change.path)).unwrap_or_else(|| change.path.clone());
        match state_of(change, &edited.changes, document.get(&own).as_ref()) {
            SettingState::AsSet => {}
            SettingState::Rewritten => host.report.note(&format!("{unit} has written {own} in another form")),
            SettingState::Lost => lost.push(change.path.to_string()),
        }
    }
    if lost.is_empty() {
        return Ok(());
    }
    Err(Error::failed(format!("{unit} is up but has taken settings out of {}: {}", path.display(), lost.join(", ")))
        .hint("edge-conf check shows what this version does not know"))
}

fn show_log(host: &mut Host, unit: &str) {
    match systemctl::log_end(unit, LOG_LINES) {
        Ok(log) => {
            host.report.note(&format!("the end of the log of {unit}:"));
            host.report.lines_on_stderr(&redact(&log));
        }
        Err(error) => host.report.note(&format!("its log cannot be shown: {error}")),
    }
}
