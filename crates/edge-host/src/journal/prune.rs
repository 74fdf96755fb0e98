//! Removes the oldest runs; the first state of each path is kept.

use std::path::Path;

use nix::fcntl::OFlag;

use super::line::{Chain, FORMAT_1};
use super::writer::Writer;
use super::{Change, Intent, Journal, MAX_RUN, Progress, Record, Run, RunName};
use crate::error::Result;
use crate::exit::Exit;
use crate::root::LastLink;

const FIRST: &str = "first.jsonl";
/// Number of closed runs that are kept. Open runs are not counted and not removed.
const KEEP_RUNS: usize = 20;

impl Journal<'_> {
    /// Keeps the last closed runs, and of older ones the first state of each path. Runs that were open when the call
    /// began stay.
    pub(super) fn prune(&self, names: &[RunName], open: &[RunName]) -> Result<()> {
        // One more is about to begin.
        if names.len() < KEEP_RUNS {
            return Ok(());
        }
        let closed: Vec<&RunName> = names.iter().filter(|name| !open.contains(name)).collect();
        let surplus = &closed[..(closed.len() + 1).saturating_sub(KEEP_RUNS)];
        let mut first = None;
        for name in surplus {
            // A run that cannot be read stays: it may be the only record of a change.
            let Ok(run) = self.load(name) else { continue };
            // The trash would belong to no run.
            if run.as_ref().is_some_and(|run| self.has_trash(run)) {
                continue;
            }
            let first = match &mut first {
                Some(first) => first,
                none => none.insert(self.first_states()?),
            };
            let mut records = Vec::new();
            for entry in run.map(|run| run.entries).unwrap_or_default() {
                if let Some(path) = entry.intent.change.path().map(str::to_owned)
                    && entry.progress != Progress::Void
                    && !first.known.contains(&path)
                {
                    first.known.push(path);
                    let change = entry.intent.change.into_first_state();
                    records.push(Record::Intent(Box::new(Intent { change, ..entry.intent })));
                }
            }
            // No undo reads it: once it has its maximum size, nothing is added.
            match first.writer.append(&records) {
                Err(error) if error.exit() == Exit::Refused => {}
                appended => appended?,
            }
            first.writer.sync()?;
            self.remove_run(name)?;
        }
        Ok(())
    }

    /// Whether something that a run removed is still in its trash, as far as can be told.
    fn has_trash(&self, run: &Run) -> bool {
        run.entries.iter().any(|entry| match &entry.intent.change {
            Change::Trash { path, inode, .. } if entry.purged || entry.progress == Progress::Done => {
                let resolved = self.root.resolve(&Path::new("/").join(path), LastLink::Keep);
                let found =
                    resolved.and_then(|resolved| resolved.inode_in_trash(entry.intent.change.trash(run.header.run)));
                found.map_or(true, |found| found == Some(*inode))
            }
            _ => false,
        })
    }

    /// The paths that are recorded already. No undo reads this file, so lines that cannot be read are ignored.
    fn first_states(&self) -> Result<FirstStates> {
        let path = self.dir()?.join(FIRST);
        let mut known = Vec::new();
        let mut len = 0;
        let read = match self.read_whole(&path) {
            // It is larger than the maximum: nothing is added.
            Err(error) if error.exit() == Exit::Refused => {
                len = MAX_RUN;
                None
            }
            read => read?,
        };
        if let Some(bytes) = read {
            // A crash may have left half of the last line; its run still exists and is recorded again.
            len = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1) as u64;
            for line in bytes.split(|byte| *byte == b'\n') {
                if let Ok(Record::Intent(intent)) = serde_json::from_slice(line) {
                    known.extend(intent.change.path().map(str::to_owned));
                }
            }
        }
        let file = self.open_file(&path, OFlag::O_WRONLY | OFlag::O_APPEND | OFlag::O_CREAT)?;
        let name = RunName { id: 0, tool: String::new() };
        let writer = Writer::new(name, file, self.root.display(&path), Chain::begin(FORMAT_1));
        let writer = if len < MAX_RUN { writer.at(len)? } else { writer.full() };
        Ok(FirstStates { known, writer })
    }

    pub(crate) fn remove_run(&self, name: &RunName) -> Result<()> {
        let path = self.path(name)?;
        let removed = self.root.resolve(&path, LastLink::Keep).and_then(|resolved| resolved.remove_file());
        removed.map_err(|cause| self.error(&path, &cause))
    }
}

/// The first state of each path that a pruned run has changed.
struct FirstStates {
    known: Vec<String>,
    writer: Writer,
}
