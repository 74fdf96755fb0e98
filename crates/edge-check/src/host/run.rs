//! Finds the programs of the utilities and runs their checks, all at once.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use edge_host::{Cmd, Common, Error, Host, Output, Result};

use crate::catalog::Utility;

/// The most output of a check that is read, in bytes; more is not understood, as its end is missing.
const MOST_OUTPUT: usize = 16 << 20;

/// A check of a utility, and whether it is to be run.
#[derive(Debug)]
pub(crate) struct Selected {
    name: String,
    /// The command; none with the reason why there is nothing to run.
    command: Result<Cmd, Absent>,
}

/// Why a check is not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Absent {
    /// What it checks is not on this host; with what that is.
    Subject(String),
    /// The program is not installed; with the error.
    Program(String),
}

/// How a check ended.
#[derive(Debug)]
pub(crate) struct Ran {
    /// The name of the utility.
    pub(crate) name: String,
    /// Its output.
    pub(crate) end: End,
}

/// The end of a check.
#[derive(Debug)]
pub(crate) enum End {
    /// It was not run.
    Absent(Absent),
    /// It could not be run, or did not end in time; with the cause.
    Failed(String),
    /// It ended by itself.
    Ended(Output),
}

/// The check of each utility that applies to this host.
pub(crate) fn select(host: &Host, common: &Common, utilities: &[Utility]) -> Result<Vec<Selected>> {
    let own = std::env::current_exe().ok();
    let beside = own.as_deref().and_then(Path::parent);
    utilities
        .iter()
        .map(|utility| Ok(Selected { name: utility.name.clone(), command: one(host, common, utility, beside)? }))
        .collect()
}

fn one(host: &Host, common: &Common, utility: &Utility, beside: Option<&Path>) -> Result<Result<Cmd, Absent>> {
    let mut chosen = None;
    for check in &utility.check {
        if has_any(host, &check.if_any)? {
            chosen = Some(check);
            break;
        }
    }
    let Some(check) = chosen else { return Ok(Err(Absent::Subject(utility.otherwise.clone()))) };
    let program = beside.map(|dir| dir.join(&utility.name)).filter(|path| path.is_file());
    let command = match program.map_or_else(|| Cmd::find(&utility.name), |path: PathBuf| Ok(Cmd::at(path))) {
        Ok(command) => command,
        Err(error) => return Ok(Err(Absent::Program(error.message().to_owned()))),
    };
    // Without a slash at its end.
    let root = (!host.root.is_live()).then(|| host.root.display(Path::new("/")).components().collect::<PathBuf>());
    let root = root.iter().flat_map(|dir| [Path::new("--root"), dir.as_path()]);
    let forced = [(common.force_root, "--force-root"), (common.force_namespace, "--force-namespace")];
    let forced = forced.into_iter().filter(|(is_given, _)| *is_given).map(|(_, option)| option);
    Ok(Ok(command.args(root.map(Path::as_os_str)).args(forced).args(&check.args).arg("--json")))
}

/// Whether one of these paths exists; one that ends in a slash is a directory with something in it.
fn has_any(host: &Host, paths: &[String]) -> Result<bool> {
    for path in paths {
        let found = match path.strip_suffix('/') {
            Some(dir) if host.root.entry_kind(Path::new(dir))?.is_some() => !host.root.list(Path::new(dir))?.is_empty(),
            Some(_) => false,
            None => host.root.entry_kind(Path::new(path))?.is_some(),
        };
        if found {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Runs all of them at once, each for this time at most. Errors: exit 5 after a signal.
pub(crate) fn all(host: &Host, selected: Vec<Selected>, timeout: Duration) -> Result<Vec<Ran>> {
    let running: Vec<_> = selected
        .into_iter()
        .map(|Selected { name, command }| {
            let command = command.map(|command| {
                let command = host.stoppable(command).deadline(timeout).keep_output(MOST_OUTPUT);
                thread::spawn(move || command.output())
            });
            (name, command)
        })
        .collect();
    let ended = running.into_iter().map(|(name, command)| {
        let end = match command {
            Err(absent) => End::Absent(absent),
            Ok(thread) => match thread.join() {
                Ok(Ok(output)) => End::Ended(output),
                Ok(Err(error)) => End::Failed(cause(&error)),
                Err(_) => End::Failed("internal error: its thread ended".to_owned()),
            },
        };
        Ran { name, end }
    });
    let ended: Vec<Ran> = ended.collect();
    host.check_interrupt()?;
    Ok(ended)
}

/// Without the command line, which the line is about.
fn cause(error: &Error) -> String {
    if error.cause().is_empty() { error.message().to_owned() } else { error.cause().to_owned() }
}
