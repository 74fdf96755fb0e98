//! Findings, for people and as records.

use edge_conflist::finding::Finding;
use edge_host::Host;
use serde_json::json;

/// Says it.
pub(super) fn show(host: &mut Host, finding: &Finding) {
    let word = finding.severity.name();
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
