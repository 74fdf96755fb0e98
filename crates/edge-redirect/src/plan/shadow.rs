//! Rules of others that decide before a redirect that is added, or after it in another backend.

use edge_firewall::{Backend, Known, Rule, View};

use super::{Goal, Planned};
use crate::effect::{ByRule, Effect, effect, routes};
use crate::redirect::Redirect;
use crate::rules::{UnmanagedRule, is_jump};

/// A redirect that has no effect after the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shadow {
    pub(crate) redirect: Redirect,
    /// The rule that decides instead.
    pub(crate) by: ByRule,
}

/// The redirects of the goal that rules of others shadow once the plan is carried out; and what is unknown.
pub(crate) fn shadows(views: &[View<'_>], goal: &Goal, planned: &Planned) -> (Vec<Shadow>, Vec<(Redirect, String)>) {
    let routes = routes(views);
    let (mut shadows, mut unknown) = (Vec::new(), Vec::new());
    for redirect in &goal.redirects {
        let home = planned.homes.iter().find(|(family, _)| *family == redirect.family());
        let Some((family, home)) = home else { continue };
        let known = |backend: Backend, rule: &Rule<'_>| {
            let is_adopted = || {
                planned.adopted.iter().any(|(other, of, chain, text)| {
                    (*other, of, chain.as_str(), text.as_str()) == (backend, family, rule.chain, rule.text)
                })
            };
            match is_jump(rule) {
                // Our rule will be here, or at the end; in the other backend it will be removed.
                true if backend == *home => Known::Decides,
                true => Known::Gone,
                false if is_adopted() => Known::Gone,
                false => Known::Nothing,
            }
        };
        match effect(&routes, *home, redirect, goal.traffic, known) {
            Effect::Shadowed(by) => shadows.push(Shadow { redirect: *redirect, by }),
            Effect::Unknown(why) => unknown.push((*redirect, why)),
            Effect::Active(_) | Effect::Inactive => {}
        }
    }
    (shadows, unknown)
}

/// How to make a redirect effective that a rule shadows: by `--adopt` if that replaces the rule.
pub(crate) fn remedy(redirect: &Redirect, by: &ByRule, unmanaged: &[UnmanagedRule], own: &[Redirect]) -> String {
    let same =
        unmanaged.iter().find(|rule| rule.chain == by.chain && rule.rule == by.rule && rule.port == redirect.port);
    same.and_then(|rule| super::adopt_command(rule, unmanaged, own))
        .map_or_else(|| format!("delete that rule: {}", by.delete()), |command| format!("replace that rule: {command}"))
}
