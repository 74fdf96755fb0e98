//! Whether edgecore would start on this host.

use std::collections::BTreeMap;

use edge_host::{Finding, Severity, SocketOwner};
use edge_kubeedge::paths::PROGRAM_DIRS;
use edge_kubeedge::settings::Settings;
use edge_kubeedge::{Kind, Minor, VersionSource};

use crate::facts::host::{Config, HostFacts};
use crate::request::own_node_name;

const HOSTS: &str = "/etc/hosts";
const KUBELET: &str = "kubelet";
/// edgecore 1.19 and later accept kube-proxy (kubeedge v1.19 `edge/cmd/edgecore/app/server.go`).
const ACCEPTS_KUBE_PROXY: Minor = Minor::new(19);
/// edgecore's kubelet, in every version.
const KUBELET_PORT: u16 = 10350;
const META_SERVER: &str = "modules.metaManager.metaServer.enable";
const META_SERVER_ADDRESS: &str = "modules.metaManager.metaServer.server";
const META_SERVER_PORT: u16 = 10550;
const EVENT_BUS: &str = "modules.eventBus.enable";
const MQTT_MODE: &str = "modules.eventBus.mqttMode";
/// The mode in which edgecore has no MQTT broker of its own.
const EXTERNAL: &str = "2";
const INTERNAL_BROKER: &str = "modules.eventBus.mqttServerInternal";
const INTERNAL_BROKER_PORT: u16 = 1884;

/// The own name must resolve: edgecore waits for that before it does anything, and says so nowhere.
pub fn name(facts: &HostFacts) -> Option<Finding> {
    if facts.is_resolved {
        return None;
    }
    let name = &facts.name;
    let text = format!(
        "this host's own name, {name}, is only known to DNS, if at all: without a network, edgecore hangs silently when it starts"
    );
    Some(Finding::error(HOSTS, text).hint(format!("echo '127.0.1.1 {name}' >> {HOSTS}")))
}

/// A host whose name cannot be that of a node: no other name is made up for it.
pub fn node_name(host: &str) -> Option<Finding> {
    if own_node_name(host).is_some() {
        return None;
    }
    let text = format!(
        "this host's name, {host}, cannot be the name of a node: expected letters, digits, \"-\" and \".\" (RFC 1123)"
    );
    let proposed: String =
        host.chars().map(|char| if char.is_ascii_alphanumeric() || char == '.' { char } else { '-' }).collect();
    let proposed = own_node_name(proposed.trim_matches(['-', '.']));
    let example = proposed.map(|name| format!(", such as --node-name {name}")).unwrap_or_default();
    Some(Finding::error("", text).hint(format!("name the node with --node-name NAME{example}")))
}

/// kubelet and kube-proxy, beside which edgecore ends.
pub fn processes(facts: &HostFacts) -> Vec<Finding> {
    let version = facts.config.version;
    let others = facts.processes.iter().filter(|(name, _)| name != Kind::EdgeCore.program());
    let of = |(name, pid): &(String, u32)| {
        let (severity, hint) = if name == KUBELET {
            (
                Severity::Error,
                "stop it: systemctl disable --now kubelet; or remove the node of Kubernetes: edge-reset apply --profile kubeadm",
            )
        } else {
            // Of an unknown version it is not known.
            let severity = match version {
                Some(version) if version >= ACCEPTS_KUBE_PROXY => return None,
                Some(_) => Severity::Error,
                None => Severity::Warning,
            };
            (
                severity,
                "keep it off edge nodes: kubectl get ds -A -o yaml | edge-manifest keep-off-edge | kubectl replace -f -",
            )
        };
        Some(
            Finding::new(severity, "", format!("{name} is running (process {pid}): edgecore does not start beside it"))
                .hint(hint),
        )
    };
    others.filter_map(of).collect()
}

/// The ports on which edgecore listens with this configuration.
pub fn needed_ports(config: &Config) -> Vec<(u16, &'static str)> {
    let settings = Settings::new(Kind::EdgeCore, config.version, &config.document);
    // The port of an address, `:10550`, `127.0.0.1:10550` or `tcp://127.0.0.1:1884`.
    let port_of = |key: &str, usual: u16| {
        let address = settings.in_force(key).unwrap_or_default();
        address.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap_or(usual)
    };
    let mut all = vec![(KUBELET_PORT, "edgecore's kubelet")];
    if settings.is_on(META_SERVER) {
        all.push((port_of(META_SERVER_ADDRESS, META_SERVER_PORT), "metaServer"));
    }
    let has_own_broker = settings.in_force(MQTT_MODE).is_some_and(|mode| mode != EXTERNAL);
    if settings.is_on(EVENT_BUS) && has_own_broker {
        all.push((port_of(INTERNAL_BROKER, INTERNAL_BROKER_PORT), "edgecore's MQTT broker"));
    }
    all
}

/// Needed ports that something else than the unit's own edgecore listens on; `owners` is who, by inode.
pub fn ports(facts: &HostFacts, owners: &BTreeMap<u64, SocketOwner>) -> Vec<Finding> {
    let mut all = Vec::new();
    for (port, what) in needed_ports(&facts.config) {
        let taken = facts.listening.iter().filter(|socket| socket.listens_on(port));
        let mut owners = taken.map(|socket| owners.get(&socket.inode).unwrap_or(&SocketOwner::Unknown));
        let is_own =
            |owner: &SocketOwner| matches!(owner, SocketOwner::Process { pid, .. } if Some(*pid) == facts.unit_pid);
        let Some(other) = owners.find(|owner| !is_own(owner)) else { continue };
        all.push(
            Finding::error(format!("port {port}"), format!("{other} listens on it, and it is the port of {what}"))
                .hint(format!("see it with ss -ltnp 'sport = :{port}', and stop it")),
        );
    }
    all
}

/// An edgecore that the unit has not started: a second one would be started beside it.
pub fn second(facts: &HostFacts) -> Vec<Finding> {
    let unit = Kind::EdgeCore.unit();
    let own = |pid: u32| facts.unit_pid == Some(pid);
    let others = facts.processes.iter().filter(|(name, pid)| name == Kind::EdgeCore.program() && !own(*pid));
    let of = |(name, pid): &(String, u32)| {
        let text = format!("another {name} is running (process {pid}): {unit} has not started it");
        Finding::error("", text)
            .hint(format!("give it a unit: edge-conf unit edgecore --restart; or stop it: kill {pid}"))
    };
    others.map(of).collect()
}

/// What is installed or runs already, and files that are not of a join.
pub fn leftovers(facts: &HostFacts, given: Option<Minor>, node: Option<&str>) -> Vec<Finding> {
    let mut all = Vec::new();
    let wanted = given.map(Minor::number);
    match facts.config.installed {
        VersionSource::InProgram(other) if wanted.is_some_and(|wanted| wanted != other.number()) => all.push(
            Finding::error("", format!("edgecore {other} is installed"))
                .hint("upgrade it with keadm upgrade edge, or remove it first: edge-reset apply --profile kubeedge"),
        ),
        VersionSource::Conflicting(one, other) => {
            let places = PROGRAM_DIRS.map(|dir| format!("{dir}/{}", Kind::EdgeCore.program()));
            all.push(
                Finding::error("", format!("edgecore is installed twice, as {one} and {other}"))
                    .hint(format!("see both, and remove one of them: ls -l {}", places.join(" "))),
            );
        }
        _ => {}
    }
    for (name, pid) in facts.processes.iter().filter(|(_, pid)| facts.unit_pid == Some(*pid)) {
        // A node that has joined has a certificate for its name.
        if !own_certificate(facts, node) {
            let text = format!("{name} is running already (process {pid}), without a certificate of this node");
            all.push(Finding::warning("", text).hint("a join gets one, and restarts it"));
        }
    }
    if !facts.foreign.is_empty() {
        let names: Vec<String> = facts.foreign.iter().map(|path| path.display().to_string()).collect();
        let (shown, more) = names.split_at(names.len().min(5));
        let more = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
        let text = format!("files of another installation: {}{more}", shown.join(", "));
        all.push(
            Finding::warning(edge_kubeedge::paths::ETC, text)
                .hint("see what they belong to: edge-reset scan --profile kubeedge"),
        );
    }
    if let Some(Err(why)) = &facts.certificate {
        all.push(
            Finding::warning(edge_kubeedge::paths::CERT_DIR, format!("server.crt cannot be used: {why}"))
                .hint("a join replaces it"),
        );
    }
    all
}

/// Whether the installed certificate is of this node: from 1.16 on it names the node.
pub fn own_certificate(facts: &HostFacts, node: Option<&str>) -> bool {
    let Some(Ok(certificate)) = &facts.certificate else { return false };
    let names = edge_pki::subject::values(&certificate.subject, "CN");
    names
        .iter()
        .any(|name| name == "kubeedge.io" || node.is_some_and(|node| name.strip_prefix("system:node:") == Some(node)))
}

/// The memory cgroup.
pub fn memory(facts: &HostFacts) -> Option<Finding> {
    let hint = "turn it on: edge-prep apply --for edgecore";
    match facts.has_memory_cgroup {
        Some(true) => None,
        Some(false) => Some(
            Finding::error(
                "",
                "the memory cgroup is off: edgecore cannot limit the memory of pods, and does not start",
            )
            .hint(hint),
        ),
        None => Some(
            Finding::new(Severity::Note, "", "it is unknown whether the memory cgroup is on")
                .hint("see: edge-prep status"),
        ),
    }
}

#[cfg(test)]
mod tests;
