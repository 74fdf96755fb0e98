//! A TCP connection with one deadline for all that is read and written.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::address::{Address, Deadline};
use crate::failure::{Failure, Stage};

/// A connection.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    remote: SocketAddr,
    deadline: Deadline,
}

impl Connection {
    /// Connects to the first address that accepts it. Each address of a name gets an equal part of the time that is left, so
    /// that one that does not answer leaves time for the others.
    pub(crate) fn open(to: &Address, deadline: Deadline) -> Result<Connection, Failure> {
        let all = to.resolve(deadline)?;
        let mut failure = Failure::Late(Stage::Connect);
        for (number, remote) in all.iter().enumerate() {
            let Some(left) = deadline.left() else { break };
            let others = u32::try_from(all.len() - number).unwrap_or(u32::MAX);
            match TcpStream::connect_timeout(remote, left / others) {
                Ok(stream) => {
                    // Small requests, sent at once.
                    stream.set_nodelay(true).map_err(|cause| Failure::of_io(&cause, Stage::Connect))?;
                    return Ok(Connection { stream, remote: *remote, deadline });
                }
                Err(cause) => failure = Failure::of_io(&cause, Stage::Connect),
            }
        }
        Err(failure)
    }

    pub(crate) fn remote(&self) -> SocketAddr {
        self.remote
    }
}

impl Read for Connection {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            self.stream.set_read_timeout(Some(self.deadline.left_or_late()?))?;
            match self.stream.read(buffer) {
                // A socket's time-out, which may be a little early.
                Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => {}
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
                read => return read,
            }
        }
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            self.stream.set_write_timeout(Some(self.deadline.left_or_late()?))?;
            match self.stream.write(bytes) {
                Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => {}
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
                written => return written,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
