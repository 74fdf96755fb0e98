//! `xtask test`: every check and test, one line for each suite and one for the total.

mod examples;
mod fresh;
mod package;
mod progress;
mod reproducible;
mod suites;
mod tally;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::Instant;

use anyhow::{Result, bail};

use self::progress::{Progress, Running, TICK};
use self::suites::SUITES;
use self::tally::Tally;
use crate::machine::Missing;
use crate::workspace::{Workspace, write};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Install what the tests need first: Debian packages (as root), the arm64 target, cargo-deny
    #[arg(long)]
    install: bool,
    /// Run only these suites, in the usual order; fuzz and reproducible run only if they are named here
    #[arg(long, num_args = 1.., value_name = "SUITE", value_parser = suite_names())]
    only: Vec<String>,
    /// Run `test --install` once as on a new computer: in a minimal Debian 12 tree (as root)
    ///
    /// The tree is made by mmdebstrap and has private mount and PID namespaces. Of this computer it
    /// has the sources, the Rust toolchain in use (read-only), Go if it is not a package's, the
    /// kernel with /dev and /sys, and how the network is reached: name servers, CA certificates,
    /// proxies, Debian's mirrors, the settings of cargo and Go. CARGO_HOME, the build directory and
    /// the cache with images are empty.
    ///
    /// Only the packages of the README and of --install are installed there, so a suite that needs
    /// any other program fails or skips.
    /// Each package must be used: at least one suite reads a file of it.
    ///
    /// It takes as long as a first build of everything. Together with --only it covers these
    /// suites and their packages. Logs are in target/fresh/logs. KVM, loop devices and
    /// modules are those of this computer's kernel.
    #[arg(long)]
    fresh: bool,
}

/// One suite: a line on the terminal and a log.
struct Suite {
    name: &'static str,
    run: fn(&SuiteContext<'_>) -> Result<Outcome>,
    place: Place,
}

/// When a suite runs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// One after the other: they build with cargo and keep every core busy.
    InTurn,
    /// Beside those from the beginning, one after the other: it keeps one processor busy for most of its time, emulated
    /// or real.
    Beside,
    /// In turn, but only if it is named: it takes long and finds little that is new on most days.
    OnlyByName,
}

impl Suite {
    /// Whether it runs in a call with this `--only`.
    fn is_requested(&self, only: &[String]) -> bool {
        if only.is_empty() { self.place != Place::OnlyByName } else { only.iter().any(|name| name == self.name) }
    }
}

/// Where a suite works.
struct SuiteContext<'a> {
    workspace: &'a Workspace,
    /// This program, to run its other tasks.
    xtask: PathBuf,
    log: PathBuf,
    install: bool,
    /// How many tests there are to run, for the progress.
    listed: Arc<AtomicUsize>,
}

/// A message from a suite's thread to the one that prints.
enum Event {
    Started(Running),
    Ended { name: &'static str, log: PathBuf, outcome: Outcome, seconds: f64 },
}

/// How a suite ended.
#[derive(Default)]
struct Outcome {
    tally: Tally,
    /// Notes for the reader, although nothing failed.
    notes: Vec<String>,
}

/// How much of a failed suite's log the terminal gets.
const SHOWN_LINES: usize = 60;
/// The same once more, after all suites.
const SHOWN_AT_THE_END: usize = 12;
/// How many of the slowest tests are named.
const SLOWEST: usize = 10;

/// The suites' names in the order they run.
pub(crate) fn suite_names() -> Vec<&'static str> {
    SUITES.iter().map(|suite| suite.name).collect()
}

pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode> {
    let selected: Vec<&Suite> = SUITES.iter().filter(|suite| suite.is_requested(&args.only)).collect();
    let names: Vec<&str> = selected.iter().map(|suite| suite.name).collect();
    if args.fresh {
        return fresh::run(workspace, &names, args.only.is_empty());
    }
    let logs = workspace.scratch("xtask")?;
    let missing = Missing::for_suites(&names);
    if args.install && !missing.lines().is_empty() {
        let log = logs.join("install.log");
        write(&log, "")?;
        missing.install(&log)?;
    }

    let xtask = std::env::current_exe()?;
    let context = |suite: &Suite| SuiteContext {
        workspace,
        xtask: xtask.clone(),
        log: logs.join(format!("{}.log", suite.name)),
        install: args.install,
        listed: Arc::default(),
    };
    let (beside, in_turn): (Vec<&Suite>, Vec<&Suite>) =
        selected.into_iter().partition(|suite| suite.place == Place::Beside);
    let (sender, events) = mpsc::channel();
    let Reported { total, notes, failures } = std::thread::scope(|scope| {
        for lane in [in_turn, beside] {
            let (sender, context) = (sender.clone(), &context);
            scope.spawn(move || lane.into_iter().for_each(|suite| run_suite(suite, &context(suite), &sender)));
        }
        drop(sender);
        report(&events)
    });

    for note in notes {
        println!("{note}");
    }
    let missing = Missing::for_suites(&names);
    for line in missing.lines() {
        println!("hint: {line}");
    }
    print!("{}", total.slowest(SLOWEST));
    // Again, as the suites that ran after it may have printed thousands of lines.
    for (line, log) in failures {
        println!("failed: {line}");
        print!("{}", ending(&log, SHOWN_AT_THE_END));
    }
    let skips_fail = in_ci() && total.skipped > 0;
    if skips_fail {
        println!("CI is set: a skip is a failure");
    }
    println!("{total}");
    Ok(ExitCode::from(u8::from(total.failed > 0 || skips_fail)))
}

fn run_suite(suite: &Suite, context: &SuiteContext<'_>, events: &Sender<Event>) {
    let started = Instant::now();
    let (log, listed) = (context.log.clone(), Arc::clone(&context.listed));
    // The receiver exists until every sender is dropped.
    let _ = events.send(Event::Started(Running { name: suite.name, log: log.clone(), listed, started }));
    let outcome = outcome(suite, context);
    let seconds = started.elapsed().as_secs_f64();
    let _ = events.send(Event::Ended { name: suite.name, log, outcome, seconds });
}

/// What all suites together have reported.
#[derive(Default)]
struct Reported {
    total: Tally,
    notes: Vec<String>,
    /// The line and the log of each suite that has failed.
    failures: Vec<(String, PathBuf)>,
}

/// Prints progress until all suites have ended.
fn report(events: &mpsc::Receiver<Event>) -> Reported {
    let (mut reported, mut progress) = (Reported::default(), Progress::new());
    loop {
        match events.recv_timeout(TICK) {
            Ok(Event::Started(suite)) => progress.started(suite),
            Ok(Event::Ended { name, log, outcome, seconds }) => {
                progress.ended(name);
                let line = format!("{name}: {} ({seconds:.1} s)", outcome.tally);
                println!("{line}");
                if outcome.tally.failed > 0 {
                    print!("{}", ending(&log, SHOWN_LINES));
                    reported.failures.push((line, log));
                }
                for (test, reason) in &outcome.tally.reasons {
                    let place = if test == name { String::new() } else { format!("{name}: ") };
                    reported.notes.push(format!("skipped {place}{test}: {reason}"));
                }
                reported.notes.extend(outcome.notes.iter().map(|note| format!("note: {note}")));
                reported.total.add(&outcome.tally);
            }
            Err(RecvTimeoutError::Timeout) => progress.tick(),
            Err(RecvTimeoutError::Disconnected) => return reported,
        }
    }
}

/// Runs one suite; a suite that cannot start has failed.
fn outcome(suite: &Suite, context: &SuiteContext<'_>) -> Outcome {
    let missing = Missing::for_suites(&[suite.name]);
    if !missing.lines().is_empty() {
        let names = [missing.packages, missing.targets].concat().join(", ");
        return Outcome::skipped(suite.name, &format!("not installed: {names}"));
    }
    let ran = write(&context.log, "").and_then(|()| (suite.run)(context));
    ran.unwrap_or_else(|error| {
        let mut text = std::fs::read_to_string(&context.log).unwrap_or_default();
        text.push_str(&format!("xtask: {error:#}\n"));
        for hint in crate::failure::hints(&error) {
            text.push_str(&format!("hint: {hint}\n"));
        }
        if write(&context.log, text).is_err() {
            eprintln!("xtask: {error:#}");
        }
        Outcome::of(false)
    })
}

impl Outcome {
    /// A suite that is one test.
    fn of(passed: bool) -> Outcome {
        let (passed, failed) = if passed { (1, 0) } else { (0, 1) };
        Tally { passed, failed, ..Tally::default() }.into()
    }

    fn skipped(name: &str, reason: &str) -> Outcome {
        Tally { skipped: 1, reasons: vec![(name.to_owned(), reason.to_owned())], ..Tally::default() }.into()
    }

    fn and(mut self, other: Outcome) -> Outcome {
        self.tally.add(&other.tally);
        self.notes.extend(other.notes);
        self
    }
}

impl From<Tally> for Outcome {
    fn from(tally: Tally) -> Outcome {
        Outcome { tally, notes: Vec::new() }
    }
}

/// True in continuous integration, where nothing may be left out.
fn in_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| !value.is_empty())
}

/// The lines of a log that explain a failure, at most so many.
fn ending(log: &Path, most: usize) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let mut shown = format!("  from {}:\n", log.display());
    for line in relevant(&text.lines().collect::<Vec<_>>(), most) {
        shown.push_str(&format!("  | {line}\n"));
    }
    shown
}

/// The lines that explain a failure: the failed tests, wherever they are in the log; else its last lines.
fn relevant<'a>(lines: &[&'a str], most: usize) -> Vec<&'a str> {
    let mut found = Vec::new();
    let mut inside = false;
    for line in lines {
        inside = (inside || *line == "failures:") && !line.starts_with("test result: ");
        if inside && !line.is_empty() && !is_of_a_backtrace(line) {
            found.push(*line);
        }
    }
    if found.is_empty() {
        found = lines.to_vec();
    }
    let from = found.len().saturating_sub(most);
    found.split_off(from)
}

/// A line that Rust prints below a panic's message, of which there are more than are shown.
fn is_of_a_backtrace(line: &str) -> bool {
    let line = line.trim_start();
    let number = line.trim_start_matches(|sign: char| sign.is_ascii_digit());
    let is_frame = number.len() < line.len() && number.starts_with(": ");
    is_frame
        || ["at /", "at ./", "stack backtrace:", "note: Some details are omitted"]
            .iter()
            .any(|begin| line.starts_with(begin))
}

/// An error if nothing matches, so that a suite cannot pass by running nothing.
fn some<T>(found: Vec<T>, what: &str) -> Result<Vec<T>> {
    if found.is_empty() {
        bail!("no {what} to run");
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_of_a_test_are_shown_although_others_ran_after_it() {
        let log = ["running 2 tests", "", "failures:", "", "---- one stdout ----", "wrong", "test result: FAILED. 1"];
        let mut lines = log.to_vec();
        lines.extend(["test result: ok. 3 passed"; 2 * SHOWN_LINES]);
        assert_eq!(relevant(&lines, SHOWN_LINES), ["failures:", "---- one stdout ----", "wrong"]);
    }

    #[test]
    fn message_of_a_panic_is_shown_without_its_backtrace() {
        let panic = ["thread 'a' panicked at b.rs:1:2:", "left: 1", "stack backtrace:"];
        let frames =
            ["   0: begin_panic", "             at /rustc/1/library/std/src/panicking.rs:689:5"].repeat(SHOWN_LINES);
        let lines = [&["failures:"], &panic[..], &frames[..], &["failures:", "    a"]].concat();
        assert_eq!(relevant(&lines, SHOWN_LINES), [&["failures:"], &panic[..2], &["failures:", "    a"]].concat());
    }

    #[test]
    fn suite_that_runs_only_by_name_is_in_no_other_call() {
        let of = |only: &[&str]| -> Vec<&str> {
            let only: Vec<String> = only.iter().map(|name| (*name).to_owned()).collect();
            SUITES.iter().filter(|suite| suite.is_requested(&only)).map(|suite| suite.name).collect()
        };
        assert_eq!(of(&["fuzz", "fmt"]), ["fmt", "fuzz"]);
        assert!(of(&[]).contains(&"stories") && !of(&[]).contains(&"fuzz"));
    }

    #[test]
    fn end_of_the_log_is_shown_where_no_test_failed() {
        let lines = ["line"; 2 * SHOWN_LINES];
        assert_eq!(relevant(&lines, SHOWN_LINES).len(), SHOWN_LINES);
    }
}
