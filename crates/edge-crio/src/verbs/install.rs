//! `edge-crio install`: installs, configures and starts CRI-O.

use std::path::{Path, PathBuf};
use std::time::Duration;

use edge_fetch::Proxy;
use edge_host::action::Bytes;
use edge_host::{Error, Exit, Host, Inverse, Mode, Node, Outcome, Plan, Program, Result, apply, apply_part};
use edge_systemd::systemctl;

use crate::bundle::{self, MANIFEST, Manifest};
use crate::catalog::{self, Compatibility};
use crate::cli::InstallArgs;
use crate::config::{Current, Driver, Effective};
use crate::containers::{DRAIN, Running};
use crate::facts::{Facts, answer};
use crate::plan::configure;
use crate::request::Request;
use crate::resolve::Kind;
use crate::system::System;
use crate::verbs::source::{Archive, Selected, is_installed, select, staged};
use crate::verbs::startup::{self, Start};
use crate::version::Version;
use crate::wipe::{Wipe, WipeFacts};
use crate::{apt, unit};

pub(crate) fn run(host: &mut Host, args: &InstallArgs) -> Result<Outcome> {
    let request = Request::of(args)?;
    if let Some(kubeedge) = args.kubeedge_version {
        if let Compatibility::Incompatible { reason, hint } = catalog::compatibility(args.version, kubeedge.minor)? {
            return Err(Error::refused(format!("cannot install CRI-O {}: {reason}", args.version)).hint(hint));
        }
        if let Some(problem) = catalog::keadm_problem(args.version, kubeedge)? {
            host.report.warning(&problem);
        }
    }
    let system = System::read(host)?;
    let manifest = Manifest::read(host)?;
    let package = apt::installed(host)?;
    let installed = match (&manifest, &package) {
        (Some(_), _) => Some(Kind::Bundle),
        (None, Some(_)) => Some(Kind::Apt),
        (None, None) => None,
    };
    let selected = select(host, args, &system, installed)?;
    let is_new = match &selected {
        Selected::Apt(_) => package.is_none(),
        Selected::Bundle(archive) => !is_installed(host, manifest.as_ref(), archive)?,
    };
    let next = match &selected {
        Selected::Apt(_) => args.version,
        Selected::Bundle(archive) => archive.version,
    };
    let now = match &manifest {
        Some(manifest) => manifest.version.parse().ok(),
        None => package.as_deref().and_then(Version::of_package),
    };
    let wipe = check_wipe(host, &Current::read(host)?, next, now, args.yes)?;
    // Configuration errors are reported before anything is installed.
    if is_new || request.keys.driver.is_some() {
        let facts = Facts::read(host)?;
        configure(&facts, &request, &mut Plan::new())?;
        check_driver_change(host, &facts.config.effective, request.keys.driver)?;
    }
    let (waits, unit_file) = match &selected {
        Selected::Apt(offer) => {
            if manifest.is_some() {
                return Err(Error::refused("cannot install the package: CRI-O is installed from a bundle")
                    .hint("keep using bundles with --source bundle, or remove it first: edge-crio remove"));
            }
            (apt::install(host, args, offer.as_ref())?, standard(unit::PACKAGED))
        }
        Selected::Bundle(archive) => {
            if let Some(package) = package {
                return Err(Error::refused(format!(
                    "cannot install the bundle: the package cri-o {package} is installed"
                ))
                .hint(match host.root.is_live() {
                    true => "keep using packages with --source apt, or remove it first: edge-crio remove",
                    false => "remove the package from the image first: apt-get remove cri-o",
                }));
            }
            host.prepare_change()?;
            from_bundle(host, archive, manifest.as_ref(), &system, request.proxy.as_ref())?
        }
    };
    let version = installed_version(host, &selected, args)?;
    let coming = Coming { waits, unit_file, wipe };
    let (outcome, facts, start) = configure_and_start(host, &request, version, coming)?;
    if host.mode == Mode::DryRun {
        if waits {
            host.report.note("further changes depend on these: files of CRI-O");
        }
        return Ok(outcome);
    }
    // All files are installed.
    host.root.remove_tree(bundle::stage())?;
    if outcome.exit != Exit::Done || !host.root.is_live() {
        return Ok(outcome);
    }
    let config = startup::configuration(host)?;
    if !facts.unit.has_systemd {
        host.report.warning("systemd is not running: CRI-O is installed, but was not started");
        return Ok(outcome);
    }
    let current = match start {
        Start::Any if !outcome.changed => answer(host, config.socket())?,
        _ => None,
    };
    let answer = match current {
        Some(answer) => answer,
        None => startup::wait(host, config.socket(), &start, Duration::from_secs(args.wait))?,
    };
    startup::report(host, &answer, &config, version)?;
    Ok(outcome)
}

/// What an install brings, of which a dry run sees nothing on the host.
struct Coming {
    /// A dry run could not determine all changes.
    waits: bool,
    /// The file of the unit and its text.
    unit_file: UnitFile,
    /// What to say about containers that are removed.
    wipe: Option<String>,
}

type UnitFile = (PathBuf, String);

/// The unit of upstream's package or bundle.
fn standard(path: &str) -> UnitFile {
    (PathBuf::from(path), unit::INSTALL.to_owned())
}

/// The installed release.
fn installed_version(host: &Host, selected: &Selected, args: &InstallArgs) -> Result<Version> {
    Ok(match selected {
        Selected::Bundle(archive) => archive.version,
        // In a dry run an older package may be installed.
        Selected::Apt(_) => apt::installed(host)?
            .and_then(|version| Version::of_package(&version))
            .filter(|version| args.version.matches(*version))
            .unwrap_or(args.version),
    })
}

/// Installs a bundle. Returns whether a dry run could not determine all changes, and the unit.
fn from_bundle(
    host: &mut Host,
    archive: &Archive,
    manifest: Option<&Manifest>,
    system: &System,
    proxy: Option<&Proxy>,
) -> Result<(bool, UnitFile)> {
    let mut unit_file = standard(unit::BUNDLED);
    if is_installed(host, manifest, archive)? {
        return Ok((false, unit_file));
    }
    let arch = system.arch()?;
    let Some((staged, stage)) = staged(host, archive, arch, proxy)? else { return Ok((true, unit_file)) };
    let release = archive.version.to_string();
    let stage = stage.as_deref();
    let cni = edge_conflist::record::read(host)?;
    let mut ready = || -> Result<(Plan, Vec<bundle::Row>)> {
        let placed = bundle::assign_paths(&staged, &format!("the archive of CRI-O {release}"), system.has_sysconfig)?;
        check_architecture(host, stage, system)?;
        if let Some(placed) = placed.iter().find(|placed| placed.kind == bundle::Kind::Unit) {
            let text = placed.text.as_ref().or_else(|| staged.texts.get(&placed.inner));
            unit_file = (placed.path.clone(), text.cloned().unwrap_or_default());
        }
        let mut plan = Plan::new();
        let targets = bundle::read_targets(host, placed, stage)?;
        let rows = bundle::plan_install(&mut plan, targets, manifest, &cni, &release)?;
        Ok((plan, rows))
    };
    let (mut plan, rows) = match ready() {
        // An unusable archive is not kept in the stage.
        Err(error) if error.exit() != Exit::Interrupted && host.mode == Mode::Apply => {
            host.root.remove_tree(bundle::stage())?;
            return Err(error);
        }
        ready => ready?,
    };
    if let Some(old) = manifest {
        bundle::plan_removal(host, &mut plan, old, &rows, &cni)?;
    }
    let new = Manifest {
        format: bundle::FORMAT,
        version: release,
        arch: arch.debian().to_owned(),
        archive: archive.sha256.clone(),
        files: rows,
        next: Vec::new(),
    };
    if !plan.is_empty() {
        let mut first = Plan::new();
        record(host, &Manifest::before(&new, manifest), &mut first, "list of files to install, for removal")?;
        apply_part(host, first)?;
    }
    record(host, &new, &mut plan, "list of installed files, for removal")?;
    let changed = !plan.is_empty();
    if changed && host.root.is_live() && unit::read(&host.root)?.has_systemd {
        unit::reload(&mut plan);
    }
    apply_part(host, plan)?;
    Ok((false, unit_file))
}

/// Plans to write a manifest, if it differs.
fn record(host: &Host, manifest: &Manifest, plan: &mut Plan, why: &str) -> Result<()> {
    let was = host.root.find(Path::new(MANIFEST))?;
    let text = manifest.text()?;
    if was.bytes != text {
        let node = Node::File { content: Bytes::Known(text), mode: 0o644 };
        plan.write(Path::new(MANIFEST), was, node, Inverse::Whole, why);
    }
    Ok(())
}

/// Refuses a bundle for another architecture.
fn check_architecture(host: &Host, stage: Option<&Path>, system: &System) -> Result<()> {
    let Some(stage) = stage else { return Ok(()) };
    let Some(file) = host.root.open(&stage.join("bin/crio"))? else { return Ok(()) };
    let own = system.arch()?;
    let refused = |what: String| {
        Err(Error::refused(format!("cannot install the bundle: {what}"))
            .hint(format!("use the bundle for this architecture: cri-o.{}.vVERSION.tar.gz", own.goarch())))
    };
    match Program::read(file) {
        Some(program) if own.is_of(program) => Ok(()),
        Some(program) => refused(format!("it is for {}, but this system is {own}", program.machine())),
        None => refused("its bin/crio is not an executable program".to_owned()),
    }
}

/// Plans and applies the configuration, the links that enable the unit, and its start.
fn configure_and_start(
    host: &mut Host,
    request: &Request,
    version: Version,
    coming: Coming,
) -> Result<(Outcome, Facts, Start)> {
    let Coming { waits, unit_file: (unit_file, unit_text), wipe } = coming;
    let mut facts = Facts::read(host)?;
    if host.mode == Mode::DryRun {
        facts.unit = facts.unit.with_file(&host.root, &unit_file, &unit_text)?;
    }
    let config = facts.config.effective.clone();
    check_driver_change(host, &config, request.keys.driver)?;
    let mut plan = Plan::new();
    if let Some(wipe) = wipe {
        plan.note(wipe);
    }
    let mut start = Start::Any;
    let effect = configure(&facts, request, &mut plan)?;
    facts.unit.enable(&mut plan)?;
    if facts.unit.has_systemd && facts.unit.file.is_some() {
        if effect.reload {
            unit::reload(&mut plan);
        }
        let answer = answer(host, config.socket())?;
        let is_other = answer.as_ref().and_then(startup::version_of).is_some_and(|runs| !version.matches(runs));
        let why = match (effect.restart, is_other) {
            (_, true) => Some("to run the installed version"),
            (true, false) => Some("to load its configuration"),
            (false, false) => None,
        };
        match (answer, why) {
            (Some(_), None) => {}
            (_, why) => {
                let state = unit::state()?;
                if state.active != "active" {
                    plan.run(systemctl::start_no_block(unit::UNIT), "to run it now");
                } else if let Some(why) = why {
                    plan.run(systemctl::restart_no_block(unit::UNIT), why);
                    start = Start::After(state.invocation);
                }
            }
        }
    }
    if waits && host.mode == Mode::DryRun {
        // The package or bundle, which brings further changes.
        host.count_unlisted();
    }
    let outcome = apply(host, plan)?;
    Ok((outcome, facts, start))
}

/// Refuses to change the driver while containers run: those of one driver cannot be stopped under the other.
fn check_driver_change(host: &Host, config: &Effective, requested: Option<Driver>) -> Result<()> {
    let Some(requested) = requested.filter(|driver| driver.name() != config.driver()) else { return Ok(()) };
    let action = format!("change the cgroup driver from {} to {requested}", config.driver());
    Running::read(host, config)?.refuse(&action, DRAIN)
}

/// Refuses a version that removes running containers when it starts, unless that is accepted. Returns what to say about
/// it in the plan.
fn check_wipe(
    host: &Host,
    current: &Current,
    next: Version,
    now: Option<Version>,
    is_accepted: bool,
) -> Result<Option<String>> {
    let running = answer(host, current.effective.socket())?.as_ref().and_then(startup::version_of);
    let now = running.or(now);
    let what = match WipeFacts::read(host, &current.merged, next).wipe(next, now) {
        Wipe::Nothing => return Ok(None),
        Wipe::Containers => "all containers",
        Wipe::Images => "all containers and their images",
    };
    let now = now.map(|now| format!(" instead of {}", now.minor_text())).unwrap_or_default();
    let removes = format!("CRI-O removes {what} when it starts as {}{now}", next.minor_text());
    match Running::read(host, &current.effective)?.describe() {
        None if now.is_empty() => Ok(None),
        None => Ok(Some(removes)),
        Some(found) if is_accepted => Ok(Some(format!("{removes}; {found}"))),
        Some(found) => Err(Error::refused(format!("cannot install CRI-O {next}: {found}, and {removes}"))
            .hint("drain the node first (kubectl drain NODE), or accept that they are removed: add --yes")),
    }
}
