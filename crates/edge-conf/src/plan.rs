//! Turns facts and requests into a plan.

use std::path::PathBuf;

use edge_host::action::Bytes;
use edge_host::{Error, FileSnapshot, Inverse, Node, Plan, Result};
use edge_kubeedge::edit::{details, inverse, not_edited};
use edge_yaml::{Document, Edited};

use crate::request::Request;
use crate::resolve::{Rules, resolve};

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

/// A file that cannot be parsed or edited: exit 1 where it is not valid YAML, else 4.
pub fn yaml_error(name: &str, error: &edge_yaml::Error) -> Error {
    not_edited(error).with_action("edit", name)
}

/// A file that cannot be parsed, with the same exit codes.
pub fn parse_error(name: &str, error: &edge_yaml::Error) -> Error {
    not_edited(error).with_action("parse", name)
}
