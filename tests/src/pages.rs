//! The Markdown of README.md and docs/: its code, comments, headings and links.

use std::ops::Range;

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

/// A page in parts, in its order.
#[derive(Debug, Default)]
pub struct Page {
    /// Code blocks, code in prose and comments.
    pub parts: Vec<Part>,
    /// The anchors of its headings, as GitHub names them: `how-to-add-`.
    pub anchors: Vec<String>,
    /// The target of each link, with its line.
    pub links: Vec<(usize, String)>,
}

/// What a test or rule reads.
#[derive(Debug)]
pub struct Part {
    /// Whether it is a code block, code in prose, or a comment.
    pub kind: Kind,
    /// Its first line, from 1.
    pub line: usize,
    /// Its bytes in the page: of a code block, those between its fences.
    pub range: Range<usize>,
    /// Its text without fences, indentation and backticks.
    pub text: String,
}

/// The kinds of parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A code block with the words after its fence: `sh`, `console edge`; empty if it is indented.
    Block(String),
    /// Code in prose.
    Inline,
    /// A comment, which readers do not see.
    Comment,
}

/// Reads a page.
pub fn read(text: &str) -> Page {
    let line = |at: usize| 1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count();
    let mut page = Page::default();
    let mut block: Option<Part> = None;
    let mut heading: Option<String> = None;
    for (event, range) in Parser::new_ext(text, Options::ENABLE_TABLES).into_offset_iter() {
        match event {
            Event::Start(Tag::CodeBlock(kind)) => {
                let info = match kind {
                    CodeBlockKind::Fenced(info) => info.into_string(),
                    CodeBlockKind::Indented => String::new(),
                };
                // An empty block has no text; its place is the line after the fence.
                let start = text[range.start..].find('\n').map_or(range.end, |length| range.start + length + 1);
                block = Some(Part { kind: Kind::Block(info), line: 0, range: start..start, text: String::new() });
            }
            Event::Text(piece) if block.is_some() => {
                let part = block.as_mut().unwrap();
                if part.text.is_empty() {
                    part.range.start = range.start;
                }
                part.range.end = range.end;
                part.text.push_str(&piece);
            }
            Event::End(TagEnd::CodeBlock) => {
                let part = block.take().unwrap();
                page.parts.push(Part { line: line(part.range.start), ..part });
            }
            Event::Code(code) => {
                heading.iter_mut().for_each(|heading| heading.push_str(&code));
                let (kind, line, text) = (Kind::Inline, line(range.start), code.into_string());
                page.parts.push(Part { kind, line, range, text });
            }
            Event::Html(html) if html.starts_with("<!--") => {
                let text = html.trim().trim_start_matches("<!--").trim_end_matches("-->").trim().to_owned();
                page.parts.push(Part { kind: Kind::Comment, line: line(range.start), range, text });
            }
            Event::Start(Tag::Link { dest_url, .. }) => page.links.push((line(range.start), dest_url.into_string())),
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::Text(piece) => heading.iter_mut().for_each(|heading| heading.push_str(&piece)),
            Event::End(TagEnd::Heading(_)) => page.anchors.extend(heading.take().map(|heading| anchor(&heading))),
            _ => {}
        }
    }
    page
}

/// Lower case, without punctuation, with a hyphen for each blank.
fn anchor(heading: &str) -> String {
    let kept = |c: &char| c.is_alphanumeric() || [' ', '-', '_'].contains(c);
    heading.to_lowercase().chars().filter(kept).map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_is_read_with_places() {
        let text = "# A `b`: c?\n\n```console edge\n$ x\ny\n```\n\n<!-- edge: z -->\n\n    in dented\n\nSee [d](e.md#f), `edge-x g`.\n\n```sh\n```\n";
        let page = read(text);
        assert_eq!(page.anchors, ["a-b-c"]);
        assert_eq!(page.links, [(12, "e.md#f".to_owned())]);
        let parts: Vec<_> = page.parts.iter().map(|part| (part.kind.clone(), part.line, part.text.as_str())).collect();
        let block = |info: &str| Kind::Block(info.to_owned());
        let expected = [
            (Kind::Inline, 1, "b"),
            (block("console edge"), 4, "$ x\ny\n"),
            (Kind::Comment, 8, "edge: z"),
            (block(""), 10, "in dented\n"),
            (Kind::Inline, 12, "edge-x g"),
            (block("sh"), 15, ""),
        ];
        assert_eq!(parts, expected);
        assert_eq!(&text[page.parts[1].range.clone()], "$ x\ny\n");
    }
}
