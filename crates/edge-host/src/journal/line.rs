//! The format of a record in its file: one line of JSON with a checksum.
//!
//! `{"sum":"0123456789abcdef","record":…}`: the first 16 hex digits of a SHA-256 over the sum of the previous line
//! and everything after its own. So any changed bit is detected, and so is a line that is missing, repeated or
//! moved. Format 1 had no sums; its runs are still read and continued.

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::record::Record;
use crate::error::{Error, Result};
use crate::root::hex;

/// The format that new runs are written in.
pub(crate) const FORMAT: u32 = 2;
/// Without sums.
pub(crate) const FORMAT_1: u32 = 1;

const BEFORE_SUM: &[u8] = b"{\"sum\":\"";
const AFTER_SUM: &[u8] = b"\",";
const SUM_LEN: usize = 16;

/// Deepest nesting of the values that a utility puts into a record. The reader stops at 128 levels, and a
/// record has fewer than ten of its own.
pub(crate) const MAX_DEPTH: usize = 100;

/// The state of the chain of checksums: input of the sum of the next line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chain {
    format: u32,
    sum: String,
}

impl Chain {
    /// Before the first line of a run.
    pub(crate) fn begin(format: u32) -> Chain {
        Chain { format, sum: String::new() }
    }

    /// Before the first line of this file, in the format of that line.
    pub(crate) fn of_first_line(line: &[u8]) -> Chain {
        Chain::begin(if line.starts_with(BEFORE_SUM) { FORMAT } else { FORMAT_1 })
    }

    pub(crate) fn format(&self) -> u32 {
        self.format
    }

    /// Adds the line of a record, with its line break.
    pub(crate) fn push(&mut self, record: &Record, text: &mut Vec<u8>) -> serde_json::Result<()> {
        let json = serde_json::to_vec(record)?;
        self.push_rest(json.get(1..).unwrap_or_default(), text);
        Ok(())
    }

    /// Adds the line of a record that is written already, without its first brace.
    pub(crate) fn push_rest(&mut self, rest: &[u8], text: &mut Vec<u8>) {
        if self.format == FORMAT_1 {
            text.push(b'{');
        } else {
            self.sum = self.next(rest);
            text.extend(BEFORE_SUM);
            text.extend(self.sum.as_bytes());
            text.extend(AFTER_SUM);
        }
        text.extend(rest);
        text.push(b'\n');
    }

    /// The JSON of a line without its line break; `None` if the checksum does not match.
    pub(crate) fn take<'l>(&mut self, line: &'l [u8]) -> Option<Line<'l>> {
        if self.format == FORMAT_1 {
            return Some(Line { rest: line.strip_prefix(b"{")? });
        }
        let (sum, rest) = split(line)?;
        let next = self.next(rest);
        if next.as_bytes() != sum {
            return None;
        }
        self.sum = next;
        Some(Line { rest })
    }

    fn next(&self, rest: &[u8]) -> String {
        let sum = Sha256::new().chain_update(&self.sum).chain_update(rest).finalize();
        hex(&sum)[..SUM_LEN].to_owned()
    }
}

/// The sum of a line and the rest after it.
fn split(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let (sum, rest) = line.strip_prefix(BEFORE_SUM)?.split_at_checked(SUM_LEN)?;
    Some((sum, rest.strip_prefix(AFTER_SUM)?))
}

/// The rest of a line after its sum, right or wrong, or after its first brace if it has none.
pub(crate) fn unsealed(line: &[u8]) -> Option<&[u8]> {
    split(line).map(|(_, rest)| rest).or_else(|| line.strip_prefix(b"{"))
}

/// A line with a correct sum.
#[derive(Debug)]
pub(crate) struct Line<'l> {
    /// Everything after the sum; the brace before it is missing.
    rest: &'l [u8],
}

impl Line<'_> {
    /// Its record, or another type that is read from it.
    pub(crate) fn read<T: serde::de::DeserializeOwned>(&self) -> serde_json::Result<T> {
        serde_json::from_slice(&[b"{", self.rest].concat())
    }
}

/// Whether the last line of a file closes its run, in either format.
pub(crate) fn closes(end: &[u8]) -> bool {
    let Some(line) = end.strip_suffix(b"\n").and_then(|end| end.rsplit(|byte| *byte == b'\n').next()) else {
        return false;
    };
    ["end", "kept", "reverted"].iter().any(|word| line.ends_with(format!("\"record\":\"{word}\"}}").as_bytes()))
}

/// Long enough for a record that closes a run.
pub(crate) const CLOSING_LEN: u64 = 64;

/// Refuses a value that could be written but not read again.
pub(crate) fn check_depth(value: &Value) -> Result<()> {
    let mut level: Vec<&Value> = vec![value];
    for _ in 0..=MAX_DEPTH {
        level = level
            .into_iter()
            .flat_map(|value| match value {
                Value::Array(items) => items.iter().collect::<Vec<_>>(),
                Value::Object(fields) => fields.values().collect(),
                _ => Vec::new(),
            })
            .collect();
        if level.is_empty() {
            return Ok(());
        }
    }
    Err(Error::refused(format!("a value in it is nested more than {MAX_DEPTH} levels deep, too deep for the journal")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(records: &[Record]) -> Vec<u8> {
        let (mut chain, mut text) = (Chain::begin(FORMAT), Vec::new());
        records.iter().for_each(|record| chain.push(record, &mut text).unwrap());
        text
    }

    fn read(text: &[u8]) -> Option<Vec<Record>> {
        let mut chain = Chain::begin(FORMAT);
        text.strip_suffix(b"\n")?.split(|byte| *byte == b'\n').map(|line| chain.take(line)?.read().ok()).collect()
    }

    #[test]
    fn line_that_was_changed_moved_or_removed_is_detected() {
        let records = [Record::Begun { seq: 0 }, Record::Undone { seq: 1 }, Record::End];
        let text = written(&records);
        assert_eq!(read(&text).unwrap(), records);
        for bit in 0..8 * (text.len() - 1) {
            let mut flipped = text.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(read(&flipped), None, "bit {bit}");
        }
        let lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
        for order in [vec![1, 2], vec![0, 2], vec![1, 0, 2], vec![0, 0, 1, 2], vec![0, 1, 1, 2]] {
            let text: Vec<u8> = order.iter().flat_map(|at| lines[*at].to_vec()).collect();
            assert_eq!(read(&text), None, "{order:?}");
        }
    }

    #[test]
    fn closes_recognizes_the_last_record_of_a_closed_run() {
        for record in [Record::End, Record::Kept, Record::Reverted] {
            let text = written(&[Record::Begun { seq: 7 }, record]);
            assert!(closes(&text) && closes(&text[text.len() - usize::try_from(CLOSING_LEN).unwrap()..]));
            assert!(!closes(&text[..text.len() - 1]));
        }
        assert!(closes(b"{\"record\":\"run\"}\n{\"record\":\"end\"}\n"), "format 1");
        assert!(!closes(&written(&[Record::End, Record::Undone { seq: 0 }])));
        assert!(!closes(b"") && !closes(b"\n"));
    }

    #[test]
    fn check_depth_accepts_what_can_be_read() {
        let nested = |levels: usize| (0..levels).fold(Value::Null, |value, _| Value::Array(vec![value]));
        assert!(check_depth(&nested(MAX_DEPTH)).is_ok());
        assert!(check_depth(&nested(MAX_DEPTH + 1)).is_err());
    }
}
