//! Judgements about nodes.

use super::judge::{NOT_COMPARED, findings};
use super::*;
use edge_host::Severity;

fn source(text: &str) -> Source {
    Source { name: "input".to_owned(), text: text.to_owned() }
}

fn read(text: &str) -> Result<Cluster> {
    let mut cluster = Cluster::default();
    cluster.read(&source(text))?;
    Ok(cluster)
}

/// A node that has no problem.
fn node(name: &str, label: &str, version: &str, address: &str, port: u16) -> String {
    format!(
        "apiVersion: v1\nkind: Node\nmetadata:\n  name: {name}\n  labels: {{{label}: \"\"}}\nspec:\n  taints: []\nstatus:\n  addresses:\n  - {{type: InternalIP, address: {address}}}\n  - {{type: Hostname, address: {name}}}\n  conditions:\n  - {{type: Ready, status: \"True\", reason: KubeletReady}}\n  daemonEndpoints: {{kubeletEndpoint: {{Port: {port}}}}}\n  nodeInfo: {{kubeletVersion: {version}}}\n---\n"
    )
}

fn edge(name: &str, minor: u16, address: &str, port: u16) -> String {
    node(name, EDGE, &format!("v1.30.0-kubeedge-v1.{minor}.1"), address, port)
}

fn control_plane(minor: u16) -> String {
    node("cp", CONTROL_PLANE[0], &format!("v1.{minor}.2"), "192.0.2.1", 10250)
}

fn record(record: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: tunnelport\n  namespace: kubeedge\n  annotations:\n    tunnelportrecord.kubeedge.io: '{record}'\n---\n"
    )
}

/// All findings as `SEVERITY TEXT`.
#[track_caller]
fn all_found(text: &str) -> Vec<String> {
    let cluster = read(text).unwrap();
    findings(&cluster, "input").iter().map(|one| format!("{} {}", one.severity.word(), one.text)).collect()
}

/// The findings without the note about the record, which has a test of its own.
#[track_caller]
fn found(text: &str) -> Vec<String> {
    all_found(text).into_iter().filter(|line| *line != format!("note {NOT_COMPARED}")).collect()
}

#[test]
fn ports_without_a_record_are_one_note() {
    let good = [control_plane(31), edge("e1", 23, "192.0.2.2", 10351), edge("e2", 23, "192.0.2.3", 10352)].concat();
    assert_eq!(all_found(&good), [format!("note {NOT_COMPARED}")]);
    let recorded = r#"{"ipTunnelPort":{"192.0.2.8":10351,"":10352}}"#;
    assert_eq!(all_found(&format!("{good}{}", record(recorded))), Vec::<String>::new());
    // Before 1.7 there is nothing to compare with.
    assert_eq!(all_found(&[control_plane(19), edge("e", 4, "192.0.2.2", 10350)].concat()), Vec::<String>::new());
}

#[test]
fn ports_of_nodes_of_unknown_versions_are_compared() {
    let recorded = record(r#"{"ipTunnelPort":{"192.0.2.8":10352}}"#);
    for version in ["v1.32.0-kubeedge-v0.0.0-master", "odd"] {
        let with =
            |port| found(&[control_plane(31), node("m", EDGE, version, "192.0.2.4", port), recorded.clone()].concat());
        let about_ports = |all: Vec<String>| all.into_iter().filter(|line| line.contains("kubeletEndpoint")).count();
        assert_eq!((about_ports(with(10351)), about_ports(with(10352))), (1, 0), "{version}");
    }
}

#[test]
fn cluster_without_a_problem_has_no_finding() {
    let good = [control_plane(31), edge("e1", 23, "192.0.2.2", 10351), edge("e2", 23, "192.0.2.3", 10352)].concat();
    assert_eq!(found(&good), Vec::<String>::new());
    let recorded = r#"{"ipTunnelPort":{"192.0.2.8":10351,"":10352}}"#;
    assert_eq!(found(&format!("{good}{}", record(recorded))), Vec::<String>::new());
    assert_eq!(found(&[control_plane(19), edge("e", 4, "192.0.2.2", 10350)].concat()), Vec::<String>::new());
}

#[test]
fn ports_are_those_of_the_version_and_of_the_record() {
    let with = |minor, port, rest: &str| {
        let kubernetes = edge_kubeedge::kubernetes::of(edge_kubeedge::Minor::new(minor)).unwrap().newest;
        found(&[control_plane(kubernetes), edge("e", minor, "192.0.2.2", port), rest.to_owned()].concat())
    };
    let logs = "kubectl logs, exec and top fail";
    for (minor, port, want) in [
        (
            23,
            10350,
            format!(
                "error e: port 10350 in kubeletEndpoint is not one of cloudcore 1.23, which are 10351 and later: {logs}"
            ),
        ),
        (6, 10351, format!("error e: port 10351 in kubeletEndpoint is not 10350, the one of KubeEdge 1.6: {logs}")),
        (8, 0, format!("error e: cloudcore has set no port in kubeletEndpoint: {logs}")),
    ] {
        assert_eq!(with(minor, port, ""), [want]);
    }
    let recorded = record(r#"{"ipTunnelPort":{"192.0.2.8":10352}}"#);
    let want =
        format!("error e: port 10351 in kubeletEndpoint is not one that cloudcores have recorded (10352): {logs}");
    assert_eq!(with(23, 10351, &recorded), [want]);
    let want =
        format!("error e: port 10351 in kubeletEndpoint is not one that cloudcores have recorded (none): {logs}");
    assert_eq!(with(23, 10351, &record("{}")), [want]);
    // Before 1.7 there is no record.
    assert_eq!(with(5, 10350, &recorded), Vec::<String>::new());
    let error = read(&record("x")).unwrap_err();
    assert!(error.message().contains("ConfigMap kubeedge/tunnelport: annotation"), "{error}");
}

#[test]
fn versions_are_compared_with_those_that_kubeedge_lists() {
    let e = edge("e", 23, "192.0.2.2", 10351);
    let older = found(&[control_plane(29), e.clone()].concat());
    assert_eq!(
        older,
        [
            "warning e: KubeEdge 1.23 is compatible with Kubernetes 1.30 to 1.32; this cluster has 1.29 (kubelet of cp), which may lack features or objects that KubeEdge uses"
        ]
    );
    let newer = found(&[control_plane(33), e.clone()].concat());
    assert!(newer[0].ends_with("which has features or objects that KubeEdge cannot use"), "{newer:?}");
    // A newer kubelet outside of the control plane does not count, if the control plane is known.
    let worker = node("w", "x", "v1.33.0", "192.0.2.9", 10250);
    assert_eq!(found(&[control_plane(31), worker.clone(), e.clone()].concat()), Vec::<String>::new());
    assert!(found(&[worker, e.clone()].concat())[0].contains("1.33 (kubelet of w)"));
    assert_eq!(
        found(&e),
        ["note no kubelet of this input shows the version of Kubernetes: whether KubeEdge goes with it is unknown"]
    );
    let unknown = node("m", EDGE, "v1.32.0-kubeedge-v0.0.0-master", "192.0.2.4", 10351);
    assert_eq!(
        found(&[control_plane(31), unknown].concat()),
        ["note m: KubeEdge v0.0.0-master is not a release: which Kubernetes goes with it is unknown"]
    );
    let mixed = found(&[control_plane(30), e, edge("f", 21, "192.0.2.5", 10351)].concat());
    assert_eq!(
        mixed,
        [
            "warning edge nodes have different versions of KubeEdge: 1.21 on 1, 1.23 on 1; cloudcore has one of them at most"
        ]
    );
}

#[test]
fn addresses_must_be_of_one_node() {
    let pair = |minor, kubernetes| {
        let nodes = [edge("a", minor, "10.0.0.2", 10351), edge("b", minor, "10.0.0.2", 10351)].concat();
        found(&format!("{}{nodes}", control_plane(kubernetes)))
    };
    assert_eq!(
        pair(23, 31),
        ["warning a, b: they have the same InternalIP 10.0.0.2: metrics of all of them are those of one"]
    );
    assert_eq!(
        pair(8, 20),
        ["error a, b: they have the same InternalIP 10.0.0.2: kubectl exec and top reach one of them"]
    );
    // One node may have it twice.
    let twice =
        edge("e", 23, "192.0.2.2", 10351).replace("type: Hostname, address: e", "type: InternalIP, address: 192.0.2.2");
    assert_eq!(found(&[control_plane(31), twice].concat()), Vec::<String>::new());
    let loopback = found(&[control_plane(31), edge("e", 23, "127.0.1.1", 10351)].concat());
    assert_eq!(
        loopback,
        ["error e: its InternalIP 127.0.1.1 is a loopback or unspecified address: the API server connects to itself"]
    );
    let none = [control_plane(31), edge("e", 23, "192.0.2.2", 10351).replace("InternalIP", "ExternalIP")].concat();
    assert_eq!(found(&none), ["error e: it has no InternalIP, which the API server connects to"]);
}

#[test]
fn node_states_are_reported_with_their_cause() {
    let e = edge("e", 23, "192.0.2.2", 10351);
    let with = |from: &str, to: &str| found(&format!("{}{}", control_plane(31), e.replace(from, to)));
    let taint = "taints: [{key: node.kubernetes.io/network-unavailable, effect: NoSchedule}]";
    assert_eq!(
        with("taints: []", taint),
        [
            "error e: it has the taint node.kubernetes.io/network-unavailable, and no condition that keeps it: pods are not scheduled there"
        ]
    );
    let tainted = e.replace("taints: []", taint);
    let condition = "conditions:\n  - {type: NetworkUnavailable, status: \"True\", reason: FlannelIsDown}";
    let by_flannel = found(&format!("{}{}", control_plane(31), tainted.replace("conditions:", condition)));
    assert!(by_flannel[0].ends_with("a network agent has set it and no longer runs there (FlannelIsDown)"));
    let ready = "{type: Ready, status: \"True\", reason: KubeletReady}";
    assert_eq!(
        with(ready, "{type: Ready, status: Unknown, reason: NodeStatusUnknown}"),
        [
            "error e: nothing is heard of it (NodeStatusUnknown): edgecore does not run, or is not connected to cloudcore"
        ]
    );
    assert_eq!(
        with(ready, "{type: Ready, status: \"False\", reason: KubeletNotReady}"),
        ["error e: it is not ready (KubeletNotReady)"]
    );
    assert_eq!(with(ready, "{type: Other}"), ["error e: it has not reported whether it is ready"]);
    let unlabelled = with(EDGE, "a");
    assert!(unlabelled[0].starts_with("warning e: edgecore reports its status, but it has no label"), "{unlabelled:?}");
    let kubelet = found(&format!("{}{}", control_plane(31), node("k", EDGE, "v1.31.0", "192.0.2.7", 10250)));
    assert!(kubelet[0].starts_with("warning k: it has the label of edge nodes, but a kubelet"), "{kubelet:?}");
}

#[test]
fn problem_of_many_nodes_is_one_finding() {
    let nodes: String =
        (0..3000).map(|n| edge(&format!("e{n}"), 23, &format!("10.0.{}.{}", n / 250, n % 250 + 1), 10350)).collect();
    let cluster =
        read(&[control_plane(31), nodes, record(r#"{"ipTunnelPort":{"192.0.2.8":10351}}"#)].concat()).unwrap();
    let all = findings(&cluster, "input");
    assert_eq!(all.len(), 1);
    assert!(all[0].text.starts_with("e0, e1, e2, e3, e4 and 2995 more: port 10350"), "{}", all[0].text);
    assert_eq!((all[0].severity, all[0].line), (Severity::Error, Some(cluster.nodes[1].line)));
}

#[test]
fn input_without_edge_nodes_or_that_is_cut_off_is_an_error() {
    assert_eq!(found(&control_plane(31)), ["error none of its 1 nodes is an edge node: nothing was checked"]);
    assert_eq!(found("apiVersion: v1\nkind: List\nitems: []\n"), ["error it has no nodes: nothing was checked"]);
    let whole = edge("e", 23, "192.0.2.2", 10351);
    for cut in [&whole[..whole.len() - 20], "apiVersion: v1\nkind: Node\nmetadata: {}\n", "a: 1\n", "---\n"] {
        assert!(read(cut).is_err(), "{cut}");
    }
}
