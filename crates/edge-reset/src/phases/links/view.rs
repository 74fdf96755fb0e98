//! A snapshot with what is looked up in it, so that the work grows with the number of links alone.

use std::collections::{BTreeMap, BTreeSet};

use edge_link::{Link, RouteKind, Snapshot};
use ipnet::IpNet;

#[derive(Debug, Default)]
pub(super) struct View {
    pub(super) snapshot: Snapshot,
    by_index: BTreeMap<u32, usize>,
    members: BTreeMap<u32, Vec<usize>>,
    /// Links by the one of this host that they are connected to.
    connected: BTreeMap<u32, Vec<usize>>,
    addresses: BTreeMap<u32, Vec<IpNet>>,
    defaults: BTreeSet<u32>,
}

impl View {
    pub(super) fn of(snapshot: Snapshot) -> View {
        let mut view = View::default();
        for (at, link) in snapshot.links.iter().enumerate() {
            view.by_index.insert(link.index, at);
            if let Some(master) = link.master {
                view.members.entry(master).or_default().push(at);
            }
            if let Some(peer) = link.peer.filter(|_| !link.is_peer_elsewhere) {
                view.connected.entry(peer).or_default().push(at);
            }
        }
        for address in &snapshot.addresses {
            view.addresses.entry(address.link).or_default().push(address.address);
        }
        let defaults = snapshot.routes.iter().filter(|route| route.is_default() && route.kind == RouteKind::Unicast);
        view.defaults.extend(defaults.flat_map(|route| &route.links));
        View { snapshot, ..view }
    }

    fn at<'v>(&'v self, map: &'v BTreeMap<u32, Vec<usize>>, index: u32) -> impl Iterator<Item = &'v Link> {
        map.get(&index).into_iter().flatten().filter_map(|at| self.snapshot.links.get(*at))
    }

    pub(super) fn link(&self, index: u32) -> Option<&Link> {
        self.snapshot.links.get(*self.by_index.get(&index)?)
    }

    pub(super) fn members(&self, index: u32) -> impl Iterator<Item = &Link> {
        self.at(&self.members, index)
    }

    /// The links of this host that go with a link: the other end of a veth, and a VLAN or tunnel on top of it.
    pub(super) fn connected(&self, index: u32) -> impl Iterator<Item = &Link> {
        self.at(&self.connected, index)
    }

    /// The addresses of a link that someone has given to it.
    pub(super) fn addresses(&self, index: u32) -> impl Iterator<Item = IpNet> {
        let all = self.addresses.get(&index).into_iter().flatten().copied();
        all.filter(|address| !is_link_local(*address))
    }

    /// All addresses of a link.
    pub(super) fn all_addresses(&self, index: u32) -> impl Iterator<Item = IpNet> {
        self.addresses.get(&index).into_iter().flatten().copied()
    }

    pub(super) fn has_default_route(&self, index: u32) -> bool {
        self.defaults.contains(&index)
    }
}

/// The address that the kernel gives to every link.
fn is_link_local(address: IpNet) -> bool {
    matches!(address, IpNet::V6(address) if address.addr().is_unicast_link_local())
}
