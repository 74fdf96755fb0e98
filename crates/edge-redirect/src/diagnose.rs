//! Problems that keep redirects from working, now or after the next boot.

use std::collections::HashSet;
use std::time::Duration;

use edge_firewall::{Firewall, View};
use edge_host::{Error, Finding, Host, Plan, Result};
use edge_kubeedge::stream::{KEPT_CHAIN, is_dialled};
use edge_systemd::systemctl;

use crate::facts::Facts;
use crate::persist::{self, Stored, UNIT};
use crate::plan::{self, Goal};
use crate::redirect::Redirect;
use crate::rules::{CHAIN, TABLE, cloudcore_rules, counted, live_rules, unmanaged};
use crate::unit::FILE;

const RESTORE: &str = "edge-redirect restore";

/// What is wrong with the redirects; with --root only with the files for the next boot.
pub(crate) fn findings(host: &Host, facts: &Facts, lock_wait: Duration) -> Result<Vec<Finding>> {
    let stored = facts.persist.stored.as_ref().filter(|stored| !stored.redirects.is_empty());
    let mut findings = Vec::new();
    let mut is_redirected = stored.is_some();
    if let Some(firewall) = &facts.firewall {
        is_redirected |= live(firewall, stored, lock_wait, &mut findings)?;
    }
    if let Some(stored) = stored {
        findings.extend(boot(host, facts, stored)?);
    } else if !is_redirected && findings.is_empty() {
        let file = host.root.display(FILE.as_ref());
        findings.push(Finding::error(file, "no redirects are configured").hint(add("PORT=IP:PORT")));
    }
    Ok(findings)
}

/// Adds the problems of the live rules; returns whether anything is redirected.
fn live(
    firewall: &Firewall,
    stored: Option<&Stored>,
    lock_wait: Duration,
    findings: &mut Vec<Finding>,
) -> Result<bool> {
    let errors: Vec<&Error> = firewall.unreadable().collect();
    findings.extend(errors.iter().map(|error| hinted(Finding::error("", error.message()), error.hint_text())));
    let desired: HashSet<Redirect> = stored.iter().flat_map(|stored| &stored.redirects).copied().collect();
    let mut live: HashSet<Redirect> = HashSet::new();
    let mut is_managed = false;
    let views = firewall.views()?;
    for view in views.iter().filter(|view| view.seen.unreadable.is_none()) {
        let found = live_rules(view.save.table(TABLE));
        findings.extend(chain(view, &desired));
        live.extend(found.redirects);
        is_managed |= cloudcore_rules(view.save.table(TABLE)).is_some();
        findings.extend(others(view));
    }
    if firewall.seen.is_empty() && stored.is_some() {
        let missing = Finding::error(FILE, "iptables is not installed, so no redirect is active");
        findings.push(missing.hint("install iptables: apt-get install iptables"));
    } else if errors.is_empty() {
        let inactive = desired.iter().filter(|redirect| !live.contains(redirect));
        let mut inactive: Vec<&Redirect> = inactive.collect();
        inactive.sort();
        findings.extend(inactive.into_iter().map(|redirect| {
            Finding::error(FILE, "the redirect is not active").at(&redirect.to_string()).hint(RESTORE)
        }));
        if let (Some(stored), true) = (stored, findings.is_empty()) {
            findings.extend(differing(firewall, &views, stored, lock_wait)?);
        }
    }
    Ok(is_managed || !live.is_empty())
}

/// Problems of our own chain, and redirects that are lost on reboot.
fn chain(view: &View<'_>, stored: &HashSet<Redirect>) -> Vec<Finding> {
    let found = live_rules(view.save.table(TABLE));
    let table = table(view);
    let mut findings = Vec::new();
    if !found.is_complete {
        let text = if found.traffic.is_none() { "no rule jumps to this chain" } else { "its rules were modified" };
        let repair = match found.redirects.first() {
            _ if !stored.is_empty() => RESTORE.to_owned(),
            Some(redirect) => format!("edge-redirect add {redirect}"),
            None => "edge-redirect remove".to_owned(),
        };
        findings.push(Finding::error(&table, text).at(CHAIN).hint(repair));
    }
    let lost = found.redirects.iter().filter(|redirect| !stored.contains(redirect));
    findings.extend(lost.map(|redirect| {
        let finding = Finding::error(&table, "the redirect is lost on reboot").at(&redirect.to_string());
        finding.hint(format!("edge-redirect add {redirect} --persist"))
    }));
    findings
}

/// Problems of rules that this tool does not manage.
fn others(view: &View<'_>) -> Vec<Finding> {
    let rules = view.save.table(TABLE);
    let table = table(view);
    let mut findings = Vec::new();
    if cloudcore_rules(rules).is_some_and(|redirects| redirects.is_empty()) {
        findings.push(Finding::warning(&table, "cloudcore has added no ports to this chain").at(KEPT_CHAIN));
    }
    let managed = live_rules(rules).redirects;
    for (rule, count) in counted(&unmanaged(rules, is_dialled)) {
        let text = format!("unmanaged rule {}", plan::describe(rule, count, view.seen, None));
        findings.push(hinted(Finding::warning(&table, text), plan::adopt_command(rule, &managed).as_deref()));
    }
    findings
}

/// Tables that `restore` would change, such as rules in another backend or for other traffic.
fn differing(firewall: &Firewall, views: &[View<'_>], stored: &Stored, lock_wait: Duration) -> Result<Vec<Finding>> {
    let mut plan = Plan::new();
    plan::rules(firewall, views, &Goal::of(stored, lock_wait), &mut plan)?;
    let differs = |_| Finding::error(FILE, "the live rules differ from this file").hint(RESTORE);
    Ok(plan.actions.first().map(differs).into_iter().collect())
}

/// Problems of the unit that restores the redirects at boot.
fn boot(host: &Host, facts: &Facts, stored: &Stored) -> Result<Option<Finding>> {
    let enable = || add(&stored.redirects.first().map(Redirect::to_string).unwrap_or_default());
    if facts.persist.is_masked() {
        let finding = Finding::error(UNIT, "the unit is masked: the redirects are not restored at boot");
        return Ok(Some(finding.hint(format!("systemctl{} unmask {UNIT}", host.root.option()))));
    }
    if !facts.persist.is_enabled() {
        let text = "the unit is not enabled: the redirects are not restored at boot";
        return Ok(Some(Finding::error(UNIT, text).hint(enable())));
    }
    let Some(program) = persist::unit_program(&host.root)? else {
        let text = "the unit does not run edge-redirect restore: the redirects are not restored at boot";
        return Ok(Some(Finding::error(UNIT, text).hint(enable())));
    };
    if host.root.open(&program)?.is_none() {
        let shown = host.root.display(&program);
        let text = format!("the unit starts {}, which does not exist", shown.display());
        let install = format!("install -D -o root -g root -m 755 edge-redirect {}", shown.display());
        return Ok(Some(Finding::error(UNIT, text).hint(install)));
    }
    if facts.persist.systemd_runs && !systemctl::is_active(UNIT)? {
        let text = "the unit is inactive: it does not restart together with firewall services";
        return Ok(Some(Finding::warning(UNIT, text).hint(format!("systemctl start {UNIT}"))));
    }
    Ok(None)
}

fn table(view: &View<'_>) -> String {
    format!("table {TABLE} of {}-{}", view.seen.family.program(), view.seen.backend)
}

fn add(redirect: &str) -> String {
    format!("edge-redirect add {redirect} --persist")
}

fn hinted(finding: Finding, hint: Option<&str>) -> Finding {
    match hint {
        Some(hint) => finding.hint(hint),
        None => finding,
    }
}
