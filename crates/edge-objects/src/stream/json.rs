//! The items of a List in JSON, without reading them.

use std::ops::Range;

/// Where each element of the top-level `items` is; none if the text has no such array.
///
/// Strings and brackets are followed, and no more: what is cut out is parsed later, and a text that is not JSON fails
/// there.
pub(super) fn items(text: &str) -> Option<Vec<Range<usize>>> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut depth = 0_usize;
    // The last string at the top level, and where the current element began.
    let (mut key, mut start) = ("", None);
    let mut in_items = false;
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                let end = string_end(bytes, at)?;
                if depth == 1 {
                    key = &text[at + 1..end - 1];
                }
                at = end;
                continue;
            }
            b'[' | b'{' => {
                if depth == 1 {
                    in_items = key == "items" && bytes[at] == b'[';
                }
                if depth == 2 && in_items {
                    start = (bytes[at] == b'{').then_some(at);
                    start?;
                }
                depth += 1;
            }
            b']' | b'}' => {
                depth = depth.checked_sub(1)?;
                if depth == 2 && in_items {
                    found.push(start?..at + 1);
                } else if depth == 1 && in_items {
                    return Some(found);
                }
            }
            // Only objects and the commas between them.
            byte if depth == 2 && in_items && byte != b',' && !byte.is_ascii_whitespace() => return None,
            _ => {}
        }
        at += 1;
    }
    None
}

/// The byte after a string that begins at `start`.
fn string_end(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}
