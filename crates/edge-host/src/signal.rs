//! SIGINT, SIGTERM and SIGHUP during a change: finish the step, stop, say how to go on.

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
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            signal_hook::flag::register(signal, Arc::clone(&self.0))
                .map_err(|cause| Error::failed(format!("cannot catch signal {signal}: {cause}")))?;
        }
        Ok(())
    }

    /// Fails with exit 5 once a signal has come.
    pub(crate) fn check(&self) -> Result<()> {
        if self.0.load(Ordering::Relaxed) {
            return Err(Error::interrupted("interrupted by a signal"));
        }
        Ok(())
    }
}
