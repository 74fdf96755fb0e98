//! Which link is the first broken one. Pure.
//!
//! The way to cloudcore comes before edgecore on this host, as edgecore ends when it has no connection: a broken way is
//! the cause, and what follows from it is not reported. A foreign program on a port of edgecore is a cause of its own.

mod node;
mod way;

use edge_host::{Finding, Severity, StatusLine};

use super::config::Config;
use super::local::Local;
use super::pair::Pair;
use super::probes::Probes;

/// What was read and what answered.
#[derive(Debug)]
pub(crate) struct Facts {
    /// The configuration.
    pub(crate) config: Config,
    /// The pair of the hub.
    pub(crate) pair: Result<Pair, Box<Finding>>,
    /// The pair of the tunnel; none if it has none of its own.
    pub(crate) tunnel_pair: Option<Result<Pair, Box<Finding>>>,
    /// What answers.
    pub(crate) probes: Probes,
    /// edgecore on this host.
    pub(crate) local: Local,
    /// The current time, in seconds since 1970.
    pub(crate) now: i64,
}

/// What is wrong, causes only, and the links that were seen to work.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// The findings.
    pub(crate) findings: Vec<Finding>,
    /// The links.
    pub(crate) links: Vec<StatusLine>,
}

impl Verdict {
    fn works(&mut self, link: impl Into<String>, text: impl Into<String>) {
        self.links.push(StatusLine::new(link, "ok", text));
    }

    fn is_broken(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity == Severity::Error)
    }
}

/// Judges the links in their order.
pub(crate) fn judge(facts: &Facts) -> Verdict {
    let mut verdict = Verdict::default();
    verdict.works(
        "edgecore.yaml",
        match facts.config.version {
            Some(version) => format!("{}, KubeEdge {version}", facts.config.shown),
            None => facts.config.shown.clone(),
        },
    );
    way::judge(facts, &mut verdict);
    let is_way_broken = verdict.is_broken();
    node::foreign_ports(facts, &mut verdict);
    if !is_way_broken {
        node::judge(facts, &mut verdict);
    }
    verdict
}

#[cfg(test)]
mod tests;
