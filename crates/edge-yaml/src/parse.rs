//! Builds the span tree from the events of the parser.
//!
//! The parser reports the order of tokens, and where plain and block scalars end. All other positions are
//! found by skipping white space and comments from the end of the token before, because the spans of
//! events do not contain the positions of colons, dashes, anchors and quotes.

use crate::chars::{self, Offsets};
use crate::tree::{Block, Entry, Id, Key, Kind, Node, Scalar, Shape, Tree, skip_trivia};
use crate::{Error, MAX_DEPTH, MAX_DUPLICATES, MAX_NODES, keys, tree};
use saphyr_parser::{Event, Parser, ScalarStyle, Span};

mod syntax;

/// Builds the span tree of the first document.
pub(crate) fn parse(text: &str) -> Result<Tree, Error> {
    chars::check(text)?;
    let mut builder = Builder {
        text,
        offsets: Offsets::new(text),
        tree: Tree {
            finish: text.len(),
            // About one in twenty bytes begins a value; growing would copy and touch new pages.
            nodes: Vec::with_capacity(text.len() / 20 + 8),
            ..Tree::default()
        },
        anchors: vec![None],
        stack: Vec::new(),
        cursor: 0,
    };
    // Reading from an iterator is twice as fast as the parser's own input from a `&str`.
    let mut parser = Parser::new_from_iter(text.chars());
    let mut ended = false;
    while let Some(event) = parser.next_event() {
        let (event, span) = match event {
            Ok(event) => event,
            // Only the second parser reads later documents.
            Err(_) if ended => break,
            Err(error) => return Err(builder.syntax(&error)),
        };
        match event {
            Event::DocumentStart(_) if ended => {
                builder.tree.more = true;
                break;
            }
            Event::DocumentStart(explicit) => {
                if explicit {
                    builder.cursor = builder.offsets.byte(span.end.index());
                }
                builder.tree.begin = builder.cursor;
            }
            Event::DocumentEnd => {
                builder.tree.finish = builder.offsets.byte(span.start.index());
                ended = true;
            }
            Event::StreamStart | Event::StreamEnd | Event::Nothing => {}
            event => builder.event(&event, span)?,
        }
    }
    builder.tree.references.resize(builder.anchors.len(), 0);
    Ok(builder.tree)
}

/// A collection that is still open.
struct Frame {
    node: Id,
    /// The entry whose value comes next: its start, its key, and whether a `:` or `-` was seen.
    entry: Option<(usize, Key, bool)>,
    /// Where the key began, and whether a `?` announced it.
    key_start: usize,
    explicit: bool,
}

struct Builder<'t> {
    text: &'t str,
    offsets: Offsets,
    tree: Tree,
    /// Node of each anchor, by number; `None` for anchors of keys.
    anchors: Vec<Option<Id>>,
    stack: Vec<Frame>,
    /// End of the last token.
    cursor: usize,
}

impl Builder<'_> {
    fn event(&mut self, event: &Event<'_>, span: Span) -> Result<(), Error> {
        match event {
            Event::SequenceEnd | Event::MappingEnd => return self.close(),
            _ => self.before_node(event)?,
        }
        let (anchor, tagged) = match event {
            Event::Scalar(_, _, anchor, tag) => (*anchor, tag.is_some()),
            Event::SequenceStart(anchor, tag) | Event::MappingStart(anchor, tag) => (*anchor, tag.is_some()),
            _ => (0, false),
        };
        let after = self.cursor;
        let props_end = self.properties(usize::from(anchor > 0) + usize::from(tagged));
        let start = skip_trivia(self.text, props_end);
        let id = self.tree.nodes.len();
        if anchor >= self.anchors.len() {
            self.anchors.resize(anchor + 1, None);
        }
        if anchor > 0 {
            self.anchors[anchor] = Some(id);
        }
        let in_flow = self.stack.last().is_some_and(|frame| {
            let parent = &self.tree.nodes[frame.node];
            parent.in_flow || !parent.is_block_collection()
        });
        let mut node = Node {
            kind: Kind::Alias(None),
            after,
            props_end,
            start,
            end: start,
            anchor,
            tagged,
            in_flow,
            weight: 1,
            owner: None,
        };
        match event {
            Event::Alias(target) => {
                node.end = self.offsets.byte(span.end.index());
                self.alias(&mut node, *target)?;
            }
            Event::Scalar(value, style, ..) => {
                let (scalar, end) = self.scalar(start, *style, value, span);
                if scalar == Scalar::Empty {
                    node.start = props_end;
                }
                node.end = if scalar == Scalar::Empty { props_end } else { end };
                node.kind = Kind::Scalar(scalar);
            }
            _ => {
                let is_map = matches!(event, Event::MappingStart(..));
                let open = self.text.as_bytes().get(start).copied();
                let span_end = self.offsets.byte(span.end.index()).min(self.text.len());
                // A block mapping may begin with a flow key; only a bracket in the span is its own.
                let own = span_end > start;
                let shape = match open {
                    Some(b'{') if is_map && own => Shape::Flow,
                    Some(b'[') if !is_map && own => Shape::Flow,
                    _ if in_flow => Shape::Pair,
                    _ => Shape::Block,
                };
                node.kind = if is_map { Kind::Map(shape, Vec::new()) } else { Kind::Seq(shape, Vec::new()) };
                // Not yet known; 0 marks a node that is still open.
                node.weight = 0;
                self.cursor = start + usize::from(shape == Shape::Flow);
                self.tree.nodes.push(node);
                self.stack.push(Frame { node: id, entry: None, key_start: start, explicit: false });
                if self.stack.len() > MAX_DEPTH {
                    return Err(self.too_deep(start));
                }
                return Ok(());
            }
        }
        self.cursor = node.end;
        if self.stack.last().is_some_and(|frame| frame.entry.is_none()) {
            self.after_key(&node, event)?;
            // Only an anchor makes a scalar key worth keeping: an alias may name it.
            if anchor > 0 {
                self.tree.nodes.push(node);
            }
            return Ok(());
        }
        self.tree.nodes.push(node);
        self.after_value(id);
        Ok(())
    }

    /// Where the entry begins, if the node about to come begins one.
    fn before_node(&mut self, event: &Event<'_>) -> Result<(), Error> {
        let Some(frame) = self.stack.last_mut() else {
            return Ok(());
        };
        let node = &self.tree.nodes[frame.node];
        let (is_map, shape) = match &node.kind {
            Kind::Map(shape, _) => (true, *shape),
            Kind::Seq(shape, _) => (false, *shape),
            _ => return Ok(()),
        };
        if is_map && frame.entry.is_some() {
            return Ok(());
        }
        let mut start = skip_trivia(self.text, self.cursor);
        let bytes = self.text.as_bytes();
        if shape == Shape::Flow && bytes.get(start) == Some(&b',') {
            start = skip_trivia(self.text, start + 1);
        }
        self.cursor = start;
        frame.key_start = start;
        frame.explicit = bytes.get(start) == Some(&b'?') && bytes.get(start + 1).is_none_or(u8::is_ascii_whitespace);
        if shape == Shape::Block {
            let indent = &self.text[tree::line_start(self.text, start)..start];
            if indent.contains('\t') {
                let reason = "the line is indented with a tab; use spaces";
                return Err(Error::refused(self.text, start, reason));
            }
            if !is_map && bytes.get(start) == Some(&b'-') {
                self.cursor = start + 1;
            }
        }
        if !is_map {
            frame.entry = Some((start, Key::Odd, shape == Shape::Block));
        } else if frame.explicit {
            self.cursor = start + 1;
        } else if shape == Shape::Flow && matches!(event, Event::MappingStart(..)) && self.text[..start].ends_with('{')
        {
            let reason = "a Go template ({{ … }}); render it first and edit the result";
            return Err(Error::refused(self.text, start - 1, reason));
        }
        Ok(())
    }

    /// Puts a finished node into its parent.
    fn after_value(&mut self, id: Id) {
        let Some(frame) = self.stack.last_mut() else {
            self.tree.root = Some(id);
            return;
        };
        if let Some((start, key, marked)) = frame.entry.take() {
            let entry = Entry { start, key, marked, value: id };
            match &mut self.tree.nodes[frame.node].kind {
                Kind::Seq(_, entries) | Kind::Map(_, entries) => {
                    let index = entries.len();
                    entries.push(entry);
                    self.tree.nodes[id].owner = Some((frame.node, index));
                }
                _ => {}
            }
        }
    }

    /// Reads the key that ends at the cursor, with its colon; the value comes next.
    fn after_key(&mut self, node: &Node, event: &Event<'_>) -> Result<(), Error> {
        let text = self.text;
        let Some(frame) = self.stack.last_mut() else {
            return Ok(());
        };
        let colon = skip_trivia(text, self.cursor);
        let marked = text.as_bytes().get(colon) == Some(&b':');
        let explicit = frame.explicit || text[self.cursor..colon].contains('\n');
        let key = match event {
            Event::Scalar(value, style, ..) if !explicit && !node.tagged => keys::read(text, node, value, *style),
            _ => Key::Odd,
        };
        if marked {
            self.cursor = colon + 1;
        }
        frame.entry = Some((frame.key_start, key, marked));
        Ok(())
    }

    /// The end of `count` anchors and tags from the cursor, or the cursor itself.
    fn properties(&self, count: usize) -> usize {
        let mut end = self.cursor;
        for _ in 0..count {
            let start = skip_trivia(self.text, end);
            let length = self.text[start..].find(|c: char| c.is_whitespace() || c == ',');
            end = length.map_or(self.text.len(), |length| start + length);
        }
        end
    }

    fn scalar(&self, start: usize, style: ScalarStyle, value: &str, span: Span) -> (Scalar, usize) {
        let rest = &self.text.as_bytes()[start..];
        let end = self.offsets.byte(span.end.index()).min(self.text.len());
        let quoted = |quote: u8| {
            let mut i = 1;
            while let Some(&byte) = rest.get(i) {
                let next = rest.get(i + 1);
                match byte {
                    b'\\' if quote == b'"' => i += 2,
                    b'\'' if quote == b'\'' && next == Some(&b'\'') => i += 2,
                    _ if byte == quote => return start + i + 1,
                    _ => i += 1,
                }
            }
            self.text.len()
        };
        match style {
            ScalarStyle::Plain if value.is_empty() => (Scalar::Empty, start),
            ScalarStyle::Plain => (Scalar::Plain, end),
            ScalarStyle::SingleQuoted => (Scalar::Single, quoted(b'\'')),
            ScalarStyle::DoubleQuoted => (Scalar::Double, quoted(b'"')),
            ScalarStyle::Literal | ScalarStyle::Folded => self.block_scalar(start, end),
        }
    }

    fn block_scalar(&self, start: usize, end: usize) -> (Scalar, usize) {
        let text = self.text;
        let header = text[start..].find(char::is_whitespace).map_or(text.len(), |length| start + length);
        let mut block = Block {
            header_end: header,
            indent: None,
            keep: text[start..header].contains('+'),
            literal: text[start..].starts_with('|'),
        };
        let content = tree::next_line(text, header);
        if end <= content {
            return (Scalar::Block(block), header);
        }
        let lines = || text[content..end].split('\n').map(|l| l.trim_end_matches('\r'));
        block.indent = lines()
            .find(|line| !line.trim_matches(' ').is_empty())
            .map(|line| line.len() - line.trim_start_matches(' ').len());
        let mut last = header;
        let mut at = content;
        for line in lines() {
            let is_content = !line.trim_matches(' ').is_empty()
                || block.indent.is_some_and(|indent| line.len() > indent && at + line.len() < end)
                || (block.keep && at + line.len() < end);
            if is_content {
                last = at + line.len();
            }
            at = tree::next_line(text, at);
        }
        (Scalar::Block(block), last)
    }

    fn alias(&mut self, node: &mut Node, target: usize) -> Result<(), Error> {
        if target >= self.tree.references.len() {
            self.tree.references.resize(target + 1, 0);
        }
        self.tree.references[target] += 1;
        let id = self.anchors.get(target).copied().flatten();
        node.kind = Kind::Alias(id);
        if let Some(id) = id {
            node.weight = self.tree.nodes[id].weight;
            if node.weight == 0 {
                let reason = "an alias refers to the value that contains it; replace the alias with a value";
                return Err(Error::refused(self.text, node.start, reason));
            }
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), Error> {
        let Some(frame) = self.stack.pop() else {
            return Ok(());
        };
        let nodes = &mut self.tree.nodes;
        let count = nodes.len();
        let sum = |sum: usize, entry: &Entry| sum.saturating_add(nodes[entry.value].weight);
        let inner = nodes[frame.node].entries().iter().fold(1, sum);
        let node = &mut nodes[frame.node];
        node.weight = inner;
        if matches!(node.kind, Kind::Map(Shape::Flow, _) | Kind::Seq(Shape::Flow, _)) {
            // The span of the event is that of the comma, if there is one before the bracket.
            let mut close = skip_trivia(self.text, self.cursor);
            if self.text[close..].starts_with(',') {
                close = skip_trivia(self.text, close + 1);
            }
            self.cursor = (close + 1).min(self.text.len());
        }
        node.end = self.cursor;
        let start = node.start;
        if inner > MAX_NODES.max(count * 2) {
            let reason = "the aliases expand to too many values; replace them with their values";
            return Err(Error::refused(self.text, start, reason));
        }
        if let Kind::Map(_, entries) = &nodes[frame.node].kind {
            let found = keys::duplicates(self.text, entries);
            let room = MAX_DUPLICATES.saturating_sub(self.tree.duplicates.len());
            let found = found.into_iter().take(room).map(|(key, all)| (frame.node, key, all));
            self.tree.duplicates.extend(found);
        }
        if self.stack.last().is_some_and(|frame| frame.entry.is_none()) {
            let node = self.tree.nodes[frame.node].clone();
            return self.after_key(&node, &Event::MappingEnd);
        }
        self.after_value(frame.node);
        Ok(())
    }
}
