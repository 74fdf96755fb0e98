//! What is wrong with a configuration, and what KubeEdge makes of it.
//!
//! KubeEdge forgives unknown keys by ignoring them and wrong values by not starting; neither is
//! said where the user looks. This says both. Pure: the file is parsed by the caller, who also
//! passes the exact duplicates, since a parsed value no longer has them.

mod keys;
mod rules;

use edge_host::{Finding, Severity};
use edge_kubeedge::schema::show;
use edge_kubeedge::{Kind, Minor};
use serde_yaml::Value;

/// What was found of a setting, before its line is looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingFinding {
    /// How bad it is.
    pub severity: Severity,
    /// Where: the steps as they are spelt in the file, indexes as `[0]`; none: the whole file.
    pub steps: Vec<String>,
    /// What is wrong and what KubeEdge does with it.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

impl SettingFinding {
    /// The place as text.
    #[must_use]
    pub fn path(&self) -> String {
        show(&self.steps)
    }

    /// As it is reported, of this line of a file.
    #[must_use]
    pub fn placed(&self, file: &str, line: Option<usize>) -> Finding {
        Finding {
            hint: self.hint.clone(),
            ..Finding::new(self.severity, file, &self.message).at(&self.path()).on_line(line)
        }
    }

    fn new<S: AsRef<str>>(severity: Severity, steps: &[S], message: impl Into<String>) -> Self {
        let steps = steps.iter().map(|step| step.as_ref().to_owned()).collect();
        Self { severity, steps, message: message.into(), hint: None }
    }

    /// A mere warning where nothing is lost by it.
    fn mild_if(mut self, harmless: bool) -> Self {
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

/// A key that stands several times in one mapping, in one spelling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Duplicate {
    /// Where.
    pub steps: Vec<String>,
    /// The lines, counted from 1.
    pub lines: Vec<usize>,
}

/// Checks a configuration of a kind, for a version of KubeEdge if it is known.
///
/// The findings are in the order of the file where they are about keys, then those about settings.
#[must_use]
pub fn check(kind: Kind, version: Option<Minor>, doc: &Value, duplicates: &[Duplicate]) -> Vec<SettingFinding> {
    let mut findings = Vec::new();
    match doc {
        // An empty file is a valid one: the defaults.
        Value::Null => return findings,
        Value::Mapping(_) => {}
        _ => {
            let message = format!("the file must be a section of keys; {} does not start", kind.program());
            findings.push(SettingFinding::new::<&str>(Severity::Error, &[], message));
            return findings;
        }
    }
    keys::duplicates(duplicates, &mut findings);
    rules::head(kind, version, doc, &mut findings);
    keys::walk(kind, version, doc, &mut findings);
    match kind {
        Kind::EdgeCore => rules::edgecore(version, doc, &mut findings),
        Kind::CloudCore => rules::cloudcore(version, doc, &mut findings),
    }
    findings
}

#[cfg(test)]
mod tests;
