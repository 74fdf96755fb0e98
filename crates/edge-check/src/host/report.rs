//! One screen: a line for each utility; with `--json` all of their records, each with the name of its utility.

use edge_host::{Exit, Host, Outcome, StatusLine};
use serde_json::Value;

use super::answer::Answer;

/// Prints the answers; the exit code is the worst one.
pub(crate) fn report(host: &mut Host, answers: &[Answer]) -> Outcome {
    for answer in answers {
        for (kind, fields) in &answer.records {
            let mut fields = fields.clone();
            fields.insert("utility".to_owned(), answer.name.clone().into());
            host.report.record(kind, Value::Object(fields));
        }
        let line = StatusLine::new(answer.name.as_str(), answer.state, answer.text.as_str());
        let line = line.with("exit", answer.exit.code());
        host.report.status(&match &answer.source {
            Some(source) => line.from(source.as_str()),
            None => line,
        });
    }
    let (errors, warnings) =
        answers.iter().fold((0, 0), |sum, answer| (sum.0 + answer.found.0, sum.1 + answer.found.1));
    let counted = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let is_checked = answers.iter().any(|answer| answer.state != "skipped");
    host.report.line(&match (errors, warnings) {
        _ if !is_checked => "nothing to check on this host".to_owned(),
        (0, 0) => "no problems found".to_owned(),
        (0, warnings) => format!("no errors, {}", counted(warnings, "warning")),
        (errors, warnings) => format!("{} found", counted(errors + warnings, "problem")),
    });
    let exit = answers.iter().fold(Exit::Done, |worst, answer| worst.worst(answer.exit));
    Outcome { exit, ..Outcome::default() }
}
