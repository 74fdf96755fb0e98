//! The one loop that changes a host: record what is about to be done, do it, record that it is done.

mod prepare;
mod reach;
mod settle;
mod stage;
mod step;

use serde_json::json;

use crate::action::{Action, Run, Script, Staging, What};
use crate::cmd::{Cmd, is_package_tool};
use crate::error::{Error, Result};
use crate::exit::{Exit, Outcome};
use crate::host::{Host, Mode};
use crate::journal::{Change, Entry, Intent, Progress, Record, Writer};
use crate::lock::Lock;
use crate::plan::Plan;
use crate::report::{Shown, Status};

pub(crate) use reach::{Link, absolute, link_of, read_value, remove_made, same_value, walk};

/// Shows the plan (dry run) or carries it out.
///
/// An empty plan changes nothing and leaves no trace. [`Host::prepare_change`] must have been called
/// before the facts were read.
///
/// Errors: exit 1 where a step fails or the journal cannot be written (then nothing was changed),
/// exit 4 where a file is no longer what the facts found, exit 5 after a signal. What was done until
/// then is in the journal: the same call again goes on, `undo` takes it back.
pub fn apply(host: &mut Host, plan: Plan) -> Result<Outcome> {
    carry_out(host, plan, Then::End)
}

/// Carries out a plan that another one follows in the same call, as some facts exist only after it
/// (a sysctl of a module that is loaded first). Both are one run: one undo takes back both, and a
/// kill in between is gone on with. The last plan of a call goes to [`apply`], empty or not.
pub fn apply_part(host: &mut Host, plan: Plan) -> Result<Outcome> {
    carry_out(host, plan, Then::More)
}

/// Whether the run ends with this plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    More,
    End,
}

fn carry_out(host: &mut Host, plan: Plan, then: Then) -> Result<Outcome> {
    for note in &plan.notes {
        host.report.note(note);
    }
    if host.mode == Mode::DryRun {
        return Ok(show(host, &plan, then));
    }
    host.must_be_prepared()?;
    let mut actions = plan.actions;
    let interrupted = settle::interrupted_run(host)?;
    let (carried, finished) = carried_over(interrupted.as_ref(), &actions)?;
    let settled = |entry: &Entry| settled(entry, &finished);
    actions.extend(carried);
    if actions.is_empty() {
        if then == Then::More {
            return Ok(host.progress);
        }
        if let Some(run) = &interrupted {
            let owed = run.entries.iter().filter(|entry| entry.progress == Progress::Pending);
            let mut records: Vec<Record> = owed.map(settled).collect();
            records.push(Record::End);
            host.journal().reopen(run)?.append(&records)?;
            host.progress.run = Some(run.header.run);
        }
        if !host.progress.changed {
            host.report.line("nothing to do: it is so already");
        }
        return Ok(host.progress);
    }

    // Whatever can be found out before the first change is found out now.
    let mut commands = Vec::new();
    for action in &actions {
        commands.push(match &action.what {
            What::Run(run) => Some(command(host, run)?),
            What::Transaction(transaction) => Some(fed(host, &transaction.script)?),
            _ => None,
        });
    }
    let first_seq = interrupted.as_ref().map_or(0, |run| run.entries.len());
    let mut records = Vec::new();
    let mut changes = Vec::new();
    for (index, action) in actions.iter().enumerate() {
        let change = step::change(&host.root, action)?;
        changes.push(change.clone());
        let (why, undo) = (action.why.clone(), action.undo().to_string());
        records.push(Record::Intent(Box::new(Intent { seq: first_seq + index, why, undo, change })));
    }
    let mut writer = match &interrupted {
        Some(run) => host.journal().reopen(run)?,
        None => {
            let (writer, header) = host.journal().begin(host.tool, &host.request)?;
            records.insert(0, header);
            writer
        }
    };
    // What the interrupted run still owed is planned again, or carried over.
    let owed = interrupted.iter().flat_map(|run| &run.entries).filter(|entry| entry.progress == Progress::Pending);
    records.extend(owed.map(settled));
    let kept = changes.iter().try_for_each(|change| host.journal().keep(change));
    if let Err(error) = kept.and_then(|()| writer.append_intents(&records)) {
        if interrupted.is_none() {
            host.journal().forget(writer, host.tool);
        }
        return Err(error);
    }
    host.progress.run = Some(writer.id);
    host.all_ended = false;

    let mut steps = actions.into_iter().zip(commands).enumerate().peekable();
    while let Some((index, (action, command))) = steps.next() {
        let mut row = vec![action];
        while row.last().is_some_and(|last| last.staging == Staging::WithNext && last.can_be_staged()) {
            let Some((_, (next, _))) = steps.next_if(|(_, (next, _))| next.can_be_staged()) else { break };
            row.push(next);
        }
        let (seq, own) = (first_seq + index, &changes[index..index + row.len()]);
        let done = match host.interrupt.check() {
            Ok(()) if row.len() > 1 => together(host, &mut writer, seq, row, own),
            Ok(()) => row.into_iter().zip(own).try_for_each(|(action, change)| {
                one(host, &mut writer, seq, action, change, command.as_ref())
                    .map_err(|error| (usize::from(error.exit() == Exit::Failed), error))
            }),
            Err(error) => Err((0, error)),
        };
        if let Err((touched, error)) = done {
            let untouched = index + touched;
            give_up(&mut writer, first_seq + untouched, changes.get(untouched..).unwrap_or_default());
            return Err(error);
        }
    }
    if then == Then::End {
        writer.append(&[Record::End])?;
        writer.sync()?;
    }
    Ok(host.progress)
}

/// Records that these were never begun: someone else's change of such a file, made before the next
/// call, must not pass for ours. Commands stay owed to the same call.
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
            let output = command.output_telling(&mut |elapsed| {
                let stops = if interrupt.check().is_err() { "; its end is waited for before stopping" } else { "" };
                report.note(&format!("{name} has run for {} s{stops}", elapsed.as_secs()));
            });
            // Ended from outside it may have done its work before.
            let ended_itself = output.as_ref().is_ok_and(|output| output.status.code().is_some());
            is_known = (ended_itself || !matches!(change, Change::Transaction { .. })) && !changes_packages(change);
            output.and_then(|output| command.succeeded(output)).map(|_| None)
        }
        None => step::perform(&host.root, action.what, change),
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
    let members = row.into_iter().map(|action| action.what).collect();
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
    let tool = host.tool;
    error.hint(format!("{hint}the same call again goes on, `{tool} undo --id {id}` takes back what was done"))
}

/// Whether a command's own probe says so.
fn has_done_its_work(change: &Change) -> bool {
    let Change::Run { probe: Some(probe), .. } = change else { return false };
    Cmd::of_argv(probe).and_then(|probe| probe.output()).is_ok_and(|output| output.status.success())
}

fn show(host: &mut Host, plan: &Plan, then: Then) -> Outcome {
    for action in &plan.actions {
        host.report.action(&Shown::of(action), Status::Planned);
    }
    host.planned += plan.actions.len();
    let changed = host.planned > 0;
    if then == Then::End {
        if !changed {
            host.report.line("nothing to do: it is so already");
        }
        host.report.record("plan", json!({"actions": host.planned}));
    }
    let exit = if changed { Exit::Differs } else { Exit::Done };
    host.progress.changed = changed;
    Outcome { exit, changed, ..Outcome::default() }
}

/// Of one that failed some packages may be unpacked, and not configured: its inverse takes back what there
/// is, and does no harm where there is nothing.
fn changes_packages(change: &Change) -> bool {
    let Change::Run { argv, inverse: Some(_), .. } = change else { return false };
    argv.first().is_some_and(|program| is_package_tool(program))
}

/// What becomes of an entry that is still open when its run goes on.
fn settled(entry: &Entry, finished: &[usize]) -> Record {
    let seq = entry.intent.seq;
    let is_done = finished.contains(&seq) || changes_packages(&entry.intent.change);
    if entry.begun && is_done { Record::Done { seq, after: None } } else { Record::Void { seq } }
}

/// Commands that the interrupted run still owes: the files they follow are in place already, so
/// the new plan, made from fresh facts, cannot know of them. With them come the numbers of those
/// that have done their work meanwhile: a program outlives the utility that started it.
fn carried_over(interrupted: Option<&crate::journal::Run>, planned: &[Action]) -> Result<(Vec<Action>, Vec<usize>)> {
    let mut carried: Vec<Action> = Vec::new();
    let mut finished = Vec::new();
    let entries = interrupted.map(|run| run.entries.as_slice()).unwrap_or_default();
    for entry in entries.iter().filter(|entry| entry.progress == Progress::Pending) {
        let Change::Run { argv, probe, inverse, turn, seconds } = &entry.intent.change else { continue };
        let is_same = |action: &Action| matches!(&action.what, What::Run(run) if run.argv == *argv);
        if planned.iter().chain(&carried).any(is_same) {
            continue;
        }
        if let Some(probe) = probe {
            if Cmd::of_argv(probe)?.output()?.status.success() {
                finished.push(entry.intent.seq);
                continue;
            }
        }
        carried.push(Action {
            what: What::Run(Run {
                argv: argv.clone(),
                probe: probe.clone(),
                inverse: inverse.clone(),
                turn: *turn,
                deadline: std::time::Duration::from_secs(*seconds),
            }),
            why: entry.intent.why.clone(),
            details: Vec::new(),
            staging: Staging::Alone,
        });
    }
    Ok((carried, finished))
}

fn must_be_live(host: &Host, argv: &[String]) -> Result<()> {
    if host.root.is_live() {
        return Ok(());
    }
    Err(Error::failed(format!("cannot run {}: no program is run for an image", argv.join(" "))))
}

fn fed(host: &Host, script: &Script) -> Result<Cmd> {
    must_be_live(host, &script.argv)?;
    // A short program whose change the next call must not meet half way.
    Ok(Cmd::of_script(script)?.holding(host.lock.as_ref().and_then(Lock::share)))
}

fn command(host: &Host, run: &Run) -> Result<Cmd> {
    must_be_live(host, &run.argv)?;
    // Both ways back are looked for as well: an undo must not find out that they are missing.
    for argv in [&run.probe, &run.inverse].into_iter().flatten() {
        Cmd::of_argv(argv)?;
    }
    Ok(Cmd::of_argv(&run.argv)?.deadline(run.deadline))
}
