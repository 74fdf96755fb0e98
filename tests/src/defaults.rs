//! The default configuration of a version, as its `--defaultconfig` prints it.

use edge_kubeedge::schema::Table;
use edge_kubeedge::{Kind, Minor};
use serde_yaml::{Mapping, Value};

/// The default configuration as YAML: keys sorted as KubeEdge sorts them, without comments.
///
/// What the host gives (its name, its addresses) is an example: `edge-node`, `192.0.2.2`.
pub fn render(kind: Kind, version: Minor) -> String {
    let mut text = String::new();
    mapping(&mut text, 0, &default_config(kind, version));
    text
}

/// The default configuration as a value.
pub fn default_config(kind: Kind, version: Minor) -> Mapping {
    let mut root = Mapping::new();
    for key in Table::of(kind).keys().filter(|key| key.is_in(version)) {
        let Some(default) = key.default_in(version) else {
            continue;
        };
        let value = serde_yaml::from_str(default.yaml).unwrap_or(Value::Null);
        let steps: Vec<&str> = key.path.split('.').collect();
        insert(&mut root, &steps, value);
    }
    root
}

/// Rows are sorted by key at each level, so inserting in their order keeps the sections sorted.
fn insert(at: &mut Mapping, steps: &[&str], value: Value) {
    match steps {
        [] => {}
        [last] => {
            at.insert(Value::from(*last), value);
        }
        [first, rest @ ..] => {
            let section = at.entry(Value::from(*first)).or_insert_with(|| Mapping::new().into());
            if let Value::Mapping(section) = section {
                insert(section, rest, value);
            }
        }
    }
}

fn mapping(text: &mut String, indent: usize, entries: &Mapping) {
    for (position, (key, value)) in entries.iter().enumerate() {
        // The first key of a mapping in a list stands behind the dash.
        if position > 0 || !text.ends_with("- ") {
            text.push_str(&" ".repeat(indent));
        }
        text.push_str(&scalar(key));
        text.push(':');
        node(text, indent, value);
    }
}

fn node(text: &mut String, indent: usize, value: &Value) {
    match value {
        Value::Mapping(entries) if !entries.is_empty() => {
            text.push('\n');
            mapping(text, indent + 2, entries);
        }
        Value::Sequence(elements) if !elements.is_empty() => {
            text.push('\n');
            for element in elements {
                text.push_str(&" ".repeat(indent));
                text.push_str("- ");
                match element {
                    Value::Mapping(entries) => mapping(text, indent + 2, entries),
                    other => {
                        text.push_str(&scalar(other));
                        text.push('\n');
                    }
                }
            }
        }
        other => {
            text.push(' ');
            text.push_str(&scalar(other));
            text.push('\n');
        }
    }
}

/// One value on one line, plain where it reads back as what it is.
fn scalar(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(truth) => truth.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(plain) => match serde_yaml::from_str::<Value>(plain) {
            Ok(Value::String(back)) if back == *plain => plain.clone(),
            _ => format!("\"{}\"", plain.replace('\\', "\\\\").replace('"', "\\\"")),
        },
        Value::Sequence(_) => "[]".to_owned(),
        Value::Mapping(_) | Value::Tagged(_) => "{}".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edgecore_1_8() {
        insta::assert_snapshot!(render(Kind::EdgeCore, Minor::new(8)));
    }

    #[test]
    fn edgecore_1_23() {
        insta::assert_snapshot!(render(Kind::EdgeCore, Minor::new(23)));
    }

    #[test]
    fn cloudcore_1_23() {
        insta::assert_snapshot!(render(Kind::CloudCore, Minor::new(23)));
    }

    #[test]
    fn text_reads_back_as_the_value_with_sorted_keys() {
        for kind in [Kind::EdgeCore, Kind::CloudCore] {
            for minor in 4..=23 {
                let version = Minor::new(minor);
                let value = Value::Mapping(default_config(kind, version));
                let text = render(kind, version);
                let back: Value = serde_yaml::from_str(&text).unwrap();
                assert_eq!(back, value, "{kind} {version}");
                assert_sorted(&value);
            }
        }
    }

    fn assert_sorted(value: &Value) {
        if let Value::Mapping(entries) = value {
            let keys: Vec<_> = entries.keys().filter_map(Value::as_str).collect();
            assert!(keys.is_sorted(), "{keys:?}");
            entries.values().for_each(assert_sorted);
        }
    }
}
