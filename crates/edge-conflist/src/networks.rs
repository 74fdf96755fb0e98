//! The routes and addresses of the running host, as far as a network of pods can be in their way.

use edge_host::{Host, Result};
use edge_link::{MAIN_TABLE, Snapshot};
use ipnet::IpNet;

/// The host's networks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Networks {
    /// Its routes.
    pub routes: Vec<Route>,
    /// Its addresses.
    pub addresses: Vec<Address>,
    /// Its links.
    pub links: Vec<Link>,
}

/// A link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its name.
    pub name: String,
    /// Its kind as `ip -d link` shows it, such as `bridge` or `veth`; none of hardware.
    pub kind: Option<String>,
}

impl Link {
    /// A link.
    pub fn new(name: &str, kind: Option<&str>) -> Link {
        Link { name: name.to_owned(), kind: kind.map(str::to_owned) }
    }
}

/// A route of the main table; default routes are left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The destination.
    pub to: IpNet,
    /// Its link, where it has one.
    pub link: Option<String>,
}

/// An address of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The address, with the prefix length of its subnet.
    pub address: IpNet,
    /// The link that has it.
    pub link: String,
}

/// Reads routes and addresses; none of an image, where they are unknown.
pub fn networks(host: &Host) -> Result<Option<Networks>> {
    if host.root.is_live() { Snapshot::read().map(|read| Some(relevant(&read))) } else { Ok(None) }
}

fn relevant(read: &Snapshot) -> Networks {
    let name = |index: u32| read.link(index).map(|link| link.name.clone());
    let routes = read.routes.iter().filter(|route| route.table == MAIN_TABLE && !route.is_default());
    let addresses = read.addresses.iter();
    Networks {
        routes: routes.map(|route| Route { to: route.to, link: route.links.first().copied().and_then(name) }).collect(),
        addresses: addresses.filter_map(|one| Some(Address { address: one.address, link: name(one.link)? })).collect(),
        links: read.links.iter().map(|link| Link::new(&link.name, link.kind.as_deref())).collect(),
    }
}
