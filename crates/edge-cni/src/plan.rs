//! Makes the network configuration from request and facts, or refuses it.

use edge_host::{Error, Result, ResultExt};
use ipnet::IpNet;
use serde::Serialize;
use serde_json::{Value, json};

use crate::conflist::File;
use crate::facts::PluginVersions;
use crate::networks::Networks;
use crate::range::overlap;
use crate::request::Network;
use crate::runtime::Runtime;
use crate::version::Cni;

/// The bridge of the pods.
pub(crate) const BRIDGE: &str = "cni0";
/// The plugins of a bridge network.
pub(crate) const PROGRAMS: [&str; 3] = ["bridge", "host-local", "portmap"];

/// Refuses subnets that overlap routes, addresses or other networks, and a name that is in use.
pub(crate) fn refuse_overlaps(request: &Network, networks: Option<&Networks>, others: &[&File]) -> Result<()> {
    for subnet in &request.subnets {
        let routes = networks.map(|networks| networks.routes.as_slice()).unwrap_or_default();
        // The bridge has its route since the first pod was started.
        let mut foreign = routes.iter().filter(|route| route.link.as_deref() != Some(BRIDGE));
        if let Some(route) = foreign.find(|route| overlap(route.to, *subnet)) {
            let link = route.link.as_ref().map(|link| format!(" on {link}")).unwrap_or_default();
            return Err(Error::refused(format!("cannot use {subnet}: this host has a route to {}{link}", route.to))
                .hint("choose another subnet: ip route shows those in use"));
        }
        // An address need not have a route in the main table.
        let addresses = networks.map(|networks| networks.addresses.as_slice()).unwrap_or_default();
        let mut foreign = addresses.iter().filter(|own| own.link != BRIDGE);
        if let Some(own) = foreign.find(|own| subnet.contains(&own.address.addr())) {
            return Err(Error::refused(format!(
                "cannot use {subnet}: this host has the address {} on {}",
                own.address.addr(),
                own.link
            ))
            .hint("choose another subnet: ip address shows those in use"));
        }
    }
    for other in others {
        let Ok(network) = &other.content else { continue };
        let shown = other.path.display();
        if network.name == request.name {
            return Err(Error::refused(format!("cannot use the name {}: {shown} has that name", request.name))
                .hint("use another --name, or remove that file"));
        }
        for range in network.ranges() {
            if let Some(subnet) = request.subnets.iter().find(|subnet| overlap(range.subnet, **subnet)) {
                return Err(Error::refused(format!("cannot use {subnet}: it overlaps {} in {shown}", range.subnet))
                    .hint("choose another subnet, or remove that file"));
            }
        }
    }
    Ok(())
}

/// The requested version, if the plugins support it; else the newest that all of them support.
pub(crate) fn version(plugins: &[PluginVersions], requested: Option<Cni>) -> Result<Cni> {
    let is_common = |version: &Cni| plugins.iter().all(|(_, supports)| supports.contains(version));
    if let Some(requested) = requested {
        if !(Cni::WITH_LISTS..=Cni::NEWEST).contains(&requested) {
            return Err(Error::usage(format!(
                "cannot write CNI version {requested}: expected {} to {}",
                Cni::WITH_LISTS,
                Cni::NEWEST
            )));
        }
        if let Some((name, supports)) = plugins.iter().find(|(_, supports)| !supports.contains(&requested)) {
            let newest = supports.iter().max().map(Cni::to_string).unwrap_or_default();
            return Err(Error::refused(format!(
                "cannot write CNI version {requested}: the installed {name} supports versions up to {newest}"
            )));
        }
        return Ok(requested);
    }
    let all = plugins.iter().flat_map(|(_, supports)| supports).copied();
    let known = all.filter(|version| (Cni::WITH_LISTS..=Cni::NEWEST).contains(version));
    known.filter(is_common).max().ok_or_else(|| {
        Error::failed("cannot write a network: the installed plugins support no common CNI version")
            .hint("install all plugins of one release: edge-cni install --archive FILE")
    })
}

/// Leaves out the versions that the runtime does not support; the note for the user where there are some.
pub(crate) fn limit_to_runtime(
    plugins: Vec<PluginVersions>,
    runtime: Option<&Runtime>,
) -> (Vec<PluginVersions>, Option<String>) {
    let newest = plugins.iter().filter_map(|(_, supports)| supports.iter().max()).min().copied();
    let Some(runtime) = runtime.filter(|runtime| newest.is_some_and(|newest| newest > runtime.newest)) else {
        return (plugins, None);
    };
    let limited = |supports: Vec<Cni>| supports.into_iter().filter(|version| *version <= runtime.newest).collect();
    let note = format!("the plugins support newer CNI versions, but {} only up to {}", runtime.shown(), runtime.newest);
    (plugins.into_iter().map(|(name, supports)| (name, limited(supports))).collect(), Some(note))
}

/// The file, with its keys in the usual order.
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

/// The text of the file.
pub(crate) fn document(request: &Network, version: Cni) -> Result<String> {
    let default_route = |subnet: &IpNet| if subnet.addr().is_ipv4() { "0.0.0.0/0" } else { "::/0" };
    let ipam = Ipam {
        r#type: "host-local",
        ranges: request.subnets.iter().map(|subnet| json!([{"subnet": subnet.to_string()}])).collect(),
        routes: request.subnets.iter().map(|subnet| json!({"dst": default_route(subnet)})).collect(),
    };
    let bridge = Bridge { r#type: "bridge", bridge: BRIDGE, is_gateway: true, ip_masq: true, hairpin_mode: true, ipam };
    let ports = json!({"type": "portmap", "capabilities": {"portMappings": true}});
    let document = Document { cni_version: version.to_string(), name: &request.name, plugins: (bridge, ports) };
    let text = serde_json::to_string_pretty(&document);
    Ok(text.on("write", "a network")? + "\n")
}

#[cfg(test)]
mod tests;
