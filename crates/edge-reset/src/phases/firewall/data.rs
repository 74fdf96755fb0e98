//! The ownership data of this phase, indexed by name, with the fate of each entry on this host.

use std::sync::Arc;

use edge_firewall::Shared;
use edge_host::{Pattern, PatternMap, Result};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::contents::{Contents, Shape};
use crate::context::Context;
use crate::creator::{Creator, Profile};
use crate::item::{Fate, Item};
use crate::ownership::{Row, Tier};
use crate::phase::Phase;

/// What more than a name has to prove.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Proof {
    /// The network of pods that it is for.
    Network,
    /// The redirects of installation guides for `kubectl logs`.
    Guide,
    /// The rules of flannel up to 0.16, from its configuration.
    Flannel,
    /// The rules of the plugin firewall, by the addresses and bridges of pods.
    CniFirewall,
    /// The rule of EdgeMesh's own network.
    EdgemeshCni,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    names: Vec<Pattern>,
    #[serde(default)]
    proof: Option<Proof>,
    #[serde(default)]
    rules: Vec<Shape>,
    #[serde(default)]
    comments: Vec<Shape>,
    #[serde(default)]
    removed_with: Option<Profile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SharedNames {
    names: Vec<String>,
    #[serde(default)]
    comments: Vec<Pattern>,
    /// Chain and rule.
    #[serde(default)]
    rules: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Comments {
    patterns: Vec<Pattern>,
    #[serde(default)]
    removed_with: Option<Profile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Recognized {
    proof: Proof,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    families: Vec<String>,
    name: String,
    #[serde(default)]
    chains: Vec<String>,
    #[serde(default)]
    comment: Option<String>,
    #[serde(default)]
    known: Vec<Pattern>,
    #[serde(default)]
    proof: Option<Proof>,
    #[serde(default)]
    removed_with: Option<Profile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TableChain {
    family: String,
    table: String,
    names: Vec<Pattern>,
    #[serde(default)]
    proof: Option<Proof>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Set {
    names: Vec<Pattern>,
    #[serde(default)]
    types: Vec<String>,
    #[serde(default)]
    removed_with: Option<Profile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Virtual {
    /// The link that has the addresses.
    pub(super) link: String,
    /// Sets that have them too.
    pub(super) sets: Vec<String>,
    /// Sets with ports on addresses of this host.
    #[serde(default)]
    pub(super) ports: Vec<String>,
}

/// What an entry says, on this host.
#[derive(Debug, Clone)]
pub(super) struct Rule<T> {
    /// Fate, creators, text and hint.
    pub(super) like: Item,
    pub(super) own: T,
}

/// An own chain.
#[derive(Debug, Clone, Default)]
pub(super) struct OwnChain {
    /// It is removed only for an own network.
    pub(super) by_network: bool,
    /// What its program writes into it, if that is known.
    pub(super) contents: Option<Arc<Contents>>,
}

/// An own table of nf_tables.
pub(super) struct OwnTable {
    pub(super) families: Vec<String>,
    pub(super) name: String,
    /// One of them shows that it is the program's; by network, those that have the rules of containers.
    pub(super) chains: Vec<String>,
    /// The comment of the table, which shows that too.
    pub(super) comment: Option<String>,
    /// All chains that the program makes; unknown if there are none.
    pub(super) known: PatternMap<()>,
    pub(super) by_network: bool,
}

/// All entries.
pub(super) struct Data {
    pub(super) chains: PatternMap<Rule<OwnChain>>,
    pub(super) shared: Vec<Rule<Shared>>,
    pub(super) comments: PatternMap<Rule<()>>,
    pub(super) removed_comments: Vec<Pattern>,
    pub(super) recognized: Vec<Rule<Proof>>,
    pub(super) tables: Vec<Rule<OwnTable>>,
    /// Family, table and names of chains.
    pub(super) table_chains: Vec<Rule<(String, String, PatternMap<()>)>>,
    /// With the types of such sets; of any type if there are none.
    pub(super) sets: PatternMap<Rule<Vec<String>>>,
    pub(super) virtuals: Vec<Rule<Virtual>>,
}

impl Data {
    pub(super) fn read(context: &Context) -> Result<Data> {
        let reader = Reader { context };
        let mut data = Data {
            chains: PatternMap::default(),
            shared: reader.rows("shared-chain", |row: SharedNames| (shared(row), None))?,
            comments: PatternMap::default(),
            removed_comments: Vec::new(),
            recognized: reader.rows("rule", |row: Recognized| (row.proof, None))?,
            tables: reader.rows("nft-table", |row: Table| {
                let by_network = row.proof == Some(Proof::Network);
                let Table { families, name, chains, comment, known, removed_with, .. } = row;
                let known = known.into_iter().collect();
                (OwnTable { families, name, chains, comment, known, by_network }, removed_with)
            })?,
            table_chains: reader.rows("nft-chain", |row: TableChain| {
                debug_assert_eq!(row.proof, Some(Proof::Network));
                ((row.family, row.table, row.names.into_iter().collect()), None)
            })?,
            sets: PatternMap::default(),
            virtuals: reader.rows("ipvs", |row: Virtual| (row, None))?,
        };
        let chain = |row: Named| {
            let contents = Contents { comments: row.comments, rules: row.rules };
            let contents = (contents != Contents::default()).then(|| Arc::new(contents));
            ((row.names, OwnChain { by_network: row.proof == Some(Proof::Network), contents }), row.removed_with)
        };
        for Rule { like, own: (names, own) } in reader.rows("chain", chain)? {
            let rule = Rule { like, own };
            names.into_iter().for_each(|name| data.chains.insert(name, rule.clone()));
        }
        for Rule { like, own } in reader.rows("rule-comment", |row: Comments| (row.patterns, row.removed_with))? {
            if like.fate == Fate::Remove {
                data.removed_comments.extend(own.iter().cloned());
            }
            own.into_iter().for_each(|one| data.comments.insert(one, Rule { like: like.clone(), own: () }));
        }
        for Rule { like, own } in reader.rows("ipset", |row: Set| ((row.names, row.types), row.removed_with))? {
            let (names, types) = own;
            let rule = Rule { like, own: types };
            names.into_iter().for_each(|name| data.sets.insert(name, rule.clone()));
        }
        Ok(data)
    }
}

fn shared(row: SharedNames) -> Shared {
    let split = |rule: &String| rule.split_once(' ').map(|(chain, rule)| (chain.to_owned(), rule.to_owned()));
    Shared { chains: row.names, comments: row.comments, rules: row.rules.iter().filter_map(split).collect() }
}

struct Reader<'c> {
    context: &'c Context,
}

impl Reader<'_> {
    /// The entries of a section, as `own` has them, and with which profile each is removed whatever its tier.
    fn rows<T: DeserializeOwned, O>(
        &self,
        section: &str,
        own: impl Fn(T) -> (O, Option<Profile>),
    ) -> Result<Vec<Rule<O>>> {
        let rows = self.context.ownership.rows::<T>(section)?.into_iter();
        Ok(rows
            .map(|Row { mut entry, own: fields, .. }| {
                let (own, removed_with) = own(fields);
                if removed_with.is_some_and(|profile| self.is_for(profile)) {
                    entry.tier = Tier::Removed;
                }
                Rule { like: self.context.decide(Item::new(Phase::Firewall, "chains", "", &[]), &entry), own }
            })
            .collect())
    }

    /// Whether the things of a profile are removed.
    fn is_for(&self, profile: Profile) -> bool {
        let agent = match profile {
            Profile::K3s => "k3s",
            Profile::Kubeadm => "kubelet",
            Profile::Kubeedge | Profile::All => "edgecore",
        };
        let is_present = || self.context.creators.present(&Creator::from(agent)).is_some();
        let chosen = self.context.request.profile;
        chosen == profile || (chosen == Profile::All && is_present())
    }
}
