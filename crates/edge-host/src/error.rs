//! The one error type: what could not be done, why, what the user can do about it, and the exit code.
//!
//! Callers decide by [`Error::io_kind`], [`Error::output`] and the like, never by the text of a message.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use nix::errno::Errno;

use self::cause::Source;
use crate::cmd::Output;
use crate::exit::Exit;
use crate::secret::without_credentials;
use crate::visible::visible;

mod cause;
mod locked;
#[cfg(test)]
mod tests;

pub use self::cause::ResultExt;
pub(crate) use self::cause::{CommandFailed, text_of};
pub(crate) use self::locked::unlock_hint;

/// Result of everything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error as the user reads it: verb, object and cause on one line, and an optional hint.
///
/// The tool's name is put in front when it is printed, so messages begin with the verb:
/// `cannot write /etc/fstab: Read-only file system (os error 30)`.
#[derive(Debug, Clone)]
pub struct Error(Box<Parts>);

#[derive(Debug, Clone)]
struct Parts {
    exit: Exit,
    message: String,
    verb: String,
    object: String,
    cause: String,
    hint: Option<String>,
    source: Option<Source>,
}

impl Error {
    /// `cannot VERB OBJECT: CAUSE`; exit 1 unless [`Error::with_exit`] says otherwise. An empty object is left out.
    pub fn cannot(verb: &str, object: impl AsRef<Path>, cause: impl Into<String>) -> Error {
        Error::failed("").with_cause(&cause.into()).with_action(verb, object)
    }

    /// Could not be done or found out (exit 1); the whole line.
    pub fn failed(message: impl Into<String>) -> Error {
        Error::with(Exit::Failed, message)
    }

    /// The call is wrong (exit 2); the whole line.
    pub fn usage(message: impl Into<String>) -> Error {
        Error::with(Exit::Usage, message)
    }

    /// Refused for safety, nothing of that part was touched (exit 4); the whole line.
    pub fn refused(message: impl Into<String>) -> Error {
        Error::with(Exit::Refused, message)
    }

    /// Stopped by a signal between two steps (exit 5).
    pub fn interrupted(message: impl Into<String>) -> Error {
        Error::with(Exit::Interrupted, message).hint("run the same command again to resume")
    }

    /// A failed system call on a path, from a reference to the cause; otherwise use [`ResultExt::on`].
    pub fn io(verb: &str, path: impl AsRef<Path>, cause: &io::Error) -> Error {
        let copy = cause
            .raw_os_error()
            .map_or_else(|| io::Error::new(cause.kind(), cause.to_string()), io::Error::from_raw_os_error);
        Error::of_cause(verb, path, Box::new(copy))
    }

    /// `cannot VERB OBJECT: CAUSE` of its source. An [`Error`] of a deeper layer keeps its exit code and hint.
    pub(crate) fn of_cause(verb: &str, object: impl AsRef<Path>, cause: Box<dyn StdError + Send + Sync>) -> Error {
        let cause = match cause.downcast::<Error>() {
            Ok(deeper) => {
                let message = deeper.0.message.clone();
                return deeper.with_cause(&message).with_action(verb, object);
            }
            // Its own text is for programmers: "EACCES: Permission denied".
            Err(cause) => match cause.downcast::<Errno>() {
                Ok(errno) => Box::new(io::Error::from(*errno)),
                Err(cause) => cause,
            },
        };
        let mut error = Error::cannot(verb, object, text_of(cause.as_ref()));
        error.0.hint = error_hint(cause.downcast_ref::<io::Error>(), Path::new(&error.0.object));
        error.0.source = Some(Source(Arc::from(cause)));
        error
    }

    /// Adds what the user can do about it; an earlier hint is replaced.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Error {
        self.0.hint = Some(printable(&hint.into()));
        self
    }

    /// Another exit code: `Error::cannot("use", path, "others can write to it").with_exit(Exit::Refused)`.
    #[must_use]
    pub fn with_exit(mut self, exit: Exit) -> Error {
        self.0.exit = exit;
        self
    }

    /// The same cause with another verb and object: `cannot read /x/a: …` becomes `cannot install from /x: …`.
    #[must_use]
    pub fn with_action(mut self, verb: &str, object: impl AsRef<Path>) -> Error {
        let parts = &mut self.0;
        (parts.verb, parts.object) = (printable(verb), printable(&object.as_ref().to_string_lossy()));
        let cause = std::mem::take(&mut parts.cause);
        self.with_cause(&cause)
    }

    /// The same with another cause: what a message of a program means.
    #[must_use]
    pub fn with_cause(mut self, cause: &str) -> Error {
        let parts = &mut self.0;
        parts.cause = printable(cause);
        let blank = if parts.object.is_empty() { "" } else { " " };
        parts.message = match parts.verb.as_str() {
            "" => parts.cause.clone(),
            verb => format!("cannot {verb}{blank}{}: {}", parts.object, parts.cause),
        };
        self
    }

    fn with(exit: Exit, message: impl Into<String>) -> Error {
        let message = printable(&message.into());
        let (verb, object) = (String::new(), String::new());
        Error(Box::new(Parts { exit, cause: message.clone(), message, verb, object, hint: None, source: None }))
    }

    /// Its exit code.
    pub fn exit(&self) -> Exit {
        self.0.exit
    }

    /// The message without the tool's name.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What could not be done: `read`. Empty where the message was given as a whole.
    pub fn verb(&self) -> &str {
        &self.0.verb
    }

    /// To what: a path, a command line. Empty where the message was given as a whole.
    pub fn object(&self) -> &str {
        &self.0.object
    }

    /// Why; all of the message where it was given as a whole.
    pub fn cause(&self) -> &str {
        &self.0.cause
    }

    /// What the user can do, if anything.
    pub fn hint_text(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// The kind of a failed system call's error.
    pub fn io_kind(&self) -> Option<io::ErrorKind> {
        self.source_as::<io::Error>().map(io::Error::kind)
    }

    /// The number of a failed system call's error.
    pub fn errno(&self) -> Option<Errno> {
        self.source_as::<io::Error>().and_then(io::Error::raw_os_error).map(Errno::from_raw)
    }

    /// Exit status and output of a program that failed.
    pub fn output(&self) -> Option<&Output> {
        self.source_as::<CommandFailed>().map(|failed| &failed.output)
    }

    /// The name of the program that failed: `apt-get`.
    pub fn program(&self) -> Option<&str> {
        self.source_as::<CommandFailed>().map(|failed| failed.program.as_str())
    }

    /// Its source, if that is a `C`.
    pub fn source_as<C: StdError + 'static>(&self) -> Option<&C> {
        self.0.source.as_ref().and_then(|source| source.0.downcast_ref())
    }
}

/// One line, whatever is in names and causes, so that none can look like a second error; and without passwords in
/// URLs, which messages of programs may quote.
fn printable(text: &str) -> String {
    visible(without_credentials(text).trim_end()).into_owned()
}

fn error_hint(cause: Option<&io::Error>, object: &Path) -> Option<String> {
    let hint = match Errno::from_raw(cause?.raw_os_error()?) {
        Errno::EACCES | Errno::EPERM if !nix::unistd::geteuid().is_root() => "run it as root (sudo)",
        Errno::EPERM => return unlock_hint(&[object]),
        Errno::EROFS => {
            "the file system is mounted read-only: remount it read-write (mount -o remount,rw) and run again"
        }
        Errno::ENOSPC | Errno::EDQUOT => "free some space on that file system and run again",
        _ => return None,
    };
    Some(hint.to_owned())
}

/// Two errors are the same if the user sees the same.
impl PartialEq for Error {
    fn eq(&self, other: &Error) -> bool {
        let seen = |error: &Error| (error.0.exit, error.0.message.clone(), error.0.hint.clone());
        seen(self) == seen(other)
    }
}

impl Eq for Error {}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_ref().map(|source| source.0.as_ref() as &(dyn StdError + 'static))
    }
}
