//! Removes an entry.

use crate::Error;
use crate::source::{Source, Splice};
use crate::tree::{self, Id, Kind, Node, Scalar, Shape, skip_trivia};

/// The splices that remove an entry with the comment at its end; comments above it stay.
pub(crate) fn entry(source: Source<'_>, owner: Id, index: usize) -> Result<Vec<Splice>, Error> {
    let node = &source.tree.nodes[owner];
    match node.kind {
        Kind::Map(Shape::Block, _) | Kind::Seq(Shape::Block, _) => block(source, owner, node, index),
        Kind::Map(Shape::Flow, _) | Kind::Seq(Shape::Flow, _) => flow(source, node, index),
        _ => Err(source.refused(owner, "a \"key: value\" pair in a list has no braces; add them first: [{a: 1}]")),
    }
}

fn block(source: Source<'_>, owner: Id, node: &Node, index: usize) -> Result<Vec<Splice>, Error> {
    let text = source.text;
    let entry = &node.entries()[index];
    let end = source.tree.nodes[entry.value].end;
    let line = tree::line_start(text, entry.start);
    let first_on_line = text[line..entry.start].trim_matches(' ').is_empty();
    let next = tree::next_line(text, end).min(source.tree.finish.max(end));
    if node.entries().len() > 1 {
        if first_on_line {
            let next = if follows_keep(source, line) { skip_blank(text, next) } else { next };
            return Ok(vec![Splice::new(line, next, "")]);
        }
        // The first entry is after a dash: the next one moves up to it.
        let spaces = text[next..].len() - text[next..].trim_start_matches(' ').len();
        return Ok(vec![Splice::new(entry.start, next + spaces, "")]);
    }
    let empty = match node.kind {
        Kind::Map(..) => "{}",
        _ => "[]",
    };
    let line_end = tree::line_end(text, end);
    if !first_on_line || source.tree.owner(owner).is_none() {
        return Ok(vec![Splice::new(entry.start, line_end, empty)]);
    }
    let at = node.props_end;
    Ok(vec![Splice::new(at, at, format!(" {empty}")), Splice::new(line, next, "")])
}

/// Whether the value above ends with `|+`, which would include the blank lines that move up to it.
fn follows_keep(source: Source<'_>, line: usize) -> bool {
    let mut above = source.tree.nodes.iter().rev().filter(|n| n.start < line && n.entries().is_empty());
    matches!(above.next().map(|n| &n.kind), Some(Kind::Scalar(Scalar::Block(block))) if block.keep)
}

fn skip_blank(text: &str, mut line: usize) -> usize {
    while line < text.len() && text[line..tree::line_end(text, line)].trim_matches(' ').is_empty() {
        line = tree::next_line(text, line);
    }
    line
}

fn flow(source: Source<'_>, node: &Node, index: usize) -> Result<Vec<Splice>, Error> {
    let text = source.text;
    let entries = node.entries();
    let entry = &entries[index];
    let end_of = |i: usize| source.tree.nodes[entries[i].value].end;
    let end = end_of(index).max(entry.start);
    let close = node.end - 1;
    let comma = skip_trivia(text, end);
    let after = if text[comma..].starts_with(',') { comma + 1 } else { end };
    let before = match index {
        0 => node.start + 1,
        i => end_of(i - 1),
    };
    let next = entries.get(index + 1).map_or(close, |e| e.start);
    let one_line = !text[before..next].contains('\n');
    if entries.len() == 1 && one_line {
        return Ok(vec![Splice::new(node.start + 1, close, "")]);
    }
    if one_line && next < close {
        return Ok(vec![Splice::new(entry.start, next, "")]);
    }
    if one_line {
        return Ok(vec![Splice::new(before, end, "")]);
    }
    // Over several lines: a line of its own is removed, and a shared one keeps the rest.
    let line = tree::line_start(text, entry.start);
    let line_end = tree::line_end(text, after);
    let rest = text[after..line_end].trim_start();
    let above = text[line..entry.start].trim_end().len();
    let (from, to) = match (above, rest.is_empty() || rest.starts_with('#')) {
        (0, true) => (line, tree::next_line(text, after)),
        (_, true) => (line + above, line_end),
        (_, false) => (entry.start, next.min(line_end).max(after)),
    };
    let mut splices = vec![Splice::new(from, to, "")];
    if after == end && index > 0 {
        // The last one: the comma before it is removed too, as JSON requires.
        let comma = skip_trivia(text, before);
        if text[comma..].starts_with(',') {
            splices.push(Splice::new(comma, comma + 1, ""));
        }
    }
    Ok(splices)
}
