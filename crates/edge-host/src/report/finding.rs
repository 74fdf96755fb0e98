//! Findings of a check and lines of `status`: printed the same way by every utility.

use std::path::Path;

use anstyle::Style;
use serde_json::{Map, Value, json};

use super::color::{ERROR, HINT, NOTE, WARNING, painted};
use super::{Format, Report, counted};
use crate::exit::{Exit, Outcome};
use crate::visible::visible;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Information.
    Note,
    /// It works, but is probably not what was intended.
    Warning,
    /// It does not work, or will not soon.
    Error,
}

/// One thing that a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// Which file, directory, socket or unit it is about; may be empty.
    pub file: String,
    /// The line, from 1.
    pub line: Option<usize>,
    /// The setting in the file: `plugins[0].type`; empty for all of it.
    pub path: String,
    /// What is wrong, and its consequence.
    pub text: String,
    /// What to do.
    pub hint: Option<String>,
}

/// A line of `status`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StatusLine {
    /// What it is about: `swap /dev/sda2`, `module overlay`.
    pub object: String,
    /// Its state, in one or two words.
    pub state: String,
    /// The file and line that it comes from, if any.
    pub source: Option<String>,
    /// Further information; may be empty.
    pub text: String,
    /// Further fields of its JSON record, for example the values in `object`.
    pub fields: Map<String, Value>,
}

impl Severity {
    /// As it is printed.
    pub fn word(self) -> &'static str {
        match self {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }

    fn style(self) -> Style {
        match self {
            Severity::Note => NOTE,
            Severity::Warning => WARNING,
            Severity::Error => ERROR,
        }
    }
}

impl Finding {
    /// A finding about all of a file.
    pub fn new(severity: Severity, file: impl AsRef<Path>, text: impl Into<String>) -> Finding {
        let file = file.as_ref().display().to_string();
        Finding { severity, file, line: None, path: String::new(), text: text.into(), hint: None }
    }

    /// [`Severity::Error`].
    pub fn error(file: impl AsRef<Path>, text: impl Into<String>) -> Finding {
        Finding::new(Severity::Error, file, text)
    }

    /// [`Severity::Warning`].
    pub fn warning(file: impl AsRef<Path>, text: impl Into<String>) -> Finding {
        Finding::new(Severity::Warning, file, text)
    }

    /// Names the setting in the file.
    #[must_use]
    pub fn at(self, path: &str) -> Finding {
        Finding { path: path.to_owned(), ..self }
    }

    /// Names the line, from 1.
    #[must_use]
    pub fn on_line(self, line: Option<usize>) -> Finding {
        Finding { line, ..self }
    }

    /// Adds what to do.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Finding {
        Finding { hint: Some(hint.into()), ..self }
    }
}

impl StatusLine {
    /// Without a source.
    pub fn new(object: impl Into<String>, state: impl Into<String>, text: impl Into<String>) -> StatusLine {
        StatusLine { object: object.into(), state: state.into(), text: text.into(), ..StatusLine::default() }
    }

    /// Adds a field to its JSON record: `.with("port", 10351)`.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> StatusLine {
        self.fields.insert(name.to_owned(), value.into());
        self
    }

    /// Where it comes from: a file and line, a chain and its backend.
    #[must_use]
    pub fn from(self, source: impl Into<String>) -> StatusLine {
        StatusLine { source: Some(source.into()), ..self }
    }
}

impl Report {
    /// `FILE:LINE: error: SETTING: TEXT`, and its hint below.
    pub fn finding(&mut self, finding: &Finding) {
        match finding.severity {
            Severity::Error => self.found.0 += 1,
            Severity::Warning => self.found.1 += 1,
            Severity::Note => {}
        }
        let (word, colored) = (finding.severity.word(), self.colors.0 && self.format == Format::Human);
        let line = finding.line.map(|line| format!(":{line}")).unwrap_or_default();
        let place = if finding.file.is_empty() { String::new() } else { format!("{}{line}: ", finding.file) };
        let setting = if finding.path.is_empty() { String::new() } else { format!("{}: ", finding.path) };
        let severity = painted(word, finding.severity.style(), colored);
        self.painted_line(&format!(
            "{}{severity}: {}",
            visible(&place),
            visible(&format!("{setting}{}", finding.text))
        ));
        let hint = finding.hint.as_ref().and_then(|hint| self.options.complete(self.tool, hint));
        if let Some(hint) = &hint {
            self.painted_line(&format!("    {}: {}", painted("hint", HINT, colored), visible(hint)));
        }
        self.record(
            "finding",
            json!({"severity": word, "file": finding.file, "line": finding.line, "path": finding.path,
                   "text": finding.text, "hint": hint}),
        );
    }

    /// All findings of a check, and its last line; exit 3 where there is an error among them.
    pub fn findings<'f>(&mut self, findings: impl IntoIterator<Item = &'f Finding>) -> Outcome {
        findings.into_iter().for_each(|finding| self.finding(finding));
        let (errors, warnings) = self.found;
        self.line(&match (errors, warnings) {
            (0, 0) => "no problems found".to_owned(),
            (0, warnings) => format!("no errors, {}", counted(warnings, "warning")),
            (errors, warnings) => format!("{} found", counted(errors + warnings, "problem")),
        });
        Outcome { exit: if errors == 0 { Exit::Done } else { Exit::Differs }, ..Outcome::default() }
    }

    /// `OBJECT: STATE: TEXT  (SOURCE)`.
    pub fn status(&mut self, line: &StatusLine) {
        let source = line.source.as_ref().map(|source| format!("  ({source})")).unwrap_or_default();
        let text = if line.text.is_empty() { String::new() } else { format!(": {}", line.text) };
        self.line(&format!("{}: {}{text}{source}", line.object, line.state));
        let mut record = json!({"object": line.object, "state": line.state, "source": line.source, "text": line.text});
        if let Some(record) = record.as_object_mut() {
            record.extend(line.fields.clone());
        }
        self.record("status", record);
    }
}
