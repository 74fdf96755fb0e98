//! Applies edits to a text: which bytes are replaced, in which order, and the proof.

use crate::emit::{Multi, Style};
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

    fn value(&self) -> Option<&Value> {
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

/// The splices of one edit, which are applied when the text is needed.
struct Pending<'e> {
    path: &'e Path,
    /// Steps that lead to the collection that gets or loses an entry; all for a mere replacement.
    depth: usize,
    splices: Vec<Splice>,
}

pub(crate) fn apply(document: &Document<'_>, edits: &[Edit]) -> Result<Edited, Error> {
    refuse_duplicates(document)?;
    let mut text = Cow::Borrowed(document.text);
    let mut tree = Cow::Borrowed(&document.tree);
    let mut value = Cow::Borrowed(&document.value);
    let mut pending: Vec<Pending<'_>> = Vec::new();
    let mut changes = Vec::new();
    let style = style(document.text, &document.tree);
    for edit in edits {
        if pending.iter().any(|p| p.disturbs(edit, &text, &tree)) {
            (text, tree) = flush(&text, &mut pending)?;
        }
        let before = proof::get(&value, edit.path().steps()).cloned();
        let mut planned = plan(edit, &value, Source { text: &text, tree: &tree, style })?;
        if planned.iter().flat_map(|(_, s)| s).any(|s| pending.iter().any(|p| p.touches(s))) {
            (text, tree) = flush(&text, &mut pending)?;
            planned = plan(edit, &value, Source { text: &text, tree: &tree, style })?;
        }
        let Some((depth, splices)) = planned else {
            continue;
        };
        proof::make(value.to_mut(), edit.path().steps(), edit.value());
        let path = edit.path();
        pending.push(Pending { path, depth, splices });
        changes.push(Change { path: path.clone(), before, after: edit.value().cloned() });
    }
    // Edits that cancel each other make no change.
    let moves = |change: &Change| change.before != change.after;
    if changes.len() > 1 && changes.iter().any(moves) && *value == document.value {
        return Ok(Edited { text: format!("{}{}", document.bom, document.text), changes: Vec::new() });
    }
    let text = splice(&text, &mut pending);
    if !changes.is_empty() {
        let bytes = text.len();
        if bytes > MAX_BYTES {
            return Err(Error::TooLarge { bytes });
        }
        let expected: Vec<&Value> = std::iter::once(&*value).chain(&document.later).collect();
        proof::check(&text, &expected).map_err(|error| duplicate_below(document).unwrap_or(error))?;
    }
    let text = format!("{}{text}", document.bom);
    Ok(Edited { text, changes })
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
fn flush<'a>(text: &str, pending: &mut Vec<Pending<'_>>) -> Result<(Cow<'a, str>, Cow<'a, Tree>), Error> {
    let text = splice(text, pending);
    let tree = parse::parse(&text).map_err(|error| Error::Unproven { reason: error.to_string() })?;
    Ok((Cow::Owned(text), Cow::Owned(tree)))
}

fn splice(text: &str, pending: &mut Vec<Pending<'_>>) -> String {
    let mut all: Vec<Splice> = pending.drain(..).flat_map(|p| p.splices).collect();
    all.sort_by_key(|s| (s.start, s.end));
    let mut out = String::with_capacity(text.len() + 256);
    let mut at = 0;
    for splice in all {
        out.push_str(&text[at..splice.start]);
        out.push_str(&splice.text);
        at = splice.end;
    }
    out.push_str(&text[at..]);
    out
}

impl Pending<'_> {
    /// Whether the place of this edit is no longer known from the current tree.
    fn disturbs(&self, edit: &Edit, text: &str, tree: &Tree) -> bool {
        let (ours, theirs) = (self.path.steps(), edit.path().steps());
        let common = ours.iter().zip(theirs).take_while(|(a, b)| a == b).count();
        if common == ours.len() || common == theirs.len() || common > self.depth {
            return true;
        }
        if common < self.depth {
            return false;
        }
        // In the same collection, only edits inside another key of it are independent.
        let inside = theirs.len() > common + 1 || edit.value().is_some();
        let node = theirs[..common].iter().try_fold(tree.root, |node, step| {
            let id = node?;
            Some(tree.find(text, id, step).map(|i| tree.nodes[id].entries()[i].value))
        });
        let known = node.flatten().is_some_and(|id| {
            matches!(tree.nodes[id].kind, Kind::Map(..)) && tree.find(text, id, &theirs[common]).is_some()
        });
        !(inside && known)
    }

    fn touches(&self, other: &Splice) -> bool {
        self.splices.iter().any(|s| s.start <= other.end && other.start <= s.end)
    }
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
