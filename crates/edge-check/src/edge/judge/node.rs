//! edgecore on its own host: unit, process, ports, connections.

use std::net::SocketAddr;

use edge_host::{Finding, Severity};
use edge_hub::{Address, Failure};
use edge_kubeedge::Kind;
use edge_pki::names::Name;

use super::{Facts, Verdict};
use crate::edge::local::{Local, Open, Unit};
use crate::edge::probes::Reached;
use crate::running::Running;

/// States of a unit whose process runs, or runs still.
const CHANGING: [&str; 3] = ["activating", "deactivating", "reloading"];

/// Ports of edgecore that another program has: edgecore does not start.
pub(super) fn foreign_ports(facts: &Facts, verdict: &mut Verdict) {
    for (port, what) in &facts.config.ports {
        let Some(foreign) = listener(&facts.local, *port).filter(|open| open.is_of_edgecore() == Some(false)) else {
            continue;
        };
        let text = format!("the port of {what} is in use by {}: edgecore does not start", foreign.owner);
        verdict
            .findings
            .push(Finding::error(format!("port {port}"), text).hint("stop that program, or give it another port"));
    }
}

fn listener(local: &Local, port: u16) -> Option<&Open> {
    local.open.iter().find(|open| open.listens && open.port == port)
}

/// The rest, if the way to cloudcore is not broken and no foreign program has a port.
pub(super) fn judge(facts: &Facts, verdict: &mut Verdict) {
    if verdict.is_broken() {
        return;
    }
    let (local, unit) = (&facts.local, Kind::EdgeCore.unit());
    let note = |text: &str| Finding::new(Severity::Note, unit, text).hint("run it as root (sudo)");
    match local.runs {
        Running::Yes => {}
        Running::No => return verdict.findings.push(stopped(facts)),
        // systemd knows it.
        Running::Unknown if matches!(local.unit, Unit::Active | Unit::Disabled) => {}
        Running::Unknown => {
            return verdict.findings.push(note("unknown whether edgecore runs: processes of other users are hidden"));
        }
    }
    let works = |text: &str, verdict: &mut Verdict| verdict.works("edgecore", text);
    match &local.unit {
        Unit::Active => works("its unit is active", verdict),
        Unit::Disabled => {
            let text = "the unit is active, but not enabled: edgecore is not started after a reboot";
            verdict.findings.push(Finding::warning(unit, text).hint("systemctl enable edgecore"));
        }
        Unit::Unknown => works("it runs", verdict),
        Unit::Silent(why) => {
            works("it runs", verdict);
            let text = format!("unknown whether its unit is active and enabled: {why}");
            verdict.findings.push(Finding::new(Severity::Note, unit, text).hint("systemctl status edgecore"));
        }
        Unit::Inactive(state) if CHANGING.contains(&state.as_str()) => {
            works(&format!("it runs, and its unit is {state}"), verdict);
        }
        Unit::Absent | Unit::Masked | Unit::Inactive(_) => {
            let text = "edgecore runs, but not by its unit: it is not started again after a reboot";
            let hint = "stop that process, then: systemctl enable --now edgecore";
            verdict.findings.push(Finding::warning(unit, text).hint(hint));
        }
    }
    // Without the hub the node is not in the cluster, and the rest waits for that.
    let hub = facts.config.hub.as_ref().map(|to| (to, facts.probes.hub.as_ref()));
    connection(local, "hub", hub, "the node is not ready in the cluster", verdict);
    if verdict.is_broken() {
        return;
    }
    kubelet(facts, verdict);
    let tunnel = facts.config.tunnel.as_ref().map(|to| (to, facts.probes.tunnel.as_ref()));
    connection(local, "tunnel", tunnel, "kubectl logs, exec and top fail", verdict);
}

/// Why edgecore does not run.
fn stopped(facts: &Facts) -> Finding {
    let finding = |text: &str, hint: &str| Finding::error(Kind::EdgeCore.unit(), text).hint(hint);
    let start = "systemctl enable --now edgecore, and see its log: journalctl -u edgecore -n 20";
    match &facts.local.unit {
        Unit::Absent => finding("there is no unit, and edgecore does not run", &facts.config.join()),
        Unit::Masked => finding("the unit is masked, and edgecore does not run", "systemctl unmask edgecore"),
        Unit::Inactive(state) => finding(&format!("the unit is {state}, and edgecore does not run"), start),
        Unit::Active | Unit::Disabled | Unit::Unknown | Unit::Silent(_) => finding("edgecore does not run", start),
    }
}

/// A connection of edgecore to this port of cloudcore, which the probe has reached, too.
fn connection(
    local: &Local,
    name: &str,
    to: Option<(&Address, Option<&Result<Reached, Failure>>)>,
    consequence: &str,
    verdict: &mut Verdict,
) {
    let Some((to, probe)) = to else { return };
    let port = to.port;
    let probed = probe.and_then(|probe| probe.as_ref().ok()).map(|reached| reached.address);
    let of_port = || local.open.iter().filter(|open| !open.listens && open.port == port);
    let own = || of_port().filter(|open| open.is_of_edgecore() == Some(true));
    let error = |text: String, hint: &str| Finding::error(Kind::EdgeCore.unit(), text).hint(hint);
    if own().any(|open| probed.is_none_or(|ip| open.remote == ip)) {
        verdict.works(format!("connection of edgecore to the {name}"), "established");
    } else if let (Some(open), Some(probed)) = (own().next(), probed) {
        let remote = SocketAddr::new(open.remote, port);
        verdict.findings.push(match &to.host {
            Name::Ip(_) => error(
                format!("edgecore is connected to the {name} at {remote}, not to the configured one, {to}"),
                "restart it, so that it reads its configuration: systemctl restart edgecore",
            ),
            // A name may have several addresses.
            Name::Dns(_) => {
                let text = format!("edgecore is connected to the {name} at {remote}, and {to} is now {probed}");
                Finding::warning(Kind::EdgeCore.unit(), text)
                    .hint("unless the name has both addresses, restart it: systemctl restart edgecore")
            }
        });
    } else if of_port().any(|open| open.is_of_edgecore().is_none()) || local.runs == Running::Unknown {
        let text = format!(
            "it is unknown whether edgecore is connected to the {name}: whose connections these are can be read by root alone"
        );
        verdict.findings.push(Finding::new(Severity::Note, "", text).hint("run it as root (sudo)"));
    } else {
        let text = format!("edgecore runs, but has no connection to the {name} (port {port}): {consequence}");
        verdict.findings.push(error(text, "see its log: journalctl -u edgecore -n 20"));
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
