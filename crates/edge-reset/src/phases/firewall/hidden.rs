//! Tables that iptables cannot show, as they contain native nft rules: they are not empty.

use edge_firewall::{Backend, Family, HiddenPart, NftTable, Save, Seen};
use edge_host::Result;

use super::data::Data;
use super::{place, shown};
use crate::item::{Fate, Item};
use crate::phase::Phase;

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
