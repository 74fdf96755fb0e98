//! From what an owner has to what it shall have: one table's input for `iptables-restore --noflush`.

use std::collections::HashMap;
use std::fmt::Write;

use crate::owned::{Owned, OwnedChain, Placed, same_chains, same_rules};
use crate::owner::Owner;
use crate::save::Table;

/// The script that makes `wanted` out of what the owner has in a table; `None` where it has that already.
///
/// It is one transaction, and it names only what is owned: no foreign rule changes its place among
/// the others and no foreign counter is reset. `name` is the table's, which need not be there yet.
/// Made for `iptables-restore --noflush --counters`, so that a rule that comes back keeps what it
/// had counted. What no program can keep are the counters of the policies in x_tables: they begin at
/// zero with every change of a table, whoever makes it.
pub fn script(name: &str, table: Option<&Table<'_>>, owner: &Owner, wanted: &Owned) -> Option<String> {
    let now = Owned::of(table, owner);
    let (gone, mut added) = now.compared(wanted);
    let (have, want) = (now.by_name(), wanted.by_name());
    if gone.is_empty() && added.is_empty() && same_chains(&have, &want) {
        return None;
    }
    let mut lines = vec![format!("*{name}")];
    // A chain can only go when nothing leads there any more, and be led to when it is there.
    lines.extend(gone.iter().map(|placed| line("-D", placed)));
    let is_so = |chain: &OwnedChain| have.get(chain.name.as_str()).is_some_and(|rules| same_rules(rules, &chain.rules));
    let changed: Vec<&OwnedChain> = wanted.chains.iter().filter(|chain| !is_so(chain)).collect();
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

/// How many rules a chain has, while some go and some come.
struct Counts<'a> {
    rules: HashMap<&'a str, usize>,
}

impl<'a> Counts<'a> {
    fn of(table: Option<&Table<'a>>, gone: &[&Placed]) -> Counts<'a> {
        let mut rules: HashMap<&str, usize> = HashMap::new();
        let (mut chain, mut count) = ("", 0);
        for rule in table.iter().flat_map(|table| table.rules()) {
            // The rules of a chain stand one behind the other: one look for each chain.
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

    /// The place behind the last rule, which the next one takes or moves by one.
    fn next(&mut self, chain: &str) -> usize {
        // Whether more than one comes into an empty chain makes no difference: they come in order.
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

    fn wanted(rules: &[&str]) -> Owned {
        let placed = Placed { chain: "OUTPUT".into(), position: None, rule: "-p tcp -j OWN".into(), counters: None };
        let chain = OwnedChain { name: "OWN".into(), rules: rules.iter().map(|rule| (*rule).to_owned()).collect() };
        Owned { chains: vec![chain], placed: vec![placed] }
    }

    fn run(save: &str, owner: &Owner, wanted: &Owned) -> Option<String> {
        script("nat", Save::parse(save).unwrap().table("nat"), owner, wanted)
    }

    const EMPTY: &str = "*nat\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -j OTHER\nCOMMIT\n";
    const THERE: &str = "*nat\n:OUTPUT ACCEPT [0:0]\n:OWN - [0:0]\n-A OUTPUT -p tcp -j OWN\n-A OUTPUT -j OTHER\n-A OWN -j ONE\nCOMMIT\n";

    #[test]
    fn what_is_missing_is_added_at_the_end() {
        for save in [EMPTY, ""] {
            assert_eq!(
                run(save, &owner(), &wanted(&["-j ONE"])).unwrap(),
                "*nat\n:OWN - [0:0]\n-A OWN -j ONE\n-A OUTPUT -p tcp -j OWN\nCOMMIT\n"
            );
        }
        assert_eq!(run(THERE, &owner(), &wanted(&["-j ONE"])), None);
    }

    #[test]
    fn a_jump_that_is_there_is_not_touched_when_the_chain_changes() {
        assert_eq!(run(THERE, &owner(), &wanted(&["-j TWO"])).unwrap(), "*nat\n:OWN - [0:0]\n-A OWN -j TWO\nCOMMIT\n");
    }

    #[test]
    fn everything_goes_jump_first_and_duplicates_too() {
        let twice = THERE.replace("-A OUTPUT -p tcp -j OWN\n", "-A OUTPUT -p tcp -j OWN\n-A OUTPUT -p tcp -j OWN\n");
        assert_eq!(
            run(&twice, &owner(), &Owned::default()).unwrap(),
            "*nat\n-D OUTPUT -p tcp -j OWN\n-D OUTPUT -p tcp -j OWN\n:OWN - [0:0]\n-X OWN\nCOMMIT\n"
        );
        assert_eq!(run(&twice, &owner(), &wanted(&["-j ONE"])).unwrap(), "*nat\n-D OUTPUT -p tcp -j OWN\nCOMMIT\n");
        assert_eq!(run(EMPTY, &owner(), &Owned::default()), None);
    }

    #[test]
    fn what_comes_back_takes_its_old_place_and_counters() {
        let before = "*nat\n:OUTPUT ACCEPT [0:0]\n[1:2] -A OUTPUT -j A\n[0:0] -A OUTPUT -j B\n[3:4] -A OUTPUT -j A\n[5:6] -A OUTPUT -j A\nCOMMIT\n";
        let owner = Owner { rules: vec![("OUTPUT".into(), "-j A".into())], ..Owner::default() };
        let save = Save::parse(before).unwrap();
        let had = Owned::of(save.table("nat"), &owner);
        let without = "*nat\n:OUTPUT ACCEPT [0:0]\n[0:0] -A OUTPUT -j B\nCOMMIT\n";
        assert_eq!(
            run(without, &owner, &had).unwrap(),
            "*nat\n[1:2] -I OUTPUT 1 -j A\n[3:4] -A OUTPUT -j A\n[5:6] -A OUTPUT -j A\nCOMMIT\n"
        );
        // Where the chain has become shorter since, at its end.
        let empty = "*nat\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n";
        assert!(!run(empty, &owner, &had).unwrap().contains("-I"));
    }

    proptest! {
        /// Every line but the frame names an owned chain, or a rule that leads to one.
        #[test]
        fn nothing_foreign_is_named(
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
            let wanted = if remove { Owned::default() } else { wanted(&own) };
            if let Some(script) = run(&text, &owner(), &wanted) {
                for line in script.lines().filter(|line| !["*nat", "COMMIT"].contains(line)) {
                    let is_own = line.starts_with(":OWN ") || line.starts_with("-A OWN ") || line == "-X OWN";
                    prop_assert!(is_own || line.ends_with(" -j OWN"), "{}", line);
                }
            }
        }
    }
}
