//! The rules that a program writes into its own chains: what else is in them was added by somebody, and goes with them.

use std::borrow::Cow;
use std::collections::HashMap;

use edge_firewall::{Rule, Table, words};
use serde::Deserialize;

use super::data::Data;
use crate::item::Fate;

/// Rules of others that are shown of one table.
const SHOWN: usize = 5;

/// Words of a rule or a comment: `*` in a word stands for any characters, and a last word `**` for any words.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub(super) struct Shape {
    words: Vec<String>,
    is_open: bool,
}

impl From<String> for Shape {
    fn from(text: String) -> Shape {
        let open = text.strip_suffix("**");
        let words = open.unwrap_or(&text).split(' ').filter(|word| !word.is_empty());
        Shape { words: words.map(str::to_owned).collect(), is_open: open.is_some() }
    }
}

impl Shape {
    fn matches<'w>(&self, words: impl Iterator<Item = Cow<'w, str>>) -> bool {
        let mut words = words;
        let own = self.words.iter().all(|pattern| words.next().is_some_and(|word| is_like(pattern, &word)));
        own && (self.is_open || words.next().is_none())
    }
}

/// Whether a word has the shape of a pattern. The first place of each part is enough, as only `*` is between them.
fn is_like(pattern: &str, word: &str) -> bool {
    let Some((front, mut rest)) = pattern.split_once('*') else { return pattern == word };
    let Some(mut word) = word.strip_prefix(front) else { return false };
    while let Some((part, after)) = rest.split_once('*') {
        let Some(at) = word.find(part) else { return false };
        (word, rest) = (&word[at + part.len()..], after);
    }
    word.ends_with(rest)
}

/// What a program writes into a chain of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Contents {
    /// Its comments.
    pub(super) comments: Vec<Shape>,
    /// Its rules without a comment.
    pub(super) rules: Vec<Shape>,
}

impl Contents {
    fn has(&self, rule: &Rule<'_>) -> bool {
        if rule.text.contains("--comment")
            && let Some(comment) = rule.comment()
        {
            return self.comments.iter().any(|shape| shape.matches(comment.split_whitespace().map(Cow::Borrowed)));
        }
        self.rules.iter().any(|shape| shape.matches(words(rule.text)))
    }
}

/// The rules in chains that are removed which the programs of these chains do not write, in order: chain and rule.
pub(super) fn foreign<'t>(table: &Table<'t>, removed: &[String], data: &Data) -> Vec<(&'t str, &'t str)> {
    let contents =
        removed.iter().filter_map(|name| Some((name.as_str(), data.chains.get(name)?.own.contents.as_deref()?)));
    let contents: HashMap<&str, &Contents> = contents.collect();
    // A jump to a chain of such a program has a purpose only in its own chains.
    let jumps = |rule: &Rule<'_>| {
        let target = rule.target();
        target.is_some_and(|target| data.chains.get(&target).is_some_and(|chain| chain.like.fate == Fate::Remove))
    };
    // iptables-save prints the rules of a chain together.
    let (mut last, mut own) = ("", None);
    let is_foreign = |rule: &&Rule<'t>| {
        if rule.chain != last {
            (last, own) = (rule.chain, contents.get(rule.chain).copied());
        }
        own.is_some_and(|own| !jumps(rule) && !own.has(rule))
    };
    table.rules().filter(is_foreign).map(|rule| (rule.chain, rule.text)).collect()
}

/// What is said of these rules where their chains are removed; empty if there are none.
pub(super) fn shown(rules: &[(&str, &str)]) -> String {
    if rules.is_empty() {
        return String::new();
    }
    let what = if rules.len() == 1 { "1 rule".to_owned() } else { format!("{} rules", rules.len()) };
    let mut all: Vec<String> = rules.iter().take(SHOWN).map(|(chain, rule)| format!("-A {chain} {rule}")).collect();
    all.extend(rules.len().checked_sub(SHOWN).filter(|left| *left > 0).map(|left| format!("{left} more")));
    format!("also removes {what} of unknown origin: {}", all.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(shape: &str, text: &str) -> bool {
        Shape::from(shape.to_owned()).matches(words(text))
    }

    #[test]
    fn shapes_match_words() {
        for (shape, text, matches) in [
            ("-j MARK --set-xmark */*", "-j MARK --set-xmark 0x4000/0x4000", true),
            ("-j MARK --set-xmark */*", "-j MARK --set-xmark 0x4000/0x4000 -x", false),
            ("-j MARK --set-xmark */*", "-s 192.0.2.1/32 -j MARK --set-xmark 0x4000/0x4000", false),
            ("-p * -m * -j DNAT **", "-p tcp -m tcp -j DNAT --to-destination 10.244.0.2:53", true),
            ("-p * -m * -j DNAT **", "-p tcp -m tcp --dport 22 -j DNAT --to-destination 10.244.0.2:53", false),
            ("*/* -> *", "kube-system/kube-dns:dns-tcp -> 10.244.0.2:53", true),
            ("*/* -> *", "a -> b", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "acb", false),
            ("a*b", "ab", true),
            ("a*bb", "ab", false),
            ("**", "", true),
            ("x **", "x", true),
            ("x", "", false),
        ] {
            assert_eq!(is(shape, text), matches, "{shape} | {text}");
        }
    }
}
