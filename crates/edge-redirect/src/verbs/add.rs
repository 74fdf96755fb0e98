//! `edge-redirect add`: adds redirects, and stores them for the next boot.

use std::time::Duration;

use edge_host::{Host, Outcome, Plan, Result, apply};

use super::{carry_out, views, warn_of_shadows, with_manual_step};
use crate::cli::AddArgs;
use crate::cloudcore::{Manager, at_start};
use crate::facts;
use crate::persist;
use crate::plan::{self, Planned};
use crate::request::Request;
use crate::unit;

pub(crate) fn run(host: &mut Host, args: &AddArgs, lock_wait: Duration) -> Result<Outcome> {
    let request = Request::read(args, lock_wait)?;
    if !request.persist {
        let hint = "add --persist: the rules are made when the image boots";
        host.must_be_live("add rules", "rules exist only in a running kernel", hint)?;
    }
    host.prepare_change()?;
    let facts = facts::for_request(host, &request)?;
    if let (None, Manager::Cloudcore(file), Some(ip)) = (&facts.firewall, &facts.manager, args.cloudcore)
        && ip.is_ipv4()
        && !request.force
    {
        // Whether the redirect is in effect cannot be known, so nothing is claimed.
        host.report.note(&at_start(&host.root.display(file)));
        return Ok(Outcome::default());
    }
    let views = views(&facts)?;
    let mut plan = Plan::new();
    facts.notes().for_each(|note| plan.note(note));
    let before = facts.persist.stored.as_ref();
    let Some((goal, stored)) = plan::add(before, &views, &facts.manager, &request, &mut plan)? else {
        return apply(host, plan);
    };
    let mut planned = Planned::default();
    if let Some(firewall) = &facts.firewall {
        plan::can_add(firewall, &goal)?;
        planned = plan::rules(firewall, &views, &goal, &mut plan)?;
        if stored.is_none() && !planned.made.is_empty() {
            plan.note("the rules are lost on reboot; use --persist to restore them at boot");
        }
    } else if let Some(why) = facts.why_not_live() {
        plan.note(why);
    }
    if let Some(stored) = stored {
        // Refused before anything is changed.
        if request.persist {
            facts.persist.can_enable(&host.root)?;
        }
        let program = unit::program(host)?;
        persist::store(&facts.persist, &stored, &program, &mut plan)?;
    }
    let outcome = carry_out(host, apply, &facts, &planned.made, plan)?;
    let is_shadowed = warn_of_shadows(host, &views, &goal, &planned, &request.redirects);
    Ok(if is_shadowed { with_manual_step(host, outcome) } else { outcome })
}
