//! The problems of Docker: its unit, its configuration, its answer, and edgecore that uses it.

use std::path::PathBuf;

use edge_host::{Error, Finding, Severity, quoted};
use edge_kubeedge::runtime::Runtime;

use super::Daemon;
use crate::docker::api::Answer;
use crate::docker::config::MIRRORS;
use crate::docker::{Facts, UNIT, not_loaded, refused_mirror};

const GROUP: &str = "/etc/group";

/// What else is read for the check.
#[derive(Debug, Default)]
pub struct DockerUsers {
    /// The answer of dockerd, or why there is none; none in an image.
    pub answer: Option<std::result::Result<Answer, Error>>,
    /// Why it may not answer.
    pub daemon: Daemon,
    /// edgecore's file, and the runtime that it configures.
    pub edgecore: Option<(PathBuf, Runtime)>,
    /// The members of the group docker.
    pub members: Vec<String>,
}

/// All of them.
pub fn docker(facts: &Facts, others: &DockerUsers) -> Vec<Finding> {
    let mut all: Vec<Finding> = facts.unit.not_started(Severity::Error).into_iter().collect();
    all.extend(configuration(facts));
    all.extend(answer(facts, others));
    all.extend(edgecore(facts, others));
    if !others.members.is_empty() {
        let text = format!("members of the group docker have the rights of root: {}", others.members.join(", "));
        all.push(
            Finding::new(Severity::Note, GROUP, text)
                .hint(format!("if that is not intended: gpasswd -d {} docker", others.members[0])),
        );
    }
    all
}

fn configuration(facts: &Facts) -> Vec<Finding> {
    let path = &facts.path;
    let config = match &facts.config {
        Ok(config) => config,
        Err(problem) => {
            let word = quoted(&path.display().to_string());
            let hint = format!("repair it, or use dockerd's defaults: mv {word} {word}.old");
            return vec![Finding::error(path, &problem.text).on_line(problem.line).hint(hint)];
        }
    };
    let conflict = |flag: &crate::docker::flags::Flag| {
        let text = format!(
            "{} is also passed as --{} by {}: dockerd does not start with both",
            flag.key(),
            flag.name,
            flag.place()
        );
        Finding::error(path, text).hint(format!("remove {} from this file, or the flag", flag.key()))
    };
    let mut all: Vec<Finding> = facts.conflicts(config).map(conflict).collect();
    let version = facts.package.as_ref().map_or("", |(_, version)| version.upstream());
    if let Some(mirror) = refused_mirror(version, &config.strings(MIRRORS).unwrap_or_default()) {
        let text = format!("dockerd {version} does not start with the mirror {mirror}, as it has a path");
        all.push(Finding::error(path, text).hint("use a mirror without a path, or Docker 24.0.8 or newer"));
    }
    all
}

fn answer(facts: &Facts, others: &DockerUsers) -> Vec<Finding> {
    let socket = facts.socket();
    match &others.answer {
        None => Vec::new(),
        Some(Err(error)) => vec![others.daemon.silent("dockerd", UNIT, &socket, error)],
        Some(Ok(answer)) => not_loaded(facts, answer)
            .into_iter()
            .map(|what| {
                let text = format!("dockerd has not loaded {what}: the file was changed after it was started");
                Finding::error(&facts.path, text)
                    .hint(format!("restart it, which ends running containers: systemctl restart {UNIT}"))
            })
            .collect(),
    }
}

/// edgecore with dockershim, whose cgroup driver must be that of Docker.
fn edgecore(facts: &Facts, others: &DockerUsers) -> Option<Finding> {
    let (file, edgecore) = others.edgecore.as_ref()?;
    let set = facts.config.as_ref().ok().and_then(|config| config.driver());
    let driver =
        others.answer.as_ref().and_then(|answer| answer.as_ref().ok().map(|answer| answer.driver.clone())).or(set)?;
    if !edgecore.uses_docker || edgecore.cgroup_driver == driver {
        return None;
    }
    let text = format!(
        "edgecore uses the cgroup driver {}, but Docker uses {driver}: pods cannot start",
        edgecore.cgroup_driver
    );
    let key = &edgecore.keys.cgroup_driver;
    Some(Finding::error(file, text).at(key).hint(format!("edge-conf set {key}={driver}")))
}
