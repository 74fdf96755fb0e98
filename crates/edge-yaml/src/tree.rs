//! The span tree: the position of each node, key and entry of the first document in the text.
//!
//! Offsets are bytes. The tree does not borrow the text.

use crate::{Position, Step};
use std::ops::Range;

/// Index of a node in [`Tree::nodes`].
pub(crate) type Id = usize;

/// How a scalar is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scalar {
    /// Nothing at all: `key:`.
    Empty,
    /// Without quotes.
    Plain,
    /// `'…'`
    Single,
    /// `"…"`
    Double,
    /// `|` or `>`
    Block(Block),
}

/// The parts of a block scalar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// End of the header token: `|`, `|2-`.
    pub(crate) header_end: usize,
    /// Column of its content, if it has any.
    pub(crate) indent: Option<usize>,
    /// `|+`: blank lines after it are part of the value.
    pub(crate) keep: bool,
    /// `|` and not `>`.
    pub(crate) literal: bool,
}

/// How a collection is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// By indentation.
    Block,
    /// In brackets.
    Flow,
    /// One pair without braces in a flow sequence: `[a: 1]`.
    Pair,
}

/// What a node is.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// A scalar.
    Scalar(Scalar),
    /// `*name`
    Alias(Option<Id>),
    /// A sequence.
    Seq(Shape, Vec<Entry>),
    /// A mapping.
    Map(Shape, Vec<Entry>),
}

/// A value in the text.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    /// End of the `:` or `-` before the node and its anchor and tag.
    pub(crate) after: usize,
    /// End of the anchor and tag, or of the `:` or `-` before the node when it has none.
    pub(crate) props_end: usize,
    /// First byte of the content, after anchor and tag.
    pub(crate) start: usize,
    /// Byte after the last byte of content; comments and line ends are outside.
    pub(crate) end: usize,
    /// Number of its anchor, 0 for none.
    pub(crate) anchor: usize,
    /// It has a tag.
    pub(crate) tagged: bool,
    /// It is inside brackets.
    pub(crate) in_flow: bool,
    /// Nodes in it, aliases expanded.
    pub(crate) weight: usize,
    /// The collection and the entry that hold it; none for the root.
    pub(crate) owner: Option<(Id, usize)>,
}

impl Node {
    pub(crate) fn entries(&self) -> &[Entry] {
        match &self.kind {
            Kind::Seq(_, entries) | Kind::Map(_, entries) => entries,
            _ => &[],
        }
    }

    pub(crate) fn is_block_collection(&self) -> bool {
        matches!(self.kind, Kind::Seq(Shape::Block, _) | Kind::Map(Shape::Block, _))
    }
}

/// A key of a mapping.
#[derive(Clone, Debug)]
pub(crate) enum Key {
    /// The same as this part of the text.
    Slice(Range<usize>),
    /// A string written with escapes or over several lines.
    Text(String),
    /// A number, boolean or null, as [`serde_yaml::Value`] writes it.
    Other(String),
    /// An explicit `? key`, or a key that is tagged, an alias or a collection.
    Odd,
}

impl Key {
    pub(crate) fn text<'a>(&'a self, text: &'a str) -> Option<&'a str> {
        match self {
            Key::Slice(range) => text.get(range.clone()),
            Key::Text(key) | Key::Other(key) => Some(key),
            Key::Odd => None,
        }
    }
}

/// A pair of a mapping or an item of a sequence.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// The key (its anchor included), the dash, or the item of a flow sequence.
    pub(crate) start: usize,
    /// The key; [`Key::Odd`] in a sequence.
    pub(crate) key: Key,
    /// Whether there is a `:` or `-` before the value; without it no value can be inserted.
    pub(crate) marked: bool,
    /// The value.
    pub(crate) value: Id,
}

/// The first document of a text.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tree {
    pub(crate) nodes: Vec<Node>,
    /// `None` when the text has no document at all.
    pub(crate) root: Option<Id>,
    /// Where content may begin: after `---`, or the start of the text.
    pub(crate) begin: usize,
    /// `---` or `...` after the document, or the end of the text.
    pub(crate) finish: usize,
    pub(crate) more: bool,
    /// Number of aliases that name each anchor.
    pub(crate) references: Vec<usize>,
    /// Mapping, key, and the entries with that key.
    pub(crate) duplicates: Vec<(Id, String, Vec<usize>)>,
}

impl Tree {
    /// The last entry of a mapping with this key, or the item of a sequence.
    pub(crate) fn find(&self, text: &str, node: Id, step: &Step) -> Option<usize> {
        match (&self.nodes[node].kind, step) {
            (Kind::Map(_, entries), Step::Key(key)) => {
                let same = |e: &Entry| e.key.text(text) == Some(key);
                // Where there are both "1" and 1, the string is meant.
                entries
                    .iter()
                    .rposition(|e| same(e) && !matches!(e.key, Key::Other(..)))
                    .or_else(|| entries.iter().rposition(same))
            }
            (Kind::Seq(_, entries), Step::Index(index)) => (*index < entries.len()).then_some(*index),
            _ => None,
        }
    }

    /// Position of the entry at these steps; aliases and merge keys are followed.
    pub(crate) fn position(&self, text: &str, steps: &[Step]) -> Option<Position> {
        let mut node = self.root?;
        let mut at = None;
        for step in steps {
            let (owner, index) = self.find_merged(text, node, step, 0)?;
            let entry = &self.nodes[owner].entries()[index];
            node = entry.value;
            at = Some(entry.start);
        }
        at.map(|offset| Position::of(text, offset))
    }

    fn find_merged(&self, text: &str, node: Id, step: &Step, depth: usize) -> Option<(Id, usize)> {
        if depth > 16 {
            return None;
        }
        if let Kind::Alias(target) = self.nodes[node].kind {
            return self.find_merged(text, target?, step, depth + 1);
        }
        if let Some(index) = self.find(text, node, step) {
            return Some((node, index));
        }
        let Step::Key(_) = step else { return None };
        let merge = self.find(text, node, &Step::Key("<<".to_owned()))?;
        let source = self.nodes[node].entries()[merge].value;
        if let Kind::Seq(_, items) = &self.nodes[source].kind {
            return items.iter().find_map(|item| self.find_merged(text, item.value, step, depth + 1));
        }
        self.find_merged(text, source, step, depth + 1)
    }

    /// An alias outside `range` that names an anchor inside it.
    pub(crate) fn alias_into(&self, range: Range<usize>) -> Option<Id> {
        if self.references.iter().all(|&n| n == 0) {
            return None;
        }
        let inside = |id: Id| range.contains(&self.nodes[id].start);
        (0..self.nodes.len()).find(|&id| match self.nodes[id].kind {
            Kind::Alias(Some(target)) => inside(target) && !inside(id),
            _ => false,
        })
    }

    /// Whether an alias names the anchor of this node.
    pub(crate) fn is_shared(&self, id: Id) -> bool {
        let anchor = self.nodes[id].anchor;
        anchor > 0 && self.references.get(anchor).is_some_and(|&n| n > 0)
    }
}

/// Start of the line of an offset.
pub(crate) fn line_start(text: &str, offset: usize) -> usize {
    text[..offset].rfind('\n').map_or(0, |i| i + 1)
}

/// End of the line of an offset, before `\r\n` or `\n`.
pub(crate) fn line_end(text: &str, offset: usize) -> usize {
    let Some(length) = text[offset..].find('\n') else {
        return text.len();
    };
    let end = offset + length;
    end - usize::from(end > offset && text.as_bytes()[end - 1] == b'\r')
}

/// Start of the line after that of an offset, or the end of the text.
pub(crate) fn next_line(text: &str, offset: usize) -> usize {
    text[offset..].find('\n').map_or(text.len(), |length| offset + length + 1)
}

/// Column, from 0 and in characters, of an offset.
pub(crate) fn column(text: &str, offset: usize) -> usize {
    text[line_start(text, offset)..offset].chars().count()
}

/// The first offset from here that is not white space, a line end or a comment.
pub(crate) fn skip_trivia(text: &str, mut offset: usize) -> usize {
    let bytes = text.as_bytes();
    while let Some(byte) = bytes.get(offset) {
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => offset += 1,
            b'#' => offset = line_end(text, offset),
            _ => break,
        }
    }
    offset
}

impl Tree {
    /// The collection and the entry that hold a node.
    pub(crate) fn owner(&self, node: Id) -> Option<(Id, usize)> {
        self.nodes[node].owner
    }

    /// The steps from the root to a node.
    pub(crate) fn steps_to(&self, text: &str, node: Id) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut below = node;
        while let Some((id, index)) = self.owner(below) {
            steps.push(match &self.nodes[id].kind {
                Kind::Map(_, entries) => Step::Key(entries[index].key.text(text).unwrap_or("?").to_owned()),
                _ => Step::Index(index),
            });
            below = id;
        }
        steps.reverse();
        steps
    }
}
