//! Sets of addresses, which rules of kube-proxy and calico use.

use std::cell::Cell;
use std::collections::{BTreeSet, HashSet};
use std::rc::Rc;

use edge_firewall::Seen;
use edge_host::{Cmd, Error, Result};

use super::data::{self, Data};
use super::saves::Saves;
use super::table::Kept;
use super::{Part, delete};
use crate::item::{Fate, Item};
use crate::phase::Phase;

const PROGRAM: &str = "ipset";
/// The limit of its output: a few lines for each set.
const LARGEST: usize = 16 << 20;
/// That of `ipset save`, with the members of everyone's sets.
const LARGEST_SAVE: usize = 64 << 20;
/// The option of a rule that names one.
const USED: &str = "--match-set ";
const RESTORE: &str = "ipset -exist restore -file";
const NO_SET: &str = "The set with the given name does not exist";
/// Messages of a kernel without sets.
const NO_SETS: [&str; 3] =
    ["Protocol not supported", "Kernel support protocol versions", "Cannot open session to kernel"];

/// A set.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Set {
    name: String,
    kind: String,
    references: u64,
}

/// Reads them; none without the program.
///
/// With `are_services_left` those that prove virtual services are kept; without `are_gone` they are not destroyed.
pub(super) fn read(
    data: &Data,
    are_services_left: bool,
    are_gone: &Rc<Cell<bool>>,
    saves: &mut Saves<'_>,
) -> Result<Part> {
    let Some(sets) = list()? else { return Ok(Part::new()) };
    let (mut names, mut creators, mut kept) = (Vec::new(), BTreeSet::new(), Kept::default());
    let mut proving = HashSet::new();
    for set in sets {
        let Some(rule) = data.sets.get(&set.name) else { continue };
        let like = rule.like.clone();
        let proves = |row: &data::Virtual| row.sets.contains(&set.name) || row.ports.contains(&set.name);
        if data.virtuals.iter().any(|row| proves(&row.own)) {
            proving.insert(set.name.clone());
        }
        if like.fate != Fate::Remove {
            kept.add(like, &set.name);
        } else if are_services_left && proving.contains(&set.name) {
            kept.add(like.kept("virtual services are found by it"), &set.name);
        } else if set.name.contains(char::is_whitespace) {
            kept.add(like.kept("its name has unusual characters"), &set.name);
        } else if rule.own.is_empty() || rule.own.contains(&set.kind) {
            creators.extend(like.creators);
            names.push(set.name);
        } else {
            kept.add(like.kept(format!("its type is {}", set.kind)), &set.name);
        }
    }
    let mut part: Part = kept.items("ipset", "the sets").into_iter().map(|item| (item, None)).collect();
    if !names.is_empty() {
        let item = Item::new(Phase::Firewall, "sets", PROGRAM, &[PROGRAM.as_bytes()]);
        let (count, s) = (names.len(), if names.len() == 1 { "" } else { "s" });
        let item = Item {
            object: format!("{count} set{s}"),
            creators: creators.into_iter().collect(),
            proofs: vec!["names and types of sets".to_owned()],
            ..item
        };
        let save = saves.of_other(PROGRAM, saved(&names)?, RESTORE)?;
        let (are_gone, copy) = (Rc::clone(are_gone), save.copy());
        let perform = move || {
            copy.must_exist()?;
            if are_gone.get() {
                return destroy(&names);
            }
            let (staying, going): (Vec<_>, Vec<_>) = names.into_iter().partition(|name| proving.contains(name));
            destroy(&going)?;
            match staying.is_empty() {
                true => Ok(()),
                false => {
                    Err(Error::cannot("destroy", staying.join(", "), "virtual services that it shows are still there"))
                }
            }
        };
        part.push((
            item,
            Some(Box::new(move |plan, item| {
                save.plan(true, item, plan);
                item.tag(delete(plan, item, Box::new(perform)));
            })),
        ));
    }
    Ok(part)
}

/// Without the program: rules use sets, which programs in containers make with their own.
pub(super) fn without_program(all: &[Seen]) -> Option<Item> {
    if Cmd::find(PROGRAM).is_ok() || !all.iter().any(|seen| seen.text.contains(USED)) {
        return None;
    }
    let item = Item::new(Phase::Firewall, "sets", "all", &[]);
    let item = Item { object: "the sets that rules use".to_owned(), is_leftover: true, ..item };
    let hint = Some("install ipset and run again: apt-get install ipset".to_owned());
    Some(Item { hint, ..item.kept("ipset is not installed, so their owner is unknown") })
}

/// Whether this is what it says where there is no set of that name, or where the kernel has none at all.
pub(super) fn is_absent(message: &str) -> bool {
    message.contains(NO_SET) || NO_SETS.iter().any(|one| message.contains(one))
}

fn list() -> Result<Option<Vec<Set>>> {
    let Ok(program) = Cmd::find(PROGRAM) else { return Ok(None) };
    let cmd = program.args(["list", "-terse"]).keep_output(LARGEST);
    let output = cmd.output()?;
    if !output.status.success() && is_absent(&output.stderr) {
        return Ok(None);
    }
    let text = cmd.succeeded(output)?.stdout;
    parse(&text)
        .map(Some)
        .ok_or_else(|| Error::cannot("parse", format!("the output of {}", cmd.shown()), "a set has no type"))
}

/// The sets of `ipset list -terse`; none for other output.
fn parse(text: &str) -> Option<Vec<Set>> {
    let blocks = text.split("\n\n").map(str::trim).filter(|block| !block.is_empty());
    blocks
        .map(|block| {
            let value = |key: &str| block.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
            let references = value("References")?.trim().parse().ok()?;
            Some(Set { name: value("Name")?.to_owned(), kind: value("Type")?.trim().to_owned(), references })
        })
        .collect()
}

/// The sets with what is in them, as `ipset restore` reads them.
fn saved(names: &[String]) -> Result<String> {
    let text = Cmd::find(PROGRAM)?.arg("save").keep_output(LARGEST_SAVE).run_whole()?.stdout;
    let names: HashSet<&str> = names.iter().map(String::as_str).collect();
    let is_of = |line: &&str| line.split(' ').nth(1).is_some_and(|name| names.contains(name));
    Ok(text.lines().filter(is_of).map(|line| format!("{line}\n")).collect())
}

/// Destroys sets in one call; those in use are left.
///
/// Errors: names the sets that are in use.
fn destroy(names: &[String]) -> Result<()> {
    let now = list()?.unwrap_or_default();
    let own = || now.iter().filter(|set| names.contains(&set.name));
    let script: String = own().filter(|set| set.references == 0).map(|set| format!("destroy {}\n", set.name)).collect();
    if !script.is_empty() {
        Cmd::find(PROGRAM)?.arg("restore").stdin(script).run()?;
    }
    let used: Vec<&str> = own().filter(|set| set.references > 0).map(|set| set.name.as_str()).collect();
    if used.is_empty() {
        return Ok(());
    }
    Err(Error::cannot("destroy", used.join(", "), "a rule or another set of others uses it")
        .hint("find the rule: iptables-save | grep match-set; nft list ruleset"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_parsed_and_other_output_refused() {
        let text = "Name: KUBE-CLUSTER-IP\nType: hash:ip,port\nRevision: 5\nHeader: family inet hashsize 1024 maxelem 65536\n\
            Size in memory: 208\nReferences: 2\nNumber of entries: 0\n\nName: a b\nType: bitmap:port\nReferences: 0\n";
        let sets = parse(text).unwrap();
        assert_eq!(
            (sets[0].name.as_str(), sets[0].kind.as_str(), sets[0].references),
            ("KUBE-CLUSTER-IP", "hash:ip,port", 2)
        );
        assert_eq!((sets[1].name.as_str(), sets[1].references), ("a b", 0));
        assert_eq!(parse("").unwrap(), []);
        for bad in ["hello", "Name: a\nType: b\n", "Name: a\nType: b\nReferences: x\n"] {
            assert!(parse(bad).is_none(), "{bad}");
        }
    }
}
