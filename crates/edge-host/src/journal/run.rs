//! One run, read from its records.

use std::path::Path;

use serde_json::Value;

use super::line::{Chain, FORMAT};
use super::record::{Change, Header, Intent, Record};
use crate::error::{Error, Result};
use crate::root::{Content, State};

/// A run that was read.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) header: Header,
    pub(crate) entries: Vec<Entry>,
    /// All of it is done; the previous keys are being renamed.
    pub(crate) finished: bool,
    pub(crate) ended: bool,
    /// An undo began, and has not closed it again.
    pub(crate) reverting: bool,
    pub(crate) kept: bool,
    pub(crate) reverted: bool,
    /// Length up to the last whole record.
    pub(crate) whole_bytes: u64,
    /// The chain of checksums at that point.
    pub(crate) chain: Chain,
    /// Whether it contains new content that is erased when it is closed.
    pub(crate) holds_new_content: bool,
    /// Whether it replaces a private key.
    pub(crate) replaces_keys: bool,
}

/// One action of a run.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) intent: Intent,
    pub(crate) progress: Progress,
    /// Whether a command was started; without `Done` it is unknown whether it did its work.
    pub(crate) begun: bool,
    /// The state after it, if it was not known before.
    pub(crate) after: Option<State>,
    /// Old and new content of an undo in place that may be half-written.
    pub(crate) undoing: Option<(Content, Content)>,
    /// What is in the trash may be deleted in part.
    pub(crate) purged: bool,
}

/// How far an action is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Intended; its two states show whether it was done.
    Pending,
    Done,
    Void,
    Undone,
}

impl Entry {
    fn new(intent: Intent) -> Entry {
        Entry { intent, progress: Progress::Pending, begun: false, after: None, undoing: None, purged: false }
    }

    /// Whether it changed the host, or may have, and is not undone.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.progress, Progress::Done | Progress::Pending)
    }
}

impl Run {
    /// Reads the records of one run; `None` if there is no whole record. An incomplete last line comes from an
    /// interruption and is ignored; any other damage is refused, as an undo from a part of the records would be
    /// wrong.
    pub(crate) fn parse(bytes: &[u8], path: &Path) -> Result<Option<Run>> {
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').unwrap_or(0);
        let mut lines = bytes[..whole].split(|byte| *byte == b'\n').enumerate();
        let Some((_, first)) = lines.next().filter(|_| whole > 0) else { return Ok(None) };
        let mut chain = Chain::of_first_line(first);
        let header = Run::header(&mut chain, first, path)?;
        let mut run = Run {
            header,
            entries: Vec::new(),
            finished: false,
            ended: false,
            reverting: false,
            kept: false,
            reverted: false,
            whole_bytes: whole as u64 + 1,
            chain,
            holds_new_content: false,
            replaces_keys: false,
        };
        for (index, line) in lines {
            let line = run.chain.take(line).ok_or_else(|| damaged(path, index, "the checksum does not match"))?;
            let record = line.read().map_err(|_| damaged(path, index, "it is not a valid record"))?;
            run.take(record).ok_or_else(|| damaged(path, index, "the record is out of place"))?;
        }
        Ok(Some(run))
    }

    fn header(chain: &mut Chain, line: &[u8], path: &Path) -> Result<Header> {
        let line = chain.take(line).ok_or_else(|| damaged(path, 0, "the checksum does not match"))?;
        let value: Value = line.read().map_err(|_| damaged(path, 0, "it is not a JSON record"))?;
        match value.get("format").and_then(Value::as_u64) {
            Some(format) if format == u64::from(chain.format()) => {}
            Some(format) if format > u64::from(FORMAT) => {
                return Err(Error::refused(format!(
                    "cannot read the journal {}: this version does not support record format {format}",
                    path.display()
                ))
                .hint("use the version that wrote it, or a newer one"));
            }
            Some(_) => return Err(damaged(path, 0, "the format number does not match the content")),
            None => return Err(damaged(path, 0, "it has no format number")),
        }
        match serde_json::from_value(value) {
            Ok(Record::Run(header)) => Ok(header),
            _ => Err(damaged(path, 0, "the record of the run is missing")),
        }
    }

    fn take(&mut self, record: Record) -> Option<()> {
        match record {
            Record::Run(_) => return None,
            Record::Intent(intent) => {
                if intent.seq != self.entries.len() {
                    return None;
                }
                (self.ended, self.finished) = (false, false);
                if let Change::Write(write) = &intent.change {
                    self.holds_new_content |= write.in_place.is_some();
                    self.replaces_keys |= write.kept_old;
                }
                self.entries.push(Entry::new(*intent));
            }
            Record::Begun { seq } => self.entries.get_mut(seq)?.begun = true,
            Record::Failed { seq } => self.entries.get_mut(seq)?.begun = false,
            Record::Done { seq, after } => {
                let entry = self.entries.get_mut(seq)?;
                entry.progress = Progress::Done;
                entry.after = after;
                entry.undoing = None;
            }
            Record::Void { seq } => self.entries.get_mut(seq)?.progress = Progress::Void,
            Record::Undoing { seq, from, to } => {
                self.holds_new_content = true;
                self.entries.get_mut(seq)?.undoing = Some((from, to));
            }
            Record::Undone { seq } => {
                let entry = self.entries.get_mut(seq)?;
                entry.progress = Progress::Undone;
                entry.undoing = None;
            }
            Record::Purged { seq } => self.entries.get_mut(seq)?.purged = true,
            Record::Finished => self.finished = true,
            Record::End => (self.ended, self.reverting) = (true, false),
            Record::Kept => (self.kept, self.reverting) = (true, false),
            Record::Reverting => self.reverting = true,
            Record::Reverted => (self.reverted, self.reverting) = (true, false),
        }
        Some(())
    }

    /// Whether it was interrupted before its end.
    pub(crate) fn is_unfinished(&self) -> bool {
        !self.ended && !self.reverted
    }

    /// Whether an undo of it was begun and not finished.
    pub(crate) fn is_half_undone(&self) -> bool {
        let begun = |entry: &Entry| entry.progress == Progress::Undone || entry.undoing.is_some();
        !self.reverted && self.entries.iter().any(begun)
    }
}

fn damaged(path: &Path, index: usize, what: &str) -> Error {
    Error::refused(format!("cannot read the journal {}: line {}: {what}", path.display(), index + 1))
}
