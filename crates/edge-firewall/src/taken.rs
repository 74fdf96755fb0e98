//! Rules that take a part of the connections before the one that decides, for messages.

use std::collections::HashSet;

use crate::decision::{Decision, Verdict};

/// How many rules that take a part of the connections are shown.
const MOST_SHOWN: usize = 4;

/// A rule as iptables -S prints it.
pub fn shown(chain: &str, rule: &str) -> String {
    format!("-A {chain} {rule}").trim_end().to_owned()
}

/// The rules that take a part of the connections before the one that decides, other than to this address.
pub fn taken(decision: &Decision<'_>, to: &str) -> Vec<String> {
    let others = decision.partly.iter().filter(|other| other.verdict != Verdict::Dnat(to));
    others.map(|other| shown(other.rule.chain, other.rule.text)).collect()
}

/// The first of these rules, each once, and the number of the others.
pub fn few(rules: Vec<String>) -> Vec<String> {
    let mut seen = HashSet::new();
    let mut few: Vec<String> = rules.into_iter().filter(|rule| seen.insert(rule.clone())).collect();
    let more = few.len().saturating_sub(MOST_SHOWN);
    if more > 1 {
        few.truncate(MOST_SHOWN);
        few.push(format!("{more} more rules"));
    }
    few
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_of_many_rules_are_shown() {
        let of = |count: usize| few((0..count).flat_map(|number| [number.to_string(), number.to_string()]).collect());
        assert_eq!(of(2), ["0", "1"]);
        assert_eq!(of(MOST_SHOWN + 1).len(), MOST_SHOWN + 1);
        assert_eq!(of(1000).last().unwrap(), "996 more rules");
    }
}
