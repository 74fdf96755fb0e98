//! The pod template of a workload: on which nodes its pods may run, and which ports they use there.

use edge_yaml::{Mapping, Step, Value};

use edge_objects::object::{Object, at, keys};

/// The label of edge nodes; a node that has it has it with an empty value (kubeedge `keadm join`, edgecore's
/// `labels`).
pub const EDGE: &str = "node-role.kubernetes.io/edge";
/// The kinds of workloads with a pod template in `spec.template`.
pub const WORKLOADS: [&str; 3] = ["DaemonSet", "Deployment", "StatefulSet"];
/// The pod's specification in a workload.
const SPEC: [&str; 3] = ["spec", "template", "spec"];
/// The terms of the required node affinity; a node must match one of them.
const TERMS: [&str; 4] =
    ["affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms"];

/// The specification of the pods of a workload.
#[derive(Debug, Clone, Copy)]
pub struct Pod<'v>(&'v Value);

/// Whether the pods of a workload may run on edge nodes, as far as its own requirements say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// No edge node fulfils the requirements.
    KeptOff,
    /// The workload selects edge nodes.
    WantsEdge,
    /// No node at all fulfils them.
    Nowhere,
    /// These terms do not exclude edge nodes; empty if there are no terms.
    Reaches(Vec<usize>),
}

impl<'v> Pod<'v> {
    /// The pods of a workload of the `apps` group; none for other objects.
    pub fn of(object: &Object<'v>) -> Option<Pod<'v>> {
        is_workload(object).then_some(())?;
        let spec = object.get(&SPEC)?;
        let containers = at(spec, &["containers"])?.as_sequence()?;
        (!containers.is_empty() && containers.iter().all(Value::is_mapping)).then_some(Pod(spec))
    }

    /// Its specification.
    pub fn spec(self) -> &'v Value {
        self.0
    }

    /// Its containers.
    pub fn containers(self) -> &'v [Value] {
        list(self.0, &["containers"])
    }

    /// The terms of its required node affinity.
    pub fn terms(self) -> &'v [Value] {
        list(self.0, &TERMS)
    }

    /// Its tolerations.
    pub fn tolerations(self) -> &'v [Value] {
        list(self.0, &["tolerations"])
    }

    /// Whether it uses the network of its host.
    pub fn has_host_network(self) -> bool {
        at(self.0, &["hostNetwork"]) == Some(&Value::Bool(true))
    }

    /// Whether its pods may run on edge nodes.
    pub fn reach(self) -> Reach {
        if at(self.0, &["nodeSelector", EDGE]).is_some() {
            return Reach::WantsEdge;
        }
        let terms = self.terms();
        let mut open = Vec::new();
        let mut is_empty = true;
        for (index, term) in terms.iter().enumerate() {
            let expressions = list(term, &["matchExpressions"]);
            // A term without any requirement matches no node.
            if expressions.is_empty() && list(term, &["matchFields"]).is_empty() {
                continue;
            }
            is_empty = false;
            let mut about_edge = expressions.iter().filter(|expression| text(expression, "key") == Some(EDGE));
            if about_edge
                .clone()
                .any(|expression| matches!(text(expression, "operator"), Some("Exists" | "In" | "Gt" | "Lt")))
            {
                return Reach::WantsEdge;
            }
            if !about_edge.any(excludes_edge) {
                open.push(index);
            }
        }
        match (terms.is_empty(), is_empty, open.is_empty()) {
            (true, ..) => Reach::Reaches(Vec::new()),
            (_, true, _) => Reach::Nowhere,
            (.., true) => Reach::KeptOff,
            _ => Reach::Reaches(open),
        }
    }
}

/// Whether an object is a workload with pods in `spec.template`.
pub fn is_workload(object: &Object<'_>) -> bool {
    let group = object.group;
    WORKLOADS.contains(&object.kind.as_ref()) && matches!(group, "apps" | "extensions" | "")
}

/// The steps from an object to its pod's specification.
pub fn spec_steps(rest: &[&str]) -> Vec<Step> {
    [keys(&SPEC), keys(rest)].concat()
}

/// The steps from an object to the expression with this index in a term.
pub fn expression_steps(term: usize, index: usize) -> Vec<Step> {
    let mut steps = spec_steps(&TERMS);
    steps.extend([Step::Index(term), Step::Key("matchExpressions".to_owned()), Step::Index(index)]);
    steps
}

/// How many expressions a term has.
pub fn expressions(term: &Value) -> usize {
    list(term, &["matchExpressions"]).len()
}

/// An expression of a term.
pub fn expression(key: &str, operator: &str, values: &[&str]) -> Value {
    let mut expression = Mapping::new();
    expression.insert("key".into(), key.into());
    expression.insert("operator".into(), operator.into());
    if !values.is_empty() {
        expression.insert("values".into(), values.iter().map(|value| Value::from(*value)).collect::<Vec<_>>().into());
    }
    Value::Mapping(expression)
}

/// The expressions that require `expression` of every node, where it is not required already: one in each term, as a
/// node must match only one of them, or in a term of its own. None if no node fulfils the requirements.
pub fn requiring(pod: Pod<'_>, expression: &Value) -> Option<Vec<(Vec<Step>, String)>> {
    let terms = pod.terms();
    if terms.is_empty() {
        return Some(vec![(expression_steps(0, 0), "in a new term".to_owned())]);
    }
    let has = |term: &Value, key: &str| !list(term, &[key]).is_empty();
    let used = |term: &&Value| has(term, "matchExpressions") || has(term, "matchFields");
    if !terms.iter().any(|term| used(&term)) {
        return None;
    }
    let all = terms.iter().enumerate().filter(|(_, term)| used(term));
    let open = all.filter(|(_, term)| !list(term, &["matchExpressions"]).contains(expression));
    Some(open.map(|(index, term)| (expression_steps(index, expressions(term)), in_term(index, terms.len()))).collect())
}

/// `in term 1 of 2`.
pub fn in_term(index: usize, count: usize) -> String {
    if count == 1 { "in its term".to_owned() } else { format!("in term {} of {count}", index + 1) }
}

/// Whether a toleration matches a taint of this key, value and effect.
pub fn tolerates(toleration: &Value, key: &str, value: &str, effect: &str) -> bool {
    let has_effect = text(toleration, "effect").is_none_or(|own| own.is_empty() || own == effect);
    let is_exists = text(toleration, "operator") == Some("Exists");
    let has_key = match text(toleration, "key").unwrap_or_default() {
        "" => is_exists,
        own => own == key && (is_exists || text(toleration, "value").unwrap_or_default() == value),
    };
    has_effect && has_key
}

/// The list below these keys; empty if there is none.
pub fn list<'v>(value: &'v Value, keys: &[&str]) -> &'v [Value] {
    at(value, keys).and_then(Value::as_sequence).map_or(&[], Vec::as_slice)
}

/// A text in a mapping.
pub fn text<'v>(value: &'v Value, key: &str) -> Option<&'v str> {
    at(value, &[key])?.as_str()
}

/// Whether an expression about [`EDGE`] excludes nodes that have it with an empty value.
fn excludes_edge(expression: &Value) -> bool {
    match text(expression, "operator") {
        Some("DoesNotExist") => true,
        Some("NotIn") => list(expression, &["values"]).iter().any(|value| value.as_str() == Some("")),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(spec: &str) -> Reach {
        Pod(&edge_yaml::value(spec).unwrap()).reach()
    }

    fn terms(terms: &str) -> Reach {
        reach(&format!(
            "affinity: {{nodeAffinity: {{requiredDuringSchedulingIgnoredDuringExecution: {{nodeSelectorTerms: {terms}}}}}}}"
        ))
    }

    #[test]
    fn reach_follows_selector_and_terms() {
        let edge = |operator: &str| format!("{{matchExpressions: [{{key: {EDGE}, operator: {operator}}}]}}");
        let linux = "{matchExpressions: [{key: kubernetes.io/os, operator: In, values: [linux]}]}";
        assert_eq!(reach("{}"), Reach::Reaches(vec![]));
        assert_eq!(reach("affinity:"), Reach::Reaches(vec![]));
        assert_eq!(terms("[]"), Reach::Reaches(vec![]));
        assert_eq!(reach(&format!("nodeSelector: {{{EDGE}: \"\"}}")), Reach::WantsEdge);
        assert_eq!(terms(&format!("[{linux}]")), Reach::Reaches(vec![0]));
        assert_eq!(terms(&format!("[{}]", edge("DoesNotExist"))), Reach::KeptOff);
        assert_eq!(terms(&format!("[{}, {linux}]", edge("DoesNotExist"))), Reach::Reaches(vec![1]));
        assert_eq!(terms(&format!("[{}, {linux}]", edge("Exists"))), Reach::WantsEdge);
        assert_eq!(terms(&format!("[{}]", edge("\"In\", values: [\"\"]"))), Reach::WantsEdge);
        assert_eq!(terms(&format!("[{}]", edge("NotIn, values: [\"\"]"))), Reach::KeptOff);
        assert_eq!(terms(&format!("[{}]", edge("NotIn, values: [x]"))), Reach::Reaches(vec![0]));
        assert_eq!(terms("[{}, {matchExpressions: []}]"), Reach::Nowhere);
        assert_eq!(terms(&format!("[{{}}, {}]", edge("DoesNotExist"))), Reach::KeptOff);
        assert_eq!(
            terms("[{matchFields: [{key: metadata.name, operator: In, values: [a]}]}]"),
            Reach::Reaches(vec![0])
        );
    }
}
