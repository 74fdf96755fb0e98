//! Why a runtime has no network. CRI-O always says that there is no configuration; the files and the
//! plugins tell the cause, as edge-cni reads them too.

use edge_conflist::finding::{Finding, Severity};
use edge_conflist::judge::{facts, judge};
use edge_conflist::plugin::Ask;
use edge_host::{Host, Result};

use crate::config::Effective;

/// The causes, each with the file that it is about; none where some configuration works.
pub fn causes(host: &Host, config: &Effective) -> Result<Vec<Finding>> {
    let facts = facts(host, &config.network_dir(), &config.plugin_dirs(), Ask::Versions)?;
    let (findings, used) = judge(&facts);
    if used.is_some() {
        return Ok(Vec::new());
    }
    Ok(findings.into_iter().filter(|finding| finding.severity == Severity::Fault).collect())
}
