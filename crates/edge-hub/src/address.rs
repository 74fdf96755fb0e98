//! Where a server is: a name, an IPv4 or an IPv6 address, and a port; and until when an answer is awaited.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use edge_host::Result;
use edge_pki::names::{self, Name};

use crate::failure::{Failure, Stage};

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    /// The host, as a certificate must name it.
    pub host: Name,
    /// The port.
    pub port: u16,
}

impl Address {
    /// The host given with `option`: a name, an IPv4 address, or an IPv6 address with or without brackets.
    ///
    /// # Errors
    /// Exit 2 with what was expected.
    pub fn parse(option: &str, text: &str, port: u16) -> Result<Address> {
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        let looks_like_ip = bare.parse::<IpAddr>().is_ok() || text.starts_with('[') || bare.matches(':').count() > 1;
        let host = if looks_like_ip { names::address(option, text)? } else { names::host(option, text)? };
        match &host {
            Name::Dns(name) if name.starts_with("*.") => {
                Err(names::wrong(option, text, "a wildcard is not the name of one host"))
            }
            _ => Ok(Address { host, port }),
        }
    }

    /// An address of this host, or one that was read.
    pub fn of_ip(ip: IpAddr, port: u16) -> Address {
        Address { host: Name::Ip(ip.to_canonical()), port }
    }

    /// The same host with another port.
    #[must_use]
    pub fn with_port(&self, port: u16) -> Address {
        Address { host: self.host.clone(), port }
    }

    /// The host as in a URL: an IPv6 address has brackets.
    pub fn url_host(&self) -> String {
        match &self.host {
            Name::Ip(IpAddr::V6(ip)) => format!("[{ip}]"),
            Name::Ip(ip) => ip.to_string(),
            Name::Dns(name) => name.clone(),
        }
    }

    /// Its addresses. The resolver of the system has no deadline, so that it is left alone when it takes too long.
    ///
    /// # Errors
    /// It has none, or they are not known in time.
    pub fn resolve(&self, deadline: Deadline) -> Result<Vec<SocketAddr>, Failure> {
        let name = match &self.host {
            Name::Ip(ip) => return Ok(vec![SocketAddr::new(*ip, self.port)]),
            Name::Dns(name) => name.clone(),
        };
        let (send, receive) = sync_channel(1);
        let port = self.port;
        let asked = name.clone();
        thread::spawn(move || {
            let found = (asked.as_str(), port).to_socket_addrs().map(Iterator::collect::<Vec<_>>);
            // The receiver is gone after the deadline.
            send.send(found).ok();
        });
        match receive.recv_timeout(deadline.left().unwrap_or_default()) {
            Ok(Ok(found)) if !found.is_empty() => Ok(found),
            Err(RecvTimeoutError::Timeout) => Err(Failure::Late(Stage::Resolve)),
            Ok(_) | Err(RecvTimeoutError::Disconnected) => Err(Failure::Unresolved(name)),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.url_host(), self.port)
    }
}

/// Until when all of a connection must be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline(Instant);

impl Deadline {
    /// This long from now.
    pub fn within(time: Duration) -> Deadline {
        Deadline(Instant::now() + time)
    }

    /// The time that is left; none if it has passed.
    pub fn left(self) -> Option<Duration> {
        self.0.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    }

    /// The time that is left, for a system call that takes a time-out.
    pub(crate) fn left_or_late(self) -> io::Result<Duration> {
        self.left().ok_or_else(|| io::ErrorKind::TimedOut.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_is_a_name_or_an_ip() {
        for (text, shown) in [
            ("192.0.2.1", "192.0.2.1:10002"),
            ("fd00::1", "[fd00::1]:10002"),
            ("[FD00::1]", "[fd00::1]:10002"),
            ("Cloud.Example.", "cloud.example:10002"),
            ("::ffff:192.0.2.1", "192.0.2.1:10002"),
        ] {
            assert_eq!(Address::parse("--cloudcore", text, 10002).unwrap().to_string(), shown, "{text}");
        }
        for (text, why) in [
            ("", "empty --cloudcore"),
            ("*.example.com", "a wildcard is not the name of one host"),
            ("192.0.2.1:10000", "it has a port"),
            ("cloud.example:10000", "it has a port"),
            ("https://cloud.example", "it is a URL"),
            ("fe80::1%eth0", "it has a zone"),
            ("0.0.0.0", "unspecified"),
            ("192.0.2.300", "its last label is a number"),
        ] {
            let error = Address::parse("--cloudcore", text, 1).unwrap_err();
            assert!(error.message().contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn deadline_passes() {
        assert!(Deadline::within(Duration::from_secs(60)).left().is_some());
        let past = Deadline::within(Duration::ZERO);
        assert_eq!((past.left(), past.left_or_late().map_err(|e| e.kind())), (None, Err(io::ErrorKind::TimedOut)));
        let name = Address::parse("--x", "localhost", 1).unwrap();
        assert!(
            name.resolve(Deadline::within(Duration::from_secs(10))).unwrap().iter().all(|ip| ip.ip().is_loopback())
        );
    }
}
