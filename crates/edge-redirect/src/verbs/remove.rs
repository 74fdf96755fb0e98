//! `edge-redirect remove`: removes redirects, and what restores them at boot.

use std::time::Duration;

use edge_host::{Host, Outcome, Plan, Result, apply};

use super::views;
use crate::cli::RemoveArgs;
use crate::facts;
use crate::persist;
use crate::plan;
use crate::rules::scope;
use crate::unit;

pub(crate) fn run(host: &mut Host, args: &RemoveArgs, lock_wait: Duration) -> Result<Outcome> {
    host.prepare_change()?;
    let facts = facts::all(host, false)?;
    if let Some(firewall) = &facts.firewall {
        firewall.all_readable()?;
        firewall.can_add(&scope())?;
    }
    let mut plan = Plan::new();
    facts.notes().for_each(|note| plan.note(note));
    if let Some(why) = facts.why_not_live() {
        plan.note(why);
    }
    let before = facts.persist.stored.as_ref();
    match plan::remove(before, &views(&facts)?, &args.ports, lock_wait, &mut plan)? {
        Some(stored) if before == Some(&stored) => {}
        Some(stored) => persist::store(&facts.persist, &stored, &unit::program(host)?, &mut plan)?,
        None if args.ports.is_empty() || before.is_some() || facts.persist.is_removal_interrupted(host) => {
            persist::remove(&facts.persist, &mut plan)
        }
        None => {}
    }
    apply(host, plan)
}
