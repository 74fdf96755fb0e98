//! The journal record of a changed setting, from which an undo restores it as it was written.
//!
//! JSON has no infinity, no numbers over 64 bits and no difference between `0123` and `"0123"`, so a record
//! has the bytes of the old value. Of the new value, which may be a secret, it has only the checksum.

use edge_host::is_secret_name;
use edge_yaml::{Path, RawValue, Value};
use serde_json::{Map, Value as Json, json};
use sha2::{Digest, Sha256};

use super::display::{self, exact};

/// The old value; none where it has no bytes of its own and JSON cannot represent it.
pub(crate) fn before(written: Option<RawValue>, value: &Value) -> Option<Json> {
    match written {
        // It contains an alias, which has no meaning without its anchor.
        Some(written) if written.value().as_ref() != Some(value) => None,
        Some(written) => Some(json!({"written": written.text, "props": written.props, "column": written.column,
                                     "common": written.is_common})),
        // It comes from a merge key: only the value is known.
        None => exact(value).map(|value| json!({"value": value})),
    }
}

/// The new value.
pub(crate) fn after(written: Option<RawValue>, path: &Path, value: &Value) -> Option<Json> {
    let mut record = Map::new();
    if let Some(written) = written {
        record.insert("written_sha256".to_owned(), json!(sum(&written.text[written.props..])));
    }
    record.insert("value_sha256".to_owned(), json!(sum(&serde_yaml::to_string(value).ok()?)));
    if !path.steps().iter().any(|step| matches!(step, edge_yaml::Step::Key(key) if is_secret_name(key))) {
        record.insert("shown".to_owned(), json!(display::value_at(path, Some(value))));
    }
    Some(Json::Object(record))
}

/// The record of one change; none if one of its values cannot be recorded.
pub(crate) fn of(path: &Path, before: Option<Option<Json>>, after: Option<Option<Json>>) -> Option<Json> {
    let mut record = Map::new();
    record.insert("path".to_owned(), json!(path.to_string()));
    for (side, value) in [("was", before), ("left", after)] {
        if let Some(value) = value {
            record.insert(side.to_owned(), value?);
        }
    }
    Some(Json::Object(record))
}

/// The old or new value of a record, to be compared with the file.
#[derive(Debug, Clone)]
pub(crate) enum Side {
    /// The setting is absent.
    Nothing,
    /// A value, with its bytes where they are known.
    Value(Value, Option<RawValue>),
    /// A new value, by its checksums.
    Checksums(Json),
}

impl Side {
    /// The old value; none where the record is damaged.
    pub(crate) fn before(change: &Json) -> Option<Side> {
        let Some(was) = change.get("was") else { return Side::old_format(change, "before") };
        if let Some(value) = was.get("value") {
            return Some(Side::Value(serde_yaml::to_value(value).ok()?, None));
        }
        let number = |name: &str| was[name].as_u64().and_then(|number| usize::try_from(number).ok());
        let written = RawValue {
            text: was["written"].as_str()?.to_owned(),
            props: number("props")?,
            column: number("column")?,
            is_common: was["common"].as_bool()?,
        };
        let value = written.value()?;
        Some(Side::Value(value, Some(written)))
    }

    /// The new value; none where the record is damaged.
    pub(crate) fn after(change: &Json) -> Option<Side> {
        match change.get("left") {
            Some(left) => Some(Side::Checksums(left.clone())),
            None => Side::old_format(change, "after"),
        }
    }

    /// The format of earlier versions.
    fn old_format(change: &Json, side: &str) -> Option<Side> {
        match change.get(side) {
            Some(value) => Some(Side::Value(serde_yaml::to_value(value).ok()?, None)),
            None => Some(Side::Nothing),
        }
    }

    /// Compares it with the file: by bytes where they are known, else by value.
    pub(crate) fn is(&self, now: Option<&Value>, written: Option<&RawValue>) -> Comparison {
        let content = |written: &RawValue| written.text.get(written.props..).map(str::to_owned);
        match (self, now) {
            (Side::Nothing, None) => Comparison::Exact,
            (Side::Nothing, Some(_)) | (_, None) => Comparison::Different,
            (Side::Value(value, own), Some(now)) => match (own, written) {
                (Some(own), Some(written)) if content(own) == content(written) => Comparison::Exact,
                (None, _) if value == now => Comparison::Exact,
                _ if value == now => Comparison::SameValue,
                _ => Comparison::Different,
            },
            (Side::Checksums(left), Some(now)) => {
                let bytes = written.and_then(content).map(|text| sum(&text));
                if bytes.is_some() && bytes.as_deref() == left["written_sha256"].as_str() {
                    return Comparison::Exact;
                }
                let value = serde_yaml::to_string(now).ok().map(|text| sum(&text));
                let same = value.is_some() && value.as_deref() == left["value_sha256"].as_str();
                if same { Comparison::SameValue } else { Comparison::Different }
            }
        }
    }

    /// The value for a message.
    pub(crate) fn shown(&self, path: &Path) -> String {
        match self {
            Side::Nothing => display::value_at(path, None),
            Side::Value(value, _) => display::value_at(path, Some(value)),
            Side::Checksums(left) => left["shown"].as_str().unwrap_or(edge_host::STRUCK).to_owned(),
        }
    }
}

/// How the value in the file compares with a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    /// The same bytes, or the same value where the bytes are unknown.
    Exact,
    /// The same value in another form.
    SameValue,
    /// Another value.
    Different,
}

/// SHA-256 of a text, in hex.
pub fn sum(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
