//! Judges what was read: the first cause first, one sentence each, with what to do. Pure.

pub mod cloud;
pub mod host;
pub mod runtime;
pub mod token;

use edge_host::{Error, Finding, Severity};

/// The first error among findings, for a verb that cannot go on.
pub fn first_error(findings: &[Finding]) -> Option<Error> {
    findings.iter().find(|finding| finding.severity == Severity::Error).map(as_error)
}

/// A finding as the reason why a join cannot go on.
pub(crate) fn as_error(finding: &Finding) -> Error {
    let place = if finding.file.is_empty() { String::new() } else { format!("{}: ", finding.file) };
    let error = Error::failed(format!("cannot join: {place}{}", finding.text));
    match &finding.hint {
        Some(hint) => error.hint(hint.clone()),
        None => error,
    }
}

/// A span of seconds in its largest unit that has two or more of them.
pub(crate) fn span(seconds: i64) -> String {
    for (unit, length) in [("days", 86_400), ("hours", 3_600), ("minutes", 60)] {
        if seconds >= 2 * length {
            return format!("{} {unit}", seconds / length);
        }
    }
    if seconds == 1 { "1 second".to_owned() } else { format!("{seconds} seconds") }
}
