//! What is wrong with the nodes of a cluster: each problem once, with the nodes that have it.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use edge_host::{Finding, Severity};
use edge_kubeedge::Minor;
use edge_kubeedge::kubernetes::Reported;
use edge_kubeedge::stream::{NEGOTIATED, dialled_port};

use super::{Cluster, Node, versions};

/// Nodes that a finding names.
const SHOWN: usize = 5;
/// The taint of a node whose network is not set up.
const NETWORK_TAINT: &str = "node.kubernetes.io/network-unavailable";
/// From this version on cloudcore finds the node of exec by the pod, as that of logs; metrics are found by the address of
/// the node in every version (kubeedge v1.12 `cloud/pkg/cloudstream/streamserver.go`, `getSessionKey`).
const BY_POD: Minor = Minor::new(12);

/// What is said of ports without a record.
pub(super) const NOT_COMPARED: &str =
    "the ports of edge nodes were not compared with those that cloudcores have recorded";
const RECORD: &str =
    "pass the record: kubectl get configmap -n kubeedge tunnelport -o json > FILE, and --tunnelport FILE";

/// Problems, those of the same text together.
#[derive(Debug, Default)]
pub(super) struct Problems {
    all: Vec<Problem>,
    known: HashMap<String, usize>,
}

#[derive(Debug)]
struct Problem {
    severity: Severity,
    text: String,
    hint: String,
    /// The nodes that have it; empty if it is of the cluster.
    nodes: Vec<usize>,
}

impl Problems {
    /// A problem of a node. An empty hint is none.
    pub(super) fn add(&mut self, severity: Severity, text: impl Into<String>, hint: &str, node: usize) {
        let text = text.into();
        let next = self.all.len();
        let place = *self.known.entry(text.clone()).or_insert(next);
        match self.all.get_mut(place) {
            Some(problem) => problem.nodes.push(node),
            None => self.all.push(Problem { severity, text, hint: hint.to_owned(), nodes: vec![node] }),
        }
    }

    /// A problem of the cluster.
    pub(super) fn of_all(&mut self, severity: Severity, text: impl Into<String>, hint: &str) {
        self.all.push(Problem { severity, text: text.into(), hint: hint.to_owned(), nodes: Vec::new() });
    }
}

/// The findings, errors first; `source` is the name of the input.
pub fn findings(cluster: &Cluster, source: &str) -> Vec<Finding> {
    let nodes = &cluster.nodes;
    let mut problems = Problems::default();
    if !nodes.iter().any(Node::is_edge) {
        let text = match nodes.len() {
            0 => "it has no nodes: nothing was checked".to_owned(),
            count => format!("none of its {count} nodes is an edge node: nothing was checked"),
        };
        problems.of_all(Severity::Error, text, "pass all nodes: kubectl get nodes -o json | edge-check cluster");
        return shown(problems, nodes, source);
    }
    let ports = cluster.recorded.as_ref().map(|all| all.iter().map(|recorded| recorded.port).collect::<Vec<_>>());
    for (index, node) in nodes.iter().enumerate().filter(|(_, node)| node.is_edge()) {
        ready(node, index, &mut problems);
        network(node, index, &mut problems);
        port(node, ports.as_deref(), index, &mut problems);
        address(node, index, &mut problems);
        if !node.has_edge_label {
            let text = "edgecore reports its status, but it has no label node-role.kubernetes.io/edge: workloads that are kept off edge nodes run there";
            problems.add(
                Severity::Warning,
                text,
                &for_node(node, "kubectl label node", "node-role.kubernetes.io/edge="),
                index,
            );
        }
    }
    if ports.is_none() && nodes.iter().any(is_negotiated) {
        problems.of_all(Severity::Note, NOT_COMPARED, RECORD);
    }
    shared_addresses(nodes, &mut problems);
    versions::judge(nodes, &mut problems);
    shown(problems, nodes, source)
}

fn shown(problems: Problems, nodes: &[Node], source: &str) -> Vec<Finding> {
    let mut all = problems.all;
    all.sort_by_key(|problem| std::cmp::Reverse(problem.severity));
    let finding = |problem: Problem| {
        let names = names(&problem.nodes, nodes);
        let colon = if names.is_empty() { "" } else { ": " };
        let line = problem.nodes.first().and_then(|first| nodes.get(*first)).map(|node| node.line);
        let finding = Finding::new(problem.severity, source, format!("{names}{colon}{}", problem.text)).on_line(line);
        if problem.hint.is_empty() { finding } else { finding.hint(problem.hint) }
    };
    all.into_iter().map(finding).collect()
}

/// `edge-1, edge-2 and 7 more`.
fn names(of: &[usize], nodes: &[Node]) -> String {
    let first = of.iter().take(SHOWN).filter_map(|index| nodes.get(*index)).map(|node| node.name.as_str());
    let first = first.collect::<Vec<_>>().join(", ");
    let more = of.len().saturating_sub(SHOWN);
    if more == 0 { first } else { format!("{first} and {more} more") }
}

/// A command for this node; the other nodes with the problem need the same.
fn for_node(node: &Node, command: &str, rest: &str) -> String {
    format!("for each node: {command} {} {rest}", edge_host::quoted(&node.name))
}

fn ready(node: &Node, index: usize, problems: &mut Problems) {
    let text = match &node.ready {
        Some((status, _)) if status == "True" => return,
        None => "it has not reported whether it is ready".to_owned(),
        Some((status, reason)) if status == "Unknown" => {
            format!("nothing is heard of it ({reason}): edgecore does not run, or is not connected to cloudcore")
        }
        Some((_, reason)) => format!("it is not ready ({reason})"),
    };
    problems.add(Severity::Error, text, "on that node, run edge-check edge", index);
}

fn network(node: &Node, index: usize, problems: &mut Problems) {
    if !node.taints.iter().any(|taint| taint == NETWORK_TAINT) {
        return;
    }
    // The control plane keeps the taint as long as the condition is true, and sets it again if it is removed alone.
    let (cause, hint) = match node.network_unavailable.as_deref() {
        Some(reason @ "NoRouteCreated") => (
            format!("the routes of a cloud provider do not include edge nodes ({reason})"),
            "start the controller manager with --configure-cloud-routes=false, and remove the condition: ",
        ),
        Some(reason) => (
            format!("a network agent has set it and no longer runs there ({reason})"),
            "edgecore sets no such condition: remove it: ",
        ),
        None => {
            let hint = for_node(node, "kubectl taint nodes", &format!("{NETWORK_TAINT}-"));
            let text = format!(
                "it has the taint {NETWORK_TAINT}, and no condition that keeps it: pods are not scheduled there"
            );
            return problems.add(Severity::Error, text, &hint, index);
        }
    };
    let patch =
        r#"--subresource=status -p '{"status":{"conditions":[{"type":"NetworkUnavailable","status":"False"}]}}'"#;
    let hint = format!("{hint}{}", for_node(node, "kubectl patch node", patch));
    let text = format!("it has the taint {NETWORK_TAINT}: pods are not scheduled there; {cause}");
    problems.add(Severity::Error, text, &hint, index);
}

/// Whether cloudcore negotiates the port of this edge node, which it then records.
fn is_negotiated(node: &Node) -> bool {
    let is_old = matches!(node.version, Reported::EdgeCore(version) if version < NEGOTIATED);
    node.is_edge() && !is_old && !matches!(node.version, Reported::Kubelet(_)) && node.port.is_some()
}

/// For messages; nodes of an unknown version are not older than this.
fn shown_version(node: &Node) -> String {
    match node.version {
        Reported::EdgeCore(version) => version.to_string(),
        _ => format!("{NEGOTIATED} or later"),
    }
}

/// The port that the API server connects to for logs, exec and metrics.
fn port(node: &Node, recorded: Option<&[u16]>, index: usize, problems: &mut Problems) {
    let version = match node.version {
        Reported::EdgeCore(version) => version,
        // Such as a build of the main branch.
        Reported::UnknownEdgeCore(_) => NEGOTIATED,
        // It has not reported its status, and so no port either.
        Reported::Unknown if node.port.is_some() => NEGOTIATED,
        Reported::Unknown | Reported::Kubelet(_) => return,
    };
    let Some(first) = dialled_port(version) else { return };
    let is_negotiated = version >= NEGOTIATED;
    let logs = "kubectl logs, exec and top fail";
    let enable = "run edge-conf enable logs on both sides, then edge-check edge on that node";
    match (node.port, recorded.filter(|_| is_negotiated)) {
        (None, _) => {
            let text = format!("cloudcore has set no port in kubeletEndpoint: {logs}");
            problems.add(Severity::Error, text, enable, index);
        }
        (Some(port), Some(recorded)) if !recorded.iter().any(|known| u64::from(*known) == port) => {
            let list = recorded.iter().map(u16::to_string).collect::<Vec<_>>().join(", ");
            let list = if list.is_empty() { "none".to_owned() } else { list };
            let text =
                format!("port {port} in kubeletEndpoint is not one that cloudcores have recorded ({list}): {logs}");
            problems.add(Severity::Error, text, enable, index);
        }
        (Some(_), Some(_)) => {}
        (Some(port), None) if is_negotiated && port < u64::from(first) => {
            let text = format!(
                "port {port} in kubeletEndpoint is not one of cloudcore {version}, which are {first} and later: {logs}",
                version = shown_version(node)
            );
            problems.add(Severity::Error, text, enable, index);
        }
        (Some(port), None) if !is_negotiated && port != u64::from(first) => {
            let text = format!("port {port} in kubeletEndpoint is not {first}, the one of KubeEdge {version}: {logs}");
            problems.add(Severity::Error, text, enable, index);
        }
        (Some(_), None) => {}
    }
}

fn address(node: &Node, index: usize, problems: &mut Problems) {
    let hint =
        "on that node, set modules.edged.nodeIP to an address of its interface: edge-conf set modules.edged.nodeIP=IP";
    if node.internal_ips.is_empty() {
        let text = "it has no InternalIP, which the API server connects to";
        return problems.add(Severity::Error, text, hint, index);
    }
    for text in &node.internal_ips {
        let Ok(ip) = text.parse::<IpAddr>() else {
            problems.add(Severity::Error, format!("its InternalIP \"{text}\" is not an IP address"), hint, index);
            continue;
        };
        if ip.is_loopback() || ip.is_unspecified() {
            let text =
                format!("its InternalIP {ip} is a loopback or unspecified address: the API server connects to itself");
            problems.add(Severity::Error, text, hint, index);
        }
    }
}

/// Edge nodes behind different routers may have one address; cloudcore knows the last of them that has connected.
fn shared_addresses(nodes: &[Node], problems: &mut Problems) {
    let mut by_address: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, node) in nodes.iter().enumerate().filter(|(_, node)| node.is_edge()) {
        for address in &node.internal_ips {
            let known = by_address.entry(address).or_default();
            if known.last() != Some(&index) {
                known.push(index);
            }
        }
    }
    for (address, indexes) in by_address.into_iter().filter(|(_, indexes)| indexes.len() > 1) {
        let of = |index: &usize| nodes.get(*index).map(|node| &node.version);
        let is_older = |version: Option<&Reported>| matches!(version, Some(Reported::EdgeCore(own)) if *own < BY_POD);
        let (severity, what) = if indexes.iter().any(|index| is_older(of(index))) {
            (Severity::Error, "kubectl exec and top reach one of them")
        } else {
            (Severity::Warning, "metrics of all of them are those of one")
        };
        let text = format!("they have the same InternalIP {address}: {what}");
        for index in indexes {
            problems.add(
                severity,
                text.as_str(),
                "give each an address of its own: edge-conf set modules.edged.nodeIP=IP",
                index,
            );
        }
    }
}
