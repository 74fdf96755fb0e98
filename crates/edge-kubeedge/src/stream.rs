//! Ports and names for `kubectl logs` and `exec`, which go from the API server to cloudcore and from there to the edge node.
//!
//! The API server dials a port of the edge node, which a rule redirects to cloudcore's stream port. Edge nodes are
//! connected to its tunnel port.

use edge_yaml::Value;

use crate::Minor;
use crate::schema::yaml_1_1_bool;
use crate::settings::written;
use crate::spelling::spellings;

/// cloudcore serves `kubectl logs`, `exec` and `attach` here (`modules.cloudStream.streamPort`).
pub const STREAM_PORT: u16 = 10003;
/// Edge nodes connect here (`modules.cloudStream.tunnelPort`).
pub const TUNNEL_PORT: u16 = 10004;
/// Edge nodes connect here by websocket (`modules.cloudHub.websocket.port`).
pub const WEBSOCKET_PORT: u16 = 10000;
/// Edge nodes connect here by QUIC (`modules.cloudHub.quic.port`).
pub const QUIC_PORT: u16 = 10001;
/// Edge nodes get their certificates here (`modules.cloudHub.https.port`).
pub const HTTPS_PORT: u16 = 10002;
/// The chain of the nat table that cloudcore manages itself (kubeedge v1.8 `cloud/pkg/cloudstream/iptables`).
pub const KEPT_CHAIN: &str = "TUNNEL-PORT";

/// The port that the API server dials on an edge node, from this version on. From 1.7 each cloudcore negotiates its
/// own port, and the first gets this one (kubeedge v1.7 `cloud/cmd/cloudcore/app/server.go`, `negotiatePort`).
const DIALLED: [(Minor, u16); 2] = [(Minor::new(3), 10350), (NEGOTIATED, 10351)];
/// The first version whose cloudcores negotiate a port each.
pub const NEGOTIATED: Minor = Minor::new(7);
/// The first version whose cloudcore manages [`KEPT_CHAIN`].
const KEEPS_CHAIN: Minor = Minor::new(8);

/// The first version with `modules.iptablesManager`, which turns that off; cloudcore 1.8 always manages the chain.
const HAS_SWITCH: Minor = Minor::new(9);
const SWITCH: [&str; 2] = ["modules", "iptablesManager"];

/// Ports whose redirect would break what every host needs, and what listens on them.
const NEEDED: [(u16, &str); 13] = [
    (22, "SSH"),
    (53, "DNS"),
    (80, "HTTP"),
    (443, "HTTPS and of the API server's service"),
    (2379, "etcd"),
    (2380, "etcd"),
    (6443, "the API server"),
    (10000, "cloudcore's websocket hub"),
    (10001, "cloudcore's quic hub"),
    (10002, "cloudcore's certificate server"),
    (10003, "cloudcore's stream server"),
    (10004, "cloudcore's tunnel server"),
    (10250, "the kubelet"),
];

/// What listens on a port that is never the one that the API server connects to for an edge node.
#[must_use]
pub fn needed_by(port: u16) -> Option<&'static str> {
    NEEDED.iter().find(|(known, _)| *known == port).map(|(_, what)| *what)
}

/// Whether a cloudcore that runs on its host manages [`KEPT_CHAIN`] with this configuration; none if that depends on the
/// unknown version (kubeedge v1.8 to v1.23 `cloud/cmd/cloudcore/app/server.go`).
#[must_use]
pub fn manages_chain(version: Option<Minor>, document: &Value) -> Option<ChainManager> {
    let setting = |key: &str| written(document, &format!("{}.{key}", SWITCH.join(".")));
    match version {
        Some(version) if version < KEEPS_CHAIN => return Some(ChainManager::Nobody("it is older than 1.8".to_owned())),
        Some(version) if version < HAS_SWITCH => return Some(ChainManager::Cloudcore),
        None if !has_switch(document) => return None,
        _ => {}
    }
    let is_off = match setting("enable") {
        Some(Value::Bool(truth)) => !truth,
        Some(Value::String(word)) => yaml_1_1_bool(word) == Some(false),
        _ => false,
    };
    let name = SWITCH.join(".");
    Some(match setting("mode").and_then(Value::as_str) {
        _ if is_off => ChainManager::Nobody(format!("{name}.enable is false")),
        None | Some("internal") => ChainManager::Cloudcore,
        Some("external") => ChainManager::External(format!("{name}.mode is external")),
        Some(other) => ChainManager::Nobody(format!("{name}.mode is {other:?}, which cloudcore rejects")),
    })
}

/// Who manages [`KEPT_CHAIN`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChainManager {
    /// cloudcore itself.
    Cloudcore,
    /// The DaemonSet cloud-iptables-manager, if it is installed; with the reason.
    External(String),
    /// Nobody; with the reason.
    Nobody(String),
}

/// Whether the switch is written, also as `null`, which cloudcore reads as on.
fn has_switch(document: &Value) -> bool {
    let mut at = vec![document];
    for step in SWITCH {
        at = at
            .into_iter()
            .filter_map(Value::as_mapping)
            .flat_map(|map| spellings(map, step).into_iter().filter_map(|key| map.get(key)))
            .collect();
    }
    !at.is_empty()
}

/// The first version that has `kubectl logs`.
pub const FIRST_VERSION: Minor = DIALLED[0].0;

/// The port that the API server dials on an edge node; none in a version without `kubectl logs`.
#[must_use]
pub fn dialled_port(version: Minor) -> Option<u16> {
    DIALLED.iter().rev().find(|(since, _)| *since <= version).map(|(_, port)| *port)
}

/// Whether the API server dials this port in some version, for the first of several cloudcores.
#[must_use]
pub fn is_dialled(port: u16) -> bool {
    DIALLED.iter().any(|(_, known)| *known == port)
}

/// What cloudcore serves at a port by default.
#[must_use]
pub fn service_at(port: u16) -> Option<&'static str> {
    match port {
        WEBSOCKET_PORT => Some("cloudcore's websocket port"),
        QUIC_PORT => Some("cloudcore's QUIC port"),
        HTTPS_PORT => Some("cloudcore's HTTPS port"),
        STREAM_PORT => Some("cloudcore's stream port for the API server"),
        TUNNEL_PORT => Some("cloudcore's tunnel port"),
        _ => None,
    }
}

/// Whether cloudcore of this version manages the redirect itself, on its own host and only for IPv4.
#[must_use]
pub fn keeps_chain(version: Minor) -> bool {
    version >= KEEPS_CHAIN
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;
    use crate::schema::Table;

    #[test]
    fn dialled_port_follows_from_the_version() {
        for (version, port) in [
            ("1.3", 10350),
            ("1.4.0", 10350),
            ("v1.6.2", 10350),
            ("1.7.0", 10351),
            ("1.8.2", 10351),
            ("1.23.1", 10351),
            ("v1.12.0-beta.1", 10351),
        ] {
            assert_eq!(dialled_port(version.parse().unwrap()), Some(port), "{version}");
        }
        assert_eq!(dialled_port(Minor::new(2)), None);
        assert_eq!(dialled_port(FIRST_VERSION), Some(10350));
        assert!(is_dialled(10350) && is_dialled(10351) && !is_dialled(10352));
    }

    #[test]
    fn chain_is_kept_from_1_8_on() {
        assert!(keeps_chain(Minor::new(8)) && keeps_chain(Minor::new(23)) && !keeps_chain(Minor::new(7)));
    }

    #[test]
    fn chain_is_managed_by_configuration_and_version() {
        use ChainManager::{Cloudcore, External, Nobody};
        let nobody = |why: &str| Some(Nobody(why.to_owned()));
        let off = || nobody("modules.iptablesManager.enable is false");
        let external = || Some(External("modules.iptablesManager.mode is external".to_owned()));
        for (version, text, want) in [
            (None, "modules: {}", None),
            (None, "", None),
            (None, "modules: {iptablesManager: null}", Some(Cloudcore)),
            (None, "modules: {IptablesManager: {Enable: yes}}", Some(Cloudcore)),
            (None, "modules: {iptablesManager: {enable: null, mode: internal}}", Some(Cloudcore)),
            (None, "modules: {iptablesManager: {enable: false, mode: internal}}", off()),
            (None, "modules: {iptablesManager: {enable: no}}", off()),
            (None, "Modules: {iptablesmanager: {MODE: external}}", external()),
            (
                None,
                "modules: {iptablesManager: {mode: Internal}}",
                nobody("modules.iptablesManager.mode is \"Internal\", which cloudcore rejects"),
            ),
            (Some(7), "modules: {iptablesManager: {enable: true}}", nobody("it is older than 1.8")),
            (Some(8), "modules: {iptablesManager: {enable: false}}", Some(Cloudcore)),
            (Some(9), "modules: {}", Some(Cloudcore)),
            (Some(23), "modules: {iptablesManager: {enable: false}}", off()),
        ] {
            let document = edge_yaml::read(text).unwrap();
            assert_eq!(manages_chain(version.map(Minor::new), &document), want, "{version:?} {text}");
        }
    }

    #[test]
    fn needed_ports_are_never_dialled() {
        assert!(NEEDED.iter().all(|(port, _)| !is_dialled(*port)));
        assert!(
            [22, 6443, 10250].iter().chain(&[10000, 10001, 10002, 10003, 10004]).all(|port| needed_by(*port).is_some())
        );
        assert_eq!(needed_by(10352), None);
    }

    #[test]
    fn ports_are_the_defaults_of_cloudcore() {
        let table = Table::of(Kind::CloudCore);
        for minor in Table::OLDEST.number()..=table.newest().number() {
            for (key, expected) in [
                ("cloudStream.streamPort", STREAM_PORT),
                ("cloudStream.tunnelPort", TUNNEL_PORT),
                ("cloudHub.websocket.port", WEBSOCKET_PORT),
                ("cloudHub.quic.port", QUIC_PORT),
                ("cloudHub.https.port", HTTPS_PORT),
            ] {
                let key = table.key(&format!("modules.{key}"), Minor::new(minor)).unwrap();
                assert_eq!(key.default_in(Minor::new(minor)).unwrap().yaml.parse(), Ok(expected), "{}", key.path);
            }
        }
    }
}
