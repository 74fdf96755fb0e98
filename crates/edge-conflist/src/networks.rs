//! Reads the routes and addresses of the running host from the kernel, over netlink.

use std::net::IpAddr;

use edge_host::{Host, Result, ResultExt};
use futures_util::TryStreamExt;
use ipnet::IpNet;
use rtnetlink::packet_route::address::AddressAttribute;
use rtnetlink::packet_route::link::{LinkAttribute, LinkInfo};
use rtnetlink::packet_route::route::{RouteAddress, RouteAttribute, RouteMessage};
use rtnetlink::{Handle, RouteMessageBuilder};

/// The table that `ip route` shows.
const MAIN_TABLE: u8 = 254;

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
    index: u32,
}

impl Link {
    /// A link whose index is not needed.
    pub fn new(name: &str, kind: Option<&str>) -> Link {
        Link { name: name.to_owned(), kind: kind.map(str::to_owned), index: 0 }
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
    if !host.root.is_live() {
        return Ok(None);
    }
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_io().build().on("read", "the routes of the kernel")?;
    runtime.block_on(query()).map(Some).on("read", "the routes of the kernel")
}

async fn query() -> std::result::Result<Networks, Box<dyn std::error::Error + Send + Sync>> {
    let (connection, handle, _) = rtnetlink::new_connection()?;
    tokio::spawn(connection);
    let links = links(&handle).await?;
    let name = |index: u32| links.iter().find(|link| link.index == index).map(|link| link.name.clone());
    let mut networks = Networks { links: links.clone(), ..Networks::default() };
    for message in [
        RouteMessageBuilder::<std::net::Ipv4Addr>::new().build(),
        RouteMessageBuilder::<std::net::Ipv6Addr>::new().build(),
    ] {
        let mut routes = handle.route().get(message).execute();
        while let Some(route) = routes.try_next().await? {
            networks.routes.extend(route_of(&route, &name));
        }
    }
    let mut addresses = handle.address().get().execute();
    while let Some(message) = addresses.try_next().await? {
        let address = message.attributes.iter().find_map(|attribute| match attribute {
            AddressAttribute::Address(address) => Some(*address),
            _ => None,
        });
        let address = address.and_then(|address| IpNet::new(address, message.header.prefix_len).ok());
        if let (Some(address), Some(link)) = (address, name(message.header.index)) {
            networks.addresses.push(Address { address, link });
        }
    }
    Ok(networks)
}

async fn links(handle: &Handle) -> std::result::Result<Vec<Link>, rtnetlink::Error> {
    let mut messages = handle.link().get().execute();
    let mut links = Vec::new();
    while let Some(message) = messages.try_next().await? {
        let mut link = Link { index: message.header.index, ..Link::new("", None) };
        for attribute in message.attributes {
            match attribute {
                LinkAttribute::IfName(name) => link.name = name,
                LinkAttribute::LinkInfo(infos) => {
                    link.kind = infos.iter().find_map(|info| match info {
                        LinkInfo::Kind(kind) => Some(kind.to_string()),
                        _ => None,
                    });
                }
                _ => {}
            }
        }
        links.push(link);
    }
    Ok(links)
}

fn route_of(message: &RouteMessage, name: &dyn Fn(u32) -> Option<String>) -> Option<Route> {
    if message.header.table != MAIN_TABLE || message.header.destination_prefix_length == 0 {
        return None;
    }
    let mut to = None;
    let mut link = None;
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Destination(RouteAddress::Inet(address)) => to = Some(IpAddr::V4(*address)),
            RouteAttribute::Destination(RouteAddress::Inet6(address)) => to = Some(IpAddr::V6(*address)),
            RouteAttribute::Oif(index) => link = name(*index),
            _ => {}
        }
    }
    Some(Route { to: IpNet::new(to?, message.header.destination_prefix_length).ok()?, link })
}
