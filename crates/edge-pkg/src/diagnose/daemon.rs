//! A daemon that does not answer.

use std::path::Path;

use edge_host::{Error, Finding};

/// Why it may not answer.
#[derive(Debug, Default)]
pub struct Daemon {
    /// The state of its unit by systemd, if that runs.
    pub state: Option<String>,
    /// This user may not connect to the socket.
    pub may_not_connect: bool,
}

impl Daemon {
    /// The error of its socket as a finding: an unknown state, where this user may not connect to it.
    pub(super) fn silent(&self, name: &str, unit: &str, socket: &Path, error: &Error) -> Finding {
        if self.may_not_connect {
            let text = format!("this user cannot connect to it: the state of {name} is unknown");
            return Finding::warning(socket, text).hint("run it as root: sudo edge-pkg check");
        }
        let state = self.state.as_ref().map(|state| format!("; the unit is {state}")).unwrap_or_default();
        Finding::error(socket, format!("{error}{state}")).hint(format!("see the log of the unit: journalctl -u {unit}"))
    }
}
