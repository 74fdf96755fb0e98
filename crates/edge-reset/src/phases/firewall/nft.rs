//! The tables that programs have in nf_tables for themselves.

use edge_firewall::{NftRemoval, NftTable, TableRule, nft_script, nft_tables};
use edge_host::{Cmd, Error, Result};

use super::data::{Data, OwnTable};
use super::pods::{Pods, Whose, network_of_nft};
use super::saves::{Save, Saves};
use super::{Job, Part, delete};
use crate::item::{Fate, Item};
use crate::phase::Phase;

/// Restores what `nft list table` printed.
const RESTORE: &str = "nft -f";

/// Reads them.
pub(super) fn read(data: &Data, pods: &Pods<'_>, saves: &mut Saves<'_>) -> Result<Part> {
    // Without nft nobody has made such a table with it, but perhaps with libnftnl.
    let Some(present) = nft_tables()? else { return Ok(Part::new()) };
    let mut part = Part::new();
    for (family, name) in &present {
        for rule in &data.tables {
            if rule.own.name == *name && rule.own.families.contains(family) {
                let table = NftTable::read(family, name)?;
                part.push(whole(&table, &rule.like, &rule.own, pods, saves)?);
            }
        }
        for rule in data.table_chains.iter().filter(|rule| rule.own.0 == *family && rule.own.1 == *name) {
            let table = NftTable::read(family, name)?;
            let is_named = |chain: &str| rule.own.2.get(chain).is_some();
            part.extend(chains(&table, &rule.like, &is_named, pods, saves)?);
        }
    }
    Ok(part)
}

fn item(table: &NftTable, like: &Item) -> Item {
    let place = format!("nft/{}/{}", table.family, table.name);
    let item = Item::new(Phase::Firewall, "table", &place, &[place.as_bytes()]);
    let object = format!("table {} {}", table.family, table.name);
    Item { id: item.id, fingerprint: item.fingerprint, kind: "table", object, ..like.clone() }
}

/// A copy that cannot be made.
fn without_copy(item: Item, error: &Error) -> (Item, Option<Job>) {
    (item.refused(error.message(), error.hint_text().unwrap_or("repair nft, and run again")), None)
}

/// A table that is removed as a whole or, with networks, without the rules of others.
fn whole(
    table: &NftTable,
    like: &Item,
    own: &OwnTable,
    pods: &Pods<'_>,
    saves: &mut Saves<'_>,
) -> Result<(Item, Option<Job>)> {
    let item = item(table, like);
    if item.fate != Fate::Remove {
        return Ok((item, None));
    }
    let text = table.text()?;
    // The first lines are the table's own; the same text may be the comment of a rule.
    let has_comment = own.comment.as_ref().is_some_and(|comment| {
        text.lines().skip(1).take(2).any(|line| line.trim() == format!("comment \"{comment}\""))
    });
    if !own.chains.is_empty() && !has_comment && !own.chains.iter().any(|chain| table.chains.contains(chain)) {
        return Ok((item.kept("it does not have the chains of that program"), None));
    }
    let (family, name) = (table.family.clone(), table.name.clone());
    let mut removals = vec![NftRemoval::Table { family: family.clone(), name: name.clone() }];
    let mut item = Item { proofs: vec![if has_comment { "its comment" } else { "its name" }.to_owned()], ..item };
    if own.by_network {
        // What the plugins write anyway has no comment, and is in other chains than the rules of containers.
        let is_added = |rule: &&TableRule| rule.comment.is_some() || own.chains.contains(&rule.chain);
        let (of_pods, others): (Vec<_>, Vec<_>) =
            table.rules.iter().filter(is_added).partition(|rule| is_of_pods(rule, pods));
        if !of_pods.is_empty() {
            item.proofs = vec!["comments of its rules".to_owned()];
        }
        if of_pods.is_empty() && !others.is_empty() {
            return Ok((item.kept("nothing says that its rules are for pods"), None));
        }
        if !others.is_empty() {
            item.object = format!("{} rules in {}", of_pods.len(), item.object);
            item.text = format!("{} rules of others stay", others.len());
            removals = of_pods.into_iter().map(|rule| removal(table, rule)).collect();
        }
    } else if !own.known.is_empty() {
        let others: Vec<&str> =
            table.chains.iter().filter(|chain| own.known.get(chain).is_none()).map(String::as_str).collect();
        if let Some(first) = others.first() {
            let more = if others.len() > 1 { format!(" and {} more", others.len() - 1) } else { String::new() };
            item.text = format!("also removes chain {first}{more}, which that program did not create");
        }
    }
    match saves.of_other(&format!("nft-{family}-{name}"), text, RESTORE) {
        Ok(save) => Ok((item, Some(remove(&removals, save)?))),
        Err(error) => Ok(without_copy(item, &error)),
    }
}

fn removal(table: &NftTable, rule: &TableRule) -> NftRemoval {
    let (family, chain) = (table.family.clone(), rule.chain.clone());
    NftRemoval::Rule { family, table: table.name.clone(), chain, handle: rule.handle }
}

fn is_of_pods(rule: &TableRule, pods: &Pods<'_>) -> bool {
    let network = rule.comment.as_deref().and_then(|comment| network_of_nft(pods, comment));
    network.is_some_and(|network| pods.network(network) == Whose::Pods)
}

/// Chains of containers in a table that stays, with the rules that jump to them.
fn chains(
    table: &NftTable,
    like: &Item,
    is_named: &dyn Fn(&str) -> bool,
    pods: &Pods<'_>,
    saves: &mut Saves<'_>,
) -> Result<Part> {
    let (family, name) = (table.family.clone(), table.name.clone());
    let has_rules = |chain: &str| table.rules.iter().any(|rule| rule.chain == chain && is_of_pods(rule, pods));
    let own: Vec<&String> = table.chains.iter().filter(|chain| is_named(chain) && has_rules(chain)).collect();
    let jumps = |rule: &&TableRule| rule.target.as_ref().is_some_and(|target| own.contains(&target));
    let mut removals: Vec<NftRemoval> = table.rules.iter().filter(jumps).map(|rule| removal(table, rule)).collect();
    for chain in &own {
        removals.push(NftRemoval::Chain { family: family.clone(), table: name.clone(), name: (*chain).clone() });
    }
    let count = table.chains.iter().filter(|chain| is_named(chain)).count();
    let item = item(table, like);
    let kept = count - own.len();
    let mut part = Part::new();
    if kept > 0 {
        let other = Item {
            id: format!("{}/kept", item.id),
            object: format!("{kept} chains in {}", item.object),
            ..item.clone()
        };
        part.push((other.kept("nothing says that they are for pods"), None));
    }
    if item.fate == Fate::Remove && !own.is_empty() {
        let item = Item { object: format!("{} chains in {}", own.len(), item.object), ..item };
        part.push(match saves.of_other(&format!("nft-{family}-{name}"), table.text()?, RESTORE) {
            Ok(save) => (item, Some(remove(&removals, save)?)),
            Err(error) => without_copy(item, &error),
        });
    }
    Ok(part)
}

fn remove(removals: &[NftRemoval], save: Save) -> Result<Job> {
    let script = nft_script(removals)?;
    Ok(Box::new(move |plan, item| {
        let copy = save.copy();
        save.plan(true, item, plan);
        let perform = Box::new(move || {
            copy.must_exist()?;
            Cmd::of_script(&script)?.run().map(|_| ())
        });
        item.tag(delete(plan, item, perform));
    }))
}
