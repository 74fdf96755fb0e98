//! Handles SIGINT, SIGTERM and SIGHUP: before a change they end the call at once, during a change they stop it between
//! two steps. Either way the call exits with 5 and ends with its result record.
//!
//! A thread waits for the signals, so that parsing, waiting for a lock or reading standard input need no checks. A
//! signal that the caller ignores (`nohup`, a background job of a script) stays ignored.

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::error::{Error, Result};
use crate::exit::Exit;

/// Time to write the end of a call: the reader of a pipe may be stuck.
const WRITES_WITHIN: Duration = Duration::from_secs(1);
/// Enough to print a record; every call has this thread.
const STACK: usize = 256 << 10;

/// Whether a signal has come.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interrupt {
    came: Arc<AtomicBool>,
    phase: Arc<Mutex<Phase>>,
}

/// What a signal does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Phase {
    /// It ends the process, as nothing is being changed.
    #[default]
    Looking,
    /// It is remembered, and the call stops between two steps.
    Changing,
    /// The call has its result.
    Ended,
}

impl Interrupt {
    /// Watches for the signals from now on. The first one that comes before [`Interrupt::catch`] calls
    /// `end`, which reports that the call was interrupted, and ends the process with exit 5.
    pub(crate) fn watch(&self, end: impl FnOnce() + Send + 'static) {
        // Without a free descriptor or thread, signals end the process by default.
        let _ = self.try_watch(end);
    }

    fn try_watch(&self, end: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
        let (mut signals, write) = UnixStream::pair()?;
        let phase = Arc::clone(&self.phase);
        thread::Builder::new().stack_size(STACK).spawn(move || {
            if !matches!(signals.read(&mut [0]), Ok(1..)) {
                return;
            }
            // Held to the end, so that no change can begin now.
            let phase = phase.lock().unwrap_or_else(PoisonError::into_inner);
            match *phase {
                Phase::Looking => leave(end),
                Phase::Changing => {}
                Phase::Ended => leave(|| thread::sleep(WRITES_WITHIN)),
            }
        })?;
        let ignored = ignored();
        for signal in [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|signal| ignored >> (signal - 1) & 1 == 0) {
            // In this order, so that a signal in between is not lost.
            signal_hook::low_level::pipe::register(signal, write.try_clone()?)?;
            signal_hook::flag::register(signal, Arc::clone(&self.came))?;
        }
        Ok(())
    }

    /// From now on a signal is only remembered, for [`Interrupt::check`]: something is about to be changed.
    pub(crate) fn catch(&self) -> Result<()> {
        self.enter(Phase::Changing);
        self.check()
    }

    /// The call has printed its result; nothing is printed after it.
    pub(crate) fn ends(&self) {
        self.enter(Phase::Ended);
    }

    fn enter(&self, phase: Phase) {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner) = phase;
    }

    #[cfg(test)]
    pub(crate) fn set(&self) {
        self.came.store(true, Ordering::Relaxed);
    }

    /// Fails with exit 5 after a signal.
    pub(crate) fn check(&self) -> Result<()> {
        if self.came.load(Ordering::Relaxed) {
            return Err(interrupted());
        }
        Ok(())
    }
}

/// The error of a call that was stopped by a signal.
pub(crate) fn interrupted() -> Error {
    Error::interrupted("interrupted by a signal")
}

/// Ends the process with exit 5, after `end` or if that takes too long.
#[allow(clippy::exit, reason = "another thread is in the middle of something that nothing depends on")]
fn leave(end: impl FnOnce()) {
    let code = i32::from(Exit::Interrupted.code());
    // If no thread can be started, it may take longer.
    let _ = thread::Builder::new().stack_size(STACK).spawn(move || {
        thread::sleep(WRITES_WITHIN);
        std::process::exit(code);
    });
    end();
    std::process::exit(code);
}

const STATUS: &str = "/proc/self/status";

/// The signals that the caller ignores, a bit for each; none if /proc cannot be read.
fn ignored() -> u64 {
    let status = std::fs::read_to_string(STATUS).unwrap_or_default();
    let mask = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok());
    mask.unwrap_or(0)
}
