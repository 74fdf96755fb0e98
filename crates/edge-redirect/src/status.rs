//! `edge-redirect status`: what is redirected, by whom, and whether it outlives a reboot.

use std::collections::{HashMap, HashSet};

use edge_firewall::{Family, Firewall, Save, Seen, Table};
use edge_host::{Host, Outcome, Result, StatusLine};
use edge_kubeedge::stream::{KEPT_CHAIN, is_dialled};

use crate::facts::{self, Facts};
use crate::pair::Pair;
use crate::persist::UNIT;
use crate::plan;
use crate::rules::{CHAIN, Redirects, TABLE, counted, hand_made, kept_by_cloudcore, redirect, redirects};
use crate::unit::FILE;
use crate::wanted::Reach;

pub(crate) fn status(host: &mut Host) -> Result<Outcome> {
    let facts = facts::all(host)?;
    let mut lines = Vec::new();
    let mut live: HashSet<Pair> = HashSet::new();
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
        let found = redirects(save.table(TABLE));
        lines.extend(ours(seen, &save, &found, &facts));
        live.extend(found.pairs);
        lines.extend(theirs(seen, save.table(TABLE)));
    }
    lines.extend(stored(&facts, &live));
    lines.extend(facts.firewall.iter().flat_map(unusable));
    let blind = facts.firewall.as_ref().and_then(|_| facts.blind());
    lines.extend(blind.map(|why| StatusLine::new("rules", "not known", why)));
    if lines.is_empty() {
        lines.push(StatusLine::new("redirect", "none", "edge-redirect add makes one"));
    }
    for line in &lines {
        host.report.status(line);
    }
    Ok(Outcome::default())
}

fn name(pair: &Pair) -> String {
    format!("redirect {} to {}", pair.port, pair.to)
}

fn ours(seen: &Seen, save: &Save<'_>, found: &Redirects, facts: &Facts) -> Vec<StatusLine> {
    let source = format!("{CHAIN}, {} {}", seen.family, seen.backend);
    let mut lines = Vec::new();
    let stored: HashSet<&Pair> = facts.persist.stored.iter().flat_map(|stored| &stored.pairs).collect();
    let counted = connections(save.table(TABLE));
    for pair in &found.pairs {
        let kept = stored.contains(pair);
        let whose = match found.reach {
            Some(Reach::Forward) => "from this host and forwarded",
            Some(Reach::Output) => "from this host",
            None => "no rule leads there",
        };
        let after = if kept { "" } else { ", gone after a reboot" };
        let text = format!("{whose}, {} connections so far{after}", counted.get(pair).unwrap_or(&0));
        let state = if found.reach.is_some() { "live" } else { "not reached" };
        lines.push(StatusLine::new(name(pair), state, text).from(source.clone()));
    }
    if !found.is_whole {
        let text = "these are not exactly the rules that add makes; edge-redirect add puts them right";
        lines.push(StatusLine::new(format!("chain {CHAIN}"), "changed by someone", text).from(source));
    }
    lines
}

/// The packets that the rules of ours have counted, by port and target: one for each connection, as only
/// the first of one goes through the nat table.
fn connections(table: Option<&Table<'_>>) -> HashMap<Pair, u64> {
    let rules = table.into_iter().flat_map(|table| table.rules()).filter(|rule| rule.chain == CHAIN);
    let mut counted = HashMap::new();
    for (rule, pair) in rules.filter_map(|rule| Some((rule, redirect(rule.text)?))) {
        let packets = rule.counters.and_then(|counters| counters[1..].split(':').next()?.parse().ok());
        counted.entry(pair).or_insert(packets.unwrap_or(0));
    }
    counted
}

fn theirs(seen: &Seen, table: Option<&Table<'_>>) -> Vec<StatusLine> {
    let mut lines = Vec::new();
    let source = format!("{} {}", seen.family, seen.backend);
    if let Some(rules) = kept_by_cloudcore(table) {
        let text = if rules.is_empty() { "no port yet".to_owned() } else { rules.join(", ") };
        let object = format!("chain {KEPT_CHAIN}");
        lines.push(StatusLine::new(object, "kept by cloudcore", text).from(source.clone()));
    }
    let found = hand_made(table, is_dialled);
    for (rule, count) in counted(&found) {
        let text = plan::report(rule, count, seen, Some(plan::replaced_by(rule)));
        lines.push(StatusLine::new("rule", "made by hand", text).from(source.clone()));
    }
    lines
}

fn stored(facts: &Facts, live: &HashSet<Pair>) -> Vec<StatusLine> {
    let mut lines = Vec::new();
    for pair in facts.persist.stored.iter().flat_map(|stored| &stored.pairs) {
        if facts.firewall.is_none() {
            lines.push(StatusLine::new(name(pair), "at boot", "").from(FILE));
        } else if facts.blind().is_some() {
            lines.push(StatusLine::new(name(pair), "not known", "iptables is not on this host").from(FILE));
        } else if !live.contains(pair) && facts.firewall.as_ref().is_some_and(|live| is_unknown(live, pair.family())) {
            lines.push(StatusLine::new(name(pair), "unknown", "the live rules cannot be read").from(FILE));
        } else if !live.contains(pair) {
            lines.push(StatusLine::new(name(pair), "not live", "edge-redirect restore makes it").from(FILE));
        }
    }
    if facts.persist.exists() && facts.persist.is_masked() {
        let text = format!("nothing restores the rules at boot; systemctl unmask {UNIT} lets it");
        lines.push(StatusLine::new(format!("unit {UNIT}"), "masked", text));
    } else if facts.persist.exists() && !facts.persist.is_enabled() {
        let text = "nothing restores the rules at boot; edge-redirect add --persist enables it";
        lines.push(StatusLine::new(format!("unit {UNIT}"), "not enabled", text));
    } else if facts.persist.exists() {
        lines.push(StatusLine::new(format!("unit {UNIT}"), "enabled", "it restores the rules at boot").from(FILE));
    }
    lines
}

/// Whether a table of the family cannot be read, which may hold the redirect.
fn is_unknown(firewall: &Firewall, family: Family) -> bool {
    firewall.seen.iter().any(|seen| seen.family == family && seen.unreadable.is_some())
}

fn unusable(firewall: &Firewall) -> Vec<StatusLine> {
    let lines = firewall.unusable.iter().map(|(backend, family, error)| {
        let family: &Family = family;
        StatusLine::new(format!("{family} {backend}"), "not readable", error.message())
    });
    lines.collect()
}
