//! Whether a component has kept a setting when it rewrote its file.

use edge_yaml::{Change, Value};

/// A setting after the component has rewritten its file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SettingState {
    AsSet,
    /// With the value in another form: `90s` as `1m30s`.
    Rewritten,
    Lost,
}

pub(super) fn state_of(change: &Change, changes: &[Change], now: Option<&Value>) -> SettingState {
    let last = changes.iter().rev().find(|other| other.path == change.path).unwrap_or(change);
    let Some(after) = &last.after else { return SettingState::AsSet };
    // edgecore clears its token once it has certificates, and omits empty values.
    let used_up = change.path.to_string().to_ascii_lowercase().ends_with(".token");
    match now {
        Some(now) if now == after => SettingState::AsSet,
        _ if used_up || is_empty(after) => SettingState::AsSet,
        Some(now) if !is_empty(now) => SettingState::Rewritten,
        _ => SettingState::Lost,
    }
}

/// A value that Go's encoder may omit, because it reads back as the same.
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
    fn state_of_a_setting_in_another_form_is_not_lost() {
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
