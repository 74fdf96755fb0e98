//! `edge-pkg install docker`: installs, configures and starts it, and queries dockerd.

use std::path::Path;
use std::time::Duration;

use edge_host::action::{Bytes, Run, UndoOrder};
use edge_host::{Cmd, Error, Exit, Host, Inverse, Mode, Node, Outcome, Plan, Result, Scratch, State, apply, quoted};
use edge_kubeedge::Kind;
use edge_kubeedge::runtime::{accepts_docker, runtime};
use edge_kubeedge::unit::config_in_use;
use edge_systemd::startup::{self, Start, Waiting};
use edge_systemd::systemctl;

use super::{after_install, refuse_ignored};
use crate::catalog;
use crate::cli::DockerArgs;
use crate::docker::api::{self, Answer};
use crate::docker::config::MIRRORS;
use crate::docker::packages::{System, to_apt};
use crate::docker::{Facts, STOP, UNIT, edit, not_loaded, refused_mirror, running};
use crate::request::{DockerRequest, Origin};

const MODE: u32 = 0o644;
const ASK_WITHIN: Duration = Duration::from_secs(5);
/// A reload takes a moment; a failed one is only in the log.
const RELOAD_WITHIN: Duration = Duration::from_secs(10);
const VALIDATE_WITHIN: Duration = Duration::from_secs(30);
const COMMAND_WITHIN: Duration = Duration::from_secs(90);
/// Without `reload`, for which the unit runs kill of procps, which a minimal system does not have.
const HANG_UP: [&str; 3] = ["kill", "--kill-who=main", "--signal=HUP"];
const DOCKERSHIM: &str = "dockershim";

/// What makes dockerd load its file.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Load {
    Nothing,
    Start,
    Reload,
    Restart { before: String },
}

pub(crate) fn run(host: &mut Host, args: &DockerArgs) -> Result<Outcome> {
    let request = DockerRequest::of(args)?;
    refuse_for_edgecore(host, &request)?;
    let facts = Facts::read(host)?;
    // Errors of the configuration are reported before anything is installed.
    configure(host, &facts, &request)?;
    let was_installed = facts.is_installed;
    let waits = install_packages(host, &facts, &request)?;
    host.prepare_change()?;
    let facts = Facts::read(host)?;
    let mut plan = Plan::new();
    let mut load = Load::Nothing;
    if facts.is_installed {
        load = plan_docker(host, &facts, &request, &mut plan).map_err(|error| after_install(error, was_installed))?;
    }
    if waits || !facts.is_installed {
        host.count_unlisted();
    }
    let outcome = apply(host, plan)?;
    if host.mode == Mode::DryRun {
        if !facts.is_installed {
            host.report.note("further changes depend on the package: daemon.json");
        }
        return Ok(outcome);
    }
    if outcome.exit != Exit::Done || !host.root.is_live() {
        return Ok(outcome);
    }
    if outcome.changed {
        host.report.note("members of the group docker have the rights of root: edge-pkg adds nobody to it");
    }
    if !edge_systemd::is_running(&host.root)? {
        host.report.warning("systemd is not running: Docker is configured, but was not started");
        return Ok(outcome);
    }
    let after = Facts::read(host)?;
    match wait(host, &after, &load, request.wait) {
        Ok(answer) => {
            let (version, driver, socket) = (&answer.version, &answer.driver, after.socket());
            host.report.line(&format!("Docker {version} answers on {} ({driver} cgroups)", socket.display()));
            Ok(outcome)
        }
        Err(error) if after.file != facts.file => Err(restore(host, &facts, &after, &error)),
        Err(error) => Err(error),
    }
}

/// Refuses (exit 4) Docker for an edgecore that cannot use it: without an explicit socket of another runtime in its file,
/// Docker would be expected to run its pods.
fn refuse_for_edgecore(host: &Host, request: &DockerRequest) -> Result<()> {
    let kind = Kind::EdgeCore;
    let file = config_in_use(&host.root, kind)?.path;
    let text = host.root.read(&file)?.unwrap_or_default();
    let document = edge_yaml::read(&String::from_utf8_lossy(&text)).unwrap_or(edge_yaml::Value::Null);
    let known = edge_kubeedge::version(&host.root, request.kubeedge, kind, &document, Some(&file))?;
    let Some(version) = known.version().filter(|version| !accepts_docker(*version)) else { return Ok(()) };
    let endpoint = runtime(&document, Some(version)).and_then(|runtime| runtime.endpoint);
    let uses_another = request.kubeedge.is_none() && endpoint.is_some_and(|socket| !socket.contains(DOCKERSHIM));
    if request.is_beside_edgecore || uses_another {
        return Ok(());
    }
    Err(Error::refused(format!(
        "cannot install Docker for edgecore: KubeEdge {version} has no dockershim, and cannot run pods with Docker"
    ))
    .hint(
        "use containerd: edge-pkg install containerd; if Docker is for other containers than pods: \
         edge-pkg install docker --beside-edgecore",
    ))
}

/// Installs the packages, unless dockerd is there already. Returns whether a dry run could not determine all changes.
fn install_packages(host: &mut Host, facts: &Facts, request: &DockerRequest) -> Result<bool> {
    let is_without_package = facts.is_installed && facts.package.is_none() && request.version.is_none();
    if is_without_package || facts.is_installed && !host.root.is_live() && request.version.is_none() {
        refuse_ignored(
            host,
            "Docker",
            facts.package.is_some(),
            (request.hold, matches!(request.from, Origin::Directory(_))),
        )?;
        return Ok(false);
    }
    let system = System::read(&host.root)?;
    let wanted = to_apt(facts, request, &catalog::docker()?, &system)?;
    Ok(edge_apt::install(host, &wanted)?.waits)
}

/// The edited file and a line for each change.
fn configure(host: &Host, facts: &Facts, request: &DockerRequest) -> Result<(String, Vec<String>)> {
    let path = &facts.path;
    let bytes = match &facts.file.state {
        State::Absent => None,
        State::File { .. } => Some(facts.file.bytes.as_slice()),
        other => {
            let cause = format!("it is {}", other.describe());
            let word = quoted(&path.display().to_string());
            let moved = format!("move it away: mv {word} {word}.old");
            return Err(Error::cannot("write", path, cause).with_exit(Exit::Refused).hint(moved));
        }
    };
    let config = facts.config.as_ref().map_err(|problem| edit::refused(path, problem))?;
    if let Some(flag) = facts.conflicts(config).next() {
        let cause = format!(
            "it sets {}, and {} passes --{}: dockerd does not start with both",
            flag.key(),
            flag.place(),
            flag.name
        );
        return Err(Error::cannot("edit", path, cause)
            .with_exit(Exit::Refused)
            .hint("remove one of them, and run again"));
    }
    let mut settings = facts.without_flags(&request.settings)?;
    let answer = facts.answer(host)?;
    // The default of this host is not repeated in the file, as that would restart dockerd.
    let reported = answer.as_ref().map(|answer| answer.driver.as_str());
    if config.driver().is_none() && settings.driver.is_some_and(|driver| reported == Some(driver)) {
        settings.driver = None;
    }
    let installed = facts.package.as_ref().map(|(_, version)| version);
    let version = match &request.version {
        Some(stream) if installed.is_none_or(|version| !stream.contains(version)) => stream.to_string(),
        _ => installed
            .map(|version| version.upstream().to_owned())
            .or(answer.map(|answer| answer.version))
            .unwrap_or_default(),
    };
    let mirrors = [settings.mirrors.clone(), config.strings(MIRRORS).unwrap_or_default()].concat();
    if let Some(mirror) = refused_mirror(&version, &mirrors) {
        let cause = format!("dockerd {version} does not start with the mirror {mirror}, as it has a path");
        return Err(Error::cannot("edit", path, cause)
            .with_exit(Exit::Refused)
            .hint("use a mirror without a path, or Docker 24.0.8 or newer"));
    }
    edit::config(path, bytes, &settings)
}

/// Plans the file, and to enable the unit and to start, reload or restart it.
fn plan_docker(host: &mut Host, facts: &Facts, request: &DockerRequest, plan: &mut Plan) -> Result<Load> {
    let (edited, details) = configure(host, facts, request)?;
    let is_changed = !details.is_empty();
    if is_changed {
        if host.mode == Mode::Apply && host.root.is_live() {
            validate(host, facts, &edited)?;
        }
        let node = Node::File { content: Bytes::Known(edited.into_bytes()), mode: MODE };
        plan.write(&facts.path, facts.file.clone(), node, Inverse::Whole, "settings of Docker").details = details;
    }
    let answer = facts.answer(host)?;
    let changes_driver =
        request.settings.driver.is_some_and(|driver| answer.as_ref().is_none_or(|answer| answer.driver != driver));
    let must_restart = changes_driver && (is_changed || answer.is_some());
    if must_restart && let Some(found) = running(host, facts, true)? {
        let is_live_restore = answer.as_ref().is_some_and(|answer| answer.has_live_restore);
        if !request.may_end_containers || is_live_restore {
            let why = "the cgroup driver needs a restart of dockerd";
            let hint = match is_live_restore {
                true => STOP.to_owned(),
                false => format!("{STOP}; to end them with the restart: add --yes"),
            };
            return Err(Error::refused(format!("cannot change the cgroup driver: {why}, and {found}")).hint(hint));
        }
    }
    facts.unit.enable(plan)?;
    if facts.unit.file.is_none() || !edge_systemd::is_running(&host.root)? {
        return Ok(Load::Nothing);
    }
    let state = startup::state(UNIT)?;
    if state.active != "active" {
        plan.run(systemctl::start_no_block(UNIT), "to run it now");
        return Ok(Load::Start);
    }
    if must_restart {
        plan.run(systemctl::restart_no_block(UNIT), "to load its configuration");
        return Ok(Load::Restart { before: state.invocation });
    }
    let is_outdated = answer.as_ref().is_some_and(|answer| not_loaded(facts, answer).is_some());
    if is_changed || is_outdated {
        let reload = Run::new(systemctl::argv(&HANG_UP, UNIT), COMMAND_WITHIN);
        let undo =
            format!("systemctl is-active --quiet {UNIT} || exit 0; {}", systemctl::argv(&HANG_UP, UNIT).join(" "));
        let reload = reload.undone_by(UndoOrder::Finally, ["sh", "-c", &undo]);
        plan.run(reload, "to load its configuration, without a restart");
        return Ok(Load::Reload);
    }
    Ok(Load::Nothing)
}

/// dockerd's own opinion of the file together with its flags; versions before 23.0 have none.
fn validate(host: &Host, facts: &Facts, edited: &str) -> Result<()> {
    let Some((program, words)) = facts.words.split_first() else { return Ok(()) };
    // A shell or another program before it would take the options for its own.
    if Path::new(&program.text).file_name().is_none_or(|name| name != "dockerd") {
        return Ok(());
    }
    let scratch = Scratch::make(host)?;
    let file = scratch.write("daemon.json", edited.as_bytes())?;
    let command =
        Cmd::at(&program.text).args(words.iter().map(|word| word.text.as_str())).args(["--validate", "--config-file"]);
    let command = command.arg(&file).deadline(VALIDATE_WITHIN);
    let output = command.output()?;
    if output.status.success() || output.stderr.contains("unknown flag: --validate") {
        return Ok(());
    }
    let said = output.last_words();
    let said = said.split_once(" configuration: ").map_or(said.as_str(), |(_, said)| said);
    let said = said.replace(&format!("{}: ", file.display()), "");
    let hint = format!("repair {}, and run again", facts.path.display());
    Err(Error::cannot("edit", &facts.path, format!("dockerd --validate reports: {said}"))
        .with_exit(Exit::Refused)
        .hint(hint))
}

/// Waits until dockerd answers and has loaded its file.
fn wait(host: &mut Host, facts: &Facts, load: &Load, within: Duration) -> Result<Answer> {
    let start = match load {
        Load::Restart { before } => Start::After(before.clone()),
        _ => Start::Any,
    };
    let within = if *load == Load::Reload { within.min(RELOAD_WITHIN) } else { within };
    let hint = "see the log above; for the cause: edge-pkg check docker";
    let socket = facts.socket();
    let ask = || {
        let answer = api::ask(&socket, ASK_WITHIN)?;
        match not_loaded(facts, &answer) {
            Some(what) => Err(Error::failed(format!("dockerd has not loaded {what}"))),
            None => Ok(answer),
        }
    };
    startup::wait(host, &Waiting { unit: UNIT, name: "dockerd", start: &start, within, hint }, &ask, &|| None)
}

/// Puts the earlier file back and starts dockerd with it. Returns the error to report.
fn restore(host: &mut Host, before: &Facts, after: &Facts, error: &Error) -> Error {
    let mut restored = || -> Result<()> {
        let mut plan = Plan::new();
        let why = "the earlier file, as dockerd did not start with the new one";
        match before.file.state {
            State::File { mode, .. } => {
                let node = Node::File { content: Bytes::Known(before.file.bytes.clone()), mode };
                plan.write(&after.path, after.file.clone(), node, Inverse::Whole, why);
            }
            _ => {
                plan.remove(&after.path, after.file.clone(), why);
            }
        }
        plan.run(systemctl::reset_failed(UNIT), "to start it again");
        plan.run(systemctl::restart_no_block(UNIT), "to load the earlier file");
        apply(host, plan)?;
        wait(host, before, &Load::Start, COMMAND_WITHIN).map(|_| ())
    };
    let restored = restored();
    let path = after.path.display();
    match restored {
        Ok(()) => {
            Error::failed(format!("{}; the earlier {path} was restored, and dockerd runs with it", error.message()))
                .hint("see the log above, and request settings that this dockerd accepts")
        }
        Err(second) => {
            let now = host.root.find(&after.path).ok();
            let is_back = now.is_some_and(|now| now.exists() == before.file.exists() && now.bytes == before.file.bytes);
            let state = if is_back { "was restored, but" } else { "was not restored" };
            Error::failed(format!("{}; the earlier {path} {state}: {}", error.message(), second.message()))
                .hint(format!("see the log of the unit: journalctl -u {UNIT}"))
        }
    }
}
