//! From facts and wishes to the plan: pure.

use std::path::PathBuf;

use edge_host::action::Bytes;
use edge_host::{Error, Found, Inverse, Node, Plan, Result};
use edge_yaml::{Change, Document, Edited, Step, Value};
use serde_json::{Map, json};

use crate::resolve::{Rules, resolve};
use crate::show;
use crate::wish::Wish;

/// The editor that takes these edits back.
pub const EDITOR: &str = "yaml";

/// Makes the wished edits in a document.
pub fn edit(name: &str, document: &Document<'_>, rules: Rules, wishes: &[Wish]) -> Result<Edited> {
    let edits = resolve(document.value(), rules, wishes)?;
    document.apply(&edits).map_err(|error| yaml_error(name, &error))
}

/// The plan that writes an edited file; empty where nothing changed.
pub fn write(path: PathBuf, was: Found, whole: String, edited: &Edited, within: Within) -> Plan {
    let mut plan = Plan::new();
    if edited.changes.is_empty() {
        return plan;
    }
    let inverse = match within {
        Within::File => inverse(&edited.changes),
        Within::ConfigMap => Inverse::Whole,
    };
    let node = Node::File { content: Bytes::Known(whole.into_bytes()), mode: 0o640 };
    let action = plan.write(path, was, node, inverse, "");
    action.details = details(edited);
    plan
}

/// What the edited text is a part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Within {
    /// It is the file.
    File,
    /// It is an entry of a ConfigMap.
    ConfigMap,
}

/// A line for each change, secrets struck out.
pub fn details(edited: &Edited) -> Vec<String> {
    edited
        .changes
        .iter()
        .map(|change| {
            let show = |side: &Option<Value>| show::at(&change.path, side.as_ref());
            format!("{}: {} -> {}", change.path, show(&change.before), show(&change.after))
        })
        .collect()
}

/// The record from which the edits alone can be taken back.
fn inverse(changes: &[Change]) -> Inverse {
    let mut records = Vec::new();
    for change in changes {
        // The items behind it have moved up: what stands at its index now says nothing of it.
        if change.after.is_none() && matches!(change.path.steps().last(), Some(Step::Index(_))) {
            return Inverse::Whole;
        }
        let mut record = Map::new();
        record.insert("path".to_owned(), json!(change.path.to_string()));
        for (side, value) in [("before", &change.before), ("after", &change.after)] {
            let Some(value) = value else { continue };
            // What JSON cannot hold (a tag, a key that is no text) comes back with the whole file only.
            let Ok(value) = serde_json::to_value(value) else { return Inverse::Whole };
            record.insert(side.to_owned(), value);
        }
        records.push(serde_json::Value::Object(record));
    }
    let parts = changes.iter().map(|change| change.path.to_string()).collect();
    Inverse::Edit { kind: EDITOR.to_owned(), data: json!({"changes": records}), parts }
}

/// An error of the editor, with the file's name: exit 1 where it is no YAML, 4 where it is left to a human.
pub fn yaml_error(name: &str, error: &edge_yaml::Error) -> Error {
    let message = format!("cannot edit {name}: {error}");
    match error {
        edge_yaml::Error::Syntax { .. } => Error::failed(message),
        _ => Error::refused(message),
    }
}
