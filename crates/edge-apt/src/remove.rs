//! Removes packages and the files of their source.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use edge_host::{Error, Host, Mode, Plan, Result, apply_part};

use crate::diagnose::{TAKEN_MEANWHILE, is_locked, of_run};
use crate::install::live_only;
use crate::openpgp::Form;
use crate::removable::Blocker;
use crate::request::Pin;
use crate::source::PARTS;
use crate::version::PackageName;
use crate::wait::wait;
use crate::{key, plan, removable, status};

/// What to remove.
#[derive(Debug)]
pub struct Removal {
    /// Packages; those that are not installed are ignored. Their configuration files are kept.
    pub packages: Vec<PackageName>,
    /// The name of a source: its file and its key.
    pub source: Option<String>,
    /// The name of a pin.
    pub pin: Option<String>,
    /// How long others may keep apt's locks.
    pub wait: Duration,
}

/// Removes it, as part of the caller's run; as with [`crate::install`] the caller's own facts are
/// read afterwards. Exit 4 if another package needs one of them.
pub fn remove(host: &mut Host, removal: &Removal) -> Result<()> {
    live_only(host, "remove packages")?;
    host.prepare_change()?;
    let begin = Instant::now();
    let names: Vec<&str> = removal.packages.iter().map(PackageName::as_str).collect();
    loop {
        let mut plan = read(host, removal)?;
        if plan.actions.iter().any(|action| action.path().is_none()) && host.mode == Mode::Apply {
            host.without_lock(|host| wait(host, removal.wait.saturating_sub(begin.elapsed())))?;
            plan = read(host, removal)?;
        }
        if plan.is_empty() {
            return Ok(());
        }
        refuse_blocked(&plan, &names)?;
        match apply_part(host, plan) {
            // Taken between our check and dpkg's own: what is done is kept, and the run continues.
            Err(error) if is_locked(&error) && begin.elapsed() < removal.wait => host.report.note(TAKEN_MEANWHILE),
            done => return done.map(drop).map_err(|error| of_run(error, &format!("remove {}", names.join(", ")))),
        }
    }
}

/// Fails if [`remove`] would, because another package needs one of these: for callers that stop something first.
pub fn can_remove(host: &Host, removal: &Removal) -> Result<()> {
    live_only(host, "remove packages")?;
    let names: Vec<&str> = removal.packages.iter().map(PackageName::as_str).collect();
    refuse_blocked(&read(host, removal)?, &names)
}

/// Refuses (exit 4) if dpkg would not remove them.
fn refuse_blocked(plan: &Plan, names: &[&str]) -> Result<()> {
    if plan.actions.iter().all(|action| action.path().is_some()) {
        return Ok(());
    }
    match removable::blocker(names)? {
        None => Ok(()),
        Some(Blocker { why, first }) => {
            Err(Error::refused(format!("cannot remove {}: {why}", names.join(", "))).hint(first))
        }
    }
}

fn read(host: &Host, removal: &Removal) -> Result<Plan> {
    let mut plan = Plan::new();
    let status = status::of(&host.root)?;
    let gone = ["config-files", "not-installed"];
    let there = removal.packages.iter().filter_map(|name| status.find(name));
    let there: Vec<_> = there.filter(|package| !gone.contains(&package.state.as_str())).collect();
    let packages: Vec<_> =
        there.iter().filter_map(|package| Some((package.name.clone(), package.version.clone()?))).collect();
    let held: Vec<String> = there.iter().filter(|package| package.held).map(|package| package.name.clone()).collect();
    plan::removal(&packages, &held, &mut plan);

    let mut paths: Vec<(PathBuf, &str)> = Vec::new();
    if let Some(name) = &removal.source {
        paths.extend(
            ["sources", "list"].map(|end| (PathBuf::from(PARTS).join(format!("{name}.{end}")), "the repository")),
        );
        paths.extend([Form::Armored, Form::Binary].map(|form| (key::path(name, form), "its key")));
    }
    if let Some(name) = &removal.pin {
        let pin = Pin { name: name.clone(), package: String::new(), pin: String::new(), priority: 0 };
        paths.push((pin.path(), "the pin"));
    }
    for (path, why) in paths {
        let found = host.root.find_link(&path)?;
        if found.exists() {
            plan.remove(path, found, why);
        }
    }
    Ok(plan)
}
