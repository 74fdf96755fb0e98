//! Why a runtime has no network. CRI-O always says that there is no configuration; the files and the
//! plugins tell the cause, as edge-cni reads them too.

use edge_host::{Finding, Host, Result, Severity};
use std::path::Path;

use edge_conflist::diagnose::{Facts, diagnose, facts, pod_errors};

use crate::config::{Effective, Setting};

/// The causes, each with the file that it is about; none where some configuration works.
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

/// Why pods get no network although CRI-O takes it for ready.
pub fn unseen_causes(host: &Host, config: &Effective) -> Result<Vec<Finding>> {
    let mut facts = facts(host, &config.network_dir(), &config.plugin_dirs(), false)?;
    match keep_default(&mut facts, config) {
        // It was there when CRI-O looked.
        Some(_) => Ok(Vec::new()),
        None => Ok(pod_errors(&facts)),
    }
}

/// Leaves the network that the configuration names, where it names one; says so where there is none of this name.
fn keep_default(facts: &mut Facts, config: &Effective) -> Option<Finding> {
    let Setting { value, file } = config.default_network.as_ref().filter(|setting| !setting.value.is_empty())?;
    let names: Vec<String> =
        facts.files.iter().filter_map(|file| Some(file.content.as_ref().ok()?.name.clone())).collect();
    if names.is_empty() {
        return None;
    }
    facts.files.retain(|file| file.content.as_ref().is_ok_and(|network| network.name == *value));
    facts.files.is_empty().then(|| no_such(file, value, &facts.conf_dir, &names))
}

fn no_such(file: &Path, value: &str, dir: &Path, names: &[String]) -> Finding {
    let text = format!("asks for the network {value}, and {} has {} alone", dir.display(), names.join(", "));
    Finding::error(file, text)
        .at("crio.network.cni_default_network")
        .hint("name one that is there, or take the line out: then the first counts")
}
