//! From facts and wishes to the plan: pure.

use std::path::PathBuf;

use edge_host::action::Bytes;
use edge_host::{Error, FileSnapshot, Inverse, Node, Plan, Result};
use edge_yaml::{Change, Document, Edited, Step, Value};
use serde_json::json;

use crate::record;
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

/// What the edited text is a part of.
#[derive(Debug, Clone, Copy)]
pub enum Within<'d, 't> {
    /// It is the file, which was this document.
    File(&'d Document<'t>),
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
pub(crate) fn inverse(document: &Document<'_>, edited: &Edited) -> Inverse {
    let changes = &edited.changes;
    // How a value is written matters only where the value itself has not changed: reading all of it again
    // takes as long as the edit.
    let is_form_alone = |change: &Change| change.before.is_some() && change.before == change.after;
    let after = if changes.iter().any(is_form_alone) { Document::parse(&edited.text).ok() } else { None };
    let mut records = Vec::new();
    for (at, change) in changes.iter().enumerate() {
        // The items behind it have moved up: what stands at its index now says nothing of it.
        if change.after.is_none() && matches!(change.path.steps().last(), Some(Step::Index(_))) {
            return Inverse::Whole;
        }
        // What two changes touched was never in the file as the first of them left it.
        let meets = |other: &Change| change.path.steps().iter().zip(other.path.steps()).all(|(a, b)| a == b);
        let alone = !changes.iter().enumerate().any(|(other, change)| other != at && meets(change));
        let written = |document: &Document<'_>| document.written(&change.path).filter(|_| alone);
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

/// An error of the editor, with the file's name: exit 1 where it is no YAML, 4 where it is left to a human.
pub fn yaml_error(name: &str, error: &edge_yaml::Error) -> Error {
    let message = format!("cannot edit {name}: {error}");
    match error {
        edge_yaml::Error::Syntax { .. } => Error::failed(message),
        _ => Error::refused(message),
    }
}
