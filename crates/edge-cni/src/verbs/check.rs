//! `edge-cni check`: finds what keeps the network from being ready, or soon will.

use std::path::{Path, PathBuf};

use edge_conflist::containerd::Containerd;
use edge_conflist::crio::{self, Places};
use edge_conflist::diagnose::{self, Effect, Facts, Problem, diagnose};
use edge_host::{Finding, Host, Outcome, Result, Severity, quoted};

use crate::cli::CheckArgs;
use crate::conflist::File;
use crate::request::absolute;
use crate::trial;

/// The effect where no network is usable.
const NOT_READY: &str = ": pods get no network";
/// The effect where CRI-O uses a later network.
const SKIPPED: &str = ": CRI-O skips it, and with containerd no pod gets a network";
/// The effect of an error that only pods run into.
const PODS_FAIL: &str = ": CRI-O reports that the network is ready, but pods fail";

pub(crate) fn run(host: &mut Host, args: &CheckArgs) -> Result<Outcome> {
    for dir in [&args.bin_dir, &args.conf_dir].into_iter().flatten() {
        absolute(dir)?;
    }
    trial::require_possible(host, args.live)?;
    let facts = diagnose::facts(host, places(host, args)?, true)?;
    let verdict = diagnose(&facts);
    // The network is only summed up where nothing is wrong with it or before it.
    let has_no_errors = verdict.problems.iter().all(|problem| problem.finding.severity != Severity::Error);
    let mut findings: Vec<Finding> = verdict.problems.iter().map(with_effect).collect();
    if !facts.has_crio
        && let Some(containerd) = Containerd::read(host)?
    {
        findings.extend(other_places(&containerd, &facts.places, &crio::places(host)?));
    }
    let mut summary_of_trial = None;
    if let Some((file, network)) = verdict.used.and_then(|file| Some((file, file.content.as_ref().ok()?)))
        && args.live
    {
        let (found, text) = trial::run(host, &facts.places.bin_dirs, file, network)?;
        findings.extend(found);
        summary_of_trial = text;
    }
    if let Some(text) = summary_of_trial {
        host.report.line(&text);
    }
    if let Some(file) = verdict.used.filter(|file| has_no_errors && file.content.is_ok()) {
        host.report.line(&summary(&facts, file));
    }
    Ok(host.report.findings(&findings))
}

/// The directories of the options, or else those of CRI-O.
fn places(host: &Host, args: &CheckArgs) -> Result<Places> {
    let mut places = crio::places(host)?;
    if let Some(dir) = args.conf_dir.as_ref().filter(|dir| **dir != places.conf_dir) {
        places.conf_dir = dir.clone();
        // CRI-O's default network is that of its own directory.
        places.default_network = None;
    }
    if let Some(dir) = &args.bin_dir {
        places.bin_dirs = vec![dir.clone()];
    }
    Ok(places)
}

/// The settings of containerd that name other directories than those that were examined; `usual` are those that are
/// examined without options.
fn other_places(containerd: &Containerd, examined: &Places, usual: &Places) -> Vec<Finding> {
    let invalid = containerd.invalid.iter().map(|(file, line)| {
        let text = "the file is not valid TOML: containerd does not start";
        Finding::error(file, text).on_line(Some(*line)).hint("correct it")
    });
    let mut findings: Vec<Finding> = invalid.collect();
    let (conf_dir, bin_dirs) = (containerd.conf_dir(), containerd.bin_dirs());
    let mut command = "edge-cni check".to_owned();
    if conf_dir.value != usual.conf_dir {
        command.push_str(&format!(" --conf-dir {}", quoted(&conf_dir.value.to_string_lossy())));
    }
    let first = bin_dirs.value.first().filter(|_| bin_dirs.value != usual.bin_dirs);
    if let Some(dir) = first {
        command.push_str(&format!(" --bin-dir {}", quoted(&dir.to_string_lossy())));
    }
    let finding = |file: &Path, line: usize, key: &str, text: String| {
        let line = Some(line).filter(|line| *line > 0);
        Finding::warning(file, text)
            .on_line(line)
            .at(key)
            .hint(format!("examine the directories of containerd: {command}"))
    };
    if conf_dir.value != examined.conf_dir {
        let (uses, not) = (conf_dir.value.display(), examined.conf_dir.display());
        let text = format!("containerd uses the networks in {uses}, but those in {not} were examined");
        findings.push(finding(&conf_dir.file, conf_dir.line, "cni.conf_dir", text));
    }
    if examined.bin_dirs.iter().any(|dir| !bin_dirs.value.contains(dir)) {
        let text = format!(
            "containerd uses the plugins in {}, but those in {} were examined",
            shown(&bin_dirs.value),
            shown(&examined.bin_dirs)
        );
        findings.push(finding(&bin_dirs.file, bin_dirs.line, "cni.bin_dir", text));
    }
    findings
}

fn shown(dirs: &[PathBuf]) -> String {
    dirs.iter().map(|dir| dir.display().to_string()).collect::<Vec<_>>().join(", ")
}

fn with_effect(problem: &Problem) -> Finding {
    let mut finding = problem.finding.clone();
    finding.text.push_str(match problem.effect {
        _ if finding.severity != Severity::Error && problem.effect != Effect::Skipped => "",
        Effect::NotReady => NOT_READY,
        Effect::Skipped => SKIPPED,
        Effect::PodsFail => PODS_FAIL,
        Effect::OldRuntimes | Effect::Other => "",
    });
    finding
}

/// The network that is used, its version, and its plugins with their releases.
fn summary(facts: &Facts, file: &File) -> String {
    let Ok(network) = &file.content else { return file.path.display().to_string() };
    let mut programs = Vec::new();
    for (name, _) in network.programs() {
        let answer = facts.plugins.get(&name).and_then(|plugin| plugin.answer.as_ref()?.as_ref().ok());
        let release = answer.and_then(|answer| answer.release.clone());
        programs.push(release.map_or_else(|| name.clone(), |release| format!("{name} {release}")));
    }
    format!("{} ({}, with {})", file.path.display(), network.version_for(facts.runtime_newest()), programs.join(", "))
}
