//! No change without its record: the intents of a run, durable before the first of them.

use super::resume::Resume;
use super::step;
use crate::action::{Action, ActionKind, Inverse, Transaction, Write};
use crate::error::{Error, Result};
use crate::host::Host;
use crate::journal::{self, Change, Intent, Record, Writer};
use crate::plan::Plan;
use crate::report::Shown;

/// A run whose intents are in the journal.
pub(super) struct Recorded {
    pub(super) writer: Writer,
    /// The number of its first action; an interrupted run goes on counting.
    pub(super) first_seq: usize,
    /// The record of each action.
    pub(super) changes: Vec<Change>,
}

/// Refuses (exit 4) a plan with a value that the journal could write and not read again.
pub(super) fn must_be_recordable(plan: &Plan) -> Result<()> {
    for action in &plan.actions {
        let data = match &action.kind {
            ActionKind::Write(Write { inverse: Inverse::Edit { data, .. }, .. })
            | ActionKind::Transaction(Transaction { data, .. }) => data,
            _ => continue,
        };
        journal::check_depth(data)
            .map_err(|error| Error::refused(format!("cannot change {}: {error}", Shown::of(action).object)))?;
    }
    Ok(())
}

/// Records what is about to be done. Fails where the facts no longer hold or there is no room, and
/// the journal is then as it was.
pub(super) fn record(host: &Host, actions: &[Action], resume: &Resume) -> Result<Recorded> {
    let first_seq = resume.run().map_or(0, |run| run.entries.len());
    let mut records = Vec::new();
    let mut changes = Vec::new();
    for (index, action) in actions.iter().enumerate() {
        let change = step::change(&host.root, action)?;
        changes.push(change.clone());
        let (why, undo) = (action.why.clone(), action.undo().to_string());
        records.push(Record::Intent(Box::new(Intent { seq: first_seq + index, why, undo, change })));
    }
    let mut writer = match resume.run() {
        Some(run) => {
            let compacted = host.journal().compacted(run)?;
            host.journal().reopen(compacted.as_ref().unwrap_or(run))?
        }
        None => {
            let (writer, header) = host.journal().begin(host.tool, &host.request, &host.args, &host.open_runs)?;
            records.insert(0, header);
            writer
        }
    };
    records.extend(resume.records());
    let kept = changes.iter().try_for_each(|change| host.journal().keep(change));
    if let Err(error) = kept.and_then(|()| writer.append_intents(&records)) {
        if resume.run().is_none() {
            host.journal().forget(writer);
        }
        return Err(error);
    }
    Ok(Recorded { writer, first_seq, changes })
}
