//! Whether a stream is complete. YAML does not show it: most cuts between two lines leave a valid document.

use edge_host::{Error, Result};
use edge_yaml::Value;

use crate::source::CHECK_PRODUCER;

/// The end of a stream: whether it may be one at which something is missing.
#[derive(Debug)]
pub struct End<'n> {
    name: &'n str,
    /// The number of the last line with content, if that has a key or a dash and nothing after it.
    open: Option<usize>,
    /// Whether the last value of the last document is empty.
    is_null: bool,
}

impl<'n> End<'n> {
    /// That of a text. Errors: exit 1 for one that ends in the middle of a line.
    pub fn of(name: &'n str, text: &str) -> Result<End<'n>> {
        let lines = text
            .lines()
            .zip(1..)
            .map(|(line, number)| (line.split_once(" #").map_or(line, |(before, _)| before).trim(), number));
        let last = lines.filter(|(line, _)| !line.is_empty() && !line.starts_with('#')).last();
        let open = last.filter(|(line, _)| line.ends_with(':') || *line == "-" || line.ends_with(" -"));
        let open = open.map(|(_, number)| number);
        if let Some(number) = open.filter(|number| *number == text.lines().count() && !text.ends_with('\n')) {
            return Err(
                Error::cannot("use", name, format!("it ends in the middle of line {number}")).hint(CHECK_PRODUCER)
            );
        }
        Ok(End { name, open, is_null: false })
    }

    /// Another document of the stream.
    pub fn document(&mut self, value: &Value) {
        if !value.is_null() {
            self.is_null = last_of(value).is_null();
        }
    }

    /// Text that is not a document of its own.
    pub fn frame(&mut self) {
        self.is_null = false;
    }

    /// Errors: exit 1 if the stream ends with a key or a dash whose value is missing.
    pub fn require(&self) -> Result<()> {
        let Some(line) = self.open.filter(|_| self.is_null) else { return Ok(()) };
        let cause = format!("it ends with line {line}, which has no value");
        Err(Error::cannot("use", self.name, cause)
            .hint("check that the input is complete; write null there if the value is empty on purpose"))
    }
}

/// The last value in a value.
fn last_of(value: &Value) -> &Value {
    let mut value = value;
    loop {
        let last = match value {
            Value::Mapping(entries) => entries.iter().last().map(|(_, value)| value),
            Value::Sequence(items) => items.last(),
            _ => None,
        };
        let Some(last) = last else { return value };
        value = last;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cut_off_input_is_refused() {
        for text in ["a: 1\nmetadata:", "a:\n  - b:", "a:\n  -", "a:\n- - -"] {
            let error = End::of("input", text).unwrap_err();
            assert!(error.message().contains("it ends in the middle of line"), "{error}");
        }
        for text in ["a: 1", "a:\n", "a: b # c:", "# c:", "{\"a\": 1}"] {
            assert!(End::of("input", text).is_ok(), "{text}");
        }
    }
}
