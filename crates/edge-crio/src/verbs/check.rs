//! `edge-crio check`.

use std::path::Path;
use std::time::Duration;

use edge_host::{Host, Outcome, Result, State, processes};
use edge_kubeedge::Kind;
use edge_kubeedge::paths::EDGECORE_YAML;
use edge_kubeedge::runtime::{Runtime, runtime};
use edge_systemd::{Scope, Units};
use nix::errno::Errno;
use nix::unistd::{AccessFlags, access};

use crate::bundle::{EXECUTABLE, MANIFEST, Manifest};
use crate::check::{
    self, Finding, Neighbours, Severity, agreement, configuration, docker_driver, kubelet_driver, running, unloadable,
};
use crate::config::{self, Effective};
use crate::cri::{self, Answer};
use crate::facts::{self, socket_path};
use crate::unit::{self, UNIT, UnitFacts};
use crate::verbs::up;
use crate::version::Version;
use crate::{apt, cni};

const KUBELET: &str = "/var/lib/kubelet/config.yaml";
const DOCKER: &str = "/etc/docker/daemon.json";
const KUBELET_UNIT: &str = "kubelet.service";
/// Where runtimes listen.
const SOCKETS: [&str; 5] = [
    "/run/crio/crio.sock",
    "/run/containerd/containerd.sock",
    "/run/cri-dockerd.sock",
    "/run/dockershim.sock",
    "/run/isulad.sock",
];
const ASK_WITHIN: Duration = Duration::from_secs(5);
/// What CRI-O calls itself.
const CRIO: &str = "cri-o";

pub(crate) fn run(host: &mut Host) -> Result<Outcome> {
    let files = config::read(host)?;
    let config = config::effective(&files);
    let mut findings = installed(host)?;
    findings.extend(unloadable(&config::unloadable(host)?));
    let socket = socket_path(config.socket());
    let asked = host.root.is_live().then(|| cri::ask(Path::new(socket), ASK_WITHIN));
    let installed = release(host)?;
    let runs = asked.iter().flatten().filter(|answer| answer.name == CRIO).find_map(up::version_of);
    findings.extend(running(installed, runs));
    // One that is of no package is known by its own word.
    let release = installed.or(runs);
    findings.extend(configuration(&files, release));
    findings.extend(storage(host, release)?);
    let mut real = None;
    if let Some(asked) = asked {
        let answer = live(host, asked, &config, &mut findings)?;
        real = answer.and_then(|answer| answer.driver).map(|driver| driver.to_string());
    } else {
        findings.extend(no_network(host, &config, Severity::Warning)?);
    }
    let driver = other_driver(host, real, config.driver(), &mut findings);
    findings.extend(agreement(&driver, socket, &neighbours(host)?));
    Ok(host.report.findings(&findings))
}

/// The driver that counts, and why it is another one than CRI-O's files say: an option counts before them.
fn other_driver(host: &Host, real: Option<String>, files_say: &str, findings: &mut Vec<Finding>) -> String {
    let option = unit::driver_option(&host.root).unwrap_or_else(|error| {
        let text = format!("{error}: whether the unit sets the cgroup driver is not known");
        findings.push(Finding::warning(UNIT, text).hint("run edge-crio check as root"));
        None
    });
    let driver = real.or_else(|| Some(option.as_ref()?.0.value.clone())).unwrap_or_else(|| files_say.to_owned());
    match option.filter(|(option, _)| option.value == driver) {
        _ if driver == files_say => {}
        Some((option, line)) => {
            let text = format!("CRI-O uses {driver} by this option, and its files say {files_say}: the option counts");
            let finding = Finding::warning(option.file.display().to_string(), text);
            findings.push(Finding { line: Some(line), ..finding.hint("set it in one place alone") });
        }
        None => {
            let text =
                format!("CRI-O uses {driver}, and its files say {files_say}: they were changed since it was started");
            findings.push(Finding::error(UNIT, text).hint(format!("systemctl restart {UNIT}")));
        }
    }
    driver
}

/// What is installed, and whether it is whole and only there once.
fn installed(host: &mut Host) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let unit = UnitFacts::read(&host.root)?;
    let manifest = Manifest::read(host)?;
    let package = apt::installed(host)?;
    if let Some(manifest) = &manifest {
        host.report.line(&format!("CRI-O {} from a bundle, {} files", manifest.version, manifest.files.len()));
        if !manifest.next.is_empty() {
            let text = "an install of CRI-O from a bundle was interrupted";
            let hint = "run the same edge-crio install again, or edge-crio undo";
            findings.push(Finding::error(MANIFEST, text).hint(hint));
        }
        for row in &manifest.files {
            host.check_interrupt()?;
            const MENDS: &str = "edge-crio install with the same version mends it";
            const REPLACES: &str = "move it away; edge-crio install with the same version then puts its own there";
            let (text, hint) = match &host.root.find_large(&row.path)?.state {
                State::File { sha256, .. } if *sha256 != row.sha256 && !row.kind.is_theirs() => {
                    ("is not what the bundle put there", MENDS)
                }
                State::File { mode, .. } if row.kind.is_run() && mode & EXECUTABLE == 0 => ("is not executable", MENDS),
                State::File { .. } => continue,
                State::Absent => ("is gone", MENDS),
                // Someone put it there, and an install leaves it.
                _ => ("is not what the bundle put there", REPLACES),
            };
            findings.push(Finding::error(row.path.display().to_string(), text).hint(hint));
        }
    }
    if let Some(version) = &package {
        host.report.line(&format!("CRI-O {version} from a package"));
    }
    if manifest.is_some() && package.is_some() {
        findings.push(
            Finding::error(
                UNIT,
                "CRI-O is installed twice, as a package and from a bundle: the bundle's unit hides the package's",
            )
            .hint("apt-get remove cri-o, or edge-crio remove"),
        );
    }
    if unit.all.len() > 1 {
        let names: Vec<String> = unit.all.iter().map(|path| path.display().to_string()).collect();
        findings.push(Finding::warning(names.join(", "), "there are several units of this name: the first one counts"));
    }
    match (&unit.file, unit.masked, unit.is_wanted) {
        (None, _, _) => findings.push(
            Finding::error(UNIT, "CRI-O is not installed: there is no such unit").hint("edge-crio install --version V"),
        ),
        (Some(_), true, _) => findings
            .push(Finding::error(UNIT, "is masked, and cannot be started").hint(format!("systemctl unmask {UNIT}"))),
        (Some(_), false, false) => findings.push(
            Finding::error(UNIT, "is not started at boot")
                .hint(format!("systemctl enable {UNIT}, or edge-crio install")),
        ),
        (Some(_), false, true) => {}
    }
    Ok(findings)
}

fn storage(host: &Host, release: Option<Version>) -> Result<Vec<Finding>> {
    if let Some((place, why)) = facts::storage_unreadable(host)? {
        let text = format!("is no TOML, and CRI-O does not start with it: {why}");
        return Ok(vec![Finding::error(place, text).hint("mend it; CRI-O does without it as well")]);
    }
    Ok(facts::storage(host)?.and_then(|storage| check::storage(&storage, release)).into_iter().collect())
}

/// The release that is installed, if that is known.
fn release(host: &Host) -> Result<Option<Version>> {
    if let Some(manifest) = Manifest::read(host)? {
        return Ok(manifest.version.parse().ok());
    }
    Ok(apt::installed(host)?.and_then(|version| apt::release_of(&version)))
}

/// Judges what the daemon said.
fn live(
    host: &mut Host,
    asked: Result<Answer>,
    config: &Effective,
    findings: &mut Vec<Finding>,
) -> Result<Option<Answer>> {
    let socket = socket_path(config.socket());
    let answer = match asked {
        Ok(answer) => answer,
        // What is not installed is not asked either.
        Err(_) if UnitFacts::read(&host.root)?.file.is_none() => return Ok(None),
        // Which says nothing about the daemon.
        Err(_) if access(socket, AccessFlags::W_OK) == Err(Errno::EACCES) => {
            findings.push(
                Finding::warning(socket, "is not for this user: CRI-O was not asked")
                    .hint("run edge-crio check as root"),
            );
            findings.extend(no_network(host, config, Severity::Warning)?);
            return Ok(None);
        }
        Err(error) => {
            let state = match UnitFacts::read(&host.root)?.has_systemd {
                true => format!("the unit is {}", unit::state()?.active),
                false => "systemd does not run here".to_owned(),
            };
            findings.push(
                Finding::error(socket, format!("{error}; {state}")).hint(format!("journalctl -u {UNIT} says why")),
            );
            findings.extend(no_network(host, config, Severity::Warning)?);
            return Ok(None);
        }
    };
    host.report.line(&format!("{} {} answers on {socket} (CRI {})", answer.name, answer.version, answer.api));
    if answer.name != CRIO {
        findings.push(Finding::error(socket, format!("{} listens here, and not CRI-O", answer.name)));
    }
    if !answer.runtime_ready.holds {
        findings.push(Finding::error(socket, format!("CRI-O cannot run containers: {}", answer.runtime_ready.message)));
    }
    if !answer.network_ready.holds {
        let causes = no_network(host, config, Severity::Error)?;
        if causes.is_empty() {
            let text = format!("pods get no network; CRI-O says: {}", answer.network_ready.message);
            findings.push(
                Finding::error(socket, text)
                    .hint(format!("systemctl restart {UNIT}, if the configuration came after it was started")),
            );
        }
        findings.extend(causes);
    } else {
        let unseen = cni::unseen_causes(host, config)?;
        findings.extend(
            unseen.into_iter().map(|cause| told(cause, Severity::Error, "CRI-O is ready, and pods get no network")),
        );
    }
    Ok(Some(answer))
}

fn no_network(host: &Host, config: &Effective, severity: Severity) -> Result<Vec<Finding>> {
    let causes = cni::causes(host, config)?;
    Ok(causes.into_iter().map(|cause| told(cause, severity, "pods get no network")).collect())
}

fn told(cause: Finding, severity: Severity, what: &str) -> Finding {
    let text = format!("{what}: {}", cause.text);
    let hint = cause.hint.clone().or_else(|| Some("edge-cni check says more".to_owned()));
    Finding { severity, text, hint, ..cause }
}

fn neighbours(host: &Host) -> Result<Neighbours> {
    let text = |path: &str| -> Result<Option<String>> {
        Ok(host.root.read(Path::new(path))?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    };
    let named = |path: &str, value: Option<String>| value.map(|value| (path.to_owned(), value));
    let mut all = Neighbours {
        edgecore: edgecore(host, text(EDGECORE_YAML)?)?.map(|runtime| (EDGECORE_YAML.to_owned(), runtime)),
        kubelet: named(KUBELET, text(KUBELET)?.and_then(|text| kubelet_driver(&text))),
        docker: named(DOCKER, text(DOCKER)?.and_then(|text| docker_driver(&text))),
        ..Neighbours::default()
    };
    let units = Units::read(&host.root, Scope::NextBoot)?;
    let kubelet = units.find(KUBELET_UNIT)?;
    if !kubelet.is_masked() && !units.links_to(&kubelet)?.is_empty() {
        all.kubelet_active = Some("starts at boot".to_owned());
    }
    if host.root.is_live() {
        for socket in SOCKETS {
            if host.root.find_link(Path::new(socket))?.exists() {
                all.sockets.push(socket.to_owned());
            }
        }
        if runs(host, "kubelet")? {
            all.kubelet_active = Some("runs".to_owned());
        }
    }
    Ok(all)
}

/// The runtime that edgecore uses by its file; none where it is no YAML, which `edge-conf check` says better.
fn edgecore(host: &Host, text: Option<String>) -> Result<Option<Runtime>> {
    let Some(document) = text.and_then(|text| edge_yaml::read(&text).ok()) else { return Ok(None) };
    let known = edge_kubeedge::version(&host.root, None, Kind::EdgeCore, &document, Some(Path::new(EDGECORE_YAML)))?;
    Ok(runtime(&document, known.version()))
}

/// Whether root runs a program of this name; anyone can give a process of theirs any name.
fn runs(host: &Host, name: &str) -> Result<bool> {
    let all = processes(&host.root)?;
    Ok(all
        .iter()
        .any(|process| process.executable().is_some_and(|path| path.ends_with(name)) && process.user() == Some(0)))
}
