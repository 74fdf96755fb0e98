//! Tables that iptables cannot show, as they contain native nft rules: they are not empty.

use edge_firewall::{Backend, Family, HiddenPart, NftTable, Save, Seen, has_nft, nft_tables};
use edge_host::Result;

use super::data::Data;
use super::{place, shown};
use crate::item::{Fate, Item};
use crate::phase::Phase;

/// Families and tables of iptables in nf_tables.
const FAMILIES: [&str; 2] = ["ip", "ip6"];
const TABLES: [&str; 4] = ["nat", "filter", "mangle", "raw"];
const INSTALL: &str = "install iptables and run again: apt-get install iptables";

/// Without iptables: rules that programs in containers made may be there nevertheless.
pub(super) fn without_programs() -> Result<Option<Item>> {
    let item = Item::new(Phase::Firewall, "backend", "iptables", &[]);
    let Some(tables) = nft_tables()? else {
        let why = format!("neither iptables nor nft is installed, so its rules are unknown: {INSTALL}");
        return Ok(Some(Item { is_leftover: true, ..item.kept(why) }));
    };
    let is_of_iptables =
        |(family, name): &&(String, String)| FAMILIES.contains(&family.as_str()) && TABLES.contains(&name.as_str());
    Ok(tables.iter().find(is_of_iptables).map(|(family, name)| {
        item.refused(format!("there is a table {family} {name}, and iptables is not installed"), INSTALL)
    }))
}

/// Without nft: iptables shows only its own tables of nf_tables, and programs in containers bring an nft of their own.
pub(super) fn without_nft(all: &[Seen]) -> Option<Item> {
    if !all.iter().any(|seen| seen.backend == Backend::Nft) || has_nft() {
        return None;
    }
    let item = Item::new(Phase::Firewall, "backend", "nft", &[]);
    let item = Item { object: "tables of nf_tables other than those of iptables".to_owned(), ..item };
    let hint = Some("install nft and run again: apt-get install nftables".to_owned());
    Some(Item { hint, is_leftover: true, ..item.kept("nft is not installed, so whether there are any is unknown") })
}

/// An item for each of them: refused if it contains a chain that would be removed, or if that is unknown.
pub(super) fn items(seen: &Seen, save: &Save<'_>, data: &Data) -> Result<Vec<Item>> {
    let mut items = Vec::new();
    for hidden in save.hidden() {
        if seen.backend != Backend::Nft || hidden.what != HiddenPart::Whole {
            continue;
        }
        let family = if seen.family == Family::V4 { "ip" } else { "ip6" };
        let item = Item::new(Phase::Firewall, "table", &format!("{}/hidden", place(seen, hidden.table)), &[]);
        let item = Item { object: shown(seen, hidden.table), ..item };
        let list = format!("nft list table {family} {}", hidden.table);
        let remove = format!("see {list}, delete the native rules, and run again");
        let native = "it contains native nft rules, which iptables does not show";
        items.push(match NftTable::read(family, hidden.table) {
            Err(error) => item.refused(format!("{native}, and nft cannot read it: {}", error.message()), remove),
            Ok(table) => {
                let is_own = |name: &&String| data.chains.get(name).is_some_and(|rule| rule.like.fate == Fate::Remove);
                let own: Vec<&str> = table.chains.iter().filter(is_own).map(String::as_str).collect();
                let marked = table.rules.iter().filter(|rule| rule.has_hidden_comment).count();
                match own.first() {
                    Some(first) => {
                        let more = if own.len() > 1 { format!(" and {} more", own.len() - 1) } else { String::new() };
                        item.refused(format!("{native}, beside {first}{more}"), remove)
                    }
                    None if marked > 0 => {
                        item.refused(format!("{native}, and rules whose comments nft does not show"), remove)
                    }
                    None => item.kept(native),
                }
            }
        });
    }
    Ok(items)
}
