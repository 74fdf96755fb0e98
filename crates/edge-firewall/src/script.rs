//! Makes the input for `iptables-restore --noflush` that changes the rules of one owner in a table.

use std::collections::HashMap;
use std::fmt::Write;

use crate::owned::{Owned, OwnedChain, Placed, same_chains, same_rules};
use crate::owner::Owner;
use crate::save::Table;

/// The script that changes what the owner has in a table to `desired`; `None` if nothing differs.
///
/// It is one transaction that names only chains and rules of the owner, so that rules of other owners keep their places
/// and counters. `name` is the name of the table, which need not exist yet. It is for
/// `iptables-restore --noflush --counters`, so that restored rules get their counters back. The counters of policies in
/// x_tables are lost with any change of a table by any program.
pub fn script(name: &str, table: Option<&Table<'_>>, owner: &Owner, desired: &Owned) -> Option<String> {
    let now = Owned::of(table, owner);
    let (gone, mut added) = now.compared(desired);
    let (have, want) = (now.by_name(), desired.by_name());
    if gone.is_empty() && added.is_empty() && same_chains(&have, &want) {
        return None;
    }
    let mut lines = vec![format!("*{name}")];
    // A chain can be deleted only without jumps to it, and a jump needs its chain.
    lines.extend(gone.iter().map(|placed| line("-D", placed)));
    let is_so = |chain: &OwnedChain| have.get(chain.name.as_str()).is_some_and(|rules| same_rules(rules, &chain.rules));
    let changed: Vec<&OwnedChain> = desired.chains.iter().filter(|chain| !is_so(chain)).collect();
    lines.extend(changed.iter().map(|chain| format!(":{} - [0:0]", chain.name)));
    for chain in changed {
        lines.extend(chain.rules.iter().map(|rule| format!("-A {} {rule}", chain.name)));
    }
    let names = now.chains.iter().map(|chain| chain.name.as_str());
    let dropped: Vec<&str> = names.filter(|name| !want.contains_key(name)).collect();
    lines.extend(dropped.iter().map(|name| format!(":{name} - [0:0]")));
    lines.extend(dropped.iter().map(|name| format!("-X {name}")));

    added.sort_by_key(|placed| placed.position.unwrap_or(usize::MAX));
    let mut counts = Counts::of(table, &gone);
    for placed in added {
        let next = counts.next(&placed.chain);
        lines.push(match placed.position.filter(|position| *position < next) {
            Some(position) => with_counters(placed, &format!("-I {} {position}", placed.chain)),
            None => with_counters(placed, &format!("-A {}", placed.chain)),
        });
    }
    lines.push("COMMIT".to_owned());
    lines.push(String::new());
    Some(lines.join("\n"))
}

fn line(verb: &str, placed: &Placed) -> String {
    format!("{verb} {} {}", placed.chain, placed.rule)
}

fn with_counters(placed: &Placed, front: &str) -> String {
    let mut line = String::new();
    if let Some(counters) = &placed.counters {
        // Writing to a String cannot fail.
        let _ = write!(line, "{counters} ");
    }
    let _ = write!(line, "{front} {}", placed.rule);
    line
}

/// The number of rules in each chain while the script removes and adds rules.
struct Counts<'a> {
    rules: HashMap<&'a str, usize>,
}

impl<'a> Counts<'a> {
    fn of(table: Option<&Table<'a>>, gone: &[&Placed]) -> Counts<'a> {
        let mut rules: HashMap<&str, usize> = HashMap::new();
        let (mut chain, mut count) = ("", 0);
        for rule in table.iter().flat_map(|table| table.rules()) {
            // The rules of a chain are printed together: one lookup for each chain.
            if rule.chain != chain {
                *rules.entry(chain).or_default() += count;
                (chain, count) = (rule.chain, 0);
            }
            count += 1;
        }
        *rules.entry(chain).or_default() += count;
        for placed in gone {
            if let Some(count) = rules.get_mut(placed.chain.as_str()) {
                *count -= 1;
            }
        }
        Counts { rules }
    }

    /// The position after the last rule, for the next one.
    fn next(&mut self, chain: &str) -> usize {
        // In an empty chain they are appended in order.
        self.rules.get_mut(chain).map_or(1, |count| {
            *count += 1;
            *count
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::owned::OwnedChain;
    use crate::owner::Name;
    use crate::save::Save;
    use proptest::prelude::*;

    fn owner() -> Owner {
        Owner { chains: vec![Name::Exactly("OWN".into())], ..Owner::default() }
    }

    fn desired(rules: &[&str]) -> Owned {
        let placed = Placed { chain: "OUTPUT".into(), position: None, rule: "-p tcp -j OWN".into(), counters: None };
        let chain = OwnedChain { name: "OWN".into(), rules: rules.iter().map(|rule| (*rule).to_owned()).collect() };
        Owned { chains: vec![chain], placed: vec![placed] }
    }

    fn run(save: &str, owner: &Owner, desired: &Owned) -> Option<String> {
        script("nat", Save::parse(save).unwrap().table("nat"), owner, desired)
    }

    const EMPTY: &str = "*nat\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -j OTHER\nCOMMIT\n";
    const THERE: &str = "*nat\n:OUTPUT ACCEPT [0:0]\n:OWN - [0:0]\n-A OUTPUT -p tcp -j OWN\n-A OUTPUT -j OTHER\n-A OWN -j ONE\nCOMMIT\n";

    #[test]
    fn script_appends_missing_rules() {
        for save in [EMPTY, ""] {
            assert_eq!(
                run(save, &owner(), &desired(&["-j ONE"])).unwrap(),
                "*nat\n:OWN - [0:0]\n-A OWN -j ONE\n-A OUTPUT -p tcp -j OWN\nCOMMIT\n"
            );
        }
        assert_eq!(run(THERE, &owner(), &desired(&["-j ONE"])), None);
    }

    #[test]
    fn script_keeps_the_jump_when_the_chain_changes() {
        assert_eq!(run(THERE, &owner(), &desired(&["-j TWO"])).unwrap(), "*nat\n:OWN - [0:0]\n-A OWN -j TWO\nCOMMIT\n");
    }

    #[test]
    fn script_removes_jumps_first_with_duplicates() {
        let twice = THERE.replace("-A OUTPUT -p tcp -j OWN\n", "-A OUTPUT -p tcp -j OWN\n-A OUTPUT -p tcp -j OWN\n");
        assert_eq!(
            run(&twice, &owner(), &Owned::default()).unwrap(),
            "*nat\n-D OUTPUT -p tcp -j OWN\n-D OUTPUT -p tcp -j OWN\n:OWN - [0:0]\n-X OWN\nCOMMIT\n"
        );
        assert_eq!(run(&twice, &owner(), &desired(&["-j ONE"])).unwrap(), "*nat\n-D OUTPUT -p tcp -j OWN\nCOMMIT\n");
        assert_eq!(run(EMPTY, &owner(), &Owned::default()), None);
    }

    #[test]
    fn script_restores_positions_and_counters() {
        let before = "*nat\n:OUTPUT ACCEPT [0:0]\n[1:2] -A OUTPUT -j A\n[0:0] -A OUTPUT -j B\n[3:4] -A OUTPUT -j A\n[5:6] -A OUTPUT -j A\nCOMMIT\n";
        let owner = Owner { rules: vec![("OUTPUT".into(), "-j A".into())], ..Owner::default() };
        let save = Save::parse(before).unwrap();
        let had = Owned::of(save.table("nat"), &owner);
        let without = "*nat\n:OUTPUT ACCEPT [0:0]\n[0:0] -A OUTPUT -j B\nCOMMIT\n";
        assert_eq!(
            run(without, &owner, &had).unwrap(),
            "*nat\n[1:2] -I OUTPUT 1 -j A\n[3:4] -A OUTPUT -j A\n[5:6] -A OUTPUT -j A\nCOMMIT\n"
        );
        // At the end if the chain is shorter now.
        let empty = "*nat\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n";
        assert!(!run(empty, &owner, &had).unwrap().contains("-I"));
    }

    proptest! {
        /// Every line between the first and the last names an owned chain, or a rule that jumps to one.
        #[test]
        fn script_names_only_owned_rules(
            rules in prop::collection::vec(("OUTPUT|PREROUTING|OTHER|OWN", "-p (tcp|udp) -j (OWN|OTHER|ACCEPT)"), 0..12),
            own in prop::collection::vec("-j (ONE|TWO)", 0..3),
            remove in any::<bool>(),
        ) {
            let mut rules = rules;
            rules.sort();
            let mut text = "*nat\n:OUTPUT ACCEPT [0:0]\n:PREROUTING ACCEPT [0:0]\n:OTHER - [0:0]\n:OWN - [0:0]\n".to_owned();
            for (chain, rule) in &rules {
                text += &format!("-A {chain} {rule}\n");
            }
            text += "COMMIT\n";
            let own: Vec<&str> = own.iter().map(String::as_str).collect();
            let desired = if remove { Owned::default() } else { desired(&own) };
            if let Some(script) = run(&text, &owner(), &desired) {
                for line in script.lines().filter(|line| !["*nat", "COMMIT"].contains(line)) {
                    let is_own = line.starts_with(":OWN ") || line.starts_with("-A OWN ") || line == "-X OWN";
                    prop_assert!(is_own || line.ends_with(" -j OWN"), "{}", line);
                }
            }
        }
    }
}
