//! The end of a run, or of its undo: what only a recovery needs is erased with it.

use super::line::Chain;
use super::record::Record;
use super::writer::{Writer, journal_error};
use super::{Journal, Run, RunName};
use crate::error::{Error, Result};
use crate::root::Meta;

const JOURNAL_MODE: u32 = 0o600;
const DAMAGED_SUFFIX: &str = ".damaged";

impl Journal<'_> {
    /// Appends the record that closes a run, if it is to be closed, and makes all of it durable.
    ///
    /// Where the file holds both sides of a write in place, it is written anew without them: they may
    /// hold a secret that was set. Until that is done the run is not closed.
    pub(crate) fn close(&self, mut writer: Writer, closing: Option<Record>) -> Result<()> {
        let closing: Vec<Record> = closing.into_iter().collect();
        if !writer.holds_new_content {
            writer.append(&closing)?;
            return writer.sync();
        }
        let path = writer.name.path();
        let bytes = self.read_whole(&path)?.unwrap_or_default();
        let damaged = || Error::failed(format!("cannot read the journal {} again", writer.path.display()));
        let mut read = None;
        let (mut write, mut text) = (None, Vec::new());
        let lines = bytes.strip_suffix(b"\n").ok_or_else(damaged)?.split(|byte| *byte == b'\n');
        let mut put = |record: &Record, chain: &mut Chain| chain.push(record, &mut text).map_err(|_| damaged());
        for line in lines {
            let read = read.get_or_insert_with(|| Chain::of_first_line(line));
            let write = write.get_or_insert_with(|| Chain::begin(read.format()));
            let mut record: Record = read.take(line).and_then(|line| line.read().ok()).ok_or_else(damaged)?;
            match &mut record {
                Record::Undoing { .. } => continue,
                Record::Intent(intent) => intent.change.erase_new_content(),
                _ => {}
            }
            put(&record, write)?;
        }
        let mut write = write.ok_or_else(damaged)?;
        closing.iter().try_for_each(|record| put(record, &mut write))?;
        let spot = self.root.walk_kept(&path).map_err(|cause| journal_error(&writer.path, &cause))?;
        let meta = Meta { mode: JOURNAL_MODE, owner: None };
        spot.replace(&text, meta, None).map_err(|cause| journal_error(&writer.path, &cause))
    }

    /// Removes what a kill left of a run's new file.
    pub(crate) fn remove_temporary(&self, run: &Run) -> Result<()> {
        let path = RunName { id: run.header.run, tool: run.header.tool.clone() }.path();
        let removed = self.root.walk_kept(&path).and_then(|spot| spot.remove_temporary());
        removed.map_err(|cause| journal_error(&self.root.display(&path), &cause))
    }

    /// Gives a run that cannot be read another name, under which nothing looks for it.
    pub(crate) fn set_aside(&self, name: &RunName) -> Result<std::path::PathBuf> {
        let path = name.path();
        let fail = |cause: std::io::Error| journal_error(&self.root.display(&path), &cause);
        let aside = path.with_file_name(format!("{}{DAMAGED_SUFFIX}", name.file()));
        let from = self.root.walk_kept(&path).map_err(fail)?;
        self.root.walk_kept(&aside).and_then(|to| from.rename_to(&to)).map_err(fail)?;
        Ok(aside)
    }
}
