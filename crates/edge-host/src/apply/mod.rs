//! The one loop that changes a host: record what is about to be done, do it, record that it is done.

mod settle;
mod step;

use serde_json::json;

use crate::action::{Action, Run, What};
use crate::cmd::Cmd;
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::host::{Host, Mode, Outcome};
use crate::journal::{Change, Intent, Progress, Record, Writer};
use crate::plan::Plan;
use crate::report::{Shown, Status};

pub(crate) use settle::settle;
pub(crate) use step::{Link, absolute, read_value, walk};

/// Shows the plan (dry run) or carries it out.
///
/// An empty plan changes nothing and leaves no trace. [`Host::prepare_change`] must have been called
/// before the facts were read.
///
/// Errors: exit 1 where a step fails or the journal cannot be written (then nothing was changed),
/// exit 4 where a file is no longer what the facts found, exit 5 after a signal. What was done until
/// then is in the journal: the same call again goes on, `undo` takes it back.
pub fn apply(host: &mut Host, plan: Plan) -> Result<Outcome> {
    for note in &plan.notes {
        host.report.note(note);
    }
    if host.mode == Mode::DryRun {
        return Ok(show(host, &plan));
    }
    host.must_be_prepared()?;
    let mut actions = plan.actions;
    let interrupted = settle::interrupted_run(host)?;
    let carried = carried_over(interrupted.as_ref(), &actions);
    actions.extend(carried);
    if actions.is_empty() {
        if let Some(run) = &interrupted {
            host.journal().reopen(run)?.append(&[Record::End])?;
            host.progress.run = Some(run.header.run);
        }
        host.report.line("nothing to do: it is so already");
        return Ok(host.progress);
    }

    // Whatever can be found out before the first change is found out now.
    let mut commands = Vec::new();
    for action in &actions {
        commands.push(match &action.what {
            What::Run(run) => Some(command(host, run)?),
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
    writer.append_intents(&records)?;
    host.progress.run = Some(writer.id);

    for (index, ((action, change), command)) in actions.into_iter().zip(changes).zip(commands).enumerate() {
        host.interrupt.check()?;
        one(host, &mut writer, first_seq + index, action, &change, command.as_ref())?;
    }
    writer.append(&[Record::End])?;
    writer.sync()?;
    Ok(host.progress)
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
    match step::perform(&host.root, action.what, change, command) {
        Ok(after) => {
            host.progress.changed = true;
            writer.append(&[Record::Done { seq, after }])?;
            host.report.action(&shown, Status::Done);
            Ok(())
        }
        Err(error) => {
            // Untouched, as far as can be known; a crash between is settled by the next run.
            let status = if error.exit() == Exit::Refused { Status::Refused } else { Status::Failed };
            host.report.action(&shown, status);
            let Some(id) = host.progress.run.filter(|_| host.progress.changed) else { return Err(error) };
            let hint = error.hint_text().map(|hint| format!("{hint}; ")).unwrap_or_default();
            let tool = host.tool;
            Err(error
                .hint(format!("{hint}the same call again goes on, `{tool} undo --id {id}` takes back what was done")))
        }
    }
}

fn show(host: &mut Host, plan: &Plan) -> Outcome {
    for action in &plan.actions {
        host.report.action(&Shown::of(action), Status::Planned);
    }
    if plan.is_empty() {
        host.report.line("nothing to do: it is so already");
    }
    host.report.record("plan", json!({"actions": plan.actions.len()}));
    let exit = if plan.is_empty() { Exit::Done } else { Exit::Differs };
    Outcome { exit, changed: !plan.is_empty(), ..Outcome::default() }
}

/// Commands that the interrupted run still owes: the files they follow are in place already, so
/// the new plan, made from fresh facts, cannot know of them.
fn carried_over(interrupted: Option<&crate::journal::Run>, planned: &[Action]) -> Vec<Action> {
    let is_planned =
        |argv: &[String]| planned.iter().any(|action| matches!(&action.what, What::Run(run) if run.argv == argv));
    let entries = interrupted.map(|run| run.entries.as_slice()).unwrap_or_default();
    let pending = entries.iter().filter(|entry| entry.progress == Progress::Pending);
    pending
        .filter_map(|entry| match &entry.intent.change {
            Change::Run { argv, probe, inverse, seconds } if !is_planned(argv) => Some(Action {
                what: What::Run(Run {
                    argv: argv.clone(),
                    probe: probe.clone(),
                    inverse: inverse.clone(),
                    deadline: std::time::Duration::from_secs(*seconds),
                }),
                why: entry.intent.why.clone(),
                details: Vec::new(),
            }),
            _ => None,
        })
        .collect()
}

fn command(host: &Host, run: &Run) -> Result<Cmd> {
    if !host.root.is_live() {
        return Err(Error::failed(format!("cannot run {}: no program is run for an image", run.argv.join(" "))));
    }
    // Both ways back are looked for as well: an undo must not find out that they are missing.
    for argv in [&run.probe, &run.inverse].into_iter().flatten() {
        Cmd::of_argv(argv)?;
    }
    Ok(Cmd::of_argv(&run.argv)?.deadline(run.deadline))
}
