//! Each configuration against each plugin that it names. Pure: the facts are read by the caller.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::finding::{Finding, Severity};
use crate::arch::Arch;
use crate::conflist::{File, Network};
use crate::plugin::{Answer, DEBIAN_DIR, Standing};
use crate::version::Cni;

/// What a runtime says in all of these cases.
const NOT_READY: &str = "a runtime only says that the network is not ready";

/// A plugin that some configuration names.
#[derive(Debug, Clone)]
pub(super) struct Looked {
    pub(super) standing: Standing,
    /// What it said; none where programs are not run, or it was not worth asking.
    pub(super) answer: Option<std::result::Result<Answer, String>>,
    /// What its release reads, where it is one of ours.
    pub(super) known: Option<Cni>,
    /// Debian's package has it, in another directory.
    pub(super) elsewhere: bool,
}

/// All that is held against each other.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) conf_dir: PathBuf,
    pub(super) bin_dir: PathBuf,
    pub(super) files: Vec<File>,
    /// Files in the directory that are none, but look as if they were meant to be.
    pub(super) left_aside: Vec<String>,
    pub(super) machine: Option<Arch>,
    pub(super) plugins: BTreeMap<String, Looked>,
}

/// What was found, and the network that a runtime will use, if any.
pub(super) fn judge(facts: &Facts) -> (Vec<Finding>, Option<&File>) {
    let mut findings = Vec::new();
    let mut used: Option<&File> = None;
    for file in &facts.files {
        let own = match &file.content {
            Ok(network) => against_plugins(facts, &file.path, network),
            Err(broken) => {
                let text = format!("{}: {NOT_READY}", broken.text);
                let finding = Finding {
                    line: broken.line,
                    hint: broken.hint.clone(),
                    ..Finding::new(Severity::Fault, &file.path, text)
                };
                vec![finding]
            }
        };
        match used {
            // Nobody reads what comes behind, but it may once the first is gone.
            Some(first) => {
                let name = first.path.file_name().unwrap_or_default().to_string_lossy();
                findings.push(Finding::new(Severity::Note, &file.path, format!("not used, as {name} comes first")));
                findings.extend(own.into_iter().map(behind));
            }
            None => {
                if !own.iter().any(|finding| finding.severity == Severity::Fault) {
                    used = Some(file);
                }
                findings.extend(own);
            }
        }
    }
    if used.is_none() && facts.files.is_empty() {
        let finding =
            Finding::new(Severity::Fault, &facts.conf_dir, format!("there is no network configuration: {NOT_READY}"));
        findings.push(finding.hint(match facts.left_aside.first() {
            Some(name) => {
                format!("{name} is not read, as its name does not end in .conflist; or write one: edge-cni conf bridge")
            }
            None => "write one: edge-cni conf bridge --subnet CIDR; or deploy the cluster's network plugin".to_owned(),
        }));
    }
    (findings, used)
}

/// What is wrong with a network that another one stands before: the runtime is ready all the same.
fn behind(finding: Finding) -> Finding {
    let text = finding.text.strip_suffix(&format!(": {NOT_READY}")).map(str::to_owned);
    Finding { severity: finding.severity.min(Severity::Warning), text: text.unwrap_or(finding.text), ..finding }
}

fn against_plugins(facts: &Facts, file: &Path, network: &Network) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut seen: Vec<String> = Vec::new();
    for (name, at) in network.programs() {
        if seen.contains(&name) {
            continue;
        }
        let fault = |text: String| Finding::new(Severity::Fault, file, text).at(&at);
        let found = match facts.plugins.get(&name) {
            Some(looked) => of_plugin(facts, &name, looked, network.version, fault),
            None => Some(fault(format!("{name:?} is no name of a plugin"))),
        };
        findings.extend(found);
        seen.push(name);
    }
    findings
}

fn of_plugin(
    facts: &Facts,
    name: &str,
    looked: &Looked,
    wanted: Cni,
    fault: impl Fn(String) -> Finding,
) -> Option<Finding> {
    let dir = facts.bin_dir.display();
    let program = match looked.standing {
        Standing::Missing => {
            let hint = if looked.elsewhere {
                format!(
                    "{DEBIAN_DIR} has one, but runtimes look in {dir}: edge-cni install puts it there, or set plugin_dirs"
                )
            } else {
                "edge-cni install puts the plugins there; that of a cluster's network comes with its daemon set"
                    .to_owned()
            };
            return Some(fault(format!("{name} is not in {dir}: {NOT_READY}")).hint(hint));
        }
        Standing::NoProgram => {
            return Some(
                fault(format!("{dir}/{name} is no program: {NOT_READY}")).hint("install it again: edge-cni install"),
            );
        }
        Standing::NotExecutable => {
            return Some(
                fault(format!("{dir}/{name} is not executable: {NOT_READY}")).hint(format!("chmod 0755 {dir}/{name}")),
            );
        }
        Standing::Program(program) => program,
    };
    if let Some(machine) = facts.machine.filter(|machine| !machine.is_of(program)) {
        let hint = format!(
            "install those for {machine}: edge-cni build --arch {machine}, or the release archive for {machine}"
        );
        return Some(fault(format!("{dir}/{name} is for {}, and this is {machine}", program.machine())).hint(hint));
    }
    let too_old = |who: String, newest: Cni| {
        let hint = "install a newer release (edge-cni build --version v1.9.1), or write the network again for these: edge-cni conf bridge";
        Some(fault(format!("{who} reads at most {newest}, and the network asks for {wanted}: {NOT_READY}")).hint(hint))
    };
    match (&looked.answer, looked.known) {
        (Some(Err(cause)), _) => {
            Some(fault(format!("{name} does not answer: {cause}")).hint("install it again: edge-cni install"))
        }
        (Some(Ok(answer)), _) if !answer.reads.contains(&wanted) => {
            let release = answer.release.as_ref().map(|release| format!(" {release}")).unwrap_or_default();
            answer.reads.iter().max().and_then(|newest| too_old(format!("{name}{release}"), *newest))
        }
        (None, Some(known)) if wanted > known => too_old(name.to_owned(), known),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
