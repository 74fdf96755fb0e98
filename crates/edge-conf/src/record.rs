//! What the journal keeps of a changed setting, so that it can come back as it was written.
//!
//! JSON has no infinity, no number over 64 bits and no way to tell `0123` from `"0123"`, so a record
//! holds the bytes of the value before. Of what we left it holds no secret, only its checksum.

use edge_host::is_secret_name;
use edge_yaml::{Path, Value, Written};
use serde_json::{Map, Value as Json, json};
use sha2::{Digest, Sha256};

use crate::show::{self, exact};

/// A value that stood there before; none where it has no bytes of its own and JSON cannot hold it.
pub(crate) fn before(written: Option<Written>, value: &Value) -> Option<Json> {
    match written {
        // An alias in it means nothing by itself.
        Some(written) if written.value().as_ref() != Some(value) => None,
        Some(written) => Some(json!({"written": written.text, "props": written.props, "column": written.column,
                                     "common": written.is_common})),
        // Brought by a merge key: the value is all there is.
        None => exact(value).map(|value| json!({"value": value})),
    }
}

/// A value that we left.
pub(crate) fn after(written: Option<Written>, path: &Path, value: &Value) -> Option<Json> {
    let mut record = Map::new();
    if let Some(written) = written {
        record.insert("written_sha256".to_owned(), json!(sum(&written.text[written.props..])));
    }
    record.insert("value_sha256".to_owned(), json!(sum(&serde_yaml::to_string(value).ok()?)));
    if !path.steps().iter().any(|step| matches!(step, edge_yaml::Step::Key(key) if is_secret_name(key))) {
        record.insert("shown".to_owned(), json!(show::at(path, Some(value))));
    }
    Some(Json::Object(record))
}

/// The record of one change; none if a side cannot be held.
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

/// One side of a record, as it is compared with the file.
#[derive(Debug, Clone)]
pub(crate) enum Side {
    /// Nothing.
    Nothing,
    /// A value, and its bytes where they are known.
    Value(Value, Option<Written>),
    /// What we left, by its checksums.
    Sums(Json),
}

impl Side {
    /// The side before the change; none where the record is damaged.
    pub(crate) fn before(change: &Json) -> Option<Side> {
        let Some(was) = change.get("was") else { return Side::old(change, "before") };
        if let Some(value) = was.get("value") {
            return Some(Side::Value(serde_yaml::to_value(value).ok()?, None));
        }
        let number = |name: &str| was[name].as_u64().and_then(|number| usize::try_from(number).ok());
        let written = Written {
            text: was["written"].as_str()?.to_owned(),
            props: number("props")?,
            column: number("column")?,
            is_common: was["common"].as_bool()?,
        };
        let value = written.value()?;
        Some(Side::Value(value, Some(written)))
    }

    /// The side after the change.
    pub(crate) fn after(change: &Json) -> Option<Side> {
        match change.get("left") {
            Some(left) => Some(Side::Sums(left.clone())),
            None => Side::old(change, "after"),
        }
    }

    /// As runs of earlier versions wrote it.
    fn old(change: &Json, side: &str) -> Option<Side> {
        match change.get(side) {
            Some(value) => Some(Side::Value(serde_yaml::to_value(value).ok()?, None)),
            None => Some(Side::Nothing),
        }
    }

    /// Whether the file holds this: the same bytes where they are known, else the same value.
    pub(crate) fn is(&self, now: Option<&Value>, written: Option<&Written>) -> Same {
        let content = |written: &Written| written.text.get(written.props..).map(str::to_owned);
        match (self, now) {
            (Side::Nothing, None) => Same::Exactly,
            (Side::Nothing, Some(_)) | (_, None) => Same::No,
            (Side::Value(value, own), Some(now)) => match (own, written) {
                (Some(own), Some(written)) if content(own) == content(written) => Same::Exactly,
                (None, _) if value == now => Same::Exactly,
                _ if value == now => Same::InValue,
                _ => Same::No,
            },
            (Side::Sums(left), Some(now)) => {
                let bytes = written.and_then(content).map(|text| sum(&text));
                if bytes.is_some() && bytes.as_deref() == left["written_sha256"].as_str() {
                    return Same::Exactly;
                }
                let value = serde_yaml::to_string(now).ok().map(|text| sum(&text));
                let same = value.is_some() && value.as_deref() == left["value_sha256"].as_str();
                if same { Same::InValue } else { Same::No }
            }
        }
    }

    /// For a message.
    pub(crate) fn shown(&self, path: &Path) -> String {
        match self {
            Side::Nothing => show::at(path, None),
            Side::Value(value, _) => show::at(path, Some(value)),
            Side::Sums(left) => left["shown"].as_str().unwrap_or(edge_host::STRUCK).to_owned(),
        }
    }
}

/// How far the file holds a side of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Same {
    /// Byte for byte, or as far as can be told.
    Exactly,
    /// The same value, written in another way.
    InValue,
    /// Something else.
    No,
}

/// SHA-256 of what was written, in hex.
pub(crate) fn sum(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
