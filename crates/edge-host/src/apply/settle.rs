//! After an interruption: which of the intended changes were made is read off the host itself.

use std::io;

use super::command::changes_packages;
use super::judged::Judged;
use super::reach::{
    Link, absolute, damaged_record, is_before, link_of, read_value, remove_made, same_value, torn, walk,
};
use super::{mode, previous};
use crate::cmd::Cmd;
use crate::error::{Error, Result};
use crate::host::Host;
use crate::journal::{Change, Entry, Progress, Record, Run, WriteChange};
use crate::root::{Content, Root, State};

/// Settles every run of this tool that is not closed: an intent without done is checked against both
/// states. A run of another call is closed then; one of the same call is left open to go on. Of other
/// utilities' runs only half-written files are completed: the rest is theirs to judge.
///
/// A run that cannot be read is reported and left alone.
pub(crate) fn settle(host: &mut Host) -> Result<()> {
    host.all_ended = true;
    let open = host.journal().open_runs()?;
    if open.is_empty() {
        return Ok(());
    }
    let newest = host.journal().names()?.into_iter().rfind(|name| name.tool == host.tool);
    for name in &open {
        let run = match host.journal().load(name) {
            Ok(run) => run,
            Err(error) => {
                let text = error.message().to_owned();
                host.report.warning(&format!("{text}; run {} is left as it is", name.id));
                continue;
            }
        };
        match run {
            Some(run) if name.tool != host.tool => complete_files(&host.root, &run)?,
            Some(run) => settle_run(host, &run, newest.as_ref() == Some(name))?,
            // A crash came before anything was recorded, and so before anything was done.
            None if name.tool == host.tool => host.journal().remove_run(name)?,
            None => {}
        }
    }
    host.journal().sweep_kept()
}

fn settle_run(host: &mut Host, run: &Run, is_newest: bool) -> Result<()> {
    let goes_on = is_newest && can_go_on(run, &host.request);
    host.all_ended &= !goes_on;
    let continues = if goes_on { Continues::Yes } else { Continues::No };
    let mut records = Vec::new();
    for entry in &run.entries {
        let is_open = entry.progress == Progress::Pending || entry.undoing.is_some();
        if is_open {
            records.extend(settle_entry(host, run.header.run, entry, continues)?);
        } else if run.is_half_undone() && entry.progress == Progress::Done {
            // What an undo that was killed had ready beside the file.
            remove_temporary(&host.root, &entry.intent.change)?;
        }
    }
    let is_done = |entry: &Entry| entry.progress == Progress::Done && entry.undoing.is_none();
    let is_left = run.entries.iter().any(is_done) || records.iter().any(|record| matches!(record, Record::Done { .. }));
    let closing = match () {
        () if goes_on => None,
        // An undo takes a previous key from where it waits.
        () if run.ended && run.replaces_keys && host.is_undo => None,
        () if !run.is_half_undone() => Some(Record::End),
        () if !is_left => Some(Record::Reverted),
        () => None,
    };
    host.journal().remove_temporary(run)?;
    previous::settle(&host.root, run)?;
    if records.is_empty() && closing.is_none() {
        return Ok(());
    }
    if run.is_unfinished() || !records.is_empty() {
        let id = run.header.run;
        host.report.note(&format!("run {id} did not end; what it had done is known from the host itself"));
    }
    let mut writer = host.journal().reopen(run)?;
    writer.append(&records)?;
    match closing {
        // An undo takes the previous keys of a run that it closes from where they wait.
        Some(Record::End) if run.ended || !host.is_undo => previous::end(host, writer),
        None => writer.sync(),
        closing => host.journal().close(writer, closing),
    }
}

fn settle_entry(host: &mut Host, run: u64, entry: &Entry, continues: Continues) -> Result<Option<Record>> {
    let seq = entry.intent.seq;
    Ok(Some(match judge(&host.root, entry, continues)? {
        Judged::Done(after) => Record::Done { seq, after },
        Judged::NotDone => Record::Void { seq },
        Judged::Undone => Record::Undone { seq },
        Judged::Owed if continues == Continues::Yes => return Ok(None),
        // What it left half-way is there to be taken back, and where it left nothing that does no harm.
        Judged::Owed if entry.begun && changes_packages(&entry.intent.change) => Record::Done { seq, after: None },
        Judged::Owed => {
            if let Change::Run { argv, .. } = &entry.intent.change {
                let argv = argv.join(" ");
                host.report.warning(&format!("`{argv}` of the interrupted run {run} was not run"));
            }
            Record::Void { seq }
        }
    }))
}

/// The run that the same call began and did not end.
pub(super) fn interrupted_run(host: &Host) -> Result<Option<Run>> {
    if host.all_ended {
        return Ok(None);
    }
    let newest = host.journal().names()?.into_iter().rfind(|name| name.tool == host.tool);
    let Some(newest) = newest else { return Ok(None) };
    // One that cannot be read is not gone on with; settling has said so.
    let run = host.journal().load(&newest).ok().flatten();
    Ok(run.filter(|run| can_go_on(run, &host.request)))
}

fn can_go_on(run: &Run, request: &str) -> bool {
    run.is_unfinished() && !run.is_half_undone() && run.header.request == request
}

/// Whether this call is the one that was interrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Continues {
    Yes,
    No,
}

fn judge(root: &Root, entry: &Entry, continues: Continues) -> Result<Judged> {
    Ok(match &entry.intent.change {
        Change::Write(change) => match &entry.undoing {
            Some((from, to)) if complete(root, change, from, to)? => Judged::Undone,
            Some(_) => Judged::Done(entry.after.clone()),
            None => judge_write(root, change)?,
        },
        Change::Remove { path, before, .. } => {
            let now = root.find_large(&absolute(path))?.state;
            if now.same_content(before) { Judged::NotDone } else { Judged::Done(None) }
        }
        Change::Mode { path, mode, .. } => mode::judge(root, path, *mode)?,
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
    let fail = |cause: io::Error| Error::io("repair", root.display(&path), &cause);
    spot.remove_temporary().map_err(fail)?;
    if let (Some(to), Some(from)) = (&change.in_place, &change.content) {
        complete(root, change, from, to)?;
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

/// Completes what an interruption left half-written of any run.
fn complete_files(root: &Root, run: &Run) -> Result<()> {
    for entry in &run.entries {
        let Change::Write(change) = &entry.intent.change else { continue };
        if let Some((from, to)) = &entry.undoing {
            complete(root, change, from, to)?;
        } else if let (Progress::Pending, Some(to), Some(from)) = (entry.progress, &change.in_place, &change.content) {
            complete(root, change, from, to)?;
        }
    }
    Ok(())
}

/// Completes a write in place that was interrupted; whether the file holds the new content then.
///
/// Forward and never back: what an interruption of this leaves is again a front of the new content and
/// the rest of the old.
fn complete(root: &Root, change: &WriteChange, from: &Content, to: &Content) -> Result<bool> {
    let path = absolute(&change.path);
    let spot = walk(root, &path, Link::Target)?;
    let fail = |cause: io::Error| Error::io("repair", root.display(&path), &cause);
    let bytes = |content: &Content| content.bytes().ok_or_else(|| damaged_record(root, &change.path));
    let (from, to) = (bytes(from)?, bytes(to)?);
    let found = spot.find().map_err(fail)?;
    let is_half_written = torn(&found.bytes, &from, &to);
    let is_ours = is_half_written || found.bytes == from || found.bytes == to;
    if matches!(found.state, State::File { .. }) && is_ours {
        // What the kernel takes from a file that is written to.
        spot.give_back(&change.before).map_err(fail)?;
    }
    if !matches!(found.state, State::File { .. }) || !is_half_written {
        return Ok(found.bytes == to);
    }
    spot.overwrite(&to, &found.bytes).map_err(fail)?;
    Ok(true)
}

fn remove_temporary(root: &Root, change: &Change) -> Result<()> {
    let (path, link) = match change {
        Change::Write(change) => (&change.path, link_of(change)),
        Change::Remove { path, .. } => (path, Link::Itself),
        _ => return Ok(()),
    };
    let path = absolute(path);
    let removed = walk(root, &path, link)?.remove_temporary();
    removed.map_err(|cause| Error::io("repair", root.display(&path), &cause))
}
