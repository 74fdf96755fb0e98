//! What is still to be done of an interrupted run of the same call.

use super::command::{changes_packages, has_done_its_work};
use super::{previous, recover};
use crate::action::{Action, ActionKind};
use crate::error::Result;
use crate::host::Host;
use crate::journal::{self, Change, Entry, Progress, Record};

/// The interrupted run, if there is one, that this call continues.
pub(super) struct Resume {
    run: Option<journal::Run>,
    /// Its commands that have done their work meanwhile: a program may run longer than the utility that started it.
    finished: Vec<usize>,
}

impl Resume {
    /// Finds it, and its commands that are still to be run: the files before them are written already, so the new
    /// plan, made from new facts, does not contain them.
    pub(super) fn find(host: &Host, planned: &[Action]) -> Result<(Resume, Vec<Action>)> {
        let mut resume = Resume { run: recover::interrupted_run(host)?, finished: Vec::new() };
        let mut pending: Vec<Action> = Vec::new();
        let mut finished = Vec::new();
        for entry in resume.open() {
            let Change::Run(run) = &entry.intent.change else { continue };
            let is_same = |action: &Action| matches!(&action.kind, ActionKind::Run(other) if other.argv == run.argv);
            if planned.iter().chain(&pending).any(is_same) {
                continue;
            }
            if has_done_its_work(&entry.intent.change) {
                finished.push(entry.intent.seq);
                continue;
            }
            let (kind, why) = (ActionKind::Run(run.clone()), entry.intent.why.clone());
            pending.push(Action { kind, why, details: Vec::new(), with_next: false, tag: None });
        }
        resume.finished = finished;
        Ok((resume, pending))
    }

    /// The run that is continued.
    pub(super) fn run(&self) -> Option<&journal::Run> {
        self.run.as_ref()
    }

    /// The records that close its open entries: each is planned again, carried over, or done.
    pub(super) fn records(&self) -> Vec<Record> {
        self.open().map(|entry| self.record_of(entry)).collect()
    }

    /// Ends the run, as nothing remains to be done.
    pub(super) fn end(&self, host: &mut Host) -> Result<()> {
        let Some(run) = &self.run else { return Ok(()) };
        let mut writer = host.journal().reopen(run)?;
        writer.append(&self.records())?;
        previous::end(host, writer)?;
        host.progress.run = Some(run.header.run);
        host.all_ended = true;
        Ok(())
    }

    fn open(&self) -> impl Iterator<Item = &Entry> {
        self.run.iter().flat_map(|run| &run.entries).filter(|entry| entry.progress == Progress::Pending)
    }

    fn record_of(&self, entry: &Entry) -> Record {
        let seq = entry.intent.seq;
        let is_done = self.finished.contains(&seq) || changes_packages(&entry.intent.change);
        if entry.begun && is_done { Record::Done { seq, after: None } } else { Record::Void { seq } }
    }
}
