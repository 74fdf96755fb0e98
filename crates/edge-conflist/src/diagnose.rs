//! Finds out which network a runtime uses, and what keeps pods from getting it: [`facts`] reads, [`diagnose`] is pure.
//!
//! CRI-O checks the networks when it starts and when a file changes, and still reports that the network is ready after
//! the last usable one is gone (cnimgr.go up to 1.36: the first success is final). So problems are found in the files
//! themselves, whatever the runtime reports.

mod addresses;
mod hint;
mod network;
mod plugins;
mod values;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use edge_host::{Arch, Finding, Host, Result, Severity};

use crate::conflist::{self, File};
use crate::crio::{self, Places, UNIT};
use crate::leases::{self, Leases};
use crate::needs::{self, FlannelBridge, Lack};
use crate::networks::{self, Networks};
use crate::plugin::{self, Answer, PluginFile};
use crate::record::{self, Record};
use crate::runtime::{Runtime, runtimes};
use crate::version::Cni;

/// Older runtimes run it for every pod, whatever the configuration names.
const LOOPBACK: &str = "loopback";

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
    /// Where the runtime looks for networks and plugins.
    pub places: Places,
    /// The configurations.
    pub files: Vec<File>,
    /// Files that look like configurations, with a name or in a place that runtimes ignore.
    pub ignored: Vec<String>,
    /// Not an image: daemons and leases are those of now.
    pub is_live: bool,
    /// The directory of the image, for commands in hints; empty on a live host.
    pub prefix: String,
    /// The host's architecture.
    pub machine: Option<Arch>,
    /// Whether CRI-O is installed or running.
    pub has_crio: bool,
    /// The runtimes whose libcni is known.
    pub runtimes: Vec<Runtime>,
    /// The plugins by name, without those with an invalid name; [`LOOPBACK`] is always among them.
    pub plugins: BTreeMap<String, PluginFacts>,
    /// What each network lacks of its daemons, by path.
    pub lacks: BTreeMap<PathBuf, Vec<Lack>>,
    /// The bridge of flannel, if the network that is used is its.
    pub flannel: Option<FlannelBridge>,
    /// The leases of the network that is used.
    pub leases: Option<Leases>,
    /// Routes and addresses of a live host.
    pub networks: Option<Networks>,
}

impl Facts {
    /// A path for a command in a hint, which must not change the running host where an image is examined.
    fn on_host(&self, path: &Path) -> String {
        edge_host::quoted(&format!("{}{}", self.prefix, path.display()))
    }

    /// The newest CNI version that the host's only runtime supports; [`Cni::NEWEST`] where there is none or several.
    pub fn runtime_newest(&self) -> Cni {
        match self.runtimes.as_slice() {
            [only] => only.newest,
            _ => Cni::NEWEST,
        }
    }
}

/// The effect of a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// No network is usable, and a runtime that is started now reports so.
    NotReady,
    /// The runtime skips the network and uses a later one.
    Skipped,
    /// The runtime reports that the network is ready, and pods fail.
    PodsFail,
    /// Pods fail with containerd, and with CRI-O before 1.30.
    OldRuntimes,
    /// Described by the finding itself.
    Other,
}

/// A finding and its effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The finding.
    pub finding: Finding,
    /// Its effect.
    pub effect: Effect,
}

impl Verdict<'_> {
    /// Whether a runtime that is started now finds no usable network.
    pub fn is_not_ready(&self) -> bool {
        self.problems.iter().any(|problem| is_error(problem) && problem.effect == Effect::NotReady)
    }
}

/// What was found.
#[derive(Debug)]
pub struct Verdict<'f> {
    /// All problems.
    pub problems: Vec<Problem>,
    /// The network that the runtime uses, if any.
    pub used: Option<&'f File>,
}

/// Reads the configurations and the plugins that they name, which are run for their versions on a live host;
/// `with_releases` runs them for their release, too.
pub fn facts(host: &Host, places: Places, with_releases: bool) -> Result<Facts> {
    let files = conflist::files(host, &places.conf_dir)?;
    let machine = Arch::of_host(&host.root);
    // On a live host the plugins report their versions themselves.
    let record = if host.root.is_live() { Record::default() } else { record::read(host)? };
    let mut plugins = BTreeMap::new();
    let mut lacks = BTreeMap::new();
    for file in &files {
        let Ok(network) = &file.content else { continue };
        lacks.insert(file.path.clone(), needs::lacks(host, network)?);
        for (name, _) in network.programs() {
            if plugin::is_name(&name) && !plugins.contains_key(&name) {
                let dirs = &places.bin_dirs;
                let facts = plugins::plugin_facts(host, dirs, &name, machine, &record, with_releases)?;
                plugins.insert(name, facts);
            }
        }
    }
    if !plugins.contains_key(LOOPBACK) {
        plugins.insert(LOOPBACK.to_owned(), plugins::file_facts(host, &places.bin_dirs, LOOPBACK)?);
    }
    // Finding a runtime's libcni reads all of its program.
    let has_networks = files.iter().any(|file| file.content.is_ok());
    let mut facts = Facts {
        ignored: conflist::ignored(host, &places.conf_dir)?,
        places,
        files,
        is_live: host.root.is_live(),
        prefix: host.root.display(Path::new("/")).display().to_string().trim_end_matches('/').to_owned(),
        machine,
        has_crio: crio::is_present(host)?,
        runtimes: if has_networks { runtimes(host)? } else { Vec::new() },
        plugins,
        lacks,
        flannel: None,
        leases: None,
        networks: networks::networks(host)?,
    };
    if let Some(Ok(network)) = diagnose(&facts).used.map(|file| file.content.clone()) {
        facts.leases = Some(leases::leases(host, &network)?);
        facts.flannel = needs::flannel_bridge(host, &network);
    }
    Ok(facts)
}

/// The problems, and the configuration that a runtime uses, if any.
pub fn diagnose(facts: &Facts) -> Verdict<'_> {
    let mut problems: Vec<Problem> = unread(facts).into_iter().collect();
    let own = |file| network::diagnose_file(facts, file).into_iter().map(|one| hint::replacing(facts, file, one));
    let all: Vec<Vec<Problem>> = facts.files.iter().map(|file| own(file).collect()).collect();
    let blocks = |problem: &Problem| problem.finding.severity == Severity::Error && problem.effect == Effect::NotReady;
    let is_candidate = |file: &File| match (&facts.places.default_network, &file.content) {
        (Some(default), Ok(network)) => network.name == default.value,
        (Some(_), Err(_)) => false,
        (None, _) => true,
    };
    let used = (0..all.len()).find(|at| is_candidate(&facts.files[*at]) && !all[*at].iter().any(blocks));
    let works = |at: usize| is_candidate(&facts.files[at]) && !all[at].iter().any(is_error);
    let next = used.and_then(|used| (used + 1..all.len()).find(|at| works(*at)));
    for (at, own) in all.iter().enumerate() {
        let file = &facts.files[at];
        match used {
            Some(used) if at == used => problems.extend(own.iter().map(|one| match next {
                Some(next) if is_in_the_way(facts, file, one) => move_away(facts, one, file, &facts.files[next]),
                _ => one.clone(),
            })),
            Some(used) => {
                let is_before = at < used && is_candidate(file);
                if !is_before {
                    let why = not_used(facts, file, &facts.files[used]);
                    problems.push(other(Finding::new(Severity::Note, &file.path, why)));
                }
                problems.extend(own.iter().map(|one| passed_over(facts, one, is_before)));
            }
            None => problems.extend(own.iter().map(|one| not_loaded(one, own))),
        }
    }
    let used = used.map(|at| &facts.files[at]);
    match used {
        Some(file) => {
            let found = network::diagnose_used(facts, file).into_iter();
            problems.extend(found.map(|one| hint::replacing(facts, file, one)));
        }
        None => problems.extend(missing(facts)),
    }
    let problems = problems.into_iter().map(|problem| hint::complete(facts, problem)).collect();
    Verdict { problems, used }
}

fn is_error(problem: &Problem) -> bool {
    problem.finding.severity == Severity::Error
}

fn other(finding: Finding) -> Problem {
    Problem { finding, effect: Effect::Other }
}

/// A unit of CRI-O that may set other directories.
fn unread(facts: &Facts) -> Option<Problem> {
    let problem = facts.places.problem.as_ref()?;
    let text = format!("{problem}: cannot determine whether it sets other directories of networks and plugins");
    Some(other(Finding::warning(UNIT, text).hint("run it as root (sudo)")))
}

/// Why a network is not used.
fn not_used(facts: &Facts, file: &File, used: &File) -> String {
    let name = used.path.file_name().unwrap_or_default().to_string_lossy();
    match &facts.places.default_network {
        Some(default) if used.path > file.path || !has_name(file, &default.value) => {
            format!("not used, as {} limits CRI-O to the network {}", default.file.display(), default.value)
        }
        _ => format!("not used, as {name} comes first"),
    }
}

fn has_name(file: &File, name: &str) -> bool {
    file.content.as_ref().is_ok_and(|network| network.name == name)
}

/// A problem of a network that is not used. One before the network that is used is an error unless CRI-O skips it:
/// containerd uses the first file, whatever is in it.
fn passed_over(facts: &Facts, problem: &Problem, is_before: bool) -> Problem {
    let most = if is_before && !facts.has_crio { Severity::Error } else { Severity::Warning };
    let finding = Finding { severity: problem.finding.severity.min(most), ..problem.finding.clone() };
    let effect = if is_before && is_error(problem) { Effect::Skipped } else { Effect::Other };
    Problem { finding, effect }
}

/// A problem of a network that no runtime loads: what only pods would run into has no effect yet.
fn not_loaded(problem: &Problem, all: &[Problem]) -> Problem {
    let is_loaded = !all.iter().any(|one| is_error(one) && one.effect == Effect::NotReady);
    match problem.effect {
        Effect::PodsFail if !is_loaded => other(problem.finding.clone()),
        _ => problem.clone(),
    }
}

/// Whether it is about a daemon that is gone.
fn is_leftover(facts: &Facts, file: &File, problem: &Problem) -> bool {
    let lacks = facts.lacks.get(&file.path).into_iter().flatten();
    is_error(problem) && lacks.into_iter().any(|lack| lack.text == problem.finding.text)
}

/// Whether it goes away with the file: a leftover, or a network that would be written again.
fn is_in_the_way(facts: &Facts, file: &File, problem: &Problem) -> bool {
    let is_written_again = problem.finding.hint.as_ref().is_some_and(|hint| hint.contains(hint::CONF));
    is_leftover(facts, file, problem) || (is_error(problem) && problem.effect == Effect::PodsFail && is_written_again)
}

/// The network that is used does not work, while a later one does.
fn move_away(facts: &Facts, problem: &Problem, file: &File, next: &File) -> Problem {
    let next = next.path.file_name().unwrap_or_default().to_string_lossy();
    let what =
        if is_leftover(facts, file, problem) { "move this leftover away" } else { "correct it, or move it away" };
    let hint = format!("{what}, so that {next} is used: {}", hint::mv(facts, file));
    Problem { finding: problem.finding.clone().hint(hint), effect: problem.effect }
}

/// The finding where no network is usable for another reason than the problems of the files.
fn missing(facts: &Facts) -> Option<Problem> {
    let names: Vec<&str> =
        facts.files.iter().filter_map(|file| Some(file.content.as_ref().ok()?.name.as_str())).collect();
    let finding = match &facts.places.default_network {
        Some(default) if !names.is_empty() && !names.contains(&default.value.as_str()) => {
            let (name, dir) = (&default.value, facts.places.conf_dir.display());
            let text = format!("network {name:?} does not exist: {dir} contains {}", names.join(", "));
            Finding::error(&default.file, text)
                .on_line(Some(default.line))
                .at("crio.network.cni_default_network")
                .hint("name an existing network, or remove the line to use the first one")
        }
        _ if facts.files.is_empty() => {
            let finding = Finding::error(&facts.places.conf_dir, "no network configuration found");
            finding.hint(match facts.ignored.first() {
                Some(name) if name.contains('/') => {
                    let dir = &facts.places.conf_dir;
                    let (from, to) = (facts.on_host(&dir.join(name)), facts.on_host(&dir.join("")));
                    format!("files in subdirectories are ignored, move it up: mv {from} {to}")
                }
                Some(name) => {
                    format!("rename {name} to end in .conflist, or write a new one: edge-cni conf bridge --subnet CIDR")
                }
                None => {
                    "write one: edge-cni conf bridge --subnet CIDR; or deploy the cluster's network plugin".to_owned()
                }
            })
        }
        _ => return None,
    };
    Some(Problem { finding, effect: Effect::NotReady })
}

#[cfg(test)]
mod tests;
