//! The progress of `xtask test`: a line that is rewritten on a terminal, else a line from time to time.

use std::io::{IsTerminal, Write, stdout};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::tally;

/// How often a terminal's line is rewritten.
pub(super) const TICK: Duration = Duration::from_secs(1);
/// How often a log or a pipe gets a line for each suite that still runs.
const HEARTBEAT: Duration = Duration::from_secs(60);

/// A suite that runs now.
pub(super) struct Running {
    pub(super) name: &'static str,
    pub(super) log: PathBuf,
    /// How many tests it is going to run; 0 until that is known, or where it counts none.
    pub(super) listed: Arc<AtomicUsize>,
    pub(super) started: Instant,
}

impl Running {
    /// `stories 312 of 545 tests, 210 s`
    fn state(&self) -> String {
        let seconds = self.started.elapsed().as_secs();
        match self.listed.load(Ordering::Relaxed) {
            0 => format!("{} {seconds} s", self.name),
            listed => {
                let log = std::fs::read(&self.log).unwrap_or_default();
                let finished = tally::finished(&String::from_utf8_lossy(&log));
                format!("{} {finished} of {listed} tests, {seconds} s", self.name)
            }
        }
    }
}

/// The suites that run now, and when they were last reported.
pub(super) struct Progress {
    running: Vec<Running>,
    is_terminal: bool,
    reported: Instant,
}

impl Progress {
    pub(super) fn new() -> Progress {
        Progress { running: Vec::new(), is_terminal: stdout().is_terminal(), reported: Instant::now() }
    }

    pub(super) fn started(&mut self, suite: Running) {
        if !self.is_terminal {
            println!("{}: started", suite.name);
        }
        self.running.push(suite);
        self.tick();
    }

    /// Removes the suite, and its line from the terminal.
    pub(super) fn ended(&mut self, name: &str) {
        self.running.retain(|suite| suite.name != name);
        if self.is_terminal {
            print!("\r\x1b[K");
        }
    }

    /// Reports the running suites, if it is time.
    pub(super) fn tick(&mut self) {
        let states = self.running.iter().map(Running::state);
        if self.is_terminal {
            print!("\r\x1b[K{}", states.collect::<Vec<_>>().join("; "));
            // The tests continue without a terminal.
            let _ = stdout().flush();
        } else if self.reported.elapsed() >= HEARTBEAT {
            states.for_each(|state| println!("{state}"));
            self.reported = Instant::now();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_counts_the_finished_tests_of_those_that_are_known() {
        let log = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(log.path(), "test a ... ok <0.1s>\ntest b ... FAILED\nmore\n").unwrap();
        let suite =
            Running { name: "unit", log: log.path().to_owned(), listed: Arc::default(), started: Instant::now() };
        assert_eq!(suite.state(), "unit 0 s");
        suite.listed.store(7, Ordering::Relaxed);
        assert_eq!(suite.state(), "unit 2 of 7 tests, 0 s");
    }
}
