//! Problems that keep redirects from working, now or after the next boot.

mod live;

use std::path::Path;
use std::time::Duration;

use edge_firewall::{Firewall, View};
use edge_host::{Finding, Host, Plan, Result, Severity};
use edge_kubeedge::stream::KEPT_CHAIN;
use edge_systemd::systemctl;

use crate::cloudcore::Manager;
use crate::effect::routes;
use crate::facts::Facts;
use crate::persist::{self, Stored, UNIT};
use crate::plan::{self, Goal};
use crate::redirect::Redirect;
use crate::rules::{TABLE, has_kept_chain};
use crate::unit::FILE;

use live::Live;

const RESTORE: &str = "edge-redirect restore";

/// What is wrong with the redirects; with --root only with the files for the next boot.
pub(crate) fn findings(host: &Host, facts: &Facts, lock_wait: Duration) -> Result<Vec<Finding>> {
    let stored = facts.persist.stored.as_ref().filter(|stored| !stored.redirects.is_empty());
    let mut findings = Vec::new();
    let mut is_redirected = stored.is_some();
    if let Some(firewall) = &facts.firewall {
        let views = firewall.views()?;
        let mut live = Live { host, facts, firewall, routes: routes(&views), views: &views, stored, findings };
        is_redirected |= live.diagnose(lock_wait)?;
        findings = live.findings;
    } else if !is_redirected {
        // What will be live cannot be known.
        findings.extend(once_it_runs(&facts.manager));
        is_redirected = !findings.is_empty();
    }
    if let Some(stored) = stored {
        findings.extend(boot(host, facts, stored)?);
    } else if !is_redirected && findings.iter().all(|finding| finding.severity == Severity::Note) {
        findings.push(Finding::error(FILE, "no redirects are configured").hint(add("PORT=IP:PORT")));
    }
    if let (Some(firewall), Manager::Unreadable(file, why)) = (&facts.firewall, &facts.manager) {
        let has_chain = firewall.views()?.iter().any(|view| has_kept_chain(view.save.table(TABLE)));
        findings.extend((has_chain || !is_redirected).then(|| unknown_manager(file, why)));
    }
    Ok(findings)
}

/// Whether cloudcore of an image manages its chain once it runs.
fn once_it_runs(manager: &Manager) -> Option<Finding> {
    match manager {
        Manager::Cloudcore(file) => {
            let text = format!("cloudcore manages {KEPT_CHAIN} itself once it runs on this host");
            Some(Finding::new(Severity::Note, file, text).at("modules.iptablesManager"))
        }
        Manager::Unknown(file) => {
            let text =
                format!("it is unknown whether cloudcore manages {KEPT_CHAIN} itself, as its version is unknown");
            let add = "edge-redirect add --cloudcore IP --kubeedge-version V --persist";
            Some(Finding::warning(file, text).hint(format!("add a redirect if it is needed: {add}")))
        }
        Manager::Unreadable(file, why) => Some(unknown_manager(file, why)),
        Manager::Elsewhere(_) | Manager::Nobody(_) => None,
    }
}

/// A configuration of cloudcore that cannot be read.
fn unknown_manager(file: &Path, why: &str) -> Finding {
    let text = format!("it is unknown whether cloudcore manages {KEPT_CHAIN} itself ({why})");
    Finding::warning(file, text).hint("correct that file")
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
        return Ok(Some(finding.hint(facts.persist.unmask(&host.root))));
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
        let text = format!("the unit starts {}, which does not exist", program.display());
        let place = host.root.display(&program);
        let install = format!("install -D -o root -g root -m 755 edge-redirect {}", place.display());
        return Ok(Some(Finding::error(UNIT, text).hint(install)));
    }
    if facts.persist.systemd_runs && !systemctl::is_active(UNIT)? {
        let text = "the unit is inactive: it does not restart together with firewall services";
        return Ok(Some(Finding::warning(UNIT, text).hint(format!("systemctl start {UNIT}"))));
    }
    Ok(None)
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
