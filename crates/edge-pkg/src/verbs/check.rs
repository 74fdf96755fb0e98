//! `edge-pkg check`: reads the facts and reports problems.

use std::path::{Path, PathBuf};
use std::time::Duration;

use edge_apt::{Expected, PackageName};
use edge_host::{Finding, Host, Outcome, Result};
use edge_kubeedge::Kind;
use edge_kubeedge::runtime::{Runtime, runtime};
use edge_kubeedge::unit::config_in_use;
use edge_systemd::startup;
use edge_yaml::Value;
use nix::errno::Errno;
use nix::unistd::{AccessFlags, access};

use crate::cli::Subject;
use crate::diagnose::{Daemon, DockerUsers, LOOPBACK, Others};
use crate::facts::Facts;
use crate::kubernetes::NAME;
use crate::{catalog, containerd, diagnose, docker};

const STATUS: &str = "/var/lib/dpkg/status";
const GROUP: &str = "/etc/group";
const KUBELET: &str = "/var/lib/kubelet/config.yaml";
/// kubelet's default.
const DEFAULT_DRIVER: &str = "cgroupfs";
/// Where edge-cni and every guide install CNI plugins.
const CNI_BIN: &str = "/opt/cni/bin";
const ASK_WITHIN: Duration = Duration::from_secs(5);

pub(crate) fn run(host: &mut Host, what: Option<Subject>) -> Result<Outcome> {
    let is_named = |subject| what == Some(subject);
    let containerd = containerd::Facts::read(host, &[])?;
    let docker = docker::Facts::read(host)?;
    let has_runtime = containerd.is_installed || docker.is_installed;
    let mut findings = Vec::new();
    // A host without dpkg may have containerd or Docker.
    if what.is_none_or(|subject| subject == Subject::Kubernetes) && (what.is_some() || !has_runtime || has_dpkg(host)?)
    {
        findings.extend(of_kubernetes(host, is_named(Subject::Kubernetes), has_runtime)?);
    }
    if is_named(Subject::Containerd) || what.is_none() && containerd.is_installed {
        findings.extend(of_containerd(host, &containerd)?);
    }
    if is_named(Subject::Docker) || what.is_none() && docker.is_installed {
        findings.extend(of_docker(host, &docker)?);
    }
    Ok(host.report.findings(&findings))
}

fn has_dpkg(host: &Host) -> Result<bool> {
    Ok(edge_apt::status_if_any(host)?.is_some())
}

fn of_kubernetes(host: &mut Host, is_named: bool, has_runtime: bool) -> Result<Vec<Finding>> {
    let facts = Facts::read(host)?;
    let again = diagnose::again(&facts);
    for package in &facts.packages {
        let held = if package.held { "held" } else { "not held" };
        host.report.line(&format!("{} {}, {held}", package.name, package.version));
    }
    let mut findings = Vec::new();
    if facts.packages.is_empty() && (is_named || !has_runtime) {
        let (text, hint) = match is_named {
            true => (
                "Kubernetes is not installed",
                "install it in the minor version of the cluster: edge-pkg install kubernetes --version 1.34",
            ),
            false => {
                ("Kubernetes, containerd and Docker are not installed", "install one of them: edge-pkg install --help")
            }
        };
        findings.push(Finding::error(STATUS, text).hint(hint));
    } else if !facts.packages.is_empty() {
        findings.extend(diagnose::kubernetes(&facts));
    }
    let packages = facts.names()?;
    let obsolete = catalog::kubernetes()?.obsolete(false);
    let expected = Expected { name: NAME, packages: &packages, obsolete: &obsolete, again: &again };
    findings.extend(edge_apt::findings(host, &expected)?);
    Ok(findings)
}

fn of_containerd(host: &mut Host, facts: &containerd::Facts) -> Result<Vec<Finding>> {
    if !facts.is_installed {
        let hint = "install it: edge-pkg install containerd";
        return Ok(vec![Finding::error(containerd::UNIT, "containerd is not installed").hint(hint)]);
    }
    if let Some((name, version)) = &facts.package {
        host.report.line(&format!("{name} {version}"));
    }
    let mut findings = Vec::new();
    let socket = facts.socket();
    let mut others = Others {
        edgecore: edgecore(host, &mut findings)?,
        kubelet: kubelet(host, &mut findings)?,
        plugins_elsewhere: plugins_elsewhere(host, facts)?,
        ..Others::default()
    };
    if host.root.is_live() {
        let answer = edge_cri::ask(&socket, ASK_WITHIN);
        others.daemon = daemon(host, containerd::UNIT, &socket, answer.is_err())?;
        if let Ok(answer) = &answer {
            let (name, version, api) = (&answer.name, &answer.version, &answer.api);
            host.report.line(&format!("{name} {version} answers on {} (CRI {api})", socket.display()));
        }
        others.answer = Some(answer);
    }
    findings.extend(diagnose::containerd(facts, &others));
    Ok(findings)
}

/// Why a daemon may not answer.
fn daemon(host: &Host, unit: &str, socket: &Path, is_silent: bool) -> Result<Daemon> {
    let may_not_connect = is_silent && access(socket, AccessFlags::W_OK) == Err(Errno::EACCES);
    let state = if edge_systemd::is_running(&host.root)? { Some(startup::state(unit)?.active) } else { None };
    Ok(Daemon { state, may_not_connect })
}

fn of_docker(host: &mut Host, facts: &docker::Facts) -> Result<Vec<Finding>> {
    if !facts.is_installed {
        let hint = "install it: edge-pkg install docker";
        return Ok(vec![Finding::error(docker::UNIT, "Docker is not installed").hint(hint)]);
    }
    if let Some((name, version)) = &facts.package {
        host.report.line(&format!("{name} {version}"));
    }
    let mut findings = Vec::new();
    let socket = facts.socket();
    let mut others =
        DockerUsers { edgecore: edgecore(host, &mut findings)?, members: members(host)?, ..DockerUsers::default() };
    if host.root.is_live() {
        let answer = docker::api::ask(&socket, ASK_WITHIN);
        others.daemon = daemon(host, docker::UNIT, &socket, answer.is_err())?;
        if let Ok(answer) = &answer {
            let (version, driver) = (&answer.version, &answer.driver);
            host.report.line(&format!("Docker {version} answers on {} ({driver} cgroups)", socket.display()));
        }
        others.answer = Some(answer);
    }
    findings.extend(diagnose::docker(facts, &others));
    if let Some((docker::DOCKER_CE, version)) = &facts.package {
        let packages = docker::PINNED.into_iter().chain(docker::TOOLS).map(PackageName::parse);
        let packages: Vec<PackageName> = packages.collect::<Result<_>>()?;
        let release = version.upstream().split(['~', '+']).next().unwrap_or_default();
        let again = format!("edge-pkg install docker --version {release}");
        let obsolete = catalog::docker()?.obsolete(false);
        let expected = Expected { name: docker::NAME, packages: &packages, obsolete: &obsolete, again: &again };
        findings.extend(edge_apt::findings(host, &expected)?);
    }
    Ok(findings)
}

/// The members of the group docker.
fn members(host: &Host) -> Result<Vec<String>> {
    let text = host.root.read(Path::new(GROUP))?.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().find_map(|line| line.strip_prefix("docker:"));
    let members = line.and_then(|line| line.rsplit(':').next()).unwrap_or_default();
    Ok(members.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect())
}

/// The runtime that edgecore's file configures, if there is one.
fn edgecore(host: &Host, findings: &mut Vec<Finding>) -> Result<Option<(PathBuf, Runtime)>> {
    let file = config_in_use(&host.root, Kind::EdgeCore)?.path;
    let Some(document) = yaml(host, &file, findings)? else { return Ok(None) };
    let known = edge_kubeedge::version(&host.root, None, Kind::EdgeCore, &document, Some(&file))?;
    Ok(runtime(&document, known.version()).map(|runtime| (file, runtime)))
}

/// kubelet's file and cgroup driver, if there is one.
fn kubelet(host: &Host, findings: &mut Vec<Finding>) -> Result<Option<(PathBuf, String)>> {
    let file = PathBuf::from(KUBELET);
    let Some(document) = yaml(host, &file, findings)? else { return Ok(None) };
    let driver = document.get("cgroupDriver").and_then(Value::as_str).filter(|driver| !driver.is_empty());
    Ok(Some((file, driver.unwrap_or(DEFAULT_DRIVER).to_owned())))
}

/// A document; one that is not valid becomes a finding.
fn yaml(host: &Host, file: &Path, findings: &mut Vec<Finding>) -> Result<Option<Value>> {
    let Some(bytes) = host.root.read(file)? else { return Ok(None) };
    match edge_yaml::read(&String::from_utf8_lossy(&bytes)) {
        Ok(document) => Ok(Some(document)),
        Err(cause) => {
            let text = format!("cannot compare its settings with those of containerd: {cause}");
            findings.push(Finding::error(file, text));
            Ok(None)
        }
    }
}

/// The usual directory of CNI plugins, if it has one that the configured directory lacks.
fn plugins_elsewhere(host: &Host, facts: &containerd::Facts) -> Result<Option<PathBuf>> {
    let Some(bin_dir) = facts.config.as_ref().ok().and_then(|config| config.bin_dir.as_ref()) else { return Ok(None) };
    let has = |dir: &str| -> Result<bool> { Ok(host.root.find_link(&Path::new(dir).join(LOOPBACK))?.exists()) };
    let is_elsewhere = !has(&bin_dir.value)? && has(CNI_BIN)?;
    Ok(is_elsewhere.then(|| PathBuf::from(CNI_BIN)))
}
