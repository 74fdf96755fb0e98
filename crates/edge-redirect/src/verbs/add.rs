//! `edge-redirect add`: adds redirects, and stores them for the next boot.

use std::time::Duration;

use edge_host::{Host, Outcome, Plan, Result, apply};
use edge_kubeedge::stream::{KEPT_CHAIN, keeps_chain};

use super::{carry_out, views};
use crate::cli::AddArgs;
use crate::facts;
use crate::persist;
use crate::plan;
use crate::request::Request;
use crate::unit;

pub(crate) fn run(host: &mut Host, args: &AddArgs, lock_wait: Duration) -> Result<Outcome> {
    let request = Request::read(args, lock_wait)?;
    if !request.persist {
        let hint = "add --persist: the rules are made when the image boots";
        host.must_be_live("add rules", "rules exist only in a running kernel", hint)?;
    }
    host.prepare_change()?;
    if let Some(note) = managed_by_cloudcore(host, args, &request)? {
        let mut plan = Plan::new();
        plan.note(note);
        return apply(host, plan);
    }
    let facts = facts::for_redirects(host, &request.redirects, request.persist)?;
    let views = views(&facts)?;
    let mut plan = Plan::new();
    facts.notes().for_each(|note| plan.note(note));
    let Some((goal, stored)) = plan::add(facts.persist.stored.as_ref(), &views, &request, &mut plan)? else {
        return apply(host, plan);
    };
    let mut made = Vec::new();
    if let Some(firewall) = &facts.firewall {
        made = plan::rules(firewall, &views, &goal, &mut plan)?;
        if stored.is_none() && !made.is_empty() {
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
    carry_out(host, apply, &facts, &made, plan)
}

/// Whether the cloudcore that is named runs on this host and will manage the redirect itself, though it may not have
/// started yet.
fn managed_by_cloudcore(host: &Host, args: &AddArgs, request: &Request) -> Result<Option<String>> {
    let (Some(ip), Some(version)) = (args.cloudcore, args.kubeedge_version) else { return Ok(None) };
    if request.force || ip.is_ipv6() || !keeps_chain(version) || !facts::runs_cloudcore(host, ip)? {
        return Ok(None);
    }
    Ok(Some(format!(
        "cloudcore {version} runs on this host and manages {KEPT_CHAIN} itself; nothing is added without --force"
    )))
}
