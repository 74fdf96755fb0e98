//! The config map `tunnelport`, in which each cloudcore records its address and port.

use std::net::SocketAddr;

use edge_host::{Error, Result, ResultExt};
use edge_kubeedge::stream::STREAM_PORT;
use edge_kubeedge::tunnelport::{ANNOTATION, BadRecord, Recorded, ports};
use serde_json::Value;

use crate::redirect::Redirect;

/// The redirects for a config map, from its JSON as kubectl prints it.
///
/// Errors: exit 1 if the input is empty, incomplete or another object, or if cloudcore recorded a port without an
/// address, or no port at all.
pub(crate) fn parse(text: &str) -> Result<Vec<Redirect>> {
    let fail = |cause: &str, hint: &str| unusable(cause).hint(hint);
    if text.trim().is_empty() {
        return Err(fail("the input is empty", COMMAND));
    }
    let map: Value = serde_json::from_str(text).on("use", "the config map").map_err(|error| error.hint(COMMAND))?;
    let kind = map.get("kind").and_then(Value::as_str).unwrap_or_default();
    if kind != "ConfigMap" {
        let found = if kind.is_empty() { "none".to_owned() } else { format!("{kind:?}") };
        return Err(fail(&format!("expected kind \"ConfigMap\", found {found}"), COMMAND));
    }
    let record = map.pointer("/metadata/annotations").and_then(|all| all.get(ANNOTATION)).and_then(Value::as_str);
    let record = record.ok_or_else(|| {
        fail(
            &format!("it has no annotation {ANNOTATION}"),
            "start cloudcore 1.7 or later, which writes it to config map tunnelport in namespace kubeedge",
        )
    })?;
    let recorded = match ports(record) {
        Ok(recorded) => recorded,
        Err(BadRecord::NotJson(cause)) => {
            let read: Result<()> = Err(cause).on("use", format!("annotation {ANNOTATION} of the config map"));
            return read.map(|()| Vec::new()).map_err(|error| error.hint(COMMAND));
        }
        Err(why) => return Err(unusable(&why.to_string())),
    };
    if recorded.is_empty() {
        return Err(fail(
            "it contains no ports: no cloudcore has started yet",
            "start cloudcore with cloudStream enabled, then run again",
        ));
    }
    recorded.into_iter().map(redirect).collect()
}

fn unusable(cause: &str) -> Error {
    Error::cannot("use", "the config map", cause)
}

fn redirect(recorded: Recorded) -> Result<Redirect> {
    let port = recorded.port;
    let Some(ip) = recorded.address else {
        return Err(unusable(&format!(
            "port {port} has an empty address: that cloudcore could not determine its own"
        ))
        .hint(format!("add its host name and address to /etc/hosts on its host and restart it, or name the address: edge-redirect add {port}=IP:{STREAM_PORT}")));
    };
    Redirect::new(port, SocketAddr::new(ip, STREAM_PORT)).map_err(|cause| unusable(&format!("{ip}: {cause}")))
}

const COMMAND: &str = "kubectl get configmap -n kubeedge tunnelport -o json | edge-redirect add --tunnelport -";

#[cfg(test)]
mod tests {
    use super::*;

    fn map(record: &str) -> String {
        let annotations = serde_json::json!({"tunnelportrecord.kubeedge.io": record});
        serde_json::json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "tunnelport", "annotations": annotations}})
            .to_string()
    }

    fn run(text: &str) -> Result<Vec<Redirect>> {
        parse(text)
    }

    #[test]
    fn parse_reads_the_port_of_each_cloudcore() {
        let text =
            map(r#"{"ipTunnelPort":{"192.0.2.1":10351,"192.0.2.2":10352,"2001:db8::1":10353},"port":{"10351":true}}"#);
        let got: Vec<String> = run(&text).unwrap().iter().map(Redirect::to_string).collect();
        assert_eq!(got, ["10351=192.0.2.1:10003", "10352=192.0.2.2:10003", "10353=[2001:db8::1]:10003"]);
    }

    #[test]
    fn parse_refuses_invalid_config_maps() {
        let good = map(r#"{"ipTunnelPort":{"192.0.2.1":10351}}"#);
        for (text, cause) in [
            (String::new(), "the input is empty"),
            (" \n".into(), "the input is empty"),
            (good[..good.len() - 9].into(), "not complete JSON"),
            ("apiVersion: v1\n".into(), "not valid JSON"),
            ("{}".into(), "expected kind \"ConfigMap\", found none"),
            (r#"{"kind":"List","items":[]}"#.into(), "expected kind \"ConfigMap\", found \"List\""),
            (r#"{"kind":"ConfigMap"}"#.into(), "no annotation tunnelportrecord.kubeedge.io"),
            (map("x"), "annotation tunnelportrecord.kubeedge.io of the config map: it is not valid JSON"),
            (map("{}"), "it contains no ports"),
            (map(r#"{"ipTunnelPort":{}}"#), "it contains no ports"),
            (map(r#"{"ipTunnelPort":{"":10351}}"#), "port 10351 has an empty address"),
            (map(r#"{"ipTunnelPort":{"192.0.2.1":0}}"#), "0 is not a port from 1 to 65535"),
            (map(r#"{"ipTunnelPort":{"192.0.2.1":70000}}"#), "70000 is not a port from 1 to 65535"),
            (map(r#"{"ipTunnelPort":{"192.0.2.1":"x"}}"#), "is not a port from 1 to 65535"),
            (map(r#"{"ipTunnelPort":{"cloud":10351}}"#), "\"cloud\" is not a valid IP address"),
            (map(r#"{"ipTunnelPort":{"127.0.0.1":10351}}"#), "127.0.0.1: it is a loopback address"),
        ] {
            let error = run(&text).unwrap_err();
            assert!(error.message().contains(cause), "{text}: {error}");
            assert_eq!(error.exit(), edge_host::Exit::Failed);
        }
    }
}
