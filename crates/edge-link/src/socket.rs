//! A socket for requests to the kernel.

use std::convert::Infallible;
use std::io;

use nix::errno::Errno;
use nix::libc::MSG_TRUNC;
use rtnetlink::packet_core::{
    DecodeError, NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NLMSG_ALIGNTO, NetlinkDeserializable,
    NetlinkHeader, NetlinkMessage, NetlinkPayload, NlaBuffer, NlasIterator,
};
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::sys::{self, protocols::NETLINK_ROUTE};

/// The kernel's datagrams have at most 32 KiB; one that does not fit is an error.
const BUFFER: usize = 256 << 10;
/// How often a list that changes while it is read is read again.
const ATTEMPTS: usize = 20;

/// What a message describes; none where it is not of interest.
pub(crate) type Decoded<T> = Result<Option<T>, DecodeError>;

/// What a message has after its header.
///
/// `RouteNetlinkMessage` would decode all of it, and fail because of a name or an alias that is not UTF-8.
struct Body(Vec<u8>);

impl NetlinkDeserializable for Body {
    type Error = Infallible;

    fn deserialize(_: &NetlinkHeader, body: &[u8]) -> Result<Body, Infallible> {
        Ok(Body(body.to_vec()))
    }
}

/// A socket in the network namespace of the thread that opened it.
pub(crate) struct Socket {
    socket: sys::Socket,
    sequence: u32,
    buffer: Vec<u8>,
}

impl Socket {
    pub(crate) fn open() -> io::Result<Socket> {
        Ok(Socket { socket: sys::Socket::new(NETLINK_ROUTE)?, sequence: 0, buffer: Vec::with_capacity(BUFFER) })
    }

    /// Carries out a request, and waits until the kernel has done so.
    pub(crate) fn change(&mut self, request: &RouteNetlinkMessage) -> io::Result<()> {
        self.send(request, NLM_F_ACK)?;
        loop {
            for message in self.receive()? {
                if let NetlinkPayload::Error(answer) = message.payload {
                    return errno(answer.raw_code());
                }
            }
        }
    }

    /// Lists objects.
    pub(crate) fn list<T>(
        &mut self,
        request: &RouteNetlinkMessage,
        parse: &dyn Fn(&[u8]) -> Decoded<T>,
    ) -> io::Result<Vec<T>> {
        for _ in 0..ATTEMPTS {
            if let Some(all) = self.list_once(request, parse)? {
                return Ok(all);
            }
        }
        Err(io::Error::other("it kept changing while it was read"))
    }

    /// None where something changed in between.
    fn list_once<T>(
        &mut self,
        request: &RouteNetlinkMessage,
        parse: &dyn Fn(&[u8]) -> Decoded<T>,
    ) -> io::Result<Option<Vec<T>>> {
        self.send(request, NLM_F_DUMP)?;
        let mut all = Vec::new();
        let (mut is_whole, mut end) = (true, None);
        while end.is_none() {
            for message in self.receive()? {
                is_whole &= message.header.flags & NLM_F_DUMP_INTR == 0;
                match message.payload {
                    NetlinkPayload::Error(error) => end = Some(error.raw_code()),
                    NetlinkPayload::Done(done) => end = Some(done.code),
                    NetlinkPayload::Overrun(_) => is_whole = false,
                    NetlinkPayload::InnerMessage(Body(body)) => {
                        all.extend(parse(&body).map_err(|cause| malformed(&cause))?)
                    }
                    _ => {}
                }
            }
        }
        errno(end.unwrap_or_default())?;
        Ok(is_whole.then_some(all))
    }

    fn send(&mut self, request: &RouteNetlinkMessage, flags: u16) -> io::Result<()> {
        self.sequence += 1;
        let mut message = NetlinkMessage::from(request.clone());
        message.header.flags = NLM_F_REQUEST | flags;
        message.header.sequence_number = self.sequence;
        message.finalize();
        let mut datagram = vec![0; message.buffer_len()];
        message.serialize(&mut datagram);
        self.socket.send(&datagram, 0).map(drop)
    }

    /// Receives one datagram: its messages that answer the last request.
    fn receive(&mut self) -> io::Result<Vec<NetlinkMessage<Body>>> {
        self.buffer.clear();
        let length = loop {
            match self.socket.recv(&mut self.buffer, MSG_TRUNC) {
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
                result => break result?,
            }
        };
        let mut found = messages(self.buffer.get(..length).ok_or_else(|| malformed(&"it is too long"))?)?;
        found.retain(|message| message.header.sequence_number == self.sequence);
        Ok(found)
    }
}

/// The messages of a datagram.
fn messages(mut rest: &[u8]) -> io::Result<Vec<NetlinkMessage<Body>>> {
    let mut found = Vec::new();
    while !rest.is_empty() {
        let message = NetlinkMessage::deserialize(rest).map_err(|cause| malformed(&cause))?;
        let length = (message.header.length as usize).next_multiple_of(NLMSG_ALIGNTO.into());
        rest = rest.get(length..).unwrap_or_default();
        found.push(message);
    }
    Ok(found)
}

/// The attributes of a part of a message.
pub(crate) fn attributes(from: &[u8]) -> Result<Vec<NlaBuffer<&[u8]>>, DecodeError> {
    NlasIterator::new(from).collect()
}

/// The value of the first attribute of a kind.
pub(crate) fn value<'a>(from: &'a [NlaBuffer<&[u8]>], kind: u16) -> Option<&'a [u8]> {
    from.iter().find(|one| one.kind() == kind).map(NlaBuffer::value)
}

fn malformed(cause: &impl ToString) -> io::Error {
    let cause = cause.to_string();
    io::Error::new(io::ErrorKind::InvalidData, format!("the kernel sent a message of an unknown format: {cause}"))
}

/// Of a code of the kernel: 0, or a negative errno.
fn errno(code: i32) -> io::Result<()> {
    if code == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(code.saturating_neg())) }
}

/// Whether an error says that the object does not exist.
pub(crate) fn is_gone(error: &io::Error) -> bool {
    let gone = [Errno::ENODEV, Errno::ESRCH, Errno::EADDRNOTAVAIL, Errno::ENOENT];
    error.raw_os_error().is_some_and(|code| gone.contains(&Errno::from_raw(code)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Address;
    use crate::link::Link;
    use crate::route::Route;
    use proptest::prelude::*;

    #[test]
    fn messages_that_are_cut_are_errors() {
        let mut message = NetlinkMessage::from(Link::set_group(1, 2));
        message.finalize();
        let mut datagram = vec![0; message.buffer_len()];
        message.serialize(&mut datagram);
        assert_eq!(messages(&datagram.repeat(2)).unwrap().len(), 2);
        for end in 1..datagram.len() {
            assert!(messages(&datagram[..end]).is_err(), "{end}");
        }
        let NetlinkPayload::InnerMessage(Body(body)) = messages(&datagram).unwrap().remove(0).payload else { panic!() };
        assert_eq!(Link::parse(&body).unwrap().unwrap().group, 2);
        for end in (0..body.len()).filter(|end| *end != body.len() - 8) {
            assert!(Link::parse(&body[..end]).is_err(), "{end}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_to_an_end(datagram: Vec<u8>, family in prop_oneof![Just(2u8), Just(10u8)]) {
            let _ = messages(&datagram);
            let body = [vec![family], datagram].concat();
            let (_, _, _) = (Link::parse(&body), Address::parse(&body), Route::parse(&body));
        }
    }
}
