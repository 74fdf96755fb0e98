//! How values are shown: on one line, secrets struck out.

use edge_host::redact;
use edge_yaml::{Path, Step, Value};
use serde_json::{Value as Json, json};

const STRUCK: &str = "***";
/// Longest value that is shown in full.
const MAX: usize = 120;

/// A value at a path, or that there is none.
pub fn at(path: &Path, value: Option<&Value>) -> String {
    let Some(value) = value else { return "(not set)".to_owned() };
    let mut json = serde_json::to_value(value).unwrap_or_default();
    let key = path.steps().iter().rev().find_map(|step| match step {
        Step::Key(key) => Some(key.as_str()),
        Step::Index(_) => None,
    });
    strike(key.unwrap_or_default(), &mut json);
    one_line(&json)
}

/// As JSON writes it, a plain text without quotes.
fn one_line(json: &Json) -> String {
    let text = match json {
        Json::String(text) if is_clear(text) => text.clone(),
        json => json.to_string(),
    };
    if text.chars().count() <= MAX { text } else { text.chars().take(MAX).chain("…".chars()).collect() }
}

/// Whether a text can be seen as what it is without quotes.
fn is_clear(text: &str) -> bool {
    !text.is_empty() && text.trim() == text && !text.contains(char::is_control)
}

fn strike(key: &str, json: &mut Json) {
    match json {
        _ if is_secret(key, json) => *json = json!(STRUCK),
        Json::Object(entries) => entries.iter_mut().for_each(|(key, value)| strike(key, value)),
        Json::Array(items) => items.iter_mut().for_each(|item| strike("", item)),
        Json::String(text) if text.contains("://") => *text = redact(text),
        _ => {}
    }
}

/// Whether what stands under this key is never shown. An empty value is no secret, and neither is
/// tokenRefreshDuration.
fn is_secret(key: &str, json: &Json) -> bool {
    let key = key.to_ascii_lowercase();
    let password = key.contains("password") || key.contains("passwd");
    let full = match json {
        Json::String(text) => !text.is_empty(),
        Json::Array(items) => !items.is_empty(),
        Json::Object(entries) => !entries.is_empty(),
        Json::Number(_) => password,
        Json::Null | Json::Bool(_) => false,
    };
    full && (password || key.contains("token"))
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
        ] {
            let value: Value = serde_yaml::from_str(yaml).unwrap();
            assert_eq!(at(&path.parse().unwrap(), Some(&value)), want, "{path}: {yaml}");
        }
        assert_eq!(at(&"a".parse().unwrap(), None), "(not set)");
        let long = Value::from("x".repeat(MAX + 1));
        assert_eq!(at(&"a".parse().unwrap(), Some(&long)), format!("{}…", "x".repeat(MAX)));
    }
}
