//! What exists on the host: the rules of both backends, and the files for the next boot.

use std::net::IpAddr;
use std::path::Path;

use edge_firewall::{Family, Firewall};
use edge_host::{Host, Result, ResultExt};
use edge_kubeedge::paths::CLOUDCORE_YAML;
use nix::ifaddrs::getifaddrs;

use crate::persist;
use crate::redirect::Redirect;
use crate::rules::scope;

/// What was read in this call.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    /// None with --root, where nothing live is read.
    pub(crate) firewall: Option<Firewall>,
    pub(crate) persist: persist::Facts,
}

/// Whether the cloudcore with this address runs on this host: an interface has the address; an image, whose
/// addresses are unknown, has its configuration.
pub(crate) fn runs_cloudcore(host: &Host, address: IpAddr) -> Result<bool> {
    if host.root.is_live() {
        return Ok(address.is_loopback() || is_own(address)?);
    }
    Ok(host.root.find(Path::new(CLOUDCORE_YAML))?.exists())
}

/// Whether an interface of this host has the address.
///
/// Neither a successful bind nor a route proves it: hosts with keepalived may bind to addresses of other hosts, and
/// a route has only the first address of its network as source.
fn is_own(address: IpAddr) -> Result<bool> {
    let all = getifaddrs().on("list", "the addresses of this host")?.filter_map(|interface| interface.address);
    let mut ips = all.filter_map(|found| match address {
        IpAddr::V4(_) => found.as_sockaddr_in().map(|socket| IpAddr::V4(socket.ip())),
        IpAddr::V6(_) => found.as_sockaddr_in6().map(|socket| IpAddr::V6(socket.ip())),
    });
    Ok(ips.any(|ip| ip == address))
}

impl Facts {
    /// Notes about live rules that iptables does not show.
    pub(crate) fn notes(&self) -> impl Iterator<Item = &str> {
        self.firewall.iter().flat_map(Firewall::notes)
    }

    /// Why no live rules were read, if none were.
    pub(crate) fn why_not_live(&self) -> Option<&'static str> {
        match &self.firewall {
            None => Some("with --root no live rules are read or changed"),
            Some(firewall) if firewall.seen.is_empty() => {
                Some("iptables is not installed: no live rules are read or changed")
            }
            Some(_) => None,
        }
    }
}

/// Reads the rules of each address family that this host has programs for; none if iptables is not installed.
pub(crate) fn all(host: &Host) -> Result<Facts> {
    let firewall = if host.root.is_live() { Some(Firewall::read_any(&host.root, &scope())?) } else { None };
    Ok(Facts { firewall, persist: persist::facts(host)? })
}

/// Reads the rules of the address families of these redirects, and of the others only if the redirects are stored.
///
/// Errors: exit 4 if a table cannot be read.
pub(crate) fn for_redirects(host: &Host, redirects: &[Redirect], persist: bool) -> Result<Facts> {
    let stored = persist::facts(host)?;
    if !host.root.is_live() {
        return Ok(Facts { firewall: None, persist: stored });
    }
    let needed = |family: &Family| redirects.iter().any(|redirect| redirect.family() == *family);
    let families: Vec<Family> = Family::ALL.into_iter().filter(needed).collect();
    let scope = scope();
    let mut firewall = Firewall::read(&host.root, &families, &scope)?;
    if persist || stored.stored.is_some() {
        let others: Vec<Family> = Family::ALL.into_iter().filter(|family| !needed(family)).collect();
        firewall.read_others(&host.root, &others, &scope)?;
    }
    firewall.readable()?;
    Ok(Facts { firewall: Some(firewall), persist: stored })
}
