//! `--restart`: the component has the new settings, or the old ones are back.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use edge_host::{Cmd, Error, Exit, Host, Outcome, Result, UndoArgs, redact, undo};
use edge_yaml::{Document, Edited};

use crate::EDITORS;
use crate::spelling::{spelled, texts};

const SYSTEMD_RUNS: &str = "/run/systemd/system";
/// A component that fails on its configuration does so within seconds; systemd starts it again
/// after ten (KubeEdge's own units), so only one that stays up this long is up.
const MUST_STAY_UP: Duration = Duration::from_secs(5);
const UP_WITHIN: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(200);
const LOG_LINES: &str = "20";

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

/// Whether systemd is the host's init.
pub(crate) fn has_systemd(host: &Host) -> Result<bool> {
    Ok(host.root.find(Path::new(SYSTEMD_RUNS))?.exists())
}

/// Restarts the unit and watches it; if it does not come up the run is taken back.
pub(crate) fn run(host: &mut Host, unit: &str, outcome: Outcome, check: &Check<'_>) -> Result<()> {
    if !has_systemd(host)? {
        return Err(Error::failed(format!("cannot restart {unit}: this host does not run systemd"))
            .hint("the change is made; restart the component as it was started"));
    }
    let Err(error) = restart_and_watch(host, unit) else {
        host.report.line(&format!("restarted {unit}: it is up"));
        return match check {
            Check::Running => Ok(()),
            Check::Settings { path, edited } => still_there(host, unit, path, edited),
        };
    };
    show_log(host, unit);
    let Some(id) = outcome.run else { return Err(error) };
    host.report.error(&error);
    let undone = undo::run(host, &UndoArgs { id: Some(id), list: false }, EDITORS)?;
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
    // A unit that has failed too often is not started again without this.
    Cmd::find("systemctl")?.args(["reset-failed", "--", unit]).output()?;
    Cmd::find("systemctl")?.args(["restart", "--", unit]).deadline(UP_WITHIN).run()?;
    let until = Instant::now() + UP_WITHIN;
    let mut up_since: Option<(Instant, State)> = None;
    loop {
        host.check_interrupt()?;
        let state = State::of(unit)?;
        if state.active == "failed" {
            return Err(Error::failed(format!("{unit} failed ({})", state.result)));
        }
        match &up_since {
            // Same process, still active: a crash loop looks active in between.
            Some((since, first)) if *first == state => {
                if since.elapsed() >= MUST_STAY_UP {
                    return Ok(());
                }
            }
            Some((_, first)) if first.active == "active" => {
                return Err(Error::failed(format!("{unit} came up and ended again ({})", state.result)));
            }
            _ => up_since = (state.active == "active").then(|| (Instant::now(), state)),
        }
        if Instant::now() >= until {
            return Err(Error::failed(format!("{unit} was not up within {} s", UP_WITHIN.as_secs())));
        }
        thread::sleep(POLL);
    }
}

/// What systemd says of a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
struct State {
    active: String,
    pid: String,
    result: String,
}

impl State {
    fn of(unit: &str) -> Result<State> {
        let shown =
            Cmd::find("systemctl")?.args(["show", "-p", "ActiveState,MainPID,Result", "--", unit]).run()?.stdout;
        Ok(State::parse(&shown))
    }

    fn parse(shown: &str) -> State {
        let value = |name: &str| {
            shown.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).unwrap_or_default().to_owned()
        };
        State { active: value("ActiveState"), pid: value("MainPID"), result: value("Result") }
    }
}

/// Fails where the component has dropped a setting while it rewrote its file.
fn still_there(host: &Host, unit: &str, path: &Path, edited: &Edited) -> Result<()> {
    let bytes = host.root.read(path)?.unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let document =
        Document::parse(&text).map_err(|error| crate::plan::yaml_error(&path.display().to_string(), &error))?;
    let lost: Vec<String> = edited
        .changes
        .iter()
        .filter(|change| {
            let own = spelled(document.value(), &texts(&change.path)).unwrap_or_else(|| change.path.clone());
            change.after.is_some() && document.get(&own) != change.after
        })
        .map(|change| change.path.to_string())
        .collect();
    if lost.is_empty() {
        return Ok(());
    }
    Err(Error::failed(format!("{unit} is up but has taken settings out of {}: {}", path.display(), lost.join(", ")))
        .hint("edge-conf check shows what this version does not know"))
}

fn show_log(host: &mut Host, unit: &str) {
    let log = Cmd::find("journalctl")
        .and_then(|cmd| cmd.args(["--no-pager", "-o", "cat", "-n", LOG_LINES, "-u", unit]).run());
    match log {
        Ok(output) => {
            host.report.note(&format!("the end of the log of {unit}:"));
            host.report.lines_on_stderr(&redact(&output.stdout));
        }
        Err(error) => host.report.note(&format!("its log cannot be shown: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::State;

    #[test]
    fn the_state_of_a_unit_is_read_in_any_order() {
        let state = State::parse("Result=exit-code\nMainPID=17\nActiveState=activating\n");
        assert_eq!(
            (state.active.as_str(), state.pid.as_str(), state.result.as_str()),
            ("activating", "17", "exit-code")
        );
    }
}
