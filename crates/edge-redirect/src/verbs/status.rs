//! `edge-redirect status`: what is redirected, where the rules come from, and whether they persist across reboots.

use std::collections::{HashMap, HashSet};

use edge_firewall::{Family, Firewall, Known, Table, View};
use edge_host::{Host, Outcome, Result, StatusLine};
use edge_kubeedge::stream::{KEPT_CHAIN, is_dialled};

use super::views;
use crate::cloudcore::Manager;
use crate::effect::{Effect, Routes, effect, routes};
use crate::facts::{self, Facts};
use crate::kept::{KeptEffect, Pair, pairs};
use crate::persist::UNIT;
use crate::plan;
use crate::redirect::Redirect;
use crate::request::Traffic;
use crate::rules::{CHAIN, LiveRules, TABLE, counted, live_rules, redirect_of, unmanaged};
use crate::unit::FILE;

pub(crate) fn run(host: &mut Host) -> Result<Outcome> {
    let facts = facts::all(host, false)?;
    let mut lines = Vec::new();
    let mut live: HashSet<Redirect> = HashSet::new();
    facts.notes().for_each(|note| host.report.note(note));
    let views = views(&facts)?;
    let routes = routes(&views);
    for view in &views {
        let seen = view.seen;
        if let Some(error) = &seen.unreadable {
            let source = format!("{} {}", seen.family, seen.backend);
            let hint = error.hint_text().map(|hint| format!("; {hint}")).unwrap_or_default();
            let text = format!("{}{hint}", error.message());
            lines.push(StatusLine::new(format!("table {TABLE}"), "unknown", text).from(source));
            continue;
        }
        let found = live_rules(view.save.table(TABLE));
        lines.extend(own(view, &routes, &found, &facts));
        live.extend(found.redirects);
        lines.extend(cloudcore(view, &routes, &facts.manager));
        lines.extend(others(view, &facts));
    }
    lines.extend(not_started(&views, &routes, &facts.manager));
    lines.extend(stored(host, &facts, &live));
    lines.extend(facts.firewall.iter().flat_map(unusable));
    let unread = facts.firewall.as_ref().and_then(|_| facts.why_not_live());
    lines.extend(unread.map(|why| StatusLine::new("rules", "unknown", why)));
    if lines.is_empty() {
        lines.push(StatusLine::new("redirect", "none", "add one: edge-redirect add PORT=IP:PORT"));
    }
    for line in &lines {
        host.report.status(line);
    }
    Ok(Outcome::default())
}

fn line(redirect: &Redirect, state: &str, text: impl Into<String>) -> StatusLine {
    let Redirect { port, to } = redirect;
    let line = StatusLine::new(format!("redirect {port} to {to}"), state, text);
    line.with("port", *port).with("to", to.to_string())
}

fn own(view: &View<'_>, routes: &[Routes<'_>], found: &LiveRules, facts: &Facts) -> Vec<StatusLine> {
    let seen = view.seen;
    let source = format!("{CHAIN}, {} {}", seen.family, seen.backend);
    let mut lines = Vec::new();
    let stored: HashSet<&Redirect> = facts.persist.stored.iter().flat_map(|stored| &stored.redirects).collect();
    let counted = connections(view.save.table(TABLE));
    for redirect in &found.redirects {
        let traffic = match found.traffic {
            Some(Traffic::Forward) => "from this host and forwarded",
            Some(Traffic::Output) => "from this host",
            None => "no rule jumps to its chain",
        };
        let effect = found
            .traffic
            .map_or(Effect::Inactive, |traffic| effect(routes, seen.backend, redirect, traffic, |_, _| Known::Nothing));
        let (state, what) = match effect {
            Effect::Active(partly) if partly.is_empty() => ("active", traffic.to_owned()),
            Effect::Active(partly) => ("active", format!("{traffic}, partly shadowed by {}", partly.join(", "))),
            Effect::Shadowed(by) => ("shadowed", format!("no effect, shadowed by {}", by.shown())),
            Effect::Unknown(why) => ("unknown", why),
            Effect::Inactive => ("inactive", traffic.to_owned()),
        };
        let after = if stored.contains(redirect) { "" } else { ", lost on reboot" };
        let count = counted.get(redirect).copied().unwrap_or_default();
        let plural = if count == 1 { "" } else { "s" };
        let text = format!("{what}, {count} connection{plural} so far{after}");
        lines.push(line(redirect, state, text).from(source.clone()));
    }
    if !found.is_complete {
        let text =
            "the rules differ from those that edge-redirect add makes; edge-redirect check shows how to repair them";
        lines.push(StatusLine::new(format!("chain {CHAIN}"), "modified", text).from(source));
    }
    lines
}

/// The packet counters of our rules: one packet for each connection, as only its first packet passes the nat table.
fn connections(table: Option<&Table<'_>>) -> HashMap<Redirect, u64> {
    let rules = table.into_iter().flat_map(|table| table.rules()).filter(|rule| rule.chain == CHAIN);
    let mut counted = HashMap::new();
    for (rule, redirect) in rules.filter_map(|rule| Some((rule, redirect_of(rule.text)?))) {
        let packets = rule.counters.and_then(|counters| counters[1..].split(':').next()?.parse().ok());
        counted.entry(redirect).or_insert(packets.unwrap_or(0));
    }
    counted
}

/// cloudcore's own chain, and whether its redirects take effect.
fn cloudcore(view: &View<'_>, routes: &[Routes<'_>], manager: &Manager) -> Option<StatusLine> {
    let seen = view.seen;
    let route = routes.iter().find(|route| (route.backend, route.family) == (seen.backend, seen.family))?;
    let pairs = pairs(route)?;
    let each: Vec<String> = pairs.iter().map(Pair::to_string).collect();
    // What has no effect comes before what is unknown.
    let problem = |pair: &Pair| match pair.effect(route, Traffic::Output) {
        KeptEffect::Active(rules) if rules.is_empty() => None,
        KeptEffect::Active(rules) => {
            Some((3, "active", format!("{}; {pair} is partly shadowed by {}", each.join(", "), rules.join(", "))))
        }
        KeptEffect::Other(by, _) => Some((0, "shadowed", format!("{pair} has no effect, shadowed by {}", by.shown()))),
        KeptEffect::Unknown(why) => Some((2, "unknown", format!("{pair}: {why}"))),
        KeptEffect::Absent(_) => Some((1, "inactive", format!("{pair} has no effect, no rule jumps to it"))),
        KeptEffect::Partly(rule) => Some((2, "unknown", format!("{pair} is for part of the connections: {rule}"))),
    };
    let problem = pairs.iter().filter_map(problem).min_by_key(|(order, ..)| *order);
    let who = manager.shown();
    let (state, text) = match problem {
        Some((_, state, problem)) => (state, format!("{who}: {problem}")),
        None if pairs.is_empty() => ("inactive", format!("{who}: no ports yet")),
        None => ("active", format!("{who}: {}", each.join(", "))),
    };
    Some(StatusLine::new(format!("chain {KEPT_CHAIN}"), state, text).from(format!("{} {}", seen.family, seen.backend)))
}

/// cloudcore should manage its own chain, or may do so, but no rule jumps to it.
fn not_started(views: &[View<'_>], routes: &[Routes<'_>], manager: &Manager) -> Option<StatusLine> {
    let is_used = routes.iter().any(|route| pairs(route).is_some());
    let file = match manager {
        Manager::Cloudcore(file) => file,
        Manager::Unreadable(..) if !is_used => {
            return Some(StatusLine::new(format!("chain {KEPT_CHAIN}"), "unknown", manager.shown()));
        }
        _ => return None,
    };
    let is_unknown = views.is_empty() || views.iter().any(|view| view.seen.unreadable.is_some());
    let text = "managed by cloudcore once it runs; no rule jumps to it now";
    let (state, text) = match (is_unknown, is_used) {
        (_, true) => return None,
        (true, false) => ("unknown", "managed by cloudcore once it runs"),
        (false, false) => ("missing", text),
    };
    Some(StatusLine::new(format!("chain {KEPT_CHAIN}"), state, text).from(file.display().to_string()))
}

fn others(view: &View<'_>, facts: &Facts) -> Vec<StatusLine> {
    let source = format!("{} {}", view.seen.family, view.seen.backend);
    let table = view.save.table(TABLE);
    let mut managed = live_rules(table).redirects;
    managed.extend(facts.persist.stored.iter().flat_map(|stored| &stored.redirects));
    let all = unmanaged(table, is_dialled);
    let lines = counted(&all).into_iter().map(|(rule, count)| {
        let what = plan::adopt_command(rule, &all, &managed).map(|command| format!("{command} replaces it"));
        let text = plan::describe(rule, count, view.seen, Some(what.as_deref().unwrap_or(plan::CONDITIONS)));
        StatusLine::new("rule", "unmanaged", text).from(source.clone())
    });
    lines.collect()
}

fn stored(host: &Host, facts: &Facts, live: &HashSet<Redirect>) -> Vec<StatusLine> {
    let mut lines = Vec::new();
    for redirect in facts.persist.stored.iter().flat_map(|stored| &stored.redirects) {
        let (state, text) = match &facts.firewall {
            None => ("stored", ""),
            Some(firewall) if firewall.seen.is_empty() => ("unknown", "iptables is not installed"),
            Some(_) if live.contains(redirect) => continue,
            Some(firewall) if is_unknown(firewall, redirect.family()) => ("unknown", "the live rules cannot be read"),
            Some(_) => ("inactive", "edge-redirect restore activates it"),
        };
        lines.push(line(redirect, state, text).from(FILE));
    }
    let unit = |state, text: &str| StatusLine::new(format!("unit {UNIT}"), state, text);
    if !facts.persist.exists() {
        return lines;
    }
    if facts.persist.is_masked() {
        let unmask = facts.persist.unmask(&host.root);
        lines.push(unit("masked", &format!("the redirects are not restored at boot; {unmask} unmasks it")));
    } else if !facts.persist.is_enabled() {
        lines.push(unit(
            "disabled",
            "the redirects are not restored at boot; edge-redirect check shows how to enable it",
        ));
    } else {
        lines.push(unit("enabled", "it restores the redirects at boot").from(FILE));
    }
    lines
}

/// Whether a table of the address family cannot be read, which may contain the redirect.
fn is_unknown(firewall: &Firewall, family: Family) -> bool {
    firewall.seen.iter().any(|seen| seen.family == family && seen.unreadable.is_some())
}

fn unusable(firewall: &Firewall) -> Vec<StatusLine> {
    let lines = firewall.unusable.iter().map(|(backend, family, error)| {
        StatusLine::new(format!("rules of {family} {backend}"), "unknown", error.message())
    });
    lines.collect()
}
