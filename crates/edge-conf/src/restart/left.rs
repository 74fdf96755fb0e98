//! What a component leaves of the settings when it rewrites its file. Pure.

use edge_yaml::{Change, Value};

/// What a component has left of a setting.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Left {
    AsSet,
    /// With another value: `90s` comes back as `1m30s`.
    Otherwise,
    Nothing,
}

pub(super) fn left_of(change: &Change, changes: &[Change], now: Option<&Value>) -> Left {
    let last = changes.iter().rev().find(|other| other.path == change.path).unwrap_or(change);
    let Some(after) = &last.after else { return Left::AsSet };
    // edgecore empties its token once it has its certificates, and leaves out what is empty.
    let used_up = change.path.to_string().to_ascii_lowercase().ends_with(".token");
    match now {
        Some(now) if now == after => Left::AsSet,
        _ if used_up || is_empty(after) => Left::AsSet,
        Some(now) if !is_empty(now) => Left::Otherwise,
        _ => Left::Nothing,
    }
}

/// What a writer of Go's may leave out: it reads back as the same.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(truth) => !truth,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Sequence(items) => items.is_empty(),
        Value::Mapping(entries) => entries.is_empty(),
        Value::Tagged(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_edgecore_writes_otherwise_is_not_lost() {
        for (path, after, now, left) in [
            ("a.b", "true", Some("true"), Left::AsSet),
            ("a.b", "true", None, Left::Nothing),
            ("a.b", "true", Some("null"), Left::Nothing),
            ("a.b", "90s", Some("1m30s"), Left::Otherwise),
            ("a.b", "false", None, Left::AsSet),
            ("a.b", "''", None, Left::AsSet),
            ("modules.edgeHub.token", "x.y", Some("''"), Left::AsSet),
        ] {
            let value = |yaml: &str| -> Value { serde_yaml::from_str(yaml).unwrap() };
            let change = Change { path: path.parse().unwrap(), before: None, after: Some(value(after)) };
            let all = [change.clone()];
            assert_eq!(left_of(&change, &all, now.map(value).as_ref()), left, "{path}: {after} {now:?}");
        }
        let change =
            |after: Option<i32>| Change { path: "a".parse().unwrap(), before: None, after: after.map(Value::from) };
        let twice = [change(Some(1)), change(None)];
        assert_eq!(left_of(&twice[0], &twice, None), Left::AsSet, "removed later in the same call");
    }
}
