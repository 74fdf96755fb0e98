//! Finds out why pods have no network.
//!
//! CRI-O only reports that it found no configuration; the cause is in the files and plugins, which edge-conflist reads
//! for edge-cni as well.

use edge_host::{Finding, Host, Result, Severity};
use std::path::Path;

use edge_conflist::diagnose::{Facts, diagnose, facts, pod_errors};

use crate::config::{Effective, Setting};

/// The causes, each with its file; none if a configuration works.
pub fn causes(host: &Host, config: &Effective) -> Result<Vec<Finding>> {
    let mut facts = facts(host, &config.network_dir(), &config.plugin_dirs(), false)?;
    if let Some(cause) = keep_default(&mut facts, config) {
        return Ok(vec![cause]);
    }
    let (findings, used) = diagnose(&facts);
    if used.is_some() {
        return Ok(Vec::new());
    }
    Ok(findings.into_iter().filter(|finding| finding.severity == Severity::Error).collect())
}

/// Why pods get no network although CRI-O reports that the network is ready.
pub fn unseen_causes(host: &Host, config: &Effective) -> Result<Vec<Finding>> {
    let mut facts = facts(host, &config.network_dir(), &config.plugin_dirs(), false)?;
    match keep_default(&mut facts, config) {
        // It existed when CRI-O loaded it.
        Some(_) => Ok(Vec::new()),
        None => Ok(pod_errors(&facts)),
    }
}

/// Keeps only the network that `cni_default_network` names, if it is set; a finding if there is none of this name.
fn keep_default(facts: &mut Facts, config: &Effective) -> Option<Finding> {
    let Setting { value, file, .. } = config.default_network.as_ref().filter(|setting| !setting.value.is_empty())?;
    let names: Vec<String> =
        facts.files.iter().filter_map(|file| Some(file.content.as_ref().ok()?.name.clone())).collect();
    if names.is_empty() {
        return None;
    }
    facts.files.retain(|file| file.content.as_ref().is_ok_and(|network| network.name == *value));
    facts.files.is_empty().then(|| unknown_network(file, value, &facts.conf_dir, &names))
}

fn unknown_network(file: &Path, value: &str, dir: &Path, names: &[String]) -> Finding {
    let text = format!("network {value:?} does not exist: {} contains {}", dir.display(), names.join(", "));
    Finding::error(file, text)
        .at("crio.network.cni_default_network")
        .hint("name an existing network, or remove the line to use the first one")
}
