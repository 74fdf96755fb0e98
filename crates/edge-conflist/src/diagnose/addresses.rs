//! The addresses of a network: its ranges as host-local reads them, other networks, routes and the bridge.

use edge_host::Finding;
use ipnet::IpNet;
use serde_json::{Value, json};

use super::hint::CORRECT;
use crate::conflist::{File, HOST_LOCAL, Network, ipam_of, kind_of};
use crate::needs::FlannelBridge;
use crate::networks::Networks;
use crate::range::{self, Range, is_link_local, overlap, share_addresses};

/// Calico replaces these with the node's subnets before it calls host-local.
const POD_CIDR: [&str; 2] = ["usePodCidr", "usePodCidrIPv6"];

/// What host-local refuses for each pod (plugins v1.9.1, allocator/config.go and range_set.go).
pub(super) fn ranges(file: &File, network: &Network) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, plugin) in network.plugins.iter().enumerate() {
        if ipam_of(plugin) != Some(HOST_LOCAL) || is_completed_by(plugin) {
            continue;
        }
        let Some(ipam) = plugin.get("ipam") else { continue };
        let error = |at: &str, text: String| {
            Finding::error(&file.path, text).at(&format!("plugins[{index}].{at}")).hint(CORRECT)
        };
        if let Some((at, text)) = wrong_list(ipam) {
            findings.push(error(&at, text));
            continue;
        }
        let (mut valid, mut is_valid): (Vec<(String, Range)>, bool) = (Vec::new(), true);
        for (at, value) in range::listed(ipam) {
            match Range::parse(value) {
                Ok(range) => valid.push((at, range)),
                Err((key, cause)) => {
                    is_valid = false;
                    findings.push(error(&format!("{at}.{key}"), cause));
                }
            }
        }
        if valid.is_empty() && is_valid {
            findings.push(error("ipam", "host-local has neither a subnet nor ranges".to_owned()));
        }
        findings.extend(overlapping(&valid).into_iter().map(|(at, text)| error(&at, text)));
    }
    findings
}

/// Whether the runtime or the plugin adds ranges that are not in the file.
fn is_completed_by(plugin: &Value) -> bool {
    let adds = plugin.get("capabilities").and_then(|all| all.get("ipRanges")) == Some(&Value::Bool(true));
    let ipam = plugin.get("ipam");
    let subnet = ipam.and_then(|ipam| ipam.get("subnet")).and_then(Value::as_str);
    let listed = ipam.into_iter().flat_map(range::listed).filter_map(|(_, one)| one.get("subnet")?.as_str());
    let is_calico =
        kind_of(plugin) == "calico" && subnet.into_iter().chain(listed).any(|text| POD_CIDR.contains(&text));
    adds || is_calico || kind_of(plugin) == "flannel"
}

/// The first part of `ranges` that is not a list of lists with ranges of one family.
fn wrong_list(ipam: &Value) -> Option<(String, String)> {
    let ranges = ipam.get("ranges").filter(|ranges| !ranges.is_null())?;
    let Some(sets) = ranges.as_array() else {
        return Some(("ipam.ranges".to_owned(), format!("expected a list of lists, found {ranges}")));
    };
    for (index, set) in sets.iter().enumerate() {
        let at = format!("ipam.ranges[{index}]");
        let Some(entries) = set.as_array() else {
            return Some((at, format!("expected a list such as [{{\"subnet\": \"10.85.0.0/16\"}}], found {set}")));
        };
        if entries.is_empty() {
            return Some((at, "the list is empty".to_owned()));
        }
        if let Some(index) = entries.iter().position(|entry| !entry.is_object()) {
            return Some((format!("{at}[{index}]"), format!("expected an object, found {}", entries[index])));
        }
        let mut families =
            entries.iter().filter_map(|entry| Range::parse(entry).ok()).map(|range| range.first.is_ipv4());
        if families.next().is_some_and(|first| families.any(|other| other != first)) {
            return Some((at, "the list mixes IPv4 and IPv6: use a list for each".to_owned()));
        }
    }
    None
}

/// Ranges that overlap an earlier one, which host-local refuses.
fn overlapping(ranges: &[(String, Range)]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (index, (at, range)) in ranges.iter().enumerate() {
        if let Some((before, _)) = ranges[..index].iter().find(|(_, before)| share_addresses(before, range)) {
            found.push((at.clone(), format!("the range overlaps {before}")));
        }
    }
    found
}

/// Other networks with addresses of the one that is used. host-local has leases for each name, so both assign the same.
pub(super) fn same_subnet(file: &File, network: &Network, files: &[File]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for other in files.iter().filter(|other| other.path != file.path) {
        let Some(their) = other.content.as_ref().ok().filter(|their| their.name != network.name) else { continue };
        let own = network.ranges();
        let both = their.ranges().into_iter().find_map(|range| {
            own.iter().find(|own| overlap(own.subnet, range.subnet)).map(|own| (own.subnet, range.subnet))
        });
        if let Some((own, subnet)) = both {
            let text = format!(
                "{subnet} of the network {} overlaps {own} of {}: where both are used, pods get the same addresses",
                their.name,
                file.path.display()
            );
            let hint = format!("choose another subnet for one of them, or remove {}", other.path.display());
            findings.push(Finding::warning(&other.path, text).hint(hint));
        }
    }
    findings
}

/// Compares the network with the host's routes and addresses.
pub(super) fn against_host(file: &File, network: &Network, networks: &Networks) -> Vec<Finding> {
    let Some(bridge) = network.bridge() else { return Vec::new() };
    let ranges = network.ranges();
    let mut findings = Vec::new();
    for range in &ranges {
        let foreign = networks.routes.iter().filter(|route| route.link.as_deref() != Some(bridge));
        for route in foreign.filter(|route| route.to.contains(&range.subnet)) {
            let link = route.link.as_ref().map(|link| format!(" on {link}")).unwrap_or_default();
            let text =
                format!("{} overlaps this host's route to {}{link}: pods receive that traffic", range.subnet, route.to);
            findings.push(
                Finding::warning(&file.path, text).hint("choose another subnet: edge-cni conf bridge --subnet CIDR"),
            );
        }
    }
    match not_a_bridge(file, bridge, networks) {
        Some(finding) => findings.push(finding),
        None if network.is_gateway() => findings.extend(bridge_address(file, bridge, &ranges, networks)),
        None => {}
    }
    findings
}

/// The plugin refuses a link with the bridge's name that is not a bridge (bridge.go, bridgeByName).
fn not_a_bridge(file: &File, bridge: &str, networks: &Networks) -> Option<Finding> {
    let link = networks.links.iter().find(|link| link.name == bridge && link.kind.as_deref() != Some("bridge"))?;
    let other = "set another name as \"bridge\" of the network";
    let (kind, hint) = match &link.kind {
        Some(kind) => (format!(" but of the kind {kind}"), format!("{other}, or run: ip link delete {bridge}")),
        None => (String::new(), other.to_owned()),
    };
    Some(
        Finding::error(&file.path, format!("the link {bridge} exists and is not a bridge{kind}: pods fail")).hint(hint),
    )
}

/// Compares the bridge of flannel with this host's subnets.
pub(super) fn of_flannel(file: &File, bridge: &FlannelBridge, networks: &Networks) -> Vec<Finding> {
    let parse = |subnet: &IpNet| Range::parse(&json!({"subnet": subnet.to_string()})).ok();
    let ranges: Vec<Range> = bridge.subnets.iter().filter_map(parse).collect();
    match not_a_bridge(file, &bridge.name, networks) {
        Some(finding) => vec![finding],
        None => bridge_address(file, &bridge.name, &ranges, networks),
    }
}

/// The plugin refuses a bridge with another address of IPv4, or of an overlapping subnet (bridge.go, ensureAddr).
fn bridge_address(file: &File, bridge: &str, ranges: &[Range], networks: &Networks) -> Vec<Finding> {
    let addresses = networks.addresses.iter().filter(|own| own.link == bridge).map(|own| own.address);
    let addresses: Vec<IpNet> = addresses.filter(|own| !is_link_local(own.addr())).collect();
    let mut findings = Vec::new();
    for range in ranges {
        let Ok(expected) = IpNet::new(range.gateway, range.subnet.prefix_len()) else { continue };
        let is_v4 = range.gateway.is_ipv4();
        let mut own = addresses.iter().filter(|own| own.addr().is_ipv4() == is_v4);
        if own.clone().any(|own| *own == expected) {
            continue;
        }
        if let Some(own) = own.find(|own| is_v4 || overlap(own.trunc(), range.subnet)) {
            let text = format!("{bridge} has the address {own} of another network instead of {expected}: pods fail");
            let hint = format!("stop all pods and run: ip link delete {bridge}");
            findings.push(Finding::error(&file.path, text).hint(hint));
        }
    }
    findings
}

#[cfg(test)]
mod tests;
