//! check: each kind of problem, with its line and hint, and what is no problem.

use edgeutils_tests::tool::{Ran, Tool};
use edgeutils_tests::tree::Tree;
use sha2::{Digest, Sha256};

use super::shapes::{CALICO, EDGEMESH_1_8, FLANNEL, daemon_set, filter, list};

#[track_caller]
fn finds(text: &str, expected: &[&str]) {
    let ran = filter(text, "check").expect(if expected.is_empty() { 0 } else { 3 });
    let lines: Vec<&str> = ran.stdout.lines().filter(|line| line.starts_with("standard input:")).collect();
    let found: Vec<&str> = lines.iter().map(|line| line.strip_prefix("standard input:").unwrap()).collect();
    assert_eq!(found, expected, "{}", ran.stdout);
    let summary = match expected.len() {
        0 => "no problems found".to_owned(),
        1 => "1 problem found".to_owned(),
        count => format!("{count} problems found"),
    };
    assert_eq!(ran.stdout.lines().last().unwrap(), summary);
}

#[test]
fn check_finds_daemon_sets_that_reach_edge_nodes() {
    finds(
        FLANNEL,
        &["44: error: DaemonSet kube-flannel/kube-flannel-ds would run on edge nodes: nothing excludes them"],
    );
    finds(&filter(FLANNEL, "keep-off-edge").stdout, &[]);
    finds(&filter(CALICO, "keep-off-edge").stdout, &[]);
    finds(&daemon_set("edgemesh-agent", ""), &[]);
    finds(&daemon_set("d", "nodeSelector: {node-role.kubernetes.io/edge: \"\"}"), &[]);
    let tree = Tree::with(&[("a b.yaml", FLANNEL)]);
    let ran = Tool::new("edge-manifest").arg("check").arg(tree.at("a b.yaml")).run().expect(3);
    let path = tree.at("a b.yaml").display().to_string();
    assert!(
        ran.stdout.contains(&format!("    hint: edge-manifest keep-off-edge '{path}' | kubectl apply -f -\n")),
        "{}",
        ran.stdout
    );
    let got = FLANNEL.replacen("  name: kube-flannel-ds\n", "  name: kube-flannel-ds\n  uid: u\n", 1);
    let ran = filter(&got, "check").expect(3);
    assert!(
        ran.stdout
            .contains("    hint: kubectl get ds -A -o yaml | edge-manifest keep-off-edge | kubectl replace -f -\n"),
        "{}",
        ran.stdout
    );
}

/// A node as `kubectl get` prints it.
fn node(name: &str, labels: &str, taints: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Node\nmetadata:\n  name: {name}\n  uid: u-{name}\n  labels: {{{labels}}}\nspec:\n  taints: [{taints}]\n"
    )
}

#[test]
fn check_counts_only_edge_nodes_that_are_reached() {
    let edge = "node-role.kubernetes.io/edge: ''";
    let amd64 = daemon_set("d", "nodeSelector: {kubernetes.io/arch: amd64}");
    let cloud = node("cloud", "kubernetes.io/arch: amd64", "");
    let pi = node("pi", &format!("kubernetes.io/arch: arm64, {edge}"), "");
    let nuc = node("nuc", &format!("kubernetes.io/arch: amd64, {edge}"), "");
    let tainted = node("t", &format!("kubernetes.io/arch: amd64, {edge}"), "{key: edge, effect: NoSchedule}");
    let would = "7: error: DaemonSet d would run on edge nodes: nothing excludes them";
    finds(&format!("{amd64}{cloud}"), &[would]);
    finds(&format!("{amd64}{cloud}{pi}{tainted}"), &[]);
    finds(&format!("{amd64}{pi}{nuc}{tainted}"), &["7: error: DaemonSet d runs on edge nodes: nuc"]);
    finds(
        &format!("{nuc}{}", pi.replace("arm64", "amd64") + "---\n" + &amd64),
        &["26: error: DaemonSet d runs on edge nodes: nuc, pi"],
    );
}

#[test]
fn check_finds_what_edgemesh_1_8_brings() {
    finds(
        EDGEMESH_1_8,
        &[
            "3: error: Node edgenode1 would be created or changed: edgecore and kubelet register their nodes themselves",
            "18: error: ConfigMap kubeedge/edgemesh-agent-cfg: edgeDNS and edgeProxy of EdgeMesh 1.8 listen on docker0, which exists only with Docker as the container runtime",
            "49: error: Deployment kubeedge/edgemesh-server uses port 10004 of its host, which is that of cloudcore's tunnel for kubectl logs and exec",
        ],
    );
}

#[test]
fn check_compares_the_key_of_edgemesh_by_its_sum() {
    // The key itself is published; here another one with its sum in the place of the catalog's would prove nothing, so the
    // test makes the published one from its parts.
    let key = ["JugH9HP1XBouyO5pWGeZa8Lt", "ipDURrf17EJvUHcJGuQ="].concat();
    let sum: String = Sha256::digest(key.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(include_str!("../../../crates/edge-manifest/data/edgemesh.toml").contains(&sum));
    let map = |data: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: edgemesh-agent-psk\n  namespace: kubeedge\ndata:\n{data}"
        )
    };
    let error = "8: error: ConfigMap kubeedge/edgemesh-agent-psk: the key of EdgeMesh is the published one, with which everybody can join the network of the agents";
    finds(&map(&format!("  # a comment\n  psk: {key}\n")), &[error]);
    finds(&map(&format!("  # a comment\n  edgemesh.yaml: |\n    modules: {{}}\n    psk: {key}\n")), &[error]);
    finds(&map("  psk: c29tZXRoaW5nIGVsc2UsIDMyIGJ5dGVzIGxvbmchISE=\n"), &[]);
}

#[test]
fn check_finds_tolerations_without_effect() {
    let kept = "nodeSelector: {node-role.kubernetes.io/edge: ''}\ntolerations:\n- key: node-role.kubernetes.io/control-plane\n  operator: Exists\n- operator: Exists\n";
    finds(&daemon_set("d", kept), &[]);
    finds(
        &daemon_set("d", &kept.replace("io/control-plane", "io")),
        &["13: error: DaemonSet d tolerates node-role.kubernetes.io, which no taint has: the toleration has no effect"],
    );
}

#[test]
fn check_finds_ports_that_are_taken() {
    let with = |pod: &str, container: &str| {
        let text = daemon_set("d", &format!("nodeSelector: {{node-role.kubernetes.io/edge: ''}}\n{pod}"));
        text.replacen("        image: i\n", &format!("        image: i\n{container}"), 1)
    };
    let port = |number: u16| format!("        ports:\n        - name: x\n          containerPort: {number}\n");
    let kubelet = "error: DaemonSet d uses port 10250 of its host, which is that of the kubelet of the same host";
    finds(&with("hostNetwork: true", &port(10250)), &[&format!("12: {kubelet}")]);
    finds(&with("hostNetwork: true", "        args:\n        - --secure-port=10250\n"), &[&format!("12: {kubelet}")]);
    finds(&with("", &port(10250)), &[]);
    finds(&with("hostNetwork: true", &port(4443)), &[]);
    let host_port = with("", &(port(80) + "          hostPort: 10002\n"));
    let ran = filter(&host_port, "check").expect(0);
    assert_eq!(
        ran.stdout,
        "standard input:12: warning: DaemonSet d uses port 10002 of its host, which is that of cloudcore's certificate server\n    hint: use another hostPort\nno errors, 1 warning\n"
    );
    finds(
        &with("hostNetwork: true", &port(10004)).replace("  name: d\n", "  name: d\n  labels: {kubeedge: cloudcore}\n"),
        &[],
    );
}

#[test]
fn check_finds_reserved_names() {
    let object = |kind: &str, name: &str| format!("apiVersion: v1\nkind: {kind}\nmetadata:\n  name: {name}\n");
    let ran = filter(&object("Namespace", "kube-shop"), "check").expect(0);
    assert_eq!(
        ran.stdout,
        "standard input:4: warning: Namespace kube-shop: the name is reserved: Kubernetes reserves the prefix for namespaces of the system\n    hint: choose another name\nno errors, 1 warning\n"
    );
    for (kind, name) in [("Namespace", "shop"), ("ConfigMap", "shop"), ("Pod", "nodes-2"), ("Role", "cp-limitrange")] {
        finds(&object(kind, name), &[]);
    }
    finds(&object("ConfigMap", "kube-shop").replace("  name", "  namespace: kube-flannel\n  name"), &[]);
    for (kind, name) in [
        ("Pod", "nodes"),
        ("Namespace", "all"),
        ("ResourceQuota", "cp-low-resourcequota"),
        ("LimitRange", "paas-ta-container-platform-high-limit-range"),
        ("ConfigMap", "kube-shop"),
    ] {
        let ran = filter(&object(kind, name), "check").expect(0);
        let text = format!(
            "note: {kind} {name}: the name is reserved: the guides of the container platform portal (PaaS-TA, K-PaaS) exclude it"
        );
        assert!(ran.stdout.contains(&text), "{}", ran.stdout);
    }
    let many = ["kube-a", "kube-b", "kube-c"].map(|name| object("ConfigMap", name)).join("---\n");
    let ran = filter(&many, "check").expect(0);
    assert!(ran.stdout.contains("exclude it; further such names are not reported\n"), "{}", ran.stdout);
    assert_eq!(ran.stdout.matches("reserved").count(), 1, "{}", ran.stdout);
    let names = |list: &str, text: &str| -> Ran {
        let tree = Tree::with(&[("names", list)]);
        Tool::new("edge-manifest").args(["check", "--names"]).arg(tree.at("names")).stdin(text).run()
    };
    let ran = names("# of the portal\nsys-*  the portal makes them\nadmin\n", &object("Service", "sys-a")).expect(3);
    assert_eq!(
        ran.stdout,
        "standard input:4: error: Service sys-a: the name is reserved (sys-* in --names): the portal makes them\n    hint: choose another name\n1 problem found\n"
    );
    names("admin\n", &object("Service", "admin")).expect(3);
    names("admin\n", &object("Service", "admin-2")).expect(0);
    names("sys-*\n", &object("Service", "sys-a").replace("  name", "  namespace: kube-system\n  name")).expect(0);
    for (list, message) in [("", "it has no names"), ("*\n", "line 1: expected a name or PREFIX*, found \"*\"")] {
        let ran = names(list, &object("Service", "a")).expect(1);
        assert!(ran.stdout.is_empty() && ran.stderr.contains(message), "{}", ran.stderr);
    }
}

#[test]
fn check_names_lines_in_lists_and_later_documents() {
    let text = list(FLANNEL, false);
    let ran = filter(&text, "check").expect(3);
    let line: usize = ran.stdout.split(':').nth(1).unwrap().parse().unwrap();
    assert_eq!(text.lines().nth(line - 1).unwrap().trim(), "spec:");
    let ran = filter(&list(FLANNEL, true), "check --json").expect(3);
    let finding: serde_json::Value = serde_json::from_str(ran.stdout.lines().next().unwrap()).unwrap();
    assert_eq!(
        (&finding["severity"], &finding["file"], &finding["path"]),
        (&"error".into(), &"standard input".into(), &"".into())
    );
    assert!(finding["line"].as_u64().unwrap() > 1);
}

#[test]
fn check_says_when_there_was_nothing_to_check() {
    let ran = filter("apiVersion: v1\nkind: List\nitems: []\n", "check").expect(0);
    assert_eq!(
        (ran.stdout.as_str(), ran.stderr.as_str()),
        ("no problems found\n", "edge-manifest: note: the input has no objects: nothing was checked\n")
    );
    let ran = Tool::new("edge-manifest").args(["check", "--names", "-"]).stdin("a").run().expect(2);
    assert!(ran.stderr.contains("cannot read standard input twice"), "{}", ran.stderr);
}

#[test]
fn check_reads_lists_that_are_larger_than_a_document_may_be() {
    let image = format!("  - names: [{}]\n    sizeBytes: 1\n", "x".repeat(9000));
    let nodes: String = (0..150)
        .map(|number| {
            node(&format!("n{number}"), "node-role.kubernetes.io/edge: ''", "") + "status:\n  images:\n" + &image
        })
        .collect();
    for json in [false, true] {
        let text = list(&format!("{nodes}---\n{}", daemon_set("d", "")), json);
        assert!(text.len() > 1 << 20);
        let ran = filter(&text, "check").expect(3);
        assert!(
            ran.stdout.contains("error: DaemonSet d runs on edge nodes: n0, n1, n2, n3, n4 and 145 more\n"),
            "{}",
            ran.stdout
        );
        let line: usize = ran.stdout.split(':').nth(1).unwrap().parse().unwrap();
        assert!(text.lines().nth(line - 1).unwrap().contains("spec"), "line {line}");
        let after = filter(&text, "keep-off-edge").expect(0).stdout;
        assert_eq!(after.matches("DoesNotExist").count(), 1);
        assert_eq!(filter(&after, "keep-off-edge").expect(0).stdout, after);
    }
}
