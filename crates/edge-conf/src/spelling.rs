//! One key, many spellings: KubeEdge reads its keys without regard to capitals.

use edge_yaml::{Mapping, Path, Step, Value};

use crate::schema::{Kind, Lookup, Table, winner};

/// The steps of a path as the key table takes them: `[n]` for an index.
pub fn texts(path: &Path) -> Vec<String> {
    path.steps()
        .iter()
        .map(|step| match step {
            Step::Key(key) => key.clone(),
            Step::Index(index) => format!("[{index}]"),
        })
        .collect()
}

/// A step of a path from its text, where this value is what it leads into.
fn index(step: &str, into: Option<&Value>) -> Option<usize> {
    let digits = step.strip_prefix('[')?.strip_suffix(']')?;
    matches!(into, Some(Value::Sequence(_)) | None).then(|| digits.parse().ok())?
}

/// The path as this document spells it: a key that stands there in other capitals is the same key
/// to KubeEdge, and a second spelling beside it would be a trap.
pub fn spelled(document: &Value, canonical: &[String]) -> Option<Path> {
    let mut at = Some(document);
    let mut steps = Vec::new();
    for (depth, step) in canonical.iter().enumerate() {
        if let Some(index) = index(step, at) {
            at = at.and_then(|value| value.get(index));
            steps.push(Step::Index(index));
            continue;
        }
        let last = depth + 1 == canonical.len();
        let key =
            at.and_then(Value::as_mapping).and_then(|map| winner(&spellings(map, step))).filter(|key| key != step);
        let key = key.filter(|_| !(last && is_users_own(canonical))).unwrap_or(step);
        steps.push(Step::Key(key.to_owned()));
        at = at.and_then(|value| value.get(key));
    }
    Path::new(steps)
}

/// All paths of this document that are this one to KubeEdge, the one that counts first.
pub fn all_spelled(document: &Value, canonical: &[String]) -> Vec<Path> {
    let mut found: Vec<(Vec<Step>, &Value)> = vec![(Vec::new(), document)];
    for (depth, step) in canonical.iter().enumerate() {
        let last = depth + 1 == canonical.len();
        let mut deeper = Vec::new();
        for (steps, value) in found {
            let mut push = |step: Step, value| deeper.push(([steps.as_slice(), &[step]].concat(), value));
            if let Some(index) = index(step, Some(value)) {
                value.get(index).into_iter().for_each(|item| push(Step::Index(index), item));
                continue;
            }
            let mut keys = value.as_mapping().map(|map| spellings(map, step)).unwrap_or_default();
            if last && keys.iter().any(|key| key != step) && is_users_own(canonical) {
                keys.retain(|key| key == step);
            }
            keys.sort_unstable_by_key(|key| std::cmp::Reverse(key.as_bytes()));
            keys.into_iter().filter_map(|key| Some((key, value.get(key)?))).for_each(|(key, value)| {
                push(Step::Key(key.to_owned()), value);
            });
        }
        found = deeper;
    }
    found.into_iter().filter_map(|(steps, _)| Path::new(steps)).collect()
}

/// The keys of a mapping that are this key to KubeEdge.
pub fn spellings<'v>(mapping: &'v Mapping, key: &str) -> Vec<&'v str> {
    mapping.keys().filter_map(Value::as_str).filter(|own| own.eq_ignore_ascii_case(key)).collect()
}

/// Whether the last key is one of the user's own, such as a label: there capitals matter.
fn is_users_own(canonical: &[String]) -> bool {
    let steps: Vec<&str> = canonical.iter().map(String::as_str).collect();
    let known = |kind| matches!(Table::of(kind).lookup(&steps, None), Lookup::Known(found) if found.is_entry());
    known(Kind::EdgeCore) || known(Kind::CloudCore)
}
