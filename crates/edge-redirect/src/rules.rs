//! The rules: our own chain and its jump, cloudcore's chain, and those that guides have made by hand.

use std::borrow::Cow;
use std::collections::HashMap;
use std::net::SocketAddr;

use edge_firewall::{Name, Owned, OwnedChain, Owner, Placed, Rule, Scope, Table, quote, words};
use edge_kubeedge::stream::{KEPT_CHAIN, STREAM_PORT};

use crate::pair::Pair;
use crate::wanted::Reach;

/// The table.
pub(crate) const TABLE: &str = "nat";
/// Our chain in it.
pub(crate) const CHAIN: &str = "EDGEUTILS-STREAM";
/// Marks the jump for people; what is ours is told by the chain.
const COMMENT: &str = "edgeutils: kubectl logs and exec";
/// The chains of the kernel that connections of each kind go through first.
const OUTPUT: &str = "OUTPUT";
const PREROUTING: &str = "PREROUTING";

/// How our rules are told from others.
pub(crate) fn owner() -> Owner {
    Owner { chains: vec![Name::Exactly(CHAIN.to_owned())], ..Owner::default() }
}

/// What must be readable of the table before anything is said of it or done to it.
pub(crate) fn scope() -> Scope {
    let chains = [OUTPUT, PREROUTING].map(str::to_owned);
    Scope {
        table: TABLE.to_owned(),
        owner: owner(),
        placed: chains.iter().map(|chain| (chain.clone(), jump())).collect(),
        chains: chains.to_vec(),
        others: vec![KEPT_CHAIN.to_owned()],
    }
}

/// The rule that leads to our chain.
fn jump() -> String {
    format!("-p tcp -m addrtype ! --dst-type LOCAL -m comment --comment {} -j {CHAIN}", quote(COMMENT))
}

/// The rules for these redirects, which are of one family.
///
/// A connection to an address of this host is never redirected, whatever its port: edgecore's own
/// calls go to 127.0.0.1:10350.
pub(crate) fn owned(pairs: &[Pair], reach: Reach) -> Owned {
    if pairs.is_empty() {
        return Owned::default();
    }
    let rule = |pair: &Pair| format!("-p tcp -m tcp --dport {} -j DNAT --to-destination {}", pair.port, pair.to);
    let placed = |chain: &&str| Placed { chain: (*chain).to_owned(), position: None, rule: jump(), counters: None };
    let chains: &[&str] = match reach {
        Reach::Output => &[OUTPUT],
        Reach::Forward => &[PREROUTING, OUTPUT],
    };
    Owned {
        chains: vec![OwnedChain { name: CHAIN.to_owned(), rules: pairs.iter().map(rule).collect() }],
        placed: chains.iter().map(placed).collect(),
    }
}

/// What our rules in a table do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Redirects {
    pub(crate) pairs: Vec<Pair>,
    pub(crate) reach: Option<Reach>,
    /// Whether they are exactly the rules that we make for this.
    pub(crate) is_whole: bool,
}

/// Reads our rules back.
pub(crate) fn redirects(table: Option<&Table<'_>>) -> Redirects {
    let now = Owned::of(table, &owner());
    let rules = now.chain(CHAIN).unwrap_or_default();
    let mut pairs: Vec<Pair> = rules.iter().filter_map(|rule| redirect(rule)).collect();
    pairs.sort();
    let from = |chain| now.placed.iter().any(|placed| placed.chain == chain);
    let reach = match (from(OUTPUT), from(PREROUTING)) {
        (_, true) => Some(Reach::Forward),
        (true, false) => Some(Reach::Output),
        (false, false) => None,
    };
    let is_whole = now.same(&owned(&pairs, reach.unwrap_or(Reach::Output)));
    Redirects { pairs, reach, is_whole }
}

/// What a rule of our chain redirects.
pub(crate) fn redirect(rule: &str) -> Option<Pair> {
    Dnat::of(rule)?.pair()
}

/// The rules of cloudcore's own chain, where something leads there.
pub(crate) fn kept_by_cloudcore(table: Option<&Table<'_>>) -> Option<Vec<String>> {
    let table = table?;
    let is_used = table.rules().any(|rule| rule.chain == OUTPUT && rule.target().as_deref() == Some(KEPT_CHAIN));
    let shown = |rule: &Rule<'_>| Dnat::of(rule.text).map(|dnat| format!("{} to {}", dnat.port, dnat.to));
    is_used.then(|| table.rules().filter(|rule| rule.chain == KEPT_CHAIN).filter_map(shown).collect())
}

/// A rule that somebody made by hand to the same end.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct HandMade {
    pub(crate) chain: String,
    pub(crate) rule: String,
    pub(crate) port: u16,
    pub(crate) to: String,
    /// Its only conditions are those of the guides: a port, and perhaps not this host.
    pub(crate) is_plain: bool,
    /// Connections to this host itself are redirected too.
    pub(crate) takes_local: bool,
}

impl HandMade {
    /// Whether it is among the connections of this reach.
    pub(crate) fn is_within(&self, reach: Reach) -> bool {
        self.chain == OUTPUT || reach == Reach::Forward
    }
}

/// Rules in the kernel's own chains that send one of these ports, or any port to the stream port, away.
pub(crate) fn hand_made(table: Option<&Table<'_>>, is_port: impl Fn(u16) -> bool) -> Vec<HandMade> {
    let is_own = |rule: &Rule<'_>| rule.text.contains(CHAIN) && rule.target().as_deref() == Some(CHAIN);
    let is_place = |rule: &&Rule<'_>| [OUTPUT, PREROUTING].contains(&rule.chain) && !is_own(rule);
    let rules = table.into_iter().flat_map(|table| table.rules()).filter(is_place);
    let stream = format!(":{STREAM_PORT}");
    rules
        .filter_map(|rule| {
            let dnat = Dnat::of(rule.text)?;
            (is_port(dnat.port) || dnat.to.ends_with(&stream)).then(|| HandMade {
                chain: rule.chain.to_owned(),
                rule: rule.text.to_owned(),
                port: dnat.port,
                to: dnat.to.to_string(),
                is_plain: dnat.is_plain,
                takes_local: dnat.takes_local,
            })
        })
        .collect()
}

/// Each of these rules once, in their order, and how often it is there.
pub(crate) fn counted(found: &[HandMade]) -> Vec<(&HandMade, usize)> {
    let mut places: HashMap<&HandMade, usize> = HashMap::new();
    let mut counted: Vec<(&HandMade, usize)> = Vec::new();
    for rule in found {
        let place = *places.entry(rule).or_insert(counted.len());
        match counted.get_mut(place) {
            Some((_, count)) => *count += 1,
            None => counted.push((rule, 1)),
        }
    }
    counted
}

/// A rule that sends one port of TCP to an address.
struct Dnat<'r> {
    port: u16,
    to: Cow<'r, str>,
    is_plain: bool,
    takes_local: bool,
}

impl<'r> Dnat<'r> {
    fn of(rule: &'r str) -> Option<Dnat<'r>> {
        if !rule.contains("DNAT") {
            return None;
        }
        let mut words = words(rule).peekable();
        let (mut port, mut to, mut is_dnat, mut is_tcp) = (None, None, false, false);
        let (mut is_plain, mut takes_local, mut negated) = (true, true, false);
        while let Some(word) = words.next() {
            if word == "!" {
                negated = true;
                continue;
            }
            // Some options have no value and some have two; a comment may look like an option.
            let is_value = |other: &Cow<'_, str>| word == "--comment" || !other.starts_with('-') && other != "!";
            let value = words.next_if(is_value).unwrap_or_default();
            match (&*word, &*value, negated) {
                ("-p", "tcp", false) => is_tcp = true,
                ("-m", "tcp" | "addrtype", _) => {}
                ("-m", "comment", _) | ("--comment", _, false) => {}
                ("--dport", ..) if !negated => port = value.parse().ok(),
                ("-j", "DNAT", _) => is_dnat = true,
                ("--to-destination", ..) => to = Some(value),
                ("-d", "127.0.0.0/8", true) | ("-d", "::1/128", true) | ("--dst-type", "LOCAL", true) => {
                    takes_local = false;
                }
                _ => is_plain = false,
            }
            negated = false;
        }
        (is_dnat && is_tcp).then_some(Dnat { port: port?, to: to?, is_plain, takes_local })
    }

    fn pair(&self) -> Option<Pair> {
        let to: SocketAddr = self.to.parse().ok().filter(|_| self.is_plain)?;
        Some(Pair { port: self.port, to })
    }
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

    fn pairs(texts: &[&str]) -> Vec<Pair> {
        texts.iter().map(|text| Pair::parse(text).unwrap()).collect()
    }

    fn printed(owned: &Owned) -> String {
        let own = owned.chains.iter().flat_map(|c| c.rules.iter().map(|rule| format!("-A {} {rule}\n", c.name)));
        owned.placed.iter().map(|placed| format!("-A {} {}\n", placed.chain, placed.rule)).chain(own).collect()
    }

    #[test]
    fn guides_rules_are_found_and_others_are_not() {
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
        let found = with(rules, |table| hand_made(table, |port| port == 10350));
        let told: Vec<_> =
            found.iter().map(|rule| (rule.chain.as_str(), rule.port, rule.is_plain, rule.takes_local)).collect();
        assert_eq!(
            told,
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
    fn cloudcores_chain_counts_where_something_leads_there() {
        let chain = "-A TUNNEL-PORT -p tcp -m tcp --dport 10351 -j DNAT --to-destination 192.0.2.1:10003\n";
        let jump = "-A OUTPUT -m comment --comment \"kubeedge tunnel port\" -j TUNNEL-PORT\n";
        assert_eq!(with(chain, kept_by_cloudcore), None);
        let kept = with(&format!("{jump}{chain}"), kept_by_cloudcore);
        assert_eq!(kept.unwrap(), ["10351 to 192.0.2.1:10003"]);
        assert_eq!(kept_by_cloudcore(None), None);
    }

    #[test]
    fn a_rule_that_someone_changed_is_told() {
        let all = pairs(&["10351=192.0.2.1:10003"]);
        let text = printed(&owned(&all, Reach::Output));
        for (changed, is_whole) in [
            (text.clone(), true),
            (text.replace("! --dst-type LOCAL", "--dst-type UNICAST"), false),
            (format!("{text}-A EDGEUTILS-STREAM -j RETURN\n"), false),
            (format!("-A OUTPUT -j EDGEUTILS-STREAM\n{text}"), false),
            (text.replace("-A OUTPUT", "-A INPUT"), false),
        ] {
            let found = with(&changed, redirects);
            assert_eq!((found.pairs, found.is_whole), (all.clone(), is_whole), "{changed}");
        }
        assert!(!with("", redirects).is_whole, "a chain of ours without rules is one too many");
        assert!(redirects(None).is_whole);
    }

    proptest! {
        #[test]
        fn what_is_made_is_read_back(
            targets in prop::collection::btree_map(1_u16.., (any::<[u8; 4]>(), 1_u16..), 1..6),
            forward in any::<bool>(),
        ) {
            let targets = targets.into_iter().map(|(port, (ip, to))| Pair::new(port, SocketAddr::from((ip, to))));
            let all: Vec<Pair> = targets.filter_map(Result::ok).collect();
            let reach = if forward { Reach::Forward } else { Reach::Output };
            let made = owned(&all, reach);
            if !all.is_empty() {
                let found = with(&printed(&made), redirects);
                prop_assert_eq!(found, Redirects { pairs: all, reach: Some(reach), is_whole: true });
            }
        }
    }
}
