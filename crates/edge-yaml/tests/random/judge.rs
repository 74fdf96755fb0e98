//! What of a text an edit may touch.

use edge_yaml::{Document, Path, Value};

pub(crate) fn read(text: &str) -> Vec<Value> {
    let text = text.trim_start_matches('\u{feff}');
    serde_yaml::Deserializer::from_str(text).map(|d| serde::Deserialize::deserialize(d).unwrap()).collect()
}

/// How many times each numbered comment is in a text.
pub(crate) fn comments(text: &str) -> Vec<&str> {
    text.lines()
        .filter_map(|line| line.rfind("# c").map(|at| line[at..].trim_end()))
        .filter(|c| c.ends_with('{'))
        .collect()
}

/// Lines of `before` that are gone from `after`; the first and last one, and how many new ones.
pub(crate) fn outside(before: &str, after: &str) -> (usize, usize) {
    let (b, a): (Vec<_>, Vec<_>) = (before.split_inclusive('\n').collect(), after.split_inclusive('\n').collect());
    let head = b.iter().zip(&a).take_while(|(x, y)| x == y).count();
    let tail = b[head..].iter().rev().zip(a[head..].iter().rev()).take_while(|(x, y)| x == y).count();
    (head, b.len() - tail)
}

/// The lines, from 1, between the entry at a path and the entry after it: those it may change.
pub(crate) fn extent(text: &str, path: &Path, document: &Document<'_>, lines: usize) -> (usize, usize) {
    // A parent that becomes empty gets its brackets on the line of its key.
    let mut steps = path.steps().to_vec();
    steps.pop();
    let parent = Path::new(steps).and_then(|p| document.position(&p)).map_or(1, |p| p.line);

    let own = document.position(path).unwrap();
    let indent = text.lines().nth(own.line - 1).map_or(0, |l| l.len() - l.trim_start().len());
    // Until the next line with content that is not deeper, plus one for a dash that moves up.
    let mut end = own.line;
    for (i, line) in text.lines().enumerate().skip(own.line) {
        let deep = line.len() - line.trim_start().len();
        let content = !line.trim().is_empty() && !line.trim_start().starts_with('#');
        if content && deep <= indent && !line.trim_start().starts_with('-') {
            end = i + 1;
            break;
        }
        end = i + 1;
    }
    (parent, end.min(lines).max(own.line))
}
