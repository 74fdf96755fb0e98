//! Errors, with their position in the text.

use std::fmt;

/// A place in the text; both numbers begin at 1, the column counts characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

impl Position {
    /// The position of a byte offset, clamped into the text and onto a character boundary.
    pub(crate) fn of(text: &str, offset: usize) -> Position {
        let mut offset = offset.min(text.len());
        while !text.is_char_boundary(offset) {
            offset -= 1;
        }
        let before = &text[..offset];
        let line_start = before.rfind('\n').map_or(0, |i| i + 1);
        Position {
            line: before.bytes().filter(|&b| b == b'\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}

/// Why a text was not read or not edited; an edit is made completely or not at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text is longer than [`crate::MAX_BYTES`].
    #[error("the text has {bytes} bytes, and at most {} can be edited", crate::MAX_BYTES)]
    TooLarge {
        /// Length of the text.
        bytes: usize,
    },
    /// The text is not YAML.
    #[error("not valid YAML at {position}: {reason}")]
    Syntax {
        /// Where the parser stopped.
        position: Position,
        /// What was expected, in plain words.
        reason: String,
    },
    /// The text is YAML, but cannot be edited safely.
    #[error("{position}: {reason}")]
    Refused {
        /// The place in the text.
        position: Position,
        /// What is there, and what to do.
        reason: String,
    },
    /// The second parser did not read the requested values from the edited text.
    #[error(
        "a second YAML parser does not read the requested values from the edited text ({reason}); nothing was changed"
    )]
    Unproven {
        /// What the second parser found.
        reason: String,
    },
}

impl Error {
    pub(crate) fn refused(text: &str, offset: usize, reason: impl Into<String>) -> Error {
        Error::Refused { position: Position::of(text, offset), reason: reason.into() }
    }
}
