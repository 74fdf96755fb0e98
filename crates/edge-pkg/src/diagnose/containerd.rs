//! The problems of containerd: its unit, its configuration, its answer over the CRI, and what uses it.

use std::path::PathBuf;

use edge_cri::Answer;
use edge_host::{Error, Finding, Severity};
use edge_kubeedge::runtime::{Runtime, is_same_socket};

use super::Daemon;
use crate::containerd::{Facts, UNIT};

const INSTALL: &str = "edge-pkg install containerd";
const SETTINGS: &str = "configure edgecore: edge-pkg settings | edge-conf enable containerd -";
/// A plugin that containerd 1.x needs, and that every release of the plugins has.
pub const LOOPBACK: &str = "loopback";

/// What else is read for the check.
#[derive(Debug, Default)]
pub struct Others {
    /// The answer over the CRI, or why there is none; none in an image.
    pub answer: Option<std::result::Result<Answer, Error>>,
    /// Why it may not answer.
    pub daemon: Daemon,
    /// edgecore's file, and the runtime that it configures.
    pub edgecore: Option<(PathBuf, Runtime)>,
    /// kubelet's file and cgroup driver.
    pub kubelet: Option<(PathBuf, String)>,
    /// The directory of CNI plugins that is configured lacks loopback, and this one has it.
    pub plugins_elsewhere: Option<PathBuf>,
}

/// All of them.
pub fn containerd(facts: &Facts, others: &Others) -> Vec<Finding> {
    let mut all: Vec<Finding> = facts.unit.not_started(Severity::Error).into_iter().collect();
    all.extend(configuration(facts));
    all.extend(answer(facts, others));
    all.extend(users(facts, others));
    if let (Some(elsewhere), Ok(config)) = (&others.plugins_elsewhere, &facts.config)
        && let Some(bin_dir) = &config.bin_dir
    {
        let text = format!(
            "containerd looks for CNI plugins in {}, which has no {LOOPBACK}; it is in {}: pods get no network",
            bin_dir.value,
            elsewhere.display()
        );
        let hint = format!("set bin_dir to {}, and restart containerd: systemctl restart {UNIT}", elsewhere.display());
        all.push(Finding::error(&facts.path, text).on_line(Some(bin_dir.line)).hint(hint));
    }
    all
}

fn configuration(facts: &Facts) -> Vec<Finding> {
    let path = &facts.path;
    let config = match &facts.config {
        Ok(config) => config,
        Err(line) => {
            let text = "the file is not valid TOML: containerd does not start";
            let hint = format!("repair it, or use containerd's defaults: mv {0} {0}.old", path.display());
            return vec![Finding::error(path, text).on_line(Some(*line)).hint(hint)];
        }
    };
    let mut all = Vec::new();
    // Of an unknown version neither form is wrong.
    if let Err(error) = config.refuse(path, facts.major.unwrap_or(2)) {
        all.push(Finding::error(path, error.cause()).hint(error.hint_text().unwrap_or_default()));
    }
    if let Some(line) = config.disabled {
        let text = "the CRI is disabled: neither edgecore nor kubelet can use containerd";
        all.push(Finding::error(path, text).on_line(Some(line)).hint(format!("enable it: {INSTALL}")));
    }
    if let (Some(line), Some(_)) = (config.old_registries, &config.registries) {
        let text = "mirrors or credentials of registries beside config_path: the CRI of containerd does not start";
        let hint = "remove them, and pass each mirror again: edge-pkg install containerd --registry-mirror HOST=URL";
        all.push(Finding::error(path, text).on_line(Some(line)).hint(hint));
    }
    for import in &facts.imports {
        let text = format!("this file is imported by {}, and takes precedence in the CRI", path.display());
        all.push(Finding::warning(import, text));
    }
    all
}

fn answer(facts: &Facts, others: &Others) -> Vec<Finding> {
    let socket = facts.socket();
    let answer = match &others.answer {
        None => return Vec::new(),
        Some(Err(error)) => return vec![others.daemon.silent("containerd", UNIT, &socket, error)],
        Some(Ok(answer)) => answer,
    };
    let mut all = Vec::new();
    if answer.name != "containerd" {
        all.push(Finding::error(&socket, format!("{} answers here instead of containerd", answer.name)));
    }
    let restart = format!("restart it: systemctl restart {UNIT}");
    if let (Some(driver), Ok(config)) = (answer.driver, &facts.config)
        && driver != config.driver()
    {
        let text = format!(
            "containerd uses the cgroup driver {driver}, but its file sets {}: it was changed after containerd was started",
            config.driver()
        );
        all.push(Finding::error(&facts.path, text).hint(&restart));
    }
    if !answer.runtime_ready.is_met {
        let text = format!("containerd cannot run containers: {}", answer.runtime_ready.message);
        all.push(Finding::error(&socket, text).hint(format!("see the log of the unit: journalctl -u {UNIT}")));
    }
    if !answer.network_ready.is_met {
        let text = format!("pods get no network: containerd reports: {}", answer.network_ready.message);
        all.push(Finding::warning(&socket, text).hint("for details: edge-cni check"));
    }
    all
}

/// The cgroup driver and socket of edgecore and kubelet.
fn users(facts: &Facts, others: &Others) -> Vec<Finding> {
    let Ok(config) = &facts.config else { return Vec::new() };
    let reported = others.answer.as_ref().and_then(|answer| answer.as_ref().ok()?.driver);
    let driver = reported.unwrap_or(config.driver());
    let mut all = Vec::new();
    if let Some((file, edgecore)) = &others.edgecore {
        let socket = facts.socket().display().to_string();
        // Without a setting it is the default of the version, containerd's socket in the supported ones.
        let uses_it = edgecore.endpoint.as_ref().is_none_or(|endpoint| is_same_socket(endpoint, &socket));
        if uses_it && !edgecore.uses_docker && edgecore.cgroup_driver != driver {
            let text = format!(
                "edgecore uses the cgroup driver {}, but containerd uses {driver}: pods cannot start",
                edgecore.cgroup_driver
            );
            all.push(Finding::error(file, text).at(&edgecore.keys.cgroup_driver).hint(SETTINGS));
        }
    }
    if let Some((file, kubelet)) = others.kubelet.as_ref().filter(|(_, kubelet)| kubelet != driver) {
        let text = format!("kubelet uses the cgroup driver {kubelet}, but containerd uses {driver}: pods cannot start");
        let hint = format!("{INSTALL} --cgroup-driver {kubelet}");
        all.push(Finding::error(file, text).at("cgroupDriver").hint(hint));
    }
    all
}
