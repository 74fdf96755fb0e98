//! What is there: the rules of both engines, and what outlives a reboot.

use std::net::IpAddr;
use std::path::Path;

use edge_firewall::{Family, Firewall};
use edge_host::{Host, Result, ResultExt};
use edge_kubeedge::paths::CLOUDCORE_YAML;
use nix::ifaddrs::getifaddrs;

use crate::pair::Pair;
use crate::persist;
use crate::rules::scope;
use crate::wanted::Persist;

/// What was found.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    /// None below --root, where nothing live is read.
    pub(crate) firewall: Option<Firewall>,
    pub(crate) persist: persist::Facts,
}

/// Whether the cloudcore of this address runs on this host: the address is the host's own, or an
/// image, whose addresses are not known, has its configuration.
pub(crate) fn runs_cloudcore(host: &Host, address: IpAddr) -> Result<bool> {
    if host.root.is_live() {
        return Ok(address.is_loopback() || is_own(address)?);
    }
    Ok(host.root.find(Path::new(CLOUDCORE_YAML))?.exists())
}

/// Whether an interface of this host has the address. Being able to bind to it would tell less, as hosts
/// of keepalived may bind to those of others; and so would the way to it, which begins at the first
/// address of its network and not at each.
fn is_own(address: IpAddr) -> Result<bool> {
    let all = getifaddrs().on("list", "the addresses of this host")?.filter_map(|interface| interface.address);
    let mut ips = all.filter_map(|found| match address {
        IpAddr::V4(_) => found.as_sockaddr_in().map(|socket| IpAddr::V4(socket.ip())),
        IpAddr::V6(_) => found.as_sockaddr_in6().map(|socket| IpAddr::V6(socket.ip())),
    });
    Ok(ips.any(|ip| ip == address))
}

impl Facts {
    /// What iptables does not show of the live rules, for people.
    pub(crate) fn notes(&self) -> impl Iterator<Item = &str> {
        self.firewall.iter().flat_map(Firewall::notes)
    }

    /// Why no live rule is looked at, where none is.
    pub(crate) fn blind(&self) -> Option<&'static str> {
        match &self.firewall {
            None => Some("below --root no live rule is read or changed"),
            Some(firewall) if firewall.seen.is_empty() => {
                Some("iptables is not on this host: no live rule is read or changed")
            }
            Some(_) => None,
        }
    }
}

/// All there is, of the families that this host has programs for; of none, where iptables is gone.
pub(crate) fn all(host: &Host) -> Result<Facts> {
    let firewall = if host.root.is_live() { Some(Firewall::read_any(&host.root, &scope())?) } else { None };
    Ok(Facts { firewall, persist: persist::facts(host)? })
}

/// What these redirects need: the rules of their families, and of the others only where all of them
/// are going to be written down.
///
/// Errors: exit 4 where a table of them cannot be read.
pub(crate) fn for_pairs(host: &Host, pairs: &[Pair], wish: Persist) -> Result<Facts> {
    let persist = persist::facts(host)?;
    if !host.root.is_live() {
        return Ok(Facts { firewall: None, persist });
    }
    let needed = |family: &Family| pairs.iter().any(|pair| pair.family() == *family);
    let families: Vec<Family> = Family::ALL.into_iter().filter(needed).collect();
    let scope = scope();
    let mut firewall = Firewall::read(&host.root, &families, &scope)?;
    if wish == Persist::Yes || persist.stored.is_some() {
        let others: Vec<Family> = Family::ALL.into_iter().filter(|family| !needed(family)).collect();
        firewall.read_others(&host.root, &others, &scope)?;
    }
    firewall.readable()?;
    Ok(Facts { firewall: Some(firewall), persist })
}
