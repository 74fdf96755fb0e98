//! `metrics-server`: it reaches the kubelets of edge nodes through its host.
//!
//! An edge node's port is one of the API server's host, which edge-redirect redirects to cloudcore: only programs in the
//! network of that host get there. From metrics-server v0.7 on its own port is 10250, which the kubelet of that host has.

use edge_host::{Error, Result};
use edge_yaml::{Mapping, Step, Value};

use super::{Change, Rule};
use crate::notes::Notes;
use crate::pod::{Pod, Reach, expression, is_workload, list, requiring, spec_steps, text, tolerates};
use edge_objects::object::{Object, at, keys};

const NAME: &str = "metrics-server";
/// The kubelet's port.
const TAKEN: u64 = 10250;
/// The port of metrics-server before v0.7.
const PORT: u64 = 4443;
/// The taints of control-plane nodes; the second one of Kubernetes before 1.25.
const TAINTS: [&str; 2] = ["node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"];
const PROBES: [&str; 3] = ["livenessProbe", "readinessProbe", "startupProbe"];

/// On which nodes it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// On any node.
    Any,
    /// On the node with this host name.
    Host(String),
    /// On control-plane nodes.
    ControlPlane,
}

/// The rule.
#[derive(Debug)]
pub struct MetricsServer {
    place: Place,
    is_found: bool,
    may_be_on_edge: bool,
}

/// Collects the changes of a container.
struct Container<'v> {
    value: &'v Value,
    index: usize,
    changes: Vec<Change>,
}

impl MetricsServer {
    /// It runs there.
    pub fn new(place: Place) -> MetricsServer {
        MetricsServer { place, is_found: false, may_be_on_edge: false }
    }

    fn deployment(&mut self, object: &Object<'_>, pod: Pod<'_>) -> Result<Vec<Change>> {
        let containers = pod.containers();
        let own = containers.iter().position(|container| text(container, "name") == Some(NAME));
        let index = own.or((containers.len() == 1).then_some(0));
        let index = index.ok_or_else(|| Error::failed(format!("none of its containers is named {NAME}")))?;
        let mut container = Container { value: &containers[index], index, changes: Vec::new() };
        container.flags();
        container.ports();
        let mut changes = container.changes;
        if !pod.has_host_network() {
            changes.push(Change::set(spec_steps(&["hostNetwork"]), true, "hostNetwork: true"));
        }
        changes.extend(tolerations(pod));
        changes.extend(strategy(object));
        let required = match &self.place {
            Place::Any => None,
            Place::Host(host) => Some(expression("kubernetes.io/hostname", "In", &[host.as_str()])),
            Place::ControlPlane => Some(expression(TAINTS[0], "Exists", &[])),
        };
        if let Some(required) = required {
            let terms = requiring(pod, &required).ok_or_else(|| {
                Error::failed("none of its nodeSelectorTerms matches any node").with_exit(edge_host::Exit::Refused)
            })?;
            let key = text(&required, "key").unwrap_or_default();
            let operator = text(&required, "operator").unwrap_or_default();
            let shown = match &self.place {
                Place::Host(host) => format!("{key} {operator} {host}"),
                _ => format!("{key} {operator}"),
            };
            changes.extend(
                terms
                    .into_iter()
                    .map(|(steps, place)| Change::set(steps, required.clone(), format!("requires {shown} {place}"))),
            );
        } else {
            self.may_be_on_edge = matches!(pod.reach(), Reach::Reaches(_) | Reach::WantsEdge);
        }
        Ok(changes)
    }
}

impl Rule for MetricsServer {
    fn changes(&mut self, object: &Object<'_>, _: &mut Notes) -> Result<Vec<Change>> {
        let is_own = object.name == NAME || object.label("k8s-app") == Some(NAME);
        match object.kind.as_ref() {
            "Deployment" if is_own && is_workload(object) => {
                let Some(pod) = Pod::of(object) else { return Ok(Vec::new()) };
                self.is_found = true;
                self.deployment(object, pod)
            }
            "Service" if is_own => {
                let ports = list(object.value, &["spec", "ports"]).iter().enumerate();
                let taken = ports.filter(|(_, port)| at(port, &["targetPort"]).and_then(Value::as_u64) == Some(TAKEN));
                Ok(taken
                    .map(|(index, _)| {
                        let steps =
                            [keys(&["spec", "ports"]), vec![Step::Index(index)], keys(&["targetPort"])].concat();
                        Change::set(steps, PORT, format!("targetPort: {TAKEN} -> {PORT}"))
                    })
                    .collect())
            }
            _ => Ok(Vec::new()),
        }
    }

    fn finish(&mut self, _: bool, notes: &mut Notes) -> Result<()> {
        if !self.is_found {
            return Err(Error::cannot("change metrics-server in", "", "it has no Deployment metrics-server")
                .hint("pass components.yaml of the release"));
        }
        if self.may_be_on_edge {
            notes.add("it may run on an edge node, where it reaches no other one; --control-plane prevents that");
        }
        Ok(())
    }
}

impl Container<'_> {
    fn set(&mut self, rest: Vec<Step>, value: impl Into<Value>, detail: String) {
        let mut steps = spec_steps(&["containers"]);
        steps.push(Step::Index(self.index));
        steps.extend(rest);
        self.changes.push(Change::set(steps, value, detail));
    }

    /// Flags are in `args`, or in `command` of old manifests.
    fn flags(&mut self) {
        let is_flag = |word: &Value| word.as_str().is_some_and(|word| word.starts_with("--"));
        let has_flags = |key| list(self.value, &[key]).iter().any(is_flag);
        let key = if !has_flags("args") && has_flags("command") { "command" } else { "args" };
        let words: Vec<String> =
            list(self.value, &[key]).iter().map(|word| word.as_str().unwrap_or_default().to_owned()).collect();
        let mut next = words.len();
        let mut add = |this: &mut Self, flag: String| {
            this.set([keys(&[key]), vec![Step::Index(next)]].concat(), flag.clone(), format!("adds {flag}"));
            next += 1;
        };
        // v0.3 does not know it, and does not start with it.
        let knows_status_port = !text(self.value, "image").is_some_and(|image| image.contains(":v0.3."));
        let switches = ["--kubelet-insecure-tls", "--kubelet-use-node-status-port"];
        for switch in switches.into_iter().filter(|switch| knows_status_port || *switch == switches[0]) {
            match words.iter().position(|word| word.split('=').next() == Some(switch)) {
                None => add(self, switch.to_owned()),
                Some(at) if words[at].ends_with("=false") => {
                    let detail = format!("{} -> {switch}", words[at]);
                    self.set([keys(&[key]), vec![Step::Index(at)]].concat(), switch, detail);
                }
                Some(_) => {}
            }
        }
        let (joined, separate) = ("--secure-port=", "--secure-port");
        if let Some(at) = words.iter().position(|word| word.starts_with(joined)) {
            if words[at].strip_prefix(joined).and_then(|port| port.parse().ok()) == Some(TAKEN) {
                let detail = format!("{} -> {joined}{PORT}", words[at]);
                self.set([keys(&[key]), vec![Step::Index(at)]].concat(), format!("{joined}{PORT}"), detail);
            }
        } else if let Some(at) = words.iter().position(|word| word == separate) {
            if words.get(at + 1).and_then(|port| port.parse().ok()) == Some(TAKEN) {
                let detail = format!("{separate} {TAKEN} -> {PORT}");
                self.set([keys(&[key]), vec![Step::Index(at + 1)]].concat(), PORT.to_string(), detail);
            }
        } else {
            add(self, format!("{joined}{PORT}"));
        }
    }

    /// The port of the container, and of its probes where they name it by number.
    fn ports(&mut self) {
        let is_taken = |value: &Value, key: &str| at(value, &[key]).and_then(Value::as_u64) == Some(TAKEN);
        for (index, port) in list(self.value, &["ports"]).iter().enumerate() {
            for key in ["containerPort", "hostPort"].into_iter().filter(|key| is_taken(port, key)) {
                let steps = [keys(&["ports"]), vec![Step::Index(index)], keys(&[key])].concat();
                self.set(steps, PORT, format!("{key}: {TAKEN} -> {PORT}"));
            }
        }
        for probe in PROBES {
            for action in ["httpGet", "tcpSocket", "grpc"] {
                if at(self.value, &[probe, action]).is_some_and(|action| is_taken(action, "port")) {
                    self.set(keys(&[probe, action, "port"]), PORT, format!("{probe}: port {TAKEN} -> {PORT}"));
                }
            }
        }
    }
}

fn tolerations(pod: Pod<'_>) -> Vec<Change> {
    let own = pod.tolerations();
    let missing =
        TAINTS.iter().filter(|key| !own.iter().any(|toleration| tolerates(toleration, key, "", "NoSchedule")));
    missing
        .enumerate()
        .map(|(more, key)| {
            let mut toleration = Mapping::new();
            for (field, value) in [("key", *key), ("operator", "Exists"), ("effect", "NoSchedule")] {
                toleration.insert(field.into(), value.into());
            }
            let mut steps = spec_steps(&["tolerations"]);
            steps.push(Step::Index(own.len() + more));
            Change::set(steps, Value::Mapping(toleration), format!("tolerates {key}"))
        })
        .collect()
}

/// Two pods cannot have the same port of a host, so the old one must end before the new one starts.
fn strategy(object: &Object<'_>) -> Vec<Change> {
    const PLACE: [&str; 3] = ["spec", "strategy", "rollingUpdate"];
    if object.text(&["spec", "strategy", "type"]) == Some("Recreate") {
        return Vec::new();
    }
    let field = |key| object.get(&[PLACE[0], PLACE[1], PLACE[2], key]);
    let is_none = |value: &Value| value.as_u64() == Some(0) || value.as_str() == Some("0%");
    let steps = |key| keys(&[PLACE[0], PLACE[1], PLACE[2], key]);
    let mut changes = Vec::new();
    if !field("maxSurge").is_some_and(is_none) {
        changes.push(Change::set(steps("maxSurge"), 0, "rollingUpdate.maxSurge: 0"));
    }
    if field("maxUnavailable").is_none_or(is_none) {
        changes.push(Change::set(steps("maxUnavailable"), 1, "rollingUpdate.maxUnavailable: 1"));
    }
    changes
}
