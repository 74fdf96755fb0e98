//! An address of a link.

use std::io;

use edge_host::{Result, ResultExt};
use ipnet::IpNet;

use crate::message::{Request, attributes, bytes, family, ip, malformed, octets, u32_at};
use crate::socket::{Socket, is_gone};

/// `RTM_GETADDR`.
const GET: u16 = 22;
/// `RTM_DELADDR`.
const DELETE: u16 = 21;
/// The length of `struct ifaddrmsg`.
const FIXED: usize = 8;
const ADDRESS: u16 = 1;
const LOCAL: u16 = 2;

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
        let own = octets(self.address.addr());
        let mut fixed = vec![family(self.address.addr()), self.address.prefix_len(), 0, 0];
        fixed.extend(self.link.to_ne_bytes());
        let request = Request::new(DELETE, fixed).with(LOCAL, &own).with(ADDRESS, &own);
        match Socket::open().and_then(|mut socket| socket.change(&request)) {
            Err(cause) if is_gone(&cause) => Ok(()),
            result => result.on("remove", format!("the address {}", self.address)),
        }
    }

    pub(crate) fn list() -> Request {
        Request::new(GET, vec![0; FIXED])
    }

    pub(crate) fn parse(body: &[u8]) -> io::Result<Option<Address>> {
        let fixed: [u8; FIXED] = bytes(body, 0)?;
        let all = attributes(body.get(FIXED..).unwrap_or_default())?;
        // Of a point-to-point link, ADDRESS is the other end.
        let own = [LOCAL, ADDRESS].iter().find_map(|kind| all.iter().find(|(found, _)| found == kind));
        let Some((_, own)) = own else { return Ok(None) };
        let address = IpNet::new(ip(own)?, fixed[1]).map_err(|_| malformed())?;
        Ok(Some(Address { address, link: u32_at(&fixed, 4)? }))
    }
}
