//! The chain that cloudcore manages itself: what it redirects, and whether connections really get there.
//!
//! Every verb reads it here, with the rules that decide about connections.

use std::fmt;
use std::ops::RangeInclusive;

use edge_firewall::{Known, Verdict, few, shown, taken};
use edge_kubeedge::stream::{KEPT_CHAIN, is_dialled};

use crate::effect::{ByRule, Routes};
use crate::redirect::Redirect;
use crate::request::Traffic;
use crate::rules::{OUTPUT, PREROUTING};

/// Ports that the chain redirects to an address, as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) ports: RangeInclusive<u16>,
    pub(crate) to: String,
}

/// What becomes of connections to a port that the chain should redirect to an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum KeptEffect {
    /// The chain redirects them, but for those of these rules.
    Active(Vec<String>),
    /// Another rule decides; the address if the chain itself redirects them to another one.
    Other(ByRule, Option<String>),
    /// This rule of the chain, or a jump to it, has further conditions.
    Partly(String),
    /// Something else may take them, with the reason.
    Unknown(String),
    /// From this chain of the kernel they do not get there.
    Absent(&'static str),
}

impl fmt::Display for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, last) = (self.ports.start(), self.ports.end());
        write!(f, "{first}")?;
        if first != last {
            write!(f, ":{last}")?;
        }
        write!(f, " to {}", self.to)
    }
}

impl Pair {
    /// One port of a range, if possible one that the API server connects to.
    fn port(&self) -> u16 {
        self.ports.clone().find(|port| is_dialled(*port)).unwrap_or(*self.ports.start())
    }

    /// Whether it is in effect.
    pub(crate) fn effect(&self, route: &Routes<'_>, traffic: Traffic) -> KeptEffect {
        kept_effect(route, self.port(), &self.to, traffic)
    }
}

/// What the chain redirects; none if no rule jumps to it.
pub(crate) fn pairs(route: &Routes<'_>) -> Option<Vec<Pair>> {
    let rules = route.output.redirecting(KEPT_CHAIN)?;
    let pair = |(ports, to): (RangeInclusive<u16>, &str)| Pair { ports, to: to.to_owned() };
    Some(
        rules
            .into_iter()
            .flat_map(|rule| rule.ports.into_iter().map(move |ports| (ports, rule.to)))
            .map(pair)
            .collect(),
    )
}

/// Whether cloudcore's own chain makes this redirect.
pub(crate) fn is_kept(route: &Routes<'_>, redirect: &Redirect, traffic: Traffic) -> bool {
    route.family == redirect.family()
        && matches!(kept_effect(route, redirect.port, &redirect.to.to_string(), traffic), KeptEffect::Active(_))
}

/// What becomes of connections to this port.
pub(crate) fn kept_effect(route: &Routes<'_>, port: u16, to: &str, traffic: Traffic) -> KeptEffect {
    let bases = match traffic {
        Traffic::Forward => &[PREROUTING, OUTPUT][..],
        Traffic::Output => &[OUTPUT][..],
    };
    let mut taken_before = Vec::new();
    for (path, base) in route.paths(traffic).zip(bases) {
        let decision = path.decide(port, |_| Known::Nothing);
        let is_part =
            |by: &&edge_firewall::Deciding<'_>| by.rule.chain == KEPT_CHAIN && by.verdict == Verdict::Dnat(to);
        match decision.by {
            Some(by) if is_part(&&by) => taken_before.extend(taken(&decision, to)),
            by => {
                let is_same = by.is_some_and(|by| by.verdict == Verdict::Dnat(to));
                if let Some(part) = decision.partly.iter().find(is_part).filter(|_| !is_same) {
                    return KeptEffect::Partly(shown(part.rule.chain, part.rule.text));
                }
                let Some(by) = by else { return KeptEffect::Absent(base) };
                let other = match by.verdict {
                    Verdict::Dnat(other) if by.rule.chain == KEPT_CHAIN => Some(other.to_owned()),
                    _ => None,
                };
                return KeptEffect::Other(route.by_rule(&by), other);
            }
        }
    }
    let earlier = route.earlier(port, to, traffic);
    earlier.map_or_else(|| KeptEffect::Active(few(taken_before)), KeptEffect::Unknown)
}
