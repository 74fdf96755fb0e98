//! SIGINT, SIGTERM and SIGHUP during a change: finish the step, stop, say how to go on.
//!
//! A signal that the caller ignores (`nohup`, a job in the background of a script) stays ignored.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::error::{Error, Result};

/// Set by the first such signal.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Begins to catch the signals. Before this call they end the process as usual: while standard
    /// input is read nothing needs protection.
    pub(crate) fn catch(&self) -> Result<()> {
        let ignored = ignored();
        for signal in [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|signal| ignored >> (signal - 1) & 1 == 0) {
            signal_hook::flag::register(signal, Arc::clone(&self.0))
                .map_err(|cause| Error::failed(format!("cannot catch signal {signal}: {cause}")))?;
        }
        Ok(())
    }

    #[cfg(test)]
    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Fails with exit 5 once a signal has come.
    pub(crate) fn check(&self) -> Result<()> {
        if self.0.load(Ordering::Relaxed) {
            return Err(Error::interrupted("interrupted by a signal"));
        }
        Ok(())
    }
}

const STATUS: &str = "/proc/self/status";

/// The signals that are ignored since before we started, a bit each; none where /proc does not tell.
fn ignored() -> u64 {
    let status = std::fs::read_to_string(STATUS).unwrap_or_default();
    let mask = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok());
    mask.unwrap_or(0)
}
