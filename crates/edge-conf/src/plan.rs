//! Turns facts and requests into a plan.

use std::path::PathBuf;

use edge_host::action::Bytes;
use edge_host::{Error, FileSnapshot, Inverse, Node, Plan, Result};
use edge_yaml::{Change, Document, Edited, Step, Value};
use serde_json::json;

use crate::display;
use crate::record;
use crate::request::Request;
use crate::resolve::{Rules, resolve};

/// The editor that undoes these edits.
pub const EDITOR: &str = "yaml";

/// Carries out the requests in a document.
pub fn edit(name: &str, document: &Document<'_>, rules: Rules, requests: &[Request]) -> Result<Edited> {
    let edits = resolve(document.value(), rules, requests)?;
    document.apply(&edits).map_err(|error| yaml_error(name, &error))
}

/// The plan that writes an edited file; empty where nothing changed.
pub fn write(path: PathBuf, was: FileSnapshot, whole: String, edited: &Edited, within: Within<'_, '_>) -> Plan {
    let mut plan = Plan::new();
    if edited.changes.is_empty() {
        return plan;
    }
    let inverse = match within {
        Within::File(document) => inverse(document, edited),
        Within::ConfigMap => Inverse::Whole,
    };
    let node = Node::File { content: Bytes::Known(whole.into_bytes()), mode: 0o640 };
    let action = plan.write(path, was, node, inverse, "");
    action.details = details(edited);
    plan
}

/// The file that contains the edited text.
#[derive(Debug, Clone, Copy)]
pub enum Within<'d, 't> {
    /// The text is the whole file, which was this document.
    File(&'d Document<'t>),
    /// The text is an entry of a ConfigMap.
    ConfigMap,
}

/// A line for each change, with secrets masked.
pub fn details(edited: &Edited) -> Vec<String> {
    edited
        .changes
        .iter()
        .map(|change| {
            let show = |side: &Option<Value>| display::value_at(&change.path, side.as_ref());
            format!("{}: {} -> {}", change.path, show(&change.before), show(&change.after))
        })
        .collect()
}

/// The record from which only these edits can be undone, or that the whole file must be restored.
pub(crate) fn inverse(document: &Document<'_>, edited: &Edited) -> Inverse {
    let changes = &edited.changes;
    // The form of a value matters only where the value itself has not changed, and parsing again takes as long as
    // the edit.
    let is_form_alone = |change: &Change| change.before.is_some() && change.before == change.after;
    let after = if changes.iter().any(is_form_alone) { Document::parse(&edited.text).ok() } else { None };
    let mut records = Vec::new();
    for (at, change) in changes.iter().enumerate() {
        // The items after it have moved up, so the item at its index is now another one.
        if change.after.is_none() && matches!(change.path.steps().last(), Some(Step::Index(_))) {
            return Inverse::Whole;
        }
        // A value that two changes touch was never in the file as the first of them left it.
        let meets = |other: &Change| change.path.steps().iter().zip(other.path.steps()).all(|(a, b)| a == b);
        let alone = !changes.iter().enumerate().any(|(other, change)| other != at && meets(change));
        let written = |document: &Document<'_>| document.raw_value(&change.path).filter(|_| alone);
        let before = change.before.as_ref().map(|value| record::before(written(document), value));
        let left =
            change.after.as_ref().map(|value| record::after(after.as_ref().and_then(written), &change.path, value));
        match record::of(&change.path, before, left) {
            Some(record) => records.push(record),
            None => return Inverse::Whole,
        }
    }
    let parts = changes.iter().map(|change| change.path.to_string()).collect();
    Inverse::Edit { kind: EDITOR.to_owned(), data: json!({"changes": records}), parts }
}

/// A file that cannot be parsed or edited: exit 1 where it is not valid YAML, else 4.
pub fn yaml_error(name: &str, error: &edge_yaml::Error) -> Error {
    not_edited(error).with_action("edit", name)
}

/// A file that cannot be parsed, with the same exit codes.
pub fn parse_error(name: &str, error: &edge_yaml::Error) -> Error {
    not_edited(error).with_action("parse", name)
}

/// The cause without a file name.
pub fn not_edited(error: &edge_yaml::Error) -> Error {
    match error {
        edge_yaml::Error::Syntax { .. } => Error::failed(error.to_string()),
        _ => Error::refused(error.to_string()),
    }
}
