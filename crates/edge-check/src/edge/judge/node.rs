//! edgecore on its own host: unit, process, ports, connections.

use edge_host::{Finding, Severity, SocketOwner};
use edge_hub::Failure;
use edge_kubeedge::Kind;

use super::{Facts, Verdict};
use crate::edge::local::{Local, Open, Unit};

/// Ports of edgecore that another program has: edgecore does not start.
pub(super) fn foreign_ports(facts: &Facts, verdict: &mut Verdict) {
    for (port, what) in &facts.config.ports {
        let Some(foreign) = listener(&facts.local, *port).filter(|open| open.is_of_edgecore() == Some(false)) else {
            continue;
        };
        let text = format!("the port of {what} is in use by {}: edgecore does not start", shown(&foreign.owner));
        verdict
            .findings
            .push(Finding::error(format!("port {port}"), text).hint("stop that program, or give it another port"));
    }
}

fn listener(local: &Local, port: u16) -> Option<&Open> {
    local.open.iter().find(|open| open.listens && open.port == port)
}

fn shown(owner: &SocketOwner) -> String {
    match owner {
        SocketOwner::Process { pid, program } => format!("{program} (process {pid})"),
        SocketOwner::Unknown => "a process of another user".to_owned(),
        SocketOwner::Outside => "a program outside of this PID namespace".to_owned(),
    }
}

/// The rest, if the way to cloudcore is not broken and no foreign program has a port.
pub(super) fn judge(facts: &Facts, verdict: &mut Verdict) {
    if verdict.is_broken() {
        return;
    }
    let (local, unit) = (&facts.local, Kind::EdgeCore.unit());
    if !local.runs {
        let finding = |text: String, hint: &str| Finding::error(unit, text).hint(hint);
        let start = "systemctl enable --now edgecore, and see its log: journalctl -u edgecore -n 20";
        verdict.findings.push(match &local.unit {
            Unit::Absent => finding(
                "there is no unit, and edgecore does not run".to_owned(),
                "edge-join apply --cloudcore HOST --token -",
            ),
            Unit::Masked => {
                finding("the unit is masked, and edgecore does not run".to_owned(), "systemctl unmask edgecore")
            }
            Unit::Inactive(state) => finding(format!("the unit is {state}, and edgecore does not run"), start),
            Unit::Active | Unit::Unknown => finding("edgecore does not run".to_owned(), start),
        });
        return;
    }
    match &local.unit {
        Unit::Absent | Unit::Masked | Unit::Inactive(_) => {
            let text = "edgecore runs, but not by its unit: it is not started again after a reboot";
            verdict
                .findings
                .push(Finding::warning(unit, text).hint("systemctl enable --now edgecore, after it was stopped"));
        }
        Unit::Active => verdict.works("edgecore", "its unit is active"),
        Unit::Unknown => verdict.works("edgecore", "it runs"),
    }
    // Without the hub the node is not in the cluster, and the rest waits for that.
    let hub = facts.config.hub.as_ref().map(|to| to.port);
    connection(local, "hub", hub, "the node is not ready in the cluster", verdict);
    if verdict.is_broken() {
        return;
    }
    kubelet(facts, verdict);
    let tunnel = facts.config.tunnel.as_ref().map(|to| to.port);
    connection(local, "tunnel", tunnel, "kubectl logs, exec and top fail", verdict);
}

/// Whether edgecore is connected to this port of cloudcore.
fn connection(local: &Local, name: &str, port: Option<u16>, consequence: &str, verdict: &mut Verdict) {
    let Some(port) = port else { return };
    let of_port = || local.open.iter().filter(|open| !open.listens && open.port == port);
    if of_port().any(|open| open.is_of_edgecore() == Some(true)) {
        verdict.works(format!("connection of edgecore to the {name}"), "established");
    } else if of_port().any(|open| open.is_of_edgecore().is_none()) {
        let text = format!(
            "it is unknown whether edgecore is connected to the {name}: whose connections these are can be read by root alone"
        );
        verdict.findings.push(Finding::new(Severity::Note, "", text).hint("run it as root (sudo)"));
    } else {
        let text = format!("edgecore runs, but has no connection to the {name} (port {port}): {consequence}");
        verdict
            .findings
            .push(Finding::error(Kind::EdgeCore.unit(), text).hint("see its log: journalctl -u edgecore -n 20"));
    }
}

/// The port that edgecore's stream connects to on its own host.
fn kubelet(facts: &Facts, verdict: &mut Verdict) {
    let port = facts.config.kubelet;
    if !facts.config.ports.iter().any(|(own, _)| *own == port) {
        return;
    }
    let place = format!("127.0.0.1:{port}");
    let error = |text: String| Finding::error(place.as_str(), text).hint("see its log: journalctl -u edgecore -n 20");
    match &facts.probes.kubelet {
        Some(Ok(())) => verdict.works(place.as_str(), "edgecore's kubelet answers"),
        Some(Err(Failure::Refused)) => {
            let text = "edgecore runs, but its kubelet does not listen: it has not started its pods yet, or cannot";
            verdict.findings.push(error(text.to_owned()));
        }
        Some(Err(failure)) => verdict.findings.push(error(format!("edgecore's kubelet does not answer: {failure}"))),
        None => {}
    }
}
