//! `edge-crio install`.

use std::io::Read;
use std::path::Path;
use std::time::Duration;

use edge_fetch::Proxy;
use edge_host::action::Bytes;
use edge_host::{Error, Exit, Host, Inverse, Mode, Node, Outcome, Plan, Program, Result, ResultExt, apply, apply_part};

use edge_systemd::systemctl;
use serde_json::json;

use crate::bundle::{self, MANIFEST, Manifest};
use crate::cli::InstallArgs;
use crate::config::{Driver, Effective, Keys, no_reference};
use crate::facts::{Facts, answer, socket_path};
use crate::knowledge::{self, Fit};
use crate::plan::{Wanted, configure};
use crate::resolve::Kind;
use crate::system::System;
use crate::verbs::source::{Archive, Chosen, choose, is_installed, staged, sysconfig};
use crate::verbs::up::{self, Start};
use crate::version::Version;
use crate::{apt, cri, unit};

const ASK_WITHIN: Duration = Duration::from_secs(5);

pub(crate) fn run(host: &mut Host, args: &InstallArgs) -> Result<Outcome> {
    let wanted = wanted(args)?;
    if let Some(kubeedge) = args.kubeedge_version
        && let Fit::Not(text) = knowledge::fit(args.version, kubeedge)?
    {
        return Err(Error::refused(format!("cannot install CRI-O {}: {text}", args.version)));
    }
    let system = System::read(host)?;
    let manifest = Manifest::read(host)?;
    let package = apt::installed(host)?;
    let installed = match (&manifest, &package) {
        (Some(_), _) => Some(Kind::Bundle),
        (None, Some(_)) => Some(Kind::Apt),
        (None, None) => None,
    };
    let chosen = choose(host, args, &system, installed)?;
    let is_new = match &chosen {
        Chosen::Apt(_) => package.is_none(),
        Chosen::Bundle(archive) => !is_installed(host, manifest.as_ref(), archive)?,
    };
    // What cannot be configured is found before anything is installed.
    if is_new || wanted.keys.driver.is_some() {
        let facts = Facts::read(host)?;
        configure(&facts, &wanted, &mut Plan::new())?;
        driver_may_change(host, &crate::config::effective(&facts.config), wanted.keys.driver)?;
    }
    let waits = match &chosen {
        Chosen::Apt(offer) => {
            if manifest.is_some() {
                return Err(Error::refused("cannot install the package: a bundle is installed here")
                    .hint("edge-crio remove takes it away first; --source bundle goes on with it"));
            }
            apt::install(host, args, offer.as_ref())?
        }
        Chosen::Bundle(archive) => {
            if let Some(package) = package {
                return Err(Error::refused(format!(
                    "cannot install the bundle: the package cri-o {package} is installed"
                ))
                .hint("apt-get remove cri-o takes it away; --source apt goes on with it"));
            }
            host.prepare_change()?;
            from_bundle(host, archive, manifest.as_ref(), &system, wanted.proxy.as_ref())?
        }
    };
    let version = installed_version(host, &chosen, args)?;
    let (outcome, facts, start) = configured(host, &wanted, version, waits)?;
    if host.mode == Mode::DryRun {
        return Ok(dry(host, outcome, waits));
    }
    // All of it is in place.
    host.root.remove_tree(bundle::stage())?;
    if outcome.exit != Exit::Done || !host.root.is_live() {
        return Ok(outcome);
    }
    let config = up::configuration(host)?;
    if !facts.unit.has_systemd {
        host.report.warning("systemd does not run here: CRI-O is installed, and was not started");
        return Ok(outcome);
    }
    let settled = match start {
        Start::Any if !outcome.changed => answer(host, config.socket())?,
        _ => None,
    };
    let answer = match settled {
        Some(answer) => answer,
        None => up::wait(host, config.socket(), &start, Duration::from_secs(args.wait))?,
    };
    up::report(host, &answer, &config, version)?;
    Ok(outcome)
}

/// The release that is there now.
fn installed_version(host: &Host, chosen: &Chosen, args: &InstallArgs) -> Result<Version> {
    Ok(match chosen {
        Chosen::Bundle(archive) => archive.version,
        // 1.34.2-1.1, of which a dry run may have an older one.
        Chosen::Apt(_) => apt::installed(host)?
            .and_then(|version| apt::release_of(&version))
            .filter(|version| args.version.takes(*version))
            .unwrap_or(args.version),
    })
}

/// What the options ask of the configuration.
fn wanted(args: &InstallArgs) -> Result<Wanted> {
    if let Some(image) = &args.pause_image
        && let Some(why) = no_reference(image)
    {
        return Err(Error::usage(format!("cannot use the image {image:?}: {why}"))
            .hint("a reference such as registry.k8s.io/pause:3.10 is wanted"));
    }
    Ok(Wanted {
        keys: Keys { driver: args.cgroup_driver, pause_image: args.pause_image.clone() },
        mirrors: args.registry_mirror.clone(),
        proxy: args.proxy.as_deref().map(|proxy| read_proxy(proxy, args.no_proxy.as_deref())).transpose()?,
    })
}

/// A proxy with a password is not for the command line, which every user of the host can read.
fn read_proxy(given: &str, except: Option<&str>) -> Result<Proxy> {
    if given != "-" {
        let proxy = Proxy::parse(given, except)?;
        return match proxy.has_credentials() {
            true => Err(Error::usage(
                "cannot take a proxy's password from the command line: every user of this host can read it there",
            )
            .hint("edge-crio install --proxy - reads it from standard input")),
            false => Ok(proxy),
        };
    }
    let mut text = String::new();
    std::io::stdin().take(4096).read_to_string(&mut text).on("read", "standard input")?;
    match text.strip_suffix('\n').filter(|line| !line.is_empty() && !line.contains('\n')) {
        Some(line) => Proxy::parse(line.trim_end_matches('\r'), except),
        None => Err(Error::failed("cannot use standard input: one line with the proxy's address is wanted")
            .hint("look at the program before the pipe")),
    }
}

/// Puts a bundle in place; whether a dry run cannot know all of it yet.
fn from_bundle(
    host: &mut Host,
    archive: &Archive,
    manifest: Option<&Manifest>,
    system: &System,
    proxy: Option<&Proxy>,
) -> Result<bool> {
    if is_installed(host, manifest, archive)? {
        return Ok(false);
    }
    let arch = system.arch()?;
    let Some((staged, stage)) = staged(host, archive, arch, proxy)? else { return Ok(true) };
    let release = archive.version.to_string();
    let stage = stage.as_deref();
    let ready = || -> Result<(Plan, Vec<bundle::Row>)> {
        let placed = bundle::place(&staged, &format!("the archive of CRI-O {release}"), sysconfig(system))?;
        right_machine(host, stage, system)?;
        let mut plan = Plan::new();
        let rows = bundle::put(&mut plan, bundle::standing(host, placed, stage)?, manifest, &release)?;
        Ok((plan, rows))
    };
    let (mut plan, rows) = match ready() {
        // What cannot be used is not kept either.
        Err(error) if error.exit() != Exit::Interrupted && host.mode == Mode::Apply => {
            host.root.remove_tree(bundle::stage())?;
            return Err(error);
        }
        ready => ready?,
    };
    if let Some(old) = manifest {
        bundle::take_away(host, &mut plan, old, &rows)?;
    }
    let new = Manifest {
        format: bundle::FORMAT,
        version: release,
        arch: arch.debian().to_owned(),
        archive: archive.sha256.clone(),
        files: rows,
        next: Vec::new(),
    };
    if !plan.is_empty() && host.mode == Mode::Apply {
        let mut first = Plan::new();
        record(host, &Manifest::before(&new, manifest), &mut first, "what is put where, for removal")?;
        apply_part(host, first)?;
    }
    record(host, &new, &mut plan, "what was put where, for removal")?;
    let changed = !plan.is_empty();
    if changed && host.root.is_live() && unit::UnitFacts::read(&host.root)?.has_systemd {
        unit::reload(&mut plan);
    }
    apply_part(host, plan)?;
    Ok(false)
}

/// Plans the write of a manifest, where it differs.
fn record(host: &Host, manifest: &Manifest, plan: &mut Plan, why: &str) -> Result<()> {
    let was = host.root.find(Path::new(MANIFEST))?;
    let text = manifest.text()?;
    if was.bytes != text {
        let node = Node::File { content: Bytes::Known(text), mode: 0o644 };
        plan.write(Path::new(MANIFEST), was, node, Inverse::Whole, why);
    }
    Ok(())
}

/// Fails where the bundle's crio is for another machine.
fn right_machine(host: &Host, stage: Option<&Path>, system: &System) -> Result<()> {
    let Some(stage) = stage else { return Ok(()) };
    let Some(file) = host.root.open(&stage.join("bin/crio"))? else { return Ok(()) };
    let own = system.arch()?;
    let refused = |what: String| Err(Error::refused(format!("cannot install the bundle: {what}")));
    match Program::read(file) {
        Some(program) if own.is_of(program) => Ok(()),
        Some(program) => refused(format!("it is for {}, and this system is {own}", program.machine())),
        None => refused("its bin/crio is not a program".to_owned()),
    }
}

/// Plans and applies the configuration, the links that enable the unit, and its start.
fn configured(host: &mut Host, wanted: &Wanted, version: Version, waits: bool) -> Result<(Outcome, Facts, Start)> {
    let facts = Facts::read(host)?;
    let config = crate::config::effective(&facts.config);
    driver_may_change(host, &config, wanted.keys.driver)?;
    let mut plan = Plan::new();
    let mut start = Start::Any;
    let effect = configure(&facts, wanted, &mut plan)?;
    unit::enable(&facts.unit, &mut plan)?;
    if facts.unit.has_systemd && facts.unit.file.is_some() {
        if effect.reload {
            unit::reload(&mut plan);
        }
        let answer = answer(host, config.socket())?;
        let is_other = answer.as_ref().and_then(up::version_of).is_some_and(|runs| !version.takes(runs));
        let why = match (effect.restart, is_other) {
            (_, true) => Some("so that the version that is installed runs"),
            (true, false) => Some("so that it reads its configuration"),
            (false, false) => None,
        };
        match (answer, why) {
            (Some(_), None) => {}
            (_, why) => {
                let state = unit::state()?;
                if state.active != "active" {
                    plan.run(systemctl::start_no_block(unit::UNIT), "now");
                } else if let Some(why) = why {
                    plan.run(systemctl::restart_no_block(unit::UNIT), why);
                    start = Start::After(state.invocation);
                }
            }
        }
    }
    let outcome = match waits {
        // More is to come than these: an empty plan is not "nothing to do".
        true if host.mode == Mode::DryRun => {
            let actions = plan.actions.len();
            let outcome = apply_part(host, plan)?;
            host.report.record("plan", json!({"actions": actions + 1}));
            outcome
        }
        _ => apply(host, plan)?,
    };
    Ok((outcome, facts, start))
}

/// Containers of one driver cannot be ended under the other.
fn driver_may_change(host: &Host, config: &Effective, wanted: Option<Driver>) -> Result<()> {
    let Some(wanted) = wanted.filter(|wanted| wanted.name() != config.driver()) else { return Ok(()) };
    if host.mode == Mode::DryRun {
        return Ok(());
    }
    if answer(host, config.socket())?.is_none() {
        return Ok(());
    }
    let running = cri::running(Path::new(socket_path(config.socket())), ASK_WITHIN)?;
    if running.is_empty() {
        return Ok(());
    }
    Err(Error::refused(format!(
        "cannot change the cgroup driver from {} to {wanted} while {} ({})",
        config.driver(),
        cri::they_run(running.len()),
        running.join(", ")
    ))
    .hint("drain the node and stop them first: crictl ps"))
}

/// The end of a dry run.
fn dry(host: &mut Host, mut outcome: Outcome, waits: bool) -> Outcome {
    if waits {
        host.report.note("then, depending on that: the files of CRI-O itself, enabled and started");
        outcome.exit = outcome.exit.worst(Exit::Differs);
        outcome.changed = true;
    }
    outcome
}
