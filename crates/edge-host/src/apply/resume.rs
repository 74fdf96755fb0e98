//! What an interrupted run of the same call left to do.

use std::time::Duration;

use super::command::{changes_packages, has_done_its_work};
use super::{previous, recover};
use crate::action::{Action, ActionKind, Run, Staging};
use crate::error::Result;
use crate::host::Host;
use crate::journal::{self, Change, Entry, Progress, Record};

/// The interrupted run, if there is one, which this call goes on with.
pub(super) struct Resume {
    run: Option<journal::Run>,
    /// Its commands that have done their work meanwhile: a program outlives the utility that started it.
    finished: Vec<usize>,
}

impl Resume {
    /// Finds it, and the commands that it still owes: the files they follow are in place already, so
    /// the new plan, made from fresh facts, cannot know of them.
    pub(super) fn find(host: &Host, planned: &[Action]) -> Result<(Resume, Vec<Action>)> {
        let mut resume = Resume { run: recover::interrupted_run(host)?, finished: Vec::new() };
        let mut pending: Vec<Action> = Vec::new();
        let mut finished = Vec::new();
        for entry in resume.open() {
            let Change::Run { argv, probe, inverse, undo_order, seconds } = &entry.intent.change else { continue };
            let is_same = |action: &Action| matches!(&action.kind, ActionKind::Run(run) if run.argv == *argv);
            if planned.iter().chain(&pending).any(is_same) {
                continue;
            }
            if has_done_its_work(&entry.intent.change) {
                finished.push(entry.intent.seq);
                continue;
            }
            pending.push(Action {
                kind: ActionKind::Run(Run {
                    argv: argv.clone(),
                    probe: probe.clone(),
                    inverse: inverse.clone(),
                    undo_order: *undo_order,
                    deadline: Duration::from_secs(*seconds),
                }),
                why: entry.intent.why.clone(),
                details: Vec::new(),
                staging: Staging::Alone,
            });
        }
        resume.finished = finished;
        Ok((resume, pending))
    }

    /// The run that goes on.
    pub(super) fn run(&self) -> Option<&journal::Run> {
        self.run.as_ref()
    }

    /// What becomes of its open entries: each is planned again, carried over, or done.
    pub(super) fn records(&self) -> Vec<Record> {
        self.open().map(|entry| self.record_of(entry)).collect()
    }

    /// Ends the run, as nothing is left to do.
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
