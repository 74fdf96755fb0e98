//! Undoes a run: an edit by its inverse, a file as a whole if it is still as the run left it, and never over what
//! was changed since.

mod check;
mod decide;
mod diff;
mod editor;
mod keys;
mod list;
mod step;
mod trashed;

use clap::Args;
use serde_json::json;

use self::decide::{Decided, Undoing};
pub use self::editor::{Editor, Needed};
use self::step::UndoStep;
use crate::action::{RESCUE_SUFFIX, Run as Command, UndoOrder};
use crate::apply::absolute;
use crate::error::{Error, Result};
use crate::exit::{Exit, Outcome};
use crate::host::{Host, Mode};
use crate::journal::{Change, Entry, Progress, Record, Run, RunName, Writer, overlap};
use crate::report::{Shown, Status, would_be_made};

/// The arguments of every utility's `undo`.
#[derive(Debug, Clone, Default, Args)]
#[allow(clippy::struct_excessive_bools, reason = "command-line flags")]
pub struct UndoArgs {
    /// Undo this run instead of the newest one
    #[arg(long, value_name = "ID", conflicts_with = "list")]
    pub id: Option<u64>,

    /// List the runs of this utility, without changing anything
    #[arg(long)]
    pub list: bool,

    /// Also restore what was changed since; the current version is kept as NAME.edgeutils-kept
    #[arg(long, conflicts_with = "list")]
    pub force: bool,

    /// Keep the run; from now on, undo without --id skips it
    #[arg(long, conflicts_with_all = ["list", "force"])]
    pub skip: bool,
}

/// `undo`: the newest run of this tool that is not yet undone, or the one that is named.
pub fn run(host: &mut Host, args: &UndoArgs, editors: &[&dyn Editor]) -> Result<Outcome> {
    if args.list {
        return list::list(host);
    }
    host.is_undo = true;
    host.prepare_edit(args.skip || needs_only_files(host, args.id))?;
    let chosen = match choose(host, args.id) {
        Err(error) if args.skip => return set_aside(host, args.id, error),
        chosen => chosen?,
    };
    if chosen.as_ref().is_some_and(|run| !args.skip && !run.header.only_named_files) {
        host.prepare_change()?;
    }
    let Some(run) = chosen else {
        if host.mode == Mode::Apply {
            host.journal().sweep_kept()?;
        }
        hint_other_journal(host);
        host.report.line("nothing to undo");
        return Ok(planned(host, 0));
    };
    host.progress.run = Some(run.header.run);
    if args.skip { keep(host, &run) } else { undo(host, &run, args.force, editors) }
}

/// Whether the undo writes nothing but files that the user had named, or nothing at all. That decides what it needs, so
/// the run is looked up before the lock is taken, and once more after that.
fn needs_only_files(host: &Host, id: Option<u64>) -> bool {
    host.root.has_user_state() || choose(host, id).is_ok_and(|run| run.is_none_or(|run| run.header.only_named_files))
}

/// Says where runs may be that this call does not see: root and each user have a journal of their own.
fn hint_other_journal(host: &mut Host) {
    if host.root.has_user_state() {
        host.report.hint(&format!("only the runs of this user are undone; for those of root: sudo {} undo", host.tool));
    } else if let Some(user) = host.root.sudo_user() {
        host.report.hint(&format!("only the runs of root are undone; for those of {user}, run it without sudo"));
    }
}

fn undo(host: &mut Host, run: &Run, force: bool, editors: &[&dyn Editor]) -> Result<Outcome> {
    let id = run.header.run;
    let later = later_things(host, id)?;
    let entries = in_order(run);
    let root = host.root.try_clone()?;
    let undoing =
        Undoing { root: &root, editors, tool: host.tool, run: id, force, shows_values: host.mode == Mode::DryRun };
    for entry in entries.iter().filter(|entry| blocker(&undoing, entry, &later).is_none()) {
        undoing.check_copy(entry)?;
    }
    check::previous_keys(&undoing, &entries, &later)?;
    check::commands(&undoing, &entries, &later)?;
    let mut writer = match host.mode {
        Mode::Apply => Some(begin(host, run, entries.len())?),
        Mode::DryRun => None,
    };
    let (mut exit, mut count) = (Exit::Done, 0);
    let mut failed = 0;
    // Whether a step was begun that may have changed the host.
    let mut is_touched = false;
    let mut rescues: Vec<String> = Vec::new();
    for entry in &entries {
        host.check_interrupt()?;
        let path = entry.intent.change.path().unwrap_or_default();
        if rescues.iter().any(|rescue| rescue == path) {
            host.report.note(&format!("kept {} for a rescue", root.display(&absolute(path)).display()));
            failed += 1;
            continue;
        }
        let blocked = blocker(&undoing, entry, &later);
        let differs = blocked.is_none();
        let decided = blocked.map_or_else(|| undoing.decide(entry), Err);
        let hints = decided.as_ref().map(|decided| decided.step.hints().to_vec()).unwrap_or_default();
        if let Some(note) = decided.as_ref().ok().and_then(|decided| decided.step.note()) {
            host.report.note(&format!("{}: its {note}", root.display(&absolute(path)).display()));
        }
        let outcome = match (decided, &mut writer) {
            (Ok(Decided { step, .. }), None) => {
                let status = if step.changes_nothing() { Status::Skipped } else { Status::Planned };
                let details = step.values();
                host.report.action(&Shown { details, ..shown(entry, &step) }, status);
                count += usize::from(status == Status::Planned);
                Ok(())
            }
            (Ok(decided), Some(writer)) => {
                is_touched = true;
                revert(host, writer, entry, decided)
            }
            (Err(error), _) => Err(error),
        };
        if outcome.is_ok() {
            hints.iter().for_each(|hint| host.report.hint(hint));
        }
        // If one part cannot be undone, the others are undone anyway.
        if let Err(error) = outcome {
            if error.exit() == Exit::Interrupted {
                return Err(error);
            }
            let text = undoing.difference(entry, &error).filter(|_| differs).unwrap_or_default();
            if host.report.is_json() {
                refused(host, entry, &error, &text);
            } else {
                host.report.lines_on_stderr(&text);
            }
            host.report.error(&error);
            exit = exit.worst(error.exit());
            failed += 1;
            rescues.push(format!("{path}{RESCUE_SUFFIX}"));
        }
    }
    let Some(mut writer) = writer else {
        let shown = planned(host, count);
        if count + failed > 0 {
            host.report.line(&would_be_made(count));
        }
        return Ok(Outcome { exit: exit.worst(shown.exit), ..shown });
    };
    // Before the run is closed, so that the same call can repeat it.
    writer.sync()?;
    host.journal().sweep_kept()?;
    if exit == Exit::Done {
        host.journal().close(writer, Record::Reverted)?;
        host.report.line(&reverted(id, entries.iter().filter(|entry| entry.purged).count(), entries.len()));
    } else {
        // Where nothing was undone, the run is as before. Otherwise the next call recovers what a failed step has left.
        if !is_touched && !run.is_half_undone() {
            host.journal().close(writer, Record::End)?;
        }
        host.report.line(&reverted_in_part(entries.len() - failed, entries.len(), id));
    }
    Ok(Outcome { exit, ..host.progress })
}

/// The last line of an undo, which restores nothing that was purged.
fn reverted(id: u64, purged: usize, all: usize) -> String {
    match purged {
        0 => format!("reverted run {id}"),
        _ if purged == all => format!("nothing to undo: everything that run {id} changed was purged"),
        _ => format!("reverted run {id}, without what was purged"),
    }
}

/// The last line of an undo that some actions refused: they are undone by the same call once that is possible.
fn reverted_in_part(done: usize, all: usize, id: u64) -> String {
    let changes = if all == 1 { "change" } else { "changes" };
    format!("reverted {done} of {all} {changes} of run {id}")
}

/// The record of an action that is not undone, with what differs.
fn refused(host: &mut Host, entry: &Entry, error: &Error, difference: &str) {
    let status = if error.exit() == Exit::Refused { Status::Refused } else { Status::Failed };
    let details = difference.lines().map(str::to_owned).collect();
    host.report.action(&Shown { details, why: String::new(), ..shown(entry, &UndoStep::Already) }, status);
}

/// The actions that are to be undone, last first; commands in their [`UndoOrder`].
fn in_order(run: &Run) -> Vec<Entry> {
    let is_left = |entry: &&Entry| !matches!(entry.progress, Progress::Void | Progress::Undone);
    let mut entries = keys::joined(run.entries.iter().rev().filter(is_left).cloned().collect());
    entries.sort_by_key(|entry| match &entry.intent.change {
        Change::Run(Command { undo_order, .. }) => *undo_order,
        _ => UndoOrder::Reverse,
    });
    entries
}

/// Records that an undo begins. Without space for the following records nothing is undone.
fn begin(host: &Host, run: &Run, entries: usize) -> Result<Writer> {
    let mut writer = host.journal().reopen(run)?;
    writer.reserve(entries)?;
    writer.append(&[Record::Reverting])?;
    Ok(writer)
}

/// The end of a dry run.
fn planned(host: &mut Host, count: usize) -> Outcome {
    if host.mode == Mode::DryRun {
        host.progress.changed = count > 0;
        host.report.record("plan", json!({"actions": count}));
    }
    Outcome { exit: if host.mode == Mode::DryRun && count > 0 { Exit::Differs } else { Exit::Done }, ..host.progress }
}

/// `undo --skip`: the run is kept, and an undo without a number skips it.
fn keep(host: &mut Host, run: &Run) -> Result<Outcome> {
    let (id, objects) = (run.header.run, list::objects(run));
    if host.mode == Mode::DryRun {
        host.report.line(&format!("would keep run {id}: {}", objects.join(", ")));
        return Ok(planned(host, usize::from(!run.kept)));
    }
    if !run.kept {
        let writer = host.journal().reopen(run)?;
        host.journal().close(writer, Record::Kept)?;
        host.progress.changed = true;
    }
    host.report.line(&format!("kept run {id}: {}", objects.join(", ")));
    list::record(host, id, &run.header.time, "kept", &run.header.args, &objects);
    Ok(host.progress)
}

/// `undo --skip` of a run that cannot be read: its file is renamed, so that it is ignored.
fn set_aside(host: &mut Host, id: Option<u64>, error: Error) -> Result<Outcome> {
    let names = host.journal().names()?;
    let own = |name: &&RunName| name.tool == host.tool && id.is_none_or(|id| name.id == id);
    let damaged = names.iter().rev().filter(own).find(|name| host.journal().load(name).is_err());
    let Some(name) = damaged else { return Err(error) };
    if host.mode == Mode::DryRun {
        host.report.line(&format!("would set aside run {}", name.id));
        return Ok(planned(host, 1));
    }
    let aside = host.journal().set_aside(name)?;
    host.progress.changed = true;
    host.report.line(&format!("set aside run {} as {}", name.id, host.root.display(&aside).display()));
    Ok(host.progress)
}

fn revert(host: &mut Host, writer: &mut Writer, entry: &Entry, decided: Decided) -> Result<()> {
    let seq = entry.intent.seq;
    let Decided { step, now } = decided;
    let shown = shown(entry, &step);
    if let Some(now) = now.filter(|_| !step.changes_nothing()) {
        step::must_still_be(&host.root, entry, &now)?;
    }
    if let Some(both_sides) = step::record_before(&host.root, entry, &step)? {
        writer.append(&[both_sides])?;
        writer.sync()?;
    }
    let nothing = step.changes_nothing();
    let status = if nothing { Status::Skipped } else { Status::Done };
    let kept = match &step {
        UndoStep::Keeping { now, .. } => Some(("was changed since", step::keep(&host.root, entry, now)?)),
        UndoStep::FromTrash { keeping: Some(now) } => Some(("exists again", step::keep_tree(&host.root, entry, *now)?)),
        _ => None,
    };
    if let Some((what, kept)) = kept {
        let kept = host.root.display(&kept);
        host.report.note(&format!("{} {what}; the current version is kept as {}", shown.object, kept.display()));
    }
    step::perform(&host.root, host.lock.as_ref(), writer.id, entry, step)?;
    writer.append(&[Record::Undone { seq }])?;
    host.progress.changed |= !nothing;
    host.report.action(&shown, status);
    Ok(())
}

/// The run to undo; `None` if there is none.
///
/// Errors: exit 4 if it cannot be read, as older runs must not be undone before it.
fn choose(host: &Host, id: Option<u64>) -> Result<Option<Run>> {
    let journal = host.journal();
    let names = journal.names()?;
    let Some(id) = id else {
        for name in names.iter().rev().filter(|name| name.tool == host.tool) {
            let is_open = |run: &Run| run.entries.iter().any(Entry::is_open) || run.is_half_undone();
            let is_left = |run: &Run| !run.reverted && !run.kept && is_open(run);
            if let Some(run) = journal.load(name)?.filter(is_left) {
                return Ok(Some(run));
            }
        }
        return Ok(None);
    };
    let Some(name) = names.iter().find(|name| name.id == id) else {
        return Err(Error::failed(format!("cannot undo run {id}: it is not in the journal")).hint(format!(
            "list the runs: {}{} undo --list",
            host.tool,
            host.root.option()
        )));
    };
    if name.tool != host.tool {
        return Err(Error::usage(format!("cannot undo run {id}: it was made by {}", name.tool)).hint(format!(
            "{}{} undo --id {id}",
            name.tool,
            host.root.option()
        )));
    }
    Ok(journal.load(name)?.filter(|run| !run.reverted))
}

/// What later runs of any utility have changed and not undone. The changes of a run that cannot be read are unknown;
/// each file is compared with what this run left before it is restored.
fn later_things(host: &mut Host, id: u64) -> Result<Vec<(String, u64, String)>> {
    let mut things = Vec::new();
    for name in host.journal().names()?.iter().filter(|name| name.id > id) {
        let run = match host.journal().load(name) {
            Ok(run) => run.filter(|run| !run.reverted),
            Err(error) => {
                let text = error.message().to_owned();
                host.report.warning(&format!("{text}; what it changed is not known"));
                continue;
            }
        };
        for entry in run.iter().flat_map(|run| &run.entries).filter(|entry| entry.is_open()) {
            things.extend(entry.intent.change.things().into_iter().map(|thing| (thing, name.id, name.tool.clone())));
        }
    }
    Ok(things)
}

fn blocker(undoing: &Undoing<'_>, entry: &Entry, later: &[(String, u64, String)]) -> Option<Error> {
    let own = entry.intent.change.things();
    let (thing, id, tool) = later.iter().find(|(thing, ..)| own.iter().any(|own| overlap(own, thing)))?;
    let (path, part) = thing.split_once('#').map_or((thing.as_str(), None), |(path, part)| (path, Some(part)));
    let part = part.map(|part| format!(": {part}")).unwrap_or_default();
    let shown = match entry.intent.change.path() {
        Some(_) => undoing.root.display(&absolute(path)).display().to_string(),
        None => path.to_owned(),
    };
    Some(
        Error::refused(format!("cannot undo the change of {shown}{part}: run {id} of {tool} changed it later")).hint(
            format!("undo that run first: {tool}{} undo --id {id}; {}", undoing.root.option(), undoing.keep_all()),
        ),
    )
}

fn shown(entry: &Entry, step: &UndoStep) -> Shown {
    let object = match &entry.intent.change {
        Change::Run(Command { argv, inverse, .. }) => inverse.as_ref().unwrap_or(argv).join(" "),
        Change::Transaction { argv, .. } => argv.join(" "),
        Change::Effect { object, .. } => object.clone(),
        change => absolute(change.path().unwrap_or_default()).display().to_string(),
    };
    Shown { verb: step.verb().to_owned(), object, why: step.why(), undo: None, details: step.details(), tag: None }
}
