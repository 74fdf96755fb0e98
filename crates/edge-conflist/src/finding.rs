//! What was found.

use std::path::Path;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Likely not what was meant; it works so far.
    Warning,
    /// It does not work, or will not soon: pods get no network, CRI-O does not start.
    Fault,
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// Which file, directory, socket or unit it is about.
    pub file: String,
    /// The line, from 1.
    pub line: Option<usize>,
    /// The place in the file: `plugins[0].type`; empty for all of it.
    pub path: String,
    /// What is wrong, and what a runtime makes of it.
    pub text: String,
    /// What to do.
    pub hint: Option<String>,
}

impl Severity {
    /// In a word.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Fault => "fault",
        }
    }
}

impl Finding {
    /// A finding about all of it.
    pub fn new(severity: Severity, file: impl AsRef<Path>, text: impl Into<String>) -> Finding {
        let file = file.as_ref().display().to_string();
        Finding { severity, file, line: None, path: String::new(), text: text.into(), hint: None }
    }

    /// Names the place in the file.
    #[must_use]
    pub fn at(self, path: &str) -> Finding {
        Finding { path: path.to_owned(), ..self }
    }

    /// Adds what to do.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Finding {
        Finding { hint: Some(hint.into()), ..self }
    }
}
