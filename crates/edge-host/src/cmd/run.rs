//! Runs a program that may be ended at its deadline, and collects its output.

use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;

use super::output::{collect, collected};
use super::{Cmd, Output, session};
use crate::error::{Result, ResultExt};

/// Between two checks of a program that runs.
const SHORTEST_PAUSE: Duration = Duration::from_micros(100);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);
/// How long the last output of a program that has ended is waited for.
const LINGER: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    ByItself,
    AtDeadline,
    BySignal,
}

impl Cmd {
    pub(crate) fn output_reporting(&self, report: &mut dyn FnMut(Duration)) -> Result<Output> {
        if self.protected {
            return session::output(self, report);
        }
        let mut command = Command::new(&self.program);
        self.prepare(&mut command);
        command.current_dir(&self.dir).envs(self.variables.iter().map(|(name, value)| (name, value)));
        // A process group of its own: Ctrl-C in a terminal reaches the utility, which stops between two steps, and
        // not the program in the middle of one.
        command.process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.spawn(&mut command).on("run", self.shown())?;
        let (closed, closes) = channel();
        let stdout = collect(child.stdout.take(), self.keep_output, closed.clone());
        let stderr = collect(child.stderr.take(), self.keep_output, closed);
        if let Some(mut pipe) = child.stdin.take().filter(|_| !self.stdin.is_empty()) {
            let bytes = self.stdin.clone();
            // A program that does not read its input to the end is not an error, and not waited for.
            thread::spawn(move || pipe.write_all(&bytes).ok());
        }
        let (status, ended) = self.wait(&mut child, &closes, report).on("run", self.shown())?;
        let until = Instant::now() + LINGER;
        let output =
            Output { status, stdout: collected(stdout.as_ref(), until), stderr: collected(stderr.as_ref(), until) };
        if let (Ended::BySignal, Some(interrupt)) = (ended, &self.interrupt) {
            interrupt.check()?;
        }
        if ended == Ended::AtDeadline {
            return Err(self.failed(format!("still running after {} s", self.deadline.as_secs()), output));
        }
        Ok(output)
    }

    /// Waits for the end of the program. It is checked at once when a pipe is closed, as most programs end then;
    /// otherwise less and less often.
    fn wait(
        &self,
        child: &mut Child,
        closes: &Receiver<()>,
        report: &mut dyn FnMut(Duration),
    ) -> io::Result<(ExitStatus, Ended)> {
        let begin = Instant::now();
        let mut reports = 1;
        let mut pause = SHORTEST_PAUSE;
        let stopped = || self.interrupt.as_ref().is_some_and(|interrupt| interrupt.check().is_err());
        while begin.elapsed() < self.deadline && !stopped() {
            if let Some(status) = child.try_wait()? {
                return Ok((status, Ended::ByItself));
            }
            if begin.elapsed() >= self.report_every * reports {
                report(begin.elapsed());
                reports += 1;
            }
            pause = match closes.recv_timeout(pause) {
                Ok(()) => SHORTEST_PAUSE,
                Err(RecvTimeoutError::Timeout) => (pause * 2).min(LONGEST_PAUSE),
                Err(RecvTimeoutError::Disconnected) => {
                    thread::sleep(pause);
                    (pause * 2).min(LONGEST_PAUSE)
                }
            };
        }
        let group = Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX));
        // It may have ended already.
        killpg(group, Signal::SIGTERM).ok();
        let until = Instant::now() + self.grace;
        // WNOWAIT leaves it unreaped: until then no other process can have its number.
        let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        while waitid(Id::Pid(group), look) == Ok(WaitStatus::StillAlive) && Instant::now() < until {
            thread::sleep(Duration::from_millis(20));
        }
        // Also its children that ignored SIGTERM.
        killpg(group, Signal::SIGKILL).ok();
        Ok((child.wait()?, if stopped() { Ended::BySignal } else { Ended::AtDeadline }))
    }
}
