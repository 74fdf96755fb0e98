//! EdgeMesh's name server in /etc/resolv.conf.
//!
//! KubeEdge 1.2 to 1.7 and EdgeMesh 1.7 to 1.8 put the address that they listen on in front of the name servers of the
//! host, and nothing takes it out again: once EdgeMesh is gone, each query waits for it. The line goes in this phase, as
//! the interface with the address and the chain that prove it are removed by later ones.

mod listener;

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use edge_host::action::Bytes;
use edge_host::{Cmd, FileSnapshot, Host, Inverse, Node, Plan, Result, State};
use edge_kubeedge::settings::written;
use edge_kubeedge::unit::config_in_use;
use edge_kubeedge::{Kind, Minor, version};
use edge_link::Snapshot;
use edge_systemd::{Scope, Units};
use edge_yaml::Value;
use serde::Deserialize;

use crate::context::Context;
use crate::item::Item;
use crate::ownership::Row;
use crate::phase::Phase;

const FILE: &str = "/etc/resolv.conf";
const NAMESERVER: &str = "nameserver";
/// KubeEdge's EdgeMesh makes it.
const SCRIPT: &str = "/run/edgemesh-iptables";
const CHAIN: &str = ":EDGE-MESH ";
const SAVES: [&str; 3] = ["iptables-nft-save", "iptables-legacy-save", "iptables-save"];
/// The last version with EdgeMesh in edgecore, and its settings.
const LAST: Minor = Minor::new(7);
const ENABLE: &str = "modules.edgeMesh.enable";
const INTERFACE: &str = "modules.edgeMesh.listenInterface";
const DOCKER_BRIDGE: &str = "docker0";
/// Where Docker's configuration sets the address of its bridge, and the one that it has otherwise.
const DOCKER: &str = "/etc/docker/daemon.json";
const DOCKER_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(172, 17, 0, 1));

/// A `[[resolver]]` of the data.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    interfaces: Vec<String>,
    servers: Vec<String>,
    programs: Vec<String>,
}

/// The file without the line.
pub(super) struct Edit {
    was: FileSnapshot,
    content: Vec<u8>,
    mode: u32,
}

impl Edit {
    /// Adds the write; a link to the file stays a link, and the mode stays.
    pub(super) fn plan(self, item: &Item, plan: &mut Plan) {
        let node = Node::File { content: Bytes::Known(self.content), mode: self.mode };
        item.tag(plan.write(FILE, self.was, node, Inverse::Whole, item.why()));
    }
}

pub(super) fn check(context: &Context) -> Result<()> {
    context.ownership.rows::<Known>("resolver").map(drop)
}

/// Reads whether the first name server is EdgeMesh's. It is kept where one proof is missing.
pub(super) fn read(host: &Host, context: &Context) -> Result<Option<(Item, Option<Edit>)>> {
    let rows: Vec<Row<Known>> = context.ownership.rows("resolver")?;
    let Some(row) = rows.first() else { return Ok(None) };
    // In an image it may be a link to /run, which a boot makes anew.
    let was = match host.root.find(Path::new(FILE)) {
        Err(_) if !host.root.is_live() => return Ok(None),
        found => found?,
    };
    let State::File { mode, .. } = was.state else { return Ok(None) };
    let Some((address, content)) = without_first(&was.bytes) else { return Ok(None) };
    let Some(interface) = interface_of(host, context, &row.own, address)? else { return Ok(None) };
    let Some(shown) = evidence(host)? else { return Ok(None) };
    let line = format!("{NAMESERVER} {address}");
    let item = Item::new(Phase::Units, "resolver", FILE, &[line.as_bytes()]);
    let proofs = vec![format!("{address} is the address of {interface}"), shown];
    let text = format!("the line {line} of EdgeMesh goes, the rest stays");
    let item = Item { proofs, text, ..context.decide(item, &row.entry) };
    if let Some(other) = other_server(host, &row.own, address)? {
        return Ok(Some((item.kept(format!("{other} answers on {address}")), None)));
    }
    Ok(Some((item, Some(Edit { was, content, mode }))))
}

/// The address of the first name server, and the bytes without its line.
fn without_first(bytes: &[u8]) -> Option<(IpAddr, Vec<u8>)> {
    let mut at = 0;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let mut words = std::str::from_utf8(line).unwrap_or_default().split_whitespace();
        if words.next() == Some(NAMESERVER) {
            let address = words.next()?.parse().ok()?;
            return Some((address, [&bytes[..at], &bytes[at + line.len()..]].concat()));
        }
        at += line.len();
    }
    None
}

/// The interface that EdgeMesh listens on, if this is its address.
fn interface_of(host: &Host, context: &Context, known: &Known, address: IpAddr) -> Result<Option<String>> {
    let mut names: BTreeSet<String> = known.interfaces.iter().cloned().collect();
    names.extend(edge_mesh(host)?.and_then(|document| Some(written(&document, INTERFACE)?.as_str()?.to_owned())));
    if host.root.is_live() {
        let links = Snapshot::read()?;
        let has_it = |index: u32| links.addresses_of(index).any(|own| own.address.addr() == address);
        let mut named = links.links.iter().filter(|link| names.contains(&link.name));
        return Ok(named.find(|link| has_it(link.index)).map(|link| link.name.clone()));
    }
    if names.contains(DOCKER_BRIDGE) && docker_address(host)? == address {
        return Ok(Some(DOCKER_BRIDGE.to_owned()));
    }
    // A bridge has the first address of its network.
    let bridges = names.iter().filter_map(|name| Some((name, context.networks.of_bridge(name)?)));
    let has_it = |subnet: &ipnet::IpNet| subnet.hosts().next() == Some(address);
    let found = bridges.into_iter().find(|(_, network)| network.subnets.iter().any(has_it));
    Ok(found.map(|(name, _)| name.clone()))
}

fn docker_address(host: &Host) -> Result<IpAddr> {
    let bytes = host.root.read(Path::new(DOCKER))?.unwrap_or_default();
    let set: Option<serde_json::Value> = serde_json::from_slice(&bytes).ok();
    let set = set.as_ref().and_then(|set| set.get("bip")?.as_str()?.split('/').next()?.parse().ok());
    Ok(set.unwrap_or(DOCKER_ADDRESS))
}

/// edgecore's configuration, if edgecore itself runs EdgeMesh.
fn edge_mesh(host: &Host) -> Result<Option<Value>> {
    let path = config_in_use(&host.root, Kind::EdgeCore)?.path;
    let bytes = host.root.read(&path)?.unwrap_or_default();
    let Some(document) = std::str::from_utf8(&bytes).ok().and_then(|text| edge_yaml::read(text).ok()) else {
        return Ok(None);
    };
    let version = version(&host.root, None, Kind::EdgeCore, &document, Some(&path))?.version();
    let is_on = written(&document, ENABLE).and_then(Value::as_bool) == Some(true);
    Ok(Some(document).filter(|_| is_on && version.is_none_or(|version| version <= LAST)))
}

/// What shows that EdgeMesh of such a version was here.
fn evidence(host: &Host) -> Result<Option<String>> {
    if host.root.is_live() {
        if host.root.inode(Path::new(SCRIPT))?.is_some() {
            return Ok(Some(SCRIPT.to_owned()));
        }
        for save in SAVES {
            let Ok(command) = Cmd::find(save) else { continue };
            let saved = command.args(["-t", "nat"]).output()?;
            if saved.stdout.lines().any(|line| line.starts_with(CHAIN)) {
                return Ok(Some("chain EDGE-MESH".to_owned()));
            }
        }
    }
    Ok(edge_mesh(host)?.map(|_| format!("{ENABLE} in edgecore's configuration")))
}

/// Another server that answers there: what listens now, or in an image what a boot starts.
fn other_server(host: &Host, known: &Known, address: IpAddr) -> Result<Option<String>> {
    if host.root.is_live() {
        return listener::other(host, address, &known.programs);
    }
    let units = Units::read(&host.root, Scope::NextBoot)?;
    let boot = units.started_at_boot()?;
    Ok(known.servers.iter().find(|server| boot.starts(server)).cloned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_name_server_is_taken_out_and_the_rest_stays() {
        let text = b"# by hand\nsearch lan\r\n nameserver\t172.17.0.1 # x\nnameserver 9.9.9.9\nnameserver 172.17.0.1";
        let (address, rest) = without_first(text).unwrap();
        assert_eq!(address, DOCKER_ADDRESS);
        assert_eq!(rest, b"# by hand\nsearch lan\r\nnameserver 9.9.9.9\nnameserver 172.17.0.1");
        assert_eq!(without_first(b"nameserver fd00::1").unwrap(), ("fd00::1".parse().unwrap(), Vec::new()));
        for none in [b"".as_slice(), b"nameserver x\n", b"#nameserver 1.1.1.1\n", b"nameserver\n"] {
            assert_eq!(without_first(none), None);
        }
    }
}
