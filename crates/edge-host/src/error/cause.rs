//! The source of an error, and its text for users: never the text of a parser.

use std::error::Error as StdError;
use std::fmt;
use std::net::AddrParseError;
use std::num::{IntErrorKind, ParseIntError};
use std::path::Path;
use std::str::Utf8Error;
use std::string::FromUtf8Error;
use std::sync::Arc;

use serde_json::error::Category;

use super::{Error, Result};
use crate::cmd::Output;

/// Shared, so that errors can be copied.
#[derive(Debug, Clone)]
pub(super) struct Source(pub(super) Arc<dyn StdError + Send + Sync>);

/// A program that ended with another exit status than 0, or ran for too long.
#[derive(Debug)]
pub(crate) struct CommandFailed {
    pub(crate) program: String,
    /// Why it counts as failed: its exit status, or how long it ran.
    pub(crate) why: String,
    pub(crate) output: Output,
}

impl fmt::Display for CommandFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let printed = self.output.last_words();
        let separator = if printed.is_empty() { "" } else { ": " };
        write!(f, "{}{separator}{printed}", self.why)
    }
}

impl StdError for CommandFailed {}

/// Turns what failed into an [`Error`].
pub trait ResultExt<T> {
    /// `cannot VERB OBJECT: CAUSE`: `fs::read(&path).on("read", &path)?`.
    ///
    /// The cause may be an error of the system, of a parser, of a deeper layer (whose exit code and hint stay), or
    /// a text. The error of a system call is kept ([`Error::io_kind`]).
    fn on(self, verb: &str, object: impl AsRef<Path>) -> Result<T>;

    /// What was expected, instead of the text of a parser:
    /// `text.parse().expected("a port from 1 to 65535").on("use", text)?`.
    fn expected(self, what: impl fmt::Display) -> Result<T, String>;
}

impl<T, E: Into<Box<dyn StdError + Send + Sync>>> ResultExt<T> for Result<T, E> {
    fn on(self, verb: &str, object: impl AsRef<Path>) -> Result<T> {
        self.map_err(|cause| Error::of_cause(verb, object, cause.into()))
    }

    fn expected(self, what: impl fmt::Display) -> Result<T, String> {
        self.map_err(|_| format!("expected {what}"))
    }
}

/// The text of a cause for users.
pub(crate) fn text_of(cause: &(dyn StdError + 'static)) -> String {
    if let Some(number) = cause.downcast_ref::<ParseIntError>() {
        return match number.kind() {
            IntErrorKind::Empty => "it is empty, expected a whole number",
            IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => "the number is out of range",
            _ => "it is not a whole number",
        }
        .to_owned();
    }
    if cause.is::<Utf8Error>() || cause.is::<FromUtf8Error>() {
        return "it is not UTF-8 text".to_owned();
    }
    if cause.is::<AddrParseError>() {
        return "it is not a valid IP address".to_owned();
    }
    match cause.downcast_ref::<serde_json::Error>() {
        Some(json) if json.classify() == Category::Eof => {
            format!("it is not complete JSON: it ends in line {}", json.line())
        }
        Some(json) if json.classify() == Category::Syntax => {
            format!("it is not valid JSON: line {}, column {}", json.line(), json.column())
        }
        Some(json) if json.classify() == Category::Data => {
            format!("its JSON has an unexpected field or value: line {}, column {}", json.line(), json.column())
        }
        _ => cause.to_string(),
    }
}
