//! Deletes links, all of them by one message.
//!
//! The kernel waits for all processors after each message that deletes links, not for each link: 250 pairs in a bridge
//! take 13 s one by one, and 0.4 s as a group. So they get a group of their own, which nobody else uses.

use std::collections::BTreeMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io;

use edge_host::{Error, Exit, Result, ResultExt};

use crate::link::{Identity, Link};
use crate::snapshot::links;
use crate::socket::{Socket, is_gone};

/// Deletes links, if they are still the same. Returns the errors, by index: of every other one it was seen that it does
/// not exist any more.
pub fn delete(wanted: &[Identity]) -> Result<BTreeMap<u32, Error>> {
    let wanted: BTreeMap<u32, &Identity> = wanted.iter().map(|own| (own.index, own)).collect();
    let mut socket = Socket::open().on("read", "the links of the kernel")?;
    let mut errors = BTreeMap::new();
    let before = links(&mut socket)?;
    let chosen: Vec<&Link> = same(&before, &wanted, &mut errors);
    if chosen.is_empty() {
        return Ok(errors);
    }
    let group = unused_group(&before);
    for link in &chosen {
        if let Err(cause) = ignore_gone(socket.change(&Link::set_group(link.index, group))) {
            errors.insert(link.index, Error::io("delete", &link.name, &cause));
        }
    }
    // Only what was compared goes: a link may have been renamed, and another program may use the same group.
    let grouped: Vec<Link> = links(&mut socket)?.into_iter().filter(|link| link.group == group).collect();
    same(&grouped, &wanted, &mut errors);
    for link in grouped.iter().filter(|link| errors.contains_key(&link.index)) {
        ungroup(&mut socket, link, &before)?;
    }
    let is_ours = |link: &Link| wanted.contains_key(&link.index);
    let whole = if grouped.iter().all(is_ours) {
        ignore_gone(socket.change(&Link::delete_group(group))).is_ok()
    } else {
        false
    };
    // A link that cannot be deleted prevents the deletion of its group, and old kernels do not know groups.
    for link in grouped.iter().filter(|link| !whole && is_ours(link)) {
        if !errors.contains_key(&link.index)
            && let Err(cause) = ignore_gone(socket.change(&Link::delete_one(link.index)))
        {
            errors.insert(link.index, Error::io("delete", &link.name, &cause));
        }
    }
    for link in links(&mut socket)?.iter().filter(|link| is_ours(link)) {
        if link.group == group {
            ungroup(&mut socket, link, &before)?;
        }
        errors.entry(link.index).or_insert_with(|| Error::cannot("delete", &link.name, "it is still there"));
    }
    Ok(errors)
}

/// The links that are still what is to be deleted; an error for each index that is another link now.
fn same<'a>(
    present: &'a [Link],
    wanted: &BTreeMap<u32, &Identity>,
    errors: &mut BTreeMap<u32, Error>,
) -> Vec<&'a Link> {
    let mut found = Vec::new();
    for link in present {
        match wanted.get(&link.index) {
            Some(own) if **own == link.identity() => found.push(link),
            Some(own) => {
                let cause = format!("it has changed since it was read: it was {own}, and is {}", link.identity());
                errors.insert(link.index, Error::cannot("delete", &own.name, cause).with_exit(Exit::Refused));
            }
            None => {}
        }
    }
    found
}

/// Returns a link to the group that it had.
fn ungroup(socket: &mut Socket, link: &Link, before: &[Link]) -> Result<()> {
    let group = before.iter().find(|one| one.index == link.index).map_or(0, |one| one.group);
    ignore_gone(socket.change(&Link::set_group(link.index, group))).on("restore", format!("the group of {}", link.name))
}

fn ignore_gone(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(cause) if is_gone(&cause) => Ok(()),
        result => result,
    }
}

/// A random number that is not the group of any link.
fn unused_group(present: &[Link]) -> u32 {
    loop {
        let random = RandomState::new().build_hasher().finish();
        // The kernel keeps it as a signed number; 0 is the group of everything else.
        let group = u32::try_from(random >> 33).unwrap_or(0);
        if group != 0 && present.iter().all(|link| link.group != group) {
            return group;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_refuses_a_link_that_was_replaced() {
        let link = |index: u32, kind: &str| Link {
            index,
            name: format!("a{index}"),
            kind: Some(kind.to_owned()),
            ..Link::default()
        };
        let (one, two, three) = (link(1, "veth"), link(2, "veth"), link(3, "veth"));
        let all = [one.identity(), two.identity(), three.identity()];
        let wanted = all.iter().map(|own| (own.index, own)).collect();
        let renamed = Link { name: "b".to_owned(), ..two };
        let mut errors = BTreeMap::new();
        let present = [one, renamed, link(3, "bridge"), link(4, "veth")];
        assert_eq!(same(&present, &wanted, &mut errors), [&present[0]]);
        assert_eq!(errors.keys().collect::<Vec<_>>(), [&2, &3]);
        assert!(errors.values().all(|error| error.exit() == Exit::Refused));
        assert_eq!(
            errors[&3].message(),
            "cannot delete a3: it has changed since it was read: it was 3 veth, and is 3 bridge"
        );
    }

    #[test]
    fn unused_group_is_nobodys() {
        let used = Link { group: unused_group(&[]), ..Link::default() };
        assert_ne!(unused_group(std::slice::from_ref(&used)), used.group);
    }
}
