//! Decides which chains and rules belong to an owner, in constant time: a host may have a hundred thousand rules, and an
//! owner such as kube-proxy most of them.

use std::collections::{BTreeSet, HashSet};

use serde::{Deserialize, Serialize};

use crate::save::Rule;
use crate::words::{RuleKey, rule_key};

/// Up to this many names it is cheaper to search a rule for them than to parse it.
const FEW: usize = 4;

/// How the chains and rules of an owner are recognized: by whole names, never by a word inside a rule.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Owner {
    /// Its chains, with the rules in them and the jumps to them.
    #[serde(default)]
    pub chains: Vec<Name>,
    /// Complete comments that mark its rules in the chains of other owners.
    #[serde(default)]
    pub comments: Vec<String>,
    /// Complete rules in the chains of other owners: chain and rule.
    #[serde(default)]
    pub rules: Vec<(String, String)>,
}

/// The name of a chain, or a prefix of names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Name {
    /// This name.
    Exactly(String),
    /// Every name with this prefix: `KUBE-SVC-`.
    Beginning(String),
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
    })
}

/// An [`Owner`], indexed.
#[derive(Debug)]
pub(crate) struct Matcher<'o> {
    names: HashSet<&'o str>,
    prefixes: HashSet<&'o str>,
    /// The lengths of the prefixes.
    lengths: BTreeSet<usize>,
    /// The names to search for, if they are few.
    search: Option<Vec<&'o str>>,
    comments: HashSet<&'o str>,
    rules: HashSet<(&'o str, RuleKey)>,
    rule_chains: HashSet<&'o str>,
}

impl<'o> Matcher<'o> {
    pub(crate) fn of(owner: &'o Owner) -> Matcher<'o> {
        let (mut names, mut prefixes) = (HashSet::new(), HashSet::new());
        for name in &owner.chains {
            match name {
                Name::Exactly(name) => names.insert(name.as_str()),
                Name::Beginning(name) => prefixes.insert(name.as_str()),
            };
        }
        let search = (owner.chains.len() <= FEW).then(|| names.iter().chain(&prefixes).copied().collect());
        Matcher {
            lengths: prefixes.iter().map(|name| name.len()).collect(),
            names,
            prefixes,
            search,
            comments: owner.comments.iter().map(String::as_str).collect(),
            rules: owner.rules.iter().map(|(chain, rule)| (chain.as_str(), rule_key(rule))).collect(),
            rule_chains: owner.rules.iter().map(|(chain, _)| chain.as_str()).collect(),
        }
    }

    /// Whether a user-made chain belongs to the owner, by its name.
    pub(crate) fn owns_chain(&self, name: &str) -> bool {
        let begins = |length: &usize| name.get(..*length).is_some_and(|front| self.prefixes.contains(front));
        self.names.contains(name) || self.lengths.iter().any(begins)
    }

    /// Whether a rule in the chain of another owner belongs to the owner.
    pub(crate) fn owns_rule(&self, rule: &Rule<'_>) -> bool {
        // Most rules do not even contain a name, and need not be parsed.
        let may_jump = self.search.as_ref().is_none_or(|all| all.iter().any(|name| rule.text.contains(name)));
        (may_jump && rule.target().is_some_and(|target| self.owns_chain(&target)))
            || (!self.comments.is_empty()
                && rule.comment().is_some_and(|comment| self.comments.contains(comment.as_str())))
            || (self.rule_chains.contains(rule.chain) && self.rules.contains(&(rule.chain, rule_key(rule.text))))
    }
}
