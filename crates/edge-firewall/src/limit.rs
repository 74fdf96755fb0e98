//! How long all commands that read rules may take together.

use std::time::{Duration, Instant};

use edge_host::{Cmd, Error, Result};

/// How long a command that is ended may take to end.
const GRACE: Duration = Duration::from_millis(200);

/// When reading must have ended; without one each command has its own deadline.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limit(Option<(Instant, Duration)>);

impl Limit {
    /// So long from now on.
    pub fn within(time: Duration) -> Limit {
        Limit(Some((Instant::now() + time, time)))
    }

    /// Errors: exit 1 if the time has passed: a command may have been ended, and its part may be missing.
    pub fn check(self) -> Result<()> {
        match self.0 {
            Some((until, time)) if Instant::now() >= until => {
                Err(Error::cannot("read", "the iptables rules", format!("it took longer than {} s", time.as_secs())))
            }
            _ => Ok(()),
        }
    }

    /// The command, ended in time.
    pub(crate) fn on(self, cmd: Cmd) -> Cmd {
        match self.0 {
            Some((until, _)) => cmd.deadline(until.saturating_duration_since(Instant::now())).grace(GRACE),
            None => cmd,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_is_ended_when_the_time_has_passed() {
        let limit = Limit::within(Duration::from_millis(300));
        limit.check().unwrap();
        let begin = Instant::now();
        // One that ignores TERM.
        let hanging = Cmd::find("sh").unwrap().args(["-c", "trap '' TERM; sleep 30 & wait; wait"]);
        limit.on(hanging).run().unwrap_err();
        assert!(begin.elapsed() < Duration::from_secs(3), "{:?}", begin.elapsed());
        let error = limit.check().unwrap_err();
        assert!(error.message().starts_with("cannot read the iptables rules: it took longer than 0 s"), "{error}");
        Limit::default().check().unwrap();
    }
}
