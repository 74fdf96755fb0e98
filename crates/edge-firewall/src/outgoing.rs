//! Where connections that programs of this host make to a port of other hosts go: for a reader that owns no rules.

use std::net::IpAddr;
use std::sync::LazyLock;

use crate::backend::Family;
use crate::decision::{Chains, Deciding, Known, Path, Verdict};
use crate::host::View;
use crate::limit::Limit;
use crate::owner::Name;
use crate::scope::Scope;
use crate::taken::{few, shown, taken};

const TABLE: &str = "nat";
/// The chain of the kernel for connections of this host.
const OUTPUT: &str = "OUTPUT";

/// Chains that decide only about addresses of services and containers, which can be very large.
static BY_ADDRESS: LazyLock<Vec<Name>> = LazyLock::new(|| {
    ["KUBE-", "cali-", "CILIUM_", "CNI-", "DOCKER"].map(|prefix| Name::Beginning(prefix.to_owned())).to_vec()
});

/// Where they go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outgoing {
    /// To the host that the program names.
    Direct,
    /// A rule redirects them to this address and port.
    Redirected(String),
    /// This rule decides otherwise, as iptables -S prints it.
    Taken(String),
    /// It cannot be told, with the reason.
    Unknown(String),
}

/// The chains of services and containers, which never decide about a port of another host and need not be read.
pub fn by_address() -> &'static [Name] {
    &BY_ADDRESS
}

/// What must be read for [`outgoing`], within this limit.
pub fn outgoing_scope(limit: Limit) -> Scope {
    Scope {
        table: TABLE.to_owned(),
        chains: vec![OUTPUT.to_owned()],
        follow_except: Some(BY_ADDRESS.clone()),
        limit,
        ..Scope::default()
    }
}

/// What becomes of connections of this host to this port of other hosts, by the rules of both backends; of this address
/// alone, if it is given.
///
/// If some of the connections are taken by a rule before the one that decides, it cannot be told.
pub fn outgoing(views: &[View<'_>], family: Family, port: u16, address: Option<IpAddr>) -> Outgoing {
    let mut found = Outgoing::Direct;
    for view in views.iter().filter(|view| view.seen.family == family) {
        if let Some(error) = &view.seen.unreadable {
            return Outgoing::Unknown(error.message().to_owned());
        }
        let chains = Chains::of(view.save.table(TABLE));
        let decision = Path::of(&chains, OUTPUT, &BY_ADDRESS).decide_for(port, address, |_| Known::Nothing);
        let by = decision.by.as_ref();
        let of_rule = |by: &Deciding<'_>| shown(by.rule.chain, by.rule.text);
        let (own, to) = match by.map(|by| by.verdict) {
            Some(Verdict::Dnat(to)) => (Outgoing::Redirected(to.to_owned()), to),
            Some(Verdict::Other) => (Outgoing::Taken(by.map(of_rule).unwrap_or_default()), ""),
            Some(Verdict::Unknown) => {
                let rule = by.map(of_rule).unwrap_or_default();
                (Outgoing::Unknown(format!("the chain of {rule} cannot be read")), "")
            }
            None => (Outgoing::Direct, ""),
        };
        let before = few(taken(&decision, to));
        if !before.is_empty() {
            let rest = match &own {
                Outgoing::Direct => "no rule is for the others".to_owned(),
                Outgoing::Redirected(to) => format!("the others are redirected to {to}"),
                Outgoing::Taken(rule) => format!("{rule} decides about the others"),
                Outgoing::Unknown(why) => why.clone(),
            };
            return Outgoing::Unknown(format!("{} is for a part of the connections; {rest}", before.join(", ")));
        }
        if let Some(chain) = view.seen.earlier.iter().find(|chain| chain.base == OUTPUT && chain.may_take(port, to)) {
            return Outgoing::Unknown(format!(
                "chain {} of nft comes first, and may redirect them elsewhere",
                chain.name
            ));
        }
        found = match (found, own) {
            (Outgoing::Direct, own) => own,
            (found, Outgoing::Direct) => found,
            (found, own) if found == own => found,
            // Which backend comes first depends on the order in which they were used.
            (..) => return Outgoing::Unknown("both backends of iptables have a rule for it".to_owned()),
        };
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Backend;
    use crate::host::Firewall;
    use crate::read::Seen;

    fn seen(backend: Backend, rules: &str) -> Seen {
        let text = format!("*nat\n:OUTPUT ACCEPT [0:0]\n:TUNNEL-PORT - [0:0]\n:KUBE-SERVICES - [0:0]\n{rules}COMMIT\n");
        let restore = format!("iptables-{backend}-restore");
        Seen { backend, family: Family::V4, restore, text, notes: Vec::new(), earlier: Vec::new(), unreadable: None }
    }

    #[track_caller]
    fn of(nft: &str, legacy: &str) -> Outgoing {
        let seen = vec![seen(Backend::Nft, nft), seen(Backend::Legacy, legacy)];
        let firewall = Firewall::of(seen, Some(Backend::Nft));
        let views = firewall.views().unwrap();
        assert_eq!(outgoing(&views, Family::V6, 10351, None), Outgoing::Direct);
        outgoing(&views, Family::V4, 10351, None)
    }

    #[test]
    fn outgoing_connections_are_those_that_the_deciding_rule_redirects() {
        let to = |address: &str| format!("-A OUTPUT -p tcp -m tcp --dport 10351 -j DNAT --to-destination {address}\n");
        let redirected = |address: &str| Outgoing::Redirected(address.to_owned());
        assert_eq!(of("", ""), Outgoing::Direct);
        assert_eq!(of(&to("192.0.2.1:10003"), ""), redirected("192.0.2.1:10003"));
        assert_eq!(of("", &to("192.0.2.1:10003")), redirected("192.0.2.1:10003"));
        assert_eq!(of(&to("192.0.2.1:10003"), &to("192.0.2.1:10003")), redirected("192.0.2.1:10003"));
        assert!(matches!(of(&to("192.0.2.1:10003"), &to("192.0.2.2:10003")), Outgoing::Unknown(_)));
        let kept = "-A OUTPUT -m comment --comment \"kubeedge tunnel port\" -j TUNNEL-PORT\n-A TUNNEL-PORT -p tcp -m tcp --dport 10351 -j DNAT --to-destination 192.0.2.3:10003\n";
        assert_eq!(of(kept, ""), redirected("192.0.2.3:10003"));
        // Chains of services decide about no port of another host.
        assert_eq!(of("-A OUTPUT -j KUBE-SERVICES\n-A KUBE-SERVICES -j ACCEPT\n", ""), Outgoing::Direct);
        let other = "-A OUTPUT -p tcp -m tcp --dport 10351 -j ACCEPT";
        assert_eq!(of(&format!("{other}\n"), ""), Outgoing::Taken(other.to_owned()));
        let part = of("-A OUTPUT -d 198.51.100.0/24 -p tcp -m tcp --dport 10351 -j ACCEPT\n", "");
        assert!(matches!(part, Outgoing::Unknown(_)), "{part:?}");
    }

    #[test]
    fn rule_for_a_part_before_the_one_that_decides_is_reported() {
        let part = "-A OUTPUT -d 198.51.100.0/24 -p tcp -m tcp --dport 10351 -j ACCEPT";
        let rules = format!("{part}\n-A OUTPUT -p tcp -m tcp --dport 10351 -j DNAT --to-destination 192.0.2.1:10003\n");
        let Outgoing::Unknown(why) = of(&rules, "") else { panic!("{:?}", of(&rules, "")) };
        assert!(why.contains(part) && why.contains("the others are redirected to 192.0.2.1:10003"), "{why}");
        // For one address it is known.
        let firewall = Firewall::of(vec![seen(Backend::Nft, &rules)], Some(Backend::Nft));
        let views = firewall.views().unwrap();
        let to = |address: &str| outgoing(&views, Family::V4, 10351, Some(address.parse().unwrap()));
        assert_eq!(to("198.51.100.7"), Outgoing::Taken(part.to_owned()));
        assert_eq!(to("198.51.101.7"), Outgoing::Redirected("192.0.2.1:10003".to_owned()));
        // One that redirects to the same address changes nothing.
        let same = rules.replace("-j ACCEPT", "-j DNAT --to-destination 192.0.2.1:10003");
        assert_eq!(of(&same, ""), Outgoing::Redirected("192.0.2.1:10003".to_owned()));
    }
}
