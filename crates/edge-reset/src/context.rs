//! What is read once, before the first phase: configurations and units are removed by later phases.

use edge_host::{Host, Result};
use edge_systemd::{Scope, Units};

use crate::creator::{Creators, Keeper};
use crate::item::{Fate, Item};
use crate::networks::Networks;
use crate::ownership::{Entry, Ownership, Tier};
use crate::phases::{self, Renamed};
use crate::request::Request;
use crate::roots::Roots;

/// What all phases need.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) request: Request,
    pub(crate) ownership: Ownership,
    pub(crate) creators: Creators,
    /// Units of node agents that have other names.
    pub(crate) renamed: Vec<Renamed>,
    pub(crate) roots: Roots,
    pub(crate) networks: Networks,
    /// Whether pods remain, or may: their runtime then needs the files of their network to remove them.
    pub(crate) pods_remain: bool,
}

impl Context {
    pub(crate) fn read(host: &Host, request: Request) -> Result<Context> {
        let ownership = Ownership::read(&host.root)?;
        let units = Units::read(&host.root, Scope::Now)?;
        let renamed = Renamed::read(host, &units, &ownership)?;
        let creators = Creators::read(host, &units, &renamed)?;
        ownership.check(&creators)?;
        let roots = Roots::read(host, &units, &renamed);
        let networks = Networks::read(host, &ownership)?;
        let context = Context { request, ownership, creators, renamed, roots, networks, pods_remain: false };
        phases::check(&context)?;
        Ok(context)
    }

    /// An item of an entry, with the fate that its tier, its creators and the profile give it.
    pub(crate) fn decide(&self, item: Item, entry: &Entry) -> Item {
        let item = Item { creators: entry.creators.clone(), text: entry.text.clone(), ..item };
        match entry.tier {
            Tier::Kept => return Item { fate: Fate::Keep, ..item },
            Tier::Named => {
                return Item { fate: Fate::Keep, is_leftover: true, hint: entry.cleaner.clone(), ..item };
            }
            Tier::Removed => {}
        }
        match self.creators.keeper(&entry.creators, self.request.profile) {
            Keeper::None => item,
            Keeper::Uses(creator, shown) => item.kept(format!("{creator} uses it ({shown})")),
            Keeper::OtherProfile => item.kept("it belongs to another profile"),
        }
    }
}
