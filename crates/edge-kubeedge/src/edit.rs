//! Edits single settings of edgecore.yaml and cloudcore.yaml, and undoes single settings later.
//!
//! A setting is found by its name in the key table of the version, in the spelling of the file; the record of an edit has
//! enough to revert it alone, when KubeEdge or an administrator has rewritten the file since.

pub mod display;
pub mod editor;
mod record;
pub mod request;
pub mod resolve;

use edge_host::{Error, Inverse};
use edge_yaml::{Change, Document, Edited, Step, Value};
use serde_json::json;

pub use record::sum;

/// The editor that undoes these edits.
pub const EDITOR: &str = "yaml";

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
pub fn inverse(document: &Document<'_>, edited: &Edited) -> Inverse {
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

/// The cause without a file name.
pub fn not_edited(error: &edge_yaml::Error) -> Error {
    match error {
        edge_yaml::Error::Syntax { .. } => Error::failed(error.to_string()),
        _ => Error::refused(error.to_string()),
    }
}
