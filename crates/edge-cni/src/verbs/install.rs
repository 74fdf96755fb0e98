//! `edge-cni install`: a set of plugins, put in place one by one.

use std::path::{Path, PathBuf};

use edge_host::{Arch, Error, FileSnapshot, Host, Inverse, Node, Outcome, Plan, Result, State, apply};

use crate::cli::InstallArgs;
use crate::installed::{self, Installed, Plugin};
use crate::plugin;
use crate::request::absolute;
use crate::set::Set;

const MODE: u32 = 0o755;
/// It puts plugins into the same directory, and has removed those of others when it was upgraded.
const RIVAL: &str = "/var/lib/dpkg/info/kubernetes-cni.list";

pub(crate) fn run(host: &mut Host, args: &InstallArgs) -> Result<Outcome> {
    absolute(&args.bin_dir)?;
    // One spelling, which the record has too: without double slashes and dots.
    let bin_dir: &Path = &args.bin_dir.components().collect::<PathBuf>();
    must_be_a_place(host, bin_dir)?;
    let machine = Arch::of_host(&host.root);
    let set = match (&args.from_build, &args.archive, &args.offline) {
        (Some(dir), ..) => Set::of_build(dir)?,
        (_, Some(path), _) => Set::of_archive(host, path, args.sha256.as_deref())?,
        (_, _, Some(dir)) => {
            let machine = machine.ok_or_else(|| {
                Error::failed("cannot tell what machine the image is for: there is no program in it")
                    .hint("name the set: --from-build or --archive")
            })?;
            Set::of_folder(host, dir, machine)?
        }
        _ => return Err(Error::usage("cannot install nothing: name --from-build, --archive or --offline")),
    };
    if let Some(machine) = machine.filter(|machine| !machine.runs(set.arch)) {
        let text = format!("cannot install {}: it is for {}, and this is {machine}", set.shown(), set.arch);
        if host.root.is_live() {
            return Err(Error::refused(text).hint(format!("build for it: edge-cni build --arch {machine}")));
        }
        host.report.warning(&format!(
            "{} for {}, while the image's own programs are for {machine}",
            set.shown(),
            set.arch
        ));
    }
    host.prepare_change()?;
    let mut standing = Vec::new();
    for (name, _) in &set.plugins {
        standing.push(host.root.find_large(&bin_dir.join(name))?);
    }
    let mut record = installed::read(host)?;
    let mut made = Plan::new();
    let missing = host.root.find(bin_dir)?.state == State::Absent;
    if !missing && host.root.find(Path::new(RIVAL))?.exists() && bin_dir == Path::new(plugin::BIN_DIR) {
        made.note("the package kubernetes-cni is installed: its upgrade replaces plugins of the same names");
    }
    record_all(bin_dir, &set, &standing, &mut record, &mut made);
    // First: what is listed and not there is harmless, what is there and not listed would stay for ever.
    installed::plan(host, &record, &mut made)?;
    plan(bin_dir, &set, standing, &mut made)?;
    apply(host, made)
}

/// A directory, or nothing yet, where a plugin takes the place of no program of the system.
fn must_be_a_place(host: &Host, dir: &Path) -> Result<()> {
    let refuse = |what: String| Error::refused(format!("cannot install into {}: {what}", dir.display()));
    if let Some(obstacle) = host.root.obstacle(dir)? {
        return Err(refuse(obstacle)
            .hint("mount what a link leads to, move away what is in the way, or name another: --bin-dir DIR"));
    }
    // Where a link leads counts too.
    let real = host.root.canonical(dir).unwrap_or_else(|_| dir.to_path_buf());
    match [dir, &real].into_iter().find(|dir| !plugin::is_place(dir)) {
        None => Ok(()),
        Some(_) => Err(refuse("it is no directory for plugins".to_owned())
            .hint(format!("a plugin would replace a program of its name there; runtimes look in {}", plugin::BIN_DIR))),
    }
}

fn record_all(dir: &Path, set: &Set, standing: &[FileSnapshot], record: &mut Installed, plan: &mut Plan) {
    let path_of = |name: &str| dir.join(name).to_string_lossy().into_owned();
    let is_older = |(path, plugin): &(&String, &Plugin)| {
        Path::new(path).parent() == Some(dir)
            && plugin.version != set.version
            && !set.plugins.iter().any(|(name, _)| path_of(name) == **path)
    };
    let older: Vec<String> = record.plugins.iter().filter(is_older).map(|(path, _)| path.clone()).collect();
    if !older.is_empty() {
        plan.note(format!("{} stay as they are: not part of this set", older.join(", ")));
    }
    for ((name, sha256), was) in set.plugins.iter().zip(standing) {
        let plugin = Plugin { sha256: sha256.clone(), version: set.version.clone() };
        record.replaces(&path_of(name), &was.state, sha256);
        record.plugins.insert(path_of(name), plugin);
    }
}

fn plan(dir: &Path, set: &Set, standing: Vec<FileSnapshot>, plan: &mut Plan) -> Result<()> {
    for ((name, sha256), was) in set.plugins.iter().zip(standing) {
        let path: PathBuf = dir.join(name);
        if was.state.is_installed(sha256, MODE) {
            continue;
        }
        if matches!(was.state, State::Directory { .. } | State::Other) {
            return Err(Error::refused(format!(
                "cannot install {}: {} stands there",
                path.display(),
                was.state.describe()
            )));
        }
        let node = Node::Large { content: set.pour(name), sha256: sha256.clone(), mode: MODE };
        plan.write(path, was, node, Inverse::Whole, format!("{} for {}", set.shown(), set.arch));
    }
    Ok(())
}
