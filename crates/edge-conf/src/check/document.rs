//! Checks a document as it is written: also what a parsed value does not show any more.

use super::{Duplicate, SettingFinding, Severity, check};
use edge_host::is_secret_name;
use edge_kubeedge::schema::{KeyType, Lookup, Table};
use edge_kubeedge::spelling::texts;
use edge_kubeedge::{Kind, Minor};
use edge_yaml::{Document, Path, Step, refused_by_go};

/// Most places that are listed of what the parser refuses: one is enough for it.
const MAX_REFUSED: usize = 30;

/// Checks a document of a kind, for a version of KubeEdge if it is known.
#[must_use]
pub fn check_document(kind: Kind, version: Option<Minor>, document: &Document<'_>) -> Vec<SettingFinding> {
    let value = document.as_go();
    let mut findings = Vec::new();
    refused(kind, document, &value, &mut findings);
    findings.extend(check(kind, version, &value, &duplicates(document)));
    if value.is_mapping() {
        rewritten(kind, version, document, &mut findings);
    }
    findings
}

fn duplicates(document: &Document<'_>) -> Vec<Duplicate> {
    let duplicates = document.duplicates();
    let lines = |duplicate: &edge_yaml::Duplicate| duplicate.positions.iter().map(|position| position.line).collect();
    duplicates.iter().map(|one| Duplicate { steps: texts(&one.path), lines: lines(one) }).collect()
}

/// What KubeEdge's parser refuses, although it is YAML.
fn refused(kind: Kind, document: &Document<'_>, value: &edge_yaml::Value, findings: &mut Vec<SettingFinding>) {
    let program = kind.program();
    if let Some((position, version)) = document.refused_version() {
        let message = format!(
            "line {} declares YAML {version}, and KubeEdge's parser accepts only 1.1; {program} does not start",
            position.line
        );
        findings.push(
            SettingFinding::new::<&str>(Severity::Error, &[], message)
                .hint(format!("remove line {} (%YAML)", position.line)),
        );
    }
    for (path, what) in refused_by_go(value).into_iter().take(MAX_REFUSED) {
        let message = format!("{what}, which KubeEdge's parser refuses; {program} does not start");
        findings.push(SettingFinding::new(Severity::Error, &named(path), message));
    }
}

/// Text without quotes that KubeEdge reads as a number or a boolean, and so as another text.
fn rewritten(kind: Kind, version: Option<Minor>, document: &Document<'_>, findings: &mut Vec<SettingFinding>) {
    for one in document.rewritten() {
        let steps = named(one.path);
        let names: Vec<&str> = steps.iter().map(String::as_str).collect();
        let found = match Table::of(kind).lookup(&names, version) {
            Lookup::Known(found) | Lookup::Dead { found, .. } => found,
            _ => continue,
        };
        if found.ty != KeyType::Text {
            continue;
        }
        let (message, hint) = if steps.iter().any(|step| is_secret_name(step)) {
            ("is not in quotes, and KubeEdge reads it as a number or boolean".to_owned(), "put it in quotes".to_owned())
        } else {
            let written = &one.written;
            let message = format!(
                "is {written} without quotes, which KubeEdge reads as a number or boolean: it uses \"{}\"",
                one.text
            );
            (message, format!("put it in quotes: \"{written}\""))
        };
        findings.push(SettingFinding::new(Severity::Error, &steps, message).hint(hint));
    }
}

fn named(path: Vec<Step>) -> Vec<String> {
    Path::new(path).map(|path| texts(&path)).unwrap_or_default()
}
