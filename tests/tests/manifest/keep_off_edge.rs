//! keep-off-edge on each shape, and what it leaves unchanged.

use super::shapes::{
    CALICO, EDGEMESH_1_8, FLANNEL, FLANNEL_0_12, METRICS_SERVER, daemon_set, documents, filter, list, quiet,
};

const EXPRESSION: [&str; 2] = ["- key: node-role.kubernetes.io/edge", "  operator: DoesNotExist"];

/// The lines that were added; fails if anything else differs.
#[track_caller]
fn added<'t>(before: &str, after: &'t str) -> Vec<&'t str> {
    let mut rest = before.split_inclusive('\n').peekable();
    let mut added = Vec::new();
    for line in after.split_inclusive('\n') {
        if rest.peek() == Some(&line) {
            rest.next();
        } else {
            added.push(line.trim_end_matches(['\r', '\n']));
        }
    }
    assert_eq!(rest.next(), None, "nothing is removed or changed");
    added
}

fn trimmed<'t>(lines: &[&'t str]) -> Vec<&'t str> {
    lines.iter().map(|line| line.trim_start()).collect()
}

#[test]
fn keep_off_edge_adds_the_expression_to_an_existing_term() {
    let after = quiet(FLANNEL, "keep-off-edge");
    assert_eq!(added(FLANNEL, &after), EXPRESSION.map(|line| format!("              {line}")));
    assert_eq!(quiet(&after, "keep-off-edge"), after);
}

#[test]
fn keep_off_edge_changes_the_daemon_set_of_each_architecture() {
    let after = quiet(FLANNEL_0_12, "keep-off-edge");
    assert_eq!(added(FLANNEL_0_12, &after).len(), 10);
    for document in documents(&after) {
        let terms = &document["spec"]["template"]["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
            ["nodeSelectorTerms"];
        let keys: Vec<&str> = terms[0]["matchExpressions"]
            .as_sequence()
            .unwrap()
            .iter()
            .map(|term| term["key"].as_str().unwrap())
            .collect();
        assert_eq!(keys, ["kubernetes.io/os", "kubernetes.io/arch", "node-role.kubernetes.io/edge"]);
    }
}

#[test]
fn keep_off_edge_makes_a_term_where_there_is_none() {
    let after = quiet(CALICO, "keep-off-edge");
    let lines = added(CALICO, &after);
    assert_eq!(
        trimmed(&lines),
        [
            "affinity:",
            "nodeAffinity:",
            "requiredDuringSchedulingIgnoredDuringExecution:",
            "nodeSelectorTerms:",
            "- matchExpressions:",
            "- key: node-role.kubernetes.io/edge",
            "operator: DoesNotExist"
        ]
    );
    for empty in [
        "affinity: {}",
        "affinity: null",
        "affinity:\nhostNetwork: true",
        "affinity:\n  nodeAffinity:\n    requiredDuringSchedulingIgnoredDuringExecution:\n      nodeSelectorTerms: []",
    ] {
        let after = quiet(&daemon_set("d", empty), "keep-off-edge");
        let lines: Vec<&str> = after.lines().filter(|line| !line.contains("hostNetwork")).collect();
        assert!(
            trimmed(&lines).ends_with(&["- key: node-role.kubernetes.io/edge", "operator: DoesNotExist"]),
            "{after}"
        );
        assert_eq!(quiet(&after, "keep-off-edge"), after);
    }
}

#[test]
fn keep_off_edge_adds_the_expression_to_every_term() {
    let terms = "affinity:\n  podAntiAffinity: {}\n  nodeAffinity:\n    preferredDuringSchedulingIgnoredDuringExecution: []\n    requiredDuringSchedulingIgnoredDuringExecution:\n      nodeSelectorTerms:\n      - matchExpressions: [{key: a, operator: Exists}] # one\n      - matchFields:\n        - key: metadata.name\n          operator: In\n          values: [n]\n      - matchExpressions:\n        - key: node-role.kubernetes.io/edge\n          operator: DoesNotExist\n      - {}\n";
    let before = daemon_set("d", terms);
    let after = quiet(&before, "keep-off-edge");
    assert!(after.contains("- matchExpressions: [{key: a, operator: Exists}, {key: node-role.kubernetes.io/edge, operator: DoesNotExist}] # one\n"), "{after}");
    assert!(after.contains("                values: [n]\n              matchExpressions:\n              - key: node-role.kubernetes.io/edge\n                operator: DoesNotExist\n"), "{after}");
    assert_eq!(after.matches("node-role.kubernetes.io/edge").count(), 3);
    assert_eq!(quiet(&after, "keep-off-edge"), after);
}

#[test]
fn keep_off_edge_leaves_workloads_that_select_edge_nodes() {
    let note = "edge-manifest: note: DaemonSet kubeedge/edgemesh-agent-edge: left unchanged: it selects edge nodes\n";
    let ran = filter(EDGEMESH_1_8, "keep-off-edge").expect(0);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), (EDGEMESH_1_8, note));
    for pod in [
        "nodeSelector:\n  node-role.kubernetes.io/edge: \"\"",
        "affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: a, operator: Exists}]}, {matchExpressions: [{key: node-role.kubernetes.io/edge, operator: In, values: ['']}]}]}}}",
    ] {
        let text = daemon_set("d", pod);
        let ran = filter(&text, "keep-off-edge --also d").expect(0);
        assert_eq!(ran.stdout, text);
        assert_eq!(ran.stderr, "edge-manifest: note: DaemonSet d: left unchanged: it selects edge nodes\n");
    }
    let nowhere = daemon_set(
        "d",
        "affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{}]}}}",
    );
    let ran = filter(&nowhere, "keep-off-edge").expect(0);
    assert_eq!(ran.stdout, nowhere);
    assert!(ran.stderr.ends_with("left unchanged: none of its nodeSelectorTerms matches any node\n"), "{}", ran.stderr);
}

#[test]
fn keep_off_edge_leaves_workloads_of_edgemesh_unless_they_are_named() {
    let text = daemon_set("edgemesh-agent", "hostNetwork: true");
    let ran = filter(&text, "keep-off-edge").expect(0);
    assert_eq!(ran.stdout, text);
    assert_eq!(
        ran.stderr,
        "edge-manifest: note: DaemonSet edgemesh-agent: left unchanged: it is for edge nodes; --also NAME keeps it off, too\n"
    );
    assert_eq!(added(&text, &quiet(&text, "keep-off-edge --also edgemesh-agent")).len(), 7);
    let labelled = text.replace("name: edgemesh-agent", "name: x\n  labels: {k8s-app: kubeedge}");
    assert_eq!(filter(&labelled, "keep-off-edge").expect(0).stdout, labelled);
    let ran = filter(&text, "keep-off-edge --also other").expect(0);
    assert!(ran.stderr.ends_with("note: --also other: the input has no workload of this name\n"), "{}", ran.stderr);
}

#[test]
fn keep_off_edge_changes_other_kinds_on_request() {
    let ran = filter(METRICS_SERVER, "keep-off-edge").expect(0);
    assert_eq!(ran.stdout, METRICS_SERVER);
    assert_eq!(ran.stderr, "edge-manifest: note: the input has no DaemonSet: nothing was changed\n");
    assert_eq!(added(METRICS_SERVER, &quiet(METRICS_SERVER, "keep-off-edge --kind Deployment,statefulset")).len(), 7);
}

#[test]
fn keep_off_edge_keeps_every_other_byte() {
    for text in [
        FLANNEL.replace('\n', "\r\n"),
        FLANNEL.trim_end().to_owned(),
        format!("\u{feff}{FLANNEL}"),
        format!("{FLANNEL}...\n"),
        FLANNEL.replace("app: flannel", "app: &a flannel"),
    ] {
        let after = quiet(&text, "keep-off-edge");
        assert_eq!(added(&text, &after).len(), 2);
        assert_eq!(after.matches("\r\n").count(), if text.contains('\r') { after.matches('\n').count() } else { 0 });
        assert_eq!(quiet(&after, "keep-off-edge"), after);
    }
}

#[test]
fn keep_off_edge_changes_lists_in_yaml_and_json() {
    for json in [false, true] {
        let text = list(FLANNEL_0_12, json);
        let after = quiet(&text, "keep-off-edge");
        assert_eq!(after.matches("DoesNotExist").count(), 5);
        assert_eq!(quiet(&after, "keep-off-edge"), after);
        if json {
            let after: serde_json::Value = serde_json::from_str(&after).unwrap();
            assert_eq!(after["items"].as_array().unwrap().len(), 5);
        } else {
            assert_eq!(added(&text, &after).len(), 10);
        }
    }
}

#[test]
fn dry_run_lists_changes_on_standard_error() {
    let ran = filter(FLANNEL, "keep-off-edge -n").expect(3);
    assert_eq!(ran.stdout, "");
    assert_eq!(
        ran.stderr,
        "would change DaemonSet kube-flannel/kube-flannel-ds (standard input, line 28)\n    requires node-role.kubernetes.io/edge DoesNotExist in its term\n1 change would be made\n"
    );
    let after = quiet(FLANNEL, "keep-off-edge");
    let ran = filter(&after, "keep-off-edge -n").expect(0);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("", "already up to date\n"));
    let ran = filter(FLANNEL, "keep-off-edge --json").expect(2);
    assert!(ran.stderr.contains("cannot use --json without --dry-run"), "{}", ran.stderr);
}
