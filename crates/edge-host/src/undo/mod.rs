//! Taking a run back: by edit where the edit has an inverse, whole where the file is as we left it,
//! and never over what someone else did since.

mod diff;
mod packages;
mod step;

pub use packages::{Stays, would_stay};

use clap::Args;
use serde_json::{Value, json};

use crate::action::{RESCUE_SUFFIX, Script, Turn, Undo};
use crate::apply::absolute;
use crate::error::{Error, Result};
use crate::exit::{Exit, Outcome};
use crate::host::{Host, Mode};
use crate::journal::{Change, Entry, Progress, Record, Run, overlap};
use crate::report::{Shown, Status};
use crate::root::Root;

/// The arguments of every utility's `undo`.
#[derive(Debug, Clone, Args)]
pub struct UndoArgs {
    /// Take back this run instead of the newest one
    #[arg(long, value_name = "ID", conflicts_with = "list")]
    pub id: Option<u64>,

    /// List the runs of this utility and change nothing
    #[arg(long)]
    pub list: bool,
}

/// Takes back an edit inside a file that has changed since.
pub trait Editor {
    /// The kind that [`crate::Inverse::Edit`] names.
    fn kind(&self) -> &'static str;

    /// The file's bytes with our edit taken back, everything else as it is now. The same bytes mean
    /// that it is taken back already. Refuses (exit 4) where our value is no longer there.
    fn take_back(&self, now: &[u8], data: &Value) -> Result<Vec<u8>>;

    /// For kinds of [`crate::action::Transaction`]: the script that brings back what was, made from
    /// what is there now; `None` where it is so already.
    ///
    /// Fails for kinds that edit files.
    fn script_back(&self, data: &Value) -> Result<Option<Script>> {
        let _ = data;
        Err(Error::failed(format!("cannot undo by a script: {} edits files", self.kind())))
    }
}

/// `undo`: the newest run of this tool that is not yet taken back, or the one that is named.
pub fn run(host: &mut Host, args: &UndoArgs, editors: &[&dyn Editor]) -> Result<Outcome> {
    if args.list {
        return list(host);
    }
    host.prepare_change()?;
    let Some(run) = choose(host, args.id)? else {
        host.report.line("nothing to undo");
        return Ok(Outcome::default());
    };
    let id = run.header.run;
    let later = later_things(host, id)?;
    let mut entries: Vec<Entry> = run
        .entries
        .iter()
        .rev()
        .filter(|entry| !matches!(entry.progress, Progress::Void | Progress::Undone))
        .cloned()
        .collect();
    entries.sort_by_key(|entry| match entry.intent.change {
        Change::Run { turn: Turn::Last, .. } => 1,
        Change::Run { turn: Turn::Finally, .. } => 2,
        _ => 0,
    });

    host.progress.run = Some(id);
    keys_can_come_back(&host.root, &entries, &later, editors)?;
    packages::can_go(&host.root, id, entries.iter().filter(|entry| blocker(&host.root, entry, &later).is_none()))?;
    let mut writer = match host.mode {
        Mode::Apply => Some(host.journal().reopen(&run)?),
        Mode::DryRun => None,
    };
    if let Some(writer) = &mut writer {
        // Without room for what follows nothing is taken back.
        writer.reserve(entries.len())?;
    }
    let mut exit = Exit::Done;
    let mut rescues: Vec<String> = Vec::new();
    for entry in &entries {
        host.check_interrupt()?;
        let path = entry.intent.change.path().unwrap_or_default();
        if rescues.iter().any(|rescue| rescue == path) {
            host.report.note(&format!("{} stays, for a rescue", host.root.display(&absolute(path)).display()));
            continue;
        }
        let blocked = blocker(&host.root, entry, &later);
        let differs = blocked.is_none();
        let step = match blocked {
            Some(error) => Err(error),
            None => step::plan(&host.root, entry, editors),
        };
        let outcome = match step {
            Ok(step) if host.mode == Mode::DryRun => {
                let status = if step.changes_nothing() { Status::Already } else { Status::Planned };
                host.report.action(&shown(entry, &step), status);
                host.progress.changed |= status == Status::Planned;
                Ok(())
            }
            Ok(step) => take_back(host, writer.as_mut(), entry, step),
            Err(error) => Err(error),
        };
        // One part that cannot come back is no reason to leave the others.
        if let Err(error) = outcome {
            if error.exit() == Exit::Interrupted {
                return Err(error);
            }
            if let Some(text) = step::difference(&host.root, entry, &error).filter(|_| differs) {
                host.report.lines_on_stderr(&text);
            }
            host.report.error(&error);
            exit = exit.worst(error.exit());
            rescues.push(format!("{path}{RESCUE_SUFFIX}"));
        }
    }
    if let Some(mut writer) = writer {
        if exit == Exit::Done {
            writer.append(&[Record::Reverted])?;
        }
        writer.sync()?;
        host.journal().sweep_kept()?;
    } else if host.progress.changed {
        exit = exit.worst(Exit::Differs);
    }
    Ok(Outcome { exit, ..host.progress })
}

/// A private key is kept for one generation. One that is gone cannot come back, and what was changed
/// together with it, such as its certificate, is of use only with it: then all of the run stays.
fn keys_can_come_back(
    root: &Root,
    entries: &[Entry],
    later: &[(String, u64, String)],
    editors: &[&dyn Editor],
) -> Result<()> {
    let stays = |error: Error| {
        if entries.len() > 1 {
            error.hint("the rest of the run stays as well, as it belongs to the key")
        } else {
            error
        }
    };
    let mut seen: Vec<&str> = Vec::new();
    for entry in entries {
        let Change::Write(change) = &entry.intent.change else { continue };
        if !change.kept_old || blocker(root, entry, later).is_some() {
            continue;
        }
        if seen.contains(&change.path.as_str()) {
            let shown = root.display(&absolute(&change.path));
            return Err(stays(Error::refused(format!(
                "cannot undo {}: it was replaced twice, and only the last one before is kept",
                shown.display()
            ))));
        }
        seen.push(&change.path);
        step::plan(root, entry, editors).map_err(stays)?;
    }
    Ok(())
}

fn take_back(
    host: &mut Host,
    writer: Option<&mut crate::journal::Writer>,
    entry: &Entry,
    step: step::Step,
) -> Result<()> {
    let seq = entry.intent.seq;
    let shown = shown(entry, &step);
    let Some(writer) = writer else { return Ok(()) };
    if let Some(torn_copy) = step::record_before(&host.root, entry, &step)? {
        writer.append(&[torn_copy])?;
        writer.sync()?;
    }
    let nothing = step.changes_nothing();
    let status = if nothing { Status::Already } else { Status::Done };
    step::perform(&host.root, host.lock.as_ref(), entry, step)?;
    writer.append(&[Record::Undone { seq }])?;
    host.progress.changed |= !nothing;
    host.report.action(&shown, status);
    Ok(())
}

/// The run to take back; `None` where nothing is left and none was named.
fn choose(host: &Host, id: Option<u64>) -> Result<Option<Run>> {
    let journal = host.journal();
    let Some(id) = id else { return newest_open(host) };
    let names = journal.names()?;
    let Some(name) = names.iter().find(|name| name.id == id) else {
        return Err(Error::failed(format!("cannot undo run {id}: it is not in the journal"))
            .hint(format!("`{} undo --list` shows what is", host.tool())));
    };
    if name.tool != host.tool() {
        return Err(Error::usage(format!("cannot undo run {id}: it was made by {}", name.tool))
            .hint(format!("{} undo --id {id}", name.tool)));
    }
    Ok(journal.load(name)?.filter(|run| !run.reverted))
}

fn newest_open(host: &Host) -> Result<Option<Run>> {
    let journal = host.journal();
    for name in journal.names()?.iter().rev().filter(|name| name.tool == host.tool()) {
        if let Some(run) = journal.load(name)?.filter(|run| !run.reverted && run.entries.iter().any(Entry::is_open)) {
            return Ok(Some(run));
        }
    }
    Ok(None)
}

/// What later runs of any utility touched and have not taken back.
fn later_things(host: &Host, id: u64) -> Result<Vec<(String, u64, String)>> {
    let journal = host.journal();
    let mut things = Vec::new();
    for name in journal.names()?.iter().filter(|name| name.id > id) {
        let Some(run) = journal.load(name)?.filter(|run| !run.reverted) else { continue };
        for entry in run.entries.iter().filter(|entry| entry.is_open()) {
            things.extend(entry.intent.change.things().into_iter().map(|thing| (thing, name.id, name.tool.clone())));
        }
    }
    Ok(things)
}

fn blocker(root: &Root, entry: &Entry, later: &[(String, u64, String)]) -> Option<Error> {
    let own = entry.intent.change.things();
    let (thing, id, tool) = later.iter().find(|(thing, ..)| own.iter().any(|own| overlap(own, thing)))?;
    let (path, part) = thing.split_once('#').map_or((thing.as_str(), None), |(path, part)| (path, Some(part)));
    let part = part.map(|part| format!(": {part}")).unwrap_or_default();
    let shown = match entry.intent.change.path() {
        Some(_) => root.display(&absolute(path)).display().to_string(),
        None => path.to_owned(),
    };
    Some(
        Error::refused(format!("cannot undo the change of {shown}{part}: run {id} of {tool} changed it later"))
            .hint(format!("take that back first: {tool} undo --id {id}")),
    )
}

fn shown(entry: &Entry, step: &step::Step) -> Shown {
    let object = match &entry.intent.change {
        Change::Run { argv, inverse, .. } => inverse.as_ref().unwrap_or(argv).join(" "),
        Change::Transaction { argv, .. } => argv.join(" "),
        change => absolute(change.path().unwrap_or_default()).display().to_string(),
    };
    Shown { verb: step.verb().to_owned(), object, why: step.why(), undo: None, details: step.details() }
}

fn list(host: &mut Host) -> Result<Outcome> {
    let names = host.journal().names()?;
    let mut empty = true;
    let tool = host.tool();
    for name in names.iter().filter(|name| name.tool == tool) {
        let Some(run) = host.journal().load(name)? else { continue };
        empty = false;
        let state = match () {
            () if run.reverted => "undone",
            () if run.is_half_undone() => "partly undone",
            () if run.is_unfinished() => "interrupted",
            () => "done",
        };
        let things: Vec<String> = run
            .entries
            .iter()
            .filter(|entry| entry.progress != Progress::Void)
            .map(|entry| match &entry.intent.change {
                Change::Run { argv, .. } => argv.join(" "),
                Change::Transaction { object, .. } => object.clone(),
                change => format!("/{}", change.path().unwrap_or_default()),
            })
            .collect();
        let weakest = if run.entries.iter().any(|entry| entry.intent.undo == Undo::None.to_string()) {
            "  [in part without undo]"
        } else {
            ""
        };
        host.report.line(&format!("{:>4}  {}  {state:<13} {}{weakest}", name.id, run.header.time, things.join(", ")));
        host.report.record("run", json!({"run": name.id, "time": run.header.time, "state": state, "objects": things}));
    }
    if empty {
        host.report.line("no runs");
    }
    Ok(Outcome::default())
}
