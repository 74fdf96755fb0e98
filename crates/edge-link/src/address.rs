//! An address of a link.

use edge_host::{Result, ResultExt};
use ipnet::IpNet;
use nix::libc::{IFA_ADDRESS, IFA_LOCAL};
use rtnetlink::packet_core::{Emitable, parse_ip};
use rtnetlink::packet_route::address::{AddressAttribute, AddressHeader, AddressMessage};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::socket::{Decoded, Socket, attributes, is_gone, value};

/// An address of a link.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    /// The address, with the prefix length of its subnet.
    pub address: IpNet,
    /// The index of the link that has it.
    pub link: u32,
}

impl Address {
    /// Removes it from its link.
    pub fn delete(&self) -> Result<()> {
        let own = self.address.addr();
        let mut message = AddressMessage::default();
        message.header.family = family(&self.address);
        message.header.prefix_len = self.address.prefix_len();
        message.header.index = self.link;
        message.attributes = vec![AddressAttribute::Local(own), AddressAttribute::Address(own)];
        let request = RouteNetlinkMessage::DelAddress(message);
        match Socket::open().and_then(|mut socket| socket.change(&request)) {
            Err(cause) if is_gone(&cause) => Ok(()),
            result => result.on("remove", format!("the address {}", self.address)),
        }
    }

    pub(crate) fn list() -> RouteNetlinkMessage {
        RouteNetlinkMessage::GetAddress(AddressMessage::default())
    }

    pub(crate) fn parse(body: &[u8]) -> Decoded<Address> {
        let header = AddressHeader::parse(body)?;
        let all = attributes(&body[header.buffer_len()..])?;
        // Of a point-to-point link, IFA_ADDRESS is the other end.
        let Some(own) = value(&all, IFA_LOCAL).or(value(&all, IFA_ADDRESS)) else { return Ok(None) };
        let address = IpNet::new(parse_ip(own)?, header.prefix_len).map_err(|cause| cause.to_string())?;
        Ok(Some(Address { address, link: header.index }))
    }
}

pub(crate) fn family(of: &IpNet) -> AddressFamily {
    if of.addr().is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 }
}
