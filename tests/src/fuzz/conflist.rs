//! Network configurations as libcni reads them.

use edge_conflist::conflist::{Network, parse};
use serde_json::{Value, json};

use super::Target;

pub(super) const TARGET: Target = Target {
    name: "conflist",
    check,
    read,
    seeds: || {
        super::texts(&[
            r#"{"cniVersion": "1.0.0", "name": "edge", "plugins": [{"type": "bridge", "bridge": "cni0", "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.85.0.0/16"}]], "dataDir": "/var/lib/cni"}}, {"type": "portmap", "capabilities": {"portMappings": true}}]}"#,
            r#"{"cniVersion": "0.3.1", "name": "one", "type": "bridge", "ipam": {"type": "host-local", "subnet": "fd00::/64"}, "dns": {}}"#,
            r#"{"cniVersions": ["0.4.0", "1.1.0"], "cniVersion": "", "name": "x", "disableCheck": "TRUE", "loadOnlyInlinedPlugins": false, "plugins": [{"type": "ptp"}]}"#,
        ])
    },
    tokens: &[
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\\u0000",
        "null",
        "true",
        "1e9",
        "-1",
        "\"type\"",
        "\"plugins\"",
        "\"name\"",
        "\"cniVersion\"",
        "\"cniVersions\"",
        "\"1.0.0\"",
        "\"disableCheck\"",
        "\"ipam\"",
        "\"capabilities\"",
        "..",
        "\"a\"",
    ],
    growing: &[
        (r#"{"name":"x","plugins":["#, r#"{"type":"p{}"},"#, r#"{"type":"y"}]}"#),
        (r#"{"name":"x","cniVersions":["#, r#""1.0.{}","#, r#""1.0.0"],"plugins":[{"type":"y"}]}"#),
        (r#"{"name":"x","plugins":[{"type":"y","capabilities":{"#, r#""c{}":true,"#, r#""c":true}}]}"#),
        (
            r#"{"name":"x","plugins":[{"type":"y","ipam":{"type":"host-local","ranges":["#,
            r#"[{"subnet":"10.0.0.0/8"}],"#,
            r#"[]]}}]}"#,
        ),
        ("", "[", ""),
        ("", r#"{"a":"#, ""),
        (r#"{"name":""#, "x", r#"","plugins":[{"type":"y"}]}"#),
    ],
};

fn read(data: &[u8]) {
    let text = super::text(data);
    for file in ["10-x.conflist", "10-x.conf"] {
        if let Ok(network) = parse(&text, file) {
            seen(&network);
        }
    }
}

/// Everything that is read from a network, except the settings of single plugins.
fn seen(network: &Network) -> String {
    let read = (network.programs(), network.ranges(), network.leases(), network.bridge().map(str::to_owned));
    format!("{:?}", (&network.name, network.is_named, network.version, network.single, network.has_check, read))
}

fn check(data: &[u8]) {
    let text = super::text(data);
    let value = serde_json::from_str::<Value>(&text);
    for file in ["10-x.conflist", "10-x.conf"] {
        let network = parse(&text, file);
        let Ok(value) = &value else {
            assert!(network.is_err(), "{network:?}");
            continue;
        };
        // Layout and the order of keys say nothing.
        let again = parse(&format!("\n{value:#}\n"), file);
        assert_eq!(network.as_ref().map(seen).ok(), again.as_ref().map(seen).ok());
        let Ok(network) = network else { continue };
        assert!(!network.name.is_empty() && !network.name.contains('/'));
        assert!(network.programs().iter().all(|(program, _)| !program.is_empty()));
        assert_eq!(network.leases().file_name().and_then(|name| name.to_str()), Some(network.name.as_str()));
        if file == "10-x.conf" {
            let mut list = json!({"name": network.name, "plugins": [value]});
            if let Some(version) = value.get("cniVersion") {
                list["cniVersion"] = version.clone();
            }
            // A list of it is two levels deeper, which the reader may refuse.
            match parse(&list.to_string(), "10-x.conflist") {
                Ok(list) => assert_eq!((list.programs(), list.single), (network.programs(), network.single)),
                Err(broken) => assert!(broken.text.contains("too many nested"), "{broken:?}"),
            }
        }
    }
}
