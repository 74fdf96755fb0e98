//! `edge-conf check`.

use std::path::PathBuf;

use edge_host::{Finding, Host, Outcome, Result};
use edge_kubeedge::spelling::texts;
use edge_kubeedge::{Kind, VersionSource};
use edge_yaml::{Path, Step};

use super::{Opened, rules};
use crate::check::{Duplicate, check};
use crate::cli::Options;
use crate::facts::{self, File};

pub(crate) fn run(host: &mut Host, options: &Options) -> Result<Outcome> {
    let files = match &options.file {
        Some(path) if facts::is_stdin(Some(path)) => vec![facts::stdin_file()?],
        Some(path) => vec![facts::read_file(host, path)?],
        None => {
            let paths: Vec<PathBuf> = facts::present_kinds(host)?.into_iter().map(Kind::config_path).collect();
            if paths.is_empty() {
                // The same message as every other verb prints.
                facts::choose_file(host, None, &[])?;
            }
            paths.iter().map(|path| facts::read_file(host, path)).collect::<Result<_>>()?
        }
    };
    let mut findings = Vec::new();
    for file in &files {
        findings.extend(one(host, options, file)?);
    }
    Ok(host.report.findings(&findings))
}

fn one(host: &mut Host, options: &Options, file: &File) -> Result<Vec<Finding>> {
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
    let version = match known {
        VersionSource::Given(version) | VersionSource::InFile(version) | VersionSource::InProgram(version) => {
            format!("KubeEdge {version}")
        }
        VersionSource::Conflicting(..) | VersionSource::Unknown => "an unknown KubeEdge version".to_owned(),
    };
    host.report.line(&format!("checking {name} for {version}"));
    let lines = document.lines(paths.iter().map(Option::as_ref));
    Ok(findings.iter().zip(lines).map(|(finding, line)| finding.to_finding(&name, line)).collect())
}

fn path_of(steps: &[String]) -> Option<Path> {
    let step = |text: &String| {
        let index = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).and_then(|rest| rest.parse().ok());
        index.map_or_else(|| Step::Key(text.clone()), Step::Index)
    };
    Path::new(steps.iter().map(step).collect())
}
