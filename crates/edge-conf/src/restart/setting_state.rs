//! What a component leaves of the settings when it rewrites its file. Pure.

use edge_yaml::{Change, Value};

/// What a component has left of a setting.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SettingState {
    AsSet,
    /// With another value: `90s` comes back as `1m30s`.
    Rewritten,
    Lost,
}

pub(super) fn state_of(change: &Change, changes: &[Change], now: Option<&Value>) -> SettingState {
    let last = changes.iter().rev().find(|other| other.path == change.path).unwrap_or(change);
    let Some(after) = &last.after else { return SettingState::AsSet };
    // edgecore empties its token once it has its certificates, and leaves out what is empty.
    let used_up = change.path.to_string().to_ascii_lowercase().ends_with(".token");
    match now {
        Some(now) if now == after => SettingState::AsSet,
        _ if used_up || is_empty(after) => SettingState::AsSet,
        Some(now) if !is_empty(now) => SettingState::Rewritten,
        _ => SettingState::Lost,
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
            ("a.b", "true", Some("true"), SettingState::AsSet),
            ("a.b", "true", None, SettingState::Lost),
            ("a.b", "true", Some("null"), SettingState::Lost),
            ("a.b", "90s", Some("1m30s"), SettingState::Rewritten),
            ("a.b", "false", None, SettingState::AsSet),
            ("a.b", "''", None, SettingState::AsSet),
            ("modules.edgeHub.token", "x.y", Some("''"), SettingState::AsSet),
        ] {
            let value = |yaml: &str| -> Value { serde_yaml::from_str(yaml).unwrap() };
            let change = Change { path: path.parse().unwrap(), before: None, after: Some(value(after)) };
            let all = [change.clone()];
            assert_eq!(state_of(&change, &all, now.map(value).as_ref()), left, "{path}: {after} {now:?}");
        }
        let change =
            |after: Option<i32>| Change { path: "a".parse().unwrap(), before: None, after: after.map(Value::from) };
        let twice = [change(Some(1)), change(None)];
        assert_eq!(state_of(&twice[0], &twice, None), SettingState::AsSet, "removed later in the same call");
    }
}
