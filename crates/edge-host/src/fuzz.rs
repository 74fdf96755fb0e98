//! What the fuzz targets in tests/ call, and no utility.

use std::path::Path;

use serde_json::Value;

use crate::error::Result;
use crate::host::{Common, Host};
use crate::journal::Run;
use crate::report::{Format, Report};

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

/// A record as a line of the journal, with all that a whole line has: changed records reach what is behind
/// the look at a single line.
pub fn journal_line(record: &Value) -> Vec<u8> {
    let mut line = record.to_string().into_bytes();
    line.push(b'\n');
    line
}

/// A host below a directory, for readers that ask it whether the user wants to stop.
pub fn host(dir: &Path) -> Result<Host> {
    let common =
        Common { root: Some(dir.to_path_buf()), dry_run: true, json: false, lock_wait: 0, force_namespace: false };
    Host::new("fuzz", &common, String::new(), Report::new("fuzz", Format::Human))
}
