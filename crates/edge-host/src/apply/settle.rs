//! After an interruption: which of the intended changes were made is read off the host itself.

use std::io;

use crate::apply::step::{Link, absolute, read_value, torn, walk};
use crate::cmd::Cmd;
use crate::error::{Error, Result};
use crate::host::Host;
use crate::journal::{Change, Entry, Progress, Record, Run, WriteChange};
use crate::root::{Root, State};

/// Settles the newest run of this tool if it did not end: an intent without done is checked against
/// both states. A run of another call is closed then; one of the same call is left open to go on.
pub(crate) fn settle(host: &mut Host) -> Result<()> {
    let Some(run) = newest_unfinished(host)? else { return Ok(()) };
    let mut records = Vec::new();
    for entry in run.entries.iter().filter(|entry| entry.progress == Progress::Pending || entry.undoing.is_some()) {
        let seq = entry.intent.seq;
        match judge(&host.root, entry)? {
            Judged::Done(after) => records.push(Record::Done { seq, after }),
            Judged::NotDone => records.push(Record::Void { seq }),
            Judged::Owed if run.header.request != host.request => records.push(Record::Void { seq }),
            Judged::Owed | Judged::BeingUndone => {}
        }
    }
    if run.is_unfinished() && run.header.request != host.request {
        records.push(Record::End);
    }
    if !records.is_empty() {
        let id = run.header.run;
        host.report.note(&format!("run {id} was interrupted; what it had done is known from the host itself"));
        let mut writer = host.journal().reopen(&run)?;
        writer.append(&records)?;
        writer.sync()?;
    }
    Ok(())
}

/// The run that the same call began and did not end.
pub(super) fn interrupted_run(host: &Host) -> Result<Option<Run>> {
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

enum Judged {
    Done(Option<State>),
    NotDone,
    /// A command without a probe that may or may not have run: the same call runs it again.
    Owed,
    BeingUndone,
}

fn judge(root: &Root, entry: &Entry) -> Result<Judged> {
    Ok(match &entry.intent.change {
        Change::Write(change) if entry.undoing.is_some() => {
            mend_undo(root, change, entry)?;
            Judged::BeingUndone
        }
        Change::Write(change) => judge_write(root, change)?,
        Change::Remove { path, before, .. } => {
            let now = root.find_link(&absolute(path))?.state;
            if now.same_content(before) { Judged::NotDone } else { Judged::Done(None) }
        }
        Change::Set { path, after, .. } => {
            if root.is_live() && read_value(root, &absolute(path))? == *after {
                Judged::Done(None)
            } else {
                Judged::NotDone
            }
        }
        Change::Run { probe: Some(probe), .. } if root.is_live() => {
            if Cmd::of_argv(probe)?.output()?.status.success() {
                Judged::Done(None)
            } else {
                Judged::NotDone
            }
        }
        Change::Run { .. } => Judged::Owed,
    })
}

fn judge_write(root: &Root, change: &WriteChange) -> Result<Judged> {
    let path = absolute(&change.path);
    let is_link = matches!(change.after, Some(State::Link { .. }));
    let spot = walk(root, &path, if is_link { Link::Itself } else { Link::Target })?;
    let fail = |cause: io::Error| Error::io("mend", root.display(&path), &cause);
    spot.remove_temporary().map_err(fail)?;
    let now = spot.find().map_err(fail)?;
    if let (Some(to), Some(from)) = (&change.in_place, &change.content) {
        let (to, from) = (to.bytes().unwrap_or_default(), from.bytes().unwrap_or_default());
        if torn(&now.bytes, &from, &to) {
            spot.overwrite(&from).map_err(fail)?;
            return Ok(Judged::NotDone);
        }
    }
    if now.state.same_content(&change.before) {
        // Directories that were made on the way are only of use to the file.
        crate::undo::remove_made(root, &change.made)?;
        return Ok(Judged::NotDone);
    }
    // Ours, or changed by someone since: an undo can tell these apart, so it counts as done.
    Ok(Judged::Done(change.after.is_none().then_some(now.state)))
}

fn mend_undo(root: &Root, change: &WriteChange, entry: &Entry) -> Result<()> {
    let Some((from, to)) = &entry.undoing else { return Ok(()) };
    let path = absolute(&change.path);
    let spot = walk(root, &path, Link::Target)?;
    let fail = |cause: io::Error| Error::io("mend", root.display(&path), &cause);
    let (from, to) = (from.bytes().unwrap_or_default(), to.bytes().unwrap_or_default());
    if torn(&spot.find().map_err(fail)?.bytes, &from, &to) {
        spot.overwrite(&from).map_err(fail)?;
    }
    Ok(())
}
