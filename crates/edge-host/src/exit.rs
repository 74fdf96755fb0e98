//! Exit codes: one meaning each, the same in every utility.

use std::process::ExitCode;

/// How a call ended. The numbers are part of the contract (docs/contract.md).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum Exit {
    /// Done, with or without changes.
    #[default]
    Done = 0,
    /// Could not be done.
    Failed = 1,
    /// A usage error: an unknown option, a missing value.
    Usage = 2,
    /// A dry run found changes, a check found problems.
    Differs = 3,
    /// Refused for safety; nothing of that part was changed.
    Refused = 4,
    /// Interrupted; the same command resumes the run.
    Interrupted = 5,
}

impl Exit {
    /// The number the shell sees.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The one of several outcomes that is reported: 5 > 1 > 4 > 3 > 0. A usage error never occurs with another
    /// outcome, as nothing has been done yet.
    #[must_use]
    pub fn worst(self, other: Exit) -> Exit {
        if other.weight() > self.weight() { other } else { self }
    }

    fn weight(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Differs => 1,
            Exit::Refused => 2,
            Exit::Failed => 3,
            Exit::Usage => 4,
            Exit::Interrupted => 5,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Outcome {
    /// The exit code, unless there was an error.
    pub exit: Exit,
    /// Whether something changed; in a dry run, would change.
    pub changed: bool,
    /// Whether a reboot is required for it to take effect.
    pub reboot: bool,
    /// The journal's number for `undo --id`.
    pub run: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::Exit::*;

    #[test]
    fn worst_of_several_exit_codes_is_reported() {
        for (a, b, want) in [
            (Done, Differs, Differs),
            (Refused, Differs, Refused),
            (Refused, Failed, Failed),
            (Failed, Interrupted, Interrupted),
            (Interrupted, Done, Interrupted),
        ] {
            assert_eq!(a.worst(b), want);
            assert_eq!(b.worst(a), want);
        }
    }
}
