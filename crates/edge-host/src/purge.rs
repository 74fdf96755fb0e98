//! Deletes what runs have moved to the trash.
//!
//! That it is given up is recorded before the first file is deleted: an undo never restores a part of a tree.

use std::path::{Path, PathBuf};

use crate::apply::{absolute, resolve};
use crate::error::{Error, Result, ResultExt};
use crate::exit::{Exit, Outcome};
use crate::host::{Host, Mode};
use crate::journal::{Change, Progress, Record, Run, RunName};
use crate::mounts::Mounts;
use crate::report::{Shown, Status};
use crate::root::{Inode, LastLink, ResolvedPath, Trash};

/// A file or directory in the trash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trashed {
    /// The run that moved it there.
    pub run: u64,
    /// Where it was, below the root.
    pub path: PathBuf,
    /// Where it is, below the root too.
    pub place: PathBuf,
    seq: usize,
    inode: Inode,
    trash: Trash,
}

/// What the runs of this utility, or one of them, have in the trash. [`Host::prepare_change`] must have been called.
///
/// Errors: exit 4 where a run cannot be read; exit 1 if the run that is named does not exist.
pub fn trashed(host: &Host, id: Option<u64>) -> Result<Vec<Trashed>> {
    let journal = host.journal();
    let names = journal.names()?;
    let own: Vec<&RunName> = names.iter().filter(|name| name.tool == host.tool).collect();
    if let Some(id) = id.filter(|id| !own.iter().any(|name| name.id == *id)) {
        let hint = format!("list the runs: {}{} undo --list", host.tool, host.root.option());
        return Err(
            Error::failed(format!("cannot purge run {id}: it is not in the journal of {}", host.tool)).hint(hint)
        );
    }
    let mut all = Vec::new();
    for name in own.into_iter().filter(|name| id.is_none_or(|id| name.id == id)) {
        let Some(run) = journal.load(name)? else { continue };
        all.extend(in_trash(host, &run)?);
    }
    Ok(all)
}

/// The files that a run of this utility has written, and no later one.
///
/// Errors: exit 4 if a run cannot be read.
pub fn written(host: &Host, id: u64) -> Result<Vec<PathBuf>> {
    let journal = host.journal();
    let mut own = Vec::new();
    for name in journal.names()?.iter().filter(|name| name.tool == host.tool && name.id >= id) {
        let run = journal.load(name)?;
        let entries = run.into_iter().flat_map(|run| run.entries).filter(|entry| entry.progress != Progress::Void);
        let paths: Vec<PathBuf> = entries
            .filter_map(|entry| match entry.intent.change {
                Change::Write(change) => Some(absolute(&change.path)),
                _ => None,
            })
            .collect();
        if name.id == id { own = paths } else { own.retain(|path| !paths.contains(path)) }
    }
    Ok(own)
}

fn in_trash(host: &Host, run: &Run) -> Result<Vec<Trashed>> {
    let mut found = Vec::new();
    // One that was given up may be there in part, also after an undo.
    for entry in run.entries.iter().filter(|entry| entry.purged || entry.progress == Progress::Done) {
        let Change::Trash { path, inode, .. } = &entry.intent.change else { continue };
        let (path, trash) = (absolute(path), entry.intent.change.trash(run.header.run));
        let shown = host.root.display(&path);
        let resolved = resolve(&host.root, &path, LastLink::Keep)?;
        if resolved.inode_in_trash(trash).on("read", &shown)? == Some(*inode) {
            let place = trash.place_of(&path);
            found.push(Trashed { run: run.header.run, path, place, seq: entry.intent.seq, inode: *inode, trash });
        } else if entry.purged && host.mode == Mode::Apply {
            // A kill came before it.
            resolved.remove_empty_trash(trash).on("remove the trash of", &shown)?;
        }
    }
    Ok(found)
}

/// Deletes it, or in a dry run shows it; and files that the runs have kept beside the journal. [`Host::prepare_change`]
/// must have been called.
///
/// What cannot be deleted, such as an immutable file or a mount, stays in the trash, and everything else is deleted; the
/// same call then continues. Errors: exit 5 after a signal.
pub fn purge(host: &mut Host, all: &[Trashed], files: &[PathBuf]) -> Result<Outcome> {
    host.report.applies();
    let mut exit = Exit::Done;
    // What a mount keeps is not given up: an undo can restore it.
    let mut free = Vec::new();
    for one in all {
        match gate(host, one) {
            Ok(_) => free.push(one),
            refused => exit = exit.worst(report(host, &shown(one), refused.map(drop))),
        }
    }
    if host.mode == Mode::DryRun {
        free.iter().for_each(|one| host.report.action(&shown(one), Status::Planned));
        files.iter().for_each(|path| host.report.action(&shown_file(path), Status::Planned));
        let count = free.len() + files.len();
        host.report.record("plan", serde_json::json!({"actions": count}));
        host.progress.changed = count > 0;
        return Ok(Outcome { exit: exit.worst(if count == 0 { Exit::Done } else { Exit::Differs }), ..host.progress });
    }
    host.must_be_prepared()?;
    for group in free.chunk_by(|a, b| a.run == b.run) {
        give_up(host, group)?;
    }
    for (at, one) in free.iter().enumerate() {
        host.check_interrupt()?;
        host.report.progress(&format!("deleting {} ({} of {})", one.place.display(), at + 1, free.len()));
        let deleted = delete(host, one);
        host.report.progress_ends();
        if deleted.as_ref().is_err_and(|error| error.exit() == Exit::Interrupted) {
            host.progress.changed = true;
            return deleted.map(|()| host.progress);
        }
        exit = exit.worst(report(host, &shown(one), deleted));
    }
    for path in files {
        host.check_interrupt()?;
        let removed = host.root.resolve(path, LastLink::Keep).and_then(|resolved| resolved.remove_file());
        let removed = removed.on("delete", host.root.display(path));
        exit = exit.worst(report(host, &shown_file(path), removed));
    }
    Ok(Outcome { exit, ..host.progress })
}

/// Reports a deletion; its exit code.
fn report(host: &mut Host, shown: &Shown, deleted: Result<()>) -> Exit {
    let Err(error) = deleted else {
        host.progress.changed = true;
        host.report.action(shown, Status::Done);
        return Exit::Done;
    };
    let status = if error.exit() == Exit::Refused { Status::Refused } else { Status::Failed };
    host.report.action(shown, status);
    host.report.error(&error);
    error.exit()
}

/// Records that the trees of a run are given up.
fn give_up(host: &Host, group: &[&Trashed]) -> Result<()> {
    let Some(first) = group.first() else { return Ok(()) };
    let name = RunName { id: first.run, tool: host.tool.to_owned() };
    let Some(run) = host.journal().load(&name)? else { return Ok(()) };
    let is_new = |one: &&&Trashed| run.entries.get(one.seq).is_some_and(|entry| !entry.purged);
    let records: Vec<Record> = group.iter().filter(is_new).map(|one| Record::Purged { seq: one.seq }).collect();
    if records.is_empty() {
        return Ok(());
    }
    let mut writer = host.journal().reopen(&run)?;
    writer.append(&records)?;
    // It is closed the way it was; one that is open stays open.
    let closing = match () {
        () if run.reverting => None,
        () if run.reverted => Some(Record::Reverted),
        () if run.kept => Some(Record::Kept),
        () => run.ended.then_some(Record::End),
    };
    match closing {
        Some(closing) => host.journal().close(writer, closing),
        None => writer.sync(),
    }
}

/// Refuses what was replaced, and what a mount keeps.
fn gate<'h>(host: &'h Host, one: &Trashed) -> Result<ResolvedPath<'h>> {
    let resolved = resolve(&host.root, &one.path, LastLink::Keep)?;
    let shown = host.root.display(&one.place);
    if resolved.inode_in_trash(one.trash).on("read", &shown)? != Some(one.inode) {
        return Err(Error::refused(format!("cannot delete {}: it was replaced", shown.display())));
    }
    match resolved.mounts_in_trash(&Mounts::read()?, one.trash).on("read", &shown)?.first() {
        Some(mount) => {
            let (why, hint) = mount.explain();
            Err(Error::refused(format!("cannot delete {}: {why}", shown.display())).hint(hint))
        }
        None => Ok(resolved),
    }
}

fn delete(host: &Host, one: &Trashed) -> Result<()> {
    let shown = host.root.display(&one.place);
    let leftovers =
        gate(host, one)?.delete_from_trash(one.trash, &|| host.check_interrupt().is_err()).on("delete", &shown)?;
    if !leftovers.is_nothing() {
        host.check_interrupt()?;
    }
    leftovers.into_error("delete", &shown).map_or(Ok(()), Err)
}

fn shown(one: &Trashed) -> Shown {
    Shown { why: format!("moved from {} by run {}", one.path.display(), one.run), ..shown_file(&one.place) }
}

fn shown_file(path: &Path) -> Shown {
    Shown {
        verb: "delete".to_owned(),
        object: path.display().to_string(),
        why: String::new(),
        undo: Some("none".to_owned()),
        details: Vec::new(),
        tag: None,
    }
}
