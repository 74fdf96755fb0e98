//! Random manifests: workloads with every form of node affinity, in every form of text.

use proptest::prelude::*;
use proptest::sample::select;
use serde_yaml::{Mapping, Value};

use super::shapes::list;

/// How the manifests are written.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Form {
    Yaml { crlf: bool, ends: bool },
    List { json: bool },
}

const EDGE: &str = "node-role.kubernetes.io/edge";

fn map(entries: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    Value::Mapping(entries.into_iter().map(|(key, value)| (key.into(), value)).collect::<Mapping>())
}

fn expression() -> impl Strategy<Value = Value> {
    let key = select(vec!["kubernetes.io/os", "zone", "a", EDGE]);
    (key, select(vec!["Exists", "In", "NotIn", "DoesNotExist"]), select(vec!["", "linux"])).prop_map(
        |(key, operator, value)| {
            let values = matches!(operator, "In" | "NotIn").then(|| ("values", Value::from(vec![Value::from(value)])));
            map([("key", key.into()), ("operator", operator.into())].into_iter().chain(values))
        },
    )
}

fn term() -> impl Strategy<Value = Value> {
    let expressions = prop::option::weighted(0.8, prop::collection::vec(expression(), 0..4));
    (expressions, prop::bool::weighted(0.2)).prop_map(|(expressions, has_field)| {
        let field = map([
            ("key", "metadata.name".into()),
            ("operator", "In".into()),
            ("values", vec![Value::from("n")].into()),
        ]);
        let field = has_field.then(|| ("matchFields", Value::from(vec![field])));
        map(expressions.map(|all| ("matchExpressions", Value::from(all))).into_iter().chain(field))
    })
}

fn affinity() -> impl Strategy<Value = Option<Value>> {
    let terms = prop::option::weighted(0.8, prop::collection::vec(term(), 0..4));
    prop::option::weighted(0.8, (terms, any::<bool>())).prop_map(|affinity| {
        let (terms, preferred) = affinity?;
        let required = terms.map(|terms| {
            ("requiredDuringSchedulingIgnoredDuringExecution", map([("nodeSelectorTerms", terms.into())]))
        });
        let preferred =
            preferred.then(|| ("preferredDuringSchedulingIgnoredDuringExecution", Value::Sequence(Vec::new())));
        Some(map([("nodeAffinity", map(required.into_iter().chain(preferred))), ("podAntiAffinity", map([]))]))
    })
}

fn workload() -> impl Strategy<Value = Value> {
    let kind = select(vec!["DaemonSet", "DaemonSet", "Deployment", "ConfigMap"]);
    let selector = select(vec![None, Some("kubernetes.io/os"), None, Some(EDGE)]);
    (kind, select(vec!["a", "edgemesh-agent", "kube-proxy"]), affinity(), selector, any::<bool>()).prop_map(
        |(kind, name, affinity, selector, affinity_first)| {
            let container = map([("name", "c".into()), ("args", vec![Value::from("--x"), "# y: z".into()].into())]);
            let mut pod = vec![("containers", Value::from(vec![container]))];
            pod.extend(
                selector.map(|key| ("nodeSelector", Value::Mapping([(key.into(), "".into())].into_iter().collect()))),
            );
            pod.extend(affinity.map(|affinity| ("affinity", affinity)));
            if affinity_first {
                pod.reverse();
            }
            map([
                ("apiVersion", "apps/v1".into()),
                ("kind", kind.into()),
                ("metadata", map([("name", name.into())])),
                ("spec", map([("template", map([("spec", map(pod))]))])),
                ("text", "a: b\n  c # d\n".into()),
                ("end", 1.into()),
            ])
        },
    )
}

/// Manifests and their text.
pub(crate) fn manifests() -> impl Strategy<Value = (Vec<Value>, Form, String)> {
    let form = prop_oneof![
        (any::<bool>(), any::<bool>()).prop_map(|(crlf, ends)| Form::Yaml { crlf, ends }),
        any::<bool>().prop_map(|json| Form::List { json }),
    ];
    (prop::collection::vec(workload(), 1..4), form).prop_map(|(all, form)| {
        let texts = all.iter().map(|one| serde_yaml::to_string(one).unwrap());
        let stream = texts.map(|text| format!("# {EDGE}\n{text}")).collect::<Vec<_>>().join("---\n");
        let text = match form {
            Form::List { json } => list(&stream, json),
            Form::Yaml { crlf, ends } => {
                let text = if crlf { stream.replace('\n', "\r\n") } else { stream };
                if ends { text } else { text.trim_end().to_owned() + " # end" }
            }
        };
        (all, form, text)
    })
}
