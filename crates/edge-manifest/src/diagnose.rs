//! What goes wrong with manifests in a cluster with edge nodes.
//!
//! The requirements of DaemonSets are judged at the end, when all nodes of the input are known.

mod edgemesh;
mod ports;

use edge_host::{Finding, Result, Severity};
use edge_yaml::{Path, Step};

use crate::catalog::{Names, catalog, is_edge_workload};
use crate::cluster::{EdgeNode, Requirements};
use crate::pod::{Pod, Reach, is_workload, spec_steps, text};
use edge_objects::object::{Manager, Object, keys};

/// Edge nodes that a finding names.
const SHOWN: usize = 5;
/// Keys of tolerations that no taint has: the prefix of one, without its name (kubernetes v1.34
/// `staging/src/k8s.io/api/core/v1/well_known_taints.go`).
const PREFIXES: [&str; 2] = ["node-role.kubernetes.io", "node.kubernetes.io"];

/// What was found in a document: the path of the setting, for its line.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) severity: Severity,
    pub(crate) path: Option<Path>,
    pub(crate) text: String,
    pub(crate) hint: Option<String>,
}

/// A DaemonSet that does not exclude edge nodes.
#[derive(Debug)]
pub(crate) struct Candidate {
    title: String,
    requirements: Requirements,
    hint: String,
    /// The line of its pod template's specification; set by the caller.
    pub(crate) line: Option<usize>,
    pub(crate) path: Option<Path>,
}

/// A check of a stream.
#[derive(Debug, Default)]
pub(crate) struct Diagnosis {
    edge_nodes: Vec<EdgeNode>,
    pub(crate) candidates: Vec<Candidate>,
    names: Option<Names>,
    /// Whether a name was noted that only some clusters reserve for all kinds.
    is_noted: bool,
}

impl Found {
    fn new(severity: Severity, object: &Object<'_>, steps: Vec<Step>, text: String, hint: impl Into<String>) -> Found {
        Found { severity, path: object.path(steps), text, hint: Some(hint.into()) }
    }
}

impl Diagnosis {
    /// With a list of reserved names.
    pub(crate) fn new(names: Option<Names>) -> Diagnosis {
        Diagnosis { names, ..Diagnosis::default() }
    }

    /// The problems of an object. `source` is the name of the input in messages.
    pub(crate) fn object(&mut self, object: &Object<'_>, is_stdin: bool, source: &str) -> Result<Vec<Found>> {
        let mut found = Vec::new();
        if let Some(pod) = Pod::of(object) {
            self.reach(object, pod, is_stdin, source)?;
            found.extend(tolerations(object, pod));
            found.extend(ports::check(object, pod)?);
        }
        found.extend(edgemesh::check(object)?);
        found.extend(self.node(object));
        found.extend(self.name(object)?);
        Ok(found)
    }

    fn reach(&mut self, object: &Object<'_>, pod: Pod<'_>, is_stdin: bool, source: &str) -> Result<()> {
        let is_open = matches!(pod.reach(), Reach::Reaches(_));
        if object.kind != "DaemonSet" || !is_workload(object) || !is_open || is_edge_workload(object)? {
            return Ok(());
        }
        let hint = match object.manager() {
            Some(Manager::Owner(kind, name)) => format!("it is managed by {kind} {name}: change it there"),
            _ if object.is_from_cluster() => {
                "kubectl get ds -A -o yaml | edge-manifest keep-off-edge | kubectl replace -f -".to_owned()
            }
            _ if is_stdin => "pass the manifest through: edge-manifest keep-off-edge".to_owned(),
            _ => format!("edge-manifest keep-off-edge {} | kubectl apply -f -", edge_host::quoted(source)),
        };
        self.candidates.push(Candidate {
            title: object.title(),
            requirements: Requirements::of(pod),
            hint,
            line: None,
            path: object.path(spec_steps(&[])),
        });
        Ok(())
    }

    /// A node of the cluster is remembered; one in a manifest would be created.
    fn node(&mut self, object: &Object<'_>) -> Option<Found> {
        if object.kind != "Node" || !object.group.is_empty() {
            return None;
        }
        if object.is_from_cluster() {
            self.edge_nodes.extend(EdgeNode::of(object));
            return None;
        }
        let text = format!(
            "{} would be created or changed: edgecore and kubelet register their nodes themselves",
            object.title()
        );
        Some(Found::new(Severity::Error, object, keys(&["kind"]), text, "remove it from the manifest"))
    }

    fn name(&mut self, object: &Object<'_>) -> Result<Option<Found>> {
        let catalog = catalog()?;
        let is_system = catalog.is_system_namespace(object.namespace);
        let place = || keys(&["metadata", "name"]);
        if let Some((pattern, reason)) =
            self.names.as_ref().filter(|_| !is_system).and_then(|names| names.find(object.name))
        {
            let reason = if reason.is_empty() { String::new() } else { format!(": {reason}") };
            let text = format!("{}: the name is reserved ({pattern} in --names){reason}", object.title());
            return Ok(Some(Found::new(Severity::Error, object, place(), text, "choose another name")));
        }
        // What is in a cluster already may be the system's own.
        if is_system || object.is_from_cluster() {
            return Ok(None);
        }
        let Some(reserved) = catalog.reserved(&object.kind, object.name) else { return Ok(None) };
        let mut text = format!("{}: the name is reserved: {}", object.title(), reserved.why);
        if reserved.is_of_all_kinds() {
            if std::mem::replace(&mut self.is_noted, true) {
                return Ok(None);
            }
            text.push_str("; further such names are not reported");
        }
        let severity = if reserved.note { Severity::Note } else { Severity::Warning };
        Ok(Some(Found::new(severity, object, place(), text, "choose another name")))
    }

    /// The DaemonSets that run on edge nodes. `file` is the name of the input.
    pub(crate) fn finish(self, file: &str) -> Vec<Finding> {
        let Diagnosis { edge_nodes, candidates, .. } = self;
        let finding = |candidate: &Candidate, text: String| {
            Finding::error(file, text).on_line(candidate.line).hint(candidate.hint.clone())
        };
        if edge_nodes.is_empty() {
            let text = |title: &str| format!("{title} would run on edge nodes: nothing excludes them");
            return candidates.iter().map(|candidate| finding(candidate, text(&candidate.title))).collect();
        }
        let mut findings = Vec::new();
        for candidate in &candidates {
            let reached: Vec<&str> = edge_nodes
                .iter()
                .filter(|node| candidate.requirements.allow(node))
                .map(|node| node.name.as_str())
                .collect();
            if reached.is_empty() {
                continue;
            }
            let more = reached.len().saturating_sub(SHOWN);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let shown = reached.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
            findings.push(finding(candidate, format!("{} runs on edge nodes: {shown}{more}", candidate.title)));
        }
        findings
    }
}

/// Tolerations whose key is that of no taint.
fn tolerations(object: &Object<'_>, pod: Pod<'_>) -> Vec<Found> {
    let all = pod.tolerations().iter().enumerate();
    let unmatched = all.filter_map(|(index, toleration)| {
        let key = text(toleration, "key")?;
        PREFIXES.contains(&key).then_some((index, key))
    });
    unmatched
        .map(|(index, key)| {
            let mut steps = spec_steps(&["tolerations"]);
            steps.extend([Step::Index(index), Step::Key("key".to_owned())]);
            let text = format!("{} tolerates {key}, which no taint has: the toleration has no effect", object.title());
            let hint = "name the taint: node-role.kubernetes.io/control-plane, and node-role.kubernetes.io/master before Kubernetes 1.25";
            Found::new(Severity::Error, object, steps, text, hint)
        })
        .collect()
}
