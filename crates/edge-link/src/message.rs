//! Netlink's framing: headers, attributes, and their alignment.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The length of `struct nlmsghdr`.
pub(crate) const HEADER: usize = 16;
/// The length of `struct nlattr`.
const ATTRIBUTE: usize = 4;
/// Flags in the type of an attribute: nested, and in network byte order.
const TYPE_MASK: u16 = 0x3fff;

/// `NLM_F_REQUEST`.
const REQUEST: u16 = 0x1;
/// `NLM_F_ACK`.
pub(crate) const ACK: u16 = 0x4;
/// `NLM_F_DUMP`.
pub(crate) const DUMP: u16 = 0x300;
/// `NLM_F_DUMP_INTR`: something changed while the kernel listed it.
pub(crate) const INTERRUPTED: u16 = 0x10;

/// `AF_INET`.
pub(crate) const INET: u8 = 2;
/// `AF_INET6`.
pub(crate) const INET6: u8 = 10;

/// A received message.
pub(crate) struct Message<'a> {
    pub(crate) kind: u16,
    pub(crate) flags: u16,
    pub(crate) sequence: u32,
    pub(crate) body: &'a [u8],
}

/// The error of a message that is shorter than what it announces.
pub(crate) fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the kernel sent a message of an unknown format")
}

fn aligned(length: usize) -> usize {
    length.next_multiple_of(4)
}

/// The first bytes of fixed length.
pub(crate) fn bytes<const N: usize>(from: &[u8], at: usize) -> io::Result<[u8; N]> {
    let end = at.checked_add(N).ok_or_else(malformed)?;
    from.get(at..end).and_then(|part| part.try_into().ok()).ok_or_else(malformed)
}

pub(crate) fn u32_at(from: &[u8], at: usize) -> io::Result<u32> {
    bytes(from, at).map(u32::from_ne_bytes)
}

pub(crate) fn u16_at(from: &[u8], at: usize) -> io::Result<u16> {
    bytes(from, at).map(u16::from_ne_bytes)
}

/// An address of four or sixteen bytes.
pub(crate) fn ip(from: &[u8]) -> io::Result<IpAddr> {
    match from.len() {
        4 => bytes::<4>(from, 0).map(|octets| IpAddr::V4(Ipv4Addr::from(octets))),
        _ => bytes::<16>(from, 0).map(|octets| IpAddr::V6(Ipv6Addr::from(octets))),
    }
}

pub(crate) fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

pub(crate) fn family(address: IpAddr) -> u8 {
    if address.is_ipv4() { INET } else { INET6 }
}

/// The messages of a datagram.
pub(crate) fn messages(datagram: &[u8]) -> io::Result<Vec<Message<'_>>> {
    let mut found = Vec::new();
    let mut rest = datagram;
    while !rest.is_empty() {
        let length = u32_at(rest, 0)? as usize;
        let body = rest.get(HEADER..length).ok_or_else(malformed)?;
        found.push(Message { kind: u16_at(rest, 4)?, flags: u16_at(rest, 6)?, sequence: u32_at(rest, 8)?, body });
        rest = rest.get(aligned(length)..).unwrap_or_default();
    }
    Ok(found)
}

/// The attributes of a part of a message: the type of each, without flags, and its value.
pub(crate) fn attributes(mut rest: &[u8]) -> io::Result<Vec<(u16, &[u8])>> {
    let mut found = Vec::new();
    while !rest.is_empty() {
        let length = usize::from(u16_at(rest, 0)?);
        let value = rest.get(ATTRIBUTE..length).ok_or_else(malformed)?;
        found.push((u16_at(rest, 2)? & TYPE_MASK, value));
        rest = rest.get(aligned(length)..).unwrap_or_default();
    }
    Ok(found)
}

/// The bytes of a string, which ends with a zero.
pub(crate) fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value.strip_suffix(&[0]).unwrap_or(value)).into_owned()
}

/// A request.
pub(crate) struct Request {
    pub(crate) kind: u16,
    body: Vec<u8>,
}

impl Request {
    /// A request with the fixed part of its type.
    pub(crate) fn new(kind: u16, fixed: Vec<u8>) -> Request {
        Request { kind, body: fixed }
    }

    /// Adds an attribute.
    pub(crate) fn with(mut self, kind: u16, value: &[u8]) -> Request {
        let length = u16::try_from(ATTRIBUTE + value.len()).unwrap_or(u16::MAX);
        self.body.extend(length.to_ne_bytes());
        self.body.extend(kind.to_ne_bytes());
        self.body.extend(value);
        self.body.resize(aligned(self.body.len()), 0);
        self
    }

    /// The datagram of it.
    pub(crate) fn encode(&self, flags: u16, sequence: u32) -> Vec<u8> {
        let length = u32::try_from(HEADER + self.body.len()).unwrap_or(u32::MAX);
        let mut all = length.to_ne_bytes().to_vec();
        all.extend(self.kind.to_ne_bytes());
        all.extend((flags | REQUEST).to_ne_bytes());
        all.extend(sequence.to_ne_bytes());
        all.extend(0u32.to_ne_bytes());
        all.extend(&self.body);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn messages_reads_what_encode_writes() {
        let request = Request::new(16, vec![7; 16]).with(3, b"eth0\0").with(27 | 0x8000, &5u32.to_ne_bytes());
        let mut datagram = request.encode(DUMP, 9);
        datagram.extend(request.encode(ACK, 10));
        let found = messages(&datagram).unwrap();
        assert_eq!(
            found.iter().map(|one| (one.kind, one.flags, one.sequence)).collect::<Vec<_>>(),
            [(16, 0x301, 9), (16, 0x5, 10)]
        );
        let inner = attributes(&found[1].body[16..]).unwrap();
        assert_eq!(inner, [(3, b"eth0\0".as_slice()), (27, 5u32.to_ne_bytes().as_slice())]);
        assert_eq!(text(inner[0].1), "eth0");
    }

    #[test]
    fn messages_that_are_cut_are_errors() {
        let datagram = Request::new(16, vec![0; 16]).with(3, b"eth0\0").encode(0, 1);
        for end in 1..datagram.len() {
            assert!(messages(&datagram[..end]).is_err(), "{end}");
        }
        let body = &datagram[HEADER + 16..];
        for end in 1..9 {
            assert!(attributes(&body[..end]).is_err(), "{end}");
        }
    }

    proptest! {
        #[test]
        fn messages_of_any_bytes_end(datagram: Vec<u8>) {
            for message in messages(&datagram).into_iter().flatten() {
                let _ = attributes(message.body);
            }
        }
    }
}
