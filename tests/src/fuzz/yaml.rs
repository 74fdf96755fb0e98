//! YAML: the places of values in a text, and edits of one value.

use edge_yaml::{Document, Edit, Path, Step, Value};
use serde::Deserialize;

use super::Target;

pub(super) const TARGET: Target = Target {
    name: "yaml",
    check,
    read,
    seeds: || {
        super::texts(&[
            "# comment\napiVersion: edgecore.config.kubeedge.io/v1alpha2\nkind: EdgeCore\nmodules:\n  edgeHub:\n    enable: true # why\n    token: \"a: b\"\n    websocket: {server: '192.0.2.1:10000', handshakeTimeout: 30}\n  list:\n  - a\n  - {b: c}\n  -\n    - d\n",
            "a: &x\n  b: 1\nc: *x\nd: |\n  text\n   more\ne: >-\n  folded\nf: [1, 2.5, .inf, ~, yes]\n---\nother: 1\n",
            "? complex\n: value\n\"k\": !t v\n<<: {m: 1}\nx: 'it''s'\r\ny: \"\\u00e9\\n\"\r\n",
        ])
    },
    tokens: &[
        "a",
        ": ",
        "- ",
        "\n",
        "\n  ",
        "\n    ",
        "{",
        "}",
        "[",
        "]",
        ", ",
        "#",
        " # c",
        "&x ",
        "*x",
        "'",
        "\"",
        "|\n",
        ">-\n",
        "~",
        "? ",
        "!t ",
        "<<: ",
        "---\n",
        "...\n",
        "\t",
        "\r\n",
        "\u{feff}",
        "%YAML 1.2\n",
        "\\x41",
        "é",
        "{{ x }}",
    ],
    growing: &[
        ("", "k{}: v\n", ""),
        ("a:\n", "- {}\n", ""),
        ("a:\n", "  k{}: {{b: [1, 2]}}\n", ""),
        ("a: [", "x, ", "y]\n"),
        ("a: ", "[", ""),
        ("a: ", "{", ""),
        ("", "- ", "x\n"),
        ("", "a:\n ", "x\n"),
        ("a: \"", "x\\n", "\"\n"),
        ("a: |\n", "  text\n", ""),
        ("", "a: 1\n", ""),
        ("", "# comment\n", "a: 1\n"),
        ("x: &x {a: 1}\n", "k{}: *x\n", ""),
        ("", "k{}: &a{} v\n", ""),
        ("a: '", "''", "'\n"),
        ("a: ", "?", ""),
        ("", "--- 1\n", ""),
    ],
};

fn read(data: &[u8]) {
    let text = super::text(data);
    if let Ok(document) = Document::parse(&text) {
        let _ = (document.duplicates(), document.rewritten(), document.refused_version());
        let _ = edge_yaml::refused_by_go(&document.as_go());
        // As many edits as the list has items.
        let items = document.value().get("a").and_then(Value::as_sequence).map_or(0, Vec::len);
        let path = |index| Path::new(vec![Step::Key("a".to_owned()), Step::Index(index)]);
        let edits = (0..items).filter_map(path).map(|path| Edit::Set { path, value: Value::from(7) });
        let _ = document.apply(&edits.collect::<Vec<_>>());
    }
}

fn check(data: &[u8]) {
    let text = super::text(data);
    let Ok(document) = Document::parse(&text) else { return };
    // The places that were found lead to what another parser reads.
    let bare = text.trim_start_matches('\u{feff}');
    if let Some(Ok(value)) = serde_yaml::Deserializer::from_str(bare).next().map(Value::deserialize) {
        assert_eq!(document.value(), &value);
    }
    let Some((path, old)) = some_path(document.value(), data.len()) else { return };
    if document.position(&path).is_none() {
        // After a key in a form that is never edited.
        let edit = Edit::Set { path: path.clone(), value: Value::from(7) };
        assert!(document.apply(&[edit]).is_err(), "{path}");
        return;
    }
    for value in [Value::from("edge: # \"x\""), Value::from(7), Value::Null] {
        let edit = Edit::Set { path: path.clone(), value: value.clone() };
        let Ok(edited) = document.apply(std::slice::from_ref(&edit)) else { continue };
        let after = Document::parse(&edited.text).expect("what was edited can be read");
        assert_eq!(after.get(&path).as_ref(), Some(&value), "{}", edited.text);
        assert_eq!(after.has_more_documents(), document.has_more_documents());
        let again = after.apply(&[edit]).expect("it was taken before");
        assert!(again.changes.is_empty() && again.text == edited.text);
        let back = Edit::Set { path: path.clone(), value: old.clone() };
        if let Ok(back) = after.apply(&[back]) {
            assert_eq!(Document::parse(&back.text).expect("it can be read").value(), document.value(), "{}", back.text);
        }
    }
    if let Ok(edited) = document.apply(&[Edit::Unset { path: path.clone() }]) {
        let after = Document::parse(&edited.text).expect("what was edited can be read");
        let is_last_of_list = matches!(path.steps().last(), Some(Step::Index(_)));
        assert!(is_last_of_list || after.get(&path).is_none(), "{}", edited.text);
    }
}

/// The path and value of a scalar in it, selected by `choice`.
fn some_path(mut value: &Value, mut choice: usize) -> Option<(Path, Value)> {
    let mut steps = Vec::new();
    loop {
        let (step, inner) = match value {
            Value::Mapping(entries) if !entries.is_empty() => {
                let (key, inner) = entries.iter().nth(choice % entries.len())?;
                (Step::Key(key.as_str()?.to_owned()), inner)
            }
            Value::Sequence(items) if !items.is_empty() => {
                (Step::Index(choice % items.len()), &items[choice % items.len()])
            }
            scalar => return Some((Path::new(steps)?, scalar.clone())),
        };
        steps.push(step);
        (value, choice) = (inner, choice / 3);
    }
}
