//! A route.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use edge_host::{Error, Result, ResultExt};
use ipnet::IpNet;
use rtnetlink::packet_core::Parseable;
use rtnetlink::packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteType, RouteVia,
};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::address::family;
use crate::socket::{Decoded, Socket, is_gone};

/// The table that `ip route` shows.
pub const MAIN_TABLE: u32 = RouteHeader::RT_TABLE_MAIN as u32;

/// What a route does with packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouteKind {
    /// Sends them on.
    Unicast,
    /// They are for this host.
    Local,
    /// Drops them.
    Blackhole,
    /// Anything else, by its number.
    Other(u8),
}

/// A route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Its destination; `0.0.0.0/0` or `::/0` of a default route.
    pub to: IpNet,
    /// Its gateways: several where it has several ways.
    pub gateways: Vec<IpAddr>,
    /// The indexes of its links.
    pub links: Vec<u32>,
    /// Its table: [`MAIN_TABLE`] unless someone has set another one.
    pub table: u32,
    /// Who added it: 2 the kernel, 3 at boot, 4 an administrator; 12 and 80 are bird and calico.
    pub protocol: u8,
    /// What it does.
    pub kind: RouteKind,
    scope: u8,
    priority: Option<u32>,
}

impl Route {
    /// Whether it is a default route.
    pub fn is_default(&self) -> bool {
        self.to.prefix_len() == 0
    }

    /// Deletes it. Errors: it has several ways, which are not compared.
    pub fn delete(&self) -> Result<()> {
        let shown = format!("the route to {}", self.to);
        if self.links.len() > 1 || self.gateways.len() > 1 {
            return Err(Error::cannot("delete", shown, "it has several gateways"));
        }
        let mut message = RouteMessage::default();
        message.header.address_family = family(&self.to);
        message.header.destination_prefix_length = self.to.prefix_len();
        message.header.table = u8::try_from(self.table).unwrap_or(RouteHeader::RT_TABLE_UNSPEC);
        message.header.protocol = self.protocol.into();
        message.header.scope = self.scope.into();
        message.header.kind = match self.kind {
            RouteKind::Unicast => RouteType::Unicast,
            RouteKind::Local => RouteType::Local,
            RouteKind::Blackhole => RouteType::BlackHole,
            RouteKind::Other(kind) => kind.into(),
        };
        let to = self.to.addr();
        message.attributes = vec![RouteAttribute::Destination(to.into()), RouteAttribute::Table(self.table)];
        message.attributes.extend(self.gateways.iter().map(|gateway| match *gateway {
            IpAddr::V6(gateway) if to.is_ipv4() => RouteAttribute::Via(RouteVia::Inet6(gateway)),
            gateway => RouteAttribute::Gateway(gateway.into()),
        }));
        // The kernel gives a blackhole of IPv6 the link lo, and does not accept it back.
        let links = self.links.iter().filter(|_| self.kind == RouteKind::Unicast);
        message.attributes.extend(links.copied().map(RouteAttribute::Oif));
        message.attributes.extend(self.priority.map(RouteAttribute::Priority));
        let request = RouteNetlinkMessage::DelRoute(message);
        match Socket::open().and_then(|mut socket| socket.change(&request)) {
            Err(cause) if is_gone(&cause) => Ok(()),
            result => result.on("delete", shown),
        }
    }

    pub(crate) fn list(family: AddressFamily) -> RouteNetlinkMessage {
        let mut message = RouteMessage::default();
        message.header.address_family = family;
        RouteNetlinkMessage::GetRoute(message)
    }

    pub(crate) fn parse(body: &[u8]) -> Decoded<Route> {
        let RouteMessage { header, attributes, .. } = RouteMessage::parse(body)?;
        // An entry of a cache.
        if header.flags.contains(RouteFlags::Cloned) {
            return Ok(None);
        }
        let any: IpAddr = match header.address_family {
            AddressFamily::Inet => Ipv4Addr::UNSPECIFIED.into(),
            _ => Ipv6Addr::UNSPECIFIED.into(),
        };
        let net = |to| IpNet::new(to, header.destination_prefix_length).map_err(|cause| cause.to_string());
        let mut route = Route {
            to: net(any)?,
            gateways: Vec::new(),
            links: Vec::new(),
            table: header.table.into(),
            protocol: header.protocol.into(),
            kind: match header.kind {
                RouteType::Unicast => RouteKind::Unicast,
                RouteType::Local => RouteKind::Local,
                RouteType::BlackHole => RouteKind::Blackhole,
                other => RouteKind::Other(other.into()),
            },
            scope: header.scope.into(),
            priority: None,
        };
        for attribute in attributes {
            match attribute {
                RouteAttribute::Destination(RouteAddress::Inet(to)) => route.to = net(to.into())?,
                RouteAttribute::Destination(RouteAddress::Inet6(to)) => route.to = net(to.into())?,
                RouteAttribute::Table(table) => route.table = table,
                RouteAttribute::Priority(priority) => route.priority = Some(priority),
                RouteAttribute::MultiPath(ways) => {
                    for way in ways {
                        route.links.push(way.interface_index);
                        way.attributes.iter().for_each(|own| route.add_way(own));
                    }
                }
                own => route.add_way(&own),
            }
        }
        Ok(Some(route))
    }

    fn add_way(&mut self, attribute: &RouteAttribute) {
        let gateway = match attribute {
            RouteAttribute::Oif(link) => return self.links.push(*link),
            RouteAttribute::Gateway(RouteAddress::Inet(own)) => IpAddr::V4(*own),
            RouteAttribute::Gateway(RouteAddress::Inet6(own)) => IpAddr::V6(*own),
            // A gateway of the other family.
            RouteAttribute::Via(RouteVia::Inet(own)) => IpAddr::V4(*own),
            RouteAttribute::Via(RouteVia::Inet6(own)) => IpAddr::V6(*own),
            _ => return,
        };
        self.gateways.push(gateway);
    }
}
