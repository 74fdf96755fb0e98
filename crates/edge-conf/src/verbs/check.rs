//! `edge-conf check`.

use std::path::PathBuf;

use edge_host::{Exit, Host, Outcome, Result};
use edge_kubeedge::spelling::texts;
use edge_kubeedge::{Kind, Known};
use edge_yaml::{Path, Step};
use serde_json::json;

use super::{Opened, rules};
use crate::check::{Duplicate, Finding, Severity, check};
use crate::cli::Options;
use crate::facts::{self, File};

pub(crate) fn run(host: &mut Host, options: &Options) -> Result<Outcome> {
    let files = match &options.file {
        Some(path) if facts::is_stdin(Some(path)) => vec![facts::stdin_file()?],
        Some(path) => vec![facts::read_file(host, path)?],
        None => {
            let paths: Vec<PathBuf> = facts::present(host)?.into_iter().map(Kind::config_path).collect();
            if paths.is_empty() {
                // The same words as every other verb has for it.
                facts::choose(host, None, &[])?;
            }
            paths.iter().map(|path| facts::read_file(host, path)).collect::<Result<_>>()?
        }
    };
    let mut exit = Exit::Done;
    for file in &files {
        exit = exit.worst(one(host, options, file)?);
    }
    Ok(Outcome { exit, ..Outcome::default() })
}

fn one(host: &mut Host, options: &Options, file: &File) -> Result<Exit> {
    let name = file.name(host);
    let opened = Opened::of(file, &name)?;
    let inner = opened.inner(&name)?;
    let document = inner.document();
    let (rules, known) = rules(host, options, file, opened.entry.as_ref(), document)?;
    let duplicates: Vec<Duplicate> = document
        .duplicates()
        .iter()
        .map(|duplicate| Duplicate {
            steps: texts(&duplicate.path),
            lines: duplicate.positions.iter().map(|position| position.line).collect(),
        })
        .collect();
    let findings = check(rules.kind, rules.version, &document.merged(), &duplicates);
    let paths: Vec<Option<Path>> = findings.iter().map(|finding| path_of(&finding.steps)).collect();
    for (finding, line) in findings.iter().zip(document.lines(paths.iter().map(Option::as_ref))) {
        show(host, &name, line, finding);
    }
    let faults = findings.iter().filter(|finding| finding.severity == Severity::Fault).count();
    let version = match known {
        Known::Given(version) | Known::InFile(version) | Known::InProgram(version) => format!("KubeEdge {version}"),
        Known::Disputed(..) | Known::Nowhere => "an unknown KubeEdge version".to_owned(),
    };
    host.report.line(&match faults {
        0 => format!("{name}: no faults for {version}"),
        1 => format!("{name}: 1 fault for {version}"),
        faults => format!("{name}: {faults} faults for {version}"),
    });
    Ok(if faults == 0 { Exit::Done } else { Exit::Differs })
}

fn show(host: &mut Host, name: &str, line: Option<usize>, finding: &Finding) {
    let word = match finding.severity {
        Severity::Note => "note",
        Severity::Warning => "warning",
        Severity::Fault => "fault",
    };
    let place = line.map(|line| format!(":{line}")).unwrap_or_default();
    let path = if finding.steps.is_empty() { String::new() } else { format!("{}: ", finding.path()) };
    host.report.line(&format!("{name}{place}: {word}: {path}{}", finding.message));
    if let Some(hint) = &finding.hint {
        host.report.line(&format!("    hint: {hint}"));
    }
    host.report.record(
        "finding",
        json!({"severity": word, "file": name, "line": line, "path": finding.path(), "text": finding.message, "hint": finding.hint}),
    );
}

fn path_of(steps: &[String]) -> Option<Path> {
    let step = |text: &String| {
        let index = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).and_then(|rest| rest.parse().ok());
        index.map_or_else(|| Step::Key(text.clone()), Step::Index)
    };
    Path::new(steps.iter().map(step).collect())
}
