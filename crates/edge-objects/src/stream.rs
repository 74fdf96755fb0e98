//! A stream of manifests: its documents, the items of large Lists, and the objects in them.
//!
//! One document is in memory at a time. edge-yaml has a limit for one, which a List of a large cluster exceeds, so the
//! items of such a List are cut out and read one by one.

mod json;
mod lines;

use std::borrow::Cow;

use edge_host::{Error, Exit, Result};
use edge_yaml::{Document, MAX_BYTES, Slice, Step, Value, documents};

use crate::object::{Object, at};
use crate::source::CHECK_PRODUCER;

/// A part of the stream.
#[derive(Debug, Clone)]
pub struct Part<'t> {
    /// Its text, and the line that it begins on.
    pub slice: Slice<'t>,
    role: Role,
}

#[derive(Debug, Clone)]
enum Role {
    /// A document.
    Document,
    /// An item of a List, whose kind and apiVersion its items may lack.
    Item { list: Option<(String, String)>, is_sequence: bool },
    /// Text of a List outside its items, which was read already.
    Frame,
}

/// A part whose text was read.
#[derive(Debug)]
pub struct Read<'t> {
    /// The document in it.
    pub document: Document<'t>,
    /// The line that it begins on, from 1.
    pub line: usize,
    role: Role,
}

/// The parts of a stream; their texts together are the stream. `name` is its name in messages.
///
/// Errors: exit 4 for content after `---`, exit 1 for input that is not a manifest.
pub fn parts<'t>(name: &str, text: &'t str) -> Result<Vec<Part<'t>>> {
    if text.trim_start_matches('\u{feff}').trim_start().starts_with('<') {
        return Err(Error::cannot("use", name, "it is HTML or XML, not a manifest").hint(CHECK_PRODUCER));
    }
    let mut parts = Vec::new();
    for slice in documents(text).map_err(|error| unreadable(name, &error))? {
        if slice.text.len() > MAX_BYTES
            && let Some(items) = items(name, &slice)?
        {
            parts.extend(items);
        } else {
            parts.push(Part { slice, role: Role::Document });
        }
    }
    Ok(parts)
}

/// The frame and the items of a List; none if it is not one.
fn items<'t>(name: &str, slice: &Slice<'t>) -> Result<Option<Vec<Part<'t>>>> {
    let is_json = slice.text.trim_start_matches('\u{feff}').trim_start().starts_with('{');
    let ranges = if is_json { json::items(slice.text) } else { lines::items(slice.text) };
    let Some(ranges) = ranges else { return Ok(None) };
    let (Some(first), Some(last)) = (ranges.first(), ranges.last()) else { return Ok(None) };
    // What is left without the items must be a List by itself.
    let frame = format!("{}{}", &slice.text[..first.start], &slice.text[last.end..]);
    let read = Document::parse(&frame).map_err(|error| unreadable(name, &error.below(slice.line - 1)))?;
    let field = |key| at(read.value(), &[key]).and_then(Value::as_str);
    let (Some(kind), Some(version)) = (field("kind"), field("apiVersion")) else { return Ok(None) };
    let Some(item_kind) = kind.strip_suffix("List") else { return Ok(None) };
    let list = (!item_kind.is_empty()).then(|| (item_kind.to_owned(), version.to_owned()));
    let mut parts = Vec::with_capacity(ranges.len() * 2 + 1);
    let (mut at, mut line) = (0, slice.line);
    let mut push = |end: usize, role: Role| {
        if at < end {
            let text = &slice.text[at..end];
            parts.push(Part { slice: Slice { text, line }, role });
            line += text.bytes().filter(|byte| *byte == b'\n').count();
            at = end;
        }
    };
    for range in &ranges {
        push(range.start, Role::Frame);
        push(range.end, Role::Item { list: list.clone(), is_sequence: !is_json });
    }
    push(slice.text.len(), Role::Frame);
    Ok(Some(parts))
}

impl<'t> Part<'t> {
    /// Reads its text; none for one without objects of its own.
    ///
    /// Errors: exit 1 if it is not valid YAML, 4 if it cannot be read safely.
    pub fn read(&self, name: &str) -> Result<Option<Read<'t>>> {
        if matches!(self.role, Role::Frame) {
            return Ok(None);
        }
        let parsed = Document::parse(self.slice.text);
        let document = parsed.map_err(|error| unreadable(name, &error.below(self.slice.line - 1)))?;
        Ok(Some(Read { document, line: self.slice.line, role: self.role.clone() }))
    }
}

impl Read<'_> {
    /// The value of the document, for [`Read::objects`].
    pub fn value(&self) -> Cow<'_, Value> {
        self.document.merged()
    }

    /// The objects in a value of this document; none in an empty one. Errors: exit 1 for other documents.
    pub fn objects<'v>(&self, name: &str, value: &'v Value) -> Result<Vec<Object<'v>>> {
        let mut found = Vec::new();
        let collected = match (&self.role, value) {
            (Role::Document, Value::Null) => Some(()),
            (Role::Item { list, is_sequence: true }, Value::Sequence(items)) => {
                items.iter().try_for_each(|item| collect(item, vec![Step::Index(0)], list.as_ref(), &mut found))
            }
            (Role::Item { list, .. }, value) => collect(value, Vec::new(), list.as_ref(), &mut found),
            (_, value) => collect(value, Vec::new(), None, &mut found),
        };
        if collected.is_none() {
            let cause = format!("line {}: it is not a Kubernetes object: apiVersion and kind are missing", self.line);
            return Err(Error::cannot("use", name, cause).hint(CHECK_PRODUCER));
        }
        Ok(found)
    }
}

/// Adds an object, or those in a List; none if something in it is not one.
fn collect<'v>(
    value: &'v Value,
    base: Vec<Step>,
    list: Option<&(String, String)>,
    found: &mut Vec<Object<'v>>,
) -> Option<()> {
    let mapping = value.as_mapping()?;
    let field = |key| mapping.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    let (kind, version) = match (field("kind"), field("apiVersion"), list) {
        (Some(kind), Some(version), _) => (Cow::Borrowed(kind), version),
        // Items of a typed list of the API have neither.
        (None, None, Some((kind, _))) if at(value, &["metadata"]).is_some() => (Cow::Owned(kind.clone()), ""),
        _ => return None,
    };
    if let (Some(item_kind), Some(items)) = (kind.strip_suffix("List"), mapping.get("items")) {
        let items: &[Value] = items.as_sequence().map_or(&[], Vec::as_slice);
        let typed = (!item_kind.is_empty()).then(|| (item_kind.to_owned(), version.to_owned()));
        return items.iter().enumerate().try_for_each(|(index, item)| {
            let steps = [Step::Key("items".to_owned()), Step::Index(index)];
            collect(item, base.iter().cloned().chain(steps).collect(), typed.as_ref(), found)
        });
    }
    let group = version.split_once('/').map_or("", |(group, _)| group);
    let metadata = |key| at(value, &["metadata", key]).and_then(Value::as_str).unwrap_or_default();
    found.push(Object { value, base, kind, group, name: metadata("name"), namespace: metadata("namespace") });
    Some(())
}

/// A text that cannot be read: exit 1 where it is not valid YAML, else 4.
fn unreadable(name: &str, error: &edge_yaml::Error) -> Error {
    let is_syntax = matches!(error, edge_yaml::Error::Syntax { .. });
    let failed = Error::cannot("parse", name, error.to_string());
    match error {
        edge_yaml::Error::TooLarge { .. } => failed.with_exit(Exit::Refused).hint(
            "pass fewer objects at a time, for example those of one namespace: kubectl get ds -n NAMESPACE -o yaml",
        ),
        _ if is_syntax => failed.hint("check that the input is complete"),
        _ if error.to_string().contains("Go template") => failed
            .with_exit(Exit::Refused)
            .hint("render the chart first: helm template NAME CHART | edge-manifest VERB"),
        _ => failed.with_exit(Exit::Refused),
    }
}

/// An edit that is refused.
pub fn not_edited(name: &str, line: usize, error: edge_yaml::Error) -> Error {
    unreadable(name, &error.below(line - 1)).with_action("edit", name)
}

/// A stream without any object.
pub fn nothing_in(name: &str) -> Error {
    Error::cannot("use", name, "it has no Kubernetes object").hint(CHECK_PRODUCER)
}

#[cfg(test)]
mod tests;
