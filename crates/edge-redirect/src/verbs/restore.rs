//! `edge-redirect restore`: makes the live rules match the stored redirects, as the unit does at boot.
//!
//! Without journal and lock: the journal would get a run at each boot, and nothing may delay the boot.

use std::time::Duration;

use edge_firewall::{Family, Firewall};
use edge_host::{Error, Host, Outcome, Plan, Result, apply_unrecorded};

use super::{carry_out, stored, views};
use crate::facts;
use crate::plan::{self, Goal};
use crate::rules::scope;

pub(crate) fn run(host: &mut Host, lock_wait: Duration) -> Result<Outcome> {
    let facts = facts::all(host)?;
    let goal = Goal::of(stored(facts.persist.stored.as_ref(), "restore")?, lock_wait);
    let (why, hint) = ("rules exist only in a running kernel", "the unit restores them when the image boots");
    host.must_be_live("restore", why, hint)?;
    let Some(firewall) = &facts.firewall else {
        return Err(Error::failed("internal error: the rules of this host were not read"));
    };
    let mut plan = Plan::new();
    if let Some(family) = Family::ALL.into_iter().find(|family| lacks(firewall, &goal, *family)) {
        // Fails with an error that names the missing program.
        Firewall::read(&host.root, &[family], &scope())?;
    }
    firewall.readable()?;
    facts.notes().for_each(|note| plan.note(note));
    let made = plan::rules(firewall, &views(&facts)?, &goal, &mut plan)?;
    carry_out(host, apply_unrecorded, &facts, &made, plan)
}

fn lacks(firewall: &Firewall, goal: &Goal, family: Family) -> bool {
    goal.redirects.iter().any(|redirect| redirect.family() == family)
        && !firewall.seen.iter().any(|seen| seen.family == family)
}
