//! The tables that programs have in nf_tables for themselves.

use edge_firewall::{NftRemoval, NftTable, nft_script, nft_tables};
use edge_host::{Cmd, Result};

use super::data::Data;
use super::pods::{Pods, Whose, network_of_nft};
use super::{Job, Part, delete};
use crate::item::{Fate, Item};
use crate::phase::Phase;

/// Reads them.
pub(super) fn read(data: &Data, pods: &Pods<'_>) -> Result<Part> {
    // Without nft nobody has made such a table with it, but perhaps with libnftnl.
    let Some(present) = nft_tables()? else { return Ok(Part::new()) };
    let mut part = Part::new();
    for (family, name) in &present {
        for rule in &data.tables {
            if rule.own.name == *name && rule.own.families.contains(family) {
                let table = NftTable::read(family, name)?;
                part.push(whole(&table, &rule.like, &rule.own.chains, rule.own.by_network.then_some(pods))?);
            }
        }
        for rule in data.table_chains.iter().filter(|rule| rule.own.0 == *family && rule.own.1 == *name) {
            let table = NftTable::read(family, name)?;
            let is_named = |chain: &str| rule.own.2.get(chain).is_some();
            part.extend(chains(&table, &rule.like, &is_named, pods)?);
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

/// A table that is removed as a whole or, with networks, without the rules of others.
fn whole(table: &NftTable, like: &Item, chains: &[String], pods: Option<&Pods<'_>>) -> Result<(Item, Option<Job>)> {
    let item = item(table, like);
    if item.fate != Fate::Remove {
        return Ok((item, None));
    }
    if !chains.iter().all(|chain| table.chains.contains(chain)) {
        return Ok((item.kept("it has not the chains of that program"), None));
    }
    let (family, name) = (table.family.clone(), table.name.clone());
    let mut removals = vec![NftRemoval::Table { family: family.clone(), name: name.clone() }];
    let mut item = Item { proofs: vec!["its name".to_owned()], ..item };
    if let Some(pods) = pods {
        let (mut own, mut others) = (Vec::new(), 0);
        for rule in table.rules.iter().filter(|rule| rule.comment.is_some()) {
            let network = network_of_nft(pods, rule.comment.as_deref().unwrap_or_default());
            match network.map(|network| pods.network(network)) {
                Some(Whose::Pods) => own.push(rule),
                _ => others += 1,
            }
        }
        item.proofs = vec!["comments of its rules".to_owned()];
        if own.is_empty() {
            return Ok((item.kept("nothing says that its rules are for pods"), None));
        }
        if others > 0 {
            item.object = format!("{} rules in {}", own.len(), item.object);
            item.text = format!("{others} rules of others stay");
            let rule = |rule: &&edge_firewall::TableRule| NftRemoval::Rule {
                family: family.clone(),
                table: name.clone(),
                chain: rule.chain.clone(),
                handle: rule.handle,
            };
            removals = own.iter().map(rule).collect();
        }
    }
    Ok((item, Some(remove(&removals)?)))
}

/// Chains of containers in a table that stays, with the rules that jump to them.
fn chains(table: &NftTable, like: &Item, is_named: &dyn Fn(&str) -> bool, pods: &Pods<'_>) -> Result<Part> {
    let (family, name) = (table.family.clone(), table.name.clone());
    let mut removals = Vec::new();
    let is_of_pods = |rule: &&edge_firewall::TableRule| {
        let network = rule.comment.as_deref().and_then(|comment| network_of_nft(pods, comment));
        network.is_some_and(|network| pods.network(network) == Whose::Pods)
    };
    let own: Vec<&String> = table
        .chains
        .iter()
        .filter(|chain| is_named(chain) && table.rules.iter().filter(is_of_pods).any(|rule| rule.chain == **chain))
        .collect();
    for rule in table.rules.iter().filter(|rule| rule.target.as_ref().is_some_and(|target| own.contains(&target))) {
        let (family, table, chain) = (family.clone(), name.clone(), rule.chain.clone());
        removals.push(NftRemoval::Rule { family, table, chain, handle: rule.handle });
    }
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
        let object = format!("{} chains in {}", own.len(), item.object);
        part.push((Item { object, ..item }, Some(remove(&removals)?)));
    }
    Ok(part)
}

fn remove(removals: &[NftRemoval]) -> Result<Job> {
    let script = nft_script(removals)?;
    Ok(Box::new(move |plan, item| {
        let perform = Box::new(move || Cmd::of_script(&script)?.run().map(|_| ()));
        item.tag(delete(plan, item, perform));
    }))
}
