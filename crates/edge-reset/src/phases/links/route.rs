//! Routes that do not disappear with a link, and addresses of a link that remains.

use std::collections::BTreeSet;
use std::path::Path;

use edge_host::{Cmd, Host, Pattern, Result};
use edge_link::{Link, MAIN_TABLE, Route, RouteKind};
use ipnet::IpNet;
use serde::Deserialize;

use super::Found;
use super::delete::Thing;
use super::flannel::Flannel;
use super::view::View;
use crate::context::Context;
use crate::creator::Creator;
use crate::item::Item;
use crate::phase::Phase;

const CALICO: &str = "calico";
const CALICO_DIR: &str = "/var/lib/calico";
/// What edgecore 1.2 to 1.7 saved of the rules.
const EDGEMESH_SAVE: &str = "/run/edgemesh-iptables";
/// The programs that show the chain of EdgeMesh up to 1.8, and what they print of it.
const PROGRAMS: [&str; 2] = ["iptables-nft", "iptables-legacy"];
const EDGEMESH_CHAIN: &str = "EDGE-MESH";
/// The bridges on which it listened, beside those of networks of pods.
const DOCKER_BRIDGE: &str = "docker0";

/// Where a route comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Source {
    HostGw,
    Block,
    Edgemesh,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct RouteRow {
    source: Source,
    #[serde(default)]
    protocol: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct AddressRow {
    link: Vec<Pattern>,
    kind: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct TableRow {
    number: Vec<u32>,
}

pub(super) fn check(context: &Context) -> Result<()> {
    context.ownership.rows::<RouteRow>("route")?;
    context.ownership.rows::<AddressRow>("address")?;
    context.ownership.rows::<TableRow>("table").map(drop)
}

/// The routes, addresses and tables that match an entry; `links` are the links that do.
pub(super) fn found(
    host: &Host,
    context: &Context,
    view: &View,
    flannel: &Flannel,
    links: &[Found],
) -> Result<Vec<Found>> {
    let has_calico = context.networks.use_plugin(CALICO)
        || links.iter().any(|one| one.item.creators.contains(&Creator::from(CALICO)))
        || host.root.inode(Path::new(CALICO_DIR))?.is_some();
    let routes = Routes { context, view, flannel, links, has_calico };
    let mut found = routes.addresses()?;
    for row in context.ownership.rows::<RouteRow>("route")? {
        let mut own = routes.of(&row.own);
        if row.own.source == Source::Edgemesh && !own.is_empty() && !has_edgemesh(host)? {
            own.clear();
        }
        found.extend(own.into_iter().map(|(route, proof)| {
            let mut item = context.decide(route_item(route), &row.entry);
            item.proofs.push(proof);
            Found { item, thing: Thing::Route(route.clone()) }
        }));
    }
    found.extend(routes.tables()?);
    Ok(found)
}

struct Routes<'a> {
    context: &'a Context,
    view: &'a View,
    flannel: &'a Flannel,
    links: &'a [Found],
    has_calico: bool,
}

impl Routes<'_> {
    fn of(&self, row: &RouteRow) -> Vec<(&Route, String)> {
        // A route through a link that is deleted disappears with it; one through a link that is kept is kept.
        let through: BTreeSet<u32> = self.links.iter().filter_map(index).collect();
        let main = self.view.snapshot.routes.iter().filter(|route| route.table == MAIN_TABLE);
        let free = main.filter(|route| !route.links.iter().any(|link| through.contains(link)));
        match row.source {
            Source::HostGw => free.filter_map(|route| Some((route, self.host_gw(route)?))).collect(),
            Source::Block => {
                let blocks = free.filter(|route| self.has_calico && is_block(route, &row.protocol));
                blocks.map(|route| (route, "a block of calico's addresses".to_owned())).collect()
            }
            // It is through the very bridge.
            Source::Edgemesh => {
                let main = self.view.snapshot.routes.iter().filter(|route| route.table == MAIN_TABLE);
                main.filter_map(|route| Some((route, self.edgemesh(route)?))).collect()
            }
        }
    }

    /// The part of another node in flannel's network, through that node.
    fn host_gw(&self, route: &Route) -> Option<String> {
        let network = self.flannel.network_of(route.to)?;
        let is_own = self.flannel.subnets.iter().any(|own| own.contains(&route.to) || route.to.contains(own));
        let is_through_node = route.kind == RouteKind::Unicast && !route.gateways.is_empty();
        (is_through_node && !is_own && route.to != network).then(|| format!("in flannel's network {network}"))
    }

    /// A route to no network of this host, whose gateway is this host itself on a bridge.
    fn edgemesh(&self, route: &Route) -> Option<String> {
        let [gateway] = route.gateways.as_slice() else { return None };
        let bridge = route.links.first().and_then(|link| self.view.link(*link))?;
        let is_bridge = bridge.name == DOCKER_BRIDGE || self.context.networks.of_bridge(&bridge.name).is_some();
        let is_own = self.view.addresses(bridge.index).any(|own| own.addr() == *gateway);
        let is_elsewhere =
            self.view.snapshot.addresses.iter().all(|own| !own.address.trunc().contains(&route.to.addr()));
        (is_bridge && is_own && is_elsewhere && !route.is_default())
            .then(|| format!("its gateway is this host on {}, and the chain {EDGEMESH_CHAIN} exists", bridge.name))
    }

    fn addresses(&self) -> Result<Vec<Found>> {
        let mut found = Vec::new();
        for row in self.context.ownership.rows::<AddressRow>("address")? {
            let is_its =
                |link: &&Link| link.is(&row.own.kind) && row.own.link.iter().any(|own| own.matches(&link.name));
            for link in self.view.snapshot.links.iter().filter(is_its) {
                for address in self.view.snapshot.addresses_of(link.index) {
                    let Some(pool) = self.pool_of(address.address) else { continue };
                    let name = format!("{} of {}", address.address, link.name);
                    let identity = link.identity().to_string();
                    let item = Item::new(Phase::Links, "address", &name, &[name.as_bytes(), identity.as_bytes()]);
                    let item = Item { object: format!("address {name}"), ..item };
                    let mut item = self.context.decide(item, &row.entry);
                    item.proofs.push(format!("in {pool}, from which pods get addresses"));
                    found.push(Found { item, thing: Thing::Address(address.clone()) });
                }
            }
        }
        Ok(found)
    }

    /// The network of pods that an address is in.
    fn pool_of(&self, address: IpNet) -> Option<IpNet> {
        const PROTOCOLS: [u8; 2] = [12, 80];
        let routes = self.view.snapshot.routes.iter();
        let blocks = routes.filter(|route| self.has_calico && is_block(route, &PROTOCOLS)).map(|route| route.to);
        let subnets = self.context.networks.owned.iter().flat_map(|network| &network.subnets).copied();
        let mut pools = self.flannel.networks.iter().copied().chain(blocks).chain(subnets);
        pools.find(|pool| pool.contains(&address))
    }

    /// Tables that are named: those of programs of which a link was found.
    fn tables(&self) -> Result<Vec<Found>> {
        let mut found = Vec::new();
        for row in self.context.ownership.rows::<TableRow>("table")? {
            let is_its = |one: &Found| row.entry.creators.iter().any(|creator| one.item.creators.contains(creator));
            if !self.links.iter().any(is_its) {
                continue;
            }
            let used: BTreeSet<u32> = self.view.snapshot.routes.iter().map(|route| route.table).collect();
            for number in row.own.number.iter().filter(|number| used.contains(number)) {
                let name = format!("table {number}");
                let item = Item::new(Phase::Links, "table", &name, &[name.as_bytes()]);
                found.push(Found { item: self.context.decide(item, &row.entry), thing: Thing::Table });
            }
        }
        Ok(found)
    }
}

fn index(found: &Found) -> Option<u32> {
    match &found.thing {
        Thing::Link(identity) => Some(identity.index),
        _ => None,
    }
}

fn is_block(route: &Route, protocols: &[u8]) -> bool {
    route.kind == RouteKind::Blackhole && route.table == MAIN_TABLE && protocols.contains(&route.protocol)
}

fn route_item(route: &Route) -> Item {
    let gateways: Vec<String> = route.gateways.iter().map(|gateway| format!(" via {gateway}")).collect();
    let kind = if route.kind == RouteKind::Blackhole { "blackhole " } else { "" };
    let name = format!("route {kind}{}{}", route.to, gateways.concat());
    let identity = format!("{route:?}");
    Item::new(Phase::Links, "route", &name, &[identity.as_bytes()])
}

/// Whether the rules of EdgeMesh up to 1.8 are there, or were saved.
fn has_edgemesh(host: &Host) -> Result<bool> {
    if host.root.inode(Path::new(EDGEMESH_SAVE))?.is_some() {
        return Ok(true);
    }
    for program in PROGRAMS {
        let Ok(cmd) = Cmd::find(program) else { continue };
        let output = cmd.args(["-w", "5", "-t", "nat", "-S", EDGEMESH_CHAIN]).output()?;
        if output.stdout.lines().any(|line| line == format!("-N {EDGEMESH_CHAIN}")) {
            return Ok(true);
        }
    }
    Ok(false)
}
