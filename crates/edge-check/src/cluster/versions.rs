//! Versions of KubeEdge and Kubernetes that do not go together.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use edge_host::Severity;
use edge_kubeedge::Minor;
use edge_kubeedge::kubernetes::{self, Kubernetes, Reported};

use super::Node;
use super::judge::Problems;

/// The Kubernetes of the cluster, by a kubelet: it is never newer than the API server.
struct Seen<'n> {
    minor: u16,
    of: &'n Node,
}

/// Adds the problems of versions.
pub(super) fn judge(nodes: &[Node], problems: &mut Problems) {
    let mut by_version: BTreeMap<Minor, usize> = BTreeMap::new();
    let seen = seen(nodes);
    for (index, node) in nodes.iter().enumerate().filter(|(_, node)| node.is_edge()) {
        match &node.version {
            Reported::EdgeCore(version) => {
                *by_version.entry(*version).or_default() += 1;
                if let Some(seen) = &seen {
                    skew(*version, seen, index, problems);
                }
            }
            Reported::UnknownEdgeCore(version) => {
                let text = format!("KubeEdge {version} is not a release: which Kubernetes goes with it is unknown");
                problems.add(Severity::Note, text, "", index);
            }
            Reported::Kubelet(_) => {
                let text = "it has the label of edge nodes, but a kubelet and not an edgecore reports its status";
                problems.add(Severity::Warning, text, "keep kubelet off edge nodes, or remove the label", index);
            }
            Reported::Unknown => {
                let text = "it reports no version: edgecore has not reported its status yet, or the input is cut off";
                problems.add(Severity::Warning, text, "", index);
            }
        }
    }
    if let (Some((oldest, _)), Some((newest, _))) = (by_version.first_key_value(), by_version.last_key_value())
        && oldest != newest
    {
        let count = |(version, count): (&Minor, &usize)| format!("{version} on {count}");
        let shown = by_version.iter().map(count).collect::<Vec<_>>().join(", ");
        let text =
            format!("edge nodes have different versions of KubeEdge: {shown}; cloudcore has one of them at most");
        problems.of_all(Severity::Warning, text, "upgrade cloudcore first, and then each node: keadm upgrade");
    }
    if seen.is_none() && !by_version.is_empty() {
        let text = "no kubelet of this input shows the version of Kubernetes: whether KubeEdge goes with it is unknown";
        problems.of_all(Severity::Note, text, "");
    }
}

/// The newest kubelet of the control plane, or else of any other node.
fn seen(nodes: &[Node]) -> Option<Seen<'_>> {
    let kubelets = nodes.iter().filter(|node| !node.is_edge()).filter_map(|node| match node.version {
        Reported::Kubelet(minor) => Some(Seen { minor, of: node }),
        _ => None,
    });
    kubelets.max_by_key(|seen| (seen.of.is_control_plane, seen.minor))
}

fn skew(version: Minor, seen: &Seen<'_>, index: usize, problems: &mut Problems) {
    let (minor, by) = (seen.minor, &seen.of.name);
    let Some(row) = kubernetes::of(version) else {
        let text = format!("edge-check does not know KubeEdge {version}: whether it goes with Kubernetes is unknown");
        problems.add(Severity::Note, text, "", index);
        return;
    };
    let why = match row.compare(minor) {
        Ordering::Equal => return,
        Ordering::Less => "which may lack features or objects that KubeEdge uses",
        Ordering::Greater => "which has features or objects that KubeEdge cannot use",
    };
    let Kubernetes { oldest, newest, .. } = row;
    let text = format!(
        "KubeEdge {version} is compatible with Kubernetes 1.{oldest} to 1.{newest}; this cluster has 1.{minor} (kubelet of {by}), {why}"
    );
    problems.add(Severity::Warning, text, &hint(minor), index);
}

/// The versions of KubeEdge that go with this Kubernetes.
fn hint(minor: u16) -> String {
    match kubernetes::compatible_with(minor) {
        Some((oldest, newest)) if oldest == newest => format!("with Kubernetes 1.{minor} use KubeEdge {oldest}"),
        Some((oldest, newest)) => format!("with Kubernetes 1.{minor} use KubeEdge {oldest} to {newest}"),
        None => format!("no version of KubeEdge that edge-check knows lists Kubernetes 1.{minor}"),
    }
}
