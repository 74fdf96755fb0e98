//! The problems of one network: of its file, its plugins, its addresses and its daemons.

use edge_host::{Finding, Severity};

use super::hint::{CORRECT, LEFTOVER, mv};
use super::plugins::diagnose_plugin;
use super::{Effect, Facts, LOOPBACK, Problem, addresses, other, values};
use crate::conflist::{File, Network};
use crate::leases;
use crate::plugin::PluginFile;
use crate::runtime::Runtime;

/// The problems of a file, whether it is used or not.
pub(super) fn diagnose_file(facts: &Facts, file: &File) -> Vec<Problem> {
    match &file.content {
        Ok(network) => diagnose_network(facts, file, network),
        Err(error) => {
            let finding = Finding {
                line: error.line,
                path: error.setting.clone().unwrap_or_default(),
                hint: error.hint.clone(),
                ..Finding::error(&file.path, error.text.as_str())
            };
            if error.is_unknown {
                return vec![other(Finding { severity: Severity::Warning, ..finding })];
            }
            let hint =
                finding.hint.clone().unwrap_or_else(|| format!("correct it, or move it away: {}", mv(facts, file)));
            let finding = finding.hint(hint);
            let effect = if error.is_for_pods { Effect::PodsFail } else { Effect::NotReady };
            vec![Problem { finding, effect }]
        }
    }
}

fn diagnose_network(facts: &Facts, file: &File, network: &Network) -> Vec<Problem> {
    let mut problems = Vec::new();
    if !network.is_named {
        let text = format!(
            "the network has no name: CRI-O uses the file name {} instead, and containerd fails each pod",
            network.name
        );
        problems.push(other(Finding::warning(&file.path, text).at("name").hint("add \"name\": \"…\"")));
    }
    for (setting, text) in &network.ignored_versions {
        let text = format!("{text:?} is not a CNI version: runtimes ignore it");
        problems.push(other(Finding::warning(&file.path, text).at(setting).hint("remove it from the list")));
    }
    let mut seen: Vec<String> = Vec::new();
    for (name, at) in network.programs() {
        if seen.contains(&name) {
            continue;
        }
        let error = |text: String| Finding::error(&file.path, text).at(&at);
        let finding = match facts.plugins.get(&name) {
            Some(plugin) => diagnose_plugin(facts, &name, plugin, network.version_for(facts.runtime_newest()), error),
            None => Some(error(format!("{name:?} is not a valid plugin name"))),
        };
        // A runtime does not look at the plugin for addresses before the first pod.
        let effect = if at.ends_with(".ipam.type") { Effect::PodsFail } else { Effect::NotReady };
        problems.extend(finding.map(|finding| Problem { finding, effect }));
        seen.push(name);
    }
    let pods_fail = |finding: Finding| Problem { finding, effect: Effect::PodsFail };
    problems.extend(addresses::ranges(file, network).into_iter().map(pods_fail));
    problems.extend(values::values(file, network, CORRECT).into_iter().map(pods_fail));
    problems.extend(too_new(facts, file, network).into_iter().map(pods_fail));
    for lack in facts.lacks.get(&file.path).into_iter().flatten() {
        // In an image the daemon has not run yet.
        let severity = match (lack.is_unknown, facts.is_live) {
            (false, true) => Severity::Error,
            (true, true) => Severity::Warning,
            (_, false) => Severity::Note,
        };
        let finding = Finding::new(severity, &file.path, lack.text.as_str()).at(&lack.at);
        let effect = if severity == Severity::Error { Effect::PodsFail } else { Effect::Other };
        let finding = if severity == Severity::Error { finding.hint(LEFTOVER) } else { finding };
        problems.push(Problem { finding, effect });
    }
    problems
}

/// Compares the network with the libcni of the runtimes: it loads a newer network, and refuses the answer of a plugin.
fn too_new(facts: &Facts, file: &File, network: &Network) -> Vec<Finding> {
    // With several runtimes it is unknown which one is used.
    let severity = if facts.runtimes.len() == 1 { Severity::Error } else { Severity::Warning };
    let too_old = facts.runtimes.iter().filter(|runtime| runtime.newest < network.version_for(runtime.newest));
    let finding = |runtime: &Runtime| {
        let text = format!(
            "{} supports CNI versions up to {}, but the network requires {}",
            runtime.shown(),
            runtime.newest,
            network.version_for(runtime.newest)
        );
        let hint = format!("write it again: edge-cni conf bridge --subnet CIDR --cni-version {}", runtime.newest);
        Finding::new(severity, &file.path, text).at("cniVersion").hint(hint)
    };
    too_old.map(finding).collect()
}

/// The problems of the network that is used with other networks, the host and its leases.
pub(super) fn diagnose_used(facts: &Facts, file: &File) -> Vec<Problem> {
    let Ok(network) = &file.content else { return Vec::new() };
    let (mut findings, mut problems) = (Vec::new(), Vec::new());
    if let Some(plugin) = facts.plugins.get(LOOPBACK).filter(|plugin| plugin.file == PluginFile::Missing) {
        let text =
            format!("the plugin {LOOPBACK} is missing, which containerd and CRI-O before 1.30 run for every pod");
        let dir = plugin.path.parent().unwrap_or(&plugin.path);
        let finding = Finding::warning(dir, text).hint("install the plugins: edge-cni install --archive FILE");
        problems.push(Problem { finding, effect: Effect::OldRuntimes });
    }
    findings.extend(addresses::same_subnet(file, network, &facts.files));
    findings.extend(facts.leases.iter().flat_map(|leases| leases::diagnose(network, leases)));
    if let Some(networks) = &facts.networks {
        findings.extend(addresses::against_host(file, network, networks));
        findings.extend(facts.flannel.iter().flat_map(|bridge| addresses::of_flannel(file, bridge, networks)));
    }
    problems.extend(findings.into_iter().map(other));
    problems
}
