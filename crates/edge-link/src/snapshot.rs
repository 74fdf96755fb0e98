//! Everything of a network namespace at one time.

use edge_host::{Result, ResultExt};
use rtnetlink::packet_route::AddressFamily;

use crate::address::Address;
use crate::link::Link;
use crate::route::Route;
use crate::socket::Socket;

/// The links, addresses and routes of a network namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Its links.
    pub links: Vec<Link>,
    /// Its addresses.
    pub addresses: Vec<Address>,
    /// The routes of all tables.
    pub routes: Vec<Route>,
}

impl Snapshot {
    /// Reads the network namespace of the caller.
    pub fn read() -> Result<Snapshot> {
        let mut socket = Socket::open().on("read", "the links of the kernel")?;
        let links = links(&mut socket)?;
        let addresses = socket.list(&Address::list(), &Address::parse).on("read", "the addresses of the kernel")?;
        let mut routes = Vec::new();
        for family in [AddressFamily::Inet, AddressFamily::Inet6] {
            routes.extend(socket.list(&Route::list(family), &Route::parse).on("read", "the routes of the kernel")?);
        }
        Ok(Snapshot { links, addresses, routes })
    }

    /// The link with an index.
    pub fn link(&self, index: u32) -> Option<&Link> {
        self.links.iter().find(|link| link.index == index)
    }

    /// The members of a bridge or bond.
    pub fn members_of(&self, index: u32) -> impl Iterator<Item = &Link> {
        self.links.iter().filter(move |link| link.master == Some(index))
    }

    /// The addresses of a link.
    pub fn addresses_of(&self, index: u32) -> impl Iterator<Item = &Address> {
        self.addresses.iter().filter(move |address| address.link == index)
    }
}

/// The links alone.
pub(crate) fn links(socket: &mut Socket) -> Result<Vec<Link>> {
    socket.list(&Link::list(), &Link::parse).on("read", "the links of the kernel")
}
