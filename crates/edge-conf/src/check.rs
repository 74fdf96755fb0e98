//! Finds problems in a configuration, and reports what KubeEdge does about them.
//!
//! KubeEdge ignores unknown keys and does not start with wrong values, without a message where the
//! user looks. The caller parses the file and also passes the exact duplicates, because a parsed value
//! does not have them any more.

mod cloud;
mod document;
mod files;
mod keys;
pub(crate) mod rules;

pub use document::check_document;
pub(crate) use files::check_files;

use edge_host::{Finding, Severity};
use edge_kubeedge::schema::format_path;
use edge_kubeedge::{Kind, Minor};
use serde_yaml::Value;

/// A problem of a setting, before its line is looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingFinding {
    /// The severity.
    pub severity: Severity,
    /// The path, as it is spelled in the file, with indexes as `[0]`; empty for the whole file.
    pub steps: Vec<String>,
    /// What is wrong, and what KubeEdge does about it.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

impl SettingFinding {
    /// The path as text.
    #[must_use]
    pub fn path(&self) -> String {
        format_path(&self.steps)
    }

    /// The finding as it is reported, with file and line.
    #[must_use]
    pub fn to_finding(&self, file: &str, line: Option<usize>) -> Finding {
        Finding {
            hint: self.hint.clone(),
            ..Finding::new(self.severity, file, &self.message).at(&self.path()).on_line(line)
        }
    }

    fn new<S: AsRef<str>>(severity: Severity, steps: &[S], message: impl Into<String>) -> Self {
        let steps = steps.iter().map(|step| step.as_ref().to_owned()).collect();
        Self { severity, steps, message: message.into(), hint: None }
    }

    /// Makes it a warning where it is harmless.
    fn warning_if(mut self, harmless: bool) -> Self {
        if harmless {
            self.severity = Severity::Warning;
        }
        self
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// A key that is set more than once in one mapping, in one spelling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Duplicate {
    /// The path of the key.
    pub steps: Vec<String>,
    /// The lines, counted from 1.
    pub lines: Vec<usize>,
}

/// Checks a configuration of a kind, for a version of KubeEdge if it is known.
///
/// Findings about keys come first, in the order of the file, then those about settings.
#[must_use]
pub fn check(kind: Kind, version: Option<Minor>, doc: &Value, duplicates: &[Duplicate]) -> Vec<SettingFinding> {
    let mut findings = Vec::new();
    match doc {
        Value::Null => {
            findings.push(empty(kind));
            return findings;
        }
        Value::Mapping(_) => {}
        _ => {
            let message = format!("the file must be a mapping of keys to values; {} does not start", kind.program());
            findings.push(SettingFinding::new::<&str>(Severity::Error, &[], message));
            return findings;
        }
    }
    keys::duplicates(duplicates, &mut findings);
    rules::head(kind, version, doc, &mut findings);
    if rules::is_of_other_kind(kind, doc) {
        return findings;
    }
    keys::walk(kind, version, doc, &mut findings);
    match kind {
        Kind::EdgeCore => rules::edgecore(version, doc, &mut findings),
        Kind::CloudCore => rules::cloudcore(version, doc, &mut findings),
    }
    findings
}

/// KubeEdge accepts an empty file and uses its defaults, among them the node's own address as that of cloudcore.
fn empty(kind: Kind) -> SettingFinding {
    match kind {
        Kind::EdgeCore => SettingFinding::new::<&str>(
            Severity::Error,
            &[],
            "is empty: edgecore uses its defaults, with the address of this host as that of cloudcore",
        )
        .hint("write the defaults to a file and edit it: edgecore --defaultconfig"),
        Kind::CloudCore => SettingFinding::new::<&str>(Severity::Warning, &[], "is empty: cloudcore uses its defaults")
            .hint("write the defaults to a file and edit it: cloudcore --defaultconfig"),
    }
}

#[cfg(test)]
mod tests;
