//! Reads the keys of a mapping, and finds duplicates.

use crate::tree::{Entry, Key, Node};
use crate::{emit, proof};
use saphyr_parser::ScalarStyle;

/// The key of a scalar without a tag.
pub(crate) fn read(text: &str, node: &Node, value: &str, style: ScalarStyle) -> Key {
    if style == ScalarStyle::Plain && !emit::is_plain(value, emit::Place::Key) {
        // Perhaps a number or the like: the second parser's reading counts.
        let read = proof::scalar(value);
        if !matches!(read, Some(serde_yaml::Value::String(_))) {
            let other = read.and_then(|v| proof::key_text(&v).map(Key::Other));
            return other.unwrap_or(Key::Odd);
        }
    }
    let quotes = usize::from(style != ScalarStyle::Plain);
    let range = node.start + quotes..node.end.saturating_sub(quotes);
    if text.get(range.clone()) == Some(value) { Key::Slice(range) } else { Key::Text(value.to_owned()) }
}

/// The keys that are set more than once, each with its entries.
pub(crate) fn duplicates(text: &str, entries: &[Entry]) -> Vec<(String, Vec<usize>)> {
    // For few keys, comparing is faster than sorting.
    let texts = || entries.iter().map(|e| e.key.text(text));
    let clear = |(i, key): (usize, Option<&str>)| key.is_none() || texts().take(i).all(|k| k != key);
    if entries.len() <= 16 && texts().enumerate().all(clear) {
        return Vec::new();
    }
    let identity = |i: usize| {
        let key = &entries[i].key;
        (matches!(key, Key::Other(..)), key.text(text))
    };
    let mut order: Vec<usize> = (0..entries.len()).filter(|&i| identity(i).1.is_some()).collect();
    order.sort_by_key(|&i| identity(i));
    let mut found: Vec<(String, Vec<usize>)> = order
        .chunk_by(|&a, &b| identity(a) == identity(b))
        .filter(|same| same.len() > 1)
        .map(|same| (identity(same[0]).1.unwrap_or_default().to_owned(), same.to_vec()))
        .collect();
    found.sort_by_key(|(_, all)| all[0]);
    found
}
