//! One lossless edit of a YAML text, proven by a second parser.
//!
//! The text is read into a tree of spans, and an edit replaces the bytes of one entry: comments,
//! order, indentation, quotes, anchors, line endings and later documents stay because they are never
//! touched. Then an unrelated parser reads the text before and after, and the edit is only returned
//! when the values differ by exactly what was requested. What cannot be edited safely is refused,
//! with its position and what to do instead.
//!
//! A stream of several documents is cut by [`documents`], and each of them is edited alone.
//!
//! This crate reads and writes no files, and does not know what the YAML is for.
//!
//! ```
//! use edge_yaml::{Document, Edit, Value};
//!
//! let document = Document::parse("a:  # first\n  enable: false  # off\n")?;
//! let edits = [Edit::Set { path: "a.enable".parse()?, value: Value::Bool(true) }];
//! let edited = document.apply(&edits)?;
//! assert_eq!(edited.text, "a:  # first\n  enable: true  # off\n");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod chars;
mod documents;
mod edit;
mod emit;
mod error;
mod explain;
mod go;
mod insert;
mod keys;
mod lines;
mod parse;
mod path;
mod pending;
mod proof;
mod raw_value;
mod remove;
mod replace;
mod source;
mod tree;

pub use documents::{Slice, documents};
pub use edit::{Change, Edit, Edited};
pub use error::{Error, Position};
pub use go::{Rewritten, refused_by_go};
pub use path::{Path, PathError, Step};
pub use raw_value::RawValue;

pub use serde_yaml::{Mapping, Number, Value};

use std::borrow::Cow;
use tree::Tree;

/// Longest text that is edited.
pub const MAX_BYTES: usize = 1 << 20;
/// Deepest nesting that is edited; the second parser has the same bound.
const MAX_DEPTH: usize = 127;
/// Most values that a document may have when its aliases are written out, unless it has half of
/// them without.
const MAX_NODES: usize = 100_000;
/// Most duplicate keys that are reported, and most places of each.
const MAX_DUPLICATES: usize = 30;

/// A parsed text; its first document can be edited.
#[derive(Clone, Debug)]
pub struct Document<'t> {
    /// The text without its byte order mark.
    text: &'t str,
    bom: &'t str,
    tree: Tree,
    /// The first document.
    value: Value,
    /// The other documents.
    later: Vec<Value>,
}

/// The value of the first document of a text, for a program that only reads it: as KubeEdge and kubelet read it, with
/// merge keys applied, of a duplicate key the last value, and words and numbers of YAML 1.1.
///
/// Every reader of YAML goes through here or [`Document::parse`]: the second parser alone takes
/// minutes for a few hundred kilobytes of brackets.
///
/// # Errors
/// As [`Document::parse`].
pub fn read(text: &str) -> Result<Value, Error> {
    Document::parse(text).map(|document| document.as_go())
}

/// A single value, as a user types it.
///
/// # Errors
/// As [`Document::parse`], and for duplicate keys.
pub fn value(text: &str) -> Result<Value, Error> {
    if text.len() > MAX_BYTES {
        return Err(Error::TooLarge { bytes: text.len() });
    }
    parse::parse(text)?;
    proof::strict(text)
}

/// A key that is set more than once in one mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Duplicate {
    /// The path of the key.
    pub path: Path,
    /// Its positions, in order; the last one takes effect.
    pub positions: Vec<Position>,
}

impl<'t> Document<'t> {
    /// Parses a text, with both parsers.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::Syntax`], and [`Error::Refused`] for a text that is never
    /// edited: tab indentation, control characters, Go templates, nesting too deep, alias bombs.
    /// Duplicate keys are not an error here, so that they can be reported.
    pub fn parse(text: &'t str) -> Result<Document<'t>, Error> {
        if text.len() > MAX_BYTES {
            return Err(Error::TooLarge { bytes: text.len() });
        }
        let body = text.strip_prefix('\u{feff}').unwrap_or(text);
        let tree = parse::parse(body)?;
        let mut values = proof::read(body)?.into_iter();
        Ok(Document {
            text: body,
            bom: &text[..text.len() - body.len()],
            tree,
            value: values.next().unwrap_or(Value::Null),
            later: values.collect(),
        })
    }

    /// The value of the first document; aliases are written out, merge keys (`<<`) are not merged.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The value of the first document, with merge keys applied.
    pub fn merged(&self) -> Cow<'_, Value> {
        let mut merged = Cow::Borrowed(&self.value);
        // A `<<` that is not a merge key is left unchanged.
        if self.text.contains("<<") && merged.to_mut().apply_merge().is_err() {
            merged = Cow::Borrowed(&self.value);
        }
        merged
    }

    /// The value at a path, with merge keys applied, or `None` if there is none.
    pub fn get(&self, path: &Path) -> Option<Value> {
        let found = proof::get(&self.value, path.steps())?;
        let mut merged = found.clone();
        // A `<<` that is not a merge key is left unchanged.
        Some(match merged.apply_merge() {
            Ok(()) => merged,
            Err(_) => found.clone(),
        })
    }

    /// The position of the key or item at a path; through an alias, that of the original.
    pub fn position(&self, path: &Path) -> Option<Position> {
        self.tree.position(self.text, path.steps())
    }

    /// The lines, from 1, of the keys or items at many paths, as [`Document::position`] finds them.
    pub fn lines<'p>(&self, paths: impl IntoIterator<Item = Option<&'p Path>>) -> Vec<Option<usize>> {
        let mut lines = lines::Lines::new(self.text, &self.tree);
        paths.into_iter().map(|path| lines.of(path?)).collect()
    }

    /// Whether more documents follow the first; they are kept byte for byte.
    pub fn has_more_documents(&self) -> bool {
        self.tree.more
    }

    /// The keys that are set more than once, in the order of the text; the first 30 of them, with
    /// the first 30 places of each.
    pub fn duplicates(&self) -> Vec<Duplicate> {
        let mut all: Vec<Duplicate> = Vec::new();
        for (mapping, key, entries) in &self.tree.duplicates {
            let mut steps = self.tree.steps_to(self.text, *mapping);
            steps.push(Step::Key(key.clone()));
            let starts = entries.iter().take(MAX_DUPLICATES).map(|&i| self.tree.nodes[*mapping].entries()[i].start);
            let positions = starts.map(|at| Position::of(self.text, at)).collect();
            all.extend(Path::new(steps).map(|path| Duplicate { path, positions }));
        }
        all.sort_by_key(|duplicate| duplicate.positions.first().copied());
        all
    }

    /// Applies the edits one after another: all of them, or none.
    ///
    /// An edit that finds its value already set changes nothing and returns no [`Change`].
    ///
    /// # Errors
    /// [`Error::Refused`] when one of them cannot be made safely, [`Error::Unproven`] when the second
    /// parser does not agree with the result, [`Error::TooLarge`] when that is too long.
    pub fn apply(&self, edits: &[Edit]) -> Result<Edited, Error> {
        edit::apply(self, edits)
    }
}
