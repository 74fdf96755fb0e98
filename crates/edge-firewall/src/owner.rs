//! Decides which chains and rules belong to an owner, in constant time: a host may have a hundred thousand rules, and an
//! owner such as kube-proxy most of them.

use std::collections::{HashMap, HashSet};

use edge_host::{Pattern, PatternMap};
use serde::{Deserialize, Serialize};

use crate::save::Rule;
use crate::words::{RuleKey, rule_key};

/// Up to this many names it is cheaper to search a rule for them than to parse it.
const FEW: usize = 4;

/// How the chains and rules of an owner are recognized: by whole names, never by a word inside a rule.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Owner {
    /// Tells it from other owners of the same table: one may undo its changes whatever the others did since. Older
    /// records have none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Its chains, with the rules in them and the jumps to them.
    #[serde(default)]
    pub chains: Vec<Name>,
    /// Chains that it shares with other owners.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shared: Vec<Shared>,
    /// Complete comments that mark its rules in the chains of other owners.
    #[serde(default)]
    pub comments: Vec<String>,
    /// Patterns of such comments: `cali:*`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub comment_patterns: Vec<Pattern>,
    /// Complete rules in the chains of other owners: chain and rule.
    #[serde(default)]
    pub rules: Vec<(String, String)>,
}

/// The name of a chain, or a pattern of names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Name {
    /// This name.
    Exactly(String),
    /// Every name with this prefix: `KUBE-SVC-`.
    Beginning(String),
    /// Every name of this shape: `KUBE-SVC-{base32:16}`.
    Like(Pattern),
}

/// Chains that several owners use, such as `CNI-HOSTPORT-DNAT`. They belong to an owner together, and only if nothing
/// foreign is left: no rule of others in one of them, and no jump to one from a chain that others made.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Shared {
    /// Their names.
    pub chains: Vec<String>,
    /// Comments of the rules that they always have, whoever uses them.
    #[serde(default)]
    pub comments: Vec<Pattern>,
    /// Complete rules that they always have: chain and rule.
    #[serde(default)]
    pub rules: Vec<(String, String)>,
}

impl Name {
    fn pattern(&self) -> Pattern {
        match self {
            Name::Exactly(name) => Pattern::exactly(name),
            Name::Beginning(prefix) => Pattern::beginning(prefix),
            Name::Like(pattern) => pattern.clone(),
        }
    }

    /// The name, if there is only one.
    pub(crate) fn exact(&self) -> Option<&str> {
        match self {
            Name::Exactly(name) => Some(name),
            Name::Beginning(_) => None,
            Name::Like(pattern) => pattern.is_exact().then(|| pattern.front()),
        }
    }
}

impl Owner {
    /// Whether a user-made chain belongs to the owner, by its name.
    pub fn owns_chain(&self, name: &str) -> bool {
        named(&self.chains, name)
    }

    /// Whether a rule in the chain of another owner belongs to the owner.
    pub fn owns_rule(&self, rule: &Rule<'_>) -> bool {
        Matcher::of(self).owns_rule(rule)
    }
}

/// Whether one of the names is, or begins, this name.
pub(crate) fn named(names: &[Name], name: &str) -> bool {
    names.iter().any(|one| match one {
        Name::Exactly(one) => one == name,
        Name::Beginning(one) => name.starts_with(one),
        Name::Like(pattern) => pattern.matches(name),
    })
}

/// An [`Owner`], indexed.
#[derive(Debug)]
pub(crate) struct Matcher<'o> {
    chains: PatternMap<()>,
    /// The texts to search for, if they are few.
    search: Option<Vec<String>>,
    comments: HashSet<&'o str>,
    comment_patterns: PatternMap<()>,
    rules: RuleSet<'o>,
    rule_chains: HashSet<&'o str>,
}

impl<'o> Matcher<'o> {
    pub(crate) fn of(owner: &'o Owner) -> Matcher<'o> {
        let patterns = || owner.chains.iter().map(Name::pattern);
        let is_few = owner.chains.len() <= FEW;
        Matcher {
            chains: patterns().collect(),
            search: is_few.then(|| patterns().map(|pattern| pattern.front().to_owned()).collect()),
            comments: owner.comments.iter().map(String::as_str).collect(),
            comment_patterns: owner.comment_patterns.iter().cloned().collect(),
            rules: keys(&owner.rules),
            rule_chains: owner.rules.iter().map(|(chain, _)| chain.as_str()).collect(),
        }
    }

    /// Adds a chain.
    pub(crate) fn add_chain(&mut self, name: &str) {
        self.chains.insert(Pattern::exactly(name), ());
        self.search = self.search.take().filter(|search| search.len() < FEW);
        self.search.iter_mut().for_each(|search| search.push(name.to_owned()));
    }

    /// Whether a user-made chain belongs to the owner, by its name.
    pub(crate) fn owns_chain(&self, name: &str) -> bool {
        self.chains.get(name).is_some()
    }

    /// Whether a rule in the chain of another owner belongs to the owner.
    pub(crate) fn owns_rule(&self, rule: &Rule<'_>) -> bool {
        // Most rules do not even contain a name, and need not be parsed.
        let may_jump = self.search.as_ref().is_none_or(|all| all.iter().any(|name| rule.text.contains(name.as_str())));
        (may_jump && rule.target().is_some_and(|target| self.owns_chain(&target)))
            || self.owns_comment(rule)
            || (self.rule_chains.contains(rule.chain) && self.rules.contains(&(rule.chain, rule_key(rule.text))))
    }

    fn owns_comment(&self, rule: &Rule<'_>) -> bool {
        if self.comments.is_empty() && self.comment_patterns.is_empty() || !rule.text.contains("--comment") {
            return false;
        }
        let owns = |comment: &str| self.comments.contains(comment) || self.comment_patterns.get(comment).is_some();
        rule.comment().is_some_and(|comment| owns(&comment))
    }
}

/// Chains with rules.
type RuleSet<'o> = HashSet<(&'o str, RuleKey)>;

fn keys(rules: &[(String, String)]) -> RuleSet<'_> {
    rules.iter().map(|(chain, rule)| (chain.as_str(), rule_key(rule))).collect()
}

/// The [`Shared`] chains of an owner, indexed.
#[derive(Debug)]
pub(crate) struct SharedChains<'o> {
    groups: HashMap<&'o str, usize>,
    fixed: Vec<(PatternMap<()>, RuleSet<'o>)>,
    /// Which groups belong to the owner.
    pub(crate) owned: Vec<bool>,
}

impl<'o> SharedChains<'o> {
    pub(crate) fn of(shared: &'o [Shared]) -> SharedChains<'o> {
        let names = |(group, shared): (usize, &'o Shared)| shared.chains.iter().map(move |name| (name.as_str(), group));
        SharedChains {
            groups: shared.iter().enumerate().flat_map(names).collect(),
            fixed: shared.iter().map(|group| (group.comments.iter().cloned().collect(), keys(&group.rules))).collect(),
            owned: vec![true; shared.len()],
        }
    }

    /// The group of a chain.
    pub(crate) fn group(&self, chain: &str) -> Option<usize> {
        self.groups.get(chain).copied()
    }

    /// Whether a rule in a chain of this group is one that these chains always have.
    pub(crate) fn is_fixed(&self, group: usize, rule: &Rule<'_>) -> bool {
        let Some((comments, rules)) = self.fixed.get(group) else { return false };
        (!comments.is_empty() && rule.comment().is_some_and(|comment| comments.get(&comment).is_some()))
            || (!rules.is_empty() && rules.contains(&(rule.chain, rule_key(rule.text))))
    }

    /// Something foreign is left in a group.
    pub(crate) fn keep(&mut self, group: usize) {
        if let Some(owned) = self.owned.get_mut(group) {
            *owned = false;
        }
    }
}
