//! Which copy of a private key that was replaced becomes `NAME.old`, and when.
//!
//! A copy is made beside before the key is replaced, and gets its name only when the run has ended: until
//! then an undo finds it under its hidden name, and the key before it still has `NAME.old`.

use std::ffi::OsString;
use std::io;

use super::paths::{KEY_MODE, absolute, link_mode, resolve};
use super::step::Step;
use crate::action::{ActionKind, Node};
use crate::error::{Error, Result};
use crate::host::Host;
use crate::journal::{Change, Entry, Record, Run, WriteChange, Writer};
use crate::root::{LastLink, ResolvedPath, Root, State};

/// After an interruption: removes the copies that belong to no replaced key, such as one that is incomplete.
pub(super) fn recover(root: &Root, run: &Run) -> Result<()> {
    recover_all(root, &run.entries, false)
}

/// Closes a run that is complete: from then on, and not before, its copies have their name.
///
/// That the run is finished is durable before the first of them gets it. After a kill in between the run is
/// not closed, and the next call comes here again.
pub(super) fn end(host: &Host, mut writer: Writer) -> Result<()> {
    if writer.replaces_keys() {
        writer.append(&[Record::Finished])?;
        writer.sync()?;
        if let Some(run) = host.journal().load(writer.name())? {
            recover_all(&host.root, &run.entries, true)?;
        }
    }
    host.journal().close(writer, Record::End)
}

/// Makes room for the copies that are about to be made: one that was left waiting by a run that another call
/// closed gets its name, and one that no run needs is removed.
pub(super) fn make_room(host: &Host, steps: &[Step], goes_on: Option<&Run>) -> Result<()> {
    let root = &host.root;
    for step in steps {
        let ActionKind::Write(write) = &step.action.kind else { continue };
        if !matches!(write.node, Node::PrivateKey { .. }) {
            continue;
        }
        let resolved = resolve(root, &write.path, link_mode(&write.node))?;
        if !is_waiting(root, &resolved)? {
            continue;
        }
        let of_this_run = replaced_at(root, &resolved, goes_on.map_or(&[], |run| &run.entries))?;
        let copy = root.find_large(&resolved.waiting_path())?.state;
        if of_this_run.iter().any(|state| copy.same_content(state)) {
            recover_one(root, &resolved, &of_this_run, false)?;
            continue;
        }
        let closed: Vec<Entry> = closed_runs(host)?.into_iter().flat_map(|run| run.entries).collect();
        recover_one(root, &resolved, &replaced_at(root, &resolved, &closed)?, true)?;
    }
    Ok(())
}

/// The runs of this tool that may have left a copy waiting, as another call closed them.
fn closed_runs(host: &Host) -> Result<Vec<Run>> {
    let mut runs = Vec::new();
    for name in host.journal().names()?.iter().filter(|name| name.tool == host.tool) {
        // One that cannot be read is reported by what depends on it.
        runs.extend(host.journal().load(name).ok().flatten().filter(|run| !run.reverted));
    }
    Ok(runs)
}

/// Whether a copy is there already: the one of the key from before the run, where a run that goes on replaces
/// the key a second time.
pub(super) fn is_waiting(root: &Root, resolved: &ResolvedPath<'_>) -> Result<bool> {
    Ok(root.find_large(&resolved.waiting_path())?.exists())
}

/// The name beside the key under which the one of this state is kept, if it is.
pub(crate) fn kept_as(root: &Root, resolved: &ResolvedPath<'_>, before: &State) -> Result<Option<OsString>> {
    for (path, name) in [(resolved.waiting_path(), resolved.waiting_name()), (resolved.old_path(), resolved.old_name())]
    {
        if root.find_large(&path)?.state.same_content(before) {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// Removes the copy that an undo finds needless, as the key itself is in its place again.
pub(crate) fn discard_needless(root: &Root, change: &WriteChange) -> Result<()> {
    if !change.kept_old {
        return Ok(());
    }
    let resolved = resolve(root, &absolute(&change.path), LastLink::Follow)?;
    let is_copy = root.find_large(&resolved.waiting_path())?.state.same_content(&change.before);
    if is_copy { discard(root, &resolved, &change.before) } else { Ok(()) }
}

/// Removes a copy, complete or not, while the key that it is made from is in its place. A rename that failed
/// may have been done all the same, and the copy is then the only one.
pub(super) fn discard(root: &Root, resolved: &ResolvedPath<'_>, was: &State) -> Result<()> {
    let waiting = resolved.waiting_path();
    let fail = |cause: io::Error| Error::io("remove", root.display(&waiting), &cause);
    if !resolved.state().map_err(fail)?.same_content(was) {
        return Ok(());
    }
    resolve(root, &waiting, LastLink::Keep)?.remove_file().map_err(fail)
}

/// Goes through the copies of a run; those still needed wait, or become `NAME.old` where the run has ended.
fn recover_all(root: &Root, entries: &[Entry], run_ended: bool) -> Result<()> {
    let mut seen: Vec<&str> = Vec::new();
    for change in entries.iter().filter_map(|entry| replacing(&entry.intent.change)) {
        if !seen.contains(&change.path.as_str()) {
            seen.push(&change.path);
            let resolved = resolve(root, &absolute(&change.path), LastLink::Follow)?;
            recover_one(root, &resolved, &replaced_at(root, &resolved, entries)?, run_ended)?;
        }
    }
    Ok(())
}

/// What stood at this path before each change of the run that was made, or may have been.
fn replaced_at<'e>(root: &Root, resolved: &ResolvedPath<'_>, entries: &'e [Entry]) -> Result<Vec<&'e State>> {
    let mut replaced = Vec::new();
    for entry in entries.iter().filter(|entry| entry.is_open()) {
        let Some(change) = replacing(&entry.intent.change) else { continue };
        if resolve(root, &absolute(&change.path), LastLink::Follow)?.canonical() == resolved.canonical() {
            replaced.push(&change.before);
        }
    }
    Ok(replaced)
}

fn recover_one(root: &Root, resolved: &ResolvedPath<'_>, replaced: &[&State], run_ended: bool) -> Result<()> {
    let waiting = resolved.waiting_path();
    let fail = |cause: io::Error| Error::io("keep the previous key", root.display(&resolved.old_path()), &cause);
    let copy = root.find_large(&waiting)?.state;
    if copy == State::Absent {
        return Ok(());
    }
    let now = resolved.state().map_err(fail)?;
    // While the key itself is still the one before, or is it again, nothing was replaced.
    let is_needed = !now.same_content(&copy) && replaced.iter().any(|state| copy.same_content(state));
    if !is_needed {
        return resolve(root, &waiting, LastLink::Keep)?.remove_file().map_err(fail);
    }
    if !run_ended {
        return Ok(());
    }
    // An undo that was interrupted has given it the mode that the key had.
    if !matches!(copy, State::File { mode: KEY_MODE, .. }) {
        resolve(root, &waiting, LastLink::Keep)?.set_mode(KEY_MODE).map_err(fail)?;
    }
    resolved.place_old().map_err(fail)
}

fn replacing(change: &Change) -> Option<&WriteChange> {
    match change {
        Change::Write(change) if change.kept_old => Some(change),
        _ => None,
    }
}
