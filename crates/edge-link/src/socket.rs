//! A socket for requests to the kernel.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket};

use crate::message::{ACK, DUMP, INTERRUPTED, Message, Request, malformed, messages, u32_at};

/// The kernel's datagrams have at most 32 KiB; one that does not fit is an error.
const BUFFER: usize = 256 << 10;
/// How often a list that changes while it is read is read again.
const ATTEMPTS: usize = 20;
/// `NLMSG_ERROR`, which is also an acknowledgement.
const ERROR: u16 = 2;
/// `NLMSG_DONE`.
const DONE: u16 = 3;
/// `NLMSG_OVERRUN`.
const OVERRUN: u16 = 4;

/// A socket in the network namespace of the thread that opened it.
pub(crate) struct Socket {
    fd: OwnedFd,
    sequence: u32,
    buffer: Vec<u8>,
}

impl Socket {
    pub(crate) fn open() -> io::Result<Socket> {
        let fd = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkRoute)?;
        Ok(Socket { fd, sequence: 0, buffer: vec![0; BUFFER] })
    }

    /// Carries out a request, and waits until the kernel has done so.
    pub(crate) fn change(&mut self, request: &Request) -> io::Result<()> {
        self.send(request, ACK)?;
        let mut answer = None;
        while answer.is_none() {
            self.receive(&mut |message| {
                if message.kind == ERROR {
                    answer = Some(code(message.body)?);
                }
                Ok(())
            })?;
        }
        errno(answer.unwrap_or_default())
    }

    /// Lists objects; `parse` returns none for one that is not of interest.
    pub(crate) fn list<T>(
        &mut self,
        request: &Request,
        parse: &dyn Fn(&[u8]) -> io::Result<Option<T>>,
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
        request: &Request,
        parse: &dyn Fn(&[u8]) -> io::Result<Option<T>>,
    ) -> io::Result<Option<Vec<T>>> {
        self.send(request, DUMP)?;
        let mut all = Vec::new();
        let (mut is_whole, mut end) = (true, None);
        while end.is_none() {
            self.receive(&mut |message| {
                is_whole &= message.flags & INTERRUPTED == 0;
                match message.kind {
                    ERROR => end = Some(code(message.body)?),
                    // Kernels before 4.9 send no code.
                    DONE => end = Some(code(message.body).unwrap_or(0)),
                    OVERRUN => is_whole = false,
                    _ => all.extend(parse(message.body)?),
                }
                Ok(())
            })?;
        }
        errno(end.unwrap_or_default())?;
        Ok(is_whole.then_some(all))
    }

    fn send(&mut self, request: &Request, flags: u16) -> io::Result<()> {
        self.sequence += 1;
        let datagram = request.encode(flags, self.sequence);
        send(self.fd.as_raw_fd(), &datagram, MsgFlags::empty())?;
        Ok(())
    }

    /// Receives one datagram, and calls `each` for its messages that answer the last request.
    fn receive(&mut self, each: &mut dyn FnMut(&Message<'_>) -> io::Result<()>) -> io::Result<()> {
        let length = loop {
            match recv(self.fd.as_raw_fd(), &mut self.buffer, MsgFlags::MSG_TRUNC) {
                Err(Errno::EINTR) => {}
                result => break result?,
            }
        };
        let datagram = self.buffer.get(..length).ok_or_else(malformed)?;
        for message in messages(datagram)? {
            if message.sequence == self.sequence {
                each(&message)?;
            }
        }
        Ok(())
    }
}

/// The code of an error or acknowledgement: 0, or a negative errno.
fn code(body: &[u8]) -> io::Result<i32> {
    u32_at(body, 0).map(u32::cast_signed)
}

fn errno(code: i32) -> io::Result<()> {
    if code == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(code.saturating_neg())) }
}

/// Whether an error says that the object does not exist.
pub(crate) fn is_gone(error: &io::Error) -> bool {
    let gone = [Errno::ENODEV, Errno::ESRCH, Errno::EADDRNOTAVAIL, Errno::ENOENT];
    error.raw_os_error().is_some_and(|code| gone.contains(&Errno::from_raw(code)))
}
