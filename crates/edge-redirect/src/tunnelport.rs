//! The config map in which cloudcore records the ports of all cloudcores.

use std::net::{IpAddr, SocketAddr};

use edge_host::{Error, Result, ResultExt};
use edge_kubeedge::stream::{PORT_RECORD, STREAM_PORT};
use serde_json::{Map, Value};

use crate::pair::Pair;

/// The redirects that the config map asks for, from its JSON as kubectl prints it.
///
/// Errors: exit 1 where the input is empty, cut off or another object; where cloudcore recorded a
/// port without an address, or no port at all.
pub(crate) fn parse(text: &str) -> Result<Vec<Pair>> {
    let fail = |cause: &str, hint: &str| unusable(cause).hint(hint);
    if text.trim().is_empty() {
        return Err(fail("the input is empty", COMMAND));
    }
    let map: Value = serde_json::from_str(text).on("use", "the config map").map_err(|error| error.hint(COMMAND))?;
    let kind = map.get("kind").and_then(Value::as_str).unwrap_or("nothing");
    if kind != "ConfigMap" {
        return Err(fail(&format!("the input is of kind {kind}"), COMMAND));
    }
    let record = map.pointer("/metadata/annotations").and_then(|all| all.get(PORT_RECORD)).and_then(Value::as_str);
    let record = record.ok_or_else(|| {
        fail(
            &format!("it has no annotation {PORT_RECORD}"),
            "cloudcore 1.7 and later write it to configmap tunnelport in namespace kubeedge when they start",
        )
    })?;
    let record: Value = serde_json::from_str(record)
        .on("use", format!("annotation {PORT_RECORD} of the config map"))
        .map_err(|error| error.hint(COMMAND))?;
    let ports = record.get("ipTunnelPort").and_then(Value::as_object).filter(|ports| !ports.is_empty());
    let ports = ports.ok_or_else(|| {
        fail(
            "it names no port: no cloudcore has started yet",
            "start cloudcore with cloudStream enabled, then run again",
        )
    })?;
    pairs(ports)
}

fn unusable(cause: &str) -> Error {
    Error::cannot("use", "the config map", cause)
}

fn pairs(ports: &Map<String, Value>) -> Result<Vec<Pair>> {
    let mut pairs = Vec::new();
    for (address, port) in ports {
        if address.is_empty() {
            return Err(unusable(&format!(
                "it has port {port} with an empty address: that cloudcore could not find its own"
            ))
            .hint(format!("put its host name and address into its /etc/hosts and start it again, or give the address here: edge-redirect add {port}=IP:{STREAM_PORT}")));
        }
        let ip: IpAddr = address.parse().map_err(|_| unusable(&format!("{address:?} is not a valid IP address")))?;
        let number = port.as_u64().and_then(|port| u16::try_from(port).ok());
        let number =
            number.filter(|port| *port != 0).ok_or_else(|| unusable(&format!("{port} is not a valid port")))?;
        let pair = Pair::new(number, SocketAddr::new(ip, STREAM_PORT));
        pairs.push(pair.map_err(|cause| unusable(&format!("{address}: {cause}")))?);
    }
    Ok(pairs)
}

const COMMAND: &str =
    "kubectl get configmap -n kubeedge tunnelport -o json | edge-redirect add --tunnelport - reads it";

#[cfg(test)]
mod tests {
    use super::*;

    fn map(record: &str) -> String {
        let annotations = serde_json::json!({"tunnelportrecord.kubeedge.io": record});
        serde_json::json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "tunnelport", "annotations": annotations}})
            .to_string()
    }

    fn run(text: &str) -> Result<Vec<Pair>> {
        parse(text)
    }

    #[test]
    fn each_cloudcore_has_its_port() {
        let text =
            map(r#"{"ipTunnelPort":{"192.0.2.1":10351,"192.0.2.2":10352,"2001:db8::1":10353},"port":{"10351":true}}"#);
        let got: Vec<String> = run(&text).unwrap().iter().map(Pair::to_string).collect();
        assert_eq!(got, ["10351=192.0.2.1:10003", "10352=192.0.2.2:10003", "10353=[2001:db8::1]:10003"]);
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let good = map(r#"{"ipTunnelPort":{"192.0.2.1":10351}}"#);
        for (text, cause) in [
            (String::new(), "the input is empty"),
            (" \n".into(), "the input is empty"),
            (good[..good.len() - 9].into(), "not complete JSON"),
            ("apiVersion: v1\n".into(), "not valid JSON"),
            ("{}".into(), "of kind nothing"),
            (r#"{"kind":"List","items":[]}"#.into(), "of kind List"),
            (r#"{"kind":"ConfigMap"}"#.into(), "no annotation tunnelportrecord.kubeedge.io"),
            (map("x"), "annotation tunnelportrecord.kubeedge.io of the config map: it is not valid JSON"),
            (map("{}"), "it names no port"),
            (map(r#"{"ipTunnelPort":{}}"#), "it names no port"),
            (map(r#"{"ipTunnelPort":{"":10351}}"#), "port 10351 with an empty address"),
            (map(r#"{"ipTunnelPort":{"192.0.2.1":0}}"#), "0 is not a valid port"),
            (map(r#"{"ipTunnelPort":{"192.0.2.1":70000}}"#), "70000 is not a valid port"),
            (map(r#"{"ipTunnelPort":{"192.0.2.1":"x"}}"#), "is not a valid port"),
            (map(r#"{"ipTunnelPort":{"cloud":10351}}"#), "\"cloud\" is not a valid IP address"),
            (map(r#"{"ipTunnelPort":{"127.0.0.1":10351}}"#), "127.0.0.1: a connection"),
        ] {
            let error = run(&text).unwrap_err();
            assert!(error.message().contains(cause), "{text}: {error}");
            assert_eq!(error.exit(), edge_host::Exit::Failed);
        }
    }
}
