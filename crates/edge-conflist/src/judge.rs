//! Each configuration against each plugin that it names: [`facts`] reads, [`judge`] is pure.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use edge_host::{Arch, Finding, Host, Result, Severity};

use crate::conflist::{self, File, Network};
use crate::known::Known;
use crate::plugin::{self, Answer, Ask, DEBIAN_DIR, Standing};
use crate::record::{self, Installed};
use crate::runtime::runtimes;
use crate::version::Cni;

/// A plugin that some configuration names.
#[derive(Debug, Clone)]
pub struct Looked {
    /// Where it stands; of one that is missing, the first place where it could.
    pub path: PathBuf,
    /// What stands there.
    pub standing: Standing,
    /// What it said; none where programs are not run, or it was not worth asking.
    pub answer: Option<std::result::Result<Answer, String>>,
    /// What its release reads, where it is one of ours.
    pub known: Option<Cni>,
    /// Debian's package has it, in another directory.
    pub elsewhere: bool,
}

/// All that is held against each other.
#[derive(Debug)]
pub struct Facts {
    /// The directory of the configurations.
    pub conf_dir: PathBuf,
    /// The directories of the plugins, in the order in which they are looked through.
    pub bin_dirs: Vec<PathBuf>,
    /// The configurations.
    pub files: Vec<File>,
    /// Files in the directory that are none, but look as if they were meant to be.
    pub left_aside: Vec<String>,
    /// What this host runs.
    pub machine: Option<Arch>,
    /// What the host's only runtime reads; the newest where there are several, or none.
    pub reads: Cni,
    /// The plugins by name; none of those whose name is none.
    pub plugins: BTreeMap<String, Looked>,
}

/// Reads all of it; plugins are asked for their version on a live host.
pub fn facts(host: &Host, conf_dir: &Path, bin_dirs: &[PathBuf], ask: Ask) -> Result<Facts> {
    let files = conflist::files(host, conf_dir)?;
    let machine = Arch::of_host(&host.root);
    // Live, the plugins themselves say what they read.
    let record = if host.root.is_live() { Installed::default() } else { record::read(host)? };
    let mut plugins = BTreeMap::new();
    for network in files.iter().filter_map(|file| file.content.as_ref().ok()) {
        for (name, _) in network.programs() {
            if plugin::is_name(&name) && !plugins.contains_key(&name) {
                let looked = look(host, bin_dirs, &name, machine, &record, ask)?;
                plugins.insert(name, looked);
            }
        }
    }
    // A runtime's own version is read out of all of its program: only where it makes a difference.
    let differs = |file: &File| file.content.as_ref().is_ok_and(|network| network.version != network.single);
    let reads = if files.iter().any(differs) {
        match runtimes(host)?.as_slice() {
            [only] => only.reads,
            _ => Cni::NEWEST,
        }
    } else {
        Cni::NEWEST
    };
    Ok(Facts {
        left_aside: conflist::left_aside(host, conf_dir)?,
        conf_dir: conf_dir.to_path_buf(),
        bin_dirs: bin_dirs.to_vec(),
        files,
        machine,
        reads,
        plugins,
    })
}

fn look(
    host: &Host,
    dirs: &[PathBuf],
    name: &str,
    machine: Option<Arch>,
    record: &Installed,
    ask: Ask,
) -> Result<Looked> {
    let Some(dir) = plugin::find(host, dirs, name)? else {
        return Ok(Looked {
            path: dirs.first().map(|dir| dir.join(name)).unwrap_or_default(),
            standing: Standing::Missing,
            answer: None,
            known: None,
            elsewhere: host.root.open(&Path::new(DEBIAN_DIR).join(name))?.is_some(),
        });
    };
    let standing = plugin::look(host, dir, name)?;
    let path = dir.join(name);
    let runs = match &standing {
        Standing::Program(program) => machine.is_none_or(|machine| machine.may_run(*program)),
        Standing::Script => true,
        _ => false,
    };
    let answer = (host.root.is_live() && runs).then(|| plugin::ask(host, &path));
    let named = |answer: Answer| match ask {
        Ask::Releases => Answer { release: plugin::release(&path), ..answer },
        Ask::Versions => answer,
    };
    let answer = answer.map(|answer| answer.map(named).map_err(|error| error.message().to_owned()));
    let release = record.plugins.get(&*path.to_string_lossy()).and_then(|plugin| plugin.version.clone());
    let known = release.map(|release| Known::read().map(|known| known.plugins(&release))).transpose()?.flatten();
    Ok(Looked { path, standing, answer, known, elsewhere: false })
}

/// What was found, and the network that a runtime will use, if any.
pub fn judge(facts: &Facts) -> (Vec<Finding>, Option<&File>) {
    let mut findings = Vec::new();
    let mut used: Option<&File> = None;
    for file in &facts.files {
        let own = judge_one(facts, file);
        match used {
            // Nobody reads what comes behind, but it may once the first is gone.
            Some(first) => {
                let name = first.path.file_name().unwrap_or_default().to_string_lossy();
                findings.push(Finding::new(Severity::Note, &file.path, format!("not used, as {name} comes first")));
                findings.extend(own.into_iter().map(behind));
            }
            None => {
                if !own.iter().any(|finding| finding.severity == Severity::Error) {
                    used = Some(file);
                }
                findings.extend(own);
            }
        }
    }
    if used.is_none() && facts.files.is_empty() {
        let finding = Finding::error(&facts.conf_dir, "there is no network configuration");
        findings.push(finding.hint(match facts.left_aside.first() {
            Some(name) => {
                format!("{name} is not read, as its name does not end in .conflist; or write one: edge-cni conf bridge")
            }
            None => "write one: edge-cni conf bridge --subnet CIDR; or deploy the cluster's network plugin".to_owned(),
        }));
    }
    (findings, used)
}

fn judge_one(facts: &Facts, file: &File) -> Vec<Finding> {
    match &file.content {
        Ok(network) => against_plugins(facts, &file.path, network),
        Err(broken) => {
            let finding = Finding {
                line: broken.line,
                path: broken.later.unwrap_or_default().to_owned(),
                hint: broken.hint.clone(),
                ..Finding::error(&file.path, broken.text.as_str())
            };
            vec![finding]
        }
    }
}

/// Whether only pods meet this fault, as a runtime looks at neither: the name, and a plugin that gives the addresses.
pub fn is_unseen(fault: &Finding) -> bool {
    fault.path == "name" || fault.path.ends_with(".ipam.type")
}

/// What is wrong with the network that CRI-O uses and takes for ready.
pub fn unseen(facts: &Facts) -> Vec<Finding> {
    for file in &facts.files {
        let mut faults = judge_one(facts, file);
        faults.retain(|finding| finding.severity == Severity::Error);
        if faults.iter().all(is_unseen) {
            return faults;
        }
    }
    Vec::new()
}

/// What is wrong with a network that another one stands before: the runtime is ready all the same.
fn behind(finding: Finding) -> Finding {
    Finding { severity: finding.severity.min(Severity::Warning), ..finding }
}

fn against_plugins(facts: &Facts, file: &Path, network: &Network) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !network.is_named {
        let text =
            format!("it has no name: CRI-O names it {} after the file, and containerd fails each pod", network.name);
        findings.push(Finding::warning(file, text).at("name").hint("add \"name\": \"…\""));
    }
    let mut seen: Vec<String> = Vec::new();
    for (name, at) in network.programs() {
        if seen.contains(&name) {
            continue;
        }
        let fault = |text: String| Finding::error(file, text).at(&at);
        let found = match facts.plugins.get(&name) {
            Some(looked) => of_plugin(facts, &name, looked, network.version_for(facts.reads), fault),
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
    let shown = looked.path.display();
    let program = match looked.standing {
        Standing::Missing => {
            let dirs: Vec<String> = facts.bin_dirs.iter().map(|dir| dir.display().to_string()).collect();
            let dirs = dirs.join(", ");
            let hint = if looked.elsewhere {
                format!(
                    "{DEBIAN_DIR} has one, but runtimes look in {dirs}: edge-cni install puts it there, or set plugin_dirs"
                )
            } else {
                "edge-cni install puts the plugins there; that of a cluster's network comes with its daemon set"
                    .to_owned()
            };
            return Some(fault(format!("{name} is not in {dirs}")).hint(hint));
        }
        Standing::NoProgram => {
            return Some(fault(format!("{shown} is no program")).hint("install it again: edge-cni install"));
        }
        Standing::NotExecutable => {
            return Some(fault(format!("{shown} is not executable")).hint(format!("chmod 0755 {shown}")));
        }
        Standing::Script => None,
        Standing::Program(program) => Some(program),
    };
    if let Some((machine, program)) = facts.machine.zip(program).filter(|(machine, program)| !machine.may_run(*program))
    {
        let hint = format!(
            "install those for {machine}: edge-cni build --arch {machine}, or the release archive for {machine}"
        );
        return Some(fault(format!("{shown} is for {}, and this is {machine}", program.machine())).hint(hint));
    }
    let too_old = |who: String, newest: Cni| {
        let hint = "install a newer release (edge-cni build --version v1.9.1), or write the network again for these: edge-cni conf bridge";
        Some(fault(format!("{who} reads at most {newest}, and the network asks for {wanted}")).hint(hint))
    };
    match (&looked.answer, looked.known) {
        (Some(Err(cause)), _) => {
            Some(fault(format!("{name} does not answer: {cause}")).hint("install it again: edge-cni install"))
        }
        (Some(Ok(answer)), _) if !answer.reads.contains(&wanted) => {
            let release = answer.release.as_ref().map(|release| format!(" {release}")).unwrap_or_default();
            let who = format!("{name}{release}");
            match answer.reads.iter().max() {
                Some(newest) if *newest < wanted => too_old(who, *newest),
                // No newer release would read it either: one that is not there, or was given up.
                _ => {
                    let reads = answer.reads.iter().map(Cni::to_string).collect::<Vec<_>>().join(", ");
                    let text = format!("{who} reads {reads}, and the network asks for {wanted}");
                    Some(fault(text).hint("set \"cniVersion\" to one of these"))
                }
            }
        }
        (None, Some(known)) if wanted > known => too_old(name.to_owned(), known),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
