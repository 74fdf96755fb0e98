//! The chains and rules that an owner has in a table, and their places.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use serde::{Deserialize, Serialize};

use crate::owner::{Matcher, Owner, SharedChains};
use crate::save::Table;
use crate::words::{rule_key, same_rule};

/// Everything that an owner has in a table, or should have.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Owned {
    /// Its chains.
    pub chains: Vec<OwnedChain>,
    /// Its rules in the chains of other owners.
    pub placed: Vec<Placed>,
}

/// A chain with its rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnedChain {
    /// Its name.
    pub name: String,
    /// Its rules in order, without the name of the chain.
    pub rules: Vec<String>,
}

/// A rule in the chain of another owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placed {
    /// The chain.
    pub chain: String,
    /// Its position in the chain, from 1; none for the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<usize>,
    /// Matches and target.
    pub rule: String,
    /// Its packet and byte counters, as printed: `[7:420]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counters: Option<String>,
}

impl Owned {
    /// Finds what the owner has in a table; nothing without a table.
    pub fn of(table: Option<&Table<'_>>, owner: &Owner) -> Owned {
        table
            .map(|table| Owned::find(table, owner, |chain, rule| chain.rules.push(rule.to_owned())))
            .unwrap_or_default()
    }

    /// The same without the rules of its chains, and their number: for what is not restored.
    pub(crate) fn without_rules(table: &Table<'_>, owner: &Owner) -> (Owned, usize) {
        let mut count = 0;
        let owned = Owned::find(table, owner, |_, _| count += 1);
        (owned, count)
    }

    fn find(table: &Table<'_>, owner: &Owner, mut add: impl FnMut(&mut OwnedChain, &str)) -> Owned {
        let mut own = Matcher::of(owner);
        add_shared(table, owner, &mut own);
        let mut owned = Owned::default();
        let mut places: HashMap<&str, usize> = HashMap::new();
        for chain in table.chains().filter(|chain| chain.is_made() && own.owns_chain(chain.name)) {
            places.entry(chain.name).or_insert(owned.chains.len());
            owned.chains.push(OwnedChain { name: chain.name.to_owned(), rules: Vec::new() });
        }
        let mut chain_before = "";
        let mut position = 0;
        for rule in table.rules() {
            // iptables-save prints the rules of a chain together.
            position = if rule.chain == chain_before { position + 1 } else { 1 };
            chain_before = rule.chain;
            if let Some(chain) = places.get(rule.chain).and_then(|place| owned.chains.get_mut(*place)) {
                add(chain, rule.text);
            } else if own.owns_rule(rule) {
                owned.placed.push(Placed {
                    chain: rule.chain.to_owned(),
                    position: Some(position),
                    rule: rule.text.to_owned(),
                    counters: rule.counters.map(str::to_owned),
                });
            }
        }
        owned
    }

    /// Whether both are equal except for positions and counters.
    pub fn same(&self, other: &Owned) -> bool {
        let (beyond, lacking) = self.compared(other);
        beyond.is_empty() && lacking.is_empty() && same_chains(&self.by_name(), &other.by_name())
    }

    /// The rules of a chain.
    pub fn chain(&self, name: &str) -> Option<&[String]> {
        self.chains.iter().find(|chain| chain.name == name).map(|chain| chain.rules.as_slice())
    }

    /// The rules of all its chains.
    pub(crate) fn by_name(&self) -> Chains<'_> {
        // The first of several chains with one name is used.
        self.chains.iter().rev().map(|chain| (chain.name.as_str(), chain.rules.as_slice())).collect()
    }

    /// The placed rules that `other` lacks, or has less often; and those that this one lacks.
    pub(crate) fn compared<'a>(&'a self, other: &'a Owned) -> TwoLists<'a> {
        let all = (self.placed.iter().collect(), other.placed.iter().collect());
        // Most rules are equal as text, and only the others need to be parsed.
        let left = unmatched(all, |placed| (placed.chain.as_str(), placed.rule.as_str()));
        unmatched(left, |placed| (placed.chain.as_str(), rule_key(&placed.rule)))
    }
}

/// Adds the shared chains in which nothing foreign is left.
fn add_shared(table: &Table<'_>, owner: &Owner, own: &mut Matcher<'_>) {
    let mut shared = SharedChains::of(&owner.shared);
    let made: HashSet<&str> = table.chains().filter(|chain| chain.is_made()).map(|chain| chain.name).collect();
    if !made.iter().any(|name| shared.group(name).is_some()) {
        return;
    }
    for rule in table.rules().filter(|rule| !own.owns_chain(rule.chain)) {
        let target = rule.target().and_then(|target| shared.group(&target));
        match (shared.group(rule.chain), target) {
            (None, None) => {}
            // The kernel's chains have the jumps that everyone needs.
            (None, Some(to)) if made.contains(rule.chain) => shared.keep(to),
            (None, Some(_)) => {}
            (Some(group), to) if to == Some(group) || shared.is_fixed(group, rule) || own.owns_rule(rule) => {}
            (Some(group), to) => {
                shared.keep(group);
                to.into_iter().for_each(|to| shared.keep(to));
            }
        }
    }
    let is_owned = |group: usize| shared.owned.get(group).copied().unwrap_or_default();
    made.iter().filter(|name| shared.group(name).is_some_and(is_owned)).for_each(|name| own.add_chain(name));
}

type TwoLists<'a> = (Vec<&'a Placed>, Vec<&'a Placed>);

/// The rules of each list that the other one lacks, or has less often.
fn unmatched<'a, K: Eq + Hash>((ours, theirs): TwoLists<'a>, key: impl Fn(&'a Placed) -> K) -> TwoLists<'a> {
    if ours.is_empty() || theirs.is_empty() {
        return (ours, theirs);
    }
    let keys = |list: &[&'a Placed]| list.iter().map(|placed| key(placed)).collect::<Vec<K>>();
    let (our_keys, their_keys) = (keys(&ours), keys(&theirs));
    (beyond(&ours, &our_keys, &their_keys), beyond(&theirs, &their_keys, &our_keys))
}

fn beyond<'a, K: Eq + Hash>(list: &[&'a Placed], keys: &[K], others: &[K]) -> Vec<&'a Placed> {
    let mut left: HashMap<&K, usize> = HashMap::with_capacity(others.len());
    for key in others {
        *left.entry(key).or_default() += 1;
    }
    let mut beyond = Vec::new();
    for (placed, key) in list.iter().zip(keys) {
        match left.get_mut(key) {
            Some(count) if *count > 0 => *count -= 1,
            _ => beyond.push(*placed),
        }
    }
    beyond
}

/// Rules by the name of their chain.
pub(crate) type Chains<'a> = HashMap<&'a str, &'a [String]>;

/// Whether both have the same chains with the same rules.
pub(crate) fn same_chains(a: &Chains<'_>, b: &Chains<'_>) -> bool {
    let is_equal = |(name, rules): (&&str, &&[String])| b.get(name).is_some_and(|others| same_rules(rules, others));
    a.len() == b.len() && a.iter().all(is_equal)
}

pub(crate) fn same_rules(a: &[String], b: &[String]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_rule(a, b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::owner::Name;
    use crate::save::Save;

    const SAVE: &str = r#"*nat
:OUTPUT ACCEPT [0:0]
:OWN - [0:0]
:OWN-2 - [0:0]
:OTHER - [0:0]
-A PREROUTING -j OTHER
[1:2] -A OUTPUT -j OTHER
[3:4] -A OUTPUT -m comment --comment "mark" -j OTHER
-A OUTPUT -m comment --comment "a mark" -j OTHER
-A OUTPUT -m comment --comment "-j OWN" -j OTHER
-A OUTPUT -g OWN
-A OUTPUT -p tcp --dport 1 -j DNAT --to-destination 192.0.2.1
-A OWN -j OWN-2
-A OWN-2 -j RETURN
-A OTHER -j OWN
COMMIT
"#;

    fn owned(owner: &Owner) -> Owned {
        Owned::of(Save::parse(SAVE).unwrap().table("nat"), owner)
    }

    #[test]
    fn of_finds_chains_and_jumps_by_whole_names() {
        let owner = Owner { chains: vec![Name::Exactly("OWN".into())], ..Owner::default() };
        let found = owned(&owner);
        assert_eq!(found.chain("OWN").unwrap(), ["-j OWN-2"]);
        assert!(found.chain("OWN-2").is_none());
        let places: Vec<_> = found.placed.iter().map(|rule| (rule.chain.as_str(), rule.position)).collect();
        assert_eq!(places, [("OUTPUT", Some(5)), ("OTHER", Some(1))]);

        let owner = Owner { chains: vec![Name::Beginning("OWN".into())], ..Owner::default() };
        assert_eq!(owned(&owner).chain("OWN-2").unwrap(), ["-j RETURN"]);
        // Chains of the kernel have no owner.
        let owner = Owner { chains: vec![Name::Beginning("O".into())], ..Owner::default() };
        assert!(owned(&owner).chain("OUTPUT").is_none());
    }

    #[test]
    fn of_compares_whole_comments_and_rules() {
        let owner = Owner { comments: vec!["mark".into()], ..Owner::default() };
        let found = owned(&owner);
        assert_eq!(found.placed.len(), 1);
        assert_eq!((found.placed[0].position, found.placed[0].counters.as_deref()), (Some(2), Some("[3:4]")));
        let rule = "-p tcp -m tcp --dport 1 -j DNAT --to-destination 192.0.2.1";
        let owner = |chain: &str| Owner { rules: vec![(chain.into(), rule.into())], ..Owner::default() };
        assert_eq!(owned(&owner("OUTPUT")).placed[0].position, Some(6));
        assert!(owned(&owner("PREROUTING")).placed.is_empty());
    }

    #[test]
    fn of_finds_comments_and_chains_by_pattern_and_no_others() {
        let text = "*filter\n:FORWARD ACCEPT [0:0]\n:KUBE-SVC-ERIFXISQEP7F7OF4 - [0:0]\n:KUBE-SVC-mine - [0:0]\n\
            :cali-FORWARD - [0:0]\n:calico-dhcp-x - [0:0]\n\
            -A FORWARD -m comment --comment \"cali:tVnHkvAo15HuiPy0\" -j ACCEPT\n\
            -A FORWARD -m comment --comment \"not cali:tVnHkvAo15HuiPy0\" -j ACCEPT\n\
            -A FORWARD -j KUBE-SVC-mine\n-A FORWARD -j calico-dhcp-x\n-A FORWARD -g cali-FORWARD\nCOMMIT\n";
        let like = |pattern: &str| Name::Like(pattern.parse().unwrap());
        let owner = Owner {
            chains: vec![like("KUBE-SVC-{base32:16}"), like("cali-*")],
            comment_patterns: vec!["cali:*".parse().unwrap()],
            ..Owner::default()
        };
        let found = Owned::of(Save::parse(text).unwrap().table("filter"), &owner);
        let names: Vec<&str> = found.chains.iter().map(|chain| chain.name.as_str()).collect();
        assert_eq!(names, ["KUBE-SVC-ERIFXISQEP7F7OF4", "cali-FORWARD"]);
        assert_eq!(found.placed.iter().filter_map(|placed| placed.position).collect::<Vec<_>>(), [1, 5]);
    }

    /// portmap's chains of one pod, and in addition these rules.
    fn portmap(more: &str) -> String {
        let dnat = |id: &str| {
            format!(
                "-A CNI-HOSTPORT-DNAT -p tcp -m comment --comment \"dnat name: \\\"net\\\" id: \\\"{id}\\\"\" -j CNI-DN-{id}\n"
            )
        };
        format!(
            "*nat\n:PREROUTING ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n:CNI-HOSTPORT-DNAT - [0:0]\n\
             :CNI-HOSTPORT-MASQ - [0:0]\n:CNI-HOSTPORT-SETMARK - [0:0]\n:CNI-DN-a - [0:0]\n:CNI-DN-b - [0:0]\n\
             -A PREROUTING -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT\n\
             -A POSTROUTING -m comment --comment \"CNI portfwd requiring masquerade\" -j CNI-HOSTPORT-MASQ\n\
             {}{more}-A CNI-HOSTPORT-MASQ -m mark --mark 0x2000/0x2000 -j MASQUERADE\n\
             -A CNI-HOSTPORT-SETMARK -m comment --comment \"CNI portfwd masquerade mark\" -j MARK --set-xmark 0x2000/0x2000\n\
             -A CNI-DN-a -s 10.1.0.0/16 -j CNI-HOSTPORT-SETMARK\nCOMMIT\n",
            dnat("a")
        )
    }

    #[test]
    fn of_finds_shared_chains_only_without_foreign_rules_and_jumps() {
        let owner = Owner {
            chains: vec![Name::Exactly("CNI-DN-a".into())],
            shared: vec![crate::owner::Shared {
                chains: ["CNI-HOSTPORT-DNAT", "CNI-HOSTPORT-MASQ", "CNI-HOSTPORT-SETMARK"].map(str::to_owned).to_vec(),
                comments: vec!["CNI portfwd masquerade mark".parse().unwrap()],
                rules: vec![("CNI-HOSTPORT-MASQ".into(), "-m mark --mark 0x2000/0x2000 -j MASQUERADE".into())],
            }],
            ..Owner::default()
        };
        let placed = |text: &str| {
            let save = Save::parse(text).unwrap();
            let found = Owned::of(save.table("nat"), &owner);
            let names: Vec<String> = found.chains.into_iter().map(|chain| chain.name).collect();
            (names.len(), found.placed.into_iter().map(|placed| placed.chain).collect::<Vec<_>>())
        };
        assert_eq!(placed(&portmap("")), (4, vec!["PREROUTING".to_owned(), "POSTROUTING".to_owned()]));
        for foreign in [
            "-A CNI-HOSTPORT-DNAT -p tcp -j CNI-DN-b\n",
            "-A CNI-HOSTPORT-MASQ -j ACCEPT\n",
            "-A CNI-DN-b -j CNI-HOSTPORT-SETMARK\n",
        ] {
            assert_eq!(placed(&portmap(foreign)), (1, vec!["CNI-HOSTPORT-DNAT".to_owned()]), "{foreign}");
        }
    }

    #[test]
    fn records_of_older_versions_are_read() {
        let old = r#"{"chains":[{"exactly":"EDGEUTILS-STREAM"},{"beginning":"X-"}],"comments":["mark"],"rules":[["OUTPUT","-j A"]]}"#;
        let owner: Owner = serde_json::from_str(old).unwrap();
        assert_eq!((owner.name.as_str(), owner.comments.len(), owner.shared.len()), ("", 1, 0));
        assert_eq!(serde_json::to_string(&owner).unwrap(), old);
    }

    #[test]
    fn same_counts_equal_rules() {
        let rule = Placed { chain: "OUTPUT".into(), position: None, rule: "-j OWN".into(), counters: None };
        let times = |count| Owned { chains: Vec::new(), placed: vec![rule.clone(); count] };
        assert!(times(2).same(&times(2)) && !times(2).same(&times(1)));
        assert_eq!((times(3).compared(&times(1)).0.len(), times(3).compared(&times(1)).1.len()), (2, 0));
        let moved = Owned { placed: vec![Placed { position: Some(7), ..rule.clone() }], chains: Vec::new() };
        assert!(moved.same(&times(1)));
    }
}
