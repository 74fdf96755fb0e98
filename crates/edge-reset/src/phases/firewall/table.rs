//! Whose the chains and rules of a table of iptables are.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use edge_firewall::{Name, Owner, Removal, Rule, Table};

use super::data::{self, Data};
use super::pods::{Pods, Whose, network_of};
use super::recognized::Recognizer;
use crate::creator::Creator;
use crate::item::{Fate, Item};

type SharedRule = data::Rule<edge_firewall::Shared>;

/// Names of one line.
const SHOWN: usize = 3;
/// What the comments of the plugins contain, as iptables-save quotes it.
const NETWORK_MARK: &str = "name: \\\"";

/// What is removed from a table, and what is kept.
pub(super) struct Sorted {
    /// What is removed for good.
    pub(super) owner: Owner,
    /// Redirects of guides, which an undo restores.
    pub(super) guide: Owner,
    pub(super) creators: BTreeSet<Creator>,
    pub(super) proofs: BTreeSet<String>,
    pub(super) kept: Kept,
}

/// What is kept, by reason.
#[derive(Default)]
pub(super) struct Kept {
    groups: BTreeMap<(String, Option<String>), (Item, Vec<String>)>,
}

impl Kept {
    pub(super) fn add(&mut self, like: Item, name: &str) {
        let group = self.groups.entry((like.text.clone(), like.hint.clone()));
        let (_, names) = group.or_insert_with(|| (like, Vec::new()));
        if !names.iter().rev().take(1).any(|last| last == name) {
            names.push(name.to_owned());
        }
    }

    /// An item for each reason, in this place.
    pub(super) fn items(self, place: &str, shown: &str) -> Vec<Item> {
        let item = |(like, names): (Item, Vec<String>)| {
            let mut all: Vec<&str> = names.iter().take(SHOWN).map(String::as_str).collect();
            let more = format!("{} more", names.len().saturating_sub(SHOWN));
            all.extend((names.len() > SHOWN).then_some(more.as_str()));
            let id = format!("{}/{place}/{}", like.phase, names.first().map_or("", String::as_str));
            Item { id, object: format!("{} in {shown}", all.join(", ")), ..like }
        };
        self.groups.into_values().map(item).collect()
    }
}

/// Decides for each chain and rule.
pub(super) fn sort(
    table: &Table<'_>,
    data: &Data,
    shared: &[SharedRule],
    pods: &Pods<'_>,
    recognizer: &Recognizer<'_>,
) -> Sorted {
    let mut sorted = Sorted {
        owner: Owner { comment_patterns: data.removed_comments.clone(), ..Owner::default() },
        guide: Owner { name: "guide".to_owned(), ..Owner::default() },
        creators: BTreeSet::new(),
        proofs: BTreeSet::new(),
        kept: Kept::default(),
    };
    let networks = networks_of_chains(table, data);
    let mut going: HashSet<&str> = HashSet::new();
    for chain in table.chains().filter(|chain| chain.is_made()) {
        let Some(rule) = data.chains.get(chain.name) else { continue };
        let like = &rule.like;
        if like.fate == Fate::Remove && rule.own.by_network {
            let network = networks.get(chain.name).map(String::as_str).or_else(|| pods.of_chain(chain.name));
            match network.map(|network| (network, pods.network(network))) {
                Some((network, Whose::Pods)) => sorted.proofs.insert(format!("comments of network {network}")),
                Some((_, Whose::Others(owner))) => {
                    sorted.kept.add(like.clone().kept(owner), chain.name);
                    continue;
                }
                Some((network, Whose::Unknown)) => {
                    let why = format!("no configuration of pods names their network {network:?}");
                    sorted.kept.add(like.clone().kept(why), chain.name);
                    continue;
                }
                None => {
                    sorted.kept.add(like.clone().kept("nothing says for which network they are"), chain.name);
                    continue;
                }
            };
        } else if like.fate == Fate::Remove {
            sorted.proofs.insert("names of chains".to_owned());
        } else {
            sorted.kept.add(like.clone(), chain.name);
            continue;
        }
        for creator in &like.creators {
            if !sorted.creators.contains(creator) {
                sorted.creators.insert(creator.clone());
            }
        }
        going.insert(chain.name);
        sorted.owner.chains.push(Name::Exactly(chain.name.to_owned()));
    }
    for shared in shared {
        let has = |chain: &&String| table.chain(chain).is_some_and(edge_firewall::Chain::is_made);
        if shared.like.fate == Fate::Remove {
            sorted.owner.shared.push(shared.own.clone());
        } else if let Some(chain) = shared.own.chains.iter().find(has) {
            sorted.kept.add(shared.like.clone(), chain);
        }
    }
    for rule in table.rules().filter(|rule| !going.contains(rule.chain)) {
        add_rule(rule, table.name, data, recognizer, &mut sorted);
    }
    sorted
}

/// A rule by its comment, or one that code recognizes.
fn add_rule(rule: &Rule<'_>, table: &str, data: &Data, recognizer: &Recognizer<'_>, sorted: &mut Sorted) {
    if rule.text.contains("--comment")
        && let Some(data::Rule { like, .. }) = rule.comment().and_then(|comment| data.comments.get(&comment).cloned())
    {
        if like.fate == Fate::Remove {
            sorted.creators.extend(like.creators);
            sorted.proofs.insert("comments".to_owned());
        } else {
            sorted.kept.add(like, rule.chain);
        }
        return;
    }
    let Some((recognized, is_guide)) = recognizer.of(rule, table) else { return };
    if recognized.like.fate != Fate::Remove {
        return sorted.kept.add(recognized.like.clone(), rule.chain);
    }
    let owner = if is_guide { &mut sorted.guide } else { &mut sorted.owner };
    owner.rules.push((rule.chain.to_owned(), rule.text.to_owned()));
    if !is_guide {
        sorted.creators.extend(recognized.like.creators.iter().cloned());
        sorted.proofs.insert("rules".to_owned());
    }
}

/// The networks that comments name for chains of containers: in the chain itself, or in a jump to it. A chain with two
/// of them has none.
fn networks_of_chains(table: &Table<'_>, data: &Data) -> HashMap<String, String> {
    let is_of_network = |chain: &str| data.chains.get(chain).is_some_and(|rule| rule.own.by_network);
    let mut networks: HashMap<String, String> = HashMap::new();
    for rule in table.rules().filter(|rule| rule.text.contains(NETWORK_MARK)) {
        let comment = rule.comment().unwrap_or_default();
        let Some(network) = network_of(&comment) else { continue };
        let chains = [Some(rule.chain.to_owned()), rule.target()].into_iter().flatten();
        for chain in chains.filter(|chain| is_of_network(chain)) {
            let known = networks.entry(chain).or_insert_with(|| network.to_owned());
            if known != network {
                known.clear();
            }
        }
    }
    networks
}

/// `212 chains and 6 jumps`.
pub(super) fn counted(removal: &Removal) -> String {
    let chains: HashSet<&str> = removal.chains.iter().map(String::as_str).collect();
    let is_jump = |placed: &&edge_firewall::Placed| {
        let rule = Rule { counters: None, chain: &placed.chain, text: &placed.rule };
        rule.target().is_some_and(|target| chains.contains(target.as_str()))
    };
    let jumps = removal.placed.iter().filter(is_jump).count();
    let parts = [(chains.len(), "chain"), (jumps, "jump"), (removal.placed.len() - jumps, "rule")];
    let shown = |(count, what): &(usize, &str)| format!("{count} {what}{}", if *count == 1 { "" } else { "s" });
    let parts: Vec<String> = parts.iter().filter(|(count, _)| *count > 0).map(shown).collect();
    match parts.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        None => String::new(),
    }
}

/// The shared chains of a table that are kept because something of others is in them.
pub(super) fn shared_left<'d>(
    table: &Table<'_>,
    all: &'d [SharedRule],
    removal: Option<&Removal>,
) -> Vec<(Item, &'d str)> {
    let mut left = Vec::new();
    for shared in all.iter().filter(|shared| shared.like.fate == Fate::Remove) {
        let is_there = |chain: &&String| table.chain(chain).is_some_and(edge_firewall::Chain::is_made);
        let goes = |chain: &String| removal.is_some_and(|removal| removal.chains.contains(chain));
        for chain in shared.own.chains.iter().filter(is_there).filter(|chain| !goes(chain)) {
            left.push((shared.like.clone().kept("rules of others are in them"), chain.as_str()));
        }
    }
    left
}
