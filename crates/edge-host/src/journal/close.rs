//! Closes a run or its undo, and erases what only a recovery needs.

use super::line::Chain;
use super::record::Record;
use super::writer::Writer;
use super::{DAMAGED, Journal, Progress, Run, RunName};
use crate::error::{Error, Result};
use crate::root::{LastLink, Meta};

/// Smaller runs are not compacted.
const COMPACT_FROM: u64 = 4 << 20;
const JOURNAL_MODE: u32 = 0o600;

impl Journal<'_> {
    /// Appends the record that closes a run and makes all of it durable.
    ///
    /// If the file contains both sides of a write in place, it is rewritten without them, as they may contain a
    /// secret. Until that is done the run is not closed.
    pub(crate) fn close(&self, mut writer: Writer, closing: Record) -> Result<()> {
        if !writer.holds_new_content {
            writer.append(&[closing])?;
            return writer.sync();
        }
        let erased = |mut record: Record| {
            if let Record::Intent(intent) = &mut record {
                intent.change.erase_new_content();
            }
            (!matches!(record, Record::Undoing { .. })).then_some(record)
        };
        self.rewrite(&writer.name, Some(closing), erased)
    }

    /// The run without the content of intents that were never carried out, if the file has become large: a call that
    /// is repeated until it succeeds must not fill its own journal.
    pub(crate) fn compacted(&self, run: &Run) -> Result<Option<Run>> {
        if run.whole_bytes < COMPACT_FROM {
            return Ok(None);
        }
        let name = RunName { id: run.header.run, tool: run.header.tool.clone() };
        self.rewrite(&name, None, |mut record| {
            if let Record::Intent(intent) = &mut record
                && run.entries.get(intent.seq).is_some_and(|entry| entry.progress == Progress::Void)
            {
                intent.change.forget_content();
            }
            Some(record)
        })?;
        self.load(&name)
    }

    /// Rewrites a run, record by record.
    fn rewrite(
        &self,
        name: &RunName,
        closing: Option<Record>,
        mut change: impl FnMut(Record) -> Option<Record>,
    ) -> Result<()> {
        let path = self.path(name)?;
        let shown = self.root.display(&path);
        let damaged = || Error::failed(format!("cannot read the journal {} again", shown.display()));
        let bytes = self.read_whole(&path)?.unwrap_or_default();
        let lines = bytes.strip_suffix(b"\n").ok_or_else(damaged)?.split(|byte| *byte == b'\n');
        let mut read = Chain::of_first_line(&bytes);
        let (mut write, mut text) = (Chain::begin(read.format()), Vec::new());
        for line in lines {
            let record = read.take(line).and_then(|line| line.read().ok()).ok_or_else(damaged)?;
            if let Some(record) = change(record) {
                write.push(&record, &mut text).map_err(|_| damaged())?;
            }
        }
        if let Some(closing) = closing {
            write.push(&closing, &mut text).map_err(|_| damaged())?;
        }
        let resolved = self.root.resolve(&path, LastLink::Keep).map_err(|cause| self.error(&path, &cause))?;
        let meta = Meta { mode: JOURNAL_MODE, owner: None };
        resolved.replace(&text, meta, None).map_err(|cause| self.error(&path, &cause))
    }

    /// Removes what a kill has left of a rewritten run.
    pub(crate) fn remove_temporary(&self, run: &Run) -> Result<()> {
        let path = self.path(&RunName { id: run.header.run, tool: run.header.tool.clone() })?;
        let removed = self.root.resolve(&path, LastLink::Keep).and_then(|resolved| resolved.remove_temporary());
        removed.map_err(|cause| self.error(&path, &cause))
    }

    /// Renames a run that cannot be read, so that it is ignored from then on. Returns its new path.
    pub(crate) fn set_aside(&self, name: &RunName) -> Result<std::path::PathBuf> {
        let path = self.path(name)?;
        let fail = |cause: std::io::Error| self.error(&path, &cause);
        let aside = path.with_file_name(format!("{}{DAMAGED}", name.file()));
        let from = self.root.resolve(&path, LastLink::Keep).map_err(fail)?;
        self.root.resolve(&aside, LastLink::Keep).and_then(|to| from.rename_to(&to)).map_err(fail)?;
        Ok(aside)
    }
}
