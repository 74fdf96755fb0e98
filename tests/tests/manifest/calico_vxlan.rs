//! calico-vxlan.

use super::shapes::{CALICO, FLANNEL, daemon_set, filter, only};

/// The lines that differ, in order.
fn differences(before: &str, after: &str) -> Vec<String> {
    let diff = similar_lines(before, after);
    diff.into_iter().map(|line| line.trim().to_owned()).collect()
}

/// By hand: the edits replace lines in their places, and add or remove whole ones.
fn similar_lines(before: &str, after: &str) -> Vec<String> {
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let (mut i, mut j, mut out) = (0, 0, Vec::new());
    while i < old.len() || j < new.len() {
        match (old.get(i), new.get(j)) {
            (Some(a), Some(b)) if a == b => (i, j) = (i + 1, j + 1),
            (Some(a), Some(b)) if old.get(i + 1) == Some(b) => {
                out.push(format!("-{}", a.trim()));
                i += 1;
            }
            (Some(a), Some(b)) if new.get(j + 1) == Some(a) || new.get(j + 2) == Some(a) => {
                out.push(format!("+{}", b.trim()));
                j += 1;
            }
            (a, b) => {
                out.extend(a.map(|a| format!("-{}", a.trim())).into_iter().chain(b.map(|b| format!("+{}", b.trim()))));
                (i, j) = (i + 1, j + 1);
            }
        }
    }
    out
}

#[test]
fn calico_vxlan_changes_backend_pools_and_probes() {
    let ran = filter(CALICO, "calico-vxlan --mode cross-subnet").expect(0);
    assert_eq!(
        differences(CALICO, &ran.stdout),
        [
            "-calico_backend: \"bird\"",
            "+calico_backend: \"vxlan\"",
            "-value: \"Always\"",
            "+value: \"Never\"",
            "-value: \"Never\"",
            "+value: \"CrossSubnet\"",
            "-value: \"Never\"",
            "+value: \"CrossSubnet\"",
            "-- -bird-live",
            "-- -bird-ready"
        ]
    );
    assert!(ran.stderr.contains("kubectl patch ippools.crd.projectcalico.org default-ipv4-ippool --type merge -p '{\"spec\":{\"ipipMode\":\"Never\",\"vxlanMode\":\"CrossSubnet\"}}'\n"), "{}", ran.stderr);
    let again = filter(&ran.stdout, "calico-vxlan --mode cross-subnet").expect(0);
    assert_eq!((again.stdout.as_str(), again.stderr.as_str()), (ran.stdout.as_str(), ""));
}

#[test]
fn calico_vxlan_adds_the_network_of_the_pods_once() {
    let args = "calico-vxlan --pod-subnet 10.233.64.0/18,fd00:10::/56";
    let ran = filter(CALICO, args).expect(0);
    let node = only(&ran.stdout, "DaemonSet");
    let env = node["spec"]["template"]["spec"]["containers"][0]["env"].as_sequence().unwrap();
    let value = |name: &str| {
        let all: Vec<&str> =
            env.iter().filter(|entry| entry["name"] == name).map(|entry| entry["value"].as_str().unwrap()).collect();
        assert_eq!(all.len(), 1, "{name}");
        all[0]
    };
    assert_eq!(value("CALICO_IPV4POOL_CIDR"), "10.233.64.0/18");
    assert_eq!(value("CALICO_IPV6POOL_CIDR"), "fd00:10::/56");
    assert_eq!((value("CALICO_IPV4POOL_IPIP"), value("CALICO_IPV4POOL_VXLAN")), ("Never", "Always"));
    assert!(ran.stdout.contains("# - name: CALICO_IPV4POOL_CIDR\n"), "upstream's comment stays");
    assert_eq!(filter(&ran.stdout, args).expect(0).stdout, ran.stdout);
    let other = filter(&ran.stdout, "calico-vxlan --pod-subnet 10.0.0.0/16").expect(0).stdout;
    assert_eq!(other, ran.stdout.replace("10.233.64.0/18", "10.0.0.0/16"));
}

#[test]
fn calico_vxlan_names_the_part_that_is_missing() {
    let node = CALICO.rsplit_once("---\n").unwrap().1;
    let ran = filter(node, "calico-vxlan").expect(0);
    assert!(
        ran.stderr
            .contains("note: ConfigMap calico-config is not in the input; its calico_backend must be vxlan, too\n"),
        "{}",
        ran.stderr
    );
    let ran = filter(FLANNEL, "calico-vxlan").expect(1);
    assert_eq!(ran.stdout, "");
    assert_eq!(
        ran.stderr,
        "edge-manifest: cannot change calico in standard input: it has neither ConfigMap calico-config nor DaemonSet calico-node\nhint: pass calico.yaml of the release\n"
    );
    let operator = "apiVersion: operator.tigera.io/v1\nkind: Installation\nmetadata:\n  name: default\n";
    let ran = filter(operator, "calico-vxlan").expect(1);
    assert!(
        ran.stderr.contains("hint: the tigera-operator deploys calico: set spec.calicoNetwork.ipPools"),
        "{}",
        ran.stderr
    );
    let managed = daemon_set("calico-node", "").replace("- name: c\n", "- name: calico-node\n").replace(
        "name: calico-node\nspec",
        "name: calico-node\n  ownerReferences:\n  - {kind: Installation, name: default, controller: true}\nspec",
    );
    let ran = filter(&managed, "calico-vxlan").expect(0);
    assert_eq!(ran.stdout, managed);
    assert!(ran.stderr.contains("left unchanged: it is managed by Installation default"), "{}", ran.stderr);
}

#[test]
fn calico_vxlan_refuses_a_value_from_elsewhere() {
    let text = CALICO.replace(
        "- name: CALICO_IPV4POOL_IPIP\n              value: \"Always\"",
        "- name: CALICO_IPV4POOL_IPIP\n              valueFrom: {configMapKeyRef: {name: m, key: k}}",
    );
    let ran = filter(&text, "calico-vxlan").expect(4);
    assert_eq!(ran.stdout, "");
    assert_eq!(
        ran.stderr,
        "edge-manifest: cannot edit standard input: line 33: DaemonSet kube-system/calico-node: env CALICO_IPV4POOL_IPIP has valueFrom\nhint: set it where it comes from: Never\n"
    );
}
