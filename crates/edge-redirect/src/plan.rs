//! Computes the changes of rules from facts and request, without touching the host.

use std::collections::HashSet;
use std::time::Duration;

use edge_firewall::{Backend, Family, Firewall, Owned, Owner, Seen, View, transaction};
use edge_host::{Error, Plan, Result};
use edge_kubeedge::stream::is_dialled;

use crate::cloudcore::Manager;
use crate::persist::Stored;
use crate::redirect::{Redirect, merged};
use crate::request::{BackendChoice, Request, Traffic};
use crate::rules::{LiveRules, TABLE, UnmanagedRule, counted, live_rules, owned, owner, scope_of, unmanaged};

mod kept;
mod shadow;

pub(crate) use shadow::{remedy, shadows};

/// Why an unmanaged rule cannot be replaced.
pub(crate) const CONDITIONS: &str = "not replaced, because it has other conditions";

/// The desired rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Goal {
    pub(crate) redirects: Vec<Redirect>,
    pub(crate) traffic: Traffic,
    pub(crate) backend: BackendChoice,
    /// Replace unmanaged rules for the same ports.
    pub(crate) adopt: bool,
    pub(crate) lock_wait: Duration,
}

impl Goal {
    /// The stored redirects, and nothing else.
    pub(crate) fn of(stored: &Stored, lock_wait: Duration) -> Goal {
        let &Stored { ref redirects, traffic, backend } = stored;
        Goal { redirects: redirects.clone(), traffic, backend, adopt: false, lock_wait }
    }
}

/// The goal of an `add`, and what is stored for the next boot; none if there is nothing to add.
///
/// Errors: exit 4 if cloudcore manages its own chain and a redirect is not in effect.
pub(crate) fn add(
    stored: Option<&Stored>,
    views: &[View<'_>],
    manager: &Manager,
    request: &Request,
    plan: &mut Plan,
) -> Result<Option<(Goal, Option<Stored>)>> {
    let (live, live_traffic) = live(views);
    let stored_redirects = stored.map_or(&[][..], |stored| stored.redirects.as_slice());
    let before = merged(stored_redirects, &live);
    let traffic = request.traffic.or(live_traffic.max(stored.map(|stored| stored.traffic))).unwrap_or(Traffic::Output);
    let mut new = request.redirects.clone();
    if !request.force && !matches!(manager, Manager::Nobody(_)) {
        new = kept::not_kept(new, &before, views, manager, traffic, plan)?;
    }
    if new.is_empty() {
        return Ok(None);
    }
    // A backend that was named is kept until another one is named.
    let backend = match (request.backend, stored) {
        (BackendChoice::Auto, Some(stored)) => stored.backend,
        (backend, _) => backend,
    };
    let redirects = merged(&before, &new);
    let goal = Goal { redirects, traffic, backend, adopt: request.adopt, lock_wait: request.lock_wait };
    let is_stored = request.persist || stored.is_some();
    let stored = is_stored.then(|| Stored { redirects: goal.redirects.clone(), traffic, backend });
    Ok(Some((goal, stored)))
}

/// All live redirects, and their traffic.
fn live(views: &[View<'_>]) -> (Vec<Redirect>, Option<Traffic>) {
    let (mut redirects, mut traffic) = (Vec::new(), None);
    for view in views {
        let found = current(view);
        redirects = merged(&redirects, &found.redirects);
        traffic = traffic.max(found.traffic);
    }
    (redirects, traffic)
}

/// Our rules in one backend.
pub(crate) fn current(view: &View<'_>) -> LiveRules {
    live_rules(view.save.table(TABLE))
}

/// Rules that a plan makes, to be verified afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Made {
    pub(crate) backend: Backend,
    pub(crate) family: Family,
    rules: Owned,
}

/// The rules that a plan makes or leaves as they are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Planned {
    pub(crate) made: Vec<Made>,
    /// The backend of each address family, and unmanaged rules that are replaced there and in the other one.
    pub(crate) homes: Vec<(Family, Backend)>,
    pub(crate) adopted: Vec<(Backend, Family, String, String)>,
}

/// Errors: exit 4 if iptables cannot add to a chain of nf_tables, unless the rules belong to x_tables.
pub(crate) fn can_add(firewall: &Firewall, goal: &Goal) -> Result<()> {
    if goal.backend.backend() == Some(Backend::Legacy) {
        return Ok(());
    }
    firewall.can_add(&scope_of(goal.traffic))
}

/// Plans the changes from the live rules of all address families that were read to the goal.
pub(crate) fn rules(firewall: &Firewall, views: &[View<'_>], goal: &Goal, plan: &mut Plan) -> Result<Planned> {
    let mut planned = Planned::default();
    for family in Family::ALL {
        if !firewall.seen.iter().any(|seen| seen.family == family) {
            continue;
        }
        let redirects: Vec<Redirect> =
            goal.redirects.iter().copied().filter(|redirect| redirect.family() == family).collect();
        let home = match goal.backend.backend() {
            _ if redirects.is_empty() => None,
            Some(backend) => Some(firewall.named(backend, family)?),
            None => Some(firewall.choose(views, family, TABLE, &owner())?),
        };
        planned.homes.extend(home.map(|home| (family, home)));
        // The backend where they belong comes first: if that fails, rules in the other one are still active.
        let is_home = |view: &&View<'_>| home == Some(view.seen.backend);
        let (here, elsewhere): (Vec<&View<'_>>, Vec<&View<'_>>) =
            views.iter().filter(|view| view.seen.family == family).partition(is_home);
        for view in here.into_iter().chain(elsewhere) {
            let seen = view.seen;
            let desired = if home == Some(seen.backend) { owned(&redirects, goal.traffic) } else { Owned::default() };
            let own = with_adopted(view, &redirects, goal, plan);
            let adopted = own.rules.iter().cloned();
            planned.adopted.extend(adopted.map(|(chain, rule)| (seen.backend, family, chain, rule)));
            let is_changed = change(view, &own, &desired, goal.lock_wait, &why(&desired, &redirects), plan)?;
            if is_changed && home == Some(seen.backend) {
                planned.made.push(Made { backend: seen.backend, family, rules: desired });
            }
        }
    }
    Ok(planned)
}

/// Our own rules and the unmanaged ones that are replaced; notes about the others.
fn with_adopted(view: &View<'_>, redirects: &[Redirect], goal: &Goal, plan: &mut Plan) -> Owner {
    let mut own = owner();
    let ports: HashSet<u16> = redirects.iter().map(|redirect| redirect.port).collect();
    let is_requested = |port: u16| ports.contains(&port);
    let View { seen, save } = view;
    let found = unmanaged(save.table(TABLE), |port| is_requested(port) || is_dialled(port));
    for (rule, count) in counted(&found) {
        let is_replaced = rule.is_plain && is_requested(rule.port) && rule.is_within(goal.traffic);
        if goal.adopt && is_replaced {
            own.rules.push((rule.chain.clone(), rule.rule.clone()));
        } else if !redirects.is_empty() {
            let what =
                if is_replaced { Some("--adopt replaces it") } else { why_kept(rule, goal, is_requested(rule.port)) };
            plan.note(format!("unmanaged rule {}", describe(rule, count, seen, what)));
        }
    }
    own
}

/// Why a rule is not replaced even with `--adopt`.
fn why_kept(rule: &UnmanagedRule, goal: &Goal, is_requested: bool) -> Option<&'static str> {
    if !is_requested {
        None
    } else if !rule.is_plain {
        Some(CONDITIONS)
    } else if !rule.is_within(goal.traffic) {
        Some("--from forward --adopt replaces it")
    } else {
        None
    }
}

/// The command that replaces an unmanaged rule, if one can.
///
/// A port that is redirected keeps its address. All rules for a port get the same address, that of the first rule of
/// OUTPUT among `all`, which is in effect.
pub(crate) fn adopt_command(rule: &UnmanagedRule, all: &[UnmanagedRule], own: &[Redirect]) -> Option<String> {
    let from = if rule.is_within(Traffic::Output) { "" } else { " --from forward" };
    let is_v6 = |to: &str| to.starts_with('[');
    let own =
        own.iter().find(|redirect| redirect.port == rule.port && is_v6(&redirect.to.to_string()) == is_v6(&rule.to));
    let same =
        || all.iter().filter(|other| other.port == rule.port && other.is_plain && is_v6(&other.to) == is_v6(&rule.to));
    let first = same().find(|other| other.is_within(Traffic::Output)).or_else(|| same().next()).unwrap_or(rule);
    let redirect = own.map_or_else(|| format!("{}={}", first.port, first.to), Redirect::to_string);
    rule.is_plain.then(|| format!("edge-redirect add {redirect}{from} --adopt"))
}

/// An unmanaged rule, for the user.
pub(crate) fn describe(rule: &UnmanagedRule, count: usize, seen: &Seen, what: Option<&str>) -> String {
    let times = if count > 1 { format!(", {count} times") } else { String::new() };
    let local =
        if rule.includes_local && rule.chain == "OUTPUT" { ", also for connections to this host itself" } else { "" };
    let what = what.map(|what| format!("; {what}")).unwrap_or_default();
    format!("in {} ({}){times}: port {} to {}{local}{what}", rule.chain, seen.backend, rule.port, rule.to)
}

fn why(desired: &Owned, redirects: &[Redirect]) -> String {
    if desired.chains.is_empty() {
        return "no redirects left in it".to_owned();
    }
    let each: Vec<String> = redirects.iter().map(|redirect| format!("{} to {}", redirect.port, redirect.to)).collect();
    format!("redirect {}", each.join(", "))
}

/// Plans one change; returns whether there is one.
fn change(
    view: &View<'_>,
    own: &Owner,
    desired: &Owned,
    lock_wait: Duration,
    why: &str,
    plan: &mut Plan,
) -> Result<bool> {
    let Some(transaction) = transaction(view, TABLE, own, desired, lock_wait)? else { return Ok(false) };
    let frame = |line: &&str| !line.starts_with('*') && *line != "COMMIT";
    let details: Vec<String> = transaction.script.text.lines().filter(frame).map(str::to_owned).collect();
    plan.transaction(transaction, why).details = details;
    Ok(true)
}

/// Plans a `remove` of these ports, or of everything; returns what remains stored.
pub(crate) fn remove(
    stored: Option<&Stored>,
    views: &[View<'_>],
    ports: &[u16],
    lock_wait: Duration,
    plan: &mut Plan,
) -> Result<Option<Stored>> {
    let is_removed = |redirect: &Redirect| ports.is_empty() || ports.contains(&redirect.port);
    let mut known_ports: Vec<u16> = Vec::new();
    for view in views {
        let found = current(view);
        known_ports.extend(found.redirects.iter().map(|redirect| redirect.port));
        let left: Vec<Redirect> = found.redirects.iter().copied().filter(|redirect| !is_removed(redirect)).collect();
        if left == found.redirects && !ports.is_empty() {
            continue;
        }
        let desired = owned(&left, found.traffic.unwrap_or(Traffic::Output));
        change(view, &owner(), &desired, lock_wait, &why(&desired, &left), plan)?;
    }
    known_ports.extend(stored.iter().flat_map(|stored| &stored.redirects).map(|redirect| redirect.port));
    for port in ports.iter().filter(|port| !known_ports.contains(port)) {
        plan.note(format!("port {port} is not redirected"));
    }
    Ok(stored.cloned().and_then(|stored| {
        let redirects: Vec<Redirect> =
            stored.redirects.iter().copied().filter(|redirect| !is_removed(redirect)).collect();
        (!redirects.is_empty()).then_some(Stored { redirects, ..stored })
    }))
}

/// Errors: exit 1 if rules that were made no longer exist, as another program has replaced them.
pub(crate) fn verify(seen: &Seen, made: &Made) -> Result<()> {
    if Owned::of(seen.parse()?.table(TABLE), &owner()).same(&made.rules) {
        return Ok(());
    }
    let object = format!("the {} rules made with {}", seen.family, seen.restore);
    Err(Error::cannot("verify", object, "another program has replaced them")
        .hint("run again; if the error persists, find the firewall service that flushes the nat table"))
}

#[cfg(test)]
mod tests;
