//! `edge-conf check`.

use std::path::PathBuf;

use edge_host::{Finding, Host, Outcome, Result};
use edge_kubeedge::paths::CONFIG_DIR;
use edge_kubeedge::unit::config_in_use;
use edge_kubeedge::{Kind, VersionSource};
use edge_yaml::{Path, Step};

use super::{Opened, rules_by_name};
use crate::check::{check_document, check_files};
use crate::cli::Options;
use crate::environment;
use crate::facts::{self, File};

pub(crate) fn run(host: &mut Host, options: &Options) -> Result<Outcome> {
    let mut findings = Vec::new();
    let files = match &options.file {
        Some(path) if facts::is_stdin(Some(path)) => vec![facts::stdin_file()?],
        Some(path) => vec![facts::read_file(host, path)?],
        None => {
            let in_use = facts::files_in_use(host)?;
            let paths: Vec<PathBuf> =
                in_use.into_iter().map(|(kind, file)| facts::announced(host, kind, file)).collect();
            if paths.is_empty() {
                let text = "no configuration found: neither edgecore.yaml nor cloudcore.yaml exists";
                findings.push(Finding::error(CONFIG_DIR, text).hint(facts::CREATE_IT));
            }
            paths.iter().map(|path| facts::read_file(host, path)).collect::<Result<_>>()?
        }
    };
    for file in &files {
        findings.extend(one(host, options, file)?);
    }
    if options.file.is_none() {
        findings.extend(environment::check(host));
    }
    Ok(host.report.findings(&findings))
}

fn one(host: &mut Host, options: &Options, file: &File) -> Result<Vec<Finding>> {
    let name = file.name(host);
    let opened = Opened::of(file, &name)?;
    let inner = opened.inner(&name)?;
    let document = inner.document();
    let (rules, known) = rules_by_name(host, options, file, opened.entry.as_ref(), document)?;
    let mut found = check_document(rules.kind, rules.version, document);
    if let (Some(path), None, Kind::CloudCore) = (&file.path, &opened.entry, rules.kind) {
        let is_here = *path == rules.kind.config_path() || *path == config_in_use(&host.root, rules.kind)?.path;
        found.extend(check_files(rules.version, &document.as_go(), is_here, &|file| facts::has_file(host, file)));
    }
    let version = match known {
        VersionSource::Given(version) | VersionSource::InFile(version) | VersionSource::InProgram(version) => {
            format!("KubeEdge {version}")
        }
        VersionSource::Conflicting(..) | VersionSource::Unknown => "an unknown KubeEdge version".to_owned(),
    };
    host.report.line(&format!("checking {name} for {version}"));
    let paths: Vec<Option<Path>> = found.iter().map(|finding| path_of(&finding.steps)).collect();
    let lines = document.lines(paths.iter().map(Option::as_ref));
    let mut findings: Vec<Finding> =
        found.iter().zip(lines).map(|(finding, line)| finding.to_finding(&name, line)).collect();
    if document.has_more_documents() || opened.outer.has_more_documents() {
        let text = "has more than one document: KubeEdge reads only the first, and only that one is checked";
        findings.push(Finding::warning(&name, text).hint("keep one document in the file"));
    }
    Ok(findings)
}

fn path_of(steps: &[String]) -> Option<Path> {
    let step = |text: &String| {
        let index = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).and_then(|rest| rest.parse().ok());
        index.map_or_else(|| Step::Key(text.clone()), Step::Index)
    };
    Path::new(steps.iter().map(step).collect())
}
