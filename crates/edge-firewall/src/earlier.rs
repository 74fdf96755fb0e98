//! Chains of nft that redirect connections before those of iptables: iptables does not show them.

use edge_host::{Cmd, SEARCH_PATH};

use crate::backend::Family;
use crate::connection::{Applies, Conditions, Target};
use crate::limit::Limit;
use crate::nft::{hooks, rules};
use crate::read::Seen;
use crate::save::Rule;

/// Names every table. nft (1.0.6) reads all rules before it lists tables, and for flowtables none.
pub(crate) const LIST_TABLES: [&str; 2] = ["list", "flowtables"];
pub(crate) const PROGRAM: &str = "nft";
/// The limit of the output of nft.
const LARGEST: usize = 16 << 20;
/// The limit of chains that are read.
const MOST_READ: usize = 16;
/// The priority of the chains of iptables.
const PRIORITY: i64 = -100;
/// The tables of iptables.
const OF_IPTABLES: [&str; 5] = ["filter", "nat", "mangle", "raw", "security"];
/// The families of nft, and those of iptables whose connections pass their chains.
const FAMILIES: [(&str, &[Family]); 3] = [("ip", &[Family::V4]), ("ip6", &[Family::V6]), ("inet", &Family::ALL)];
/// Hooks, and the chains of iptables with the same.
const HOOKS: [(&str, &str); 2] = [("output", "OUTPUT"), ("prerouting", "PREROUTING")];

/// A chain of nft that translates addresses before a chain of iptables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Earlier {
    /// As nft names it: `ip mine out`.
    pub name: String,
    /// The chain of iptables with the same hook.
    pub base: &'static str,
    /// Its rules in the words of iptables, as far as they are understood.
    rules: Vec<String>,
}

impl Earlier {
    /// Whether it may redirect some connections to this port to another address than this.
    pub fn may_take(&self, port: u16, to: &str) -> bool {
        for text in &self.rules {
            let rule = Rule { counters: None, chain: self.base, text };
            let conditions = Conditions::of(&rule, self.base);
            let applies = conditions.applies(Some(port), None);
            let takes = match &conditions.target {
                _ if applies == Applies::Never => continue,
                Target::Continues => continue,
                // The chains of iptables come next.
                Target::Ends(name) if name == "ACCEPT" || name == "RETURN" => false,
                Target::Dnat(other) => other != to,
                _ => true,
            };
            if takes || applies == Applies::Fully {
                return takes;
            }
        }
        false
    }
}

/// Adds the chains of nft to what was read, and a note if it cannot list them; none without nft.
///
/// The chains of a family are listed only if it has a table that is not one of iptables, or iptables does not show all of
/// one: a cluster has tens of thousands of them.
pub(crate) fn add_earlier(all: &mut [Seen], limit: Limit) {
    if which::which_in(PROGRAM, Some(SEARCH_PATH), "/").is_err() {
        return;
    }
    let text = nft(&LIST_TABLES, limit).unwrap_or_default();
    let tables = tables(&text);
    for (nft_family, families) in FAMILIES {
        let is_foreign = |(family, name): &(&str, &str)| {
            *family == nft_family && (families.len() > 1 || !OF_IPTABLES.contains(name))
        };
        let is_hidden = |seen: &Seen| families == [seen.family] && !seen.notes.is_empty();
        if tables.is_empty() || tables.iter().any(is_foreign) || all.iter().any(is_hidden) {
            let mut of_family = all.iter_mut().filter(|seen| families.contains(&seen.family));
            match chains_of(nft_family, limit) {
                Some(found) => of_family.for_each(|seen| seen.earlier.extend_from_slice(&found)),
                None => of_family.next().into_iter().for_each(|seen| {
                    seen.notes.push(format!(
                        "{PROGRAM} cannot list the chains of family {nft_family}: whether one of them comes first is unknown"
                    ));
                }),
            }
        }
    }
}

/// None if they cannot be listed.
fn chains_of(nft_family: &str, limit: Limit) -> Option<Vec<Earlier>> {
    let found = hooks(&nft(&["-j", "list", "chains", nft_family], limit)?)?;
    let is_earlier = |prio: i64| prio < PRIORITY;
    let mut all = Vec::new();
    for chain in found {
        let base = HOOKS.iter().find(|(hook, _)| chain.hook.as_deref() == Some(hook)).map(|(_, base)| *base);
        let (Some(base), true, true) = (base, chain.is_nat(), chain.prio.is_some_and(is_earlier)) else { continue };
        if all.len() == MOST_READ {
            break;
        }
        let json = nft(&["-j", "list", "chain", &chain.family, &chain.table, &chain.name], limit);
        let rules = json.and_then(|json| rules(&json)).unwrap_or_default().into_iter().map(|rule| rule.text).collect();
        all.push(Earlier { name: format!("{} {} {}", chain.family, chain.table, chain.name), base, rules });
    }
    Some(all)
}

/// Family and name of each table that nft prints.
pub(crate) fn tables(text: &str) -> Vec<(&str, &str)> {
    let heads = text.lines().filter_map(|line| line.strip_prefix("table ")?.strip_suffix(" {"));
    heads.filter_map(|head| head.split_once(' ')).collect()
}

fn nft(args: &[&str], limit: Limit) -> Option<String> {
    let output = limit.on(Cmd::find(PROGRAM).ok()?.args(args).keep_output(LARGEST)).run().ok()?;
    Some(output.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_those_that_nft_prints() {
        let text = "table ip nat {\n}\ntable inet mine {\n\tflowtable f {\n\t\thook ingress priority filter\n\t}\n}\n";
        assert_eq!(tables(text), [("ip", "nat"), ("inet", "mine")]);
        assert!(tables("").is_empty());
    }

    #[test]
    fn chain_takes_what_its_rules_redirect() {
        let dnat = "-p tcp -m tcp --dport 10351 -m nft -j DNAT --to-destination";
        for (rules, want) in [
            (vec![], false),
            (vec![format!("{dnat} 192.0.2.9:10003")], true),
            (vec![format!("{dnat} 192.0.2.1:10003"), "-m nft -j REDIRECT".into()], false),
            (vec!["-p tcp -m nft -j ACCEPT".into(), format!("{dnat} 192.0.2.9:10003")], false),
            (vec!["-m nft --more -j ACCEPT".into(), format!("{dnat} 192.0.2.9:10003")], true),
            (vec!["-p tcp -m tcp --dport 80 -m nft -j REDIRECT".into(), "-p udp -m nft -j X".into()], false),
            (vec!["-m nft --more -j REDIRECT".into()], true),
            (vec!["-m nft -j X".into()], true),
            (vec!["-m nft".into()], false),
        ] {
            let chain = Earlier { name: "ip a b".into(), base: "OUTPUT", rules };
            assert_eq!(chain.may_take(10351, "192.0.2.1:10003"), want, "{chain:?}");
        }
    }
}
