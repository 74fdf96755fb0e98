//! Whether connections really get to a redirect, or another rule decides about them.

use edge_firewall::{
    Backend, Chains, Deciding, Earlier, Family, Known, Path, Rule, Verdict, View, by_address, few, shown, taken,
};

use crate::redirect::Redirect;
use crate::request::Traffic;
use crate::rules::{CHAIN, OUTPUT, PREROUTING, TABLE};

/// The rules of a table that connections pass.
pub(crate) struct Routes<'v> {
    pub(crate) backend: Backend,
    pub(crate) family: Family,
    pub(crate) output: Path<'v>,
    prerouting: Path<'v>,
    earlier: &'v [Earlier],
}

/// Whether a redirect takes effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effect {
    /// For all connections but those of these rules.
    Active(Vec<String>),
    /// Another rule decides.
    Shadowed(ByRule),
    /// Another rule may decide.
    Unknown(String),
    /// No rule decides.
    Inactive,
}

/// The rule that decides instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ByRule {
    pub(crate) chain: String,
    pub(crate) rule: String,
    pub(crate) backend: Backend,
    pub(crate) family: Family,
}

impl ByRule {
    /// As iptables -S prints it.
    pub(crate) fn shown(&self) -> String {
        shown(&self.chain, &self.rule)
    }

    /// The command that deletes it.
    pub(crate) fn delete(&self) -> String {
        let program = format!("{}-{}", self.family.program(), self.backend);
        format!("{program} -t {TABLE} -D {} {}", self.chain, self.rule)
    }
}

/// The routes of all tables that were read.
pub(crate) fn routes<'v>(views: &'v [View<'v>]) -> Vec<Routes<'v>> {
    let routes = |view: &'v View<'v>| {
        let chains = Chains::of(view.save.table(TABLE));
        Routes {
            backend: view.seen.backend,
            family: view.seen.family,
            output: Path::of(&chains, OUTPUT, by_address()),
            prerouting: Path::of(&chains, PREROUTING, by_address()),
            earlier: &view.seen.earlier,
        }
    };
    views.iter().map(routes).collect()
}

impl<'v> Routes<'v> {
    pub(crate) fn paths(&self, traffic: Traffic) -> impl Iterator<Item = &Path<'v>> {
        let forward = (traffic == Traffic::Forward).then_some(&self.prerouting);
        forward.into_iter().chain([&self.output])
    }

    /// A chain of nft that may take connections to this port before the rules of iptables.
    pub(crate) fn earlier(&self, port: u16, to: &str, traffic: Traffic) -> Option<String> {
        let is_on_way = |chain: &&Earlier| chain.base == OUTPUT || traffic == Traffic::Forward;
        let chain = self.earlier.iter().filter(is_on_way).find(|chain| chain.may_take(port, to))?;
        Some(format!("chain {} of nft comes first, and may redirect connections elsewhere", chain.name))
    }

    pub(crate) fn by_rule(&self, by: &Deciding<'_>) -> ByRule {
        let Deciding { rule, .. } = by;
        let (chain, rule) = (rule.chain.to_owned(), rule.text.to_owned());
        ByRule { chain, rule, backend: self.backend, family: self.family }
    }
}

/// The effect of a redirect whose rule is in the backend `home`.
///
/// `known` tells of rules that will be removed, and of our own rule where it will be changed.
pub(crate) fn effect(
    routes: &[Routes<'_>],
    home: Backend,
    redirect: &Redirect,
    traffic: Traffic,
    known: impl Fn(Backend, &Rule<'_>) -> Known,
) -> Effect {
    let to = redirect.to.to_string();
    let (mut partly, mut elsewhere, mut is_decided) = (Vec::new(), None, true);
    for route in routes.iter().filter(|route| route.family == redirect.family()) {
        for path in route.paths(traffic) {
            let decision = path.decide(redirect.port, |rule| known(route.backend, rule));
            partly.extend(taken(&decision, &to));
            match decision.by {
                Some(by) if by.verdict == Verdict::Dnat(&to) => {}
                Some(by) if route.backend == home && by.verdict == Verdict::Unknown => {
                    return Effect::Unknown(format!(
                        "{} comes first, and its chain cannot be read",
                        route.by_rule(&by).shown()
                    ));
                }
                Some(by) if route.backend == home => return Effect::Shadowed(route.by_rule(&by)),
                // Which backend comes first depends on the order in which they were used.
                Some(by) if by.rule.chain != CHAIN => elsewhere = Some(route.by_rule(&by)),
                Some(_) => {}
                None => is_decided &= route.backend != home,
            }
        }
    }
    let earlier = || {
        let mut of_family = routes.iter().filter(|route| route.family == redirect.family());
        of_family.find_map(|route| route.earlier(redirect.port, &to, traffic))
    };
    match elsewhere {
        Some(by) => Effect::Unknown(format!("{} in backend {} may come first", by.shown(), by.backend)),
        None if is_decided => earlier().map_or_else(|| Effect::Active(few(partly)), Effect::Unknown),
        None => Effect::Inactive,
    }
}
