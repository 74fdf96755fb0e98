//! Reads a text with the second parser, and compares it with the requested values.
//!
//! libyaml (behind `serde_yaml`) shares no code with the parser that finds the spans. It reads the
//! text before and after; the requested values are those before with the edit applied.

use crate::explain::{explain, explain_any};
use crate::{Error, Position, Step};
use serde::Deserialize;
use serde::de::VariantAccess;
use serde::de::{self, DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, Visitor};
use serde_yaml::value::{Tag, TaggedValue};
use serde_yaml::{Mapping, Value};
use std::fmt;

/// The values of all documents of a text; of duplicate keys the last one.
pub(crate) fn read(text: &str) -> Result<Vec<Value>, Error> {
    serde_yaml::Deserializer::from_str(text)
        .map(|document| Build.deserialize(document))
        .collect::<Result<_, _>>()
        .map_err(|error| syntax(&error))
}

/// The only document of a text, without duplicate keys.
pub(crate) fn strict(text: &str) -> Result<Value, Error> {
    serde_yaml::from_str(text).map_err(|error| syntax(&error))
}

fn syntax(error: &serde_yaml::Error) -> Error {
    let position = error
        .location()
        .map_or(Position { line: 1, column: 1 }, |at| Position { line: at.line().max(1), column: at.column().max(1) });
    Error::Syntax { position, reason: explain_any(&error.to_string()) }
}

/// Whether the text reads as exactly these documents, keys in this order.
pub(crate) fn check(text: &str, expected: &[&Value]) -> Result<(), Error> {
    let unproven = |reason: String| Error::Unproven { reason };
    let mut count = 0;
    for document in serde_yaml::Deserializer::from_str(text) {
        let Some(value) = expected.get(count) else {
            return Err(unproven("an extra document".to_owned()));
        };
        Same(value).deserialize(document).map_err(|error| unproven(difference(&error)))?;
        count += 1;
    }
    if count < expected.len() {
        return Err(unproven("a document is missing".to_owned()));
    }
    Ok(())
}

/// The position of a mapping with a duplicate key in a document after the first.
pub(crate) fn duplicate_below(text: &str) -> Option<Position> {
    let later = serde_yaml::Deserializer::from_str(text).skip(1);
    let error = later.map(Value::deserialize).find_map(Result::err)?;
    error.location().map(|at| Position { line: at.line(), column: at.column() })
}

/// The value of a plain scalar.
pub(crate) fn scalar(text: &str) -> Option<Value> {
    serde_yaml::from_str(text).ok()
}

/// What [`Same`] found, or what the parser's message means.
fn difference(error: &serde_yaml::Error) -> String {
    let text = error.to_string();
    explain(&text).map_or_else(|| text.split(" at line ").next().unwrap_or_default().to_owned(), str::to_owned)
}

/// A key as a path writes it.
pub(crate) fn key_text(key: &Value) -> Option<String> {
    match key {
        Value::Null => Some("null".to_owned()),
        Value::Bool(b) => Some(b.to_string()),
        Value::Number(n) => Some(n.to_string()),
        Value::String(s) => Some(s.clone()),
        _ => None,
    }
}

/// The value at a path, with merge keys followed.
pub(crate) fn get<'v>(root: &'v Value, steps: &[Step]) -> Option<&'v Value> {
    steps.iter().try_fold(root, child)
}

fn child<'v>(value: &'v Value, step: &Step) -> Option<&'v Value> {
    match (value, step) {
        (Value::Sequence(items), Step::Index(index)) => items.get(*index),
        (Value::Mapping(map), Step::Key(key)) => {
            own(map, key).map(|index| &map[&index]).or_else(|| match map.get("<<")? {
                Value::Sequence(sources) => sources.iter().find_map(|s| child(s, step)),
                source => child(source, step),
            })
        }
        _ => None,
    }
}

/// The key of a mapping for a step of a path, if the mapping itself has it.
fn own(map: &Mapping, key: &str) -> Option<Value> {
    if map.contains_key(key) {
        return Some(Value::String(key.to_owned()));
    }
    let odd = |k: &&Value| !k.is_string() && key_text(k).as_deref() == Some(key);
    map.keys().find(odd).cloned()
}

/// Applies one edit to the value, `None` to remove; false if the path cannot exist.
pub(crate) fn make(root: &mut Value, steps: &[Step], expected: Option<&Value>) -> bool {
    let Some((step, rest)) = steps.split_first() else {
        if let Some(value) = expected {
            root.clone_from(value);
        }
        return true;
    };
    if root.is_null() {
        *root = match step {
            Step::Key(_) => Value::Mapping(Mapping::new()),
            Step::Index(_) => Value::Sequence(Vec::new()),
        };
    }
    match (root, step) {
        (Value::Mapping(map), Step::Key(key)) => {
            let key = own(map, key).unwrap_or_else(|| Value::String(key.clone()));
            if rest.is_empty() && expected.is_none() {
                map.shift_remove(&key);
                return true;
            }
            make(map.entry(key).or_insert(Value::Null), rest, expected)
        }
        (Value::Sequence(items), Step::Index(index)) => {
            if rest.is_empty() && expected.is_none() {
                if *index < items.len() {
                    items.remove(*index);
                }
                return true;
            }
            if *index == items.len() {
                items.push(Value::Null);
            }
            items.get_mut(*index).is_some_and(|item| make(item, rest, expected))
        }
        _ => false,
    }
}

/// Builds a [`Value`]; unlike its own `Deserialize`, the last of two equal keys wins.
struct Build;

impl<'de> DeserializeSeed<'de> for Build {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(Build)
    }
}

impl<'de> Visitor<'de> for Build {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any YAML value")
    }

    fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
        Ok(Value::Bool(v))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Value, E> {
        Ok(Value::Number(v.into()))
    }

    fn visit_u64<E>(self, v: u64) -> Result<Value, E> {
        Ok(Value::Number(v.into()))
    }

    fn visit_i128<E>(self, v: i128) -> Result<Value, E> {
        Ok(Value::Number((v as f64).into()))
    }

    fn visit_u128<E>(self, v: u128) -> Result<Value, E> {
        Ok(Value::Number((v as f64).into()))
    }

    fn visit_f64<E>(self, v: f64) -> Result<Value, E> {
        Ok(Value::Number(v.into()))
    }

    fn visit_str<E>(self, v: &str) -> Result<Value, E> {
        Ok(Value::String(v.to_owned()))
    }

    fn visit_string<E>(self, v: String) -> Result<Value, E> {
        Ok(Value::String(v))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut all = Vec::new();
        while let Some(item) = items.next_element_seed(Build)? {
            all.push(item);
        }
        Ok(Value::Sequence(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<Value, A::Error> {
        let mut map = Mapping::new();
        while let Some(key) = pairs.next_key_seed(Build)? {
            map.insert(key, pairs.next_value_seed(Build)?);
        }
        Ok(Value::Mapping(map))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, data: A) -> Result<Value, A::Error> {
        let (tag, contents) = data.variant::<String>()?;
        if tag.is_empty() {
            return Err(de::Error::custom("empty tag"));
        }
        let value = contents.newtype_variant_seed(Build)?;
        let tag = Tag::new(tag);
        Ok(Value::Tagged(Box::new(TaggedValue { tag, value })))
    }
}

/// Compares while reading, without building anything: half the cost of a second [`Value`].
struct Same<'a>(&'a Value);

impl Same<'_> {
    fn require<E: de::Error>(&self, same: bool) -> Result<(), E> {
        if same { Ok(()) } else { Err(E::custom("a different value")) }
    }
}

impl<'de> DeserializeSeed<'de> for Same<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Same<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the requested value")
    }

    fn visit_bool<E: de::Error>(self, v: bool) -> Result<(), E> {
        self.require(*self.0 == Value::Bool(v))
    }

    fn visit_i64<E: de::Error>(self, v: i64) -> Result<(), E> {
        self.require(*self.0 == Value::Number(v.into()))
    }

    fn visit_u64<E: de::Error>(self, v: u64) -> Result<(), E> {
        self.require(*self.0 == Value::Number(v.into()))
    }

    fn visit_i128<E: de::Error>(self, v: i128) -> Result<(), E> {
        self.visit_f64(v as f64)
    }

    fn visit_u128<E: de::Error>(self, v: u128) -> Result<(), E> {
        self.visit_f64(v as f64)
    }

    fn visit_f64<E: de::Error>(self, v: f64) -> Result<(), E> {
        self.require(*self.0 == Value::Number(v.into()))
    }

    fn visit_str<E: de::Error>(self, v: &str) -> Result<(), E> {
        self.require(matches!(self.0, Value::String(expected) if expected == v))
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        self.require(self.0.is_null())
    }

    fn visit_none<E: de::Error>(self) -> Result<(), E> {
        self.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Value::Sequence(expected) = self.0 else {
            return self.require(false);
        };
        for value in expected {
            if items.next_element_seed(Same(value))?.is_none() {
                return Err(de::Error::custom("an item is missing"));
            }
        }
        match items.next_element::<de::IgnoredAny>()? {
            None => Ok(()),
            Some(_) => Err(de::Error::custom("an extra item")),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<(), A::Error> {
        let Value::Mapping(expected) = self.0 else {
            return self.require(false);
        };
        for (key, value) in expected {
            if pairs.next_key_seed(Same(key))?.is_none() {
                return Err(de::Error::custom("a key is missing"));
            }
            pairs.next_value_seed(Same(value))?;
        }
        match pairs.next_key::<de::IgnoredAny>()? {
            None => Ok(()),
            Some(_) => Err(de::Error::custom("an extra key")),
        }
    }

    fn visit_enum<A: EnumAccess<'de>>(self, data: A) -> Result<(), A::Error> {
        let Value::Tagged(expected) = self.0 else {
            return self.require(false);
        };
        let (tag, contents) = data.variant::<String>()?;
        self.require(!tag.is_empty() && expected.tag == Tag::new(tag))?;
        contents.newtype_variant_seed(Same(&expected.value))
    }
}
