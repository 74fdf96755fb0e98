//! Links, addresses and routes.
//!
//! A link is known by its index, kind and attributes, and compared again right before it goes; all of them go by one
//! message. What would take the network of this host away is refused: a bridge with a member that is not of a pod, a
//! link with a default route, and a link on which another one depends.

mod delete;
mod flannel;
mod judge;
mod obstacle;
mod proof;
mod route;
mod view;

use edge_host::{Host, Plan, Result};
use edge_link::Snapshot;

use self::delete::Thing;
use self::flannel::Flannel;
use self::judge::Judge;
use self::view::View;
use super::PhaseFacts;
use crate::context::Context;
use crate::item::{Fate, Item};

/// What was found: an item, and what is deleted for it.
struct Found {
    item: Item,
    thing: Thing,
}

struct Links {
    items: Vec<Item>,
    things: Vec<Thing>,
}

pub(super) fn check(context: &Context) -> Result<()> {
    judge::check(context)?;
    route::check(context)
}

pub(crate) fn read(host: &Host, context: &Context) -> Result<Option<Box<dyn PhaseFacts>>> {
    if !host.root.is_live() {
        return Ok(None);
    }
    let view = View::of(Snapshot::read()?);
    let flannel = Flannel::read(host)?;
    let mut found = Judge { context, view: &view, flannel: &flannel }.links()?;
    obstacle::refuse(&view, &mut found);
    // Addresses and routes first: what proves them goes with the links.
    let mut all = route::found(host, context, &view, &flannel, &found)?;
    all.append(&mut found);
    let (items, things) = all.into_iter().map(|one| (one.item, one.thing)).unzip();
    Ok(Some(Box::new(Links { items, things })))
}

impl PhaseFacts for Links {
    fn items(&self) -> &[Item] {
        &self.items
    }

    fn plan(self: Box<Self>, chosen: &[Item], plan: &mut Plan) -> Result<()> {
        let is_chosen = |item: &Item| item.fate == Fate::Remove && chosen.iter().any(|one| one.id == item.id);
        let pairs = self.items.iter().zip(self.things);
        delete::plan(pairs.filter(|(item, _)| is_chosen(item)).collect(), plan);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
