//! What must not be deleted although it is proven to be owned, because something else depends on it.

use std::collections::BTreeSet;

use edge_link::Link;

use super::Found;
use super::delete::Thing;
use super::view::View;
use crate::item::Fate;

const VETH: &str = "veth";

/// Why a link must not be deleted, and what to do.
pub(super) type Obstacle = (String, String);

/// Refuses what has an obstacle, until nothing that remains depends on something that goes.
pub(super) fn refuse(view: &View, found: &mut [Found]) {
    let mut refused = BTreeSet::new();
    for one in found.iter() {
        if let (Thing::Link(identity), Fate::Refuse) = (&one.thing, one.item.fate) {
            refused.insert(identity.index);
        }
    }
    loop {
        let going: BTreeSet<u32> = found.iter().filter_map(going).collect();
        let mut is_stable = true;
        for one in found.iter_mut() {
            let Some(link) = going_link(one, view) else { continue };
            if let Some((why, hint)) = obstacle(view, link, &going) {
                one.item = one.item.clone().refused(why, hint);
                refused.insert(link.index);
                is_stable = false;
            } else if let Some(master) = link.master.filter(|master| refused.contains(master)) {
                let name = view.link(master).map(|link| link.name.as_str()).unwrap_or_default();
                one.item = one.item.clone().kept(format!("its bridge {name} is not removed"));
                is_stable = false;
            }
        }
        if is_stable {
            return;
        }
    }
}

fn going(found: &Found) -> Option<u32> {
    match &found.thing {
        Thing::Link(identity) if found.item.fate == Fate::Remove => Some(identity.index),
        _ => None,
    }
}

fn going_link<'v>(found: &Found, view: &'v View) -> Option<&'v Link> {
    view.link(going(found)?)
}

/// Why a link must not be deleted together with these.
pub(super) fn obstacle(view: &View, link: &Link, going: &BTreeSet<u32>) -> Option<Obstacle> {
    let route = |name: &str| format!("if this host does not need it: ip route delete default dev {name}");
    if view.has_default_route(link.index) {
        return Some(("it has a default route of this host".to_owned(), route(&link.name)));
    }
    if let Some(member) = view.members(link.index).find(|member| view.has_default_route(member.index)) {
        return Some((format!("its member {} has a default route of this host", member.name), route(&member.name)));
    }
    let other = view.connected(link.index).find(|other| !going.contains(&other.index))?;
    let why = if other.is(VETH) && link.is(VETH) {
        format!("its other end, {}, would be deleted with it", other.name)
    } else {
        format!("{} depends on it and would be deleted with it", other.name)
    };
    Some((why, format!("if nothing uses that link: ip link delete dev {}", other.name)))
}
