//! One run as its records tell it.

use std::path::Path;

use serde_json::Value;

use super::record::{FORMAT, Header, Intent, Record};
use crate::error::{Error, Result};
use crate::root::{Content, State};

/// A run that was read.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) header: Header,
    pub(crate) entries: Vec<Entry>,
    pub(crate) ended: bool,
    pub(crate) reverted: bool,
    /// Length up to the last whole record.
    pub(crate) whole_bytes: u64,
}

/// One action of a run.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) intent: Intent,
    pub(crate) progress: Progress,
    /// A command that was started; without `Done` it is not known whether it did its work.
    pub(crate) begun: bool,
    /// What it left, where only doing it could tell.
    pub(crate) after: Option<State>,
    /// Both sides of an undo in place that may have been torn.
    pub(crate) undoing: Option<(Content, Content)>,
}

/// How far an action is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Intended; whether it was done, its two states tell.
    Pending,
    Done,
    Void,
    Undone,
}

impl Entry {
    fn new(intent: Intent) -> Entry {
        Entry { intent, progress: Progress::Pending, begun: false, after: None, undoing: None }
    }

    /// Whether it changed the host, or may have, and is not taken back.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.progress, Progress::Done | Progress::Pending)
    }
}

impl Run {
    /// Reads the records of one run. A torn last line is left out; anything else that cannot be
    /// understood is refused, as an undo built on half of it would be wrong.
    pub(crate) fn parse(bytes: &[u8], path: &Path) -> Result<Option<Run>> {
        let mut run: Option<Run> = None;
        let mut whole_bytes = 0;
        let mut lines = bytes.split_inclusive(|byte| *byte == b'\n').enumerate().peekable();
        while let Some((index, line)) = lines.next() {
            let value = match serde_json::from_slice::<Value>(line) {
                Ok(value) if line.ends_with(b"\n") => value,
                _ if lines.peek().is_none() => break,
                _ => return Err(damaged(path, index, "it is not a JSON record")),
            };
            if index == 0 {
                check_format(&value, path)?;
            }
            let record = serde_json::from_value(value).map_err(|cause| damaged(path, index, &cause.to_string()))?;
            match (&mut run, record) {
                (None, Record::Run(header)) => {
                    run = Some(Run { header, entries: Vec::new(), ended: false, reverted: false, whole_bytes: 0 });
                }
                (Some(run), record) => {
                    run.take(record).ok_or_else(|| damaged(path, index, "it does not belong there"))?
                }
                (None, _) => return Err(damaged(path, index, "the run's own record is missing")),
            }
            whole_bytes += line.len() as u64;
        }
        Ok(run.map(|run| Run { whole_bytes, ..run }))
    }

    fn take(&mut self, record: Record) -> Option<()> {
        match record {
            Record::Run(_) => return None,
            Record::Intent(intent) => {
                if intent.seq != self.entries.len() {
                    return None;
                }
                self.ended = false;
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
            Record::Undoing { seq, from, to } => self.entries.get_mut(seq)?.undoing = Some((from, to)),
            Record::Undone { seq } => {
                let entry = self.entries.get_mut(seq)?;
                entry.progress = Progress::Undone;
                entry.undoing = None;
            }
            Record::End => self.ended = true,
            Record::Reverted => self.reverted = true,
        }
        Some(())
    }

    /// Whether an interruption came before its end.
    pub(crate) fn is_unfinished(&self) -> bool {
        !self.ended && !self.reverted
    }

    /// Whether taking it back was begun and not finished.
    pub(crate) fn is_half_undone(&self) -> bool {
        let begun = |entry: &Entry| entry.progress == Progress::Undone || entry.undoing.is_some();
        !self.reverted && self.entries.iter().any(begun)
    }
}

fn check_format(value: &Value, path: &Path) -> Result<()> {
    match value.get("format").and_then(Value::as_u64) {
        Some(format) if format == u64::from(FORMAT) => Ok(()),
        Some(format) => Err(Error::refused(format!(
            "cannot read the journal {}: record format {format} is not known to this version",
            path.display()
        ))
        .hint("use the version that wrote it, or a newer one")),
        None => Err(damaged(path, 0, "it has no format number")),
    }
}

fn damaged(path: &Path, index: usize, what: &str) -> Error {
    Error::refused(format!("cannot read the journal {}: line {}: {what}", path.display(), index + 1))
        .hint("move that file away to go on without it: its run can then no longer be undone")
}
