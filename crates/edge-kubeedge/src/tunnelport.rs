//! The record of the ports of all cloudcores, in the config map `tunnelport` of namespace `kubeedge`.
//!
//! From KubeEdge 1.7 each cloudcore negotiates a port, which the API server connects to for the edge nodes of that
//! cloudcore: `{"ipTunnelPort": {"192.0.2.1": 10351}, "port": {"10351": true}}`.

use std::net::IpAddr;

use serde_json::Value;

/// The annotation of the config map that has the record.
pub const ANNOTATION: &str = "tunnelportrecord.kubeedge.io";

/// The port of a cloudcore.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recorded {
    /// The address of its host; none if it could not determine it.
    pub address: Option<IpAddr>,
    /// Its port, never 0.
    pub port: u16,
}

/// Why a record cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BadRecord {
    /// It is not JSON.
    #[error("annotation {ANNOTATION}: it is not valid JSON")]
    NotJson(#[source] serde_json::Error),
    /// The name of an entry is not an address.
    #[error("{0:?} is not a valid IP address")]
    Address(String),
    /// The value of an entry is not a port.
    #[error("{0} is not a port from 1 to 65535")]
    Port(Value),
}

/// The ports in a record; none if no cloudcore has recorded one yet.
///
/// # Errors
/// It is not a record.
pub fn ports(record: &str) -> Result<Vec<Recorded>, BadRecord> {
    let record: Value = serde_json::from_str(record).map_err(BadRecord::NotJson)?;
    let entries = record.get("ipTunnelPort").and_then(Value::as_object);
    let port = |(address, port): (&String, &Value)| {
        let number = port.as_u64().and_then(|port| u16::try_from(port).ok()).filter(|port| *port != 0);
        let address = match address.as_str() {
            "" => None,
            text => Some(text.parse().map_err(|_| BadRecord::Address(text.to_owned()))?),
        };
        Ok(Recorded { address, port: number.ok_or_else(|| BadRecord::Port(port.clone()))? })
    };
    entries.into_iter().flatten().map(port).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_those_of_each_cloudcore() {
        let record = r#"{"ipTunnelPort":{"192.0.2.1":10351,"2001:db8::1":10352,"":10353},"port":{"10351":true}}"#;
        let found = ports(record).unwrap();
        let shown: Vec<_> = found.iter().map(|own| (own.address.map(|ip| ip.to_string()), own.port)).collect();
        assert_eq!(
            shown,
            [(None, 10353), (Some("192.0.2.1".to_owned()), 10351), (Some("2001:db8::1".to_owned()), 10352)]
        );
        assert!(ports("{}").unwrap().is_empty() && ports(r#"{"ipTunnelPort":{}}"#).unwrap().is_empty());
    }

    #[test]
    fn damaged_record_is_refused_with_its_part() {
        for (record, why) in [
            ("x", "not valid JSON"),
            (r#"{"ipTunnelPort":{"cloud":10351}}"#, "\"cloud\" is not a valid IP address"),
            (r#"{"ipTunnelPort":{"192.0.2.1":0}}"#, "0 is not a port from 1 to 65535"),
            (r#"{"ipTunnelPort":{"192.0.2.1":70000}}"#, "70000 is not a port"),
            (r#"{"ipTunnelPort":{"192.0.2.1":"x"}}"#, "\"x\" is not a port"),
        ] {
            let error = ports(record).unwrap_err().to_string();
            assert!(error.contains(why), "{record}: {error}");
        }
    }
}
