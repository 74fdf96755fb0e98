//! The loop: each action is done, and recorded as done.

use super::command::{changes_packages, has_done_its_work};
use super::stage::stage_all;
use super::step::{Step, perform};
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::host::Host;
use crate::journal::{Change, Record, Writer};
use crate::report::{Shown, Status};

/// Does one step after another, and stops at the first that fails, unless the plan `continues`, or after a signal.
/// Returns the worst exit code of those that failed.
pub(super) fn all(host: &mut Host, writer: &mut Writer, steps: Vec<Step>, continues: bool) -> Result<Exit> {
    let mut worst = Exit::Done;
    let files: Vec<usize> =
        steps.iter().filter(|step| !matches!(step.change, Change::Run(_))).map(|step| step.seq).collect();
    let mut steps = steps.into_iter().peekable();
    while let Some(step) = steps.next() {
        let first = step.seq;
        // The new plan, made from newer facts, may have done it by another command.
        if step.is_resumed && has_done_its_work(&step.change) {
            writer.append(&[Record::Void { seq: first }])?;
            continue;
        }
        let mut group = vec![step];
        if group[0].change.is_effect() {
            while group.last().is_some_and(|last| last.action.with_next) {
                let Some(next) = steps.next_if(|next| next.change.is_effect()) else { break };
                group.push(next);
            }
            match host.interrupt.check().and_then(|()| effects(host, writer, group, continues)) {
                Ok(exit) => worst = worst.worst(exit),
                Err(error) => {
                    give_up(writer, files.into_iter().filter(|seq| *seq >= first));
                    return Err(error);
                }
            }
            continue;
        }
        while group.last().is_some_and(|last| last.action.with_next && last.action.can_be_staged()) {
            let Some(next) = steps.next_if(|next| next.action.can_be_staged()) else { break };
            group.push(next);
        }
        let last = first + group.len();
        let done = match host.interrupt.check() {
            Ok(()) if group.len() > 1 => together(host, writer, group),
            Ok(()) => group.into_iter().try_for_each(|step| {
                // A signal stops a deletion half-way.
                one(host, writer, step).map_err(|error| (usize::from(error.exit() != Exit::Refused), error))
            }),
            Err(error) => Err((0, error)),
        };
        let Err((touched, error)) = done else { continue };
        if continues && error.exit() != Exit::Interrupted {
            worst = worst.worst(error.exit());
            host.report.error(&error);
            // What a failed step has left is read from the host by the next call; a refused one has changed nothing.
            give_up(writer, files.iter().copied().filter(|seq| (first + touched..last).contains(seq)));
            continue;
        }
        give_up(writer, files.into_iter().filter(|seq| *seq >= first + touched));
        return Err(error);
    }
    Ok(worst)
}

/// Records that these were never begun, so that a change that someone else makes to such a file before the next
/// call is not taken for a change of this run. Commands remain for the same call to run.
fn give_up(writer: &mut Writer, untouched: impl Iterator<Item = usize>) {
    let records: Vec<Record> = untouched.map(|seq| Record::Void { seq }).collect();
    // Best effort: without it the next call finds out from the host what was done.
    writer.append(&records).ok();
}

/// Does effects, recorded at once: none can be undone, so that the facts of the next call decide after a kill.
/// Returns the worst exit code of those that failed, if the plan `continues`.
fn effects(host: &mut Host, writer: &mut Writer, group: Vec<Step>, continues: bool) -> Result<Exit> {
    let begun: Vec<Record> = group.iter().map(|step| Record::Begun { seq: step.seq }).collect();
    writer.append(&begun)?;
    writer.sync()?;
    let (mut worst, mut records) = (Exit::Done, Vec::new());
    let mut stopped = None;
    for Step { action, change, seq, .. } in group {
        let shown = Shown::of(&action);
        match perform(host, writer.id, action.kind, &change) {
            Ok(after) => {
                host.progress.changed = true;
                records.push(Record::Done { seq, after });
                host.report.action(&shown, Status::Done);
            }
            Err(error) => {
                records.push(Record::Failed { seq });
                let error = not_done(host, &shown, error);
                if !continues || error.exit() == Exit::Interrupted {
                    stopped = Some(error);
                    break;
                }
                worst = worst.worst(error.exit());
                host.report.error(&error);
            }
        }
    }
    writer.append(&records)?;
    stopped.map_or(Ok(worst), Err)
}

fn one(host: &mut Host, writer: &mut Writer, step: Step) -> Result<()> {
    let Step { action, command, change, seq, .. } = step;
    let shown = Shown::of(&action);
    // Afterwards the host may not show whether it was done.
    let is_command = change.argv().is_some();
    let mut is_known = true;
    if is_command {
        writer.append(&[Record::Begun { seq }])?;
        writer.sync()?;
    }
    let performed = match command {
        Some(command) => {
            let (report, interrupt, name) = (&mut host.report, &host.interrupt, command.shown());
            let output = command.output_reporting(&mut |elapsed| {
                let stops = if interrupt.check().is_err() { "; stopping when it ends" } else { "" };
                report.note(&format!("{name} has been running for {} s{stops}", elapsed.as_secs()));
            });
            // A program that was ended by a signal may have done its work before.
            let ended_itself = output.as_ref().is_ok_and(|output| output.status.code().is_some());
            is_known = (ended_itself || !matches!(change, Change::Transaction { .. })) && !changes_packages(&change);
            output.and_then(|output| command.succeeded(output)).map(|_| None)
        }
        None => perform(host, writer.id, action.kind, &change),
    };
    let done = match performed {
        // A program may fail after its work is done, or be ended at its deadline while systemd continues
        // the job.
        Err(error) if has_done_its_work(&change) => {
            host.report.warning(&format!("{error}; its work is done anyway"));
            Ok(None)
        }
        done => done,
    };
    match done {
        Ok(after) => {
            host.progress.changed = true;
            writer.append(&[Record::Done { seq, after }])?;
            host.report.action(&shown, Status::Done);
            Ok(())
        }
        Err(error) => {
            if is_command && is_known {
                // Best effort: otherwise its outcome counts as unknown.
                writer.append(&[Record::Failed { seq }]).ok();
            }
            Err(not_done(host, &shown, error))
        }
    }
}

/// Does writes that belong together: all are written to temporary names before the first is renamed.
/// An error comes with the number of files that may have been changed.
fn together(host: &mut Host, writer: &mut Writer, group: Vec<Step>) -> Result<(), (usize, Error)> {
    let shown: Vec<(usize, Shown)> = group.iter().map(|step| (step.seq, Shown::of(&step.action))).collect();
    let mut placed = Vec::new();
    let mut stopped = None;
    match stage_all(&host.root, group) {
        // Neither a signal nor a record comes between the renames: after a kill the host itself shows which of
        // them were made.
        Ok(staged) => {
            for (index, (staged, (seq, _))) in staged.into_iter().zip(&shown).enumerate() {
                match staged.place() {
                    Ok(after) => placed.push(Record::Done { seq: *seq, after }),
                    Err(error) => {
                        stopped = Some((index, index + 1, error));
                        break;
                    }
                }
            }
        }
        Err((index, error)) => stopped = Some((index, 0, error)),
    }
    if !placed.is_empty() {
        host.progress.changed = true;
        writer.append(&placed).map_err(|error| (shown.len(), error))?;
        shown.iter().take(placed.len()).for_each(|(_, shown)| host.report.action(shown, Status::Done));
    }
    match stopped {
        Some((index, touched, error)) => Err((touched, not_done(host, &shown[index].1, error))),
        None => Ok(()),
    }
}

/// The line and record of an action that was not done.
pub(super) fn report(host: &mut Host, shown: &Shown, error: &Error) {
    let status = if error.exit() == Exit::Refused { Status::Refused } else { Status::Failed };
    host.report.action(shown, status);
}

/// Reports what could not be done, with the ways to resume or undo what was done before.
fn not_done(host: &mut Host, shown: &Shown, error: Error) -> Error {
    report(host, shown, &error);
    let Some(id) = host.progress.run.filter(|_| host.progress.changed) else { return error };
    let hint = error.hint_text().map(|hint| format!("{hint}; ")).unwrap_or_default();
    let (tool, option) = (host.tool, host.root.option());
    error.hint(format!(
        "{hint}run the same command again to resume, or `{tool}{option} undo --id {id}` to undo what was done"
    ))
}
