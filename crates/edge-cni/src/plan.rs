//! From what is wanted and what is there to a network configuration, or the reason against it.

use edge_host::{Error, Result, ResultExt};
use ipnet::IpNet;
use serde::Serialize;
use serde_json::{Value, json};

use crate::conflist::File;
use crate::facts::Networks;
use crate::range::overlap;
use crate::request::Network;
use crate::version::Cni;

/// The bridge that pods hang on.
pub(crate) const BRIDGE: &str = "cni0";
/// What a runtime runs for such a network.
pub(crate) const PROGRAMS: [&str; 3] = ["bridge", "host-local", "portmap"];

/// Refuses what would take other traffic along, or give one address away twice.
pub(crate) fn refuse_overlaps(wanted: &Network, networks: Option<&Networks>, others: &[&File]) -> Result<()> {
    for subnet in &wanted.subnets {
        let routes = networks.map(|networks| networks.routes.as_slice()).unwrap_or_default();
        // Our own bridge's route is there once the first pod is.
        let mut foreign = routes.iter().filter(|route| route.link.as_deref() != Some(BRIDGE));
        if let Some(route) = foreign.find(|route| overlap(route.to, *subnet)) {
            let link = route.link.as_ref().map(|link| format!(" through {link}")).unwrap_or_default();
            return Err(Error::refused(format!("cannot use {subnet}: this host has a route to {}{link}", route.to))
                .hint("pods would get that traffic: choose another subnet, `ip route` shows what is taken"));
        }
        // One without a route of its own: it is reached all the same, and a pod of that address never.
        let addresses = networks.map(|networks| networks.addresses.as_slice()).unwrap_or_default();
        let mut foreign = addresses.iter().filter(|own| own.link != BRIDGE);
        if let Some(own) = foreign.find(|own| subnet.contains(&own.address.addr())) {
            return Err(Error::refused(format!(
                "cannot use {subnet}: this host has the address {} on {}",
                own.address.addr(),
                own.link
            ))
            .hint(
                "no pod with that address would be reached: choose another subnet, `ip address` shows what is taken",
            ));
        }
    }
    for other in others {
        let Ok(network) = &other.content else { continue };
        let shown = other.path.display();
        if network.name == wanted.name {
            return Err(Error::refused(format!("cannot name the network {}: {shown} has that name", wanted.name))
                .hint("choose another with --name, or remove that file"));
        }
        for range in network.ranges() {
            if let Some(subnet) = wanted.subnets.iter().find(|subnet| overlap(range.subnet, **subnet)) {
                return Err(Error::refused(format!(
                    "cannot use {subnet}: {shown} gives away addresses of {}",
                    range.subnet
                ))
                .hint("choose another subnet, or remove that file"));
            }
        }
    }
    Ok(())
}

/// The newest version that all of these plugins read.
pub(crate) fn version(reads: &[(String, Vec<Cni>)], asked: Option<Cni>) -> Result<Cni> {
    let common = |version: &Cni| reads.iter().all(|(_, reads)| reads.contains(version));
    if let Some(asked) = asked {
        if !(Cni::WITH_LISTS..=Cni::NEWEST).contains(&asked) {
            return Err(Error::usage(format!(
                "cannot write version {asked}: lists of plugins are from {} to {}",
                Cni::WITH_LISTS,
                Cni::NEWEST
            )));
        }
        if let Some((name, reads)) = reads.iter().find(|(_, reads)| !reads.contains(&asked)) {
            let newest = reads.iter().max().map(|newest| format!("at most {newest}")).unwrap_or_default();
            return Err(Error::refused(format!("cannot write version {asked}: the installed {name} reads {newest}")));
        }
        return Ok(asked);
    }
    let all = reads.iter().flat_map(|(_, reads)| reads).copied();
    let known = all.filter(|version| (Cni::WITH_LISTS..=Cni::NEWEST).contains(version));
    known.filter(common).max().ok_or_else(|| {
        Error::failed("cannot write a network: the installed plugins have no version in common")
            .hint("install all of one release: edge-cni install")
    })
}

/// The file, its keys in the order in which people write them.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    cni_version: String,
    name: &'a str,
    plugins: (Bridge, Value),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Bridge {
    r#type: &'static str,
    bridge: &'static str,
    is_gateway: bool,
    ip_masq: bool,
    hairpin_mode: bool,
    ipam: Ipam,
}

#[derive(Serialize)]
struct Ipam {
    r#type: &'static str,
    ranges: Vec<Value>,
    routes: Vec<Value>,
}

/// The bytes of the file.
pub(crate) fn document(wanted: &Network, version: Cni) -> Result<String> {
    let everywhere = |subnet: &IpNet| if subnet.addr().is_ipv4() { "0.0.0.0/0" } else { "::/0" };
    let ipam = Ipam {
        r#type: "host-local",
        ranges: wanted.subnets.iter().map(|subnet| json!([{"subnet": subnet.to_string()}])).collect(),
        routes: wanted.subnets.iter().map(|subnet| json!({"dst": everywhere(subnet)})).collect(),
    };
    let bridge = Bridge { r#type: "bridge", bridge: BRIDGE, is_gateway: true, ip_masq: true, hairpin_mode: true, ipam };
    let ports = json!({"type": "portmap", "capabilities": {"portMappings": true}});
    let document = Document { cni_version: version.to_string(), name: &wanted.name, plugins: (bridge, ports) };
    let text = serde_json::to_string_pretty(&document);
    Ok(text.on("write", "a network")? + "\n")
}

#[cfg(test)]
mod tests;
