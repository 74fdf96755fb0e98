//! The items of a List in YAML, without reading them.

use std::ops::Range;

/// Where each item of the top-level `items` is, from its dash to the line before the next; none if the text has no
/// such list.
///
/// An item begins at a dash in the column of the first one: whatever is in an item is indented deeper. What is cut out
/// is parsed later, and a cut in the middle of a quoted text fails there.
pub(super) fn items(text: &str) -> Option<Vec<Range<usize>>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    let (mut at, mut is_below, mut column) = (0, false, None);
    for line in text.split_inclusive('\n') {
        let (start, next) = (at, at + line.len());
        at = next;
        let content = line.trim_start_matches(' ');
        let indent = line.len() - content.len();
        let is_blank = content.trim().is_empty() || content.starts_with('#');
        if !is_below {
            is_below = line.trim_end() == "items:";
            continue;
        }
        let is_dash = content.starts_with("- ");
        match column {
            None if is_blank => {}
            None if is_dash => {
                column = Some(indent);
                found.push(start..next);
            }
            None => return None,
            Some(column) if is_dash && indent == column => found.push(start..next),
            Some(column) if !is_blank && indent <= column => return Some(found),
            Some(_) => found.last_mut()?.end = next,
        }
    }
    column.map(|_| found)
}
