//! Recovers interrupted runs: the host itself shows which of the intended changes were made.

use super::command::changes_packages;
use super::complete::complete;
use super::keep::clear_kept;
use super::paths::{absolute, find_value, is_before, remove_made, resolve, resolve_change, same_value};
use super::{mode, previous, trash};
use crate::action::Run as Command;
use crate::cmd::Cmd;
use crate::error::{Error, Result, ResultExt};
use crate::host::Host;
use crate::journal::{Change, Entry, Progress, Record, Run, WriteChange};
use crate::root::{Root, State};

/// The outcome of an action that is not recorded.
pub(super) enum RecoveryOutcome {
    Done(Option<State>),
    NotDone,
    /// A command that has not done its work; the same call runs it.
    NotRun,
    Undone,
}

/// Recovers every run of this utility that is not closed: an intent without `done` is compared with the states
/// before and after. A run of another call is closed then; one of the same call stays open to be resumed. Of runs of
/// other utilities only half-written files are completed; the rest is left to that utility.
///
/// A run that cannot be read is reported and ignored.
pub(crate) fn recover(host: &mut Host) -> Result<()> {
    host.all_ended = true;
    let open = host.journal().open_runs()?;
    host.open_runs.clone_from(&open);
    if open.is_empty() {
        return Ok(());
    }
    let newest = host.journal().names()?.into_iter().rfind(|name| name.tool == host.tool);
    for name in &open {
        let run = match host.journal().load(name) {
            Ok(run) => run,
            Err(error) => {
                let text = error.message().to_owned();
                host.report.warning(&format!("{text}; run {} is ignored", name.id));
                continue;
            }
        };
        match run {
            Some(run) if name.tool != host.tool => complete_files(host, &run),
            Some(run) => recover_run(host, &run, newest.as_ref() == Some(name))?,
            // It was interrupted before anything was recorded, and so before anything was done.
            None if name.tool == host.tool => host.journal().remove_run(name)?,
            None => {}
        }
    }
    host.journal().sweep_kept()
}

fn recover_run(host: &mut Host, run: &Run, is_newest: bool) -> Result<()> {
    let is_resumed = is_newest && can_be_resumed(run, &host.request);
    host.all_ended &= !is_resumed;
    let mut records = Vec::new();
    let mut is_clear = true;
    for entry in &run.entries {
        let recovered = if entry.progress == Progress::Pending || entry.undoing.is_some() {
            recover_entry(host, run.header.run, entry, is_resumed).map(|record| records.extend(record))
        } else if run.reverting && entry.progress == Progress::Done {
            clear_undo(&host.root, &entry.intent.change)
        } else {
            Ok(())
        };
        if let Err(error) = recovered {
            if is_resumed {
                return Err(error);
            }
            // It is recovered once it can be read; until then it stays open.
            left_open(host, run, &error);
            is_clear = false;
        }
    }
    let is_done = |entry: &Entry| entry.progress == Progress::Done && entry.undoing.is_none();
    let is_left = run.entries.iter().any(is_done) || records.iter().any(|record| matches!(record, Record::Done { .. }));
    let closing = match () {
        () if is_resumed || !is_clear => None,
        // An undo that was interrupted at its end is completed by the same call, which must not undo the run
        // before as well; and a previous key is restored from its hidden copy.
        () if host.is_undo && (run.finished || run.is_half_undone()) => None,
        () if !run.is_half_undone() => Some(Record::End),
        () if !is_left => Some(Record::Reverted),
        () => None,
    };
    host.journal().remove_temporary(run)?;
    if let Err(error) = previous::recover(&host.root, run) {
        left_open(host, run, &error);
    }
    if records.is_empty() && closing.is_none() {
        return Ok(());
    }
    let id = run.header.run;
    if !records.is_empty() {
        host.report.note(&format!("run {id} was interrupted; what it had done was read from the host"));
    } else if run.is_unfinished() {
        // Each of its actions was done or failed.
        host.report.note(&format!("run {id} was not completed"));
    }
    let mut writer = host.journal().reopen(run)?;
    writer.append(&records)?;
    let closed = match closing {
        // An undo restores the previous keys of a run that it closes from their hidden copies.
        Some(Record::End) if run.finished || !host.is_undo => previous::end(host, writer),
        Some(closing) => host.journal().close(writer, closing),
        None => writer.sync(),
    };
    // Without room for its last record it stays open, as if it had been interrupted later.
    if let Err(error) = closed {
        if is_resumed {
            return Err(error);
        }
        left_open(host, run, &error);
    }
    Ok(())
}

fn left_open(host: &mut Host, run: &Run, error: &Error) {
    host.report.warning(&format!("{}; run {} of {} is left open", error.message(), run.header.run, run.header.tool));
}

fn recover_entry(host: &mut Host, run: u64, entry: &Entry, continues: bool) -> Result<Option<Record>> {
    let seq = entry.intent.seq;
    let mut completed = false;
    let outcome = outcome_of(&host.root, run, entry, continues, &mut completed)?;
    if completed {
        note_completed(host, entry);
    }
    Ok(Some(match outcome {
        RecoveryOutcome::Done(after) => Record::Done { seq, after },
        RecoveryOutcome::NotDone => Record::Void { seq },
        RecoveryOutcome::Undone => Record::Undone { seq },
        RecoveryOutcome::NotRun if continues => return Ok(None),
        // Its inverse removes what it left half-way, and is harmless if it left nothing.
        RecoveryOutcome::NotRun if entry.begun && changes_packages(&entry.intent.change) => {
            Record::Done { seq, after: None }
        }
        RecoveryOutcome::NotRun => {
            if let Change::Run(Command { argv, .. }) = &entry.intent.change {
                let argv = argv.join(" ");
                host.report.warning(&format!("`{argv}` of the interrupted run {run} was not run"));
            }
            Record::Void { seq }
        }
    }))
}

/// The unfinished run that this call resumes.
pub(super) fn interrupted_run(host: &Host) -> Result<Option<Run>> {
    if host.all_ended {
        return Ok(None);
    }
    let newest = host.journal().names()?.into_iter().rfind(|name| name.tool == host.tool);
    let Some(newest) = newest else { return Ok(None) };
    // A run that cannot be read is not resumed; the recovery has reported it.
    let run = host.journal().load(&newest).ok().flatten();
    Ok(run.filter(|run| can_be_resumed(run, &host.request)))
}

fn can_be_resumed(run: &Run, request: &str) -> bool {
    run.is_unfinished() && !run.is_half_undone() && run.header.request == request
}

fn outcome_of(root: &Root, run: u64, entry: &Entry, continues: bool, completed: &mut bool) -> Result<RecoveryOutcome> {
    Ok(match &entry.intent.change {
        Change::Write(change) => match &entry.undoing {
            Some((from, to)) if complete(root, change, from, to, completed)? => RecoveryOutcome::Undone,
            Some(_) => RecoveryOutcome::Done(entry.after.clone()),
            None => outcome_of_write(root, change, completed)?,
        },
        Change::Remove { path, before, .. } => {
            let now = root.find_large(&absolute(path))?.state;
            if now.same_content(before) { RecoveryOutcome::NotDone } else { RecoveryOutcome::Done(None) }
        }
        Change::Mode { path, mode, .. } => mode::recover(root, path, *mode)?,
        Change::Trash { path, inode, .. } => trash::recover(root, path, *inode, entry.intent.change.trash(run))?,
        Change::Delete { path, inode } => trash::recover_deleted(root, path, *inode)?,
        Change::Set { path, after, .. } => {
            // A value that the kernel does not have any more, for example because its module is not loaded, is not set.
            let now = if root.is_live() { find_value(root, &absolute(path))? } else { None };
            if now.is_some_and(|now| same_value(&now, after)) {
                RecoveryOutcome::Done(None)
            } else {
                RecoveryOutcome::NotDone
            }
        }
        // The new plan is made from new facts and contains what is missing, and an undo goes by facts too: so it
        // counts as done if it may have been done.
        Change::Transaction { .. } | Change::Effect { .. } => {
            if entry.begun {
                RecoveryOutcome::Done(None)
            } else {
                RecoveryOutcome::NotDone
            }
        }
        Change::Run(_) if !entry.begun => RecoveryOutcome::NotRun,
        Change::Run(Command { probe: Some(probe), .. }) if root.is_live() => {
            if Cmd::of_argv(probe)?.output()?.status.success() {
                RecoveryOutcome::Done(None)
            } else {
                RecoveryOutcome::NotRun
            }
        }
        // Unknown. The same call runs it again; for any other call it counts as done, as undoing what was not done
        // is harmless, and not undoing what was done is not.
        Change::Run(Command { inverse: Some(_), .. }) if !continues => RecoveryOutcome::Done(None),
        Change::Run(_) => RecoveryOutcome::NotRun,
    })
}

fn outcome_of_write(root: &Root, change: &WriteChange, completed: &mut bool) -> Result<RecoveryOutcome> {
    let path = absolute(&change.path);
    let resolved = resolve(root, &path, change.last_link())?;
    let shown = root.display(&path);
    resolved.remove_temporary().on("repair", &shown)?;
    if let (Some(to), Some(from)) = (&change.in_place, &change.content) {
        complete(root, change, from, to, completed)?;
    }
    let now = resolved.state().on("repair", &shown)?;
    if is_before(&now, &change.before, change.after.as_ref()) {
        // Directories that were made on the way are only of use to the file.
        remove_made(root, &change.made)?;
        return Ok(RecoveryOutcome::NotDone);
    }
    // It was written, and possibly changed by someone since: an undo tells these apart, so it counts as done.
    Ok(RecoveryOutcome::Done(change.after.is_none().then_some(now)))
}

fn note_completed(host: &mut Host, entry: &Entry) {
    let path = absolute(entry.intent.change.path().unwrap_or_default());
    let shown = host.root.display(&path);
    host.report.note(&format!("completed {}, which an interrupted run left half-written", shown.display()));
}

/// Completes files that an interrupted run of another utility left half-written.
fn complete_files(host: &mut Host, run: &Run) {
    for entry in &run.entries {
        let Change::Write(change) = &entry.intent.change else { continue };
        let mut completed = false;
        let done = match (&entry.undoing, entry.progress, &change.in_place, &change.content) {
            (Some((from, to)), ..) => complete(&host.root, change, from, to, &mut completed),
            (None, Progress::Pending, Some(to), Some(from)) => complete(&host.root, change, from, to, &mut completed),
            _ => continue,
        };
        if let Err(error) = done {
            left_open(host, run, &error);
        }
        if completed {
            note_completed(host, entry);
        }
    }
}

/// Removes the temporary files of an interrupted undo.
fn clear_undo(root: &Root, change: &Change) -> Result<()> {
    let (Change::Write(_) | Change::Remove { .. }) = change else { return Ok(()) };
    let resolved = resolve_change(root, change)?;
    let shown = root.display(&absolute(change.path().unwrap_or_default()));
    resolved.remove_temporary().on("repair", &shown)?;
    clear_kept(root, &resolved)
}
