//! From what is there and what is wanted to what is to be done.

use std::collections::HashSet;
use std::time::Duration;

use edge_firewall::{Backend, Family, Firewall, Owned, Owner, Seen, View, transaction};
use edge_host::{Error, Plan, Result};
use edge_kubeedge::stream::{KEPT_CHAIN, is_dialled};

use crate::pair::{Pair, merged};
use crate::persist::Stored;
use crate::rules::{HandMade, Redirects, TABLE, counted, hand_made, kept_by_cloudcore, owned, owner, redirects};
use crate::wanted::{Engine, HandMadeRules, Kept, Persist, Reach, Wanted};

/// Why a rule made by hand is not replaced by one of ours.
const CONDITIONS: &str = "it has conditions of its own and is left to you";

/// What the rules shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Goal {
    pub(crate) pairs: Vec<Pair>,
    pub(crate) reach: Reach,
    pub(crate) engine: Engine,
    pub(crate) by_hand: HandMadeRules,
    pub(crate) lock_wait: Duration,
}

/// An `add`: the goal, and what of it is stored; none where there is nothing to add.
pub(crate) fn add(
    stored: Option<&Stored>,
    views: &[View<'_>],
    wanted: &Wanted,
    plan: &mut Plan,
) -> Result<Option<(Goal, Option<Stored>)>> {
    let mut new = wanted.pairs.clone();
    if wanted.kept == Kept::Yield
        && let Some(kept) = kept(views)
    {
        new.retain(|pair| pair.family() != Family::V4);
        if new.len() < wanted.pairs.len() {
            plan.note(yields(&kept));
        }
    }
    if new.is_empty() {
        return Ok(None);
    }
    let (live, reach) = live(views);
    let before = merged(stored.map_or(&[], |stored| stored.pairs.as_slice()), &live);
    let reach = wanted.reach.or(reach.max(stored.map(|stored| stored.reach))).unwrap_or(Reach::Output);
    // One that was named once stays, until another one is.
    let engine = match (wanted.engine, stored) {
        (Engine::Auto, Some(stored)) => stored.engine,
        (engine, _) => engine,
    };
    let goal =
        Goal { pairs: merged(&before, &new), reach, engine, by_hand: wanted.by_hand, lock_wait: wanted.lock_wait };
    let keep = wanted.persist == Persist::Yes || stored.is_some();
    let keep = keep.then(|| Stored { pairs: goal.pairs.clone(), reach, engine });
    Ok(Some((goal, keep)))
}

/// Where cloudcore keeps its own chain for IPv4: the backend, and what its rules do.
fn kept(views: &[View<'_>]) -> Option<(Backend, Vec<String>)> {
    views
        .iter()
        .filter(|view| view.seen.family == Family::V4)
        .find_map(|View { seen, save }| kept_by_cloudcore(save.table(TABLE)).map(|rules| (seen.backend, rules)))
}

fn yields((backend, rules): &(Backend, Vec<String>)) -> String {
    let what = if rules.is_empty() { "no port yet".to_owned() } else { rules.join(", ") };
    format!("cloudcore keeps {KEPT_CHAIN} here itself ({backend}): {what}; nothing is added for IPv4 (--force adds it)")
}

/// All that is redirected now, and whose connections.
fn live(views: &[View<'_>]) -> (Vec<Pair>, Option<Reach>) {
    let (mut pairs, mut reach) = (Vec::new(), None);
    for view in views {
        let found = current(view);
        pairs = merged(&pairs, &found.pairs);
        reach = reach.max(found.reach);
    }
    (pairs, reach)
}

/// What our rules in one backend do.
pub(crate) fn current(view: &View<'_>) -> Redirects {
    redirects(view.save.table(TABLE))
}

/// Rules that are to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Made {
    pub(crate) backend: Backend,
    pub(crate) family: Family,
    rules: Owned,
}

/// Adds the changes that make the rules of all families that were read what they shall be; those that
/// are to be found again afterwards.
pub(crate) fn rules(firewall: &Firewall, views: &[View<'_>], goal: &Goal, plan: &mut Plan) -> Result<Vec<Made>> {
    let mut made = Vec::new();
    for family in Family::ALL {
        if !firewall.seen.iter().any(|seen| seen.family == family) {
            continue;
        }
        let pairs: Vec<Pair> = goal.pairs.iter().copied().filter(|pair| pair.family() == family).collect();
        let home = match goal.engine.backend() {
            _ if pairs.is_empty() => None,
            Some(backend) => Some(firewall.named(backend, family)?),
            None => Some(firewall.choose(views, family, TABLE, &owner())?),
        };
        // First the engine where they belong: where that fails, those in the other one still serve.
        let is_home = |view: &&View<'_>| home == Some(view.seen.backend);
        let (here, elsewhere): (Vec<&View<'_>>, Vec<&View<'_>>) =
            views.iter().filter(|view| view.seen.family == family).partition(is_home);
        for view in here.into_iter().chain(elsewhere) {
            let seen = view.seen;
            let wanted = if home == Some(seen.backend) { owned(&pairs, goal.reach) } else { Owned::default() };
            let own = with_adopted(view, &pairs, goal, plan);
            let is_changed = change(view, &own, &wanted, goal.lock_wait, &why(&wanted, &pairs), plan)?;
            if is_changed && home == Some(seen.backend) {
                made.push(Made { backend: seen.backend, family, rules: wanted });
            }
        }
    }
    Ok(made)
}

/// Our own rules, and those made by hand that are to be ours; the others are told of.
fn with_adopted(view: &View<'_>, pairs: &[Pair], goal: &Goal, plan: &mut Plan) -> Owner {
    let mut own = owner();
    let ports: HashSet<u16> = pairs.iter().map(|pair| pair.port).collect();
    let is_wanted = |port: u16| ports.contains(&port);
    let View { seen, save } = view;
    let found = hand_made(save.table(TABLE), |port| is_wanted(port) || is_dialled(port));
    for (rule, count) in counted(&found) {
        let is_replaced = rule.is_plain && is_wanted(rule.port) && rule.is_within(goal.reach);
        if goal.by_hand == HandMadeRules::Adopt && is_replaced {
            own.rules.push((rule.chain.clone(), rule.rule.clone()));
        } else if !pairs.is_empty() {
            let what = if is_replaced { Some("--adopt replaces it") } else { stays(rule, goal, is_wanted(rule.port)) };
            plan.note(format!("made by hand {}", report(rule, count, seen, what)));
        }
    }
    own
}

/// Why a rule is not replaced even with `--adopt`.
fn stays(rule: &HandMade, goal: &Goal, is_wanted: bool) -> Option<&'static str> {
    if !is_wanted {
        None
    } else if !rule.is_plain {
        Some(CONDITIONS)
    } else if !rule.is_within(goal.reach) {
        Some("--from forward --adopt replaces it")
    } else {
        None
    }
}

/// How a rule made by hand is replaced, where nothing is wanted yet.
pub(crate) fn replaced_by(rule: &HandMade) -> &'static str {
    if !rule.is_plain {
        CONDITIONS
    } else if rule.is_within(Reach::Output) {
        "edge-redirect add --adopt replaces it"
    } else {
        "edge-redirect add --from forward --adopt replaces it"
    }
}

/// A rule made by hand, in words.
pub(crate) fn report(rule: &HandMade, count: usize, seen: &Seen, what: Option<&str>) -> String {
    let times = if count > 1 { format!(", {count} times") } else { String::new() };
    let local = if rule.takes_local && rule.chain == "OUTPUT" { ", connections to this host itself too" } else { "" };
    let what = what.map(|what| format!("; {what}")).unwrap_or_default();
    format!("in {} ({}){times}: port {} goes to {}{local}{what}", rule.chain, seen.backend, rule.port, rule.to)
}

fn why(wanted: &Owned, pairs: &[Pair]) -> String {
    if wanted.chains.is_empty() {
        return "nothing is redirected here any more".to_owned();
    }
    let each: Vec<String> = pairs.iter().map(|pair| format!("{} to {}", pair.port, pair.to)).collect();
    format!("redirect {}", each.join(", "))
}

/// Adds one change; whether there is one.
fn change(
    view: &View<'_>,
    own: &Owner,
    wanted: &Owned,
    lock_wait: Duration,
    why: &str,
    plan: &mut Plan,
) -> Result<bool> {
    let Some(transaction) = transaction(view, TABLE, own, wanted, lock_wait)? else { return Ok(false) };
    let frame = |line: &&str| !line.starts_with('*') && *line != "COMMIT";
    let details: Vec<String> = transaction.script.text.lines().filter(frame).map(str::to_owned).collect();
    plan.transaction(transaction, why).details = details;
    Ok(true)
}

/// A `remove`: of these ports, or of everything; what is left to be stored.
pub(crate) fn remove(
    stored: Option<&Stored>,
    views: &[View<'_>],
    ports: &[u16],
    lock_wait: Duration,
    plan: &mut Plan,
) -> Result<Option<Stored>> {
    let goes = |pair: &Pair| ports.is_empty() || ports.contains(&pair.port);
    let mut known_ports: Vec<u16> = Vec::new();
    for view in views {
        let found = current(view);
        known_ports.extend(found.pairs.iter().map(|pair| pair.port));
        let left: Vec<Pair> = found.pairs.iter().copied().filter(|pair| !goes(pair)).collect();
        if left == found.pairs && !ports.is_empty() {
            continue;
        }
        let wanted = owned(&left, found.reach.unwrap_or(Reach::Output));
        change(view, &owner(), &wanted, lock_wait, &why(&wanted, &left), plan)?;
    }
    known_ports.extend(stored.iter().flat_map(|stored| &stored.pairs).map(|pair| pair.port));
    for port in ports.iter().filter(|port| !known_ports.contains(port)) {
        plan.note(format!("port {port} is not redirected"));
    }
    Ok(stored.cloned().and_then(|stored| {
        let pairs: Vec<Pair> = stored.pairs.iter().copied().filter(|pair| !goes(pair)).collect();
        (!pairs.is_empty()).then_some(Stored { pairs, ..stored })
    }))
}

/// Fails where rules that were made are not there: another program replaces them at the same time.
pub(crate) fn verify(seen: &Seen, made: &Made) -> Result<()> {
    if Owned::of(seen.parse()?.table(TABLE), &owner()).same(&made.rules) {
        return Ok(());
    }
    Err(Error::failed(format!(
        "cannot find the {} rules again that were just made with {}: another program has replaced them",
        seen.family, seen.restore
    ))
    .hint("run again; if it comes back, find what flushes the nat table (a firewall service that is being restarted)"))
}

#[cfg(test)]
mod tests;
