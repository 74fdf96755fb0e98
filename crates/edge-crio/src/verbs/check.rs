//! `edge-crio check`: reads the facts and reports problems.

use std::path::Path;
use std::time::Duration;

use edge_cri::Answer;
use edge_host::{Host, Outcome, Result, State, processes};
use edge_kubeedge::Kind;
use edge_kubeedge::runtime::{Runtime, runtime};
use edge_kubeedge::unit::config_in_use;
use edge_systemd::{Scope, Units};
use nix::errno::Errno;
use nix::unistd::{AccessFlags, access};

use crate::bundle::{EXECUTABLE, MANIFEST, Manifest};
use crate::config::{self, Current, Effective};
use crate::diagnose::{
    self, Finding, OtherServices, Severity, configuration, docker_driver, keys, kubelet_driver, references, running,
    services, unloadable,
};
use crate::facts::{self, socket_path};
use crate::references::References;
use crate::unit::{self, UNIT};
use crate::verbs::startup;
use crate::version::Version;
use crate::{apt, cni, log};

const KUBELET: &str = "/var/lib/kubelet/config.yaml";
const DOCKER: &str = "/etc/docker/daemon.json";
const KUBELET_UNIT: &str = "kubelet.service";
/// The sockets of container runtimes.
const SOCKETS: [&str; 5] = [
    "/run/crio/crio.sock",
    "/run/containerd/containerd.sock",
    "/run/cri-dockerd.sock",
    "/run/dockershim.sock",
    "/run/isulad.sock",
];
const ASK_WITHIN: Duration = Duration::from_secs(5);
/// CRI-O's name in the CRI.
const CRIO: &str = "cri-o";

pub(crate) fn run(host: &mut Host) -> Result<Outcome> {
    let current = Current::read(host)?;
    let config = current.effective.clone();
    let socket = socket_path(config.socket());
    let answer = host.root.is_live().then(|| edge_cri::ask(Path::new(socket), ASK_WITHIN));
    let answers = answer.iter().flatten().any(|answer| answer.name == CRIO);
    let mut findings = installed(host, answers)?;
    findings.extend(options(host, &current)?);
    findings.extend(unloadable(&config::unloadable(host, &current.options)?));
    let installed = installed_release(host)?;
    let runs = answer.iter().flatten().filter(|answer| answer.name == CRIO).find_map(startup::version_of);
    findings.extend(running(installed, runs));
    // Of a CRI-O that was not installed by edge-crio or apt only the running release is known.
    let release = installed.or(runs);
    findings.extend(configuration(&current, release));
    findings.extend(keys(&current, release)?);
    // Without CRI-O all of them are missing.
    if unit::read(&host.root)?.file.is_some() {
        findings.extend(references(&References::read(host, &current, runs.is_some())?, release)?);
    }
    findings.extend(storage(host, &current, release)?);
    let mut actual = None;
    if let Some(answer) = answer {
        let answer = live(host, answer, &config, &mut findings)?;
        actual = answer.and_then(|answer| answer.driver).map(|driver| driver.to_string());
    } else {
        findings.extend(no_network(host)?);
    }
    let driver = effective_driver(actual, &current, &mut findings);
    let others = other_services(host, &mut findings)?;
    findings.extend(services(&driver, socket, &others));
    if let Some(release) = release.filter(|release| release.patch.is_some()) {
        for hint in findings.iter_mut().filter_map(|finding| finding.hint.as_mut()) {
            *hint = hint.replace("--version V", &format!("--version {release}"));
        }
    }
    Ok(host.report.findings(&findings))
}

/// Problems of the unit's options that decide which files CRI-O reads.
fn options(host: &Host, current: &Current) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    if let Some(problem) = &current.options.problem {
        let text = format!("{problem}: cannot determine whether the unit sets options that override CRI-O's files");
        findings.push(Finding::warning(UNIT, text).hint("run it as root: sudo edge-crio check"));
    }
    let (option, file) = (current.options.main_option(), current.options.main_file());
    if let Some((option, file)) = option.zip(file).filter(|(_, file)| *file != Path::new(config::MAIN))
        && !host.root.find_link(&file)?.exists()
    {
        let text = format!("--config names {}, which does not exist: CRI-O does not start", file.display());
        findings.push(Finding::error(&option.file, text).on_line(Some(option.line)));
    }
    Ok(findings)
}

/// The cgroup driver in use, with a finding if it is not the one in CRI-O's files: an option takes precedence over them.
fn effective_driver(actual: Option<String>, current: &Current, findings: &mut Vec<Finding>) -> String {
    let in_files = config::effective(&current.files);
    let (configured, in_use) = (in_files.driver(), current.effective.driver());
    let driver = actual.unwrap_or_else(|| in_use.to_owned());
    let option = current.options.text("crio.runtime.cgroup_manager");
    match option.filter(|option| option.value == driver) {
        _ if driver == configured => {}
        Some(_) if in_files.cgroup_manager.is_none() => {}
        Some(option) => {
            let text = format!("the cgroup driver {driver} that is set here overrides {configured} in CRI-O's files");
            findings.push(
                Finding::warning(option.file, text)
                    .on_line(Some(option.line))
                    .hint("set the cgroup driver in one place only"),
            );
        }
        None => {
            let text = format!(
                "CRI-O uses the cgroup driver {driver}, but its files set {configured}: they were changed after it was started"
            );
            findings.push(Finding::error(UNIT, text).hint(format!("restart it: systemctl restart {UNIT}")));
        }
    }
    driver
}

/// Reports what is installed, and checks that it is complete and installed only once; `answers`: CRI-O runs.
fn installed(host: &mut Host, answers: bool) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let unit = unit::read(&host.root)?;
    let manifest = Manifest::read(host)?;
    let package = apt::installed(host)?;
    if let Some(manifest) = &manifest {
        host.report.line(&format!("CRI-O {} from a bundle, {} files", manifest.version, manifest.files.len()));
        if !manifest.next.is_empty() {
            let text = "an install of CRI-O from a bundle was interrupted";
            let hint = "run the same edge-crio install command again to resume, or revert it: edge-crio undo";
            findings.push(Finding::error(MANIFEST, text).hint(hint));
        }
        let cni = edge_conflist::record::read(host)?;
        let of_cni = manifest.files.iter().filter(|row| cni.owns(&row.path)).count();
        if of_cni > 0 {
            host.report.line(&format!("{of_cni} plugins of the bundle were replaced by edge-cni, and belong to it"));
        }
        for row in manifest.files.iter().filter(|row| !cni.owns(&row.path)) {
            host.check_interrupt()?;
            let repair = format!("install the same version again: edge-crio install --version {}", manifest.version);
            let replace = format!("move it away, then {repair}");
            let (text, hint) = match &host.root.find_large(&row.path)?.state {
                State::File { sha256, .. } if *sha256 != row.sha256 && !row.kind.is_editable() => {
                    ("the file differs from that of the bundle", repair)
                }
                State::File { mode, .. } if row.kind.is_executable() && mode & EXECUTABLE == 0 => {
                    ("the file is not executable", repair)
                }
                State::File { .. } => continue,
                State::Absent => ("the file does not exist", repair),
                // Someone replaced it, and an install does not overwrite that.
                _ => ("it differs from the file of the bundle", replace),
            };
            findings.push(Finding::error(&row.path, text).hint(hint));
        }
    }
    if let Some(version) = &package {
        host.report.line(&format!("CRI-O {version} from a package"));
    }
    if manifest.is_some() && package.is_some() {
        findings.push(
            Finding::error(
                UNIT,
                "CRI-O is installed twice, from a package and from a bundle: the bundle's unit overrides the package's",
            )
            .hint("remove the package: apt-get remove cri-o"),
        );
    }
    if unit.all.len() > 1 {
        let others: Vec<String> = unit.all[1..].iter().map(|path| path.display().to_string()).collect();
        let text = format!("this unit overrides others of its name: {}", others.join(", "));
        findings.push(Finding::warning(&unit.all[0], text));
    }
    match &unit.file {
        None if answers => findings.push(Finding::warning(
            UNIT,
            "the unit does not exist, although CRI-O is running: systemd does not start it at boot",
        )),
        None => findings
            .push(Finding::error(UNIT, "CRI-O is not installed: the unit does not exist").hint(unit::INSTALL_HINT)),
        Some(_) => findings.extend(unit.not_started(Severity::Error)),
    }
    Ok(findings)
}

fn storage(host: &Host, current: &Current, release: Option<Version>) -> Result<Vec<Finding>> {
    if let Some((path, line)) = facts::invalid_storage(host, current)? {
        let finding = Finding::error(path, "the file is not valid TOML: CRI-O does not start").on_line(Some(line));
        return Ok(vec![finding.hint("repair it, or remove it to use the defaults")]);
    }
    Ok(facts::storage(host, current)?.and_then(|storage| diagnose::storage(&storage, release)).into_iter().collect())
}

/// Where the socket is set, for a message.
fn place_of(listen: Option<&config::Setting>) -> String {
    listen.map(|one| format!("; listen is set in {}:{}", one.file.display(), one.line)).unwrap_or_default()
}

/// The installed release, if it is known.
pub(crate) fn installed_release(host: &Host) -> Result<Option<Version>> {
    if let Some(manifest) = Manifest::read(host)? {
        return Ok(manifest.version.parse().ok());
    }
    Ok(apt::installed(host)?.and_then(|version| Version::of_package(&version)))
}

/// Checks the daemon's answer.
fn live(
    host: &mut Host,
    answer: Result<Answer>,
    config: &Effective,
    findings: &mut Vec<Finding>,
) -> Result<Option<Answer>> {
    let socket = socket_path(config.socket());
    let answer = match answer {
        Ok(answer) => answer,
        // That it is not installed is reported already.
        Err(_) if unit::read(&host.root)?.file.is_none() => return Ok(None),
        // Without permission the state of the daemon is unknown.
        Err(_) if access(socket, AccessFlags::W_OK) == Err(Errno::EACCES) => {
            findings.push(
                Finding::warning(socket, "this user cannot connect to it: the state of CRI-O is unknown")
                    .hint("run it as root: sudo edge-crio check"),
            );
            findings.extend(no_network(host)?);
            return Ok(None);
        }
        Err(error) => {
            let state = match unit::read(&host.root)?.has_systemd {
                true => {
                    let active = unit::state()?.active;
                    // A unit that was stopped may have an old one.
                    if ["failed", "activating"].contains(&active.as_str())
                        && let Ok(Some(fatal)) = log::last_fatal()
                    {
                        let text = format!("CRI-O does not start, it reports: {fatal}");
                        findings.push(
                            Finding::error(UNIT, text)
                                .hint(format!("correct that, then start it: systemctl restart {UNIT}")),
                        );
                    }
                    format!("the unit is {active}")
                }
                false => "systemd is not running".to_owned(),
            };
            findings.push(
                Finding::error(socket, format!("{error}; {state}{}", place_of(config.listen.as_ref())))
                    .hint(format!("see the log of the unit: journalctl -u {UNIT}")),
            );
            findings.extend(no_network(host)?);
            return Ok(None);
        }
    };
    host.report.line(&format!("{} {} answers on {socket} (CRI {})", answer.name, answer.version, answer.api));
    if answer.name != CRIO {
        findings.push(Finding::error(socket, format!("{} answers here instead of CRI-O", answer.name)));
    }
    if !answer.runtime_ready.is_met {
        findings.push(Finding::error(socket, format!("CRI-O cannot run containers: {}", answer.runtime_ready.message)));
    }
    let network = cni::Network::read(host)?;
    let answer = network.ask_again(host, Path::new(socket), answer)?;
    if let Some(used) = network.used() {
        host.report.line(used);
    }
    let is_ready = answer.network_ready.is_met;
    if !is_ready && network.errors().next().is_none() {
        let text = format!("pods get no network: CRI-O reports: {}", answer.network_ready.message);
        findings.push(Finding::error(socket, text).hint(format!(
            "if the network was configured after CRI-O was started, restart it: systemctl restart {UNIT}"
        )));
    }
    findings.extend(network.findings(is_ready, startup::version_of(&answer), Severity::Error));
    Ok(Some(answer))
}

/// The findings about the network where CRI-O does not answer.
///
/// Without any configuration it is a warning: the network plugin of the cluster brings one.
fn no_network(host: &mut Host) -> Result<Vec<Finding>> {
    let network = cni::Network::read(host)?;
    let most = if network.is_configured() { Severity::Error } else { Severity::Warning };
    if let Some(used) = network.used() {
        host.report.line(used);
    }
    let release = installed_release(host)?;
    Ok(network.findings(false, release, most))
}

/// The settings of the other services, with a finding for each file that cannot be compared.
fn other_services(host: &Host, findings: &mut Vec<Finding>) -> Result<OtherServices> {
    let edgecore_file = config_in_use(&host.root, Kind::EdgeCore)?.path;
    let mut all = OtherServices {
        edgecore: setting(host, &edgecore_file, findings, |text| edgecore(host, &edgecore_file, text))?,
        kubelet: setting(host, Path::new(KUBELET), findings, |text| Ok(kubelet_driver(text)))?,
        docker: setting(host, Path::new(DOCKER), findings, |text| Ok(docker_driver(text)))?,
        ..OtherServices::default()
    };
    let units = Units::read(&host.root, Scope::NextBoot)?;
    let kubelet = units.find(KUBELET_UNIT)?;
    if !kubelet.is_masked() && !units.links_to(&kubelet)?.is_empty() {
        all.kubelet_active = Some("is enabled".to_owned());
    }
    if host.root.is_live() {
        for socket in SOCKETS {
            if host.root.find_link(Path::new(socket))?.exists() {
                all.sockets.push(socket.to_owned());
            }
        }
        if is_running(host, "kubelet")? {
            all.kubelet_active = Some("is running".to_owned());
        }
    }
    Ok(all)
}

/// What `read` finds in a file, with the path of the file. A file that is not valid becomes a finding.
fn setting<T>(
    host: &Host,
    path: &Path,
    findings: &mut Vec<Finding>,
    read: impl Fn(&str) -> Result<std::result::Result<Option<T>, String>>,
) -> Result<Option<(String, T)>> {
    let Some(bytes) = host.root.read(path)? else { return Ok(None) };
    match read(&String::from_utf8_lossy(&bytes))? {
        Ok(value) => Ok(value.map(|value| (path.display().to_string(), value))),
        Err(cause) => {
            let text = format!("cannot compare its settings with those of CRI-O: {cause}");
            findings.push(Finding::error(path, text));
            Ok(None)
        }
    }
}

/// The runtime that edgecore's file configures.
fn edgecore(host: &Host, path: &Path, text: &str) -> Result<std::result::Result<Option<Runtime>, String>> {
    let document = match edge_yaml::read(text) {
        Ok(document) => document,
        Err(cause) => return Ok(Err(cause.to_string())),
    };
    let known = edge_kubeedge::version(&host.root, None, Kind::EdgeCore, &document, Some(path))?;
    Ok(Ok(runtime(&document, known.version())))
}

/// Whether root runs a program of this name; any user can give a process any name.
fn is_running(host: &Host, name: &str) -> Result<bool> {
    let all = processes(&host.root)?;
    Ok(all
        .iter()
        .any(|process| process.executable().is_some_and(|path| path.ends_with(name)) && process.user() == Some(0)))
}
