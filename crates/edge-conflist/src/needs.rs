//! What plugins need of a daemon of the cluster: data/needs.toml.
//!
//! A configuration that a removed cluster network left behind names a plugin whose daemon is gone: the runtime uses it
//! and reports that the network is ready, and each pod fails.

use std::path::{Path, PathBuf};

use edge_host::{Error, Host, Result, State};
use ipnet::IpNet;
use serde::Deserialize;
use serde_json::Value;

use crate::conflist::{DEFAULT_BRIDGE, Network, ipam_of, kind_of};

const TABLE: &str = include_str!("../data/needs.toml");
/// Where nothing of an image is.
const RUNTIME: [&str; 2] = ["/run", "/var/run"];
/// The plugin whose file has variables, of which it requires these.
const FLANNEL: &str = "flannel";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    needs: Vec<Need>,
}

/// A row of the table.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Need {
    plugin: String,
    path: Option<String>,
    setting: Option<String>,
    file: Option<String>,
    unless: Option<String>,
    by: String,
}

/// Something that a network needs and that is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lack {
    /// The setting of the plugin: `plugins[0].type`.
    pub at: String,
    /// What is missing: `flannel needs /run/flannel/subnet.env of flanneld, which does not exist`.
    pub text: String,
    /// It could not be determined.
    pub is_unknown: bool,
}

/// What a network lacks.
pub fn lacks(host: &Host, network: &Network) -> Result<Vec<Lack>> {
    let table = table()?;
    let mut all = Vec::new();
    for (index, plugin) in network.plugins.iter().enumerate() {
        let kinds = [Some((kind_of(plugin), "type")), ipam_of(plugin).map(|kind| (kind, "ipam.type"))];
        for (kind, key) in kinds.into_iter().flatten() {
            for need in table.needs.iter().filter(|need| need.plugin == kind) {
                let Some(path) = need.path_of(plugin) else { continue };
                let Some((state, is_unknown)) = state(host, kind, &path)? else { continue };
                let text = format!("{kind} needs {} of {}, which {state}", path.display(), need.by);
                all.push(Lack { at: format!("plugins[{index}].{key}"), text, is_unknown });
            }
        }
    }
    Ok(all)
}

fn table() -> Result<Table> {
    toml_edit::de::from_str(TABLE).map_err(|_| Error::failed("cannot read the built-in table of what plugins need"))
}

impl Need {
    /// The path that this plugin needs; none if it needs none.
    fn path_of(&self, plugin: &Value) -> Option<PathBuf> {
        if self.unless.as_ref().is_some_and(|key| plugin.get(key) == Some(&Value::Bool(true))) {
            return None;
        }
        let set = self.setting.as_ref().and_then(|setting| {
            setting.split('.').try_fold(plugin, |value, key| value.get(key))?.as_str().filter(|path| !path.is_empty())
        });
        let path = set.or(self.path.as_deref())?;
        let path = Path::new(path).components().collect::<PathBuf>();
        let path = if path.is_absolute() { path } else { Path::new("/").join(path) };
        Some(self.file.as_ref().map_or_else(|| path.clone(), |file| path.join(file)))
    }
}

/// The bridge of a network of flannel, which calls the plugin bridge with the subnet of this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlannelBridge {
    /// Its name.
    pub name: String,
    /// The subnets of this host.
    pub subnets: Vec<IpNet>,
}

/// The bridge of flannel; none where it uses another plugin, or has no subnet yet.
pub fn flannel_bridge(host: &Host, network: &Network) -> Option<FlannelBridge> {
    let plugin = network.plugins.iter().find(|plugin| kind_of(plugin) == FLANNEL)?;
    let delegate = |key: &str| plugin.get("delegate")?.get(key)?.as_str();
    if delegate("type").is_some_and(|kind| kind != "bridge") {
        return None;
    }
    let table = table().ok()?;
    let path = table.needs.iter().find(|need| need.plugin == FLANNEL)?.path_of(plugin)?;
    let text = host.root.read(&path).ok()??;
    let text = String::from_utf8_lossy(&text);
    let subnets = text.lines().filter_map(|line| match line.split_once('=')? {
        ("FLANNEL_SUBNET" | "FLANNEL_IPV6_SUBNET", value) => value.trim().parse::<IpNet>().ok(),
        _ => None,
    });
    let name = delegate("bridge").filter(|name| !name.is_empty()).unwrap_or(DEFAULT_BRIDGE).to_owned();
    Some(FlannelBridge { name, subnets: subnets.map(|subnet| subnet.trunc()).collect() })
}

/// What is wrong with a needed file, and whether that is unknown; none if it is there.
fn state(host: &Host, plugin: &str, path: &Path) -> Result<Option<(String, bool)>> {
    if !host.root.is_live() && RUNTIME.iter().any(|dir| path.starts_with(dir)) {
        return Ok(Some(("is only made on the running system".to_owned(), true)));
    }
    let found = match host.root.find(path) {
        Ok(found) => found,
        Err(error) => return Ok(Some((format!("cannot be read: {}", error.message()), true))),
    };
    Ok(match &found.state {
        State::Absent => Some(("does not exist".to_owned(), false)),
        State::File { .. } if found.bytes.trim_ascii().is_empty() => Some(("is empty".to_owned(), false)),
        State::File { .. } if plugin == FLANNEL => {
            missing_variable(&String::from_utf8_lossy(&found.bytes)).map(|name| (format!("does not set {name}"), false))
        }
        _ => None,
    })
}

/// The first variable that flannel requires and that its file does not set.
fn missing_variable(text: &str) -> Option<&'static str> {
    let sets = |name: &str| text.lines().any(|line| line.split_once('=').is_some_and(|(own, _)| own == name));
    let either = |family: &'static str, other: &str| (!sets(family) && !sets(other)).then_some(family);
    either("FLANNEL_NETWORK", "FLANNEL_IPV6_NETWORK")
        .or_else(|| either("FLANNEL_SUBNET", "FLANNEL_IPV6_SUBNET"))
        .or_else(|| ["FLANNEL_MTU", "FLANNEL_IPMASQ"].into_iter().find(|name| !sets(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_is_valid_and_missing_variables_are_named() {
        assert!(table().unwrap().needs.iter().all(|need| need.path.is_some() || need.setting.is_some()));
        let whole =
            "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.1.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n";
        assert_eq!(missing_variable(whole), None);
        assert_eq!(missing_variable(&whole.replace("_NETWORK", "_IPV6_NETWORK")), None);
        assert_eq!(missing_variable(&whole.replace("FLANNEL_MTU", "MTU")), Some("FLANNEL_MTU"));
        assert_eq!(missing_variable(&whole.replace("_SUBNET", "_X")), Some("FLANNEL_SUBNET"));
    }

    #[test]
    fn need_is_at_the_path_that_the_plugin_sets() {
        let of = |kind: &str, plugin: &str| {
            let plugin: Value = serde_json::from_str(plugin).unwrap();
            let all = table().unwrap().needs.into_iter().filter(|need| need.plugin == kind);
            all.filter_map(|need| need.path_of(&plugin)).map(|path| path.display().to_string()).collect::<Vec<_>>()
        };
        assert_eq!(of("flannel", "{}"), ["/run/flannel/subnet.env"]);
        assert_eq!(of("flannel", r#"{"subnetFile": "/x/y"}"#), ["/x/y"]);
        assert_eq!(of("calico", "{}"), ["/var/lib/calico/nodename"]);
        let kubeconfig = r#"{"nodename_file_optional": true, "kubernetes": {"kubeconfig": "/etc/k"}}"#;
        assert_eq!(of("calico", kubeconfig), ["/etc/k"]);
        assert!(of("multus", "{}").is_empty());
        assert_eq!(of("multus", r#"{"kubeconfig": "/etc/m"}"#), ["/etc/m"]);
        assert_eq!(of("multus-shim", r#"{"daemonSocketDir": "/run/m/"}"#), ["/run/m/multus.sock"]);
        assert_eq!(of("dhcp", r#"{"ipam": {"daemonSocketPath": "/run/d"}}"#), ["/run/d"]);
    }
}
