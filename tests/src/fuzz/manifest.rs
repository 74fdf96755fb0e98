//! Manifests: the stream is cut, every rule is applied, and the result is what YAML's readers agree on.

use edge_manifest::cli::{FlannelBackend, Kind, VxlanMode};
use edge_manifest::request::{PodSubnets, subnet};
use edge_manifest::rules::calico_vxlan::CalicoVxlan;
use edge_manifest::rules::flannel::Flannel;
use edge_manifest::rules::keep_off_edge::KeepOffEdge;
use edge_manifest::rules::metrics_server::{MetricsServer, Place};
use edge_manifest::rules::{Rule, filter};
use edge_yaml::documents;

use super::Target;

pub(super) const TARGET: Target = Target {
    name: "manifest",
    check,
    read,
    seeds: || {
        super::texts(&[
            include_str!("../../tests/manifest/shapes/flannel.yaml"),
            include_str!("../../tests/manifest/shapes/calico.yaml"),
            include_str!("../../tests/manifest/shapes/metrics-server.yaml"),
            "{\"apiVersion\": \"v1\", \"kind\": \"List\", \"items\": [{\"apiVersion\": \"apps/v1\", \"kind\": \"DaemonSet\", \"metadata\": {\"name\": \"a\"}, \"spec\": {\"template\": {\"spec\": {\"containers\": [{\"name\": \"c\"}]}}}}]}\n",
        ])
    },
    tokens: &[
        "---\n",
        "...\n",
        "--- ",
        "\n",
        "\r\n",
        "  ",
        "- ",
        ": ",
        "{",
        "}",
        "[",
        "]",
        ", ",
        "# c\n",
        "&a ",
        "*a",
        "<<: *a",
        "|\n",
        "'",
        "\"",
        "{{ x }}",
        "apiVersion: apps/v1\n",
        "kind: DaemonSet\n",
        "kind: List\nitems:\n",
        "spec:\n",
        "affinity: {}\n",
        "nodeSelectorTerms: []\n",
        "matchExpressions:\n",
        "node-role.kubernetes.io/edge",
        "operator: Exists\n",
        "ownerReferences:\n",
        "\u{feff}",
    ],
    growing: &[
        (
            "",
            "---\napiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: d{}}\nspec: {template: {spec: {containers: [{name: c}]}}}\n",
            "",
        ),
        (
            "apiVersion: v1\nkind: List\nitems:\n",
            "- apiVersion: apps/v1\n  kind: DaemonSet\n  metadata: {name: d{}}\n  spec:\n    template:\n      spec:\n        containers:\n        - name: c\n",
            "",
        ),
        (
            "apiVersion: v1\nkind: List\nitems:\n",
            "- apiVersion: v1\n  kind: Node\n  metadata: {name: n{}, uid: u}\n",
            "",
        ),
        (
            "apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: d}\nspec:\n  template:\n    spec:\n      containers: [{name: c}]\n      affinity:\n        nodeAffinity:\n          requiredDuringSchedulingIgnoredDuringExecution:\n            nodeSelectorTerms:\n",
            "            - matchExpressions: [{key: a{}, operator: Exists}]\n",
            "",
        ),
        (
            "{\"apiVersion\": \"v1\", \"kind\": \"List\", \"items\": [",
            "{\"apiVersion\": \"apps/v1\", \"kind\": \"DaemonSet\", \"metadata\": {\"name\": \"d{}\"}, \"spec\": {\"template\": {\"spec\": {\"containers\": [{\"name\": \"c\"}]}}}}, ",
            "{\"apiVersion\": \"v1\", \"kind\": \"Node\", \"metadata\": {\"name\": \"n\"}}]}\n",
        ),
        (
            "apiVersion: v1\nkind: List\nx: &x {}\nitems:\n",
            "- apiVersion: apps/v1\n  kind: DaemonSet\n  metadata: {name: calico-node, labels: *x}\n  spec:\n    template:\n      spec:\n        containers:\n        - name: calico-node\n          image: calico/node:v3.30.0\n          env:\n          - name: CALICO_IPV4POOL_IPIP\n            value: Always\n",
            "",
        ),
        (
            "apiVersion: v1\nkind: List\nitems:\n",
            "- apiVersion: apps/v1\n  kind: Deployment\n  metadata: {name: metrics-server, namespace: kube-system}\n  spec:\n    template:\n      spec:\n        containers:\n        - name: metrics-server\n          args:\n          - --secure-port=10250\n          ports:\n          - containerPort: 10250\n            name: https\n",
            "",
        ),
        (
            "apiVersion: v1\nkind: List\nitems:\n",
            "- apiVersion: v1\n  kind: ConfigMap\n  metadata: {name: kube-flannel-cfg}\n  data:\n    net-conf.json: |\n      {\"Network\": \"10.244.0.0/16\", \"Backend\": {\"Type\": \"vxlan\"}}\n",
            "",
        ),
        ("", "---\n", ""),
        ("", "# comment\n", ""),
        ("a: |\n", " ---\n", ""),
    ],
};

fn rules() -> Vec<Box<dyn Rule>> {
    let subnet = subnet("10.233.64.0/18").expect("it is a network");
    let subnets = PodSubnets::new(&[subnet], &[]).expect("it is large enough");
    vec![
        Box::new(KeepOffEdge::new(&[Kind::Deployment, Kind::StatefulSet], &[])),
        Box::new(CalicoVxlan::new(VxlanMode::Always, subnets)),
        Box::new(Flannel::new(subnets, Some(FlannelBackend::HostGw)).expect("there is something to set")),
        Box::new(MetricsServer::new(Place::ControlPlane)),
    ]
}

fn read(data: &[u8]) {
    let text = super::text(data);
    for mut rule in rules() {
        let _ = filter(rule.as_mut(), "input", &text);
    }
}

fn check(data: &[u8]) {
    let text = super::text(data);
    if let Ok(slices) = documents(&text) {
        let joined: String = slices.iter().map(|slice| slice.text).collect();
        assert_eq!(joined, text, "the slices are the stream");
    }
    for (index, mut rule) in rules().into_iter().enumerate() {
        let Ok(first) = filter(rule.as_mut(), "input", &text) else { continue };
        if first.changed.is_empty() {
            assert_eq!(first.text, text, "nothing changed, and not a byte differs");
        }
        let mut again = rules().swap_remove(index);
        let second = filter(again.as_mut(), "input", &first.text);
        let second = second.unwrap_or_else(|error| panic!("what was printed can be read: {error}\n{}", first.text));
        assert_eq!(second.text, first.text, "a second run changes nothing");
        assert!(second.changed.is_empty(), "{:?}", second.changed);
    }
}
