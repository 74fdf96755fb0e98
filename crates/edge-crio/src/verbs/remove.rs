//! `edge-crio remove`, and the checks before an undo.

use std::path::{Path, PathBuf};
use std::time::Duration;

use edge_host::{Host, Mode, Outcome, Plan, Result, State, UndoArgs, apply, apply_part, undo};

use crate::apt;
use crate::bundle::{self, MANIFEST, Manifest};
use crate::cli::RemoveArgs;
use crate::config::{OWN, PROXY, REGISTRIES};
use crate::containers::{DRAIN, Running};
use crate::unit;
use crate::verbs::startup;

/// Directories that only CRI-O uses, the inner ones first.
const DIRS: [&str; 4] =
    ["/etc/systemd/system/crio.service.d", "/etc/crio/crio.conf.d", "/etc/crio", "/usr/libexec/crio"];
/// Never removed.
const DATA: &str = "/var/lib/containers";
const MARK: &[u8] = b"# Made by edge-crio;";

pub(crate) fn run(host: &mut Host, args: &RemoveArgs) -> Result<Outcome> {
    let running = Running::read(host, &startup::configuration(host)?)?;
    match (args.yes, running.describe()) {
        (true, Some(what)) => {
            host.report.warning(&format!("{what}: containers keep running until the next boot, without CRI-O"));
        }
        _ => running.refuse("remove CRI-O", &format!("{DRAIN}; to remove it anyway, add --yes"))?,
    }
    let manifest = Manifest::read(host)?;
    let unremoved = host.unremoved_directories();
    let package = apt::installed(host)?;
    let unit = unit::read(&host.root)?;
    // Checked before CRI-O is stopped.
    if package.is_some() && host.root.is_live() {
        apt::can_remove(host)?;
    }
    if unit.has_systemd && unit.file.is_some() && ["active", "activating"].contains(&unit::state()?.active.as_str()) {
        host.prepare_change()?;
        let mut plan = Plan::new();
        unit::stop(&mut plan);
        apply_part(host, plan)?;
    }
    if package.is_some() {
        apt::remove(host, Duration::from_secs(args.wait))?;
    }
    host.prepare_change()?;
    let mut plan = Plan::new();
    // A package removes its links itself.
    let unit = unit::read(&host.root)?;
    if package.is_none() && manifest.is_some() {
        unit.disable(&mut plan);
    }
    for path in [OWN, REGISTRIES, PROXY] {
        let found = host.root.find_link(Path::new(path))?;
        match &found.state {
            State::File { .. } if found.bytes.starts_with(MARK) => {
                plan.remove(path, found, "written by edge-crio");
            }
            State::Absent => {}
            _ => plan.note(format!("{path} is kept: it was not written by edge-crio")),
        }
    }
    if let Some(manifest) = &manifest {
        let cni = edge_conflist::record::read(host)?;
        let kept = bundle::plan_removal(host, &mut plan, manifest, &[], &cni)?;
        if !kept.is_empty() {
            let names: Vec<String> = kept.iter().map(|path| path.display().to_string()).collect();
            plan.note(format!("kept, as they were changed: {}", names.join(", ")));
        }
    }
    plan_empty_dirs(host, &unremoved, &mut plan)?;
    if manifest.is_some() {
        // Last: until then it lists the files of edge-crio.
        plan.remove(MANIFEST, host.root.find_link(Path::new(MANIFEST))?, "list of installed files");
    }
    if !plan.is_empty() && unit.has_systemd {
        unit::reload(&mut plan);
    }
    if plan.is_empty() && manifest.is_none() && package.is_none() && unit.file.is_some() {
        plan.note("crio.service was not installed by edge-crio or a package, and is kept");
    }
    let outcome = apply(host, plan)?;
    if host.mode == Mode::Apply {
        host.root.remove_tree(bundle::stage())?;
        if outcome.changed {
            host.report.note(&format!("{DATA} is kept, with images and volumes"));
        }
    }
    Ok(outcome)
}

/// Plans the removal of directories that will be empty, the inner ones first. One that is empty already is kept, unless
/// an interrupted removal emptied it.
fn plan_empty_dirs(host: &Host, unremoved: &[PathBuf], plan: &mut Plan) -> Result<()> {
    let mut removed: Vec<PathBuf> =
        plan.actions.iter().filter_map(|action| action.path().map(Path::to_path_buf)).collect();
    for dir in DIRS.map(PathBuf::from) {
        let names = host.root.list(&dir)?;
        if !names.iter().all(|name| removed.contains(&dir.join(name))) {
            continue;
        }
        let found = host.root.find_link(&dir)?;
        if !names.is_empty() || (found.exists() && unremoved.contains(&dir)) {
            plan.remove(&dir, found, "empty");
            removed.push(dir);
        }
    }
    Ok(())
}

/// `undo`, which may stop CRI-O or change what running containers depend on.
pub(crate) fn undo(host: &mut Host, args: &UndoArgs) -> Result<Outcome> {
    if !args.list {
        // Even if CRI-O itself does not answer.
        Running::read(host, &startup::configuration(host)?)?.refuse("undo the run", DRAIN)?;
        apt::before_undo(host)?;
    }
    undo::run(host, args, &[&edge_apt::PackageRemovals])
}
