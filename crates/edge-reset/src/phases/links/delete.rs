//! The actions: links of one phase share a batch, which the first of them carries out.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use edge_host::action::{Effect, EffectVerb};
use edge_host::{Error, Plan, Result};
use edge_link::{Address, Identity, Route, Snapshot};

use super::obstacle::obstacle;
use super::view::View;
use crate::item::Item;

/// What an item is in the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Thing {
    Link(Identity),
    Address(Address),
    Route(Route),
    /// Only named.
    Table,
}

/// Adds the actions, all of which are recorded together.
pub(super) fn plan(chosen: Vec<(&Item, Thing)>, plan: &mut Plan) {
    let links = chosen.iter().filter_map(|(_, thing)| match thing {
        Thing::Link(identity) => Some(identity.clone()),
        _ => None,
    });
    let batch = Rc::new(Batch { links: links.collect(), errors: OnceCell::new() });
    let count = chosen.len();
    for (at, (item, thing)) in chosen.into_iter().enumerate() {
        let perform: Box<dyn FnOnce() -> Result<()>> = match thing {
            Thing::Link(identity) => {
                let batch = Rc::clone(&batch);
                Box::new(move || batch.deleted(&identity))
            }
            Thing::Address(address) => Box::new(move || address.delete()),
            Thing::Route(route) => Box::new(move || route.delete()),
            Thing::Table => continue,
        };
        let effect = Effect { verb: EffectVerb::Delete, object: item.object.clone(), perform };
        let action = plan.effect(effect, item.why());
        action.with_next = at + 1 < count;
        item.tag(action);
    }
}

/// The links that are deleted together.
struct Batch {
    links: Vec<Identity>,
    errors: OnceCell<Result<BTreeMap<u32, Error>>>,
}

impl Batch {
    /// Whether a link was deleted; the first call deletes all of them.
    fn deleted(&self, link: &Identity) -> Result<()> {
        match self.errors.get_or_init(|| self.delete()) {
            Ok(errors) => errors.get(&link.index).cloned().map_or(Ok(()), Err),
            Err(error) => Err(error.clone()),
        }
    }

    /// Looks once more for what depends on them, and deletes the others.
    fn delete(&self) -> Result<BTreeMap<u32, Error>> {
        let view = View::of(Snapshot::read()?);
        let mut going: BTreeSet<u32> = self.links.iter().map(|link| link.index).collect();
        let mut errors = BTreeMap::new();
        loop {
            let refused = self.links.iter().filter(|link| going.contains(&link.index)).find_map(|link| {
                let (why, hint) = obstacle(&view, view.link(link.index)?, &going)?;
                Some((link, Error::refused(format!("cannot delete {}: {why}", link.name)).hint(hint)))
            });
            let Some((link, error)) = refused else { break };
            going.remove(&link.index);
            errors.insert(link.index, error);
        }
        let links: Vec<Identity> = self.links.iter().filter(|link| going.contains(&link.index)).cloned().collect();
        errors.extend(edge_link::delete(&links)?);
        Ok(errors)
    }
}
