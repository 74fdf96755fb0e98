//! `add`, `remove`, `restore` and `render`.

use std::time::Duration;

use edge_firewall::{Family, Firewall, View, script};
use edge_host::action::ActionKind;
use edge_host::{Cmd, Error, Exit, Host, Mode, Outcome, Plan, Result, apply};
use edge_kubeedge::stream::{KEPT_CHAIN, keeps_chain};
use serde_json::json;

use crate::asked;
use crate::cli::{AddArgs, Document, RemoveArgs, RenderArgs};
use crate::facts::{self, Facts};
use crate::pair::Pair;
use crate::persist::{self, Stored};
use crate::plan::{self, Goal, Made};
use crate::rules::{TABLE, owned, owner, scope};
use crate::unit::{self, FILE};
use crate::wanted::{HandMadeRules, Kept, Persist, Reach, Wanted};

pub(crate) fn add(host: &mut Host, args: &AddArgs, lock_wait: Duration) -> Result<Outcome> {
    let wanted = asked::wanted(args, lock_wait)?;
    if !host.root.is_live() && wanted.persist == Persist::AsItIs {
        return Err(Error::usage("cannot add rules below --root: they live in a running kernel")
            .hint("with --persist they are made when the image boots"));
    }
    host.prepare_change()?;
    if let Some(note) = kept_here(host, args, &wanted)? {
        host.report.note(&note);
        return apply(host, Plan::new());
    }
    let facts = facts::for_pairs(host, &wanted.pairs, wanted.persist)?;
    let views = views(&facts)?;
    let mut plan = Plan::new();
    facts.notes().for_each(|note| plan.note(note));
    let Some((goal, stored)) = plan::add(facts.persist.stored.as_ref(), &views, &wanted, &mut plan)? else {
        return apply(host, plan);
    };
    let mut made = Vec::new();
    if let Some(firewall) = &facts.firewall {
        made = plan::rules(firewall, &views, &goal, &mut plan)?;
        if stored.is_none() && !made.is_empty() {
            plan.note("the rules are gone after a reboot: --persist brings them back at each boot");
        }
    } else if let Some(why) = facts.blind() {
        plan.note(why);
    }
    let Some(stored) = stored else {
        return carry_out(host, &facts, &made, plan);
    };
    // Refused before anything is changed.
    if wanted.persist == Persist::Yes {
        facts.persist.can_enable()?;
    }
    let program = unit::program(host)?;
    let mut kept = Plan::new();
    persist::keep(&facts.persist, &stored, &program, &mut kept)?;
    plan.notes.append(&mut kept.notes);
    plan.actions.append(&mut kept.actions);
    carry_out(host, &facts, &made, plan)
}

/// Whether the cloudcore that is named runs on this very host and will keep the redirect itself,
/// though it has not started yet.
fn kept_here(host: &Host, args: &AddArgs, wanted: &Wanted) -> Result<Option<String>> {
    let (Some(ip), Some(version)) = (args.cloudcore, args.kubeedge_version) else { return Ok(None) };
    if wanted.kept == Kept::Add || ip.is_ipv6() || !keeps_chain(version) || !facts::runs_cloudcore(host, ip)? {
        return Ok(None);
    }
    Ok(Some(format!(
        "cloudcore {version} keeps {} itself on its own host, and that is this one: nothing is added (--force adds it)",
        KEPT_CHAIN
    )))
}

/// The rules, taken apart once; none below --root.
fn views(facts: &Facts) -> Result<Vec<View<'_>>> {
    facts.firewall.as_ref().map_or_else(|| Ok(Vec::new()), Firewall::views)
}

/// Applies the plan, and looks at what was made.
fn carry_out(host: &mut Host, facts: &Facts, made: &[Made], plan: Plan) -> Result<Outcome> {
    let outcome = apply(host, plan)?;
    if let (Mode::Apply, Some(firewall)) = (host.mode, &facts.firewall) {
        verify(host, firewall, made)?;
    }
    Ok(outcome)
}

fn verify(host: &Host, firewall: &Firewall, all: &[Made]) -> Result<()> {
    let scope = scope();
    for made in all {
        if let Some(seen) = firewall.get(made.backend, made.family) {
            plan::verify(&seen.again(&host.root, &scope)?, made)?;
        }
    }
    Ok(())
}

pub(crate) fn remove(host: &mut Host, args: &RemoveArgs, lock_wait: Duration) -> Result<Outcome> {
    host.prepare_change()?;
    let facts = facts::all(host)?;
    if let Some(firewall) = &facts.firewall {
        firewall.all_readable()?;
    }
    let mut plan = Plan::new();
    facts.notes().for_each(|note| plan.note(note));
    if let Some(why) = facts.blind() {
        plan.note(why);
    }
    match plan::remove(facts.persist.stored.as_ref(), &views(&facts)?, &args.ports, lock_wait, &mut plan)? {
        Some(stored) if facts.persist.stored.as_ref() == Some(&stored) => {}
        Some(stored) => {
            let program = unit::program(host)?;
            persist::keep(&facts.persist, &stored, &program, &mut plan)?;
        }
        None if args.ports.is_empty() || facts.persist.stored.is_some() || facts.persist.is_half_forgotten(host) => {
            persist::forget(&facts.persist, &mut plan)
        }
        None => {}
    }
    apply(host, plan)
}

/// At boot: no journal, no lock of ours, and nothing to wait for.
pub(crate) fn restore(host: &mut Host, lock_wait: Duration) -> Result<Outcome> {
    let facts = facts::all(host)?;
    let stored = stored(&facts, "restore")?;
    let Some(firewall) = &facts.firewall else {
        return Err(Error::usage("cannot restore below --root: rules live in a running kernel")
            .hint("the unit runs it when the image boots"));
    };
    let goal = Goal {
        pairs: stored.pairs.clone(),
        reach: stored.reach,
        engine: stored.engine,
        by_hand: HandMadeRules::Leave,
        lock_wait,
    };
    let mut plan = Plan::new();
    if let Some(family) = Family::ALL.into_iter().find(|family| lacks(firewall, &goal, *family)) {
        // The error that names what is missing.
        Firewall::read(&host.root, &[family], &scope())?;
    }
    firewall.readable()?;
    facts.notes().for_each(|note| plan.note(note));
    let views = views(&facts)?;
    let made = plan::rules(firewall, &views, &goal, &mut plan)?;
    if host.mode == Mode::DryRun || plan.is_empty() {
        if host.mode == Mode::DryRun {
            return apply(host, plan);
        }
        plan.notes.iter().for_each(|note| host.report.note(note));
        host.report.up_to_date();
        return Ok(Outcome::default());
    }
    plan.notes.iter().for_each(|note| host.report.note(note));
    for action in &plan.actions {
        let ActionKind::Transaction(transaction) = &action.kind else { continue };
        Cmd::of_script(&transaction.script)?.run()?;
        let object = transaction.script.argv.join(" ");
        host.report.line(&format!("ran {object}: {}", action.why));
        action.details.iter().for_each(|detail| host.report.line(&format!("    {detail}")));
        host.report.record(
            "action",
            json!({"do": "run", "object": object, "why": action.why, "undo": "none", "details": action.details, "status": "done"}),
        );
    }
    verify(host, firewall, &made)?;
    Ok(Outcome { exit: Exit::Done, changed: true, ..Outcome::default() })
}

fn lacks(firewall: &Firewall, goal: &Goal, family: Family) -> bool {
    goal.pairs.iter().any(|pair| pair.family() == family) && !firewall.seen.iter().any(|seen| seen.family == family)
}

fn stored<'f>(facts: &'f Facts, verb: &str) -> Result<&'f Stored> {
    facts.persist.stored.as_ref().ok_or_else(|| {
        Error::failed(format!("cannot {verb}: {FILE} is not there"))
            .hint("edge-redirect add PORT=IP:PORT --persist writes it")
    })
}

pub(crate) fn render(host: &mut Host, args: &RenderArgs) -> Result<Outcome> {
    if host.report.is_json() {
        return Err(Error::usage("cannot render as JSON: the output is a document for another program"));
    }
    let text = match args.what {
        Document::Systemd if args.pairs.is_empty() && args.from.is_none() => {
            let program = unit::program(host)?;
            if let Some(note) = &program.note {
                host.report.note(note);
            }
            unit::render(&program.path)?
        }
        Document::Systemd => {
            return Err(Error::usage("cannot render the unit for single ports: it restores what is stored")
                .hint(format!("edge-redirect add PORT=IP:PORT --persist stores it in {FILE}")));
        }
        Document::IptablesRestore => rules_text(host, args)?,
    };
    host.report.document(text.as_bytes())?;
    Ok(Outcome::default())
}

fn rules_text(host: &Host, args: &RenderArgs) -> Result<String> {
    let (pairs, reach): (Vec<Pair>, Reach) = if args.pairs.is_empty() {
        let persist = persist::facts(host)?;
        let facts = Facts { firewall: None, persist };
        let stored = stored(&facts, "render")?;
        (stored.pairs.clone(), args.from.unwrap_or(stored.reach))
    } else {
        (asked::typed(&args.pairs)?, args.from.unwrap_or(Reach::Output))
    };
    let families = |family| pairs.iter().filter(|pair| pair.family() == family).count();
    if families(Family::V4) > 0 && families(Family::V6) > 0 {
        return Err(Error::usage("cannot render IPv4 and IPv6 at once: each goes to a program of its own")
            .hint("name the pairs of one of them: edge-redirect render iptables-restore PORT=IP:PORT"));
    }
    Ok(script(TABLE, None, &owner(), &owned(&pairs, reach)).unwrap_or_default())
}
