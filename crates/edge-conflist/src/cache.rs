//! The entries that libcni keeps of each attachment of a container: its network, namespace and interfaces.
//!
//! They tell which rules, links and leases belong to which network: Podman and nerdctl use the same plugins, and with
//! them the same names of chains, links and files.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use edge_host::{Host, Result};
use serde_json::Value;

use crate::conflist::{Network, parse};

/// Where runtimes keep them: libcni's own directory, and that of older ones.
pub const DIRS: [&str; 2] = ["/var/lib/cni/results", "/var/lib/cni/cache/results"];
/// The `kind` of an entry of libcni 0.8 and later; earlier ones contain only the result.
const KIND: &str = "cniCacheV1";

/// One attachment of a container to a network.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its file.
    pub path: PathBuf,
    /// The name of the network.
    pub network: String,
    /// The ID of the container or sandbox.
    pub container: String,
    /// The path of its network namespace; older libcni does not keep it.
    pub netns: Option<PathBuf>,
    /// The configuration that was used; older libcni does not keep it.
    pub conf: Option<Network>,
    /// The interfaces on the host, such as the bridge and the host's end of a veth.
    pub host_interfaces: Vec<String>,
    /// The addresses of the container, and their gateways.
    pub addresses: Vec<IpAddr>,
}

/// What was found.
#[derive(Debug, Clone, Default)]
pub struct Cache {
    /// The entries.
    pub entries: Vec<Entry>,
    /// Files that are not understood: it is unknown what they belong to.
    pub unknown: Vec<PathBuf>,
}

/// Reads all entries.
pub fn read(host: &Host) -> Result<Cache> {
    let mut cache = Cache::default();
    for dir in DIRS.map(Path::new) {
        for name in host.root.list(dir)? {
            let path = dir.join(&name);
            let text = host.root.read(&path).ok().flatten();
            match text.and_then(|text| entry(&path, &String::from_utf8_lossy(&text))) {
                Some(entry) => cache.entries.push(entry),
                None => cache.unknown.push(path),
            }
        }
    }
    Ok(cache)
}

/// An entry; none if the text is not one.
fn entry(path: &Path, text: &str) -> Option<Entry> {
    let value: Value = serde_json::from_str(text).ok()?;
    let field = |key: &str| Some(value.get(key)?.as_str()?.to_owned()).filter(|text| !text.is_empty());
    let (network, container, conf, result) = match field("kind").as_deref() {
        Some(KIND) => {
            let conf = field("config").and_then(|conf| BASE64_STANDARD.decode(conf).ok());
            let conf = conf.and_then(|conf| conf_of(&String::from_utf8_lossy(&conf)));
            (field("networkName")?, field("containerId")?, conf, value.get("result").unwrap_or(&Value::Null))
        }
        Some(_) => return None,
        None => {
            value.get("cniVersion")?;
            let (network, container) = named(path.file_name()?.to_str()?)?;
            (network, container, None, &value)
        }
    };
    let all = |key: &str| result.get(key).and_then(Value::as_array).into_iter().flatten();
    let is_on_host = |one: &&Value| one.get("sandbox").and_then(Value::as_str).is_none_or(str::is_empty);
    let names = all("interfaces").filter(is_on_host).filter_map(|one| one.get("name")?.as_str());
    let host_interfaces = names.map(str::to_owned).collect();
    let address = |one: &Value, key: &str| one.get(key)?.as_str()?.split('/').next()?.parse::<IpAddr>().ok();
    let addresses = all("ips").flat_map(|one| [address(one, "address"), address(one, "gateway")]).flatten().collect();
    let netns = field("netns").map(PathBuf::from);
    Some(Entry { path: path.to_path_buf(), network, container, netns, conf, host_interfaces, addresses })
}

/// A configuration, whether a list or a single plugin.
fn conf_of(text: &str) -> Option<Network> {
    ["x.conflist", "x.conf"].into_iter().find_map(|name| parse(text, name).ok())
}

/// Network and container of a file's name, `NETWORK-CONTAINER-INTERFACE`: a network may have `-` in its name.
fn named(file: &str) -> Option<(String, String)> {
    let (rest, _interface) = file.rsplit_once('-')?;
    let (network, container) = rest.rsplit_once('-')?;
    Some((network.to_owned(), container.to_owned())).filter(|(network, container)| {
        !network.is_empty() && container.len() >= 12 && container.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESULT: &str = r#"{"cniVersion": "1.0.0", "interfaces": [
        {"name": "cni0", "mac": "a2"}, {"name": "veth1a2b3c4d", "mac": "b2"},
        {"name": "eth0", "sandbox": "/var/run/netns/cni-1"}],
        "ips": [{"interface": 2, "address": "10.85.0.7/16", "gateway": "10.85.0.1"}]}"#;

    #[test]
    fn entry_reads_both_formats() {
        let conf = r#"{"cniVersion": "1.0.0", "name": "crio", "plugins": [{"type": "bridge", "bridge": "br7"}]}"#;
        let text = format!(
            r#"{{"kind": "cniCacheV1", "containerId": "9f", "config": "{}", "ifName": "eth0", "networkName": "crio",
            "netns": "/var/run/netns/cni-1", "result": {RESULT}}}"#,
            BASE64_STANDARD.encode(conf)
        );
        let new = entry(Path::new("/r/crio-9f-eth0"), &text).unwrap();
        assert_eq!((new.network.as_str(), new.container.as_str()), ("crio", "9f"));
        assert_eq!(new.conf.as_ref().and_then(Network::bridge), Some("br7"));
        assert_eq!(new.netns.as_deref(), Some(Path::new("/var/run/netns/cni-1")));
        let old = entry(Path::new("/r/my-net-0123456789ab-eth0"), RESULT).unwrap();
        assert_eq!((old.network.as_str(), old.container.as_str()), ("my-net", "0123456789ab"));
        for one in [&new, &old] {
            assert_eq!(one.host_interfaces, ["cni0", "veth1a2b3c4d"]);
            assert_eq!(one.addresses, ["10.85.0.7".parse::<IpAddr>().unwrap(), "10.85.0.1".parse().unwrap()]);
        }
    }

    #[test]
    fn entry_of_anything_else_is_none() {
        for text in ["", "[]", r#"{"kind": "other", "cniVersion": "1"}"#, "{}", r#"{"kind": "cniCacheV1"}"#] {
            assert!(entry(Path::new("/r/net-0123456789ab-eth0"), text).is_none(), "{text}");
        }
        for name in ["net-eth0", "-0123456789ab-eth0", "net-xyz-eth0", "net"] {
            assert!(entry(&Path::new("/r").join(name), RESULT).is_none(), "{name}");
        }
    }
}
