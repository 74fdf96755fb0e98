//! Ports and names for `kubectl logs` and `exec`, which go from the API server to cloudcore and from there to the edge node.
//!
//! The API server dials a port of the edge node, which a rule redirects to cloudcore's stream port. Edge nodes are
//! connected to its tunnel port.

use crate::Minor;

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
/// The annotation of config map kubeedge/tunnelport in which cloudcore records the ports of all cloudcores.
pub const PORT_RECORD: &str = "tunnelportrecord.kubeedge.io";

/// The port that the API server dials on an edge node, from this version on. From 1.7 each cloudcore negotiates its
/// own port, and the first gets this one (kubeedge v1.7 `cloud/cmd/cloudcore/app/server.go`, `negotiatePort`).
const DIALLED: [(Minor, u16); 2] = [(Minor::new(3), 10350), (Minor::new(7), 10351)];
/// The first version whose cloudcore manages [`KEPT_CHAIN`].
const KEEPS_CHAIN: Minor = Minor::new(8);

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
