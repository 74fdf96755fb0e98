//! How values are shown: on one line, secrets struck out.

use edge_host::{STRUCK, is_secret_name, redact};
use edge_yaml::{Path, Step, Value};
use serde_json::Value as Json;

/// Longest value that is shown in full.
const MAX: usize = 120;

/// A value at a path, or that there is none.
pub fn at(path: &Path, value: Option<&Value>) -> String {
    let Some(value) = value else { return "(not set)".to_owned() };
    let mut shown = value.clone();
    let is_secret = |step: &Step| matches!(step, Step::Key(key) if is_secret_name(key));
    strike(path.steps().iter().any(is_secret), &mut shown);
    one_line(&shown)
}

/// As JSON writes it, a plain text without quotes; as YAML where JSON cannot hold it.
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

/// Whether a text can be seen as what it is without quotes.
fn is_clear(text: &str) -> bool {
    !text.is_empty() && text.trim() == text && !text.contains(char::is_control)
}

/// Strikes the secrets in a value, and all of it under a secret-looking name. What is empty is no secret.
fn strike(is_secret: bool, value: &mut Value) {
    match value {
        Value::String(text) if is_secret && !text.is_empty() => *value = Value::from(STRUCK),
        Value::Number(_) if is_secret => *value = Value::from(STRUCK),
        Value::Sequence(items) if is_secret && !items.is_empty() => *value = Value::from(STRUCK),
        Value::Mapping(entries) if is_secret && !entries.is_empty() => *value = Value::from(STRUCK),
        Value::Mapping(entries) => entries.iter_mut().for_each(|(key, value)| {
            strike(key.as_str().is_some_and(is_secret_name), value);
        }),
        Value::Sequence(items) => items.iter_mut().for_each(|item| strike(false, item)),
        Value::Tagged(tagged) => strike(is_secret, &mut tagged.value),
        Value::String(text) => *text = redact(text),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The value as JSON, if JSON holds it as it is.
pub(crate) fn exact(value: &Value) -> Option<Json> {
    let json = serde_json::to_value(value).ok()?;
    (serde_yaml::to_value(&json).ok()? == *value).then_some(json)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_shown_on_one_line_and_a_secret_never() {
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
            assert_eq!(at(&path.parse().unwrap(), Some(&value)), want, "{path}: {yaml}");
        }
        assert_eq!(at(&"a".parse().unwrap(), None), "(not set)");
        let long = Value::from("x".repeat(MAX + 1));
        assert_eq!(at(&"a".parse().unwrap(), Some(&long)), format!("{}…", "x".repeat(MAX)));
    }
}
