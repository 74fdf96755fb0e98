//! The one loop that changes a host: record what is about to be done, do it, record that it is done.

mod command;
mod complete;
mod intents;
mod judged;
mod keep;
mod left;
mod mode;
mod perform;
mod prepare;
mod previous;
mod reach;
mod settle;
mod stage;
mod step;

use serde_json::json;

use self::left::Left;
use crate::error::Result;
use crate::exit::{Exit, Outcome};
use crate::host::{Host, Mode};
use crate::plan::Plan;
use crate::report::{Shown, Status};

pub(crate) use keep::{KEPT_SUFFIX, keep_newer};
pub(crate) use mode::undo_mode;
pub(crate) use previous::{discard_needless, kept_as};
pub(crate) use reach::{
    Link, absolute, damaged_record, find_value, is_before, link_of, relative, remove_made, same_value, walk,
};

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
    host.report.applies();
    for note in &plan.notes {
        host.report.note(note);
    }
    intents::must_be_recordable(&plan)?;
    if host.mode == Mode::DryRun {
        return Ok(show(host, &plan, then));
    }
    host.must_be_prepared()?;
    let mut actions = plan.actions;
    let (left, owed) = Left::find(host, &actions)?;
    let planned = actions.len();
    actions.extend(owed);
    if actions.is_empty() {
        if then == Then::End {
            left.end(host)?;
        }
        return Ok(host.progress);
    }
    // Whatever can be found out before the first change is found out now.
    let commands = actions.iter().map(|action| command::find(host, action)).collect::<Result<Vec<_>>>()?;
    previous::make_room(host, &actions, left.run())?;
    let mut recorded = intents::record(host, &actions, &left)?;
    host.progress.run = Some(recorded.writer.id);
    host.all_ended = false;
    perform::all(host, &mut recorded, actions, commands, planned)?;
    if then == Then::End {
        previous::end(host, recorded.writer)?;
    }
    Ok(host.progress)
}

fn show(host: &mut Host, plan: &Plan, then: Then) -> Outcome {
    for action in &plan.actions {
        host.report.action(&Shown::of(action), Status::Planned);
    }
    host.planned += plan.actions.len();
    let changed = host.planned > 0;
    if then == Then::End {
        host.report.record("plan", json!({"actions": host.planned}));
    }
    let exit = if changed { Exit::Differs } else { Exit::Done };
    host.progress.changed = changed;
    Outcome { exit, changed, ..Outcome::default() }
}
