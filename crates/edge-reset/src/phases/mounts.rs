//! Mounts below the roots, and namespaces.
//!
//! What is mounted is other data, so each mount goes alone, in the order in which the kernel lets them go, and is
//! identified again right before. One that has to stay keeps all that it is mounted on.

mod admin;
mod proof;
mod row;
mod source;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use edge_host::action::{Effect, EffectVerb};
use edge_host::{Error, Host, Mount, MountTree, Mounts, Plan, Result, Root, Unmount, quoted};

use self::admin::Admin;
use self::proof::Proofs;
use self::row::{MountRow, Place, places};
use super::PhaseFacts;
use crate::context::Context;
use crate::item::{Fate, Item};
use crate::ownership::{Entry, Row};
use crate::phase::Phase;

const NAMESPACE: &str = "nsfs";

/// An item, and how it is unmounted.
struct Found {
    item: Item,
    unmount: Unmount,
    /// The container whose processes may not be there any more.
    container: Option<String>,
}

struct MountFacts {
    items: Vec<Item>,
    found: Vec<Found>,
    root: Root,
}

pub(super) fn check(context: &Context) -> Result<()> {
    context.ownership.rows::<MountRow>("mount").map(drop)
}

pub(crate) fn read(host: &Host, context: &Context) -> Result<Option<Box<dyn PhaseFacts>>> {
    if !host.root.is_live() {
        return Ok(None);
    }
    context.roots.complete()?;
    let rows = context.ownership.rows::<MountRow>("mount")?;
    let places = places(host, context, &rows)?;
    let mounts = Mounts::read()?;
    let tree = mounts.tree();
    let search = Search {
        context,
        rows,
        places,
        proofs: Proofs::read(host, context, &tree)?,
        admin: Admin::read(host)?,
        tree: &tree,
        mounts: &mounts,
    };
    let found = search.all();
    let items = found.iter().map(|one| one.item.clone()).collect();
    Ok(Some(Box::new(MountFacts { items, found, root: host.root.try_clone()? })))
}

struct Search<'c> {
    context: &'c Context,
    rows: Vec<Row<MountRow>>,
    /// The directories of each row.
    places: Vec<Vec<Place>>,
    proofs: Proofs<'c>,
    admin: Admin,
    tree: &'c MountTree<'c>,
    mounts: &'c Mounts,
}

impl Search<'_> {
    fn all(&self) -> Vec<Found> {
        let mut names: BTreeMap<String, u32> = BTreeMap::new();
        let mut decided: Vec<(&Mount, Item, Option<String>)> = Vec::new();
        for mount in self.tree.post_order() {
            let Some((item, container)) = self.decide(mount) else { continue };
            // Of several at one point each has a name of its own.
            let count = names.entry(item.id.clone()).or_default();
            *count += 1;
            let id = if *count == 1 { item.id.clone() } else { format!("{}#{count}", item.id) };
            decided.push((mount, Item { id, ..item }, container));
        }
        self.keep_what_is_mounted_on(&mut decided);
        let kept = self.kept(&decided);
        let tops: Vec<PathBuf> = self.places.iter().flatten().map(|place| place.dir.clone()).collect();
        let found = decided.into_iter().map(|(mount, item, container)| {
            let unmount = Unmount::new(mount, &tops).except(&kept);
            let unmount = if mount.kind == NAMESPACE { unmount.and_remove_its_file() } else { unmount };
            let item = match unmount.refusal(self.tree).filter(|_| item.fate == Fate::Remove) {
                Some(error) => item.refused(error.cause(), error.hint_text().unwrap_or_default()),
                None => item,
            };
            Found { item, unmount, container }
        });
        found.collect()
    }

    /// A mount that an entry is about, or that is below the root of a kubelet; and the container that it is of.
    fn decide(&self, mount: &Mount) -> Option<(Item, Option<String>)> {
        let shown = mount.point.display().to_string();
        let item = Item::new(Phase::Mounts, "mount", &shown, &[mount.identity().as_bytes()]);
        let of_row = self.rows.iter().zip(&self.places).find_map(|(row, places)| {
            let place = places.iter().find(|place| row.own.matches(mount, place))?;
            Some((row, place))
        });
        let Some((row, place)) = of_row else { return Some((self.unknown(mount, item)?, None)) };
        let creators = if place.creators.is_empty() { row.entry.creators.clone() } else { place.creators.clone() };
        let item = self.context.decide(item, &Entry { creators, ..row.entry.clone() });
        if item.fate != Fate::Remove {
            return Some((item, None));
        }
        let item = Item { proofs: vec![place.proof(&row.own)], ..item };
        if let Some(why) = self.admin.keeps(&mount.point) {
            return Some((item.kept(why), None));
        }
        let named = row.own.named(mount, &place.dir);
        let item = match row.own.proof.map(|proof| self.proofs.judge(proof, mount, named.as_deref())) {
            Some(Err(why)) => return Some((item.kept(why), None)),
            Some(Ok(proof)) => Item { proofs: item.proofs.into_iter().chain(proof).collect(), ..item },
            None => item,
        };
        let container = named.filter(|_| row.own.is_of_container());
        let in_use = self.proofs.is_in_use(mount, container.as_deref());
        let depends_on = if in_use { Some(Phase::Pods) } else { None };
        let text = if item.text.is_empty() {
            source::of(mount, self.mounts, |other| !self.is_in_a_place(other))
        } else {
            item.text.clone()
        };
        Some((Item { text, depends_on, ..item }, container))
    }

    /// Whether it is strictly below a directory that an entry is about.
    fn is_in_a_place(&self, mount: &Mount) -> bool {
        self.places.iter().flatten().any(|place| is_below(&mount.point, &place.dir))
    }

    /// It is strictly below a root, and no entry is about it.
    fn unknown(&self, mount: &Mount, item: Item) -> Option<Item> {
        let is_below = |row: &Row<MountRow>, place: &Place| {
            row.own.is_of_root() && mount.point != place.dir && mount.point.starts_with(&place.dir)
        };
        let of = self.rows.iter().zip(&self.places);
        let is_in_root = of.into_iter().any(|(row, places)| places.iter().any(|place| is_below(row, place)));
        let is_root = self
            .rows
            .iter()
            .zip(&self.places)
            .any(|(row, places)| row.own.is_of_root() && places.iter().any(|place| place.dir == mount.point));
        if is_root {
            return Some(item.kept("it is mounted by the administrator; only what is in it is removed"));
        }
        is_in_root.then(|| match self.admin.keeps(&mount.point) {
            Some(why) => item.kept(why),
            None => item.kept("nothing shows that it was made for pods"),
        })
    }

    /// A mount stays if one on it stays.
    fn keep_what_is_mounted_on(&self, decided: &mut [(&Mount, Item, Option<String>)]) {
        let mut staying: HashSet<u32> = self.tree.post_order().iter().map(|mount| mount.id).collect();
        for (mount, item, _) in decided {
            let on = self.tree.children(mount).find(|child| staying.contains(&child.id));
            match on {
                Some(on) if item.fate == Fate::Remove => {
                    let on = on.point.display().to_string();
                    let hint = format!("if it is not needed, unmount it first (umount {})", quoted(&on));
                    let why = format!("{on} is mounted in it, and stays");
                    *item = item.clone().refused(why, hint);
                }
                None if item.fate == Fate::Remove => drop(staying.remove(&mount.id)),
                _ => {}
            }
        }
    }

    fn kept(&self, decided: &[(&Mount, Item, Option<String>)]) -> Vec<u32> {
        let removed: HashSet<u32> =
            decided.iter().filter(|(_, item, _)| item.fate == Fate::Remove).map(|(mount, ..)| mount.id).collect();
        self.mounts.iter().map(|mount| mount.id).filter(|id| !removed.contains(id)).collect()
    }
}

impl PhaseFacts for MountFacts {
    fn items(&self) -> &[Item] {
        &self.items
    }

    fn plan(self: Box<Self>, chosen: &[Item], plan: &mut Plan) -> Result<()> {
        let first = plan.actions.len();
        for one in self.found {
            let Some(item) = chosen.iter().find(|item| item.id == one.item.id) else { continue };
            let effect = match one.container {
                Some(container) => of_container(one.unmount, container, &item.object, self.root.try_clone()?),
                None => one.unmount.effect(),
            };
            item.tag(plan.effect(effect, item.why()));
        }
        if let Some((_, front)) = plan.actions.get_mut(first..).and_then(<[_]>::split_last_mut) {
            front.iter_mut().for_each(|action| action.with_next = true);
        }
        Ok(())
    }
}

/// The unmount of what a container uses as long as one of its processes lives, in its own mount namespace.
fn of_container(unmount: Unmount, container: String, object: &str, root: Root) -> Effect {
    let shown = object.to_owned();
    let perform = Box::new(move || match proof::process_of(&root, &container)? {
        None => unmount.run(),
        Some(process) => Err(Error::cannot("unmount", &shown, format!("{process} of its container lives"))
            .with_exit(edge_host::Exit::Refused)
            .hint("remove the container, then run the command again")),
    });
    Effect { verb: EffectVerb::Unmount, object: object.to_owned(), perform }
}

/// Whether a path is strictly below another.
fn is_below(path: &Path, top: &Path) -> bool {
    path != top && path.starts_with(top)
}
