//! Compares each configuration with the plugins that it names: [`facts`] reads, [`diagnose`] is pure.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use edge_host::{Arch, Finding, Host, Result, Severity};

use crate::catalog::Catalog;
use crate::conflist::{self, File, Network};
use crate::plugin::{self, Answer, DEBIAN_DIR, PluginFile};
use crate::record::{self, Record};
use crate::runtime::runtimes;
use crate::version::Cni;

/// A plugin that some configuration names.
#[derive(Debug, Clone)]
pub struct PluginFacts {
    /// Its path; where it is missing, the path in the first directory.
    pub path: PathBuf,
    /// The kind of file that it is.
    pub file: PluginFile,
    /// What it reported; none where it was not run.
    pub answer: Option<std::result::Result<Answer, String>>,
    /// The newest CNI version that its release supports; none unless edge-cni installed it.
    pub newest: Option<Cni>,
    /// Whether it is missing, but installed by Debian's package in another directory.
    pub is_in_debian_dir: bool,
}

/// What was read from the host.
#[derive(Debug)]
pub struct Facts {
    /// The directory of the configurations.
    pub conf_dir: PathBuf,
    /// The directories of the plugins, in search order.
    pub bin_dirs: Vec<PathBuf>,
    /// The configurations.
    pub files: Vec<File>,
    /// Files that look like configurations, with a name that runtimes ignore.
    pub ignored: Vec<String>,
    /// The host's architecture.
    pub machine: Option<Arch>,
    /// The newest CNI version that the host's only runtime supports; [`Cni::NEWEST`] where there is none or several.
    pub runtime_newest: Cni,
    /// The plugins by name, without those with an invalid name.
    pub plugins: BTreeMap<String, PluginFacts>,
}

/// Reads the configurations and the plugins that they name, which are run for their versions on a live host;
/// `with_releases` runs them for their release, too.
pub fn facts(host: &Host, conf_dir: &Path, bin_dirs: &[PathBuf], with_releases: bool) -> Result<Facts> {
    let files = conflist::files(host, conf_dir)?;
    let machine = Arch::of_host(&host.root);
    // On a live host the plugins report their versions themselves.
    let record = if host.root.is_live() { Record::default() } else { record::read(host)? };
    let mut plugins = BTreeMap::new();
    for network in files.iter().filter_map(|file| file.content.as_ref().ok()) {
        for (name, _) in network.programs() {
            if plugin::is_name(&name) && !plugins.contains_key(&name) {
                let facts = plugin_facts(host, bin_dirs, &name, machine, &record, with_releases)?;
                plugins.insert(name, facts);
            }
        }
    }
    // Finding a runtime's libcni reads all of its program: only where it makes a difference.
    let differs = |file: &File| file.content.as_ref().is_ok_and(|network| network.version != network.single);
    let runtime_newest = if files.iter().any(differs) {
        match runtimes(host)?.as_slice() {
            [only] => only.newest,
            _ => Cni::NEWEST,
        }
    } else {
        Cni::NEWEST
    };
    Ok(Facts {
        ignored: conflist::ignored(host, conf_dir)?,
        conf_dir: conf_dir.to_path_buf(),
        bin_dirs: bin_dirs.to_vec(),
        files,
        machine,
        runtime_newest,
        plugins,
    })
}

fn plugin_facts(
    host: &Host,
    dirs: &[PathBuf],
    name: &str,
    machine: Option<Arch>,
    record: &Record,
    with_release: bool,
) -> Result<PluginFacts> {
    let Some(dir) = plugin::find(host, dirs, name)? else {
        return Ok(PluginFacts {
            path: dirs.first().map(|dir| dir.join(name)).unwrap_or_default(),
            file: PluginFile::Missing,
            answer: None,
            newest: None,
            is_in_debian_dir: host.root.open(&Path::new(DEBIAN_DIR).join(name))?.is_some(),
        });
    };
    let file = plugin::inspect(host, dir, name)?;
    let path = dir.join(name);
    let can_run = match &file {
        PluginFile::Program(program) => machine.is_none_or(|machine| machine.may_run(*program)),
        PluginFile::Script => true,
        _ => false,
    };
    let answer = (host.root.is_live() && can_run).then(|| plugin::query(host, &path));
    let release = || with_release.then(|| plugin::release(&path)).flatten();
    let complete = |answer: Answer| Answer { release: release(), ..answer };
    let answer = answer.map(|answer| answer.map(complete).map_err(|error| error.message().to_owned()));
    let release = record.plugins.get(&*path.to_string_lossy()).and_then(|plugin| plugin.version.clone());
    let newest = release.map(|release| Catalog::read().map(|catalog| catalog.plugins(&release))).transpose()?.flatten();
    Ok(PluginFacts { path, file, answer, newest, is_in_debian_dir: false })
}

/// The problems, and the configuration that a runtime uses, if any.
pub fn diagnose(facts: &Facts) -> (Vec<Finding>, Option<&File>) {
    let mut findings = Vec::new();
    let mut used: Option<&File> = None;
    for file in &facts.files {
        let own = diagnose_file(facts, file);
        match used {
            // It may be used once the first one is gone.
            Some(first) => {
                let name = first.path.file_name().unwrap_or_default().to_string_lossy();
                findings.push(Finding::new(Severity::Note, &file.path, format!("not used, as {name} comes first")));
                findings.extend(own.into_iter().map(as_warning));
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
        let finding = Finding::error(&facts.conf_dir, "no network configuration found");
        findings.push(finding.hint(match facts.ignored.first() {
            Some(name) => {
                format!("rename {name} to end in .conflist, or write a new one: edge-cni conf bridge --subnet CIDR")
            }
            None => "write one: edge-cni conf bridge --subnet CIDR; or deploy the cluster's network plugin".to_owned(),
        }));
    }
    (findings, used)
}

fn diagnose_file(facts: &Facts, file: &File) -> Vec<Finding> {
    match &file.content {
        Ok(network) => diagnose_network(facts, &file.path, network),
        Err(error) => {
            let finding = Finding {
                line: error.line,
                path: error.pod_setting.unwrap_or_default().to_owned(),
                hint: error.hint.clone(),
                ..Finding::error(&file.path, error.text.as_str())
            };
            vec![finding]
        }
    }
}

/// Whether only pods fail because of an error, as the runtime still reports that the network is ready: it checks
/// neither the network's name nor the plugin for addresses.
pub fn is_pod_error(finding: &Finding) -> bool {
    finding.path == "name" || finding.path.ends_with(".ipam.type")
}

/// The errors of the network that CRI-O uses and reports as ready, although pods fail.
pub fn pod_errors(facts: &Facts) -> Vec<Finding> {
    for file in &facts.files {
        let mut errors = diagnose_file(facts, file);
        errors.retain(|finding| finding.severity == Severity::Error);
        if errors.iter().all(is_pod_error) {
            return errors;
        }
    }
    Vec::new()
}

/// A finding about a network that is not used: the runtime is ready anyway.
fn as_warning(finding: Finding) -> Finding {
    Finding { severity: finding.severity.min(Severity::Warning), ..finding }
}

fn diagnose_network(facts: &Facts, file: &Path, network: &Network) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !network.is_named {
        let text =
            format!("it has no name: CRI-O uses the file name {} instead, and containerd fails each pod", network.name);
        findings.push(Finding::warning(file, text).at("name").hint("add \"name\": \"…\""));
    }
    let mut seen: Vec<String> = Vec::new();
    for (name, at) in network.programs() {
        if seen.contains(&name) {
            continue;
        }
        let error = |text: String| Finding::error(file, text).at(&at);
        findings.extend(match facts.plugins.get(&name) {
            Some(plugin) => diagnose_plugin(facts, &name, plugin, network.version_for(facts.runtime_newest), error),
            None => Some(error(format!("{name:?} is not a valid plugin name"))),
        });
        seen.push(name);
    }
    findings
}

const REINSTALL: &str = "install it again: edge-cni install --archive FILE";

fn diagnose_plugin(
    facts: &Facts,
    name: &str,
    plugin: &PluginFacts,
    requested: Cni,
    error: impl Fn(String) -> Finding,
) -> Option<Finding> {
    let shown = plugin.path.display();
    let program = match plugin.file {
        PluginFile::Missing => {
            let dirs: Vec<String> = facts.bin_dirs.iter().map(|dir| dir.display().to_string()).collect();
            let dirs = dirs.join(", ");
            let hint = if plugin.is_in_debian_dir {
                format!(
                    "it is in {DEBIAN_DIR}, which runtimes do not search: add that directory to plugin_dirs, or install it: edge-cni install --archive FILE"
                )
            } else {
                "install the plugins: edge-cni install --archive FILE; a cluster's network installs its own by a DaemonSet"
                    .to_owned()
            };
            return Some(error(format!("{name} is not in {dirs}")).hint(hint));
        }
        PluginFile::NotAProgram => return Some(error(format!("{shown} is not a program")).hint(REINSTALL)),
        PluginFile::NotExecutable => {
            return Some(error(format!("{shown} is not executable")).hint(format!("chmod 0755 {shown}")));
        }
        PluginFile::Script => None,
        PluginFile::Program(program) => Some(program),
    };
    if let Some((machine, program)) = facts.machine.zip(program).filter(|(machine, program)| !machine.may_run(*program))
    {
        let hint = format!("install the plugins for {machine}: edge-cni install --archive FILE");
        return Some(error(format!("{shown} is for {}, and this host is {machine}", program.machine())).hint(hint));
    }
    let too_old = |who: String, newest: Cni| {
        let hint = "install a newer release (edge-cni install --archive FILE), or write the network again: edge-cni conf bridge --subnet CIDR";
        error(format!("{who} supports CNI versions up to {newest}, but the network requires {requested}")).hint(hint)
    };
    match (&plugin.answer, plugin.newest) {
        (Some(Err(cause)), _) => Some(error(format!("{name} does not report its version: {cause}")).hint(REINSTALL)),
        (Some(Ok(answer)), _) if !answer.supports.contains(&requested) => {
            let release = answer.release.as_ref().map(|release| format!(" {release}")).unwrap_or_default();
            let who = format!("{name}{release}");
            match answer.supports.iter().max() {
                Some(newest) if *newest < requested => Some(too_old(who, *newest)),
                // A version that does not exist, or that newer releases dropped.
                _ => {
                    let versions = answer.supports.iter().map(Cni::to_string).collect::<Vec<_>>().join(", ");
                    let text = format!("{who} supports CNI versions {versions}, but the network requires {requested}");
                    Some(error(text).hint("set \"cniVersion\" to one of these"))
                }
            }
        }
        (None, Some(newest)) if requested > newest => Some(too_old(name.to_owned(), newest)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
