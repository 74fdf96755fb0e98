//! For the fuzz targets in tests/; no utility uses it.

use std::path::Path;

use crate::error::Result;
use crate::journal::{Chain, FORMAT, Run, unsealed};

/// What was read of a run's journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalRun {
    /// Length up to the last whole record.
    pub whole_bytes: u64,
    /// How many actions it has.
    pub entries: usize,
    /// All of it, to compare.
    pub shown: String,
}

/// Reads the journal of one run.
pub fn journal(bytes: &[u8]) -> Result<Option<JournalRun>> {
    let run = Run::parse(bytes, Path::new("journal"))?;
    Ok(run.map(|run| JournalRun {
        whole_bytes: run.whole_bytes,
        entries: run.entries.len(),
        shown: format!("{run:?}"),
    }))
}

/// The same lines with correct checksums, so that changed records get past the check of each line.
pub fn resealed(bytes: &[u8]) -> Vec<u8> {
    let (mut chain, mut text) = (Chain::begin(FORMAT), Vec::new());
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        match line.strip_suffix(b"\n").and_then(unsealed) {
            Some(rest) => chain.push_rest(rest, &mut text),
            None => text.extend(line),
        }
    }
    text
}
