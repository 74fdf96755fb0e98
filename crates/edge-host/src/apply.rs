//! The one loop that changes a host: record what is about to be done, do it, record that it is done.

mod command;
mod complete;
mod intents;
mod keep;
mod mode;
mod paths;
mod perform;
mod prepare;
mod previous;
mod record;
mod recover;
mod resume;
mod stage;
mod step;
mod trash;
mod unrecorded;

use serde_json::json;

use self::resume::Resume;
use self::step::Step;
use crate::action::Action;
use crate::error::Result;
use crate::exit::{Exit, Outcome};
use crate::host::{Host, Mode};
use crate::plan::Plan;
use crate::report::{Shown, Status};

pub(crate) use keep::{KEPT_SUFFIX, keep_newer, rename_newer};
pub(crate) use mode::undo_mode;
pub(crate) use paths::{
    absolute, damaged_record, find_value, is_before, relative, remove_made, resolve, resolve_change, same_value,
};
pub(crate) use previous::{discard_needless, kept_as};

/// Shows the plan (dry run) or carries it out.
///
/// An empty plan changes nothing and leaves no trace. [`Host::prepare_change`] must have been called
/// before the facts were read.
///
/// Errors: exit 1 where a step fails or the journal cannot be written (then nothing was changed),
/// exit 4 where a file is no longer what the facts found, exit 5 after a signal. What was done until
/// then is in the journal: the same command resumes the run, `undo` undoes it.
pub fn apply(host: &mut Host, plan: Plan) -> Result<Outcome> {
    carry_out(host, plan, true)
}

/// Carries out a plan that another one follows in the same call, as some facts exist only after it
/// (a sysctl of a module that is loaded first). Both are one run: one undo undoes both, and after a kill in
/// between the run is resumed. The last plan of a call goes to [`apply`], empty or not.
///
/// The exit code is that of this plan alone; [`apply`] returns the worst of all.
pub fn apply_part(host: &mut Host, plan: Plan) -> Result<Outcome> {
    carry_out(host, plan, false)
}

/// Carries out a plan of programs and transactions that renew what a boot discards, such as rules, from files that an
/// earlier run recorded. There is no journal, as it would get a run at each boot, and no lock to wait for.
///
/// Errors: exit 1 where a program fails, and for an action that changes a file; exit 5 after a signal.
pub fn apply_unrecorded(host: &mut Host, plan: Plan) -> Result<Outcome> {
    host.report.applies();
    plan.notes.iter().for_each(|note| host.report.note(note));
    if host.mode == Mode::DryRun {
        return Ok(show(host, &plan, true, unrecorded::shown));
    }
    unrecorded::all(host, plan.actions)?;
    Ok(host.progress)
}

fn carry_out(host: &mut Host, plan: Plan, is_last: bool) -> Result<Outcome> {
    host.report.applies();
    for note in &plan.notes {
        host.report.note(note);
    }
    intents::must_be_recordable(&plan)?;
    if host.mode == Mode::DryRun {
        return Ok(show(host, &plan, is_last, Shown::of));
    }
    host.must_be_prepared()?;
    intents::must_be_permitted(host, &plan)?;
    let (resume, pending) = Resume::find(host, &plan.actions)?;
    let (planned, continues) = (plan.actions.len(), plan.continues);
    let outcome = |host: &Host, own| Outcome { exit: if is_last { host.progress.exit } else { own }, ..host.progress };
    if planned + pending.len() == 0 {
        if is_last && host.progress.exit == Exit::Done {
            resume.end(host)?;
        }
        return Ok(outcome(host, Exit::Done));
    }
    // Whatever can be found out before the first change is found out now.
    let first_seq = resume.run().map_or(0, |run| run.entries.len());
    let (mut steps, mut own) = (Vec::new(), Exit::Done);
    for (index, action) in plan.actions.into_iter().chain(pending).enumerate() {
        let shown = Shown::of(&action);
        match Step::new(host, action, first_seq + steps.len(), index >= planned) {
            Ok(step) => steps.push(step),
            // The others are done anyway.
            Err(error) if continues => {
                own = own.worst(error.exit());
                host.progress.exit = host.progress.exit.worst(own);
                perform::report(host, &shown, &error);
                host.report.error(&error);
            }
            Err(error) => return Err(error),
        }
    }
    if steps.is_empty() {
        return Ok(outcome(host, own));
    }
    previous::make_room(host, &steps, resume.run())?;
    let mut writer = intents::record(host, &mut steps, &resume)?;
    host.progress.run = Some(writer.id);
    host.all_ended = false;
    own = own.worst(perform::all(host, &mut writer, steps, continues)?);
    host.progress.exit = host.progress.exit.worst(own);
    // What failed is open: the same command resumes the run.
    if is_last && host.progress.exit == Exit::Done {
        previous::end(host, writer)?;
    }
    Ok(outcome(host, own))
}

fn show(host: &mut Host, plan: &Plan, is_last: bool, shown: fn(&Action) -> Shown) -> Outcome {
    for action in &plan.actions {
        host.report.action(&shown(action), Status::Planned);
    }
    host.planned += plan.actions.len();
    let changed = host.planned > 0;
    if is_last {
        host.report.record("plan", json!({"actions": host.planned}));
    }
    let exit = if changed { Exit::Differs } else { Exit::Done };
    host.progress.changed = changed;
    Outcome { exit, changed, ..Outcome::default() }
}
