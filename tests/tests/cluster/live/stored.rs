//! What edge-manifest prints is valid, and stored without losing a field.

use edgeutils_tests::cluster::{Cluster, for_test};
use serde_json::Value;

use super::{CALICO, FLANNEL, METRICS_SERVER, filter, in_namespace};

/// The fields that were sent and are not stored with the same value.
fn lost(sent: &Value, stored: &Value, path: &str, found: &mut Vec<String>) {
    match (sent, stored) {
        (Value::Object(sent), Value::Object(stored)) => {
            for (key, value) in sent {
                lost(value, stored.get(key).unwrap_or(&Value::Null), &format!("{path}.{key}"), found);
            }
        }
        (Value::Array(sent), Value::Array(stored)) if sent.len() == stored.len() => {
            for (index, (sent, stored)) in sent.iter().zip(stored).enumerate() {
                lost(sent, stored, &format!("{path}[{index}]"), found);
            }
        }
        (sent, stored) if sent == stored => {}
        (sent, stored) => found.push(format!("{path}: sent {sent}, stored {stored}")),
    }
}

/// Sends manifests, and compares each object with what is stored.
#[track_caller]
fn is_stored(cluster: &Cluster, text: &str, namespace: &str) {
    cluster.done("apply --validate=strict -f -", text);
    let mut count = 0;
    for document in serde_yaml::Deserializer::from_str(text) {
        let value: serde_yaml::Value = serde::Deserialize::deserialize(document).unwrap();
        let sent = serde_json::to_value(value).unwrap();
        if sent.is_null() {
            continue;
        }
        let (kind, name) = (sent["kind"].as_str().unwrap(), sent["metadata"]["name"].as_str().unwrap());
        let stored = cluster.done(&format!("get {kind} {name} -n {namespace} -o json"), "");
        let mut found = Vec::new();
        lost(&sent, &serde_json::from_str(&stored).unwrap(), kind, &mut found);
        assert!(found.is_empty(), "{found:#?}");
        count += 1;
    }
    assert!(count > 0);
}

#[test]
fn edited_manifests_are_stored_without_losing_a_field() {
    let Some(cluster) = for_test("edited_manifests_are_stored_without_losing_a_field") else { return };
    cluster.done("create namespace stored", "");
    let shapes = [
        (FLANNEL, &["keep-off-edge", "flannel --pod-subnet 10.233.64.0/18,fd00:10::/56 --backend host-gw"] as &[&str]),
        (CALICO, &["keep-off-edge", "calico-vxlan --pod-subnet 10.233.64.0/18"]),
        (METRICS_SERVER, &["metrics-server --control-plane", "keep-off-edge --kind Deployment"]),
    ];
    for (shape, calls) in shapes {
        // kube-flannel's Namespace is a part of the manifest.
        let text = in_namespace(shape, "stored").replace("{{ .not.a.template }}", "text");
        is_stored(cluster, &calls.iter().fold(text, |text, call| filter(&text, call)), "stored");
    }
}

#[test]
fn empty_terms_that_the_api_server_refuses_are_filled() {
    let Some(cluster) = for_test("empty_terms_that_the_api_server_refuses_are_filled") else { return };
    cluster.done("create namespace empty-terms", "");
    let text = in_namespace(FLANNEL, "empty-terms");
    let (head, _) = text.split_once("            nodeSelectorTerms:\n").unwrap();
    let rest = &text[text.find("      hostNetwork: true").unwrap()..];
    let head = head.rsplit_once("---\n").unwrap().1;
    let empty = format!("{head}            nodeSelectorTerms: []\n{rest}");
    let refused = cluster.kubectl(&["apply", "--dry-run=server", "-f", "-"], &empty);
    assert!(refused.code != 0 && refused.stderr.contains("nodeSelectorTerms: Required value"), "{}", refused.stderr);
    cluster.done("apply --dry-run=server -f -", &filter(&empty, "keep-off-edge"));
}

#[test]
fn replace_keeps_an_unchanged_object_and_refuses_an_old_one() {
    let Some(cluster) = for_test("replace_keeps_an_unchanged_object_and_refuses_an_old_one") else { return };
    cluster.done("create namespace replaced", "");
    cluster.done("apply -f -", &in_namespace(FLANNEL, "replaced"));
    let get = || cluster.done("get daemonset -n replaced -o yaml", "");
    let generation = || cluster.done("get daemonset -n replaced -o jsonpath={.items[0].metadata.generation}", "");
    let old = get();
    cluster.done("replace -f -", &filter(&old, "keep-off-edge"));
    let after = generation();
    assert_eq!(after, "2");
    let twice = get();
    assert_eq!(filter(&twice, "keep-off-edge"), twice, "nothing to change any more");
    cluster.done("replace -f -", &twice);
    assert_eq!(generation(), after);
    // An old copy does not overwrite what was changed since.
    let conflict = cluster.kubectl(&["replace", "-f", "-"], &filter(&old, "keep-off-edge"));
    assert!(conflict.code != 0 && conflict.stderr.contains("the object has been modified"), "{}", conflict.stderr);
    // As JSON it goes the same way.
    let json = cluster.done("get daemonset -n replaced -o json", "");
    cluster.done("replace -f -", &filter(&json, "keep-off-edge"));
    assert_eq!(generation(), after);
}
