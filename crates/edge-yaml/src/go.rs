//! Reads a document as KubeEdge, kubelet and every other program in Go with sigs.k8s.io/yaml do.
//!
//! That library resolves words and numbers by YAML 1.1 (`yes`, `0123`, `1_000`), turns everything into JSON, and
//! refuses what JSON does not have. Checked against it by `tests/tests/conf/judge.rs`
//! (go-yaml v2 `resolve.go`, sigs.k8s.io/yaml v1.4 `yaml.go`).

use crate::tree::{Id, Kind, Scalar, Tree};
use crate::{Document, Position, Step};
use serde_yaml::{Number, Value};
use std::collections::HashMap;

/// A value that KubeEdge's parser reads as a number or a boolean, and hands over as other text where text is expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewritten {
    /// Its path.
    pub path: Vec<Step>,
    /// As it is written: `0123`.
    pub written: String,
    /// The text that a setting of type text gets: `83`.
    pub text: String,
}

impl Document<'_> {
    /// The value of the first document as Go reads it, with merge keys applied.
    pub fn as_go(&self) -> Value {
        let mut value = self.value.clone();
        if let Some(root) = self.tree.root {
            let reader = Reader { text: self.text, tree: &self.tree };
            reader.read(root, &mut value, &mut Vec::new(), &mut |_, _, _| {});
        }
        // A `<<` that is not a merge key is left unchanged.
        let mut merged = value.clone();
        if self.text.contains("<<") && merged.apply_merge().is_ok() { merged } else { value }
    }

    /// The values that Go reads as numbers or booleans and writes in another way; they matter where a setting is text.
    pub fn rewritten(&self) -> Vec<Rewritten> {
        let mut found = Vec::new();
        if let Some(root) = self.tree.root {
            let reader = Reader { text: self.text, tree: &self.tree };
            reader.read(root, &mut self.value.clone(), &mut Vec::new(), &mut |path, written, value| {
                if let Some(text) = as_text(value).filter(|text| text != written) {
                    found.push(Rewritten { path: path.to_vec(), written: written.to_owned(), text });
                }
            });
        }
        found
    }

    /// The version in a `%YAML` line that Go's parser refuses: it knows only 1.1.
    pub fn refused_version(&self) -> Option<(Position, String)> {
        let mut at = 0;
        for line in self.text.split_inclusive('\n') {
            let words = line.split('#').next().unwrap_or_default();
            if words.starts_with("---") || !(words.trim().is_empty() || words.starts_with('%')) {
                return None;
            }
            let version = words.strip_prefix("%YAML").map(str::trim).filter(|version| *version != "1.1");
            if let Some(version) = version {
                return Some((Position::of(self.text, at), version.to_owned()));
            }
            at += line.len();
        }
        None
    }
}

/// What JSON cannot hold, so that the whole file is refused: the path of the mapping or value, and what it is.
#[must_use]
pub fn refused_by_go(value: &Value) -> Vec<(Vec<Step>, &'static str)> {
    let mut found = Vec::new();
    refused(value, &mut Vec::new(), &mut found);
    found
}

fn refused(value: &Value, at: &mut Vec<Step>, found: &mut Vec<(Vec<Step>, &'static str)>) {
    match value {
        Value::Mapping(mapping) => {
            for (key, value) in mapping {
                let what = match key {
                    Value::Null => Some("has an empty key"),
                    Value::Sequence(_) | Value::Mapping(_) => Some("has a key that is a list or a mapping"),
                    _ => None,
                };
                found.extend(what.map(|what| (at.clone(), what)));
                let Some(key) = crate::proof::key_text(key) else { continue };
                at.push(Step::Key(key));
                refused(value, at, found);
                at.pop();
            }
        }
        Value::Sequence(items) => {
            for (index, item) in items.iter().enumerate() {
                at.push(Step::Index(index));
                refused(item, at, found);
                at.pop();
            }
        }
        Value::Number(number) if number.as_f64().is_some_and(|number| !number.is_finite()) => {
            found.push((at.clone(), "is not a finite number"));
        }
        _ => {}
    }
}

struct Reader<'t> {
    text: &'t str,
    tree: &'t Tree,
}

impl Reader<'_> {
    /// Replaces each plain scalar by what Go reads, and reports those that are neither text nor null.
    fn read(&self, id: Id, value: &mut Value, at: &mut Vec<Step>, report: &mut dyn FnMut(&[Step], &str, &Value)) {
        let node = &self.tree.nodes[id];
        match &node.kind {
            Kind::Alias(Some(target)) => self.read(*target, value, at, report),
            Kind::Scalar(Scalar::Plain) if !node.tagged => {
                let written = &self.text[node.start..node.end];
                if !written.contains('\n') {
                    *value = resolve(written);
                    if !matches!(value, Value::Null | Value::String(_)) {
                        report(at, written, value);
                    }
                }
            }
            Kind::Map(_, entries) => {
                // Of a duplicate key the last entry counts.
                let mut last: HashMap<&str, Id> = HashMap::new();
                for entry in entries {
                    last.extend(entry.key.text(self.text).map(|key| (key, entry.value)));
                }
                for (key, child) in last {
                    let Some(inner) = value.get_mut(key) else { continue };
                    at.push(Step::Key(key.to_owned()));
                    self.read(child, inner, at, report);
                    at.pop();
                }
            }
            Kind::Seq(_, entries) => {
                for (index, entry) in entries.iter().enumerate() {
                    let Some(inner) = value.get_mut(index) else { continue };
                    at.push(Step::Index(index));
                    self.read(entry.value, inner, at, report);
                    at.pop();
                }
            }
            Kind::Scalar(_) | Kind::Alias(None) => {}
        }
    }
}

/// What Go's parser makes of text without quotes (go-yaml v2 `resolve.go`).
fn resolve(text: &str) -> Value {
    match text {
        "~" | "null" | "Null" | "NULL" | "" => return Value::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => return true.into(),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => return false.into(),
        ".nan" | ".NaN" | ".NAN" => return f64::NAN.into(),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return f64::INFINITY.into(),
        "-.inf" | "-.Inf" | "-.INF" => return f64::NEG_INFINITY.into(),
        _ => {}
    }
    let number = match text.as_bytes().first() {
        Some(b'.') => float(text),
        Some(b'0'..=b'9' | b'+' | b'-') => {
            let plain = text.replace('_', "");
            integer(&plain).or_else(|| float(&plain))
        }
        _ => None,
    };
    number.map_or_else(|| Value::from(text), Value::Number)
}

/// Go's `ParseInt` with base 0, then `ParseUint`.
fn integer(text: &str) -> Option<Number> {
    let (is_negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let prefix = digits.get(..2).map(str::to_ascii_lowercase);
    let (base, digits) = match prefix.as_deref() {
        Some("0x") => (16, &digits[2..]),
        Some("0b") => (2, &digits[2..]),
        Some("0o") => (8, &digits[2..]),
        _ if digits.len() > 1 && digits.starts_with('0') => (8, &digits[1..]),
        _ => (10, digits),
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let number = i128::from(u64::from_str_radix(digits, base).ok()?) * if is_negative { -1 } else { 1 };
    // A number over 63 bits may not have a sign.
    let is_signed = text.starts_with(['+', '-']);
    i64::try_from(number)
        .map(Number::from)
        .ok()
        .or_else(|| (!is_signed).then(|| u64::try_from(number).ok().map(Number::from)).flatten())
}

/// `^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`
fn float(text: &str) -> Option<Number> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let is_float = unsigned.bytes().all(|byte| byte.is_ascii_digit() || b".eE+-".contains(&byte))
        && unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    let number: f64 = text.parse().ok().filter(|_| is_float)?;
    number.is_finite().then(|| Number::from(number))
}

/// The text that a setting of type text gets (sigs.k8s.io/yaml `convertToJSONableObject`); none for text and null.
fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Number(number) if number.is_f64() => Some(go_float(number.as_f64()?)),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Go's `FormatFloat(number, 'g', -1, 32)`.
fn go_float(number: f64) -> String {
    #[allow(clippy::cast_possible_truncation, reason = "Go writes it with 32 bits too")]
    let short = number as f32;
    let scientific = format!("{short:e}");
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return scientific };
    match exponent.parse::<i32>() {
        Ok(power) if (-4..6).contains(&power) => short.to_string(),
        Ok(power) => {
            let sign = if power < 0 { '-' } else { '+' };
            format!("{mantissa}e{sign}{:02}", power.abs())
        }
        Err(_) => scientific,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_is_resolved_by_yaml_1_1() {
        for (text, value) in [
            ("0123", Value::from(83)),
            ("0o17", 15.into()),
            ("0x1F", 31.into()),
            ("-0b101", (-5).into()),
            ("1_000", 1000.into()),
            ("+12", 12.into()),
            ("08", 8.0.into()),
            ("1.10", 1.1.into()),
            ("18446744073709551615", u64::MAX.into()),
            ("yes", true.into()),
            ("Off", false.into()),
            ("yEs", "yEs".into()),
            ("1.2.3", "1.2.3".into()),
            ("12:30", "12:30".into()),
            ("2026-01-01", "2026-01-01".into()),
            ("-", "-".into()),
            ("0x", "0x".into()),
            ("1e", "1e".into()),
            ("infinity", "infinity".into()),
        ] {
            assert_eq!(resolve(text), value, "{text}");
        }
        assert_eq!(crate::read("a: [yes, 'yes', 0123, \"0123\", &x 1_0, *x]").unwrap(), {
            let items: [Value; 6] = [true.into(), "yes".into(), 83.into(), "0123".into(), 10.into(), 10.into()];
            let mut mapping = crate::Mapping::new();
            mapping.insert("a".into(), items.to_vec().into());
            Value::Mapping(mapping)
        });
    }

    #[test]
    fn rewritten_values_have_their_text() {
        let text = "a: 0123\nb: {c: 1.10, d: yes}\ne: [1_0, 12]\nf: '0123'\ng: x\na: 1e3\n";
        let mut found: Vec<String> = Document::parse(text)
            .unwrap()
            .rewritten()
            .iter()
            .map(|one| format!("{} {} {}", crate::Path::new(one.path.clone()).unwrap(), one.written, one.text))
            .collect();
        found.sort();
        assert_eq!(found, ["a 1e3 1000", "b.c 1.10 1.1", "b.d yes true", "e[0] 1_0 10"]);
    }

    #[test]
    fn version_other_than_1_1_is_refused() {
        let version =
            |text: &str| Document::parse(text).unwrap().refused_version().map(|(at, version)| (at.line, version));
        assert_eq!(version("# c\n%YAML 1.2\n---\na: 1\n"), Some((2, "1.2".to_owned())));
        assert_eq!(version("%YAML 1.1\n---\na: 1\n"), None);
        assert_eq!(version("a: 1\n"), None);
    }

    #[test]
    fn keys_and_numbers_that_json_does_not_have_are_refused() {
        let refused = |text: &str| {
            let found = refused_by_go(&crate::read(text).unwrap());
            found.into_iter().map(|(path, what)| (path.len(), what)).collect::<Vec<_>>()
        };
        assert_eq!(refused("a: {~: 1, b: [.inf]}"), [(1, "has an empty key"), (3, "is not a finite number")]);
        assert_eq!(refused("? [a]\n: 1\n"), [(0, "has a key that is a list or a mapping")]);
        assert_eq!(refused("{1: a, yes: b, 1.5: c}"), []);
    }
}
