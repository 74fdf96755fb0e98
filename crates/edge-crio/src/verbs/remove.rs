//! `edge-crio remove`, and what stands before an undo.

use std::path::{Path, PathBuf};
use std::time::Duration;

use edge_host::{Error, Host, Mode, Outcome, Plan, Result, State, UndoArgs, apply, apply_part, undo};

use crate::bundle::{self, MANIFEST, Manifest};
use crate::cli::RemoveArgs;
use crate::config::{OWN, PROXY, REGISTRIES};
use crate::facts::{answer, socket_path};
use crate::unit::{self, UnitFacts};
use crate::verbs::up;
use crate::{apt, cri, monitor};

const ASK_WITHIN: Duration = Duration::from_secs(5);
/// Directories that are CRI-O's alone, the inner ones first.
const DIRS: [&str; 4] =
    ["/etc/systemd/system/crio.service.d", "/etc/crio/crio.conf.d", "/etc/crio", "/usr/libexec/crio"];
/// Never touched.
const DATA: &str = "/var/lib/containers";
const MARK: &[u8] = b"# Made by edge-crio;";

pub(crate) fn run(host: &mut Host, args: &RemoveArgs) -> Result<Outcome> {
    none_runs(host)?;
    let manifest = Manifest::read(host)?;
    let unremoved = host.unremoved_directories();
    let package = apt::installed(host)?;
    let unit = UnitFacts::read(&host.root)?;
    // Before it is stopped: what needs it shall not be without it.
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
    // Of a package the links are its own to remove.
    let unit = UnitFacts::read(&host.root)?;
    if package.is_none() && manifest.is_some() {
        unit::disable(&unit, &mut plan);
    }
    for path in [OWN, REGISTRIES, PROXY] {
        let found = host.root.find_link(Path::new(path))?;
        match &found.state {
            State::File { .. } if found.bytes.starts_with(MARK) => {
                plan.remove(path, found, "ours");
            }
            State::Absent => {}
            _ => plan.note(format!("left: {path}, which is not of edge-crio's making")),
        }
    }
    if let Some(manifest) = &manifest {
        let left = bundle::take_away(host, &mut plan, manifest, &[])?;
        if !left.is_empty() {
            let names: Vec<String> = left.iter().map(|path| path.display().to_string()).collect();
            plan.note(format!("left, changed since: {}", names.join(", ")));
        }
    }
    empty_dirs(host, &unremoved, &mut plan)?;
    if manifest.is_some() {
        // Last: until then it says what is ours.
        plan.remove(MANIFEST, host.root.find_link(Path::new(MANIFEST))?, "what was put where");
    }
    if !plan.is_empty() && unit.has_systemd {
        unit::reload(&mut plan);
    }
    if plan.is_empty() && manifest.is_none() && package.is_none() && unit.file.is_some() {
        plan.note("there is a crio.service of someone else's making, which stays");
    }
    let outcome = apply(host, plan)?;
    if host.mode == Mode::Apply {
        host.root.remove_tree(bundle::stage())?;
        if outcome.changed {
            host.report.note(&format!("{DATA} stays: images and volumes are yours"));
        }
    }
    Ok(outcome)
}

/// Directories that hold nothing else go too, the inner ones first. One that is empty already may be
/// someone else's, unless an interrupted removal emptied it.
fn empty_dirs(host: &Host, unremoved: &[PathBuf], plan: &mut Plan) -> Result<()> {
    let mut going: Vec<PathBuf> =
        plan.actions.iter().filter_map(|action| action.path().map(Path::to_path_buf)).collect();
    for dir in DIRS.map(PathBuf::from) {
        let names = host.root.list(&dir)?;
        if !names.iter().all(|name| going.contains(&dir.join(name))) {
            continue;
        }
        let found = host.root.find_link(&dir)?;
        if !names.is_empty() || (found.exists() && unremoved.contains(&dir)) {
            plan.remove(&dir, found, "empty");
            going.push(dir);
        }
    }
    Ok(())
}

/// `undo`, which may stop CRI-O or change what its containers depend on.
pub(crate) fn undo(host: &mut Host, args: &UndoArgs) -> Result<Outcome> {
    if !args.list {
        none_runs(host)?;
        apt::before_undo(host)?;
    }
    undo::run(host, args, &[&edge_apt::PackageRemovals])
}

/// Refuses while containers run, whether CRI-O can be asked or not.
fn none_runs(host: &Host) -> Result<()> {
    if !host.root.is_live() {
        return Ok(());
    }
    let config = up::configuration(host)?;
    let refused = |what: String| {
        Err(Error::refused(format!("cannot take CRI-O away: {what}"))
            .hint("drain the node first (kubectl drain), or stop them: crictl ps, crictl stopp"))
    };
    if answer(host, config.socket())?.is_some() {
        let running = cri::running(Path::new(socket_path(config.socket())), ASK_WITHIN)?;
        if !running.is_empty() {
            return refused(format!("{}: {}", cri::they_run(running.len()), running.join(", ")));
        }
    }
    let monitors = monitor::of_crio(host, &config)?;
    if monitors > 0 { refused(format!("{} without it (conmon)", cri::they_run(monitors))) } else { Ok(()) }
}
