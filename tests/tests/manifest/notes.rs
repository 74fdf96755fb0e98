//! Notes about what will revert a change: once each.

use super::shapes::{FLANNEL_0_12, daemon_set, filter, list};

/// A DaemonSet with these lines of metadata.
fn with_metadata(name: &str, metadata: &str) -> String {
    daemon_set(name, "").replacen(&format!("  name: {name}\n"), &format!("  name: {name}\n{metadata}"), 1)
}

fn notes(text: &str) -> Vec<String> {
    let ran = filter(text, "keep-off-edge").expect(0);
    ran.stderr.lines().map(|line| line.strip_prefix("edge-manifest: note: ").unwrap().to_owned()).collect()
}

#[test]
fn input_from_a_cluster_wants_replace() {
    let got = FLANNEL_0_12.replace("  namespace: kube-system\n", "  namespace: kube-system\n  resourceVersion: \"17\"\n  annotations:\n    kubectl.kubernetes.io/last-applied-configuration: |\n      {}\n");
    let expected = [
        "the input was read from a cluster: send the result with kubectl replace -f -, as kubectl apply would record its status and resourceVersion",
        "DaemonSet kube-system/kube-flannel-ds-amd64, DaemonSet kube-system/kube-flannel-ds-arm64, DaemonSet kube-system/kube-flannel-ds-arm, DaemonSet kube-system/kube-flannel-ds-ppc64le, DaemonSet kube-system/kube-flannel-ds-s390x: the next kubectl apply of its original manifest reverts the change; pass that manifest through edge-manifest, too",
    ];
    for text in [got.clone(), list(&got, false), list(&got, true)] {
        assert_eq!(notes(&text), expected);
    }
    // Nothing was changed, so there is nothing to send.
    let after = filter(&got, "keep-off-edge").stdout;
    assert!(notes(&after).is_empty());
}

#[test]
fn what_reverts_the_change_is_named() {
    let helm = with_metadata("d", "  labels:\n    app.kubernetes.io/managed-by: Helm\n");
    assert_eq!(
        notes(&helm),
        ["DaemonSet d: the next helm upgrade reverts the change; use edge-manifest as its --post-renderer"]
    );
    let proxy = with_metadata("kube-proxy", "  namespace: kube-system\n");
    assert_eq!(
        notes(&proxy),
        ["DaemonSet kube-system/kube-proxy: kubeadm upgrade reverts the change; run this again after each one"]
    );
}

#[test]
fn workloads_of_an_operator_are_left() {
    for (kind, advice) in
        [("Installation", "; set spec.calicoNodeDaemonSet or spec.calicoNetwork there"), ("Other", "; change it there")]
    {
        let text = with_metadata(
            "calico-node",
            &format!("  ownerReferences:\n  - kind: {kind}\n    name: default\n    controller: true\n"),
        );
        let ran = filter(&text, "keep-off-edge").expect(0);
        assert_eq!(ran.stdout, text);
        assert_eq!(
            ran.stderr,
            format!(
                "edge-manifest: note: DaemonSet calico-node: left unchanged: it is managed by {kind} default, which would revert the change{advice}\n"
            )
        );
    }
}
