//! The address of a value: `modules.edged.list[0]."dotted.key"`.

use std::fmt;
use std::str::FromStr;

/// One step down.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Step {
    /// Into a mapping, by key.
    Key(String),
    /// Into a sequence, by index from 0.
    Index(usize),
}

/// A path of at least one step from the root of a document.
///
/// Written with dots between keys and `[n]` for items; a key that contains a dot, a bracket, a quote
/// or white space is in double quotes (with `\"` and `\\`) or in single quotes (`''` for one).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Path(Vec<Step>);

/// Why a text is not a valid [`Path`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("path {path:?}: column {column}: {reason}")]
pub struct PathError {
    /// The text as given.
    pub path: String,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong there.
    pub reason: &'static str,
}

impl Path {
    /// A path of these steps, or `None` without any.
    pub fn new(steps: Vec<Step>) -> Option<Path> {
        (!steps.is_empty()).then_some(Path(steps))
    }

    /// The steps, at least one.
    pub fn steps(&self) -> &[Step] {
        &self.0
    }
}

impl FromStr for Path {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Path, PathError> {
        let chars: Vec<char> = text.chars().collect();
        let fail = |at: usize, reason: &'static str| PathError { path: text.to_owned(), column: at + 1, reason };
        let mut steps = Vec::new();
        let mut at = 0;
        loop {
            // At the start of a step: a key, or an index.
            match chars.get(at) {
                None => return Err(fail(at, "a key or [index] is missing")),
                Some('[') => {
                    let close = (at..chars.len())
                        .find(|&i| chars[i] == ']')
                        .ok_or_else(|| fail(at, "the bracket is not closed"))?;
                    let digits: String = chars[at + 1..close].iter().collect();
                    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
                        return Err(fail(at + 1, "an index is a number from 0"));
                    }
                    let index = digits.parse().map_err(|_| fail(at + 1, "the index is too large"))?;
                    steps.push(Step::Index(index));
                    at = close + 1;
                }
                Some(&quote @ ('"' | '\'')) => {
                    let (key, next) = quoted(&chars, at, quote).ok_or_else(|| fail(at, "the quote is not closed"))?;
                    steps.push(Step::Key(key));
                    at = next;
                }
                Some(_) => {
                    let end = (at..chars.len()).find(|&i| is_special(chars[i])).unwrap_or(chars.len());
                    if end == at {
                        return Err(fail(at, "a key is missing here, or it needs quotes: a.\"b.c\""));
                    }
                    steps.push(Step::Key(chars[at..end].iter().collect()));
                    at = end;
                }
            }
            match chars.get(at) {
                None => return Ok(Path(steps)),
                Some('.') => {
                    at += 1;
                    if chars.get(at) == Some(&'[') {
                        return Err(fail(at, "unexpected dot before [index]"));
                    }
                }
                Some('[') => {}
                Some(_) => return Err(fail(at, "expected a dot or [index]")),
            }
        }
    }
}

fn is_special(c: char) -> bool {
    matches!(c, '.' | '[' | ']' | '"' | '\'' | '\\') || c.is_whitespace() || c.is_control()
}

/// The quoted key at `at` and the index after its closing quote.
fn quoted(chars: &[char], at: usize, quote: char) -> Option<(String, usize)> {
    let mut key = String::new();
    let mut i = at + 1;
    loop {
        match *chars.get(i)? {
            '\\' if quote == '"' => {
                key.push(match *chars.get(i + 1)? {
                    'n' => '\n',
                    't' => '\t',
                    other => other,
                });
                i += 2;
            }
            c if c == quote && quote == '\'' && chars.get(i + 1) == Some(&'\'') => {
                key.push('\'');
                i += 2;
            }
            c if c == quote => return Some((key, i + 1)),
            c => {
                key.push(c);
                i += 1;
            }
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(key) => {
                    if i > 0 {
                        f.write_str(".")?;
                    }
                    if !key.is_empty() && !key.contains(is_special) {
                        f.write_str(key)?;
                        continue;
                    }
                    f.write_str("\"")?;
                    for c in key.chars() {
                        match c {
                            '"' | '\\' => write!(f, "\\{c}")?,
                            '\n' => f.write_str("\\n")?,
                            '\t' => f.write_str("\\t")?,
                            c => write!(f, "{c}")?,
                        }
                    }
                    f.write_str("\"")?;
                }
            }
        }
        Ok(())
    }
}
