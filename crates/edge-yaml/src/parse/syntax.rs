//! Errors of the parser, with what was expected and where.

use super::Builder;
use crate::explain::{COLON_MISSING, VALUE_MISSING, explain_any};
use crate::{Error, MAX_DEPTH, Position, tree};
use saphyr_parser::ScanError;

impl Builder<'_> {
    pub(super) fn too_deep(&self, offset: usize) -> Error {
        let reason = format!("nested deeper than {MAX_DEPTH} levels; use a text editor");
        Error::refused(self.text, offset, reason)
    }

    pub(super) fn syntax(&self, error: &ScanError) -> Error {
        let offset = self.offsets.byte(error.marker().index()).min(self.text.len());
        let line = &self.text[tree::line_start(self.text, offset)..tree::line_end(self.text, offset)];
        if line.contains("{{") {
            let reason = "a Go template ({{ … }}); render it first and edit the result";
            return Error::refused(self.text, offset, reason);
        }
        if line[..line.len() - line.trim_start().len()].contains('\t') {
            let reason = "the line is indented with a tab; use spaces";
            return Error::refused(self.text, offset, reason);
        }
        // The parser has a bound of its own for brackets.
        if error.info().contains("recursion limit") {
            return self.too_deep(offset);
        }
        self.explained(explain_any(error.info()), offset)
    }

    /// With the bracket that is open, or at the key whose colon or value is missing: the parser stops behind it.
    fn explained(&self, meaning: String, offset: usize) -> Error {
        let position = |offset| Position::of(self.text, offset);
        // A pair within a list, `[a: 1]`, is a mapping without a bracket of its own.
        let is_bracket = |start: usize| self.text[start..].starts_with(['[', '{']);
        let mut open = self.stack.iter().rev().map(|frame| &self.tree.nodes[frame.node]);
        let open = open.find(|node| !node.is_block_collection() && is_bracket(node.start));
        if let Some(node) = open.filter(|_| meaning.starts_with("expected \",\"")) {
            let bracket = &self.text[node.start..=node.start];
            let closing = if bracket == "[" { "]" } else { "}" };
            let place = position(node.start);
            let reason = format!("expected \",\" or \"{closing}\": the \"{bracket}\" at {place} is not closed");
            return Error::Syntax { position: position(offset), reason };
        }
        if meaning != VALUE_MISSING && meaning != COLON_MISSING {
            return Error::Syntax { position: position(offset), reason: meaning };
        }
        let before = self.text[..offset].trim_end();
        let word = before.rsplit(char::is_whitespace).next().unwrap_or_default();
        // Any other word may be a secret.
        let is_shown = meaning == VALUE_MISSING && word.len() <= 60 && word.ends_with([':', '[', '{', '-']);
        let reason = if is_shown { format!("{meaning} after \"{word}\"") } else { meaning };
        Error::Syntax { position: position(before.len() - word.len()), reason }
    }
}
