//! Applies edits to a text: which bytes are replaced, in which order, and the proof.

use crate::emit::{Multi, Style};
use crate::pending::Pending;
use crate::source::{Place, Source, Splice};
use crate::tree::{self, Kind, Shape, Tree};
use crate::{Document, Error, MAX_BYTES, Path, Position, insert, parse, proof, remove, replace};
use serde_yaml::Value;
use std::borrow::Cow;

/// A change to make.
#[derive(Clone, Debug, PartialEq)]
pub enum Edit {
    /// Set the value at the path; missing mappings on the way are created.
    /// The index after the last item of a list appends.
    Set {
        /// The path.
        path: Path,
        /// The value.
        value: Value,
    },
    /// Remove what is at the path.
    Unset {
        /// The path.
        path: Path,
    },
}

impl Edit {
    /// The path of the edit.
    pub fn path(&self) -> &Path {
        match self {
            Edit::Set { path, .. } | Edit::Unset { path } => path,
        }
    }

    pub(crate) fn value(&self) -> Option<&Value> {
        match self {
            Edit::Set { value, .. } => Some(value),
            Edit::Unset { .. } => None,
        }
    }
}

/// A change that an edit made.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The path.
    pub path: Path,
    /// The value before, if there was one.
    pub before: Option<Value>,
    /// The value after, `None` when removed.
    pub after: Option<Value>,
}

/// The result of [`Document::apply`].
#[derive(Clone, Debug, PartialEq)]
pub struct Edited {
    /// The whole text, with byte order mark and later documents.
    pub text: String,
    /// What was changed, in the order of the edits; empty when the text is the same.
    pub changes: Vec<Change>,
}

pub(crate) fn apply(document: &Document<'_>, edits: &[Edit]) -> Result<Edited, Error> {
    refuse_duplicates(document)?;
    let mut text = Cow::Borrowed(document.text);
    let mut tree = Cow::Borrowed(&document.tree);
    let mut value = Cow::Borrowed(&document.value);
    let mut pending = Pending::default();
    let mut changes = Vec::new();
    let style = style(document.text, &document.tree);
    for edit in edits {
        if pending.disturbs(edit, &text, &tree) {
            (text, tree) = flush(&text, &mut pending)?;
        }
        let before = proof::get(&value, edit.path().steps()).cloned();
        let mut planned = plan(edit, &value, Source { text: &text, tree: &tree, style })?;
        if planned.iter().flat_map(|(_, splices)| splices).any(|splice| pending.touches(splice)) {
            (text, tree) = flush(&text, &mut pending)?;
            planned = plan(edit, &value, Source { text: &text, tree: &tree, style })?;
        }
        let Some((depth, splices)) = planned else {
            continue;
        };
        proof::make(value.to_mut(), edit.path().steps(), edit.value());
        let path = edit.path();
        pending.add(path.steps(), depth, splices);
        changes.push(Change { path: path.clone(), before, after: edit.value().cloned() });
    }
    // Edits that cancel each other make no change.
    let moves = |change: &Change| change.before != change.after;
    if changes.len() > 1 && changes.iter().any(moves) && *value == document.value {
        return Ok(Edited { text: format!("{}{}", document.bom, document.text), changes: Vec::new() });
    }
    let text = pending.apply(&text);
    if !changes.is_empty() {
        let bytes = text.len();
        if bytes > MAX_BYTES {
            return Err(Error::TooLarge { bytes });
        }
        let expected: Vec<&Value> = std::iter::once(&*value).chain(&document.later).collect();
        proof::check(&text, &expected).map_err(|error| duplicate_below(document).unwrap_or(error))?;
        if has_lines_in_brackets(document) {
            parse::parse(&text).map_err(|error| Error::Unproven { reason: error.to_string() })?;
        }
    }
    let text = format!("{}{text}", document.bom);
    Ok(Edited { text, changes })
}

/// Whether brackets below a key or a dash span lines. The two parsers differ in how deep such lines must be indented,
/// and a quoted value there may be where a plain one may not.
fn has_lines_in_brackets(document: &Document<'_>) -> bool {
    document.tree.nodes.iter().any(|node| {
        let is_flow = matches!(node.kind, Kind::Map(Shape::Flow, _) | Kind::Seq(Shape::Flow, _));
        is_flow && !node.in_flow && node.owner.is_some() && document.text[node.start..node.end].contains('\n')
    })
}

/// The second parser cannot distinguish two equal keys.
fn refuse_duplicates(document: &Document<'_>) -> Result<(), Error> {
    let Some(duplicate) = document.duplicates().into_iter().next() else {
        return Ok(());
    };
    let places: Vec<String> = duplicate.positions.iter().map(Position::to_string).collect();
    Err(Error::Refused {
        position: duplicate.positions[0],
        reason: format!("the key {} is set more than once ({}); keep only one", duplicate.path, places.join("; ")),
    })
}

/// A duplicate key in a later document, for which there is no proof either.
fn duplicate_below(document: &Document<'_>) -> Option<Error> {
    let position = (!document.later.is_empty()).then(|| proof::duplicate_below(document.text))??;
    let reason = "a key is set more than once in a later document; keep only one".to_owned();
    Some(Error::Refused { position, reason })
}

/// Applies the pending splices and parses the new text.
fn flush<'a>(text: &str, pending: &mut Pending<'_>) -> Result<(Cow<'a, str>, Cow<'a, Tree>), Error> {
    let text = pending.apply(text);
    let tree = parse::parse(&text).map_err(|error| Error::Unproven { reason: error.to_string() })?;
    Ok((Cow::Owned(text), Cow::Owned(tree)))
}

/// The splices of one edit, and the depth of the collection that they change; `None` if nothing changes.
fn plan(edit: &Edit, root: &Value, source: Source<'_>) -> Result<Option<(usize, Vec<Splice>)>, Error> {
    let steps = edit.path().steps();
    let before = proof::get(root, steps);
    let place = source.locate(steps, edit.value().is_some())?;
    match (edit, place) {
        (Edit::Set { value, .. }, Place::Entry(owner, index)) => {
            let node = source.tree.nodes[owner].entries()[index].value;
            if before == Some(value) && !source.is_ambiguous(node, value) {
                return Ok(None);
            }
            source.refuse_shared(node)?;
            Ok(Some((steps.len(), replace::value(source, owner, index, value)?)))
        }
        (Edit::Set { value, .. }, Place::Missing(..) | Place::Nothing) if before == Some(value) => {
            // The value comes from a merge key already.
            Ok(None)
        }
        (Edit::Set { .. }, Place::Missing(node, depth))
            if depth + 1 < steps.len() && proof::get(root, &steps[..=depth]).is_some() =>
        {
            let reason = "a part of the path comes from a merge key (<<); write that part here first";
            Err(source.refused(node, reason))
        }
        (Edit::Set { value, .. }, Place::Missing(node, depth)) => {
            let splices = insert::entry(source, node, &steps[depth..], value)?;
            Ok(Some((depth, splices)))
        }
        (Edit::Set { value, .. }, Place::Nothing) => Ok(Some((0, insert::into_empty(source, steps, value)?))),
        (Edit::Unset { .. }, Place::Entry(owner, index)) => {
            let node = source.tree.nodes[owner].entries()[index].value;
            source.refuse_shared(node)?;
            Ok(Some((steps.len() - 1, remove::entry(source, owner, index)?)))
        }
        (Edit::Unset { path }, Place::Missing(node, _)) if before.is_some() => {
            let reason = format!("{path} comes from a merge key (<<); change it where it is defined");
            Err(source.refused(node, reason))
        }
        (Edit::Unset { .. }, _) => Ok(None),
    }
}

/// The style of a document, by its first nested mapping and first list.
fn style(text: &str, tree: &Tree) -> Style {
    let mut style = Style {
        step: 0,
        sequence_step: usize::MAX,
        eol: match text.find('\n') {
            Some(at) if text[..at].ends_with('\r') => "\r\n",
            _ => "\n",
        },
        multi: Multi::Literal,
    };
    for node in &tree.nodes {
        let Kind::Map(Shape::Block, entries) = &node.kind else {
            continue;
        };
        for entry in entries {
            let child = &tree.nodes[entry.value];
            let indent = match child.kind {
                Kind::Map(Shape::Block, _) if style.step == 0 => &mut style.step,
                Kind::Seq(Shape::Block, _) if style.sequence_step == usize::MAX => &mut style.sequence_step,
                _ => continue,
            };
            let own = tree::column(text, entry.start);
            *indent = child.entries().first().map_or(2, |e| tree::column(text, e.start)) - own;
        }
        if style.step > 0 && style.sequence_step < usize::MAX {
            break;
        }
    }
    if style.step == 0 {
        style.step = 2;
    }
    if style.sequence_step == usize::MAX {
        style.sequence_step = 0;
    }
    style
}
