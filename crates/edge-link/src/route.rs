//! A route.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use edge_host::{Error, Result, ResultExt};
use ipnet::IpNet;

use crate::message::{INET, Request, attributes, bytes, family, ip, malformed, octets, u16_at, u32_at};
use crate::socket::{Socket, is_gone};

/// `RTM_GETROUTE`.
const GET: u16 = 26;
/// `RTM_DELROUTE`.
const DELETE: u16 = 25;
/// The length of `struct rtmsg`.
const FIXED: usize = 12;
/// The length of `struct rtnexthop`.
const NEXT_HOP: usize = 8;
/// `RTM_F_CLONED`: an entry of a cache.
const CLONED: u32 = 0x200;
/// The table that `ip route` shows.
pub const MAIN_TABLE: u32 = 254;

// Attributes: include/uapi/linux/rtnetlink.h.
const DESTINATION: u16 = 1;
const LINK: u16 = 4;
const GATEWAY: u16 = 5;
const PRIORITY: u16 = 6;
const MULTIPATH: u16 = 9;
const TABLE: u16 = 15;
const VIA: u16 = 18;

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
        let kind = match self.kind {
            RouteKind::Unicast => 1,
            RouteKind::Local => 2,
            RouteKind::Blackhole => 6,
            RouteKind::Other(kind) => kind,
        };
        let fixed = vec![
            family(self.to.addr()),
            self.to.prefix_len(),
            0,
            0,
            u8::try_from(self.table).unwrap_or(0),
            self.protocol,
            self.scope,
            kind,
            0,
            0,
            0,
            0,
        ];
        let mut request = Request::new(DELETE, fixed)
            .with(DESTINATION, &octets(self.to.addr()))
            .with(TABLE, &self.table.to_ne_bytes());
        for gateway in &self.gateways {
            request = request.with(GATEWAY, &octets(*gateway));
        }
        // The kernel gives a blackhole of IPv6 the link lo, and does not accept it back.
        for link in self.links.iter().filter(|_| self.kind == RouteKind::Unicast) {
            request = request.with(LINK, &link.to_ne_bytes());
        }
        if let Some(priority) = self.priority {
            request = request.with(PRIORITY, &priority.to_ne_bytes());
        }
        match Socket::open().and_then(|mut socket| socket.change(&request)) {
            Err(cause) if is_gone(&cause) => Ok(()),
            result => result.on("delete", shown),
        }
    }

    pub(crate) fn list(family: u8) -> Request {
        let mut fixed = vec![0; FIXED];
        fixed[0] = family;
        Request::new(GET, fixed)
    }

    pub(crate) fn parse(body: &[u8]) -> io::Result<Option<Route>> {
        let fixed: [u8; FIXED] = bytes(body, 0)?;
        if u32_at(&fixed, 8)? & CLONED != 0 {
            return Ok(None);
        }
        let any = if fixed[0] == INET { IpAddr::V4(Ipv4Addr::UNSPECIFIED) } else { Ipv6Addr::UNSPECIFIED.into() };
        let kind = match fixed[7] {
            1 => RouteKind::Unicast,
            2 => RouteKind::Local,
            6 => RouteKind::Blackhole,
            other => RouteKind::Other(other),
        };
        let mut route = Route {
            to: IpNet::new(any, fixed[1]).map_err(|_| malformed())?,
            gateways: Vec::new(),
            links: Vec::new(),
            table: u32::from(fixed[4]),
            protocol: fixed[5],
            kind,
            scope: fixed[6],
            priority: None,
        };
        for (kind, value) in attributes(body.get(FIXED..).unwrap_or_default())? {
            match kind {
                DESTINATION => route.to = IpNet::new(ip(value)?, fixed[1]).map_err(|_| malformed())?,
                TABLE => route.table = u32_at(value, 0)?,
                PRIORITY => route.priority = Some(u32_at(value, 0)?),
                MULTIPATH => route.add_ways(value)?,
                _ => route.add_way(kind, value)?,
            }
        }
        Ok(Some(route))
    }

    fn add_way(&mut self, kind: u16, value: &[u8]) -> io::Result<()> {
        match kind {
            LINK => self.links.push(u32_at(value, 0)?),
            GATEWAY => self.gateways.push(ip(value)?),
            // A gateway of the other family, after its own.
            VIA => self.gateways.push(ip(value.get(2..).unwrap_or_default())?),
            _ => {}
        }
        Ok(())
    }

    fn add_ways(&mut self, mut rest: &[u8]) -> io::Result<()> {
        while !rest.is_empty() {
            let length = usize::from(u16_at(rest, 0)?);
            let inner = rest.get(NEXT_HOP..length).ok_or_else(malformed)?;
            self.links.push(u32_at(rest, 4)?);
            for (kind, value) in attributes(inner)? {
                self.add_way(kind, value)?;
            }
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
        Ok(())
    }
}
