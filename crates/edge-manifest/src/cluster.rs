//! The edge nodes of a cluster, and which of them the pods of a DaemonSet get.
//!
//! As the DaemonSet controller decides it: node selector, required node affinity, taints (kubernetes v1.34
//! `pkg/controller/daemon`). Without nodes in the input only the requirements themselves are judged.

use edge_yaml::{Mapping, Value};

use crate::pod::{EDGE, Pod, list, text, tolerates};
use edge_objects::object::{Object, at};

/// The taints that come and go with the condition of a node: they keep no DaemonSet off it for good, and its pods tolerate
/// most of them without saying so.
const TOLERATED: [&str; 7] = [
    "node.kubernetes.io/not-ready",
    "node.kubernetes.io/unreachable",
    "node.kubernetes.io/disk-pressure",
    "node.kubernetes.io/memory-pressure",
    "node.kubernetes.io/pid-pressure",
    "node.kubernetes.io/unschedulable",
    "node.kubernetes.io/network-unavailable",
];

/// An edge node.
#[derive(Debug)]
pub(crate) struct EdgeNode {
    pub(crate) name: String,
    labels: Mapping,
    taints: Vec<Value>,
}

/// What a DaemonSet requires of its nodes, without the rest of it.
#[derive(Debug)]
pub(crate) struct Requirements {
    selector: Option<Value>,
    terms: Vec<Value>,
    tolerations: Vec<Value>,
}

impl EdgeNode {
    /// A node with the label of edge nodes; none for others.
    pub(crate) fn of(node: &Object<'_>) -> Option<EdgeNode> {
        let labels = node.get(&["metadata", "labels"])?.as_mapping()?;
        labels.get(EDGE)?;
        let taints = list(node.value, &["spec", "taints"]).to_vec();
        Some(EdgeNode { name: node.name.to_owned(), labels: labels.clone(), taints })
    }

    fn label(&self, key: &str) -> Option<&str> {
        self.labels.get(key)?.as_str()
    }

    fn matches(&self, expression: &Value) -> bool {
        let value = self.label(text(expression, "key").unwrap_or_default());
        let values = list(expression, &["values"]);
        let is_listed = || values.iter().any(|listed| listed.as_str() == value);
        let number = |text: Option<&str>| text.and_then(|text| text.parse::<i64>().ok());
        let limit = number(values.first().and_then(Value::as_str));
        match text(expression, "operator") {
            Some("In") => value.is_some() && is_listed(),
            Some("NotIn") => value.is_none() || !is_listed(),
            Some("Exists") => value.is_some(),
            Some("DoesNotExist") => value.is_none(),
            Some("Gt") => number(value).zip(limit).is_some_and(|(own, limit)| own > limit),
            Some("Lt") => number(value).zip(limit).is_some_and(|(own, limit)| own < limit),
            _ => false,
        }
    }

    fn matches_term(&self, term: &Value) -> bool {
        let (expressions, fields) = (list(term, &["matchExpressions"]), list(term, &["matchFields"]));
        let is_own_name = |field: &Value| {
            let is_listed = list(field, &["values"]).iter().any(|value| value.as_str() == Some(&self.name));
            text(field, "key") == Some("metadata.name") && is_listed == (text(field, "operator") == Some("In"))
        };
        !(expressions.is_empty() && fields.is_empty())
            && expressions.iter().all(|expression| self.matches(expression))
            && fields.iter().all(is_own_name)
    }
}

impl Requirements {
    /// Those of a pod.
    pub(crate) fn of(pod: Pod<'_>) -> Requirements {
        Requirements {
            selector: at(pod.spec(), &["nodeSelector"]).cloned(),
            terms: pod.terms().to_vec(),
            tolerations: pod.tolerations().to_vec(),
        }
    }

    /// Whether pods of a DaemonSet run on this node.
    pub(crate) fn allow(&self, node: &EdgeNode) -> bool {
        let selector = self.selector.as_ref().and_then(Value::as_mapping);
        let is_selected = selector.is_none_or(|wanted| {
            wanted.iter().all(|(key, value)| node.labels.get(key).is_some_and(|own| own == value))
        });
        let is_tolerated = |taint: &Value| {
            let (key, effect) = (text(taint, "key").unwrap_or_default(), text(taint, "effect").unwrap_or_default());
            let value = text(taint, "value").unwrap_or_default();
            effect == "PreferNoSchedule"
                || TOLERATED.contains(&key)
                || self.tolerations.iter().any(|toleration| tolerates(toleration, key, value, effect))
        };
        is_selected
            && (self.terms.is_empty() || self.terms.iter().any(|term| node.matches_term(term)))
            && node.taints.iter().all(is_tolerated)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::Cow;

    fn node(labels: &str, taints: &str) -> EdgeNode {
        let text = format!("metadata: {{name: pi, labels: {{{EDGE}: \"\", {labels}}}}}\nspec: {{taints: {taints}}}\n");
        let value = edge_yaml::value(&text).unwrap();
        let object = Object {
            value: &value,
            base: Vec::new(),
            kind: Cow::Borrowed("Node"),
            group: "",
            name: "pi",
            namespace: "",
        };
        EdgeNode::of(&object).unwrap()
    }

    fn allows(spec: &str, node: &EdgeNode) -> bool {
        let text =
            format!("metadata: {{name: d}}\nspec: {{template: {{spec: {{containers: [{{name: c}}], {spec}}}}}}}\n");
        let value = edge_yaml::value(&text).unwrap();
        let object = Object {
            value: &value,
            base: Vec::new(),
            kind: Cow::Borrowed("DaemonSet"),
            group: "apps",
            name: "d",
            namespace: "",
        };
        Requirements::of(Pod::of(&object).unwrap()).allow(node)
    }

    #[test]
    fn requirements_are_judged_as_by_the_controller() {
        let pi = node("arch: arm64, cores: \"4\"", "[]");
        assert!(allows("", &pi));
        assert!(allows("nodeSelector: {arch: arm64}", &pi) && !allows("nodeSelector: {arch: amd64}", &pi));
        let term = |term: &str| {
            format!(
                "affinity: {{nodeAffinity: {{requiredDuringSchedulingIgnoredDuringExecution: {{nodeSelectorTerms: [{term}]}}}}}}"
            )
        };
        for (expression, expected) in [
            ("{key: arch, operator: In, values: [arm64]}", true),
            ("{key: arch, operator: NotIn, values: [arm64]}", false),
            ("{key: none, operator: NotIn, values: [x]}", true),
            ("{key: none, operator: Exists}", false),
            ("{key: none, operator: DoesNotExist}", true),
            ("{key: cores, operator: Gt, values: [\"3\"]}", true),
            ("{key: cores, operator: Lt, values: [\"3\"]}", false),
        ] {
            assert_eq!(allows(&term(&format!("{{matchExpressions: [{expression}]}}")), &pi), expected, "{expression}");
        }
        assert!(!allows(&term("{}"), &pi));
        assert!(allows(&term("{matchFields: [{key: metadata.name, operator: In, values: [pi]}]}"), &pi));
        assert!(!allows(&term("{matchFields: [{key: metadata.name, operator: In, values: [other]}]}"), &pi));
        assert!(!allows(&term("{matchFields: [{key: metadata.name, operator: NotIn, values: [pi]}]}"), &pi));
    }

    #[test]
    fn taints_keep_pods_off_unless_they_are_tolerated() {
        let tainted = node(
            "",
            "[{key: edge, value: a, effect: NoSchedule}, {key: node.kubernetes.io/not-ready, effect: NoExecute}]",
        );
        assert!(!allows("", &tainted));
        assert!(allows("tolerations: [{operator: Exists}]", &tainted));
        assert!(allows("tolerations: [{key: edge, value: a}]", &tainted));
        assert!(allows("tolerations: [{key: edge, operator: Exists, effect: NoSchedule}]", &tainted));
        assert!(!allows("tolerations: [{key: edge, value: b}]", &tainted));
        assert!(!allows("tolerations: [{key: edge, operator: Exists, effect: NoExecute}]", &tainted));
    }
}
