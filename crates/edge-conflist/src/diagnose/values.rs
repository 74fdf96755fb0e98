//! Values that a plugin refuses for each pod: of another JSON type than it decodes, or outside its limits.
//!
//! Go ignores the case of keys, keeps the default for `null`, and decodes no number or flag from a string.

use std::net::IpAddr;

use edge_host::Finding;
use serde_json::Value;

use crate::conflist::{File, HOST_LOCAL, Network, ipam_of, kind_of};
use crate::range::parse_subnet;

/// The JSON type of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Flag,
    Integer,
    Texts,
}

type Keys = &'static [(&'static str, Kind)];

/// plugins v1.9.1, main/bridge/bridge.go, `NetConf`.
const BRIDGE: Keys = &[
    ("bridge", Kind::Text),
    ("isGateway", Kind::Flag),
    ("isDefaultGateway", Kind::Flag),
    ("forceAddress", Kind::Flag),
    ("ipMasq", Kind::Flag),
    ("ipMasqBackend", Kind::Text),
    ("mtu", Kind::Integer),
    ("hairpinMode", Kind::Flag),
    ("promiscMode", Kind::Flag),
    ("vlan", Kind::Integer),
    ("preserveDefaultVlan", Kind::Flag),
    ("macspoofchk", Kind::Flag),
    ("enabledad", Kind::Flag),
    ("disableContainerInterface", Kind::Flag),
    ("portIsolation", Kind::Flag),
];
/// meta/portmap/main.go, `PortMapConf`.
const PORTMAP: Keys = &[
    ("backend", Kind::Text),
    ("snat", Kind::Flag),
    ("conditionsV4", Kind::Texts),
    ("conditionsV6", Kind::Texts),
    ("masqAll", Kind::Flag),
    ("markMasqBit", Kind::Integer),
    ("externalSetMarkChain", Kind::Text),
];
/// ipam/host-local/backend/allocator/config.go, `IPAMConfig` without the ranges.
const IPAM: Keys = &[("dataDir", Kind::Text), ("resolvConf", Kind::Text)];
/// cni v1.3.0, pkg/types/types.go, `route`.
const ROUTE: Keys = &[
    ("dst", Kind::Text),
    ("gw", Kind::Text),
    ("mtu", Kind::Integer),
    ("advmss", Kind::Integer),
    ("priority", Kind::Integer),
    ("table", Kind::Integer),
    ("scope", Kind::Integer),
];
const VLAN_TRUNK: Keys = &[("minID", Kind::Integer), ("maxID", Kind::Integer), ("id", Kind::Integer)];
/// The kernel's IFNAMSIZ without the end of the string.
const LONGEST_NAME: usize = 15;
const LAST_VLAN: i64 = 4094;

/// A refused value.
struct Wrong {
    at: String,
    text: String,
    hint: Option<String>,
}

/// The values that the plugins bridge, portmap and host-local refuse. `hint`: what to do where there is no better hint.
pub(super) fn values(file: &File, network: &Network, hint: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, plugin) in network.plugins.iter().enumerate() {
        let mut wrong = match kind_of(plugin) {
            "bridge" => of_bridge(plugin),
            "portmap" => of_portmap(plugin),
            _ => Vec::new(),
        };
        if let Some(ipam) = plugin.get("ipam").filter(|_| ipam_of(plugin) == Some(HOST_LOCAL)) {
            wrong.extend(of_host_local(ipam));
        }
        findings.extend(wrong.into_iter().map(|Wrong { at, text, hint: own }| {
            let hint = own.unwrap_or_else(|| hint.to_owned());
            Finding::error(&file.path, text).at(&format!("plugins[{index}].{at}")).hint(hint)
        }));
    }
    findings
}

fn of_bridge(plugin: &Value) -> Vec<Wrong> {
    let mut all = of_types(plugin, "", BRIDGE);
    if let Some(name) = member(plugin, "bridge").and_then(Value::as_str) {
        let is_name = |byte: u8| !byte.is_ascii_whitespace() && !b"/:".contains(&byte);
        if name.len() > LONGEST_NAME {
            let text = format!("{name:?} is not a valid name of a link: expected at most {LONGEST_NAME} characters");
            all.push(wrong("bridge", text));
        } else if !name.bytes().all(is_name) || [".", ".."].contains(&name) {
            all.push(wrong("bridge", format!("{name:?} is not a valid name of a link")));
        }
    }
    if is_set(plugin, "hairpinMode") && is_set(plugin, "promiscMode") {
        let hint = "remove promiscMode or hairpinMode".to_owned();
        let text = "the plugin cannot set hairpinMode and promiscMode at the same time".to_owned();
        all.push(Wrong { hint: Some(hint), ..wrong("promiscMode", text) });
    }
    if is_set(plugin, "disableContainerInterface") && ipam_of(plugin).is_some() {
        let text = "the plugin cannot assign addresses where disableContainerInterface is set".to_owned();
        all.push(Wrong {
            hint: Some("remove ipam, or this flag".to_owned()),
            ..wrong("disableContainerInterface", text)
        });
    }
    all.extend(outside(plugin, "vlan", 0, LAST_VLAN));
    let backend = member(plugin, "ipMasqBackend").filter(|_| is_set(plugin, "ipMasq")).and_then(Value::as_str);
    all.extend(backend.and_then(|text| unknown_backend("ipMasqBackend", text)));
    for (at, trunk) in entries(plugin, "vlanTrunk", "", &mut all) {
        all.extend(of_types(trunk, &at, VLAN_TRUNK));
        let ends = (member(trunk, "minID"), member(trunk, "maxID"));
        let ids = ["minID", "maxID", "id"].into_iter().filter_map(|key| outside(trunk, key, 1, LAST_VLAN));
        all.extend(ids.map(|one| Wrong { at: format!("{at}{}", one.at), ..one }));
        match ends {
            (Some(_), None) | (None, Some(_)) => {
                all.push(wrong(at.trim_end_matches('.'), "minID and maxID must be set together".to_owned()));
            }
            (Some(low), Some(high)) if low.as_i64() > high.as_i64() && high.is_i64() => {
                all.push(wrong(&format!("{at}maxID"), format!("{high} is less than minID, {low}")));
            }
            _ => {}
        }
    }
    all
}

fn of_portmap(plugin: &Value) -> Vec<Wrong> {
    let mut all = of_types(plugin, "", PORTMAP);
    all.extend(outside(plugin, "markMasqBit", 0, 31));
    let backend = member(plugin, "backend").and_then(Value::as_str);
    all.extend(backend.and_then(|text| unknown_backend("backend", text)));
    if member(plugin, "markMasqBit").is_some() && member(plugin, "externalSetMarkChain").is_some() {
        let text = "the plugin cannot use externalSetMarkChain together with markMasqBit".to_owned();
        let hint = Some("remove one of them".to_owned());
        all.push(Wrong { hint, ..wrong("externalSetMarkChain", text) });
    }
    all
}

fn of_host_local(ipam: &Value) -> Vec<Wrong> {
    let mut all = of_types(ipam, "ipam.", IPAM);
    for (at, route) in entries(ipam, "routes", "ipam.", &mut all) {
        all.extend(of_types(route, &at, ROUTE));
        let text = |key: &str| member(route, key).and_then(Value::as_str);
        if let Some(Err(cause)) = text("dst").map(parse_subnet) {
            all.push(wrong(&format!("{at}dst"), cause));
        }
        if let Some(gateway) = text("gw").filter(|text| !text.is_empty() && text.parse::<IpAddr>().is_err()) {
            all.push(wrong(&format!("{at}gw"), format!("{gateway:?} is not a valid IP address")));
        }
    }
    all
}

fn wrong(at: &str, text: String) -> Wrong {
    Wrong { at: at.to_owned(), text, hint: None }
}

/// The value of a key, whatever its case; none where it is `null`.
fn member<'v>(object: &'v Value, key: &str) -> Option<&'v Value> {
    let all = object.as_object()?.iter();
    all.filter(|(own, value)| own.eq_ignore_ascii_case(key) && !value.is_null()).map(|(_, value)| value).next_back()
}

fn is_set(object: &Value, key: &str) -> bool {
    member(object, key) == Some(&Value::Bool(true))
}

/// The objects in a list, each with its setting; another value is added to `all`.
fn entries<'v>(object: &'v Value, key: &str, before: &str, all: &mut Vec<Wrong>) -> Vec<(String, &'v Value)> {
    let Some(value) = member(object, key) else { return Vec::new() };
    let Some(list) = value.as_array() else {
        all.push(wrong(&format!("{before}{key}"), format!("expected a list, found {value}")));
        return Vec::new();
    };
    let mut found = Vec::new();
    for (index, entry) in list.iter().enumerate() {
        let at = format!("{before}{key}[{index}]");
        if entry.is_object() {
            found.push((at + ".", entry));
        } else {
            all.push(wrong(&at, format!("expected an object, found {entry}")));
        }
    }
    found
}

/// The values that have another type than their keys.
fn of_types(object: &Value, before: &str, keys: Keys) -> Vec<Wrong> {
    let of = |(key, kind): &(&str, Kind)| {
        let value = member(object, key)?;
        let (is_right, what) = match kind {
            Kind::Text => (value.is_string(), "a string"),
            Kind::Flag => (value.is_boolean(), "true or false"),
            Kind::Integer => (value.is_i64(), "a whole number"),
            Kind::Texts => {
                let is_text = |one: &Value| one.is_string() || one.is_null();
                (value.as_array().is_some_and(|all| all.iter().all(is_text)), "a list of strings")
            }
        };
        let text = format!("expected {what}, found {value}");
        (!is_right).then(|| Wrong { hint: without_quotes(key, *kind, value), ..wrong(&format!("{before}{key}"), text) })
    };
    keys.iter().filter_map(of).collect()
}

/// The hint for a number or a flag in quotes.
fn without_quotes(key: &str, kind: Kind, value: &Value) -> Option<String> {
    let text = value.as_str()?.trim();
    let is_value = match kind {
        Kind::Flag => text.parse::<bool>().is_ok(),
        Kind::Integer => text.parse::<i64>().is_ok_and(|number| number.to_string() == text),
        Kind::Text | Kind::Texts => false,
    };
    is_value.then(|| format!("write it without quotes: \"{key}\": {text}"))
}

fn outside(object: &Value, key: &str, first: i64, last: i64) -> Option<Wrong> {
    let number = member(object, key)?.as_i64().filter(|number| !(first..=last).contains(number))?;
    Some(wrong(key, format!("expected {first} to {last}, found {number}")))
}

fn unknown_backend(key: &str, text: &str) -> Option<Wrong> {
    (!["iptables", "nftables"].contains(&text))
        .then(|| wrong(key, format!("expected \"iptables\" or \"nftables\", found {text:?}")))
}
