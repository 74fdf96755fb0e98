//! Decides which copy of a replaced private key becomes `NAME.old`, and when.
//!
//! The copy is made before the key is replaced, under a hidden name, and becomes `NAME.old` only when the run has
//! ended: until then an undo uses the hidden copy, and `NAME.old` is still the key before that.

use std::ffi::OsString;

use super::paths::{KEY_MODE, absolute, link_mode, resolve};
use super::step::Step;
use crate::action::{ActionKind, Node};
use crate::error::{Result, ResultExt};
use crate::host::Host;
use crate::journal::{Change, Entry, Record, Run, WriteChange, Writer};
use crate::root::{LastLink, ResolvedPath, Root, State};

/// After an interruption: removes copies that belong to no replaced key, such as an incomplete one.
pub(super) fn recover(root: &Root, run: &Run) -> Result<()> {
    recover_all(root, &run.entries, false)
}

/// Closes a run that is complete, and renames its copies.
///
/// The record `finished` is durable before the first of them is renamed. After a kill in between the run is not
/// closed, and the next call does this again.
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

/// Makes room for the copies that are about to be made: a copy of a run that another call has closed is renamed,
/// and a copy that no run needs is removed.
pub(super) fn make_room(host: &Host, steps: &[Step], resumed: Option<&Run>) -> Result<()> {
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
        let of_this_run = replaced_at(root, &resolved, resumed.map_or(&[], |run| &run.entries))?;
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

/// The runs of this utility that may have left a copy under its hidden name, as another call closed them.
fn closed_runs(host: &Host) -> Result<Vec<Run>> {
    let mut runs = Vec::new();
    for name in host.journal().names()?.iter().filter(|name| name.tool == host.tool) {
        // A run that cannot be read is reported where it is needed.
        runs.extend(host.journal().load(name).ok().flatten().filter(|run| !run.reverted));
    }
    Ok(runs)
}

/// Whether there is a copy already: that of the key from before the run, if a resumed run replaces the key a
/// second time.
pub(super) fn is_waiting(root: &Root, resolved: &ResolvedPath<'_>) -> Result<bool> {
    Ok(root.find_large(&resolved.waiting_path())?.exists())
}

/// The name under which the key of this state is kept, if it is.
pub(crate) fn kept_as(root: &Root, resolved: &ResolvedPath<'_>, before: &State) -> Result<Option<OsString>> {
    for (path, name) in [(resolved.waiting_path(), resolved.waiting_name()), (resolved.old_path(), resolved.old_name())]
    {
        if root.find_large(&path)?.state.same_content(before) {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// Removes a copy that an undo does not need, as the key itself is in place.
pub(crate) fn discard_needless(root: &Root, change: &WriteChange) -> Result<()> {
    if !change.kept_old {
        return Ok(());
    }
    let resolved = resolve(root, &absolute(&change.path), LastLink::Follow)?;
    let is_copy = root.find_large(&resolved.waiting_path())?.state.same_content(&change.before);
    if is_copy { discard(root, &resolved, &change.before) } else { Ok(()) }
}

/// Removes a copy, complete or not, if the key that it was made from is in place. A rename that failed may have
/// been done nevertheless, and then the copy is the only one.
pub(super) fn discard(root: &Root, resolved: &ResolvedPath<'_>, was: &State) -> Result<()> {
    let waiting = resolved.waiting_path();
    let shown = root.display(&waiting);
    if !resolved.state().on("remove", &shown)?.same_content(was) {
        return Ok(());
    }
    resolve(root, &waiting, LastLink::Keep)?.remove_file().on("remove", &shown)
}

/// Goes through the copies of a run: those that are still needed stay, or become `NAME.old` if the run has ended.
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

/// The states of this path before each change of the run that was made, or may have been made.
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
    let shown = root.display(&resolved.old_path());
    let copy = root.find_large(&waiting)?.state;
    if copy == State::Absent {
        return Ok(());
    }
    let now = resolved.state().on("keep the previous key", &shown)?;
    // If the key itself is still, or again, the previous one, nothing was replaced.
    let is_needed = !now.same_content(&copy) && replaced.iter().any(|state| copy.same_content(state));
    if !is_needed {
        return resolve(root, &waiting, LastLink::Keep)?.remove_file().on("keep the previous key", &shown);
    }
    if !run_ended {
        return Ok(());
    }
    // An interrupted undo may have given it the mode of the key.
    if !matches!(copy, State::File { mode: KEY_MODE, .. }) {
        resolve(root, &waiting, LastLink::Keep)?.set_mode(KEY_MODE).on("keep the previous key", &shown)?;
    }
    resolved.place_old().on("keep the previous key", &shown)
}

fn replacing(change: &Change) -> Option<&WriteChange> {
    match change {
        Change::Write(change) if change.kept_old => Some(change),
        _ => None,
    }
}
