//! `edge-redirect status`: what is redirected, where the rules come from, and whether they persist across reboots.

use std::collections::{HashMap, HashSet};

use edge_firewall::{Family, Firewall, Save, Seen, Table};
use edge_host::{Host, Outcome, Result, StatusLine};
use edge_kubeedge::stream::{KEPT_CHAIN, is_dialled};

use crate::facts::{self, Facts};
use crate::persist::UNIT;
use crate::plan;
use crate::redirect::Redirect;
use crate::request::Traffic;
use crate::rules::{CHAIN, LiveRules, TABLE, cloudcore_rules, counted, live_rules, redirect_of, unmanaged};
use crate::unit::FILE;

pub(crate) fn run(host: &mut Host) -> Result<Outcome> {
    let facts = facts::all(host)?;
    let mut lines = Vec::new();
    let mut live: HashSet<Redirect> = HashSet::new();
    facts.notes().for_each(|note| host.report.note(note));
    for seen in facts.firewall.iter().flat_map(|firewall| &firewall.seen) {
        if let Some(error) = &seen.unreadable {
            let source = format!("{} {}", seen.family, seen.backend);
            let hint = error.hint_text().map(|hint| format!("; {hint}")).unwrap_or_default();
            let text = format!("{}{hint}", error.message());
            lines.push(StatusLine::new(format!("table {TABLE}"), "unknown", text).from(source));
            continue;
        }
        let save = seen.parse()?;
        let found = live_rules(save.table(TABLE));
        lines.extend(own(seen, &save, &found, &facts));
        live.extend(found.redirects);
        lines.extend(others(seen, save.table(TABLE)));
    }
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

fn own(seen: &Seen, save: &Save<'_>, found: &LiveRules, facts: &Facts) -> Vec<StatusLine> {
    let source = format!("{CHAIN}, {} {}", seen.family, seen.backend);
    let mut lines = Vec::new();
    let stored: HashSet<&Redirect> = facts.persist.stored.iter().flat_map(|stored| &stored.redirects).collect();
    let counted = connections(save.table(TABLE));
    for redirect in &found.redirects {
        let (state, traffic) = match found.traffic {
            Some(Traffic::Forward) => ("active", "from this host and forwarded"),
            Some(Traffic::Output) => ("active", "from this host"),
            None => ("inactive", "no rule jumps to its chain"),
        };
        let after = if stored.contains(redirect) { "" } else { ", lost on reboot" };
        let count = counted.get(redirect).copied().unwrap_or_default();
        let plural = if count == 1 { "" } else { "s" };
        let text = format!("{traffic}, {count} connection{plural} so far{after}");
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

fn others(seen: &Seen, table: Option<&Table<'_>>) -> Vec<StatusLine> {
    let mut lines = Vec::new();
    let source = format!("{} {}", seen.family, seen.backend);
    if let Some(rules) = cloudcore_rules(table) {
        let redirects = if rules.is_empty() { "no ports yet".to_owned() } else { rules.join(", ") };
        let (object, text) = (format!("chain {KEPT_CHAIN}"), format!("managed by cloudcore: {redirects}"));
        lines.push(StatusLine::new(object, "active", text).from(source.clone()));
    }
    let managed = live_rules(table).redirects;
    for (rule, count) in counted(&unmanaged(table, is_dialled)) {
        let what = plan::adopt_command(rule, &managed).map(|command| format!("{command} replaces it"));
        let text = plan::describe(rule, count, seen, Some(what.as_deref().unwrap_or(plan::CONDITIONS)));
        lines.push(StatusLine::new("rule", "unmanaged", text).from(source.clone()));
    }
    lines
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
        let unmask = format!("systemctl{} unmask {UNIT}", host.root.option());
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
