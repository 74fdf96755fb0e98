//! Leaves to cloudcore what its own chain redirects.

use edge_firewall::{Family, View};
use edge_host::{Error, Exit, Plan, Result};
use edge_kubeedge::stream::KEPT_CHAIN;

use crate::cloudcore::{CORRECT_HINT, Manager, restart_hint};
use crate::effect::{Routes, routes};
use crate::kept::{KeptEffect, Pair, is_kept, kept_effect, pairs};
use crate::redirect::Redirect;
use crate::request::Traffic;
use crate::rules::{OUTPUT, TABLE, has_kept_chain};

/// Prints the config map in which each cloudcore records its port.
const TUNNELPORT: &str = "kubectl get configmap -n kubeedge tunnelport -o yaml";

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
    let has_chain = views.iter().any(|view| has_kept_chain(view.save.table(TABLE)));
    let is_missing = |redirect: &&Redirect| redirect.family() == Family::V4 && !before.contains(redirect);
    if let Manager::Unreadable(_, why) = manager {
        let cause = format!("it is unknown whether cloudcore manages {KEPT_CHAIN} on this host ({why})");
        if let Some(redirect) = new.iter().find(is_missing).filter(|_| has_chain) {
            let error = Error::cannot("add", redirect.to_string(), cause).with_exit(Exit::Refused);
            return Err(error.hint(CORRECT_HINT));
        }
        plan.note(cause);
    }
    let routes = if has_chain { routes(views) } else { Vec::new() };
    let by_cloudcore = |redirect: &Redirect| routes.iter().find(|route| is_kept(route, redirect, traffic));
    let kept: Vec<(Redirect, &Routes<'_>)> =
        new.iter().filter_map(|redirect| Some((*redirect, by_cloudcore(redirect)?))).collect();
    if let Some((_, route)) = kept.first() {
        let each: Vec<String> =
            kept.iter().map(|(redirect, _)| format!("{} to {}", redirect.port, redirect.to)).collect();
        let (backend, each) = (route.backend, each.join(", "));
        let by = match manager {
            Manager::Elsewhere(why) if !why.is_empty() => {
                format!("{KEPT_CHAIN}, {}, is in effect ({backend})", manager.shown())
            }
            _ => format!("cloudcore manages {KEPT_CHAIN} on this host ({backend})"),
        };
        plan.note(format!("{by}: {each}; nothing is added for IPv4 without --force"));
    }
    new.retain(|redirect| !kept.iter().any(|(other, _)| other == redirect));
    // In an image there is no live chain.
    let Manager::Cloudcore(file) = manager else { return Ok(new) };
    match new.iter().find(is_missing).filter(|_| !views.is_empty()) {
        None => Ok(new),
        Some(redirect) => {
            let Missing { cause, hint } = missing(&routes, redirect, traffic);
            let cause = format!("cloudcore manages {KEPT_CHAIN} on this host ({}), and {cause}", file.display());
            Err(Error::cannot("add", redirect.to_string(), cause).with_exit(Exit::Refused).hint(hint))
        }
    }
}

/// Why a redirect is not in effect by cloudcore's own chain, and what helps.
struct Missing {
    cause: String,
    hint: String,
}

/// What is missing for a redirect to be in effect by cloudcore's own chain.
fn missing(routes: &[Routes<'_>], redirect: &Redirect, traffic: Traffic) -> Missing {
    // cloudcore itself adds what does not exist.
    let absent = |cause: String| Missing { cause, hint: restart_hint() };
    let v4 = routes.iter().filter(|route| route.family == Family::V4);
    let Some((route, pairs)) = v4.into_iter().find_map(|route| Some((route, pairs(route)?))) else {
        return absent(format!("no rule of {OUTPUT} jumps to it"));
    };
    if pairs.is_empty() {
        return absent("the chain has no redirects".to_owned());
    }
    let Redirect { port, to } = redirect;
    if !pairs.iter().any(|pair| pair.ports.contains(port)) {
        let each: Vec<String> = pairs.iter().map(Pair::to_string).collect();
        return absent(format!("the chain redirects only {}", each.join(", ")));
    }
    match kept_effect(route, *port, &to.to_string(), traffic) {
        KeptEffect::Other(by, Some(other)) => Missing {
            cause: format!("the chain redirects {port} to {other}"),
            hint: format!(
                "compare with the ports of each cloudcore: {TUNNELPORT}; if {port} belongs to {}, \
                 delete the outdated rule: {}",
                to.ip(),
                by.delete()
            ),
        },
        KeptEffect::Other(by, None) => Missing {
            cause: format!("its redirect is shadowed by {}", by.shown()),
            hint: format!("delete that rule: {}", by.delete()),
        },
        KeptEffect::Partly(rule) => {
            let cause = format!("its redirect has further conditions: {rule}");
            Missing { cause, hint: "add the redirect now with --force".to_owned() }
        }
        KeptEffect::Absent(base) => absent(format!("no rule of {base} jumps to it")),
        KeptEffect::Active(_) | KeptEffect::Unknown(_) => {
            absent("its redirect is in effect only in another backend".to_owned())
        }
    }
}
