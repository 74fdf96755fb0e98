//! Properties of keep-off-edge that hold for every manifest.

use edge_manifest::cli::Kind;
use edge_manifest::rules::filter;
use edge_manifest::rules::keep_off_edge::KeepOffEdge;
use proptest::prelude::*;
use serde_yaml::Value;

use super::random::{Form, manifests};
use super::shapes::{ALL, list, objects};

const EDGE: &str = "node-role.kubernetes.io/edge";

fn edited(text: &str) -> String {
    filter(&mut KeepOffEdge::new(&[Kind::Deployment], &[]), "input", text)
        .unwrap_or_else(|error| panic!("{error}\n{text}"))
        .text
}

fn terms(object: &Value) -> Vec<Value> {
    let required = &object["spec"]["template"]["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
    required["nodeSelectorTerms"].as_sequence().cloned().unwrap_or_default()
}

fn expressions(term: &Value) -> Vec<Value> {
    term["matchExpressions"].as_sequence().cloned().unwrap_or_default()
}

/// The object without what the edit adds, independently of how it was added.
fn without_expression(mut object: Value) -> Value {
    fn strip(value: &mut Value) {
        match value {
            Value::Sequence(items) => {
                items.retain(|item| !(item["key"] == EDGE && item["operator"] == "DoesNotExist"));
                items.iter_mut().for_each(strip);
                items.retain(|item| !is_empty(item));
            }
            Value::Mapping(map) => {
                map.iter_mut().for_each(|(_, value)| strip(value));
                map.retain(|_, value| !is_empty(value));
            }
            _ => {}
        }
    }
    strip(&mut object);
    object
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Sequence(items) => items.is_empty(),
        Value::Mapping(map) => map.is_empty(),
        value => value.is_null(),
    }
}

/// Whether a workload is one that the edit leaves: it selects edge nodes, or is for them.
fn is_left(object: &Value) -> bool {
    let wants = |term: &Value| {
        expressions(term)
            .iter()
            .any(|one| one["key"] == EDGE && (one["operator"] == "Exists" || one["operator"] == "In"))
    };
    let pod = &object["spec"]["template"]["spec"];
    let all = terms(object);
    let is_unused = |term: &Value| expressions(term).is_empty() && term["matchFields"].is_null();
    !matches!(object["kind"].as_str(), Some("DaemonSet" | "Deployment"))
        || object["metadata"]["name"] == "edgemesh-agent"
        || object["metadata"]["labels"].get("kubeedge").is_some()
        || pod["nodeSelector"].get(EDGE).is_some()
        || all.iter().any(wants)
        || (!all.is_empty() && all.iter().all(is_unused))
}

/// Every term that matches a node excludes edge nodes.
fn is_kept_off(object: &Value) -> bool {
    let excludes = |term: &Value| {
        let unused = expressions(term).is_empty() && term["matchFields"].is_null();
        unused
            || expressions(term).iter().any(|one| {
                one["key"] == EDGE
                    && (one["operator"] == "DoesNotExist" || (one["operator"] == "NotIn" && one["values"][0] == ""))
            })
    };
    !terms(object).is_empty() && terms(object).iter().all(excludes)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn keep_off_edge_adds_the_expression_and_nothing_else((all, form, text) in manifests()) {
        let after = edited(&text);
        prop_assert_eq!(&edited(&after), &after, "a second run changes nothing");
        let read = objects(&after);
        prop_assert_eq!(read.len(), all.len());
        for (before, after) in all.iter().zip(&read) {
            if is_left(before) {
                prop_assert_eq!(after, before);
            } else {
                prop_assert!(is_kept_off(after), "{:?}", after);
                prop_assert_eq!(without_expression(after.clone()), without_expression(before.clone()));
            }
        }
        // Lines are only added, but where an empty list or mapping on the line of its key gets its first item.
        let has_empty = text.contains("[]") || text.contains("{}");
        if matches!(form, Form::Yaml { .. } | Form::List { json: false }) && !has_empty {
            let mut rest = after.lines();
            for line in text.lines() {
                prop_assert!(rest.any(|new| new == line), "{} is missing or moved", line);
            }
        }
        if let Form::Yaml { crlf, ends } = form {
            prop_assert_eq!(after.ends_with('\n'), ends);
            prop_assert_eq!(after.matches("\r\n").count(), if crlf { after.matches('\n').count() } else { 0 });
        }
        if let Form::List { json: true } = form {
            prop_assert!(serde_json::from_str::<serde_json::Value>(&after).is_ok(), "{}", after);
        }
    }
}

#[test]
fn shapes_are_kept_off_in_every_form() {
    for shape in ALL {
        let shape = &shape.replace("{{ .not.a.template }}", "text");
        let texts = [shape.clone(), list(shape, false), list(shape, true)];
        for text in &texts {
            let after = edited(text);
            assert_eq!(edited(&after), after);
            for (before, after) in objects(text).iter().zip(objects(&after)) {
                assert!(is_left(before) && *before == after || is_kept_off(&after), "{after:?}");
                assert_eq!(without_expression(after), without_expression(before.clone()));
            }
        }
    }
}
