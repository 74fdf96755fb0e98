//! Random edits, and what they make of a value: written apart from the library's own.

use crate::trees::NAMES;
use edge_yaml::{Mapping, Path, Step, Value};
use proptest::prelude::*;
use proptest::sample::select;

/// A step somewhere: mostly to what exists.
#[derive(Clone, Debug)]
pub(crate) struct Aim {
    turns: Vec<u8>,
    new: Option<usize>,
    extra: usize,
}

pub(crate) fn aim() -> impl Strategy<Value = Aim> {
    (prop::collection::vec(any::<u8>(), 1..5), prop::option::of(0..NAMES.len()), 0..3usize)
        .prop_map(|(turns, new, extra)| Aim { turns, new, extra })
}

/// A path into the value, and whether it can exist.
pub(crate) fn follow(root: &Value, aim: &Aim) -> Path {
    let mut steps = Vec::new();
    let mut value = root;
    for turn in &aim.turns {
        let turn = usize::from(*turn);
        match value {
            Value::Mapping(m) if !m.is_empty() => {
                let (key, child) = m.iter().nth(turn % m.len()).unwrap();
                steps.push(Step::Key(match key {
                    Value::String(s) => s.clone(),
                    Value::Number(n) => n.to_string(),
                    other => panic!("{other:?}"),
                }));
                value = child;
            }
            Value::Sequence(s) if !s.is_empty() => {
                steps.push(Step::Index(turn % s.len()));
                value = &s[turn % s.len()];
            }
            _ => break,
        }
    }
    if let Some(new) = aim.new {
        match value {
            Value::Mapping(_) | Value::Null => steps.push(Step::Key(NAMES[new].to_owned())),
            Value::Sequence(s) => steps.push(Step::Index(s.len())),
            _ => {}
        }
        let fresh = matches!(value, Value::Null)
            || matches!((value, steps.last()), (Value::Mapping(m), Some(Step::Key(k))) if !has(m, k))
            || value.is_sequence();
        if fresh {
            for i in 0..aim.extra {
                steps.push(if i == 1 { Step::Index(0) } else { Step::Key(NAMES[(new + i) % 8].to_owned()) });
            }
        }
    }
    Path::new(steps).unwrap()
}

fn has(map: &Mapping, key: &str) -> bool {
    map.contains_key(key) || (key == "7" && map.contains_key(Value::from(7)))
}

pub(crate) fn new_value() -> impl Strategy<Value = Value> {
    select(vec![
        "1",
        "true",
        "null",
        "x",
        "'yes'",
        "'a: b'",
        "''",
        "\"l1\\nl2\\n\"",
        "\"l1\\n\\n  l2\"",
        "\" lead\\nx\\n\"",
        "[]",
        "{}",
        "[1, x, '{']",
        "{k: v}",
        "{k: [1, {m: n}], o: {p: ''}}",
        "[[1], [2, {a: b}]]",
        "'é # \"'",
        "\"tab\\there\"",
        "\"# x\\ny\\n\"",
        "1.5",
        "\"a\\n\\n\"",
    ])
    .prop_map(|text| serde_yaml::from_str(text).unwrap())
}

pub(crate) fn lookup<'v>(root: &'v Value, steps: &[Step]) -> Option<&'v Value> {
    steps.iter().try_fold(root, |value, step| match (value, step) {
        (Value::Mapping(m), Step::Key(k)) => {
            m.get(k.as_str()).or_else(|| if k == "7" { m.get(Value::from(7)) } else { None })
        }
        (Value::Sequence(s), Step::Index(i)) => s.get(*i),
        _ => None,
    })
}

/// The edit on the value, written apart from the library's own.
pub(crate) fn expect(value: &Value, steps: &[Step], new: Option<&Value>) -> Value {
    let Some((step, rest)) = steps.split_first() else {
        return new.cloned().unwrap();
    };
    match (value, step) {
        (Value::Mapping(_) | Value::Null, Step::Key(k)) => {
            let mut map = value.as_mapping().cloned().unwrap_or_default();
            let seven = k == "7" && map.contains_key(Value::from(7));
            let key = if seven { Value::from(7) } else { Value::from(k.as_str()) };
            if rest.is_empty() && new.is_none() {
                map.shift_remove(&key);
            } else {
                let child = expect(map.get(&key).unwrap_or(&Value::Null), rest, new);
                map.insert(key, child);
            }
            Value::Mapping(map)
        }
        (Value::Sequence(_) | Value::Null, Step::Index(i)) => {
            let mut items = value.as_sequence().cloned().unwrap_or_default();
            if rest.is_empty() && new.is_none() {
                items.remove(*i);
            } else if *i == items.len() {
                items.push(expect(&Value::Null, rest, new));
            } else {
                items[*i] = expect(&items[*i], rest, new);
            }
            Value::Sequence(items)
        }
        other => panic!("{other:?}"),
    }
}
