//! `edge-pkg install containerd`: installs, configures and starts it, and queries it over the CRI.

use std::time::Duration;

use edge_apt::{Offline, PackageName, PackageRequest, VersionRequest};
use edge_host::action::Bytes;
use edge_host::{Error, Exit, Host, Inverse, Mode, Node, Outcome, Plan, Result, State, apply};
use edge_systemd::startup::{self, Start, Waiting};
use edge_systemd::systemctl;

use super::{after_install, refuse_ignored};
use crate::cli::ContainerdArgs;
use crate::containerd::{DRAIN, Facts, PACKAGES, UNIT, answer, edit, refuse_running};
use crate::request::ContainerdRequest;

const MODE: u32 = 0o644;
const ASK_WITHIN: Duration = Duration::from_secs(2);

pub(crate) fn run(host: &mut Host, args: &ContainerdArgs) -> Result<Outcome> {
    let request = ContainerdRequest::of(args)?;
    let facts = Facts::read(host, &request.mirrors)?;
    if facts.is_installed {
        // Errors of the configuration are reported before anything is installed.
        refuse_driver_change(host, &facts, &request)?;
        configure(&facts, &request, &mut Plan::new())?;
    }
    let was_installed = facts.is_installed;
    let waits = install_package(host, &facts, &request)?;
    host.prepare_change()?;
    let facts = Facts::read(host, &request.mirrors)?;
    let mut plan = Plan::new();
    let mut start = Start::Any;
    if facts.is_installed {
        refuse_driver_change(host, &facts, &request)?;
        let must_restart =
            configure(&facts, &request, &mut plan).map_err(|error| after_install(error, was_installed))?;
        start = plan_start(host, &facts, must_restart, &mut plan)?;
    }
    if waits || !facts.is_installed {
        host.count_unlisted();
    }
    let outcome = apply(host, plan)?;
    if host.mode == Mode::DryRun {
        if !facts.is_installed {
            host.report.note("further changes depend on the package: the configuration of containerd");
        }
        return Ok(outcome);
    }
    if outcome.exit != Exit::Done || !host.root.is_live() {
        return Ok(outcome);
    }
    let facts = Facts::read(host, &[])?;
    let socket = facts.socket();
    let running = match start {
        Start::Any if !outcome.changed => answer(host, &socket)?,
        _ => None,
    };
    let answer = match running {
        Some(answer) => answer,
        None if !edge_systemd::is_running(&host.root)? => {
            host.report.warning("systemd is not running: containerd is configured, but was not started");
            return Ok(outcome);
        }
        None => {
            let hint = "see the log above; to restore the earlier configuration: edge-pkg undo";
            let waiting = Waiting { unit: UNIT, name: "containerd", start: &start, within: request.wait, hint };
            startup::wait(host, &waiting, &|| edge_cri::ask(&socket, ASK_WITHIN), &|| None)?
        }
    };
    report(host, &facts, &answer)?;
    Ok(outcome)
}

/// Installs the package, unless containerd is there already. Returns whether a dry run could not determine all changes.
fn install_package(host: &mut Host, facts: &Facts, request: &ContainerdRequest) -> Result<bool> {
    let name = match &facts.package {
        Some((name, _)) => name,
        None if facts.is_installed => {
            refuse_ignored(host, "containerd", false, (request.hold, request.offline.is_some()))?;
            return Ok(false);
        }
        None => PACKAGES[0],
    };
    if !host.root.is_live() && facts.is_installed {
        refuse_ignored(host, "containerd", true, (request.hold, request.offline.is_some()))?;
        return Ok(false);
    }
    let wanted = edge_apt::Request {
        source: None,
        pin: None,
        obsolete: Vec::new(),
        packages: vec![PackageRequest { name: PackageName::parse(name)?, version: VersionRequest::Any }],
        hold: request.hold,
        downgrade: false,
        offline: request.offline.as_deref().map(Offline::open).transpose()?,
        wait: request.wait,
    };
    Ok(edge_apt::install(host, &wanted)?.waits)
}

/// Plans the files. Returns whether containerd must be restarted for them.
fn configure(facts: &Facts, request: &ContainerdRequest, plan: &mut Plan) -> Result<bool> {
    let major = facts.major.ok_or_else(|| {
        Error::failed("cannot configure containerd: its version is unknown, as it has no package and does not answer")
            .hint("start it, and run again: systemctl start containerd.service")
    })?;
    facts.config()?;
    let path = &facts.path;
    let text = utf8(facts.file.state.describe(), &facts.file.state, &facts.file.bytes, path)?;
    let (edited, details) = edit::config(path, text, &request.settings, major)?;
    let must_restart = !details.is_empty();
    if must_restart {
        if let Some(import) = facts.imports.first() {
            return Err(Error::cannot(
                "edit",
                path,
                format!("it imports {}, which takes precedence in the CRI", import.display()),
            )
            .with_exit(Exit::Refused)
            .hint(format!("move its settings of the CRI into {}, and run again", path.display())));
        }
        let node = Node::File { content: Bytes::Known(edited.into_bytes()), mode: MODE };
        plan.write(path, facts.file.clone(), node, Inverse::Whole, "settings of containerd").details = details;
    }
    for file in &facts.hosts {
        let mirrors: Vec<_> = request.mirrors.iter().filter(|mirror| mirror.host == file.registry).collect();
        let text = utf8(file.was.state.describe(), &file.was.state, &file.was.bytes, &file.path)?;
        let (edited, details) = edit::hosts(&file.path, text, &mirrors)?;
        if !details.is_empty() {
            let node = Node::File { content: Bytes::Known(edited.into_bytes()), mode: MODE };
            let why = format!("mirrors of {}", file.registry);
            plan.write(&file.path, file.was.clone(), node, Inverse::Whole, why).details = details;
        }
    }
    Ok(must_restart)
}

fn utf8<'b>(what: impl std::fmt::Display, state: &State, bytes: &'b [u8], path: &std::path::Path) -> Result<&'b str> {
    let moved = format!("move it away: mv {0} {0}.old", path.display());
    if !matches!(state, State::File { .. } | State::Absent) {
        return Err(Error::cannot("write", path, format!("it is {what}")).with_exit(Exit::Refused).hint(moved));
    }
    std::str::from_utf8(bytes)
        .map_err(|_| Error::cannot("edit", path, "it is not UTF-8 text").with_exit(Exit::Refused).hint(moved))
}

/// Plans to enable the unit, and to start or restart it. A restart keeps containers running: each has a shim of its own.
fn plan_start(host: &Host, facts: &Facts, must_restart: bool, plan: &mut Plan) -> Result<Start> {
    facts.unit.enable(plan)?;
    if facts.unit.file.is_none() || !edge_systemd::is_running(&host.root)? {
        return Ok(Start::Any);
    }
    let state = startup::state(UNIT)?;
    if state.active != "active" {
        plan.run(systemctl::start_no_block(UNIT), "to run it now");
    } else if must_restart || is_outdated(host, facts)? {
        plan.run(systemctl::restart_no_block(UNIT), "to load its configuration");
        return Ok(Start::After(state.invocation));
    }
    Ok(Start::Any)
}

/// Whether the daemon was started with another configuration than that of its file.
fn is_outdated(host: &Host, facts: &Facts) -> Result<bool> {
    let driver = facts.config()?.driver();
    let answer = answer(host, &facts.socket())?;
    // Without the CRI it does not answer, and older ones do not report their driver.
    Ok(answer.is_none_or(|answer| answer.driver.is_some_and(|other| other != driver)))
}

/// Refuses to change the driver while containers run: those of one driver cannot be stopped under the other.
fn refuse_driver_change(host: &Host, facts: &Facts, request: &ContainerdRequest) -> Result<()> {
    let Some(systemd) = request.settings.systemd_cgroup else { return Ok(()) };
    let (now, requested) = (facts.config()?.driver(), if systemd { "systemd" } else { "cgroupfs" });
    if now == requested {
        return Ok(());
    }
    refuse_running(host, &facts.socket(), &format!("change the cgroup driver from {now} to {requested}"), DRAIN)
}

/// Reports what answers and what it is not ready for. Fails if it cannot run containers, or has not the configured driver.
fn report(host: &mut Host, facts: &Facts, answer: &edge_cri::Answer) -> Result<()> {
    let socket = facts.socket();
    let driver = facts.config()?.driver();
    host.report.line(&format!(
        "{} {} answers on {} (CRI {}, {driver} cgroups)",
        answer.name,
        answer.version,
        socket.display(),
        answer.api
    ));
    if let Some(other) = answer.driver.filter(|other| *other != driver) {
        return Err(Error::failed(format!("cannot set the cgroup driver {driver}: containerd reports {other}"))
            .hint("for the cause: edge-pkg check containerd"));
    }
    if !answer.runtime_ready.is_met {
        return Err(Error::failed(format!(
            "cannot run containers: containerd reports: {}",
            answer.runtime_ready.message
        ))
        .hint("for the cause: edge-pkg check containerd"));
    }
    if !answer.network_ready.is_met {
        host.report.warning(&format!("pods get no network yet: containerd reports: {}", answer.network_ready.message));
        host.report.hint("for details: edge-cni check");
    }
    Ok(())
}
