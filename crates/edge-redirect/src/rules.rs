//! The rules: our own chain and its jump, cloudcore's chain, and unmanaged rules from installation guides.

use std::collections::HashMap;
use std::net::SocketAddr;

use edge_firewall::{Dnat, Limit, Name, Owned, OwnedChain, Owner, Placed, Rule, Scope, Table, by_address, quote};
use edge_kubeedge::stream::{KEPT_CHAIN, STREAM_PORT};

use crate::redirect::Redirect;
use crate::request::Traffic;

/// The table of all rules.
pub(crate) const TABLE: &str = "nat";
/// Our chain in the table.
pub(crate) const CHAIN: &str = "EDGEUTILS-STREAM";
/// A comment on the jump for the reader; our rules are recognized by the chain.
const COMMENT: &str = "edgeutils: kubectl logs and exec";
/// The chains of the kernel for connections of this host, and for those that it forwards.
pub(crate) const OUTPUT: &str = "OUTPUT";
pub(crate) const PREROUTING: &str = "PREROUTING";

/// How our rules are recognized.
pub(crate) fn owner() -> Owner {
    Owner { name: CHAIN.to_owned(), chains: vec![Name::Exactly(CHAIN.to_owned())], ..Owner::default() }
}

/// The chains that must be readable before the table is reported or changed.
pub(crate) fn scope() -> Scope {
    let chains = [PREROUTING, OUTPUT].map(str::to_owned);
    Scope {
        table: TABLE.to_owned(),
        owner: owner(),
        placed: chains.iter().map(|chain| (chain.clone(), jump())).collect(),
        chains: chains.to_vec(),
        // Such as cloudcore's own chain.
        follow_except: Some(by_address().to_vec()),
        limit: Limit::default(),
    }
}

/// The chains of the kernel that get a jump to our chain.
pub(crate) fn scope_of(traffic: Traffic) -> Scope {
    let mut scope = scope();
    scope.chains.retain(|chain| chain == OUTPUT || traffic == Traffic::Forward);
    scope
}

/// The rule that jumps to our chain.
fn jump() -> String {
    format!("-p tcp -m addrtype ! --dst-type LOCAL -m comment --comment {} -j {CHAIN}", quote(COMMENT))
}

/// The rules for these redirects, which are of one address family.
///
/// Connections to an address of this host are never redirected: edgecore itself connects to 127.0.0.1:10350.
pub(crate) fn owned(redirects: &[Redirect], traffic: Traffic) -> Owned {
    if redirects.is_empty() {
        return Owned::default();
    }
    let rule = |redirect: &Redirect| {
        format!("-p tcp -m tcp --dport {} -j DNAT --to-destination {}", redirect.port, redirect.to)
    };
    let placed = |chain: &&str| Placed { chain: (*chain).to_owned(), position: None, rule: jump(), counters: None };
    let chains: &[&str] = match traffic {
        Traffic::Output => &[OUTPUT],
        Traffic::Forward => &[PREROUTING, OUTPUT],
    };
    Owned {
        chains: vec![OwnedChain { name: CHAIN.to_owned(), rules: redirects.iter().map(rule).collect() }],
        placed: chains.iter().map(placed).collect(),
    }
}

/// Our rules in a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LiveRules {
    pub(crate) redirects: Vec<Redirect>,
    pub(crate) traffic: Option<Traffic>,
    /// Whether they are exactly the rules that `add` makes for these redirects.
    pub(crate) is_complete: bool,
}

/// Reads our rules.
pub(crate) fn live_rules(table: Option<&Table<'_>>) -> LiveRules {
    let now = Owned::of(table, &owner());
    let rules = now.chain(CHAIN).unwrap_or_default();
    let mut redirects: Vec<Redirect> = rules.iter().filter_map(|rule| redirect_of(rule)).collect();
    redirects.sort();
    let from = |chain| now.placed.iter().any(|placed| placed.chain == chain);
    let traffic = match (from(OUTPUT), from(PREROUTING)) {
        (_, true) => Some(Traffic::Forward),
        (true, false) => Some(Traffic::Output),
        (false, false) => None,
    };
    let is_complete = now.same(&owned(&redirects, traffic.unwrap_or(Traffic::Output)));
    LiveRules { redirects, traffic, is_complete }
}

/// The redirect that a rule of our chain makes.
pub(crate) fn redirect_of(rule: &str) -> Option<Redirect> {
    let dnat = Dnat::of(rule)?;
    let to: SocketAddr = dnat.to.parse().ok().filter(|_| dnat.is_plain)?;
    Some(Redirect { port: dnat.port, to })
}

/// Whether cloudcore's own chain exists.
pub(crate) fn has_kept_chain(table: Option<&Table<'_>>) -> bool {
    table.is_some_and(|table| table.chains().any(|chain| chain.name == KEPT_CHAIN))
}

/// Whether a rule jumps to our chain.
pub(crate) fn is_jump(rule: &Rule<'_>) -> bool {
    rule.text.contains(CHAIN) && rule.target().as_deref() == Some(CHAIN)
}

/// A rule for the same purpose that this tool does not manage.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct UnmanagedRule {
    pub(crate) chain: String,
    pub(crate) rule: String,
    pub(crate) port: u16,
    pub(crate) to: String,
    /// It has no other conditions than those of installation guides: a port, and perhaps that it is not for this host.
    pub(crate) is_plain: bool,
    /// It also redirects connections to this host itself.
    pub(crate) includes_local: bool,
}

impl UnmanagedRule {
    /// Whether it applies to this traffic.
    pub(crate) fn is_within(&self, traffic: Traffic) -> bool {
        self.chain == OUTPUT || traffic == Traffic::Forward
    }
}

/// Unmanaged rules in the kernel's chains that redirect one of these ports, or any port to the stream port.
pub(crate) fn unmanaged(table: Option<&Table<'_>>, is_port: impl Fn(u16) -> bool) -> Vec<UnmanagedRule> {
    let is_place = |rule: &&Rule<'_>| [OUTPUT, PREROUTING].contains(&rule.chain) && !is_jump(rule);
    let rules = table.into_iter().flat_map(|table| table.rules()).filter(is_place);
    let stream = format!(":{STREAM_PORT}");
    rules
        .filter_map(|rule| {
            let dnat = Dnat::of(rule.text)?;
            (is_port(dnat.port) || dnat.to.ends_with(&stream)).then(|| UnmanagedRule {
                chain: rule.chain.to_owned(),
                rule: rule.text.to_owned(),
                port: dnat.port,
                to: dnat.to.to_string(),
                is_plain: dnat.is_plain,
                includes_local: dnat.includes_local,
            })
        })
        .collect()
}

/// Each of these rules once, in their order, with its number of occurrences.
pub(crate) fn counted(found: &[UnmanagedRule]) -> Vec<(&UnmanagedRule, usize)> {
    let mut places: HashMap<&UnmanagedRule, usize> = HashMap::new();
    let mut counted: Vec<(&UnmanagedRule, usize)> = Vec::new();
    for rule in found {
        let place = *places.entry(rule).or_insert(counted.len());
        match counted.get_mut(place) {
            Some((_, count)) => *count += 1,
            None => counted.push((rule, 1)),
        }
    }
    counted
}

#[cfg(test)]
mod tests {
    use super::*;
    use edge_firewall::Save;
    use proptest::prelude::*;

    fn with<T>(rules: &str, then: impl FnOnce(Option<&Table<'_>>) -> T) -> T {
        let text =
            format!("*nat\n:OUTPUT ACCEPT [0:0]\n:EDGEUTILS-STREAM - [0:0]\n:TUNNEL-PORT - [0:0]\n{rules}COMMIT\n");
        then(Save::parse(&text).unwrap().table(TABLE))
    }

    fn redirects(texts: &[&str]) -> Vec<Redirect> {
        texts.iter().map(|text| Redirect::parse(text).unwrap()).collect()
    }

    fn printed(owned: &Owned) -> String {
        let own = owned.chains.iter().flat_map(|c| c.rules.iter().map(|rule| format!("-A {} {rule}\n", c.name)));
        owned.placed.iter().map(|placed| format!("-A {} {}\n", placed.chain, placed.rule)).chain(own).collect()
    }

    #[test]
    fn unmanaged_finds_the_rules_of_guides_and_no_others() {
        let rules = "\
-A PREROUTING -p tcp -m tcp --dport 10350 -j DNAT --to-destination 192.0.2.1:10003
-A OUTPUT -p tcp -m tcp --dport 10350 -j DNAT --to-destination 192.0.2.1:10003
-A OUTPUT -p tcp -m tcp --dport 10350 -j DNAT --to-destination 192.0.2.1:10003
-A OUTPUT ! -d 127.0.0.0/8 -p tcp -m tcp --dport 7 -m comment --comment \"mine\" -j DNAT --to-destination 192.0.2.2:10003
-A OUTPUT -s 10.0.0.0/8 -p tcp -m tcp --dport 10350 -j DNAT --to-destination 192.0.2.1:10003
-A OUTPUT -p tcp -m tcp --dport 10350 -m comment --comment \"-j X\" -j DNAT --to-destination 192.0.2.1:10003
-A OUTPUT -p tcp -m tcp --dport 10350 --tcp-flags FIN,SYN,RST,ACK SYN -j DNAT --to-destination 192.0.2.1:10003
-A OUTPUT -p tcp -m tcp --dport 10350 -j DNAT --to-destination 192.0.2.1:10003 --random --persistent
-A OUTPUT -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.0.2.1:8080
-A OUTPUT -p udp -m udp --dport 10350 -j DNAT --to-destination 192.0.2.1:10003
-A OUTPUT -p tcp -m tcp ! --dport 10350 -j DNAT --to-destination 192.0.2.1:10003
-A OUTPUT -p tcp -m addrtype ! --dst-type LOCAL -j EDGEUTILS-STREAM
-A TUNNEL-PORT -p tcp -m tcp --dport 10350 -j DNAT --to-destination 192.0.2.1:10003
";
        let found = with(rules, |table| unmanaged(table, |port| port == 10350));
        let shown: Vec<_> =
            found.iter().map(|rule| (rule.chain.as_str(), rule.port, rule.is_plain, rule.includes_local)).collect();
        assert_eq!(
            shown,
            [
                ("PREROUTING", 10350, true, true),
                ("OUTPUT", 10350, true, true),
                ("OUTPUT", 10350, true, true),
                ("OUTPUT", 7, true, false),
                ("OUTPUT", 10350, false, true),
                ("OUTPUT", 10350, true, true),
                ("OUTPUT", 10350, false, true),
                ("OUTPUT", 10350, false, true),
            ]
        );
    }

    #[test]
    fn live_rules_that_were_modified_are_not_complete() {
        let all = redirects(&["10351=192.0.2.1:10003"]);
        let text = printed(&owned(&all, Traffic::Output));
        for (changed, is_complete) in [
            (text.clone(), true),
            (text.replace("! --dst-type LOCAL", "--dst-type UNICAST"), false),
            (format!("{text}-A EDGEUTILS-STREAM -j RETURN\n"), false),
            (format!("-A OUTPUT -j EDGEUTILS-STREAM\n{text}"), false),
            (text.replace("-A OUTPUT", "-A INPUT"), false),
        ] {
            let found = with(&changed, live_rules);
            assert_eq!((found.redirects, found.is_complete), (all.clone(), is_complete), "{changed}");
        }
        assert!(!with("", live_rules).is_complete, "our chain without rules");
        assert!(live_rules(None).is_complete);
    }

    proptest! {
        #[test]
        fn owned_is_read_as_the_same_live_rules(
            targets in prop::collection::btree_map(1_u16.., (any::<[u8; 4]>(), 1_u16..), 1..6),
            forward in any::<bool>(),
        ) {
            let targets = targets.into_iter().map(|(port, (ip, to))| Redirect::new(port, SocketAddr::from((ip, to))));
            let all: Vec<Redirect> = targets.filter_map(Result::ok).collect();
            let traffic = if forward { Traffic::Forward } else { Traffic::Output };
            let made = owned(&all, traffic);
            if !all.is_empty() {
                let found = with(&printed(&made), live_rules);
                prop_assert_eq!(found, LiveRules { redirects: all, traffic: Some(traffic), is_complete: true });
            }
        }
    }
}
