//! After an interruption: which of the intended changes were made is read off the host itself.

use std::io;

use super::command::changes_packages;
use super::reach::{Link, absolute, is_before, link_of, read_value, remove_made, same_value, torn, walk};
use crate::cmd::Cmd;
use crate::error::{Error, Result};
use crate::host::Host;
use crate::journal::{Change, Entry, Progress, Record, Run, WriteChange};
use crate::root::{Root, State};

/// Settles the newest run of this tool if it did not end: an intent without done is checked against
/// both states. A run of another call is closed then; one of the same call is left open to go on.
pub(crate) fn settle(host: &mut Host) -> Result<()> {
    let Some(run) = newest_unfinished(host)? else {
        host.all_ended = true;
        return Ok(());
    };
    let mut records = Vec::new();
    let continues = if run.header.request == host.request { Continues::Yes } else { Continues::No };
    for entry in run.entries.iter().filter(|entry| entry.progress == Progress::Pending || entry.undoing.is_some()) {
        let seq = entry.intent.seq;
        match judge(&host.root, entry, continues)? {
            Judged::Done(after) => records.push(Record::Done { seq, after }),
            Judged::NotDone => records.push(Record::Void { seq }),
            Judged::Undone => records.push(Record::Undone { seq }),
            Judged::Owed if continues == Continues::Yes => {}
            // What it left half-way is there to be taken back, and where it left nothing that does no harm.
            Judged::Owed if entry.begun && changes_packages(&entry.intent.change) => {
                records.push(Record::Done { seq, after: None })
            }
            Judged::Owed => {
                if let Change::Run { argv, .. } = &entry.intent.change {
                    let argv = argv.join(" ");
                    host.report.warning(&format!("`{argv}` of the interrupted run {} was not run", run.header.run));
                }
                records.push(Record::Void { seq });
            }
        }
    }
    if run.is_unfinished() && continues == Continues::No {
        records.push(Record::End);
    }
    if !records.is_empty() {
        let id = run.header.run;
        host.report.note(&format!("run {id} did not end; what it had done is known from the host itself"));
        let mut writer = host.journal().reopen(&run)?;
        writer.append(&records)?;
        writer.sync()?;
    }
    Ok(())
}

/// The run that the same call began and did not end.
pub(super) fn interrupted_run(host: &Host) -> Result<Option<Run>> {
    if host.all_ended {
        return Ok(None);
    }
    let run = newest_unfinished(host)?;
    Ok(run.filter(|run| run.is_unfinished() && !run.is_half_undone() && run.header.request == host.request))
}

fn newest_unfinished(host: &Host) -> Result<Option<Run>> {
    let journal = host.journal();
    let names = journal.names()?;
    let Some(newest) = names.iter().rev().find(|name| name.tool == host.tool) else { return Ok(None) };
    if journal.is_closed(newest)? {
        return Ok(None);
    }
    Ok(journal.load(newest)?.filter(|run| run.is_unfinished() || run.is_half_undone()))
}

/// Whether this call is the one that was interrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Continues {
    Yes,
    No,
}

enum Judged {
    Done(Option<State>),
    NotDone,
    /// A command that has not done its work: the same call runs it.
    Owed,
    Undone,
}

fn judge(root: &Root, entry: &Entry, continues: Continues) -> Result<Judged> {
    Ok(match &entry.intent.change {
        Change::Write(change) if entry.undoing.is_some() => {
            if mend_undo(root, change, entry)? {
                Judged::Undone
            } else {
                Judged::Done(entry.after.clone())
            }
        }
        Change::Write(change) => judge_write(root, change)?,
        Change::Remove { path, before, .. } => {
            let now = root.find_large(&absolute(path))?.state;
            if now.same_content(before) { Judged::NotDone } else { Judged::Done(None) }
        }
        Change::Set { path, after, .. } => {
            if root.is_live() && same_value(&read_value(root, &absolute(path))?, after) {
                Judged::Done(None)
            } else {
                Judged::NotDone
            }
        }
        // The new plan is made from fresh facts and knows what is left of it; an undo goes by facts
        // too, so that it counts as done wherever it may have been.
        Change::Transaction { .. } => {
            if entry.begun {
                Judged::Done(None)
            } else {
                Judged::NotDone
            }
        }
        Change::Run { .. } if !entry.begun => Judged::Owed,
        Change::Run { probe: Some(probe), .. } if root.is_live() => {
            if Cmd::of_argv(probe)?.output()?.status.success() {
                Judged::Done(None)
            } else {
                Judged::Owed
            }
        }
        // Nobody knows. The same call runs it again; for any other it counts as done, as taking back
        // what was not done is harmless, and leaving what was done is not.
        Change::Run { inverse: Some(_), .. } if continues == Continues::No => Judged::Done(None),
        Change::Run { .. } => Judged::Owed,
    })
}

fn judge_write(root: &Root, change: &WriteChange) -> Result<Judged> {
    let path = absolute(&change.path);
    let spot = walk(root, &path, link_of(change))?;
    let fail = |cause: io::Error| Error::io("mend", root.display(&path), &cause);
    spot.remove_temporary().map_err(fail)?;
    if let (Some(to), Some(from)) = (&change.in_place, &change.content) {
        let (to, from) = (to.bytes().unwrap_or_default(), from.bytes().unwrap_or_default());
        let now = spot.find().map_err(fail)?.bytes;
        if now == from || now == to || torn(&now, &from, &to) {
            spot.give_back(&change.before).map_err(fail)?;
        }
        if torn(&now, &from, &to) {
            spot.overwrite(&from, &now).map_err(fail)?;
            return Ok(Judged::NotDone);
        }
    }
    let now = spot.state().map_err(fail)?;
    if is_before(&now, &change.before, change.after.as_ref()) {
        // Directories that were made on the way are only of use to the file.
        remove_made(root, &change.made)?;
        return Ok(Judged::NotDone);
    }
    // Ours, or changed by someone since: an undo can tell these apart, so it counts as done.
    Ok(Judged::Done(change.after.is_none().then_some(now)))
}

/// Mends an undo in place that may have been torn; whether it was complete.
fn mend_undo(root: &Root, change: &WriteChange, entry: &Entry) -> Result<bool> {
    let Some((from, to)) = &entry.undoing else { return Ok(false) };
    let path = absolute(&change.path);
    let spot = walk(root, &path, Link::Target)?;
    let fail = |cause: io::Error| Error::io("mend", root.display(&path), &cause);
    let (from, to) = (from.bytes().unwrap_or_default(), to.bytes().unwrap_or_default());
    let now = spot.find().map_err(fail)?.bytes;
    if now == from || now == to || torn(&now, &from, &to) {
        spot.give_back(&change.before).map_err(fail)?;
    }
    if torn(&now, &from, &to) {
        spot.overwrite(&from, &now).map_err(fail)?;
    }
    Ok(now == to)
}
