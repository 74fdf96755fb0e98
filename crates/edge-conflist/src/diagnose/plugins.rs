//! The plugins that a network names: whether each can be run, and which CNI versions it supports.

use std::path::{Path, PathBuf};

use edge_host::{Arch, Finding, Host, Result};

use super::{Facts, PluginFacts};
use crate::catalog::Catalog;
use crate::plugin::{self, Answer, DEBIAN_DIR, PluginFile};
use crate::record::Record;
use crate::version::{self, Cni};

/// Reads a plugin, and runs it for its versions on a live host.
pub(super) fn plugin_facts(
    host: &Host,
    dirs: &[PathBuf],
    name: &str,
    machine: Option<Arch>,
    record: &Record,
    with_release: bool,
) -> Result<PluginFacts> {
    let found = file_facts(host, dirs, name)?;
    let (file, path) = (found.file.clone(), found.path.clone());
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
    Ok(PluginFacts { answer, newest, ..found })
}

/// Reads a plugin's file, without running it.
pub(super) fn file_facts(host: &Host, dirs: &[PathBuf], name: &str) -> Result<PluginFacts> {
    let (path, file, is_in_debian_dir) = match plugin::find(host, dirs, name)? {
        Some(dir) => (dir.join(name), plugin::inspect(host, dir, name)?, false),
        None => {
            let is_in_debian_dir = host.root.open(&Path::new(DEBIAN_DIR).join(name))?.is_some();
            (dirs.first().map(|dir| dir.join(name)).unwrap_or_default(), PluginFile::Missing, is_in_debian_dir)
        }
    };
    Ok(PluginFacts { path, file, answer: None, newest: None, is_in_debian_dir })
}

const REINSTALL: &str = "install it again: edge-cni install --archive FILE";

/// What is wrong with a plugin, if anything.
pub(super) fn diagnose_plugin(
    facts: &Facts,
    name: &str,
    plugin: &PluginFacts,
    requested: Cni,
    error: impl Fn(String) -> Finding,
) -> Option<Finding> {
    let shown = plugin.path.display();
    let program = match plugin.file {
        PluginFile::Missing => {
            let dirs: Vec<String> = facts.places.bin_dirs.iter().map(|dir| dir.display().to_string()).collect();
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
            let hint = format!("chmod 0755 {}", facts.on_host(&plugin.path));
            return Some(error(format!("{shown} is not executable")).hint(hint));
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
                // A version that newer releases dropped.
                _ => {
                    let versions = version::shown(&answer.supports);
                    let text = format!("{who} supports CNI versions {versions}, but the network requires {requested}");
                    Some(error(text).hint("set \"cniVersion\" to one of these"))
                }
            }
        }
        (None, Some(newest)) if requested > newest => Some(too_old(name.to_owned(), newest)),
        _ => None,
    }
}
