//! Problems of the live rules.

use std::collections::HashSet;
use std::time::Duration;

use edge_firewall::{Backend, Family, Firewall, Known, View};
use edge_host::{Finding, Host, Result, Severity};
use edge_kubeedge::stream::{KEPT_CHAIN, is_dialled, needed_by};

use super::{RESTORE, add, differing, hinted};
use crate::cloudcore::Manager;
use crate::effect::{ByRule, Effect, Routes, effect};
use crate::facts::Facts;
use crate::kept::{KeptEffect, Pair, pairs};
use crate::persist::Stored;
use crate::plan;
use crate::redirect::Redirect;
use crate::request::Traffic;
use crate::rules::{CHAIN, OUTPUT, TABLE, UnmanagedRule, counted, live_rules, unmanaged};
use crate::unit::FILE;

/// The live rules, and what was found in them.
pub(super) struct Live<'v> {
    pub(super) host: &'v Host,
    pub(super) facts: &'v Facts,
    pub(super) firewall: &'v Firewall,
    pub(super) views: &'v [View<'v>],
    pub(super) routes: Vec<Routes<'v>>,
    pub(super) stored: Option<&'v Stored>,
    pub(super) findings: Vec<Finding>,
}

fn table(family: Family, backend: Backend) -> String {
    format!("table {TABLE} of {}-{backend}", family.program())
}

fn table_of(view: &View<'_>) -> String {
    table(view.seen.family, view.seen.backend)
}

impl Live<'_> {
    /// Adds the problems; returns whether anything is redirected.
    pub(super) fn diagnose(&mut self, lock_wait: Duration) -> Result<bool> {
        let unreadable = self.unreadable();
        let is_readable = unreadable.is_empty();
        self.findings.extend(unreadable);
        let desired: HashSet<Redirect> = self.stored.iter().flat_map(|stored| &stored.redirects).copied().collect();
        let mut live: HashSet<Redirect> = HashSet::new();
        let mut is_kept = false;
        for view in self.views.iter().filter(|view| view.seen.unreadable.is_none()) {
            live.extend(live_rules(view.save.table(TABLE)).redirects);
        }
        for view in self.views.iter().filter(|view| view.seen.unreadable.is_none()) {
            let mut shadows = Vec::new();
            let own = self.own(view, &desired, &mut shadows);
            let (kept, by_cloudcore) = self.cloudcore(view, &live);
            is_kept |= kept;
            let others = self.others(view, &live, &shadows);
            self.findings.extend(own.into_iter().chain(by_cloudcore).chain(others));
        }
        if is_readable && !is_kept && live.is_empty() {
            self.findings.extend(self.not_started());
        }
        if self.firewall.seen.is_empty() && self.stored.is_some() {
            let missing = Finding::error(FILE, "iptables is not installed, so no redirect is active");
            self.findings.push(missing.hint("install iptables: apt-get install iptables"));
        } else if is_readable {
            let mut inactive: Vec<&Redirect> = desired.iter().filter(|redirect| !live.contains(redirect)).collect();
            inactive.sort();
            self.findings.extend(inactive.into_iter().map(|redirect| {
                Finding::error(FILE, "the redirect is not active").at(&redirect.to_string()).hint(RESTORE)
            }));
            if let (Some(stored), true) = (self.stored, self.findings.is_empty()) {
                self.findings.extend(differing(self.firewall, self.views, stored, lock_wait)?);
            }
        }
        Ok(is_kept || !live.is_empty())
    }

    /// Tables that cannot be read, though the kernel has them.
    fn unreadable(&self) -> Vec<Finding> {
        let place = |error: &edge_host::Error| {
            let of_seen = self.firewall.seen.iter().find(|seen| seen.unreadable.as_ref() == Some(error));
            let failed = self.firewall.unusable.iter().find(|(_, _, other)| other == error);
            let of = of_seen.map(|seen| (seen.family, seen.backend));
            of.or(failed.map(|(backend, family, _)| (*family, *backend)))
                .map(|(family, backend)| table(family, backend))
        };
        let finding =
            |error| hinted(Finding::error(place(error).unwrap_or_default(), error.message()), error.hint_text());
        self.firewall.unreadable().map(finding).collect()
    }

    /// Problems of our own chain, redirects without effect, and redirects that are lost on reboot.
    fn own(&self, view: &View<'_>, stored: &HashSet<Redirect>, shadows: &mut Vec<ByRule>) -> Vec<Finding> {
        let found = live_rules(view.save.table(TABLE));
        let table = table_of(view);
        let mut findings = Vec::new();
        if !found.is_complete {
            let text = if found.traffic.is_none() { "no rule jumps to this chain" } else { "its rules were modified" };
            let repair = match found.redirects.first() {
                _ if !stored.is_empty() => RESTORE.to_owned(),
                Some(redirect) => self.persist(redirect),
                None => "edge-redirect remove".to_owned(),
            };
            findings.push(Finding::error(&table, text).at(CHAIN).hint(repair));
        }
        for redirect in &found.redirects {
            let name = redirect.to_string();
            if let Some(traffic) = found.traffic {
                findings.extend(self.shadowed(view, redirect, traffic, shadows));
            }
            if !stored.contains(redirect) {
                let lost = Finding::error(&table, "the redirect is lost on reboot").at(&name);
                findings.push(lost.hint(self.persist(redirect)));
            }
            if let Some(what) = needed_by(redirect.port) {
                let text = format!("this is also the port of {what}: connections to every other host are redirected");
                findings.push(Finding::new(Severity::Note, &table, text).at(&name));
            }
        }
        findings
    }

    fn shadowed(
        &self,
        view: &View<'_>,
        redirect: &Redirect,
        traffic: Traffic,
        shadows: &mut Vec<ByRule>,
    ) -> Vec<Finding> {
        let (table, name) = (table_of(view), redirect.to_string());
        match effect(&self.routes, view.seen.backend, redirect, traffic, |_, _| Known::Nothing) {
            Effect::Shadowed(by) => {
                let text = format!("the redirect has no effect, shadowed by {}", by.shown());
                let remedy = plan::remedy(redirect, &by, &self.unmanaged(view), &[*redirect]);
                shadows.push(by);
                vec![Finding::error(table, text).at(&name).hint(remedy)]
            }
            Effect::Unknown(why) => {
                let text = format!("it is unknown whether the redirect is in effect: {why}");
                vec![Finding::warning(table, text).at(&name)]
            }
            Effect::Active(partly) => {
                let warn = |rule: &String| Finding::warning(&table, format!("partly shadowed by {rule}")).at(&name);
                partly.iter().map(warn).collect()
            }
            Effect::Inactive => Vec::new(),
        }
    }

    /// The command that makes a live redirect persist. A masked unit must be unmasked first.
    fn persist(&self, redirect: &Redirect) -> String {
        if !self.facts.persist.is_masked() {
            return add(&redirect.to_string());
        }
        format!("unmask its unit first: {}", self.facts.persist.unmask(&self.host.root))
    }

    /// Whether cloudcore's own chain redirects anything, and its problems.
    fn cloudcore(&self, view: &View<'_>, live: &HashSet<Redirect>) -> (bool, Vec<Finding>) {
        let route =
            self.routes.iter().find(|route| (route.backend, route.family) == (view.seen.backend, view.seen.family));
        let Some((route, pairs)) = route.and_then(|route| Some((route, pairs(route)?))) else {
            return (false, Vec::new());
        };
        let table = table_of(view);
        if pairs.is_empty() {
            return (false, self.without_ports(&table, live).into_iter().collect());
        }
        let problem = |pair: &Pair| -> Vec<Finding> {
            let error = |text: &str| Finding::error(&table, format!("{pair} has no effect, {text}")).at(KEPT_CHAIN);
            let warning = |text: &str| Finding::warning(&table, format!("{pair} is {text}")).at(KEPT_CHAIN);
            match pair.effect(route, Traffic::Output) {
                KeptEffect::Other(by, _) if by.chain != KEPT_CHAIN && by.chain != CHAIN => {
                    let hint = format!("delete that rule: {}", by.delete());
                    vec![error(&format!("shadowed by {}", by.shown())).hint(hint)]
                }
                KeptEffect::Other(..) => Vec::new(),
                KeptEffect::Partly(rule) => vec![warning(&format!("for part of the connections: {rule}"))],
                KeptEffect::Unknown(why) => {
                    let text = format!("it is unknown whether {pair} is in effect: {why}");
                    vec![Finding::warning(&table, text).at(KEPT_CHAIN)]
                }
                KeptEffect::Absent(_) => vec![error("no rule jumps to it")],
                KeptEffect::Active(rules) => {
                    rules.iter().map(|rule| warning(&format!("partly shadowed by {rule}"))).collect()
                }
            }
        };
        (true, pairs.iter().flat_map(problem).collect())
    }

    /// cloudcore's own chain is empty: a problem only if nothing else redirects, and the chain is not a leftover.
    fn without_ports(&self, table: &str, live: &HashSet<Redirect>) -> Option<Finding> {
        if live.iter().any(|redirect| redirect.family() == Family::V4) {
            return None;
        }
        let error = || Finding::error(table, "cloudcore has added no ports to this chain").at(KEPT_CHAIN);
        Some(match &self.facts.manager {
            Manager::Nobody(why) => {
                let text = format!("the chain is empty and left by cloudcore, which does not manage it now ({why})");
                Finding::new(Severity::Note, table, text).at(KEPT_CHAIN)
            }
            Manager::Cloudcore(_) | Manager::Unknown(_) => {
                error().hint("restart cloudcore: systemctl restart cloudcore")
            }
            // The redirect is only added with --force.
            Manager::Unreadable(..) => error().hint(format!("add a redirect: {}", add("PORT=IP:PORT --force"))),
            Manager::Elsewhere(_) => error().hint(format!("add a redirect: {}", add("PORT=IP:PORT"))),
        })
    }

    /// cloudcore should manage its chain, but does not.
    fn not_started(&self) -> Option<Finding> {
        let Manager::Cloudcore(file) = &self.facts.manager else { return None };
        if self.routes.iter().any(|route| pairs(route).is_some()) {
            return None;
        }
        let text = format!("cloudcore manages {KEPT_CHAIN} on this host, but no rule of {OUTPUT} jumps to it");
        Some(
            Finding::error(file, text)
                .at("modules.iptablesManager")
                .hint("restart cloudcore: systemctl restart cloudcore"),
        )
    }

    fn unmanaged(&self, view: &View<'_>) -> Vec<UnmanagedRule> {
        unmanaged(view.save.table(TABLE), is_dialled)
    }

    /// Problems of rules that this tool does not manage.
    fn others(&self, view: &View<'_>, live: &HashSet<Redirect>, shadows: &[ByRule]) -> Vec<Finding> {
        let table = table_of(view);
        let own: Vec<Redirect> =
            live.iter().chain(self.stored.iter().flat_map(|stored| &stored.redirects)).copied().collect();
        let all = self.unmanaged(view);
        let is_reported =
            |rule: &UnmanagedRule| shadows.iter().any(|by| by.chain == rule.chain && by.rule == rule.rule);
        let finding = |(rule, count): (&UnmanagedRule, usize)| {
            let text = format!("unmanaged rule {}", plan::describe(rule, count, view.seen, None));
            hinted(Finding::warning(&table, text), plan::adopt_command(rule, &all, &own).as_deref())
        };
        counted(&all).into_iter().filter(|(rule, _)| !is_reported(rule)).map(finding).collect()
    }
}
