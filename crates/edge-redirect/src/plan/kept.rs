//! Leaves to cloudcore what its own chain redirects.

use edge_firewall::{Family, View};
use edge_host::{Error, Exit, Plan, Result};
use edge_kubeedge::stream::KEPT_CHAIN;

use crate::cloudcore::{CORRECT_HINT, Manager, restart_hint};
use crate::effect::{Routes, routes};
use crate::redirect::Redirect;
use crate::request::Traffic;
use crate::rules::{OUTPUT, PREROUTING, TABLE, cloudcore_rules, has_kept_chain};

/// The redirects that cloudcore's own chain does not make.
///
/// Errors: exit 4 if it should make one of them, and nothing else does; or if that is unknown.
pub(super) fn not_kept(
    mut new: Vec<Redirect>,
    before: &[Redirect],
    views: &[View<'_>],
    manager: &Manager,
    traffic: Traffic,
    plan: &mut Plan,
) -> Result<Vec<Redirect>> {
    let is_missing = |redirect: &&Redirect| redirect.family() == Family::V4 && !before.contains(redirect);
    if let Manager::Unreadable(_, why) = manager {
        let cause = format!("it is unknown whether cloudcore manages {KEPT_CHAIN} on this host ({why})");
        let has_chain = views.iter().any(|view| has_kept_chain(view.save.table(TABLE)));
        if let Some(redirect) = new.iter().find(is_missing).filter(|_| has_chain) {
            let error = Error::cannot("add", redirect.to_string(), cause).with_exit(Exit::Refused);
            return Err(error.hint(CORRECT_HINT));
        }
        plan.note(cause);
    }
    let routes = routes(views);
    let by_cloudcore = |redirect: &Redirect| routes.iter().find(|route| route.is_kept(redirect, traffic));
    let kept: Vec<(Redirect, &Routes<'_>)> =
        new.iter().filter_map(|redirect| Some((*redirect, by_cloudcore(redirect)?))).collect();
    if let Some((_, route)) = kept.first() {
        let each: Vec<String> =
            kept.iter().map(|(redirect, _)| format!("{} to {}", redirect.port, redirect.to)).collect();
        plan.note(format!(
            "cloudcore manages {KEPT_CHAIN} on this host ({}): {}; nothing is added for IPv4 without --force",
            route.backend,
            each.join(", ")
        ));
    }
    new.retain(|redirect| !kept.iter().any(|(other, _)| other == redirect));
    // In an image there is no live chain.
    let Manager::Cloudcore(file) = manager else { return Ok(new) };
    match new.iter().find(is_missing).filter(|_| !views.is_empty()) {
        None => Ok(new),
        Some(redirect) => {
            let cause = format!(
                "cloudcore manages {KEPT_CHAIN} on this host ({}), and {}",
                file.display(),
                missing(views, &routes, redirect, traffic)
            );
            Err(Error::cannot("add", redirect.to_string(), cause).with_exit(Exit::Refused).hint(restart_hint()))
        }
    }
}

/// What is missing for a redirect to be in effect by cloudcore's own chain.
fn missing(views: &[View<'_>], routes: &[Routes<'_>], redirect: &Redirect, traffic: Traffic) -> String {
    let v4 = || views.iter().filter(|view| view.seen.family == Family::V4);
    let Some((view, pairs)) = v4().find_map(|view| Some((view, cloudcore_rules(view.save.table(TABLE))?))) else {
        return format!("no rule of {OUTPUT} jumps to it");
    };
    if pairs.is_empty() {
        return "the chain has no redirects".to_owned();
    }
    let to = redirect.to.to_string();
    match pairs.iter().find(|(port, _)| *port == redirect.port) {
        None => {
            let each: Vec<String> = pairs.iter().map(|(port, to)| format!("{port} to {to}")).collect();
            format!("the chain redirects only {}", each.join(", "))
        }
        Some((port, other)) if *other != to => format!("the chain redirects {port} to {other}"),
        Some(_) => {
            let route = routes.iter().find(|route| (route.backend, route.family) == (view.seen.backend, Family::V4));
            match route.and_then(|route| route.deciding(redirect.port, traffic)) {
                Some(by) if by.chain != KEPT_CHAIN => format!("its redirect is shadowed by {}", by.shown()),
                _ => format!("no rule of {PREROUTING} jumps to it"),
            }
        }
    }
}
