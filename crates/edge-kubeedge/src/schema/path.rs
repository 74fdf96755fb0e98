//! Paths as lists of steps, and how a row of the key table matches one.
//!
//! A step in square brackets is an index; any other is a key, including its dots.

/// A path as text: dots between keys, quotes around keys that have dots, indexes as they are.
#[must_use]
pub fn format_path<S: AsRef<str>>(path: &[S]) -> String {
    let mut text = String::new();
    for step in path {
        let step = step.as_ref();
        if index(step).is_some() || step == "[]" {
            text.push_str(step);
            continue;
        }
        if !text.is_empty() {
            text.push('.');
        }
        if step.is_empty() || step.contains(['.', '[', ']', '"', ' ', '=']) {
            text.push('"');
            text.push_str(&step.replace('\\', "\\\\").replace('"', "\\\""));
            text.push('"');
        } else {
            text.push_str(step);
        }
    }
    text
}

/// The number in `[3]`.
pub(super) fn index(step: &str) -> Option<&str> {
    step.strip_prefix('[')?
        .strip_suffix(']')
        .filter(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
}

/// How a row's path matches the steps of a path.
#[derive(Clone, Copy)]
pub(super) enum Fit<'a> {
    Whole,
    /// All but the last step, which is this one.
    AllBut(&'a str),
}

pub(super) fn fit<'a>(row: &str, path: &[&'a str]) -> Option<Fit<'a>> {
    let mut rest = row;
    for (position, step) in path.iter().enumerate() {
        if rest.is_empty() {
            let last = position > 0 && position + 1 == path.len();
            return last.then_some(Fit::AllBut(step));
        }
        rest = match rest.strip_prefix("[]") {
            Some(rest) => index(step).map(|_| rest)?,
            None => {
                // Most rows differ from the path in their first letters, so compare instead of searching.
                let rest = rest.strip_prefix('.').unwrap_or(rest);
                let (key, rest) = rest.split_at_checked(step.len())?;
                let ends = matches!(rest.as_bytes().first(), None | Some(b'.' | b'['));
                (ends && key.eq_ignore_ascii_case(step)).then_some(rest)?
            }
        };
    }
    (rest.is_empty() && !path.is_empty()).then_some(Fit::Whole)
}

/// The ends of a row's path: `a.b.c`, `b.c`, `c`.
pub(super) fn tails(row: &str) -> impl Iterator<Item = &str> {
    std::iter::once(row).chain(row.match_indices('.').filter_map(|(dot, _)| row.get(dot + 1..)))
}

/// The steps of a row's path, with the indexes of `path` and what it has beyond the row.
pub(super) fn canonical(path: &[&str], row: &str) -> Vec<String> {
    let mut steps = Vec::new();
    for segment in row.split('.').filter(|segment| !segment.is_empty()) {
        let key = segment.strip_suffix("[]").unwrap_or(segment);
        steps.push(key.to_owned());
        if key.len() < segment.len() {
            let given = path.get(steps.len()).map_or("[]", |step| step);
            steps.push(given.to_owned());
        }
    }
    steps.extend(path.iter().skip(steps.len()).map(|step| (*step).to_owned()));
    steps
}
