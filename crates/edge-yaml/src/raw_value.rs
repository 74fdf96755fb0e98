//! The text of a value, from which it can be restored exactly.
//!
//! A parsed value is not enough to restore its text: `0123` is a number to some readers and a string to
//! others, and a float loses digits. So the text is kept, and restored only where the second parser reads
//! the same value from it.

use crate::tree::{self, Id, Key, Kind, Scalar, Tree};
use crate::{Document, Edit, Error, Path, Position, Step, emit, proof};
use serde_yaml::Value;

/// The bytes of a value, from the `:` or `-` before it to its last one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawValue {
    /// The text, with an anchor and a tag, and with the line ends and comments in it.
    pub text: String,
    /// How many bytes of it are before the content: white space, anchor, tag.
    pub props: usize,
    /// The column, from 0, where its key or dash is.
    pub column: usize,
    /// Every reader reads the same value from it, so that it may be written in another form.
    pub is_common: bool,
}

impl RawValue {
    /// The value, as the second parser reads it by itself; none where it depends on the text around it.
    pub fn value(&self) -> Option<Value> {
        let indent = " ".repeat(self.column);
        let alone =
            format!("{indent}k:{}{}\n", if self.text.starts_with(char::is_whitespace) { "" } else { " " }, self.text);
        Document::parse(&alone).ok()?.merged().get("k").cloned()
    }
}

impl Document<'_> {
    /// The text of the value at a path; none if there is none, or it comes from an alias or a merge key.
    pub fn raw_value(&self, path: &Path) -> Option<RawValue> {
        let (owner, index) = find(&self.tree, self.text, path.steps())?;
        let entry = &self.tree.nodes[owner].entries()[index];
        let node = &self.tree.nodes[entry.value];
        Some(RawValue {
            text: self.text[node.after..node.end.max(node.after)].to_owned(),
            props: node.props_end - node.after,
            column: tree::column(self.text, entry.start),
            is_common: is_common(&self.tree, self.text, entry.value),
        })
    }

    /// The whole text with `value` at a path, as it was `written`.
    ///
    /// Where that is no longer possible, a value that every reader reads the same is written in another form.
    ///
    /// # Errors
    /// As [`Document::apply`], and [`Error::Refused`] where the value cannot be restored exactly.
    pub fn restore(&self, path: &Path, value: &Value, written: &RawValue) -> Result<String, Error> {
        let anew = |value: Value| self.apply(&[Edit::Set { path: path.clone(), value }]).map(|edited| edited.text);
        // It replaces a null, so that all checks of an edit apply.
        let with_null = anew(Value::Null)?;
        if let Some(text) = exactly(&with_null, path, value, written) {
            return Ok(text);
        }
        if written.is_common {
            return anew(value.clone());
        }
        let position = self.position(path).unwrap_or(Position { line: 1, column: 1 });
        let reason = format!("{path} cannot be restored as it was written; use a text editor");
        Err(Error::Refused { position, reason })
    }
}

/// The text with these very bytes at the path, if the second parser then reads the value from it.
fn exactly(text: &str, path: &Path, value: &Value, written: &RawValue) -> Option<String> {
    let document = Document::parse(text).ok()?;
    let (owner, index) = find(&document.tree, document.text, path.steps())?;
    let entry = &document.tree.nodes[owner].entries()[index];
    let node = &document.tree.nodes[entry.value];
    let own_props = &document.text[node.after..node.props_end];
    let has_props = !own_props.trim().is_empty();
    let (at, bytes) = match written.text.get(..written.props)? {
        // An anchor that an edit has kept is not written again.
        props if has_props && props != own_props => (node.props_end, written.text.get(written.props..)?),
        _ => (node.after, written.text.as_str()),
    };
    if bytes.contains('\n') && tree::column(document.text, entry.start) != written.column {
        return None;
    }
    let bare = [&document.text[..at], bytes, &document.text[node.end.max(at)..]].concat();
    let mut expected = document.value.clone();
    proof::make(&mut expected, path.steps(), Some(value));
    let all: Vec<&Value> = std::iter::once(&expected).chain(&document.later).collect();
    proof::check(&bare, &all).ok()?;
    let back = Document::parse(&bare).ok()?.raw_value(path)?;
    (back.text == written.text || at == node.props_end).then(|| format!("{}{bare}", document.bom))
}

/// The entry at these steps itself: no alias and no merge key is followed.
fn find(tree: &Tree, text: &str, steps: &[Step]) -> Option<(Id, usize)> {
    let (last, way) = steps.split_last()?;
    let mut node = tree.root?;
    for step in way {
        let index = tree.find(text, node, step)?;
        node = tree.nodes[node].entries()[index].value;
    }
    tree.find(text, node, last).map(|index| (node, index))
}

/// Whether every reader reads the same value: YAML 1.1 and 1.2, with 64-bit numbers.
fn is_common(tree: &Tree, text: &str, id: Id) -> bool {
    let node = &tree.nodes[id];
    if node.anchor > 0 || node.tagged {
        return false;
    }
    match &node.kind {
        Kind::Alias(_) => false,
        Kind::Scalar(Scalar::Plain) => is_common_plain(&text[node.start..node.end]),
        Kind::Scalar(_) => true,
        Kind::Seq(_, entries) => entries.iter().all(|entry| is_common(tree, text, entry.value)),
        Kind::Map(_, entries) => entries.iter().all(|entry| {
            let is_text = matches!(entry.key, Key::Slice(_) | Key::Text(_));
            let key = entry.key.text(text).is_some_and(|key| key != "<<" && !emit::is_ambiguous(key));
            is_text && key && is_common(tree, text, entry.value)
        }),
    }
}

fn is_common_plain(text: &str) -> bool {
    let is_number = text.parse::<i64>().is_ok_and(|number| number.to_string() == text);
    is_number || ["true", "false", "null"].contains(&text) || !emit::is_ambiguous(text)
}
