//! Finds the spellings of a key: KubeEdge ignores letter case.
//!
//! KubeEdge turns YAML into JSON, which sorts the keys of a mapping by their bytes. Go's `encoding/json` then reads
//! them from front to back, ignoring letter case, and each value replaces the one before. So the last spelling in byte
//! order takes effect, wherever it is in the file: `enable` over `Enable` over `ENABLE`. Sections under two spellings are merged key
//! by key by the same rule. Of exact duplicates the YAML reader keeps the last one, sections as a whole.

use edge_yaml::{Mapping, Path, Step, Value};

use crate::Kind;
use crate::schema::{Lookup, Table};

/// The steps of a path as the key table names them: `[n]` for an index.
#[must_use]
pub fn texts(path: &Path) -> Vec<String> {
    path.steps()
        .iter()
        .map(|step| match step {
            Step::Key(key) => key.clone(),
            Step::Index(index) => format!("[{index}]"),
        })
        .collect()
}

/// The index of a step into this value, if it is one.
fn index(step: &str, into: Option<&Value>) -> Option<usize> {
    let digits = step.strip_prefix('[')?.strip_suffix(']')?;
    matches!(into, Some(Value::Sequence(_)) | None).then(|| digits.parse().ok())?
}

/// The path in the spelling of this document: adding a second spelling of a key would be a pitfall, because KubeEdge
/// treats both as the same key.
#[must_use]
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
        let key = at
            .and_then(Value::as_mapping)
            .and_then(|map| spellings(map, step).into_iter().next())
            .filter(|key| key != step);
        let key = key.filter(|_| !(last && is_users_own(canonical))).unwrap_or(step);
        steps.push(Step::Key(key.to_owned()));
        at = at.and_then(|value| value.get(key));
    }
    Path::new(steps)
}

/// All spellings of a path in this document, the one that takes effect first.
#[must_use]
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
            keys.into_iter().filter_map(|key| Some((key, value.get(key)?))).for_each(|(key, value)| {
                push(Step::Key(key.to_owned()), value);
            });
        }
        found = deeper;
    }
    found.into_iter().filter_map(|(steps, _)| Path::new(steps)).collect()
}

/// The spellings of a key in a mapping, the one that takes effect first.
#[must_use]
pub fn spellings<'v>(mapping: &'v Mapping, key: &str) -> Vec<&'v str> {
    let mut keys: Vec<&str> =
        mapping.keys().filter_map(Value::as_str).filter(|own| own.eq_ignore_ascii_case(key)).collect();
    keys.sort_unstable_by_key(|key| std::cmp::Reverse(key.as_bytes()));
    keys
}

/// Whether the last key is one of the user, such as a label, where letter case matters.
fn is_users_own(canonical: &[String]) -> bool {
    let steps: Vec<&str> = canonical.iter().map(String::as_str).collect();
    let known = |kind| matches!(Table::of(kind).lookup(&steps, None), Lookup::Known(found) if found.is_entry());
    known(Kind::EdgeCore) || known(Kind::CloudCore)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_begin_with_the_one_that_takes_effect() {
        for order in ["{server: 1, SERVER: 2, Server: 3, port: 4}", "{Server: 1, port: 2, server: 3, SERVER: 4}"] {
            let mapping: Mapping = serde_yaml::from_str(order).unwrap();
            assert_eq!(spellings(&mapping, "server"), ["server", "Server", "SERVER"]);
            assert!(spellings(&mapping, "host").is_empty());
        }
    }
}
