//! Shows values on one line, with secrets masked.

use edge_host::{STRUCK, is_secret_name, redact};
use edge_yaml::{Path, Step, Value};
use serde_json::Value as Json;

/// Longest value that is shown in full, in characters.
const MAX: usize = 120;

/// The value at a path, or `(not set)`.
pub fn value_at(path: &Path, value: Option<&Value>) -> String {
    let Some(value) = value else { return "(not set)".to_owned() };
    let mut shown = value.clone();
    let is_secret = |step: &Step| matches!(step, Step::Key(key) if is_secret_name(key));
    mask(path.steps().iter().any(is_secret), &mut shown);
    one_line(&shown)
}

/// As JSON, plain text without quotes; as YAML where JSON cannot represent it.
fn one_line(value: &Value) -> String {
    let text = match value {
        Value::String(text) if is_clear(text) => text.clone(),
        value => match exact(value) {
            Some(json) => json.to_string(),
            None => serde_yaml::to_string(value).unwrap_or_default().trim_end().replace('\n', "; "),
        },
    };
    if text.chars().count() <= MAX { text } else { text.chars().take(MAX).chain("…".chars()).collect() }
}

/// Whether a text needs no quotes to be read as what it is.
fn is_clear(text: &str) -> bool {
    !text.is_empty() && text.trim() == text && !text.contains(char::is_control)
}

/// Masks the secrets in a value, and all of it under a name that looks like a secret. An empty value is not a secret.
fn mask(is_secret: bool, value: &mut Value) {
    match value {
        Value::String(text) if is_secret && !text.is_empty() => *value = Value::from(STRUCK),
        Value::Number(_) if is_secret => *value = Value::from(STRUCK),
        Value::Sequence(items) if is_secret && !items.is_empty() => *value = Value::from(STRUCK),
        Value::Mapping(entries) if is_secret && !entries.is_empty() => *value = Value::from(STRUCK),
        Value::Mapping(entries) => entries.iter_mut().for_each(|(key, value)| {
            mask(key.as_str().is_some_and(is_secret_name), value);
        }),
        Value::Sequence(items) => items.iter_mut().for_each(|item| mask(false, item)),
        Value::Tagged(tagged) => mask(is_secret, &mut tagged.value),
        Value::String(text) => *text = redact(text),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The value as JSON, if JSON can represent it without loss.
pub fn exact(value: &Value) -> Option<Json> {
    let json = serde_json::to_value(value).ok()?;
    (serde_yaml::to_value(&json).ok()? == *value).then_some(json)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_is_shown_on_one_line_and_a_secret_is_masked() {
        for (path, yaml, want) in [
            ("a", "text", "text"),
            ("a", "' lead'", "\" lead\""),
            ("a", "''", "\"\""),
            ("a", "\"l1\\nl2\"", "\"l1\\nl2\""),
            ("a", "[1, {b: c}]", "[1,{\"b\":\"c\"}]"),
            ("m.token", "x.y", "***"),
            ("m.token[0]", "x.y", "***"),
            ("m.token", "''", "\"\""),
            ("m.mqttPassword", "1234", "***"),
            ("m.cloudHub.tokenRefreshDuration", "12", "12"),
            (
                "m",
                "{token: x, mqttPassword: 12, n: [{passwd: y}]}",
                r#"{"mqttPassword":"***","n":[{"passwd":"***"}],"token":"***"}"#,
            ),
            ("m.server", "tcp://u:p@h:1", "tcp://u:***@h:1"),
            ("m.apiKey", "abc", "***"),
            ("m.passphrase", "abc", "***"),
            ("m.credentials", "{user: a, key: b}", "***"),
            ("m.credentials.key", "b", "***"),
            ("m.tokenFile", "/etc/x", "/etc/x"),
            ("m.keyboard", "us", "us"),
            ("m.x", ".nan", ".nan"),
            ("m.x", "[.inf, {a: 1}]", "- .inf; - a: 1"),
            ("m.x", "a password=b", "a password= ***"),
        ] {
            let value: Value = serde_yaml::from_str(yaml).unwrap();
            assert_eq!(value_at(&path.parse().unwrap(), Some(&value)), want, "{path}: {yaml}");
        }
        assert_eq!(value_at(&"a".parse().unwrap(), None), "(not set)");
        let long = Value::from("x".repeat(MAX + 1));
        assert_eq!(value_at(&"a".parse().unwrap(), Some(&long)), format!("{}…", "x".repeat(MAX)));
    }
}
