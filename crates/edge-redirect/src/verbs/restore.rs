//! `edge-redirect restore`: makes the live rules match the stored redirects, as the unit does at boot.
//!
//! Without journal and lock: the journal would get a run at each boot, and nothing may delay the boot.

use std::time::Duration;

use edge_firewall::{Family, Firewall};
use edge_host::{Error, Host, Outcome, Plan, Result, apply_unrecorded};

use super::{carry_out, stored, views, warn_of_shadows};
use crate::facts;
use crate::plan::{self, Goal};
use crate::rules::scope;

pub(crate) fn run(host: &mut Host, lock_wait: Duration) -> Result<Outcome> {
    let facts = facts::all(host, false)?;
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
    let views = views(&facts)?;
    plan::can_add(firewall, &goal)?;
    let planned = plan::rules(firewall, &views, &goal, &mut plan)?;
    let outcome = carry_out(host, apply_unrecorded, &facts, &planned.made, plan)?;
    // Only a warning: the unit must not fail at boot, as then it would not restart together with firewall services.
    warn_of_shadows(host, &views, &goal, &planned, &goal.redirects);
    Ok(outcome)
}

fn lacks(firewall: &Firewall, goal: &Goal, family: Family) -> bool {
    goal.redirects.iter().any(|redirect| redirect.family() == family)
        && !firewall.seen.iter().any(|seen| seen.family == family)
}
