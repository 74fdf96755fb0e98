//! A text with its tree: finds the place of a path, and refuses what an edit must not change.

use crate::emit::{self, Style};
use crate::tree::{self, Id, Key, Kind, Scalar, Tree};
use crate::{Error, Position, Step};
use serde_yaml::Value;

/// Bytes to replace.
#[derive(Clone, Debug)]
pub(crate) struct Splice {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) text: String,
}

impl Splice {
    pub(crate) fn new(start: usize, end: usize, text: impl Into<String>) -> Splice {
        let text = text.into();
        Splice { start, end, text }
    }
}

/// A text with its tree.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) text: &'a str,
    pub(crate) tree: &'a Tree,
    pub(crate) style: Style,
}

/// The place of a path in the text.
pub(crate) enum Place {
    /// This entry of this collection.
    Entry(Id, usize),
    /// The deepest node that exists, and how many steps lead to it.
    Missing(Id, usize),
    /// The document is empty.
    Nothing,
}

impl Source<'_> {
    pub(crate) fn refused(&self, node: Id, reason: impl Into<String>) -> Error {
        Error::refused(self.text, self.tree.nodes[node].start, reason)
    }

    /// Follows a path, and refuses what an edit must not change.
    pub(crate) fn locate(&self, steps: &[Step], setting: bool) -> Result<Place, Error> {
        let Some(mut id) = self.tree.root else {
            return Ok(Place::Nothing);
        };
        for (depth, step) in steps.iter().enumerate() {
            let node = &self.tree.nodes[id];
            if self.tree.is_shared(id) {
                return Err(self.refused(id, "an alias refers to this value, and the edit would change both; replace the alias with its value first"));
            }
            if node.tagged {
                return Err(self.refused(id, "the value has a tag; use a text editor"));
            }
            match (&node.kind, step) {
                (Kind::Alias(_), _) => {
                    return Err(self.refused(id, "this is an alias, and the edit would change its anchor and all other aliases; replace it with its value first"));
                }
                (Kind::Map(..), Step::Key(_)) | (Kind::Seq(..), Step::Index(_)) => {}
                (Kind::Scalar(_), _) if self.is_null(id) => return Ok(Place::Missing(id, depth)),
                (_, _) if !setting => return Ok(Place::Missing(id, depth)),
                (Kind::Map(..), _) => {
                    return Err(self.refused(id, "this is a mapping, which has no [index]"));
                }
                (Kind::Seq(..), _) => {
                    return Err(self.refused(id, "this is a list, which has no keys; use an [index]"));
                }
                (Kind::Scalar(_), _) => {
                    return Err(self.refused(id, "this is a plain value, not a mapping or a list; unset it first"));
                }
            }
            let odd = |e: &&tree::Entry| matches!(e.key, Key::Odd);
            let is_map = matches!(node.kind, Kind::Map(..));
            if let Some(entry) = node.entries().iter().find(odd).filter(|_| is_map) {
                let reason = "the mapping has an explicit (? key), tagged or compound key; use a text editor";
                return Err(Error::refused(self.text, entry.start, reason));
            }
            match self.tree.find(self.text, id, step) {
                Some(index) if depth + 1 == steps.len() => return Ok(Place::Entry(id, index)),
                Some(index) => id = node.entries()[index].value,
                None => return Ok(Place::Missing(id, depth)),
            }
        }
        Ok(Place::Nothing)
    }

    /// Refuses to remove or replace what an alias elsewhere refers to.
    pub(crate) fn refuse_shared(&self, id: Id) -> Result<(), Error> {
        let node = &self.tree.nodes[id];
        if node.tagged {
            return Err(self.refused(id, "the value has a tag; use a text editor"));
        }
        match self.tree.alias_into(node.start..node.end.max(node.start + 1)) {
            None => Ok(()),
            Some(alias) => {
                let at = Position::of(self.text, self.tree.nodes[alias].start);
                let reason = format!("the alias at {at} refers to this value; replace the alias with its value first");
                Err(self.refused(id, reason))
            }
        }
    }

    pub(crate) fn is_null(&self, id: Id) -> bool {
        let node = &self.tree.nodes[id];
        match node.kind {
            Kind::Scalar(Scalar::Empty) => true,
            Kind::Scalar(Scalar::Plain) => {
                matches!(&self.text[node.start..node.end], "~" | "null" | "Null" | "NULL")
            }
            _ => false,
        }
    }

    /// Whether other readers read another value from this text:
    /// `yes` is a string in YAML 1.2 and a boolean in 1.1.
    pub(crate) fn is_ambiguous(&self, id: Id, value: &Value) -> bool {
        let node = &self.tree.nodes[id];
        let plain = matches!(node.kind, Kind::Scalar(Scalar::Plain));
        plain && value.is_string() && emit::is_ambiguous(&self.text[node.start..node.end])
    }
}
