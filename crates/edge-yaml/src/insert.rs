//! Inserts a key or item, with the missing mappings and lists on its path.

use crate::emit::{self, Place, Quotes};
use crate::source::{Source, Splice};
use crate::tree::{self, Id, Kind, Node, Scalar, Shape};
use crate::{Error, MAX_DEPTH, Step, replace};
use serde_yaml::{Mapping, Value};

/// Puts `value` under the steps that are missing below `node`.
pub(crate) fn entry(source: Source<'_>, id: Id, steps: &[Step], value: &Value) -> Result<Vec<Splice>, Error> {
    let node = &source.tree.nodes[id];
    let Some((step, rest)) = steps.split_first() else {
        return Ok(Vec::new());
    };
    let too_far = |n: usize| format!("the list has {n} items; index {n} appends, and a higher index is not possible");
    match (&node.kind, step) {
        (Kind::Scalar(_), _) => return grow(source, id, &wrap(source, id, steps, value)?),
        (Kind::Seq(_, items), Step::Index(index)) if *index > items.len() => {
            return Err(source.refused(id, too_far(items.len())));
        }
        _ => {}
    }
    let value = wrap(source, id, rest, value)?;
    match &node.kind {
        Kind::Map(Shape::Pair, _) | Kind::Seq(Shape::Pair, _) => {
            Err(source.refused(id, "a \"key: value\" pair in a list has no braces; add them first: [{a: 1}]"))
        }
        Kind::Map(Shape::Flow, entries) | Kind::Seq(Shape::Flow, entries) => {
            if entries.is_empty() && !node.in_flow && !source.text[node.start..node.end].contains('\n') {
                let whole = wrap(source, id, std::slice::from_ref(step), &value)?;
                return grow(source, id, &whole);
            }
            into_flow(source, id, step, &value)
        }
        Kind::Map(Shape::Block, entries) | Kind::Seq(Shape::Block, entries) => {
            let column = entries.first().map_or(0, |e| tree::column(source.text, e.start));
            let at = end_of_block(source, id, column);
            let source = source.settled(at, column);
            let mut line = String::new();
            line.push_str(source.style.eol);
            line.extend(std::iter::repeat_n(' ', column));
            match step {
                Step::Key(key) => {
                    line.push_str(&emit::string(key, Place::Key, Quotes::AsNeeded));
                    line.push(':');
                    emit::after_key(&mut line, &value, column, source.style)?;
                }
                Step::Index(_) => {
                    line.push_str("- ");
                    emit::item_value(&mut line, &value, column, source.style)?;
                }
            }
            if at == source.text.len() && open_literal(source, node) {
                let reason = "the last line of a block scalar has no line break; add one first";
                return Err(Error::refused(source.text, node.end, reason));
            }
            if at == source.text.len() && emit::ends_with_literal(&value, source.style) {
                line.push_str(source.style.eol);
            }
            Ok(vec![Splice::new(at, at, line)])
        }
        Kind::Scalar(_) | Kind::Alias(_) => Ok(Vec::new()),
    }
}

/// Puts the whole path into a text without any value.
pub(crate) fn into_empty(source: Source<'_>, steps: &[Step], value: &Value) -> Result<Vec<Splice>, Error> {
    let mut out = String::new();
    let whole = wrap_at(source, source.tree.begin, steps, value)?;
    emit::block(&mut out, &whole, 0, source.style)?;
    let at = source.text.len();
    let eol = source.style.eol;
    if at == 0 || source.text.ends_with('\n') || emit::ends_with_literal(value, source.style) {
        out.push_str(eol);
    }
    if at > 0 && !source.text.ends_with('\n') {
        out.insert_str(0, eol);
    }
    Ok(vec![Splice::new(at, at, out)])
}

/// Makes a collection of a null or an empty `{}` or `[]`.
fn grow(source: Source<'_>, id: Id, whole: &Value) -> Result<Vec<Splice>, Error> {
    if let Some((owner, index)) = source.tree.owner(id) {
        return replace::value(source, owner, index, whole);
    }
    // The root.
    let node = &source.tree.nodes[id];
    let mut out = String::new();
    emit::block(&mut out, whole, 0, source.style)?;
    let eol = source.style.eol;
    if node.end == source.text.len() && emit::ends_with_literal(whole, source.style) {
        out.push_str(eol);
    }
    if matches!(node.kind, Kind::Scalar(Scalar::Empty)) {
        let at = tree::line_end(source.text, source.tree.begin.max(node.props_end));
        return Ok(vec![Splice::new(at, at, format!("{eol}{out}"))]);
    }
    if tree::line_start(source.text, node.start) != node.start {
        out.insert_str(0, eol);
    }
    Ok(vec![Splice::new(node.start, node.end, out)])
}

fn into_flow(source: Source<'_>, id: Id, step: &Step, value: &Value) -> Result<Vec<Splice>, Error> {
    let node = &source.tree.nodes[id];
    let quotes = source.flow_quotes(id);
    let mut text = match step {
        Step::Key(key) => format!("{}: ", emit::string(key, Place::Key, quotes)),
        Step::Index(_) => String::new(),
    };
    text.push_str(&emit::inline(value, Place::Flow, quotes)?);
    let Some(last) = node.entries().last() else {
        return Ok(vec![Splice::new(node.start + 1, node.start + 1, text)]);
    };
    let value = &source.tree.nodes[last.value];
    if matches!(value.kind, Kind::Scalar(Scalar::Empty)) {
        let reason = "a key in braces has no value; add one first";
        return Err(Error::refused(source.text, last.start, reason));
    }
    Ok(vec![Splice::new(value.end, value.end, format!(", {text}"))])
}

/// Where the next entry is inserted: after the line of the last one, and after the comments below it
/// that are indented as deep as the entries.
fn end_of_block(source: Source<'_>, id: Id, column: usize) -> usize {
    let text = source.text;
    let node = &source.tree.nodes[id];
    let mut end = tree::line_end(text, node.end).min(source.tree.finish.max(node.end));
    let is_map = matches!(node.kind, Kind::Map(..));
    let indentless = !is_map
        && source.tree.owner(id).is_some_and(|(owner, index)| {
            tree::column(text, source.tree.nodes[owner].entries()[index].start) == column
        });
    if indentless {
        return end;
    }
    loop {
        let next = tree::next_line(text, end);
        let line = &text[next..tree::line_end(text, next)];
        let indent = line.len() - line.trim_start_matches(' ').len();
        if next >= source.tree.finish || indent < column || !line.trim_start().starts_with('#') {
            return end;
        }
        end = next + line.len();
    }
}

/// Whether the node ends with a block scalar that ends with the text.
fn open_literal(source: Source<'_>, node: &Node) -> bool {
    let mut node = node;
    while let Some(last) = node.entries().last() {
        node = &source.tree.nodes[last.value];
    }
    match node.kind {
        Kind::Scalar(Scalar::Block(block)) => {
            node.end == source.text.len() && !source.text[node.start..block.header_end].contains('-')
        }
        _ => false,
    }
}

/// The value inside the mappings and lists that these steps name.
fn wrap(source: Source<'_>, id: Id, steps: &[Step], value: &Value) -> Result<Value, Error> {
    wrap_at(source, source.tree.nodes[id].start, steps, value)
}

fn wrap_at(source: Source<'_>, at: usize, steps: &[Step], value: &Value) -> Result<Value, Error> {
    if steps.len() > MAX_DEPTH {
        let reason = format!("the path has more than {MAX_DEPTH} steps");
        return Err(Error::refused(source.text, at, reason));
    }
    let mut whole = value.clone();
    for step in steps.iter().rev() {
        whole = match step {
            Step::Key(key) => {
                let mut map = Mapping::new();
                map.insert(Value::String(key.clone()), whole);
                Value::Mapping(map)
            }
            Step::Index(0) => Value::Sequence(vec![whole]),
            Step::Index(n) => {
                let reason = format!("a new list begins with index 0, not {n}");
                return Err(Error::refused(source.text, at, reason));
            }
        };
    }
    Ok(whole)
}
