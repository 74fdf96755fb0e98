//! The one error type: what went wrong in a user's words, what to do, and the exit code.

use std::fmt;
use std::io;
use std::path::Path;

use crate::exit::Exit;
use crate::secret::without_credentials;
use crate::visible::visible;

/// Result of everything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error as the user reads it: verb, object and cause on one line, and a hint where one helps.
///
/// The tool's name is put in front when it is printed, so messages begin with the verb:
/// `cannot write /etc/fstab: Read-only file system (os error 30)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    exit: Exit,
    message: String,
    hint: Option<String>,
}

impl Error {
    /// Could not be done or found out (exit 1).
    pub fn failed(message: impl Into<String>) -> Error {
        Error::with(Exit::Failed, message)
    }

    /// The call is wrong (exit 2).
    pub fn usage(message: impl Into<String>) -> Error {
        Error::with(Exit::Usage, message)
    }

    /// Refused for safety, nothing of that part was touched (exit 4).
    pub fn refused(message: impl Into<String>) -> Error {
        Error::with(Exit::Refused, message)
    }

    /// Stopped by a signal between two steps (exit 5).
    pub fn interrupted(message: impl Into<String>) -> Error {
        Error::with(Exit::Interrupted, message).hint("run the same command again: it continues where it stopped")
    }

    /// A failed system call on a path: `cannot VERB PATH: CAUSE`.
    pub fn io(verb: &str, path: impl AsRef<Path>, cause: &io::Error) -> Error {
        let error = Error::failed(format!("cannot {verb} {}: {cause}", path.as_ref().display()));
        match cause.raw_os_error().map(nix::errno::Errno::from_raw) {
            Some(nix::errno::Errno::EACCES | nix::errno::Errno::EPERM) if !nix::unistd::geteuid().is_root() => {
                error.hint("run it as root (sudo)")
            }
            Some(nix::errno::Errno::EROFS) => error.hint(
                "the file system is mounted read-only: remount it read-write (mount -o remount,rw) and run again",
            ),
            Some(nix::errno::Errno::ENOSPC | nix::errno::Errno::EDQUOT) => {
                error.hint("free some space on that file system and run again")
            }
            _ => error,
        }
    }

    /// Adds what the user can do about it; an earlier hint is replaced.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Error {
        self.hint = Some(visible(&without_credentials(&hint.into())).into_owned());
        self
    }

    fn with(exit: Exit, message: impl Into<String>) -> Error {
        // One line, whatever is in the names and causes: none may look like a second error. And what a
        // program said may quote a URL with the password in it.
        let message = without_credentials(&message.into());
        Error { exit, message: visible(message.trim_end()).into_owned(), hint: None }
    }

    /// The exit code this error stands for.
    pub fn exit(&self) -> Exit {
        self.exit
    }

    /// The message without the tool's name.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What the user can do, if anything.
    pub fn hint_text(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
