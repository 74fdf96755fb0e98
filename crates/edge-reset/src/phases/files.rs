//! Directories, files and units on the disk.
//!
//! What configurations and units name is read from them by every phase and by a later call, so they go last: after a run
//! that was killed, the same command finds the same roots.

mod content;
mod directory;
mod entry;
mod finder;
mod named;
mod networks;
mod place;
mod proof;
mod unit_files;
pub(crate) mod volumes;

use std::collections::HashMap;

use edge_host::{Host, Plan, Result};
use edge_systemd::systemctl;

use self::finder::{Finder, Trees};
use super::PhaseFacts;
use crate::context::Context;
use crate::item::Item;

struct Facts {
    items: Vec<Item>,
    trees: Trees,
    /// Units whose files are removed, by item, and those of them that have failed.
    units: HashMap<String, UnitState>,
}

/// A unit whose file is removed, as systemd has it.
#[derive(Debug, Clone)]
pub(super) struct UnitState {
    name: String,
    has_failed: bool,
}

pub(super) fn check(context: &Context) -> Result<()> {
    directory::check(context)?;
    entry::check(context)?;
    networks::check(context)?;
    volumes::check(context)
}

pub(crate) fn read(host: &Host, context: &Context) -> Result<Option<Box<dyn PhaseFacts>>> {
    context.roots.complete()?;
    let mut finder = Finder::new(host, context)?;
    directory::read(&mut finder)?;
    entry::read(&mut finder)?;
    named::read(&mut finder)?;
    networks::read(&mut finder)?;
    let (units, lost) = unit_files::read(&mut finder)?;
    let (mut items, trees) = finder.finish()?;
    items.extend(lost);
    Ok(Some(Box::new(Facts { items, trees, units })))
}

impl PhaseFacts for Facts {
    fn items(&self) -> &[Item] {
        &self.items
    }

    fn plan(mut self: Box<Self>, chosen: &[Item], plan: &mut Plan) -> Result<()> {
        let mut failed = Vec::new();
        let mut last = None;
        for item in chosen {
            for tree in self.trees.remove(&item.id).unwrap_or_default() {
                item.tag(plan.remove_tree(tree, item.why()));
            }
            if let Some(unit) = self.units.remove(&item.id) {
                last = Some(item);
                failed.extend(unit.has_failed.then_some((item, unit.name)));
            }
        }
        if let Some(item) = last {
            item.tag(plan.run(systemctl::reload(), "units have been removed"));
        }
        for (item, name) in failed {
            item.tag(plan.run(systemctl::reset_failed(&name), "systemd still lists it"));
        }
        Ok(())
    }
}
