//! Which nodes the DaemonSet controller makes pods for, after our edit and after those of the guides.

use edgeutils_tests::cluster::{Cluster, for_test};
use edgeutils_tests::tool::Tool;

use super::{FLANNEL, FLANNEL_0_12, filter, in_namespace, node};

/// `cloud` and `pi` of a test, the second one an edge node.
fn nodes(cluster: &Cluster, test: &str) {
    let both = node(&format!("cloud-{test}"), "kubernetes.io/arch: amd64")
        + &node(
            &format!("pi-{test}"),
            "kubernetes.io/arch: arm64, node-role.kubernetes.io/edge: '', node-role.kubernetes.io/agent: ''",
        );
    cluster.done("create -f -", &both);
}

/// Whether there is a pod for each of the two nodes of a test. Without a scheduler a pod has its node in its affinity.
fn has_pods(cluster: &Cluster, test: &str, namespace: &str, cloud: bool, pi: bool) {
    let names = "get pods -n NAMESPACE -o jsonpath={.items[*].spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchFields[0].values[0]}";
    cluster.eventually(&names.replace("NAMESPACE", namespace), |printed| {
        let has = |name: &str| printed.split(' ').any(|node| node == format!("{name}-{test}"));
        has("cloud") == cloud && has("pi") == pi
    });
}

#[test]
fn daemon_set_controller_makes_no_pod_for_edge_nodes() {
    let Some(cluster) = for_test("daemon_set_controller_makes_no_pod_for_edge_nodes") else { return };
    cluster.done("create namespace five", "");
    nodes(cluster, "five");
    cluster.done("apply -f -", &in_namespace(FLANNEL_0_12, "five"));
    has_pods(cluster, "five", "five", true, true);
    // The guides edit the DaemonSet for amd64 alone: the Pi's pod stays.
    let all = cluster.done("get daemonset -n five -o yaml", "");
    let amd64 = cluster.done("get daemonset kube-flannel-ds-amd64 -n five -o yaml", "");
    cluster.done("replace -f -", &filter(&amd64, "keep-off-edge"));
    cluster.eventually(
        "get daemonset kube-flannel-ds-amd64 -n five -o jsonpath={.metadata.generation}{.status.observedGeneration}",
        |printed| printed == "22",
    );
    has_pods(cluster, "five", "five", true, true);
    // The old copy of the one that was edited is refused; the others are stored.
    let ran = cluster.kubectl(&["replace", "-f", "-"], &filter(&all, "keep-off-edge"));
    assert!(
        ran.stderr.contains("the object has been modified") && ran.stdout.matches("replaced").count() == 4,
        "{}{}",
        ran.stdout,
        ran.stderr
    );
    has_pods(cluster, "five", "five", true, false);
    // The cluster itself is judged the same way.
    let all = cluster.done("get daemonset,node -n five -o json", "");
    let ran = Tool::new("edge-manifest").arg("check").stdin(all).run();
    assert!(!ran.stdout.contains("five"), "{}", ran.stdout);
}

#[test]
fn advised_patch_loses_a_requirement_that_the_filter_keeps() {
    let Some(cluster) = for_test("advised_patch_loses_a_requirement_that_the_filter_keeps") else { return };
    cluster.done("create namespace patched", "");
    cluster.done("apply -f -", &in_namespace(FLANNEL, "patched"));
    let keys = || {
        let place = "get daemonset kube-flannel-ds -n patched -o jsonpath={.spec.template.spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[*].matchExpressions[*].key}";
        cluster.done(place, "")
    };
    assert_eq!(keys(), "kubernetes.io/os");
    let patch = r#"{"spec":{"template":{"spec":{"affinity":{"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":[{"matchExpressions":[{"key":"node-role.kubernetes.io/edge","operator":"DoesNotExist"}]}]}}}}}}}"#;
    cluster.done(&format!("patch daemonset kube-flannel-ds -n patched -p {patch}"), "");
    assert_eq!(keys(), "node-role.kubernetes.io/edge", "the list is replaced");
    // The original manifest again: client-side apply sets the list back, and what was added is lost.
    cluster.done("apply -f -", &in_namespace(FLANNEL, "patched"));
    assert_eq!(keys(), "kubernetes.io/os");
    let got = cluster.done("get daemonset -n patched -o yaml", "");
    let ran = Tool::new("edge-manifest").arg("check").stdin(got).run().expect(3);
    assert!(ran.stdout.contains("DaemonSet patched/kube-flannel-ds would run on edge nodes"), "{}", ran.stdout);
    let manifest = filter(&in_namespace(FLANNEL, "patched"), "keep-off-edge");
    cluster.done("apply -f -", &manifest);
    assert_eq!(keys(), "kubernetes.io/os node-role.kubernetes.io/edge");
    // Server-side apply of another manager that has the original does not take it away unseen.
    let other = ["apply", "--server-side", "--field-manager=other", "-f", "-"];
    let ran = cluster.kubectl(&other, &in_namespace(FLANNEL, "patched"));
    assert!(ran.code != 0 && ran.stderr.contains("conflict"), "{}", ran.stderr);
    assert_eq!(keys(), "kubernetes.io/os node-role.kubernetes.io/edge");
}
