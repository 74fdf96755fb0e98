//! Installs packages: waits for apt, tries the source, finds versions, simulates, then changes.
//!
//! Every check comes before the first change: an unexpected key, a repository that is down or unsigned, a missing
//! version, a package that would be removed.

use std::path::Path;
use std::time::{Duration, Instant};

use edge_host::{Error, Host, Mode, Result, apply_part, shown_url};

use crate::apt::{self, Scope};
use crate::diagnose::{TAKEN_MEANWHILE, is_locked, of_run};
use crate::facts::{self, Facts};
use crate::offline::{Offline, PackageFile};
use crate::plan::{self, Selection};
use crate::repair;
use crate::request::{PackageRequest, Request, VersionRequest};
use crate::status;
use crate::trial::{Trial, get_key};
use crate::version::{PackageName, Version};
use crate::wait::wait;

/// The result of [`install`], or of its dry run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// The requested packages with their versions; none where a dry run cannot know it.
    pub packages: Vec<(PackageName, Option<Version>)>,
    /// In a dry run, whether more depends on a repository whose lists are not downloaded yet. The call must exit 3.
    pub waits: bool,
}

/// Installs packages with their source, as part of the caller's run: the caller then passes its own plan to
/// [`edge_host::apply`], empty or not, and one undo reverts all of it.
///
/// Call it before reading your own facts: it calls [`Host::prepare_change`], and releases edge-host's lock while it
/// waits for apt's. If everything is up to date it starts no program.
///
/// Errors: exit 1 where something is not available; exit 4 for an unexpected key, a package that would be removed
/// or downgraded, and with `--root`.
pub fn install(host: &mut Host, request: &Request) -> Result<Installed> {
    live_only(host, "install packages")?;
    request.check()?;
    host.prepare_change()?;
    let begin = Instant::now();
    let mut facts = facts::read(host, request)?;
    loop {
        if facts.are_as_requested(request) {
            for warning in facts.source.iter().flat_map(|source| &source.warnings) {
                host.report.warning(warning);
            }
            return Ok(as_it_is(&facts, request));
        }
        if host.mode == Mode::Apply {
            let left = request.wait.saturating_sub(begin.elapsed());
            host.without_lock(|host| wait(host, left))?;
            facts = facts::read(host, request)?;
            if facts.are_as_requested(request) {
                continue;
            }
        }
        match attempt(host, request, &facts) {
            // Another program was faster: what this run has done is kept, and it continues.
            Err(error) if is_locked(&error) && begin.elapsed() < request.wait => {
                host.report.note(TAKEN_MEANWHILE);
                facts = facts::read(host, request)?;
            }
            other => return other,
        }
    }
}

/// With `--root` no program of an image is run, and a package is more than its files.
pub(crate) fn live_only(host: &Host, what: &str) -> Result<()> {
    if host.root.is_live() {
        return Ok(());
    }
    Err(Error::refused(format!(
        "cannot {what} below {}: the scripts of its packages would run as root on this host",
        host.root.display(Path::new("/")).display()
    ))
    .hint("run it on the host itself, for an image at its first boot; or install from an archive instead of packages"))
}

fn as_it_is(facts: &Facts, request: &Request) -> Installed {
    let version = |package: &PackageRequest| facts.status.version_of(&package.name).cloned();
    let packages = request.packages.iter().map(|package| (package.name.clone(), version(package))).collect();
    Installed { packages, waits: false }
}

fn attempt(host: &mut Host, request: &Request, facts: &Facts) -> Result<Installed> {
    if host.mode == Mode::Apply && host.resumes_run()? && is_half_installed(host)? {
        complete(host, request)?;
        let facts = facts::read(host, request)?;
        return attempt(host, request, &facts);
    }
    if status::is_interrupted(&host.root)? {
        return Err(Error::failed("cannot install: dpkg was interrupted and must be repaired first")
            .hint("repair it: edge-apt wait --repair"));
    }
    if let Some((source, rival)) = request.source.as_ref().zip(facts.source.as_ref().and_then(|of| of.rivals.first())) {
        return Err(Error::refused(format!(
            "cannot add the repository {}: {} already contains it, and apt fails on two entries with different keys",
            shown_url(&source.uri),
            rival.display()
        ))
        .hint(format!("disable that file: mv {} {}.off", rival.display(), rival.display())));
    }
    let missing = facts.missing(request);
    let mut installed = as_it_is(facts, request);
    let mut trial = None;
    let (key, found) = match (&request.offline, &request.source) {
        (Some(offline), _) => {
            let key = match &request.source {
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
            let is_there = facts.source_is_up_to_date(request);
            let only = facts.source.as_ref().map(|of| Scope::only(&of.path)).unwrap_or_default();
            let found = if is_there {
                in_lists(facts, &missing, &only, &Scope::default(), &shown_url(&source.uri))
            } else {
                Ok(None)
            };
            // Not an error yet, as the lists may be older than the repository.
            (key, found.unwrap_or_default())
        }
        (None, None) => (None, in_own_sources(host, facts, &missing)?),
    };
    if let Some(found) = &found {
        plan::refuse_side_effects(facts, request, found)?;
        for (package, version) in &found.packages {
            if let Some(of) = installed.packages.iter_mut().find(|(name, _)| *name == package.name) {
                of.1 = Some(version.clone());
            }
        }
    }
    installed.waits = found.is_none() && !missing.is_empty();
    let mut plan = plan::plan(facts, request, key.as_ref(), found.as_ref());
    if installed.waits {
        let requested: Vec<String> =
            missing.iter().map(|package| format!("{} ({})", package.name, package.version.words())).collect();
        plan.note(format!(
            "then, depending on the versions in the repository: apt-get install {}",
            requested.join(", ")
        ));
        for package in &missing {
            installed.packages.iter_mut().filter(|(name, _)| *name == package.name).for_each(|of| of.1 = None);
        }
    }
    let done = apply_part(host, plan);
    if let Some(trial) = trial {
        trial.end(host, facts)?;
    }
    let names: Vec<&str> = missing.iter().map(|package| package.name.as_str()).collect();
    done.map_err(|error| of_run(error, &format!("install {}", names.join(", "))))?;
    Ok(installed)
}

fn is_half_installed(host: &Host) -> Result<bool> {
    Ok(status::is_interrupted(&host.root)? || !status::of(&host.root)?.needs_reinstall().is_empty())
}

/// Completes what an earlier, killed run of the same call left. What others left is not touched.
fn complete(host: &mut Host, request: &Request) -> Result<()> {
    host.report.note("resuming the interrupted dpkg");
    repair::configure_interrupted(&host.root)?;
    let broken = status::of(&host.root)?.needs_reinstall();
    match &request.offline {
        _ if broken.is_empty() => Ok(()),
        None => repair::reinstall(&host.root, &broken, &broken, &Scope::default()),
        Some(offline) => {
            let paths: Vec<String> = offline.of_names(&broken).map(|path| path.display().to_string()).collect();
            repair::reinstall(&host.root, &broken, &paths, &Scope::nothing())
        }
    }
}

/// Finds versions in the lists of one source; dependencies may come from all.
fn in_lists<'w>(
    facts: &Facts,
    missing: &[&'w PackageRequest],
    only: &Scope,
    all: &Scope,
    from: &str,
) -> Result<Option<Selection<'w>>> {
    if missing.is_empty() {
        return Ok(None);
    }
    let mut packages = Vec::new();
    for &package in missing {
        let versions = apt::versions(only, &package.name)?;
        if !has_newer(facts, package, versions.iter()) {
            continue;
        }
        packages.push((package, choose(package, &versions, from)?));
    }
    let arguments: Vec<String> =
        packages.iter().map(|(package, version)| format!("{}={version}", package.name)).collect();
    ask(facts, packages, arguments, all).map(Some)
}

/// Whether a package that moves with others is to be changed: it is not installed, or one of these is newer.
fn has_newer<'v>(facts: &Facts, package: &PackageRequest, mut versions: impl Iterator<Item = &'v Version>) -> bool {
    let installed = facts.status.version_of(&package.name);
    package.version != VersionRequest::Newest
        || installed.is_none_or(|installed| versions.any(|version| version > installed))
}

/// The newest version that meets the request.
fn choose(package: &PackageRequest, versions: &[Version], from: &str) -> Result<Version> {
    let fitting = versions.iter().filter(|version| package.version.is_met_by(version)).max();
    fitting.cloned().ok_or_else(|| {
        let has: Vec<&str> = versions.iter().rev().take(5).map(Version::as_str).collect();
        let has = if has.is_empty() {
            "it has no package of that name for this architecture".to_owned()
        } else {
            format!("it has {}{}", has.join(", "), if versions.len() > has.len() { ", …" } else { "" })
        };
        let error = Error::failed(format!("cannot find {} in {from}: {has}", package.words()));
        if versions.is_empty() {
            return error.hint("check the name of the package, and that the repository has this architecture");
        }
        error.hint("request a version that the repository has")
    })
}

/// Finds versions in the host's own sources; updates their lists only if the package is missing.
fn in_own_sources<'w>(host: &mut Host, facts: &Facts, missing: &[&'w PackageRequest]) -> Result<Option<Selection<'w>>> {
    let own = Scope::default();
    let from = "this host's sources";
    match in_lists(facts, missing, &own, &own, from) {
        Err(error) if host.mode == Mode::Apply && !is_locked(&error) => {
            host.report.note("updating the package lists of this host's sources");
            // The other sources may still have it.
            if let Err(failed) = apt::update(&own, from) {
                host.report.warning(failed.message());
            }
            in_lists(facts, missing, &own, &own, from)
        }
        other => other,
    }
}

/// Finds packages in a folder, without any repository.
fn in_folder<'w>(offline: &Offline, facts: &Facts, missing: &[&'w PackageRequest]) -> Result<Option<Selection<'w>>> {
    if missing.is_empty() {
        return Ok(None);
    }
    let request_for = |name: &str| missing.iter().copied().find(|package| package.name.as_str() == name);
    let may = |file: &PackageFile| match request_for(&file.name) {
        Some(package) => package.version.is_met_by(&file.version),
        None => {
            let installed =
                PackageName::parse(&file.name).ok().and_then(|name| facts.status.version_of(&name).cloned());
            installed.is_none_or(|installed| installed < file.version)
        }
    };
    let chosen = offline.chosen(&facts.status, may);
    let mut packages = Vec::new();
    for &package in missing {
        let file = chosen.iter().find(|file| file.name == package.name.as_str());
        if !has_newer(facts, package, file.iter().map(|file| &file.version)) {
            continue;
        }
        let file = file.ok_or_else(|| {
            let there = offline.architectures_of(package.name.as_str());
            let there = if there.is_empty() { String::new() } else { format!(" (only for {})", there.join(", ")) };
            Error::failed(format!(
                "cannot find {} for {} in {}{there}",
                package.words(),
                facts.status.architecture(),
                offline.dir().display()
            ))
        })?;
        packages.push((package, file.version.clone()));
    }
    let requested: Vec<&PackageFile> = chosen
        .iter()
        .copied()
        .filter(|file| packages.iter().any(|(package, _)| package.name.as_str() == file.name))
        .collect();
    let needed = Offline::needed(&requested, &chosen);
    let paths = |files: &[&PackageFile]| files.iter().map(|file| file.path.display().to_string()).collect::<Vec<_>>();
    let nothing = Scope::nothing();
    // First without the other packages of the folder, as they may not be needed.
    let mut found = match ask(facts, packages.clone(), paths(&requested), &nothing) {
        Err(_) if needed.len() > requested.len() => ask(facts, packages, paths(&needed), &nothing)?,
        other => other?,
    };
    found.arguments.extend(nothing.options());
    Ok(Some(found))
}

fn ask<'w>(
    facts: &Facts,
    packages: Vec<(&'w PackageRequest, Version)>,
    mut arguments: Vec<String>,
    scope: &Scope,
) -> Result<Selection<'w>> {
    // Requested packages may change although they are held, and may be downgraded: refuse_side_effects() decides.
    if packages.iter().any(|(package, _)| facts.status.is_held(&package.name)) {
        arguments.push("--allow-change-held-packages".to_owned());
    }
    let is_down = |(package, version): &(&PackageRequest, Version)| {
        facts.status.find(&package.name).and_then(|of| of.version.as_ref()).is_some_and(|installed| version < installed)
    };
    if packages.iter().any(is_down) {
        arguments.push("--allow-downgrades".to_owned());
    }
    let names: Vec<&str> = packages.iter().map(|(package, _)| package.name.as_str()).collect();
    let object = format!("install {}", names.join(", "));
    let call = [vec!["install".to_owned()], arguments.clone(), apt::options()].concat();
    let simulated = apt::simulate(scope, &call, &object)?;
    Ok(Selection { arguments, packages, simulated })
}

/// The default time to wait for apt's locks: an upgrade of a whole system on an SD card.
pub const DEFAULT_WAIT: Duration = Duration::from_secs(600);
