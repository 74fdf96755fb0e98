//! The documents of a stream, as slices of its text: each can be edited alone while all others stay byte for byte.

use crate::Error;
use std::ops::Range;

/// Begins a document, at the start of a line.
const BEGIN: &str = "---";
/// Ends a document, at the start of a line.
const END: &str = "...";

/// One document of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice<'t> {
    /// Its text, with the `---` that begins it and the `...` that ends it; a valid text of one document by itself.
    pub text: &'t str,
    /// The number of its first line in the stream, from 1.
    pub line: usize,
}

/// The documents of a stream, in order. All slices together are the text, byte for byte.
///
/// In YAML a line that begins with `---` or `...` and white space ends a document wherever it is, even in a block
/// scalar or a quoted one. So the lines decide, and no parser is needed. Comments and directives before a `---` belong
/// to the document that it begins.
///
/// # Errors
/// [`Error::Refused`] for content on the line of a `---` or `...`, and for a document after `...` that no `---` begins:
/// some programs read it, and others drop it.
pub fn documents(text: &str) -> Result<Vec<Slice<'_>>, Error> {
    let mut found = Vec::new();
    // Where the current document begins, the number of that line, and whether it has more than comments so far.
    let (mut start, mut first_line, mut is_begun) = (0, 1, false);
    let mut is_ended = false;
    let mut at = 0;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let bare = if at == 0 { line.trim_start_matches('\u{feff}') } else { line };
        let next = at + line.len();
        match marker(bare) {
            Some((marker, content)) if !content.is_empty() => {
                let offset = at + line.len() - bare.len() + content.start;
                let reason = format!(
                    "content after {marker:?} on the same line is not read by every program; begin it on the next line"
                );
                return Err(Error::refused(text, offset, reason));
            }
            Some((BEGIN, _)) => {
                is_ended = false;
                if is_begun {
                    found.push(Slice { text: &text[start..at], line: first_line });
                    (start, first_line) = (at, index + 1);
                }
                is_begun = true;
            }
            Some(_) => {
                found.push(Slice { text: &text[start..next], line: first_line });
                (start, first_line, is_begun) = (next, index + 2, false);
                is_ended = true;
            }
            None if is_prelude(bare) => {}
            None if is_ended => {
                let reason = "a document after \"...\" needs a line with \"---\" before it";
                return Err(Error::refused(text, at + line.len() - bare.len(), reason));
            }
            None => is_begun = true,
        }
        at = next;
    }
    if start < text.len() {
        found.push(Slice { text: &text[start..], line: first_line });
    }
    Ok(found)
}

/// The marker that a line begins with, and where other content than a comment is after it.
fn marker(line: &str) -> Option<(&'static str, Range<usize>)> {
    let marker = [BEGIN, END].into_iter().find(|marker| line.starts_with(marker))?;
    let rest = &line[marker.len()..];
    if !rest.is_empty() && !rest.starts_with([' ', '\t', '\r', '\n']) {
        return None;
    }
    let content = rest.trim();
    let start = line.len() - rest.trim_start().len();
    let is_comment = content.starts_with('#');
    Some((marker, start..if is_comment { start } else { start + content.len() }))
}

/// A line that may be before the `---` of a document.
fn is_prelude(line: &str) -> bool {
    let content = line.trim();
    content.is_empty() || content.starts_with('#') || line.starts_with('%')
}

impl Error {
    /// The same error of a text that begins after so many lines of a stream.
    #[must_use]
    pub fn below(self, lines: usize) -> Error {
        let moved = |mut position: crate::Position| {
            position.line += lines;
            position
        };
        match self {
            Error::Syntax { position, reason } => {
                Error::Syntax { position: moved(position), reason: with_lines_moved(&reason, lines) }
            }
            Error::Refused { position, reason } => {
                Error::Refused { position: moved(position), reason: with_lines_moved(&reason, lines) }
            }
            Error::TooLarge { .. } | Error::Unproven { .. } => self,
        }
    }
}

/// Other places that a reason names are written as [`crate::Position`] writes them.
fn with_lines_moved(reason: &str, lines: usize) -> String {
    let mut out = String::with_capacity(reason.len());
    let mut rest = reason;
    while let Some(at) = rest.find("line ") {
        let (before, after) = rest.split_at(at + "line ".len());
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        out.push_str(before);
        rest = &after[digits..];
        match after[..digits].parse::<usize>() {
            Ok(number) if rest.starts_with(", column ") => out.push_str(&(number + lines).to_string()),
            _ => out.push_str(&after[..digits]),
        }
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Document, Position};

    #[track_caller]
    fn slices(text: &str, expected: &[(&str, usize)]) {
        let found = documents(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
        let found: Vec<(&str, usize)> = found.iter().map(|slice| (slice.text, slice.line)).collect();
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn documents_are_cut_at_markers_in_the_first_column() {
        slices("", &[]);
        slices("a: 1", &[("a: 1", 1)]);
        slices("a: 1\n---\nb: 2\n", &[("a: 1\n", 1), ("---\nb: 2\n", 2)]);
        slices("---\na: 1\n---\nb: 2", &[("---\na: 1\n", 1), ("---\nb: 2", 3)]);
        slices("a: 1\r\n---\r\nb: 2\r\n", &[("a: 1\r\n", 1), ("---\r\nb: 2\r\n", 2)]);
        slices("\u{feff}---\na: 1\n---\nb: 2\n", &[("\u{feff}---\na: 1\n", 1), ("---\nb: 2\n", 3)]);
        slices("a: 1\n...\n---\nb: 2\n", &[("a: 1\n...\n", 1), ("---\nb: 2\n", 3)]);
        slices("a: 1\n---", &[("a: 1\n", 1), ("---", 2)]);
        slices("--- # first\na: 1\n---\t\nb: 2\n", &[("--- # first\na: 1\n", 1), ("---\t\nb: 2\n", 3)]);
    }

    #[test]
    fn documents_keep_comments_and_directives_before_their_marker() {
        slices("# c\n\n%YAML 1.2\n---\na: 1\n", &[("# c\n\n%YAML 1.2\n---\na: 1\n", 1)]);
        slices("a: 1\n# c\n---\nb: 2\n", &[("a: 1\n# c\n", 1), ("---\nb: 2\n", 3)]);
        slices("a: 1\n...\n# c\n---\nb: 2\n", &[("a: 1\n...\n", 1), ("# c\n---\nb: 2\n", 3)]);
        slices("---\n---\n", &[("---\n", 1), ("---\n", 2)]);
    }

    #[test]
    fn documents_are_not_cut_at_other_lines() {
        for text in ["a: |\n  ---\n  b\n", "---a: 1\n----\n", " ---\n", "a: x\n  ...\n", "....\n", "a: '\n  --- x'\n"] {
            slices(text, &[(text, 1)]);
        }
    }

    #[test]
    fn documents_refuse_content_after_a_marker() {
        for (text, line, column) in [
            ("--- a: 1\n", 1, 5),
            ("a: 1\n---\t{b: 2}\n", 2, 5),
            ("a: 1\r\n--- |\r\n  x\r\n", 2, 5),
            ("a: 1\n... b\n", 2, 5),
            ("\u{feff}--- a\n", 1, 6),
            ("a: |\n  x\n--- &a b", 3, 5),
        ] {
            let Err(Error::Refused { position, reason }) = documents(text) else { panic!("{text:?}") };
            assert_eq!(position, Position { line, column }, "{text:?}");
            assert!(
                reason.starts_with("content after \"---\"") || reason.starts_with("content after \"...\""),
                "{reason}"
            );
        }
    }

    #[test]
    fn error_of_a_document_names_the_lines_of_the_stream() {
        let text = "a: 1\n---\nb: [1, 2\nc: 1\n---\nd: 1\nd: 2\n";
        let found = documents(text).unwrap();
        let error = Document::parse(found[1].text).unwrap_err().below(found[1].line - 1);
        assert!(error.to_string().starts_with("not valid YAML at line 4, column 2: "), "{error}");
        let document = Document::parse(found[2].text).unwrap();
        let edit = crate::Edit::Set { path: "e".parse().unwrap(), value: 1.into() };
        let error = document.apply(&[edit]).unwrap_err().below(found[2].line - 1).to_string();
        assert!(error.contains("(line 6, column 1; line 7, column 1)") && error.starts_with("line 6, "), "{error}");
        let open = Document::parse("---\na: {b: 1\n").unwrap_err().below(10).to_string();
        assert!(open.contains("the \"{\" at line 12, column 4 is not closed"), "{open}");
    }
}
