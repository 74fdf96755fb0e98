//! What `kubectl get nodes` prints: whatever a node says, each problem is one finding, and no cut is a smaller cluster.

use edge_check::cluster::Cluster;
use edge_check::cluster::judge::findings;
use edge_objects::source::Source;

use super::Target;

const NODE: &str = "apiVersion: v1\nkind: Node\nmetadata:\n  name: edge-1\n  labels: {node-role.kubernetes.io/edge: \"\"}\nspec:\n  taints: [{key: node.kubernetes.io/network-unavailable, effect: NoSchedule}]\nstatus:\n  addresses: [{type: InternalIP, address: 192.0.2.7}]\n  conditions:\n  - {type: Ready, status: Unknown, reason: NodeStatusUnknown}\n  - {type: NetworkUnavailable, status: \"True\", reason: NoRouteCreated}\n  daemonEndpoints: {kubeletEndpoint: {Port: 10350}}\n  nodeInfo: {kubeletVersion: v1.32.10-kubeedge-v1.23.1}\n";

pub(super) const TARGET: Target = Target {
    name: "nodes",
    check,
    read,
    seeds: || {
        let list = "{\"apiVersion\": \"v1\", \"kind\": \"List\", \"items\": [{\"apiVersion\": \"v1\", \"kind\": \"Node\", \"metadata\": {\"name\": \"cp\", \"labels\": {\"node-role.kubernetes.io/control-plane\": \"\"}}, \"status\": {\"nodeInfo\": {\"kubeletVersion\": \"v1.31.2\"}}}, {\"apiVersion\": \"v1\", \"kind\": \"Node\", \"metadata\": {\"name\": \"e\"}, \"status\": {\"addresses\": [{\"type\": \"InternalIP\", \"address\": \"192.0.2.7\"}], \"daemonEndpoints\": {\"kubeletEndpoint\": {\"Port\": 10351}}, \"nodeInfo\": {\"kubeletVersion\": \"v1.22.6-kubeedge-v1.12.1\"}}}]}\n";
        let record = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: tunnelport\n  namespace: kubeedge\n  annotations:\n    tunnelportrecord.kubeedge.io: '{\"ipTunnelPort\":{\"192.0.2.1\":10351},\"port\":{\"10351\":true}}'\n";
        super::texts(&[NODE, list, &format!("{NODE}---\n{record}")])
    },
    tokens: &[
        "---\n",
        "\n",
        "  ",
        "- ",
        ": ",
        "{",
        "}",
        "[",
        "]",
        "kind: Node\n",
        "kind: NodeList\nitems:\n",
        "kind: ConfigMap\n",
        "-kubeedge-v1.8.2",
        "v1.31.2",
        "Port: 0",
        "10352",
        "::1",
        "InternalIP",
        "node-role.kubernetes.io/edge",
        "ipTunnelPort",
        "\u{feff}",
    ],
    growing: &[
        (
            "apiVersion: v1\nkind: List\nitems:\n",
            "- apiVersion: v1\n  kind: Node\n  metadata: {name: n{}, labels: {node-role.kubernetes.io/edge: a}}\n  status: {nodeInfo: {kubeletVersion: v1.0.0-kubeedge-v1.9.0}, addresses: [{type: InternalIP, address: a{}}]}\n",
            "",
        ),
        (
            "",
            "---\napiVersion: v1\nkind: Node\nmetadata: {name: n{}}\nstatus: {nodeInfo: {kubeletVersion: v1.0.0-kubeedge-{}}, addresses: [{type: InternalIP, address: 192.0.2.1}]}\n",
            "",
        ),
        (
            "apiVersion: v1\nkind: Node\nmetadata: {name: n, labels: {node-role.kubernetes.io/edge: a}}\nstatus:\n  addresses:\n",
            "  - {type: InternalIP, address: a{}}\n",
            "",
        ),
    ],
};

fn read_all(data: &[u8]) -> Option<Cluster> {
    let source = Source { name: "input".to_owned(), text: super::text(data) };
    let mut cluster = Cluster::default();
    cluster.read(&source).ok()?;
    Some(cluster)
}

fn read(data: &[u8]) {
    let _ = read_all(data).map(|cluster| findings(&cluster, "input"));
}

fn check(data: &[u8]) {
    let Some(cluster) = read_all(data) else { return };
    let all = findings(&cluster, "input");
    let texts: std::collections::BTreeSet<&str> = all.iter().map(|finding| finding.text.as_str()).collect();
    assert_eq!(texts.len(), all.len(), "a problem is reported twice: {all:?}");
    assert!(cluster.nodes.iter().any(edge_check::cluster::Node::is_edge) || all.len() == 1, "{all:?}");
}
