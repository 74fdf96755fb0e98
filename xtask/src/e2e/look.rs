//! Inventories of the whole machine, and the differences between two.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};

/// Run in the machine; prints what [`Look::parse`] reads.
pub(super) const SCRIPT: &str = include_str!("../../data/e2e-look.sh");

/// Everything that a utility could leave: kind and name to state.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Look(BTreeMap<(String, String), String>);

/// An allowed difference, and its reason.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowed {
    pub(super) kind: &'static str,
    /// A name; one `*` in it matches anything.
    pub(super) name: &'static str,
    pub(super) because: Because,
}

/// Reason for a difference.
#[derive(Clone, Copy, Debug)]
pub(super) enum Because {
    /// It changes by itself, on an unused machine.
    Volatile,
    /// It is left on purpose; if it is missing, the list is wrong.
    Left(&'static str),
}

impl Allowed {
    fn covers(&self, kind: &str, name: &str) -> bool {
        let is_name = match self.name.split_once('*') {
            Some((beginning, end)) => name.starts_with(beginning) && name.ends_with(end),
            None => name == self.name,
        };
        self.kind == kind && is_name
    }
}

impl Look {
    /// Reads the script's output; none of its parts may be missing.
    pub(super) fn parse(text: &str) -> Result<Look> {
        let mut look = BTreeMap::new();
        for line in text.lines() {
            let mut fields = line.splitn(3, '\t');
            let (Some(kind), Some(name), Some(state)) = (fields.next(), fields.next(), fields.next()) else {
                bail!("cannot read a look at the machine: {line:?}");
            };
            look.insert((kind.to_owned(), name.to_owned()), state.to_owned());
        }
        for kind in ["file", "module", "sysctl", "link", "unit", "unit file"] {
            if !look.keys().any(|(found, _)| found == kind) {
                bail!("a look at the machine found no {kind} at all");
            }
        }
        Ok(Look(look))
    }

    /// How many entries it has.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The names of one kind.
    pub(super) fn names(&self, kind: &str) -> Vec<&str> {
        self.0.keys().filter(|(found, _)| found == kind).map(|(_, name)| name.as_str()).collect()
    }

    /// Differences that are not allowed, and missing leftovers.
    pub(super) fn differences(&self, after: &Look, allowed: &[Allowed]) -> Vec<String> {
        let keys: BTreeSet<_> = self.0.keys().chain(after.0.keys()).collect();
        let mut used = vec![false; allowed.len()];
        let mut differences = Vec::new();
        for key in keys {
            let (before, now) = (self.0.get(key), after.0.get(key));
            if before == now {
                continue;
            }
            let (kind, name) = key;
            match allowed.iter().position(|one| one.covers(kind, name)) {
                Some(index) => used[index] = true,
                None => {
                    let shown = |state: Option<&String>| state.map_or("none", String::as_str).to_owned();
                    differences.push(format!("{kind} {name}: {} -> {}", shown(before), shown(now)));
                }
            }
        }
        for (one, _) in allowed.iter().zip(used).filter(|(_, used)| !used) {
            if let Because::Left(why) = one.because {
                differences.push(format!("{} {}: as before, though listed as left there: {why}", one.kind, one.name));
            }
        }
        differences
    }
}

/// Fails if there are differences, with the first of them.
pub(super) fn same(differences: &[String], what: &str) -> Result<()> {
    const SHOWN: usize = 40;
    if differences.is_empty() {
        return Ok(());
    }
    let shown: String = differences.iter().take(SHOWN).map(|line| format!("\n  | {line}")).collect();
    bail!("{what}, in {} places:{shown}", differences.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    const REST: &str = "module\text4\tloaded\nsysctl\ta\t1\nlink\tlo\tthere\nunit\tx\ton\nunit file\tx\ton\n";

    fn look(files: &str) -> Look {
        Look::parse(&format!("{files}{REST}")).unwrap()
    }

    #[test]
    fn difference_is_named_with_both_states() {
        let before = look("file\tetc/a\tf 644 0:0 aa\nfile\tetc/b\tf 644 0:0 bb\n");
        let after = look("file\tetc/a\tf 600 0:0 aa\nfile\tetc/c d\tf 644 0:0 cc\n");
        assert_eq!(
            before.differences(&after, &[]),
            [
                "file etc/a: f 644 0:0 aa -> f 600 0:0 aa",
                "file etc/b: f 644 0:0 bb -> none",
                "file etc/c d: none -> f 644 0:0 cc"
            ]
        );
        assert!(before.differences(&before, &[]).is_empty());
    }

    #[test]
    fn leftovers_are_covered_by_kind_and_name_and_must_exist() {
        let [before, after] = ["file\tvar/log/x\t1\n", "file\tvar/log/x\t2\n"].map(look);
        let allowed = |kind, name| [Allowed { kind, name, because: Because::Left("a log") }];
        assert!(before.differences(&after, &allowed("file", "var/log/*")).is_empty());
        assert_eq!(before.differences(&after, &allowed("file", "var/log")).len(), 2);
        assert_eq!(before.differences(&after, &allowed("unit", "var/log/*")).len(), 2);
        assert_eq!(before.differences(&before, &allowed("file", "var/log/*")).len(), 1);
        let noise = [Allowed { kind: "file", name: "var/log/*", because: Because::Volatile }];
        assert!(before.differences(&before, &noise).is_empty());
    }

    #[test]
    fn look_that_saw_nothing_of_a_kind_is_no_look() {
        assert!(Look::parse("file\ta\tb\n").is_err());
        assert!(Look::parse("sh: find: not found\n").is_err());
    }
}
