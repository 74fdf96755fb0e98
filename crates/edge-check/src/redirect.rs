//! Where this host's connections to the port of edge nodes go, by its iptables rules.

use std::net::{IpAddr, SocketAddr};

use edge_firewall::{Family, Firewall, Limit, Outgoing, outgoing, outgoing_scope};
use edge_host::{Error, Result, Root};

use crate::probe::TIME;

/// The rules of this host, or why they cannot be read.
#[derive(Debug)]
pub(crate) struct Rules(Result<Firewall>);

impl Rules {
    /// Reads them.
    pub(crate) fn read(root: &Root) -> Rules {
        let scope = outgoing_scope(Limit::within(TIME));
        Rules(Firewall::read_any(root, &scope))
    }

    /// Those of a thread that has ended without an answer.
    pub(crate) fn unread() -> Rules {
        Rules(Err(Error::failed("internal error: its thread ended")))
    }

    /// What to do so that they can be read.
    pub(crate) fn hint(&self) -> Option<&str> {
        self.0.as_ref().err().and_then(Error::hint_text)
    }

    /// Where connections to this port of other hosts go; to this address alone, if it is given.
    pub(crate) fn of(&self, family: Family, port: u16, address: Option<IpAddr>) -> Outgoing {
        match &self.0 {
            Err(error) => Outgoing::Unknown(error.message().to_owned()),
            Ok(firewall) => {
                match firewall.unusable_of(family).map_or_else(|| firewall.views(), |error| Err(error.clone())) {
                    Err(error) => Outgoing::Unknown(error.message().to_owned()),
                    Ok(views) => outgoing(&views, family, port, address),
                }
            }
        }
    }
}

/// The family of an address.
pub(crate) fn family(ip: IpAddr) -> Family {
    if ip.is_ipv4() { Family::V4 } else { Family::V6 }
}

/// The address that a rule redirects to. Without an address of its own the port alone is changed.
pub(crate) fn target(to: &str) -> Option<SocketAddr> {
    to.parse().ok()
}
