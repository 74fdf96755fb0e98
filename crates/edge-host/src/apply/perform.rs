//! The loop: each action done, and recorded as done.

use super::command::{changes_packages, has_done_its_work};
use super::intents::Recorded;
use super::{stage, step};
use crate::action::{Action, Staging};
use crate::cmd::Cmd;
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::host::Host;
use crate::journal::{Change, Record, Writer};
use crate::report::{Shown, Status};

/// Does one action after another, and stops at the first that fails or when a signal came. What the
/// interrupted run owes stands behind the first `planned`.
pub(super) fn all(
    host: &mut Host,
    recorded: &mut Recorded,
    actions: Vec<Action>,
    commands: Vec<Option<Cmd>>,
    planned: usize,
) -> Result<()> {
    let Recorded { writer, first_seq, changes } = recorded;
    let mut steps = actions.into_iter().zip(commands).enumerate().peekable();
    while let Some((index, (action, command))) = steps.next() {
        // The plan may have done it by another command: facts that are fresh ask for less.
        if index >= planned && has_done_its_work(&changes[index]) {
            writer.append(&[Record::Void { seq: *first_seq + index }])?;
            continue;
        }
        let mut row = vec![action];
        while row.last().is_some_and(|last| last.staging == Staging::WithNext && last.can_be_staged()) {
            let Some((_, (next, _))) = steps.next_if(|(_, (next, _))| next.can_be_staged()) else { break };
            row.push(next);
        }
        let (seq, own) = (*first_seq + index, &changes[index..index + row.len()]);
        let done = match host.interrupt.check() {
            Ok(()) if row.len() > 1 => together(host, writer, seq, row, own),
            Ok(()) => row.into_iter().zip(own).try_for_each(|(action, change)| {
                one(host, writer, seq, action, change, command.as_ref())
                    .map_err(|error| (usize::from(error.exit() == Exit::Failed), error))
            }),
            Err(error) => Err((0, error)),
        };
        if let Err((touched, error)) = done {
            let untouched = index + touched;
            give_up(writer, *first_seq + untouched, changes.get(untouched..).unwrap_or_default());
            return Err(error);
        }
    }
    Ok(())
}

/// Records that these were never begun: someone else's change of such a file, made before the next
/// call, must not pass for ours. Commands stay left to the same call.
fn give_up(writer: &mut Writer, first_seq: usize, changes: &[Change]) {
    let files = changes.iter().enumerate().filter(|(_, change)| !matches!(change, Change::Run { .. }));
    let records: Vec<Record> = files.map(|(index, _)| Record::Void { seq: first_seq + index }).collect();
    // Best effort: without it the next call reads off the host what was done.
    writer.append(&records).ok();
}

fn one(
    host: &mut Host,
    writer: &mut Writer,
    seq: usize,
    action: Action,
    change: &Change,
    command: Option<&Cmd>,
) -> Result<()> {
    let shown = Shown::of(&action);
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
                let stops = if interrupt.check().is_err() { "; its end is waited for before stopping" } else { "" };
                report.note(&format!("{name} has run for {} s{stops}", elapsed.as_secs()));
            });
            // Ended from outside it may have done its work before.
            let ended_itself = output.as_ref().is_ok_and(|output| output.status.code().is_some());
            is_known = (ended_itself || !matches!(change, Change::Transaction { .. })) && !changes_packages(change);
            output.and_then(|output| command.succeeded(output)).map(|_| None)
        }
        None => step::perform(&host.root, action.kind, change),
    };
    let done = match performed {
        // What counts is whether the work is done: a program may fail after it, or be ended at its
        // deadline while systemd goes on with the job.
        Err(error) if has_done_its_work(change) => {
            host.report.warning(&format!("{error}; what it was to do is done all the same"));
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
                // Best effort: otherwise it counts as one of which nothing is known.
                writer.append(&[Record::Failed { seq }]).ok();
            }
            Err(not_done(host, &shown, error))
        }
    }
}

/// Writes that belong together: all are ready beside their places before the first one gets its name.
/// An error comes with the number of those that may have been changed.
fn together(
    host: &mut Host,
    writer: &mut Writer,
    first_seq: usize,
    row: Vec<Action>,
    changes: &[Change],
) -> Result<(), (usize, Error)> {
    let shown: Vec<Shown> = row.iter().map(Shown::of).collect();
    let members = row.into_iter().map(|action| action.kind).collect();
    let mut placed = Vec::new();
    let mut stopped = None;
    match stage::stage_all(&host.root, members, changes) {
        // Nothing comes between the renames: no look for a signal, and no record, as after a kill the
        // host itself tells which of them were made.
        Ok(staged) => {
            for (index, staged) in staged.into_iter().enumerate() {
                match staged.place() {
                    Ok(after) => placed.push(Record::Done { seq: first_seq + index, after }),
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
        writer.append(&placed).map_err(|error| (changes.len(), error))?;
        shown.iter().take(placed.len()).for_each(|shown| host.report.action(shown, Status::Done));
    }
    match stopped {
        Some((index, touched, error)) => Err((touched, not_done(host, &shown[index], error))),
        None => Ok(()),
    }
}

/// Shows what could not be done; what was done before can be gone on with, or taken back.
fn not_done(host: &mut Host, shown: &Shown, error: Error) -> Error {
    let status = if error.exit() == Exit::Refused { Status::Refused } else { Status::Failed };
    host.report.action(shown, status);
    let Some(id) = host.progress.run.filter(|_| host.progress.changed) else { return error };
    let hint = error.hint_text().map(|hint| format!("{hint}; ")).unwrap_or_default();
    let (tool, option) = (host.tool, host.root.option());
    error.hint(format!(
        "{hint}run the same command again to resume, or `{tool}{option} undo --id {id}` to undo what was done"
    ))
}
