//! Queries to a running systemd, and its commands in a plan.

use std::collections::BTreeMap;
use std::time::Duration;

use edge_host::action::{Run, UndoOrder};
use edge_host::{Cmd, Result};

const PROGRAM: &str = "systemctl";
/// The default timeout of systemd for starting or stopping a unit.
const WITHIN: Duration = Duration::from_secs(90);

/// How long a query that has not ended in time may take to end.
const GRACE: Duration = Duration::from_millis(200);

/// The command line `systemctl WORDS… -- UNIT`.
pub fn argv(words: &[&str], unit: &str) -> Vec<String> {
    [PROGRAM].iter().chain(words).chain(&["--", unit]).map(|&word| word.to_owned()).collect()
}

/// Reloads the units; in an undo after their files are restored.
pub fn reload() -> Run {
    const ARGV: [&str; 2] = [PROGRAM, "daemon-reload"];
    Run::new(ARGV, WITHIN).undone_by(UndoOrder::Last, ARGV)
}

/// Starts a unit and waits for it; an undo stops it.
pub fn start(unit: &str) -> Run {
    Run::new(argv(&["start"], unit), WITHIN)
        .with_probe(argv(&["is-active", "--quiet"], unit))
        .undone_by(UndoOrder::Reverse, ["sh", "-c", &stop_if_loaded(unit)])
}

/// The command line that stops a unit, if there is one: after a power cut an undo may stop it again when its file is gone.
pub fn stop_if_loaded(unit: &str) -> String {
    // 5: it is not loaded, so nothing of it runs.
    format!("{} || test $? -eq 5", argv(&["stop"], unit).join(" "))
}

/// Starts a unit without waiting for it.
pub fn start_no_block(unit: &str) -> Run {
    Run { argv: argv(&["start", "--no-block"], unit), ..start(unit) }
}

/// Stops a unit; an undo starts it after its files are restored and reloaded.
pub fn stop(unit: &str) -> Run {
    Run::new(argv(&["stop"], unit), WITHIN).undone_by(UndoOrder::Last, argv(&["start"], unit))
}

/// Restarts a unit without waiting for it; an undo restarts it at the end, if it is active then.
pub fn restart_no_block(unit: &str) -> Run {
    // Its package may be gone. And systemd does not start a unit that was started too often in a while, as it is by the
    // undo of several runs.
    let [is_active, reset] =
        [&["is-active", "--quiet"][..], &["reset-failed"]].map(|words| argv(words, unit).join(" "));
    // From 3 on it is not active or not known; 1 is an error of systemctl itself.
    let undo = format!("{is_active} || {{ test $? -ge 3; exit; }}; {reset}; {}", try_restart(unit));
    Run::new(argv(&["restart", "--no-block"], unit), WITHIN).undone_by(UndoOrder::Finally, ["sh", "-c", &undo])
}

/// The command line that restarts a unit if it is active.
pub fn try_restart(unit: &str) -> String {
    argv(&["try-restart"], unit).join(" ")
}

/// Removes a failed unit without a file from systemd's list.
pub fn reset_failed(unit: &str) -> Run {
    Run::new(argv(&["reset-failed"], unit), WITHIN)
}

/// The units of these types that have failed, also those whose files are gone.
pub fn failed(types: &str) -> Result<Vec<String>> {
    const LIST: [&str; 6] = ["list-units", "--all", "--state=failed", "--plain", "--no-legend", "--full"];
    let shown = Cmd::find(PROGRAM)?.args(LIST).arg(format!("--type={types}")).run()?.stdout;
    Ok(shown.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect())
}

/// Whether a unit is active.
pub fn is_active(unit: &str) -> Result<bool> {
    Ok(Cmd::find(PROGRAM)?.args(["is-active", "--quiet", "--", unit]).output()?.status.success())
}

/// Properties of a unit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Properties(BTreeMap<String, String>);

impl Properties {
    /// Parses the output of `systemctl show`.
    pub fn parse(shown: &str) -> Properties {
        let pairs = shown.lines().filter_map(|line| line.split_once('='));
        Properties(pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
    }

    /// A property; empty if systemd does not know it.
    pub fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }
}

/// Queries properties of a unit, separated by commas.
pub fn show(unit: &str, properties: &str) -> Result<Properties> {
    let output = Cmd::find(PROGRAM)?.args(["show", "-p", properties, "--", unit]).run()?;
    Ok(Properties::parse(&output.stdout))
}

/// The same for a report: systemctl is ended after this time, as it waits for a systemd that hangs.
pub fn show_within(unit: &str, properties: &str, within: Duration) -> Result<Properties> {
    let cmd = Cmd::find(PROGRAM)?.args(["show", "-p", properties, "--", unit]);
    Ok(Properties::parse(&cmd.deadline(within).grace(GRACE).run()?.stdout))
}

/// The last lines of a unit's log.
pub fn log_end(unit: &str, lines: u32) -> Result<String> {
    let lines = lines.to_string();
    Ok(Cmd::find("journalctl")?.args(["--no-pager", "-o", "cat", "-n", &lines, "-u", unit]).run()?.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_are_parsed_in_any_order() {
        let shown = Properties::parse("Result=exit-code\nEnvironment=A=1\nMainPID=17\n");
        assert_eq!((shown.get("MainPID"), shown.get("Environment"), shown.get("None")), ("17", "A=1", ""));
    }
}
