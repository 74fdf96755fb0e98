//! Replaces a value.

use crate::Error;
use crate::emit::{self, Multi, Place, Quotes};
use crate::source::{Source, Splice};
use crate::tree::{self, Block, Entry, Id, Kind, Node, Scalar, Shape};
use serde_yaml::Value;

/// The splices that put `value` into an entry of the collection `owner`.
pub(crate) fn value(source: Source<'_>, owner: Id, index: usize, value: &Value) -> Result<Vec<Splice>, Error> {
    let entry = &source.tree.nodes[owner].entries()[index];
    let node = &source.tree.nodes[entry.value];
    if matches!(source.tree.nodes[owner].kind, Kind::Map(..)) && !entry.marked {
        let reason = "a key has no colon; write it as \"key: value\" first";
        return Err(Error::refused(source.text, entry.start, reason));
    }
    if node.in_flow {
        return in_flow(source, owner, node, value);
    }
    let column = tree::column(source.text, entry.start);
    let source = source.settled(tree::line_end(source.text, node.end), column);
    if let Kind::Scalar(Scalar::Block(block)) = node.kind {
        return over_block_scalar(source, owner, entry, block, value);
    }
    let one_line = |n: &Node| !source.text[n.start..n.end].contains('\n');
    let keeps_flow = matches!(node.kind, Kind::Map(Shape::Flow, _) | Kind::Seq(Shape::Flow, _))
        && !node.entries().is_empty()
        && one_line(node)
        && !value.is_string();
    let own_line = tree::line_end(source.text, node.props_end) < node.start;
    // A scalar below its key stays there, a quoted one in its quotes; both on one line.
    let scalar = matches!(node.kind, Kind::Scalar(_) | Kind::Alias(_));
    let quoted = matches!(node.kind, Kind::Scalar(Scalar::Single | Scalar::Double));
    let on_its_line = value.is_string() && (quoted || (own_line && scalar));
    if keeps_flow || on_its_line || !emit::wants_lines(value, source.style) {
        return on_one_line(source, node, value);
    }
    over_lines(source, owner, index, value)
}

fn in_flow(source: Source<'_>, owner: Id, node: &Node, value: &Value) -> Result<Vec<Splice>, Error> {
    let quotes = match node.kind {
        Kind::Scalar(Scalar::Double) => Quotes::Double,
        Kind::Scalar(Scalar::Single) => Quotes::Single,
        _ => source.flow_quotes(owner),
    };
    let text = emit::inline(value, Place::Flow, quotes)?;
    Ok(vec![match node.kind {
        Kind::Scalar(Scalar::Empty) => Splice::new(node.props_end, node.props_end, format!(" {text}")),
        _ => over(source, node, text),
    }])
}

fn on_one_line(source: Source<'_>, node: &Node, value: &Value) -> Result<Vec<Splice>, Error> {
    let quotes = match node.kind {
        Kind::Scalar(Scalar::Double) => Quotes::Double,
        Kind::Scalar(Scalar::Single) => Quotes::Single,
        _ => Quotes::AsNeeded,
    };
    let new = emit::inline(value, Place::Block, quotes)?;
    let at = node.props_end;
    let line = tree::line_end(source.text, at);
    if matches!(node.kind, Kind::Scalar(Scalar::Empty)) {
        return Ok(vec![Splice::new(at, at, format!(" {new}"))]);
    }
    if node.is_block_collection() && line < node.start {
        return Ok(vec![
            Splice::new(at, at, format!(" {new}")),
            Splice::new(line, tree::line_end(source.text, node.end), ""),
        ]);
    }
    Ok(vec![over(source, node, new)])
}

fn over(source: Source<'_>, node: &Node, new: String) -> Splice {
    over_from(source, node, node.end, new)
}

/// Over the text of a node up to `end`. A tab before it is removed too: YAML does not allow it before every form.
fn over_from(source: Source<'_>, node: &Node, end: usize, new: String) -> Splice {
    let start = source.text[..node.start].trim_end_matches('\t').len();
    let new = if start < node.start { format!(" {new}") } else { new };
    Splice::new(start, end, new)
}

/// Replaces a block scalar, by another literal block when the new value is a string that fits.
fn over_block_scalar(
    source: Source<'_>,
    owner: Id,
    entry: &Entry,
    block: Block,
    value: &Value,
) -> Result<Vec<Splice>, Error> {
    let text = source.text;
    let node = &source.tree.nodes[entry.value];
    let parent = tree::column(text, entry.start);
    let column = block.indent.unwrap_or(parent + source.style.step);
    let header_line = tree::line_end(text, block.header_end);
    let content_end = node.end.max(header_line);
    if let Value::String(string) = value {
        let multi = string.contains('\n');
        let literal = emit::literal(string, column, parent, source.style.eol).filter(|(header, _)| {
            (block.literal || multi) && (block.keep || !header.ends_with('+')) && source.may_follow(content_end, column)
        });
        if let Some((header, lines)) = literal {
            return Ok(vec![
                Splice::new(node.start, block.header_end, header),
                Splice::new(header_line, content_end, source.ended(content_end, value, lines)),
            ]);
        }
    }
    if emit::wants_lines(value, source.style) && !value.is_string() {
        let (head, tail) = source.lines(owner, None, parent, value)?;
        return Ok(vec![
            Splice::new(node.props_end, block.header_end, head),
            Splice::new(header_line, content_end, source.ended(content_end, value, tail)),
        ]);
    }
    let new = emit::inline(value, Place::Block, Quotes::AsNeeded)?;
    Ok(vec![over_from(source, node, block.header_end, new), Splice::new(header_line, content_end, "")])
}

/// Replaces a value by a collection or a literal block.
fn over_lines(source: Source<'_>, owner: Id, index: usize, value: &Value) -> Result<Vec<Splice>, Error> {
    let text = source.text;
    let entry = &source.tree.nodes[owner].entries()[index];
    let node = &source.tree.nodes[entry.value];
    let parent = tree::column(text, entry.start);
    let old = match (&node.kind, value) {
        (Kind::Map(Shape::Block, _), Value::Mapping(_)) | (Kind::Seq(Shape::Block, _), Value::Sequence(_)) => {
            node.entries().first().map(|e| tree::column(text, e.start))
        }
        _ => None,
    };
    let (head, mut tail) = source.lines(owner, old, parent, value)?;
    let at = node.props_end;
    let first = tree::line_end(text, at);
    let last = tree::line_end(text, node.end);
    if matches!(node.kind, Kind::Scalar(Scalar::Empty)) {
        return Ok(vec![Splice::new(at, at, head), Splice::new(first, first, source.ended(first, value, tail))]);
    }
    if node.is_block_collection() {
        tail = source.ended(last, value, tail);
        return Ok(if first < node.start {
            vec![Splice::new(at, at, head), Splice::new(first, last, tail)]
        } else {
            vec![Splice::new(at, last, head + &tail)]
        });
    }
    if first < node.start {
        // The comment after the old value gets a line of its own.
        let comment = text[node.end..last].trim();
        if !comment.is_empty() {
            let indent = " ".repeat(parent + source.style.step);
            tail = format!("{}{indent}{comment}{tail}", source.style.eol);
        }
        let tail = source.ended(last, value, tail);
        return Ok(vec![Splice::new(at, at, head), Splice::new(first, last, tail)]);
    }
    Ok(vec![Splice::new(at, node.end, head), Splice::new(last, last, source.ended(last, value, tail))])
}

impl Source<'_> {
    /// Quotes for new text in brackets: JSON stays JSON.
    pub(crate) fn flow_quotes(&self, owner: Id) -> Quotes {
        let mut id = owner;
        loop {
            if let Kind::Map(_, entries) = &self.tree.nodes[id].kind
                && entries.first().is_some_and(|e| self.text[e.start..].starts_with('"'))
            {
                return Quotes::Double;
            }
            match self.tree.owner(id) {
                Some((outer, _)) if self.tree.nodes[id].in_flow => id = outer,
                _ => return Quotes::AsNeeded,
            }
        }
    }

    /// A value over several lines: the part on the line of its key or dash, and the lines below.
    /// `column` is that of its entries, if it is known.
    fn lines(&self, owner: Id, column: Option<usize>, parent: usize, value: &Value) -> Result<(String, String), Error> {
        let mut style = self.style;
        let mut out = String::new();
        if matches!(self.tree.nodes[owner].kind, Kind::Seq(..)) {
            out.push(' ');
            emit::item_value(&mut out, value, parent, style)?;
        } else {
            match (value, column) {
                (Value::Mapping(_), Some(column)) => style.step = column - parent,
                (Value::Sequence(_), Some(column)) => style.sequence_step = column - parent,
                _ => {}
            }
            emit::after_key(&mut out, value, parent, style)?;
        }
        let head = out.find(self.style.eol).unwrap_or(out.len());
        let tail = out.split_off(head);
        Ok((out, tail))
    }

    /// With the style for a value at `parent` that ends at `at`.
    pub(crate) fn settled(mut self, at: usize, parent: usize) -> Self {
        if !self.may_follow(at, parent + 1) {
            self.style.multi = Multi::Quoted;
        }
        self
    }

    /// Whether what follows does not become part of a literal block that ends here.
    fn may_follow(&self, at: usize, column: usize) -> bool {
        let rest = &self.text[at..];
        let next = rest.trim_start_matches(['\r', '\n', ' ']);
        let indent = tree::column(self.text, self.text.len() - next.len());
        let comment_line =
            next.starts_with('#') && rest.len() > next.len() && rest[..rest.len() - next.len()].contains('\n');
        !(comment_line && indent >= column)
    }

    /// At the end of a text without a line break, a literal that ends with one needs one.
    fn ended(&self, at: usize, value: &Value, mut lines: String) -> String {
        if at == self.text.len() && emit::ends_with_literal(value, self.style) {
            lines.push_str(self.style.eol);
        }
        lines
    }
}
