//! Records the intents of a run durably before the first change.

use super::resume::Resume;
use super::step::Step;
use super::trash;
use crate::action::{Action, ActionKind, Inverse, Transaction, Write};
use crate::error::{Error, Result};
use crate::host::Host;
use crate::journal::{self, Intent, Record, Writer};
use crate::plan::Plan;
use crate::report::Shown;

/// Refuses (exit 4) a plan with a value that the journal could write but not read again.
pub(super) fn must_be_recordable(plan: &Plan) -> Result<()> {
    for action in &plan.actions {
        let data = match &action.kind {
            ActionKind::Write(Write { inverse: Inverse::Edit { data, .. } | Inverse::Keep { data, .. }, .. })
            | ActionKind::Transaction(Transaction { data, .. }) => data,
            _ => continue,
        };
        journal::check_depth(data)
            .map_err(|error| Error::refused(format!("cannot change {}: {error}", Shown::of(action).object)))?;
    }
    Ok(())
}

/// Fails if a call that was prepared to change only named files has another plan.
pub(super) fn must_be_permitted(host: &Host, plan: &Plan) -> Result<()> {
    let is_file =
        |action: &Action| matches!(action.kind, ActionKind::Write(_) | ActionKind::Remove(_) | ActionKind::Mode(_));
    match plan.actions.iter().find(|action| host.only_named_files && !is_file(action)) {
        Some(action) => Err(Error::failed(format!("internal error: {} is not a named file", Shown::of(action).object))),
        None => Ok(()),
    }
}

/// Records what is about to be done. If there is no room for it, the journal stays as it was.
pub(super) fn record(host: &Host, steps: &mut [Step], resume: &Resume) -> Result<Writer> {
    let mut header = None;
    let mut writer = match resume.run() {
        Some(run) => {
            let compacted = host.journal().compacted(run)?;
            host.journal().reopen(compacted.as_ref().unwrap_or(run))?
        }
        None => {
            let (writer, first) = host.journal().begin(host)?;
            header = Some(first);
            writer
        }
    };
    let recorded = trash::choose(&host.root, steps, writer.id, resume.run())
        .map(|()| records(header, steps, resume))
        .and_then(|records| {
            steps.iter().try_for_each(|step| host.journal().keep(&step.change))?;
            writer.append_intents(&records)
        });
    if let Err(error) = recorded {
        if resume.run().is_none() {
            host.journal().forget(writer);
        }
        return Err(error);
    }
    Ok(writer)
}

fn records(header: Option<Record>, steps: &[Step], resume: &Resume) -> Vec<Record> {
    let intents = steps.iter().map(|Step { action, change, seq, .. }| {
        let (why, undo) = (action.why.clone(), action.undo().to_string());
        Record::Intent(Box::new(Intent { seq: *seq, why, undo, change: change.clone() }))
    });
    header.into_iter().chain(intents).chain(resume.records()).collect()
}
