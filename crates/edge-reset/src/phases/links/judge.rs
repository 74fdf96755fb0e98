//! Which entry of the data a link matches, and whether it is removed.

use std::net::IpAddr;

use edge_host::{Pattern, Result};
use edge_link::Link;
use ipnet::IpNet;
use serde::Deserialize;

use super::Found;
use super::delete::Thing;
use super::flannel::Flannel;
use super::proof::{Evidence, Proof, Verdict};
use super::view::View;
use crate::context::Context;
use crate::item::{Fate, Item};
use crate::ownership::Row;
use crate::phase::Phase;

/// A `[[link]]` of the data, which explains the fields.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LinkRow {
    #[serde(default)]
    name: Vec<Pattern>,
    kind: Option<String>,
    #[serde(default)]
    proof: Vec<Proof>,
    #[serde(default)]
    address: Vec<IpNet>,
}

/// The kinds that have a word of their own in items.
const KINDS: [&str; 8] = ["bridge", "veth", "vxlan", "tun", "dummy", "ipip", "wireguard", "ifb"];

pub(super) fn check(context: &Context) -> Result<()> {
    context.ownership.rows::<LinkRow>("link").map(drop)
}

pub(super) struct Judge<'a> {
    pub(super) context: &'a Context,
    pub(super) view: &'a View,
    pub(super) flannel: &'a Flannel,
}

impl Judge<'_> {
    /// The links that match an entry.
    pub(super) fn links(&self) -> Result<Vec<Found>> {
        let rows: Vec<Row<LinkRow>> = self.context.ownership.rows("link")?;
        let judged =
            self.view.snapshot.links.iter().filter_map(|link| rows.iter().find_map(|row| self.judge(row, link)));
        Ok(judged.collect())
    }

    fn judge(&self, row: &Row<LinkRow>, link: &Link) -> Option<Found> {
        let own = &row.own;
        let is_named = own.name.iter().any(|pattern| pattern.matches(&link.name));
        if !(own.name.is_empty() || is_named) || own.kind.as_ref().is_some_and(|kind| !link.is(kind)) {
            return None;
        }
        let mut item = self.context.decide(item(link), &row.entry);
        if is_named {
            item.proofs.push(format!("its name and kind, {}", link.kind.as_deref().unwrap_or("hardware")));
        }
        let evidence = Evidence { networks: &self.context.networks, view: self.view, flannel: self.flannel };
        for proof in &own.proof {
            match evidence.look(*proof, link) {
                Verdict::Proven(text) => item.proofs.push(text),
                Verdict::Other => return None,
                Verdict::Missing(why) => item = item.kept(format!("it is not proven to be one of these: {why}")),
                Verdict::Kept(why) => item = item.kept(why),
                Verdict::Refused(why, hint) if item.fate == Fate::Remove => item = item.refused(why, hint),
                Verdict::Refused(..) => {}
            }
        }
        if !own.address.is_empty() {
            let is_in = |address: IpAddr| own.address.iter().any(|net| net.contains(&address));
            match self.view.all_addresses(link.index).find(|address| is_in(address.addr())) {
                Some(address) => item.proofs.push(format!("the address {address}")),
                None => item = item.kept("it is not proven to be one of these: it does not have the usual address"),
            }
        }
        Some(Found { item, thing: Thing::Link(link.identity()) })
    }
}

fn item(link: &Link) -> Item {
    let kind = KINDS.into_iter().find(|kind| link.is(kind)).unwrap_or("link");
    let identity = link.identity();
    let item = Item::new(Phase::Links, kind, &link.name, &[link.name.as_bytes(), identity.to_string().as_bytes()]);
    Item { object: format!("{kind} {}", link.name), ..item }
}
