//! Characters: refuses unsafe ones, and converts character to byte offsets.

use crate::Error;

/// Refuses characters that the two parsers, or two versions of YAML, read differently.
pub(crate) fn check(text: &str) -> Result<(), Error> {
    let bad = |c: char| match c {
        '\n' | '\t' | '\r' | ' '..='~' => false,
        '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => true,
        c => c.is_control(),
    };
    let bytes = text.as_bytes();
    if bytes.iter().all(|b| matches!(b, b' '..=b'~' | b'\n')) {
        return Ok(());
    }
    for (i, c) in text.char_indices() {
        if bad(c) {
            let reason = format!("the character U+{:04X} is not allowed; remove it", c as u32);
            return Err(Error::refused(text, i, reason));
        }
        if c == '\r' && bytes.get(i + 1) != Some(&b'\n') {
            let reason = "a carriage return without a line feed; convert the line endings";
            return Err(Error::refused(text, i, reason));
        }
    }
    Ok(())
}

/// From character to byte offsets.
pub(crate) struct Offsets {
    /// Character index of each character of more than one byte, and the byte offset after it.
    wide: Vec<(usize, usize)>,
}

impl Offsets {
    pub(crate) fn new(text: &str) -> Offsets {
        let mut wide = Vec::new();
        if !text.is_ascii() {
            for (chars, (bytes, c)) in text.char_indices().enumerate() {
                if !c.is_ascii() {
                    wide.push((chars, bytes + c.len_utf8()));
                }
            }
        }
        Offsets { wide }
    }

    pub(crate) fn byte(&self, index: usize) -> usize {
        match self.wide.partition_point(|&(i, _)| i < index) {
            0 => index,
            n => self.wide[n - 1].1 + (index - self.wide[n - 1].0 - 1),
        }
    }
}
