//! `cluster`: what `kubectl get nodes` prints, in its forms.

use edgeutils_tests::tool::{Ran, Tool};
use edgeutils_tests::tree::Tree;
use serde_json::{Value, json};

fn node(name: &str, version: &str, port: u16) -> Value {
    let role = if version.contains("kubeedge") { "edge" } else { "control-plane" };
    let last = name.bytes().map(u32::from).sum::<u32>() % 250;
    json!({"apiVersion": "v1", "kind": "Node",
           "metadata": {"name": name, "labels": {format!("node-role.kubernetes.io/{role}"): ""}},
           "spec": {},
           "status": {"addresses": [{"type": "InternalIP", "address": format!("10.0.0.{last}")}],
                      "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}],
                      "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
                      "nodeInfo": {"kubeletVersion": version}}})
}

fn list(nodes: &[Value]) -> String {
    serde_json::to_string_pretty(&json!({"apiVersion": "v1", "kind": "List", "items": nodes})).unwrap()
}

fn check(args: &[&str], input: &str) -> Ran {
    Tool::new("edge-check").arg("cluster").args(args).stdin(input).run()
}

/// What is said without the record.
const NOT_COMPARED: &str = "standard input: note: the ports of edge nodes were not compared with those that cloudcores have recorded\n    hint: pass the record: kubectl get configmap -n kubeedge tunnelport -o json > FILE, and --tunnelport FILE\n";

const EDGE: &str = "v1.32.10-kubeedge-v1.23.1";

#[test]
fn cluster_is_read_in_json_and_yaml() {
    let nodes = [node("cp", "v1.31.4", 10250), node("edge-1", EDGE, 10350), node("edge-2", EDGE, 10350)];
    let yaml = serde_yaml::to_string(&json!({"apiVersion": "v1", "kind": "List", "items": nodes})).unwrap();
    let typed = list(&nodes).replace("\"List\"", "\"NodeList\"");
    for input in [list(&nodes), typed, yaml.clone(), yaml.replace('\n', "\r\n")] {
        let ran = check(&[], &input).expect(3);
        assert_eq!(
            ran.stdout,
            format!(
                "standard input:1: error: edge-1, edge-2: port 10350 in kubeletEndpoint is not one of cloudcore 1.23, which are 10351 and later: kubectl logs, exec and top fail\n    hint: run edge-conf enable logs on both sides, then edge-check edge on that node\n{NOT_COMPARED}1 problem found\n"
            )
        );
    }
    let good = list(&[node("cp", "v1.31.4", 10250), node("edge-1", EDGE, 10351)]);
    assert_eq!(check(&[], &good).expect(0).stdout, format!("{NOT_COMPARED}no problems found\n"));
}

#[test]
fn cluster_compares_ports_with_the_record() {
    let tree = Tree::with(&[("nodes.json", &list(&[node("cp", "v1.31.4", 10250), node("edge-1", EDGE, 10351)]))]);
    let map = |record: &str| {
        json!({"apiVersion": "v1", "kind": "ConfigMap",
               "metadata": {"name": "tunnelport", "namespace": "kubeedge",
                            "annotations": {"tunnelportrecord.kubeedge.io": record}}})
        .to_string()
    };
    let file = tree.at("nodes.json").to_str().unwrap().to_owned();
    let with = |record: &str| check(&[&file, "--tunnelport", "-"], record);
    with(&map(r#"{"ipTunnelPort":{"192.0.2.1":10351}}"#)).expect(0);
    let ran = with(&map(r#"{"ipTunnelPort":{"192.0.2.1":10352,"192.0.2.2":10353}}"#)).expect(3);
    assert!(
        ran.stdout.contains("port 10351 in kubeletEndpoint is not one that cloudcores have recorded (10352, 10353)")
    );
    let ran = with(&list(&[])).expect(1);
    assert!(
        ran.stderr.contains("cannot use standard input: it has no ConfigMap kubeedge/tunnelport"),
        "{}",
        ran.stderr
    );
    let ran = with(&map("damaged")).expect(1);
    assert!(ran.stderr.contains("it is not valid JSON"), "{}", ran.stderr);
    let ran = check(&["--tunnelport", "-"], "").expect(2);
    assert!(ran.stderr.contains("cannot read standard input twice"), "{}", ran.stderr);
}

#[test]
fn cluster_reads_a_large_list_item_by_item() {
    let filler = "x".repeat(2000);
    let nodes: Vec<Value> = (0..1500)
        .map(|number| {
            let mut node = node(&format!("edge-{number:04}"), EDGE, 10351);
            node["status"]["addresses"][0]["address"] = format!("10.1.{}.{}", number / 200, number % 200 + 1).into();
            node["metadata"]["annotations"] = json!({"filler": filler});
            node
        })
        .chain([node("cp", "v1.35.0", 10250)])
        .collect();
    let text = list(&nodes);
    assert!(text.len() > 2 << 20);
    let ran = check(&[], &text).expect(0);
    let expected =
        "warning: edge-0000, edge-0001, edge-0002, edge-0003, edge-0004 and 1495 more: KubeEdge 1.23 is compatible";
    assert!(ran.stdout.contains(expected), "{}", ran.stdout);
    assert!(ran.stdout.ends_with("no errors, 1 warning\n"), "{}", ran.stdout);
    // A cut in the middle is never taken for a smaller cluster.
    let ran = check(&[], &text[..text.len() / 2]).expect(4);
    assert!(ran.stdout.is_empty() && ran.stderr.contains("hint: check that the input is complete"), "{}", ran.stderr);
}

#[test]
fn cluster_refuses_what_is_not_nodes() {
    for (input, code, text) in [
        ("", 1, "it is empty"),
        ("<html></html>", 1, "it is HTML or XML"),
        ("a: 1\n", 1, "it is not a Kubernetes object"),
        ("No resources found\n", 1, "it is not a Kubernetes object"),
        (&list(&[]), 3, "it has no nodes: nothing was checked"),
        (&list(&[node("cp", "v1.31.4", 10250)]), 3, "none of its 1 nodes is an edge node"),
        ("{\"apiVersion\": \"v1\", \"kind\": \"Node\", \"metadata\": {}}", 1, "Node has no metadata.name"),
    ] {
        let ran = check(&[], input).expect(code);
        assert!(format!("{}{}", ran.stdout, ran.stderr).contains(text), "{input}: {}{}", ran.stdout, ran.stderr);
    }
    // Text of a node cannot start a line of its own.
    let mut odd = node("edge-1", "v1.32.0-kubeedge-v0.0.0\nx: error: y", 10351);
    odd["metadata"]["labels"] = json!({"node-role.kubernetes.io/edge": ""});
    let ran = check(&[], &list(&[node("cp", "v1.31.4", 10250), odd])).expect(0);
    assert!(!ran.stdout.contains("\nx: error"), "{}", ran.stdout);
}
