//! With the API server and the DaemonSet controller of Kubernetes. Each test has namespaces and nodes of its own.

mod controller;
mod stored;
mod token;

use edgeutils_tests::tool::Tool;

const FLANNEL: &str = include_str!("../manifest/shapes/flannel.yaml");
const FLANNEL_0_12: &str = include_str!("../manifest/shapes/flannel-0.12.yaml");
const CALICO: &str = include_str!("../manifest/shapes/calico.yaml");
const METRICS_SERVER: &str = include_str!("../manifest/shapes/metrics-server.yaml");

/// Passes manifests through edge-manifest.
#[track_caller]
fn filter(input: &str, args: &str) -> String {
    Tool::new("edge-manifest").args(args.split(' ')).stdin(input).run().expect(0).stdout
}

/// A node as `kubectl create` takes it; its labels select it for the DaemonSets of a test.
fn node(name: &str, labels: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Node\nmetadata:\n  name: {name}\n  labels: {{kubernetes.io/os: linux, {labels}}}\n"
    )
}

/// A shape in a namespace of its own, on nodes with a label of its own.
fn in_namespace(shape: &str, namespace: &str) -> String {
    shape
        .replace("namespace: kube-system", &format!("namespace: {namespace}"))
        .replace("namespace: kube-flannel", &format!("namespace: {namespace}"))
}
