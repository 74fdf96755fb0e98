//! What a check has answered: its records, read by the contract of all utilities, and the worst of its findings.

use edge_host::{Exit, Output, Severity};
use serde_json::{Map, Value};

use super::run::{Absent, End, Ran};

/// The version of the records that are understood.
const VERSION: u64 = 1;

/// The answer of a utility.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    /// The name of the utility.
    pub(crate) name: String,
    /// Its state, as a word of the writing guide.
    pub(crate) state: &'static str,
    /// The worst finding, or why there is no answer.
    pub(crate) text: String,
    /// The file and line of the worst finding.
    pub(crate) source: Option<String>,
    /// What is counted in the last line: errors and warnings.
    pub(crate) found: (usize, usize),
    /// The exit code that it adds.
    pub(crate) exit: Exit,
    /// Its records without the last one.
    pub(crate) records: Vec<(String, Map<String, Value>)>,
}

impl Answer {
    /// That of a check that was run, or of one that was not.
    pub(crate) fn of(ran: Ran) -> Answer {
        let Ran { name, end } = ran;
        let none = |state, text: String, exit| {
            let found = (usize::from(exit != Exit::Done), 0);
            Answer { name: name.clone(), state, text, source: None, found, exit, records: Vec::new() }
        };
        match end {
            End::Absent(Absent::Subject(text)) => none("skipped", text, Exit::Done),
            End::Absent(Absent::Program(text)) => none("missing", text, Exit::Failed),
            End::Failed(text) => none("failed", text, Exit::Failed),
            End::Ended(output) => match records(&output) {
                Err(why) => none("unknown", why, Exit::Failed),
                Ok((_, Exit::Usage)) => {
                    let text = "it does not know this call: is it of another version?".to_owned();
                    none("unknown", text, Exit::Failed)
                }
                Ok((records, exit)) => judged(name, records, exit),
            },
        }
    }
}

type Records = Vec<(String, Map<String, Value>)>;

/// The records of an output, and the exit code in the last one. Errors: why they are not understood.
fn records(output: &Output) -> Result<(Records, Exit), String> {
    let mut records = Vec::new();
    for line in output.stdout.lines() {
        let Ok(Value::Object(mut record)) = serde_json::from_str(line) else {
            return Err(format!("its output is not understood: {}", shortened(line)));
        };
        if record.remove("v").and_then(|version| version.as_u64()) != Some(VERSION) {
            return Err(format!("its records are not of version {VERSION}"));
        }
        let Some(Value::String(kind)) = record.remove("type") else {
            return Err("it has printed a record without a type".to_owned());
        };
        records.push((kind, record));
    }
    let Some((kind, result)) = records.pop() else {
        let words = output.last_words();
        let words = if words.is_empty() { String::new() } else { format!(": {}", shortened(&words)) };
        return Err(format!("it has printed nothing ({}){words}", output.status));
    };
    let code = result.get("exit").and_then(Value::as_i64).filter(|_| kind == "result");
    let Some(code) = code else { return Err(format!("its output is incomplete ({})", output.status)) };
    if output.status.code().map(i64::from) != Some(code) {
        return Err(format!("it has reported exit code {code}, and ended with {}", output.status));
    }
    let known = [Exit::Done, Exit::Failed, Exit::Usage, Exit::Differs, Exit::Refused, Exit::Interrupted];
    let exit = known.into_iter().find(|exit| i64::from(exit.code()) == code);
    Ok((records, exit.ok_or_else(|| format!("it has ended with the unknown exit code {code}"))?))
}

/// The state by the findings and the exit code.
fn judged(name: String, records: Records, exit: Exit) -> Answer {
    let of_kind =
        |wanted: &'static str| records.iter().filter(move |(kind, _)| kind == wanted).map(|(_, fields)| fields);
    let text =
        |fields: &Map<String, Value>, key: &str| fields.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let severity = |finding: &&Map<String, Value>| match finding.get("severity").and_then(Value::as_str) {
        Some("note") => Severity::Note,
        Some("warning") => Severity::Warning,
        // Unknown is not harmless.
        _ => Severity::Error,
    };
    let count = |wanted: Severity| of_kind("finding").filter(|finding| severity(finding) == wanted).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    if !matches!(exit, Exit::Done | Exit::Differs) {
        let error = of_kind("error").next().map(|error| text(error, "text")).unwrap_or_default();
        let state = if exit == Exit::Refused { "refused" } else { "failed" };
        return Answer { name, state, text: error, source: None, found: (errors + 1, warnings), exit, records };
    }
    // The first one of the worst, as utilities print what comes first first.
    let worst = of_kind("finding").fold(None, |worst: Option<&Map<String, Value>>, finding| match worst {
        Some(found) if severity(&found) >= severity(&finding) => Some(found),
        _ => Some(finding),
    });
    let Some(worst) = worst else {
        let state = if exit == Exit::Done { "ok" } else { "error" };
        let found = (usize::from(exit == Exit::Differs), 0);
        return Answer { name, state, text: String::new(), source: None, found, exit, records };
    };
    let state = if severity(&worst) == Severity::Note { "ok" } else { severity(&worst).word() };
    let setting = text(worst, "path");
    let colon = if setting.is_empty() { "" } else { ": " };
    let others = others(errors, warnings, severity(&worst));
    let line = worst.get("line").and_then(Value::as_u64).map(|line| format!(":{line}")).unwrap_or_default();
    let file = text(worst, "file");
    Answer {
        state,
        text: format!("{setting}{colon}{}{others}", text(worst, "text")),
        source: (!file.is_empty()).then(|| format!("{file}{line}")),
        found: (errors, warnings),
        exit,
        name,
        records,
    }
}

/// How many errors and warnings are not shown.
fn others(errors: usize, warnings: usize, shown: Severity) -> String {
    let (errors, warnings) = match shown {
        Severity::Error => (errors.saturating_sub(1), warnings),
        Severity::Warning => (errors, warnings.saturating_sub(1)),
        Severity::Note => (errors, warnings),
    };
    let counted = |count: usize, what: &str| match count {
        0 => None,
        1 => Some(format!("1 {what}")),
        _ => Some(format!("{count} {what}s")),
    };
    let all: Vec<String> = [counted(errors, "error"), counted(warnings, "warning")].into_iter().flatten().collect();
    if all.is_empty() { String::new() } else { format!("; and {} more", all.join(", ")) }
}

/// The beginning of an output, which may be anything.
fn shortened(text: &str) -> String {
    let short: String = text.chars().take(60).collect();
    if short.len() < text.len() { format!("{short:?}…") } else { format!("{short:?}") }
}

#[cfg(test)]
mod tests;
