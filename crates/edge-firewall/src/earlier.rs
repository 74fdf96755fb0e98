//! Chains of nft that redirect connections before those of iptables: iptables does not show them.

use edge_host::{Cmd, SEARCH_PATH};

use crate::backend::Family;
use crate::connection::{Applies, Conditions, Target};
use crate::nft::{hooks, rules};
use crate::save::Rule;

/// The limit of the output of nft.
const LARGEST: usize = 16 << 20;
/// The limit of chains that are read.
const MOST_READ: usize = 16;
/// The priority of the chains of iptables.
const OF_IPTABLES: i64 = -100;
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
            let applies = conditions.applies(Some(port));
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

/// The chains of nft for this family; none without nft, or if it cannot read them.
pub(crate) fn earlier(family: Family) -> Vec<Earlier> {
    let Some(found) = nft(&["list", "chains"]).and_then(|json| hooks(&json)) else { return Vec::new() };
    let own = match family {
        Family::V4 => "ip",
        Family::V6 => "ip6",
    };
    let is_earlier = |prio: i64| prio < OF_IPTABLES;
    let mut all = Vec::new();
    for chain in found.iter().filter(|chain| [own, "inet"].contains(&&*chain.family)) {
        let base = HOOKS.iter().find(|(hook, _)| chain.hook.as_deref() == Some(hook)).map(|(_, base)| *base);
        let (Some(base), true, true) = (base, chain.is_nat(), chain.prio.is_some_and(is_earlier)) else { continue };
        if all.len() == MOST_READ {
            break;
        }
        let json = nft(&["list", "chain", &chain.family, &chain.table, &chain.name]);
        let rules = json.and_then(|json| rules(&json)).unwrap_or_default().into_iter().map(|rule| rule.text).collect();
        all.push(Earlier { name: format!("{} {} {}", chain.family, chain.table, chain.name), base, rules });
    }
    all
}

fn nft(args: &[&str]) -> Option<String> {
    which::which_in("nft", Some(SEARCH_PATH), "/").ok()?;
    let output = Cmd::find("nft").ok()?.arg("-j").args(args).keep_output(LARGEST).run().ok()?;
    Some(output.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

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
