//! An owner of chains and rules. Whether something is the owner's is answered in constant time: a host may have
//! a hundred thousand rules, and an owner such as kube-proxy as many of them.

use std::collections::{BTreeSet, HashSet};

use serde::{Deserialize, Serialize};

use crate::save::Rule;
use crate::words::{RuleKey, rule_key};

/// Up to this many names it is cheaper to look for their letters in a rule than to take it apart.
const FEW: usize = 4;

/// How an owner's things are told from everybody else's: by whole names, never by a word inside a rule.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Owner {
    /// Its chains; the rules in them and the jumps to them are the owner's too.
    #[serde(default)]
    pub chains: Vec<Name>,
    /// Comments that mark its rules in the chains of others, whole.
    #[serde(default)]
    pub comments: Vec<String>,
    /// Rules in the chains of others that are its own word by word: chain and rule.
    #[serde(default)]
    pub rules: Vec<(String, String)>,
}

/// The name of a chain, or how such names begin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Name {
    /// This name.
    Exactly(String),
    /// Every name that begins so: `KUBE-SVC-`.
    Beginning(String),
}

impl Owner {
    /// Whether a chain that somebody made is the owner's, by its name.
    pub fn owns_chain(&self, name: &str) -> bool {
        self.chains.iter().any(|own| match own {
            Name::Exactly(own) => own == name,
            Name::Beginning(own) => name.starts_with(own),
        })
    }

    /// Whether a rule in somebody else's chain is the owner's.
    pub fn owns_rule(&self, rule: &Rule<'_>) -> bool {
        Matcher::of(self).owns_rule(rule)
    }
}

/// An [`Owner`], indexed.
#[derive(Debug)]
pub(crate) struct Matcher<'o> {
    names: HashSet<&'o str>,
    beginnings: HashSet<&'o str>,
    /// How long the beginnings are, each length once.
    lengths: BTreeSet<usize>,
    /// The letters of the names, where they are few.
    letters: Option<Vec<&'o str>>,
    comments: HashSet<&'o str>,
    rules: HashSet<(&'o str, RuleKey)>,
    rule_chains: HashSet<&'o str>,
}

impl<'o> Matcher<'o> {
    pub(crate) fn of(owner: &'o Owner) -> Matcher<'o> {
        let (mut names, mut beginnings) = (HashSet::new(), HashSet::new());
        for name in &owner.chains {
            match name {
                Name::Exactly(name) => names.insert(name.as_str()),
                Name::Beginning(name) => beginnings.insert(name.as_str()),
            };
        }
        let letters = (owner.chains.len() <= FEW).then(|| names.iter().chain(&beginnings).copied().collect());
        Matcher {
            lengths: beginnings.iter().map(|name| name.len()).collect(),
            names,
            beginnings,
            letters,
            comments: owner.comments.iter().map(String::as_str).collect(),
            rules: owner.rules.iter().map(|(chain, rule)| (chain.as_str(), rule_key(rule))).collect(),
            rule_chains: owner.rules.iter().map(|(chain, _)| chain.as_str()).collect(),
        }
    }

    /// Whether a chain that somebody made is the owner's, by its name.
    pub(crate) fn owns_chain(&self, name: &str) -> bool {
        let begins = |length: &usize| name.get(..*length).is_some_and(|front| self.beginnings.contains(front));
        self.names.contains(name) || self.lengths.iter().any(begins)
    }

    /// Whether a rule in somebody else's chain is the owner's.
    pub(crate) fn owns_rule(&self, rule: &Rule<'_>) -> bool {
        // Most rules of a host have not even the letters, and need not be taken apart.
        let may_lead = self.letters.as_ref().is_none_or(|all| all.iter().any(|letters| rule.text.contains(letters)));
        (may_lead && rule.target().is_some_and(|target| self.owns_chain(&target)))
            || (!self.comments.is_empty()
                && rule.comment().is_some_and(|comment| self.comments.contains(comment.as_str())))
            || (self.rule_chains.contains(rule.chain) && self.rules.contains(&(rule.chain, rule_key(rule.text))))
    }
}
