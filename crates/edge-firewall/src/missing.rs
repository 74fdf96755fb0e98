//! What of an earlier save is not there now.

use std::collections::HashMap;

use crate::owned::Placed;
use crate::save::Save;
use crate::words::{RuleKey, rule_key};

/// The rules of `then`, with their table, that `now` lacks or has less often.
pub fn missing<'t>(now: &Save<'_>, then: &Save<'t>) -> Vec<(&'t str, Placed)> {
    let mut there: HashMap<(&str, &str, RuleKey), usize> = HashMap::new();
    for table in &now.tables {
        for rule in table.rules() {
            *there.entry((table.name, rule.chain, rule_key(rule.text))).or_default() += 1;
        }
    }
    let mut missing = Vec::new();
    for table in &then.tables {
        for rule in table.rules() {
            match there.get_mut(&(table.name, rule.chain, rule_key(rule.text))) {
                Some(count) if *count > 0 => *count -= 1,
                _ => missing.push((
                    table.name,
                    Placed {
                        chain: rule.chain.to_owned(),
                        position: None,
                        rule: rule.text.to_owned(),
                        counters: rule.counters.map(str::to_owned),
                    },
                )),
            }
        }
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_counts_equal_rules_of_each_chain() {
        let then =
            "*nat\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -j A\n-A OUTPUT -j A\n-A X -p tcp -m tcp --dport 1 -j A\nCOMMIT\n";
        let then = Save::parse(then).unwrap();
        let of = |text: &str| {
            let rules = missing(&Save::parse(text).unwrap(), &then).into_iter();
            rules.map(|(table, placed)| format!("{table} {} {}", placed.chain, placed.rule)).collect::<Vec<_>>()
        };
        assert!(missing(&then, &then).is_empty());
        let x = "nat X -p tcp -m tcp --dport 1 -j A";
        assert_eq!(of(""), ["nat OUTPUT -j A", "nat OUTPUT -j A", x]);
        assert_eq!(of("*nat\n-A X -p tcp --dport 1 -j A\n-A OUTPUT -j A\nCOMMIT\n"), ["nat OUTPUT -j A"]);
        assert_eq!(of("*filter\n-A OUTPUT -j A\n-A OUTPUT -j A\nCOMMIT\n").len(), 3);
    }
}
