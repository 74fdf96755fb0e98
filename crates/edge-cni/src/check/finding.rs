//! What was found, for people and as records.

use std::path::Path;

use edge_host::Host;
use serde_json::json;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Likely not what was meant; pods get their network.
    Warning,
    /// Pods get no network, or will not soon.
    Fault,
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// Which file or directory it is about.
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

impl Finding {
    /// A finding about a whole file.
    pub(crate) fn new(severity: Severity, file: &Path, text: impl Into<String>) -> Finding {
        let file = file.display().to_string();
        Finding { severity, file, line: None, path: String::new(), text: text.into(), hint: None }
    }

    /// Names the place in the file.
    pub(crate) fn at(self, path: &str) -> Finding {
        Finding { path: path.to_owned(), ..self }
    }

    /// Adds what to do.
    pub(crate) fn hint(self, hint: impl Into<String>) -> Finding {
        Finding { hint: Some(hint.into()), ..self }
    }
}

pub(crate) fn show(host: &mut Host, finding: &Finding) {
    let word = match finding.severity {
        Severity::Note => "note",
        Severity::Warning => "warning",
        Severity::Fault => "fault",
    };
    let line = finding.line.map(|line| format!(":{line}")).unwrap_or_default();
    let path = if finding.path.is_empty() { String::new() } else { format!("{}: ", finding.path) };
    host.report.line(&format!("{}{line}: {word}: {path}{}", finding.file, finding.text));
    if let Some(hint) = &finding.hint {
        host.report.line(&format!("    hint: {hint}"));
    }
    host.report.record(
        "finding",
        json!({"severity": word, "file": finding.file, "line": finding.line, "path": finding.path,
               "text": finding.text, "hint": finding.hint}),
    );
}
