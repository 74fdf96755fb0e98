//! The apt part of an install: wait, prove the source, find versions, ask apt, then change.
//!
//! Whatever can be found out is found out before the first change: a key that is not the expected
//! one, a repository that is down or unsigned, a version that is not there, a package that would go.

use std::path::Path;
use std::time::{Duration, Instant};

use edge_host::{Error, Host, Mode, Result, apply_part, shown_url};

use crate::apt::{self, Scope};
use crate::diagnose::{TAKEN_MEANWHILE, is_locked, of_run};
use crate::facts::{self, Facts};
use crate::offline::{Offline, PackageFile};
use crate::plan::{self, Selection};
use crate::repair;
use crate::status;
use crate::trial::{Trial, get_key};
use crate::version::{PackageName, Version};
use crate::wait::wait;
use crate::wanted::{Request, Wanted};

/// What [`install`] left behind, or would.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// The packages asked for with their versions; none where a dry run cannot know it.
    pub packages: Vec<(PackageName, Option<Version>)>,
    /// A dry run: more follows from a repository whose lists are not here yet. The call's exit is 3.
    pub waits: bool,
}

/// Installs packages and what brings them, as part of the caller's run: the caller's own plan goes to
/// [`edge_host::apply`] afterwards, empty or not, and one undo takes back all of it.
///
/// Call it before facts of your own are read: it calls [`Host::prepare_change`], and lets go of
/// edge-host's lock while it waits for apt's. Where all is as wanted it starts no program.
///
/// Errors: exit 1 where something cannot be had, with the reason in plain words; exit 4 for a key
/// that is not the expected one, a package that would be removed or go down, and under `--root`.
pub fn install(host: &mut Host, wanted: &Wanted) -> Result<Installed> {
    live_only(host, "install packages")?;
    wanted.check()?;
    host.prepare_change()?;
    let begin = Instant::now();
    let mut facts = facts::read(host, wanted)?;
    loop {
        if facts.are_as_wanted(wanted) {
            for warning in facts.source.iter().flat_map(|source| &source.warnings) {
                host.report.warning(warning);
            }
            return Ok(as_it_is(&facts, wanted));
        }
        if host.mode == Mode::Apply {
            let left = wanted.wait.saturating_sub(begin.elapsed());
            host.without_lock(|host| wait(host, left))?;
            facts = facts::read(host, wanted)?;
            if facts.are_as_wanted(wanted) {
                continue;
            }
        }
        match attempt(host, wanted, &facts) {
            // Somebody was quicker: what this run has done stays, and is gone on with.
            Err(error) if is_locked(&error) && begin.elapsed() < wanted.wait => {
                host.report.note(TAKEN_MEANWHILE);
                facts = facts::read(host, wanted)?;
            }
            other => return other,
        }
    }
}

/// Under `--root` nothing of an image is run, and a package is more than its files.
pub(crate) fn live_only(host: &Host, what: &str) -> Result<()> {
    if host.root.is_live() {
        return Ok(());
    }
    Err(Error::refused(format!(
        "cannot {what} below {}: its packages' scripts would run as root here",
        host.root.display(Path::new("/")).display()
    ))
    .hint("run it on the host itself, at its first boot for an image; or install there without apt, from an archive"))
}

fn as_it_is(facts: &Facts, wanted: &Wanted) -> Installed {
    let version = |request: &Request| facts.status.version_of(&request.name).cloned();
    let packages = wanted.packages.iter().map(|request| (request.name.clone(), version(request))).collect();
    Installed { packages, waits: false }
}

fn attempt(host: &mut Host, wanted: &Wanted, facts: &Facts) -> Result<Installed> {
    if host.mode == Mode::Apply && host.resumes_run()? && left_half_way(host)? {
        finish(host, wanted)?;
        let facts = facts::read(host, wanted)?;
        return attempt(host, wanted, &facts);
    }
    if status::is_interrupted(&host.root)? {
        return Err(Error::failed("cannot install: dpkg was interrupted and wants to finish first")
            .hint("edge-apt wait --repair mends it"));
    }
    if let Some((source, rival)) = wanted.source.as_ref().zip(facts.source.as_ref().and_then(|of| of.rivals.first())) {
        return Err(Error::refused(format!(
            "cannot add the repository {}: {} names it already, and apt stops at two entries with different keys",
            shown_url(&source.uri),
            rival.display()
        ))
        .hint(format!("remove that entry: mv {} {}.off", rival.display(), rival.display())));
    }
    let missing = facts.missing(wanted);
    let mut installed = as_it_is(facts, wanted);
    let mut trial = None;
    let (key, found) = match (&wanted.offline, &wanted.source) {
        (Some(offline), _) => {
            let key = match &wanted.source {
                Some(source) => Some(get_key(host, source, facts, None)?),
                None => None,
            };
            (key, in_folder(offline, facts, &missing)?)
        }
        (None, Some(source)) if host.mode == Mode::Apply => {
            let trial = trial.insert(Trial::of(host, source, facts)?);
            let found = in_lists(facts, &missing, &trial.only, &trial.all, &shown_url(&source.uri))?;
            (Some(trial.key.clone()), found)
        }
        (None, Some(source)) => {
            let key = facts.source.as_ref().and_then(|of| of.key.clone());
            let is_there = facts.source_is_right(wanted);
            let only = facts.source.as_ref().map(|of| Scope::only(&of.path)).unwrap_or_default();
            let found = if is_there {
                in_lists(facts, &missing, &only, &Scope::default(), &shown_url(&source.uri))
            } else {
                Ok(None)
            };
            // Without lists that are as new as the repository this is no error yet.
            (key, found.unwrap_or_default())
        }
        (None, None) => (None, in_own_sources(host, facts, &missing)?),
    };
    if let Some(found) = &found {
        plan::judge(facts, wanted, found)?;
        for (request, version) in &found.packages {
            if let Some(of) = installed.packages.iter_mut().find(|(name, _)| *name == request.name) {
                of.1 = Some(version.clone());
            }
        }
    }
    installed.waits = found.is_none() && !missing.is_empty();
    let mut plan = plan::plan(facts, wanted, key.as_ref(), found.as_ref());
    if installed.waits {
        let wishes: Vec<String> =
            missing.iter().map(|request| format!("{} ({})", request.name, request.version.words())).collect();
        plan.note(format!("then, depending on what the repository has: apt-get install {}", wishes.join(", ")));
        for request in &missing {
            installed.packages.iter_mut().filter(|(name, _)| *name == request.name).for_each(|of| of.1 = None);
        }
    }
    let done = apply_part(host, plan);
    if let Some(trial) = trial {
        trial.end(host, facts)?;
    }
    let names: Vec<&str> = missing.iter().map(|request| request.name.as_str()).collect();
    done.map_err(|error| of_run(error, &format!("install {}", names.join(", "))))?;
    Ok(installed)
}

fn left_half_way(host: &Host) -> Result<bool> {
    Ok(status::is_interrupted(&host.root)? || !status::of(&host.root)?.needs_reinstall().is_empty())
}

/// What this same call left when dpkg was ended under it, or the power went. What others left is for them
/// to look at.
fn finish(host: &mut Host, wanted: &Wanted) -> Result<()> {
    host.report.note("finishing what dpkg was in the middle of");
    repair::finish_interrupted(&host.root)?;
    let torn = status::of(&host.root)?.needs_reinstall();
    match &wanted.offline {
        _ if torn.is_empty() => Ok(()),
        None => repair::unpack_again(&host.root, &torn, &torn, &Scope::default()),
        Some(offline) => {
            let paths: Vec<String> = offline.of_names(&torn).map(|path| path.display().to_string()).collect();
            repair::unpack_again(&host.root, &torn, &paths, &Scope::nothing())
        }
    }
}

/// Versions out of the lists of one source, installed with the help of all.
fn in_lists<'w>(
    facts: &Facts,
    missing: &[&'w Request],
    only: &Scope,
    all: &Scope,
    from: &str,
) -> Result<Option<Selection<'w>>> {
    if missing.is_empty() {
        return Ok(None);
    }
    let mut packages = Vec::new();
    for &request in missing {
        let versions = apt::versions(only, &request.name)?;
        packages.push((request, choose(request, &versions, from)?));
    }
    let arguments: Vec<String> =
        packages.iter().map(|(request, version)| format!("{}={version}", request.name)).collect();
    ask(facts, packages, arguments, all).map(Some)
}

/// The newest that will do.
fn choose(request: &Request, versions: &[Version], from: &str) -> Result<Version> {
    let fitting = versions.iter().filter(|version| request.version.is_met_by(version)).max();
    fitting.cloned().ok_or_else(|| {
        let has: Vec<&str> = versions.iter().rev().take(5).map(Version::as_str).collect();
        let has = if has.is_empty() {
            "it has none of that name for this architecture".to_owned()
        } else {
            format!("it has {}{}", has.join(", "), if versions.len() > has.len() { ", …" } else { "" })
        };
        let error = Error::failed(format!("cannot find {} in {from}: {has}", request.words()));
        if versions.is_empty() {
            return error.hint("is its name right, and has the repository this architecture?");
        }
        error.hint("ask for a version that is there; one that is not released yet, or no longer kept, is not")
    })
}

/// With what the host's own sources have; their lists are got anew only where they do not have it.
fn in_own_sources<'w>(host: &mut Host, facts: &Facts, missing: &[&'w Request]) -> Result<Option<Selection<'w>>> {
    let own = Scope::default();
    let from = "this host's sources";
    match in_lists(facts, missing, &own, &own, from) {
        Err(error) if host.mode == Mode::Apply && !is_locked(&error) => {
            host.report.note("getting the package lists of this host's sources");
            // One source that fails is no reason not to look into the others.
            if let Err(failed) = apt::update(&own, from) {
                host.report.warning(failed.message());
            }
            in_lists(facts, missing, &own, &own, from)
        }
        other => other,
    }
}

/// Out of a folder, with nothing but what is installed.
fn in_folder<'w>(offline: &Offline, facts: &Facts, missing: &[&'w Request]) -> Result<Option<Selection<'w>>> {
    if missing.is_empty() {
        return Ok(None);
    }
    let request_of = |name: &str| missing.iter().copied().find(|request| request.name.as_str() == name);
    let may = |file: &PackageFile| match request_of(&file.name) {
        Some(request) => request.version.is_met_by(&file.version),
        None => {
            let installed =
                PackageName::parse(&file.name).ok().and_then(|name| facts.status.version_of(&name).cloned());
            installed.is_none_or(|installed| installed < file.version)
        }
    };
    let chosen = offline.chosen(&facts.status, may);
    let mut packages = Vec::new();
    for &request in missing {
        let file = chosen.iter().find(|file| file.name == request.name.as_str()).ok_or_else(|| {
            let there = offline.architectures_of(request.name.as_str());
            let there =
                if there.is_empty() { String::new() } else { format!(" (it is there for {})", there.join(", ")) };
            Error::failed(format!(
                "cannot find {} for {} in {}{there}",
                request.words(),
                facts.status.architecture(),
                offline.dir().display()
            ))
        })?;
        packages.push((request, file.version.clone()));
    }
    let asked: Vec<&PackageFile> = chosen.iter().copied().filter(|file| request_of(&file.name).is_some()).collect();
    let needed = Offline::needed(&asked, &chosen);
    let paths = |files: &[&PackageFile]| files.iter().map(|file| file.path.display().to_string()).collect::<Vec<_>>();
    let nothing = Scope::nothing();
    // Only what is asked for, if it needs nothing of the folder that is not installed.
    let mut found = match ask(facts, packages.clone(), paths(&asked), &nothing) {
        Err(_) if needed.len() > asked.len() => ask(facts, packages, paths(&needed), &nothing)?,
        other => other?,
    };
    found.arguments.extend(nothing.options());
    Ok(Some(found))
}

fn ask<'w>(
    facts: &Facts,
    packages: Vec<(&'w Request, Version)>,
    mut arguments: Vec<String>,
    scope: &Scope,
) -> Result<Selection<'w>> {
    // Named ones may change though they are held, and may go down: judge() has the last word on both.
    if packages.iter().any(|(request, _)| facts.status.is_held(&request.name)) {
        arguments.push("--allow-change-held-packages".to_owned());
    }
    let is_down = |(request, version): &(&Request, Version)| {
        facts.status.find(&request.name).and_then(|of| of.version.as_ref()).is_some_and(|installed| version < installed)
    };
    if packages.iter().any(is_down) {
        arguments.push("--allow-downgrades".to_owned());
    }
    let names: Vec<&str> = packages.iter().map(|(request, _)| request.name.as_str()).collect();
    let object = format!("install {}", names.join(", "));
    let call = [vec!["install".to_owned()], arguments.clone(), apt::options()].concat();
    let simulated = apt::simulate(scope, &call, &object)?;
    Ok(Selection { arguments, packages, simulated })
}

/// How long others may keep apt's locks unless said otherwise: an upgrade of a whole system on a card.
pub const DEFAULT_WAIT: Duration = Duration::from_secs(600);
