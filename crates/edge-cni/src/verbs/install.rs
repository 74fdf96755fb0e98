//! `edge-cni install`: installs a set of plugins.

use std::path::{Path, PathBuf};

use edge_conflist::crio;
use edge_host::{Arch, Error, FileSnapshot, Host, Inverse, Node, Outcome, Plan, Result, State, apply};

use crate::cli::InstallArgs;
use crate::plugin;
use crate::plugin_set::PluginSet;
use crate::record::{self, Plugin, Record};
use crate::request::absolute;

const MODE: u32 = 0o755;
/// A package that installs plugins into the same directory, and has removed other files there in upgrades.
const KUBERNETES_CNI: &str = "/var/lib/dpkg/info/kubernetes-cni.list";

pub(crate) fn run(host: &mut Host, args: &InstallArgs) -> Result<Outcome> {
    absolute(&args.bin_dir)?;
    // Normalized, as in the record: without double slashes and dots.
    let bin_dir: &Path = &args.bin_dir.components().collect::<PathBuf>();
    require_plugin_dir(host, bin_dir)?;
    let machine = Arch::of_host(&host.root);
    let set = match (&args.from_build, &args.archive, &args.offline) {
        (Some(dir), ..) => PluginSet::of_build(dir)?,
        (_, Some(path), _) => PluginSet::of_archive(host, path, args.sha256.as_deref())?,
        (_, _, Some(dir)) => {
            let machine = machine.ok_or_else(|| {
                Error::failed("cannot determine the architecture of the image: it has no programs")
                    .hint("use --from-build or --archive")
            })?;
            PluginSet::of_folder(host, dir, machine)?
        }
        _ => return Err(Error::usage("cannot install: expected --from-build, --archive or --offline")),
    };
    if let Some(machine) = machine.filter(|machine| !machine.runs(set.arch)) {
        let whose = if host.root.is_live() { "this host is" } else { "the programs of the image are for" };
        return Err(Error::refused(format!(
            "cannot install {}: it is for {}, but {whose} {machine}",
            set.shown(),
            set.arch
        ))
        .hint(format!("build the plugins for it with edge-cni build --version v1.9.1 --arch {machine} --out DIR")));
    }
    host.prepare_change()?;
    let mut before = Vec::new();
    for (name, _) in &set.plugins {
        before.push(host.root.find_large(&bin_dir.join(name))?);
    }
    let mut record = record::read(host)?;
    let mut plan = Plan::new();
    let missing = host.root.find(bin_dir)?.state == State::Absent;
    if !missing && host.root.find(Path::new(KUBERNETES_CNI))?.exists() && bin_dir == Path::new(plugin::BIN_DIR) {
        plan.note("the package kubernetes-cni is installed: its upgrades replace plugins of the same name");
    }
    let places = crio::places(host)?;
    if crio::is_present(host)? && !places.bin_dirs.iter().any(|dir| dir == bin_dir) {
        let dirs: Vec<String> = places.bin_dirs.iter().map(|dir| dir.display().to_string()).collect();
        plan.note(format!("CRI-O searches {} for plugins, not {}", dirs.join(", "), bin_dir.display()));
    }
    let bundle = edge_conflist::record::of_bundle(host)?;
    let path_of = |name: &str| bin_dir.join(name).to_string_lossy().into_owned();
    let is_taken = |path: &String| bundle.contains_key(path) && !record.plugins.contains_key(path);
    let taken = set.plugins.iter().filter(|(name, _)| is_taken(&path_of(name))).count();
    if taken > 0 {
        plan.note(format!(
            "{taken} of these plugins are from a bundle of CRI-O and belong to edge-cni from now on: edge-crio keeps them"
        ));
    }
    plan_record(bin_dir, &set, &before, &mut record, &mut plan);
    // The record comes first: edge-cni remove ignores a listed file that is missing, but would never remove one that
    // is not listed.
    record::plan(host, &record, &mut plan)?;
    plan_plugins(host, bin_dir, &set, before, &mut plan)?;
    apply(host, plan)
}

/// Refuses a path that is not a directory, and one where a plugin could replace a program of the system.
fn require_plugin_dir(host: &Host, dir: &Path) -> Result<()> {
    let shown = host.root.display(dir).display().to_string();
    let refuse = |what: String| Error::refused(format!("cannot install into {shown}: {what}"));
    if let Some(obstacle) = host.root.obstacle(dir)? {
        return Err(refuse(obstacle).hint("mount the target of the link, move the file away, or use --bin-dir DIR"));
    }
    // The target of a link is checked, too.
    let real = host.root.canonical(dir).unwrap_or_else(|_| dir.to_path_buf());
    match [dir, &real].into_iter().find(|dir| !plugin::is_plugin_dir(dir)) {
        None => Ok(()),
        Some(_) => Err(refuse("it is not a directory for plugins".to_owned())
            .hint(format!("use --bin-dir {}: a plugin could replace a program of the system here", plugin::BIN_DIR))),
    }
}

fn plan_record(dir: &Path, set: &PluginSet, before: &[FileSnapshot], record: &mut Record, plan: &mut Plan) {
    let path_of = |name: &str| dir.join(name).to_string_lossy().into_owned();
    let is_older = |(path, plugin): &(&String, &Plugin)| {
        Path::new(path).parent() == Some(dir)
            && plugin.version != set.version
            && !set.plugins.iter().any(|(name, _)| path_of(name) == **path)
    };
    let older: Vec<String> = record.plugins.iter().filter(is_older).map(|(path, _)| path.clone()).collect();
    if !older.is_empty() {
        plan.note(format!("not part of this release and kept: {}", older.join(", ")));
    }
    for ((name, sha256), before) in set.plugins.iter().zip(before) {
        let plugin = Plugin { sha256: sha256.clone(), version: set.version.clone() };
        record.replace(&path_of(name), &before.state, sha256);
        record.plugins.insert(path_of(name), plugin);
    }
}

fn plan_plugins(host: &Host, dir: &Path, set: &PluginSet, before: Vec<FileSnapshot>, plan: &mut Plan) -> Result<()> {
    for ((name, sha256), before) in set.plugins.iter().zip(before) {
        let path: PathBuf = dir.join(name);
        if before.state.is_installed(sha256, MODE) {
            continue;
        }
        if matches!(before.state, State::Directory { .. } | State::Other) {
            return Err(Error::refused(format!(
                "cannot install {}: it is {}",
                host.root.display(&path).display(),
                before.state.describe()
            )));
        }
        let node = Node::Large { content: set.writer(name), sha256: sha256.clone(), mode: MODE };
        plan.write(path, before, node, Inverse::Whole, format!("{} for {}", set.shown(), set.arch));
    }
    Ok(())
}
