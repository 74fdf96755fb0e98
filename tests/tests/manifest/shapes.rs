//! Manifests in the shapes of those that clusters have, written for these tests.

use edgeutils_tests::tool::{Ran, Tool};
use serde::Deserialize;
use serde_yaml::Value;

pub(crate) const FLANNEL: &str = include_str!("shapes/flannel.yaml");
pub(crate) const FLANNEL_0_12: &str = include_str!("shapes/flannel-0.12.yaml");
pub(crate) const CALICO: &str = include_str!("shapes/calico.yaml");
pub(crate) const METRICS_SERVER: &str = include_str!("shapes/metrics-server.yaml");
pub(crate) const EDGEMESH_1_8: &str = include_str!("shapes/edgemesh-1.8.yaml");
pub(crate) const ALL: [&str; 5] = [FLANNEL, FLANNEL_0_12, CALICO, METRICS_SERVER, EDGEMESH_1_8];

/// Passes a text through edge-manifest.
pub(crate) fn filter(input: &str, args: &str) -> Ran {
    Tool::new("edge-manifest").args(args.split(' ')).stdin(input).run()
}

/// The output of a call without a note.
#[track_caller]
pub(crate) fn quiet(input: &str, args: &str) -> String {
    let ran = filter(input, args).expect(0);
    assert_eq!(ran.stderr, "", "{args}");
    ran.stdout
}

/// The documents of a stream, without empty ones.
pub(crate) fn documents(text: &str) -> Vec<Value> {
    let text = text.trim_start_matches('\u{feff}');
    let all = serde_yaml::Deserializer::from_str(text).map(|document| Value::deserialize(document).unwrap());
    all.filter(|document| !document.is_null()).collect()
}

/// The objects of a stream; those of Lists instead of the Lists.
pub(crate) fn objects(text: &str) -> Vec<Value> {
    documents(text)
        .into_iter()
        .flat_map(|document| match document.get("items") {
            Some(items) => items.as_sequence().unwrap().clone(),
            None => vec![document],
        })
        .collect()
}

/// The only object of a kind.
#[track_caller]
pub(crate) fn only(text: &str, kind: &str) -> Value {
    let mut all = objects(text);
    all.retain(|object| object["kind"] == kind);
    assert_eq!(all.len(), 1, "objects of kind {kind}");
    all.remove(0)
}

/// A DaemonSet with this below its pod's `containers`, in lines without indentation.
pub(crate) fn daemon_set(name: &str, pod: &str) -> String {
    let pod: String = pod.lines().map(|line| format!("      {line}\n")).collect();
    format!(
        "apiVersion: apps/v1\nkind: DaemonSet\nmetadata:\n  name: {name}\nspec:\n  template:\n    spec:\n      containers:\n      - name: c\n        image: i\n{pod}"
    )
}

/// The same manifests as the List that `kubectl get -o yaml` prints, or with `-o json`.
pub(crate) fn list(text: &str, json: bool) -> String {
    let items: Vec<Value> = documents(text);
    if json {
        let items = serde_json::to_value(items).unwrap();
        let list = serde_json::json!({"apiVersion": "v1", "items": items, "kind": "List", "metadata": {"resourceVersion": ""}});
        return serde_json::to_string_pretty(&list).unwrap() + "\n";
    }
    let mut out = "apiVersion: v1\nitems:\n".to_owned();
    for item in items {
        let lines = serde_yaml::to_string(&item).unwrap();
        for (index, line) in lines.lines().enumerate() {
            out.push_str(&format!("{}{line}\n", if index == 0 { "- " } else { "  " }));
        }
    }
    out + "kind: List\nmetadata:\n  resourceVersion: \"\"\n"
}
