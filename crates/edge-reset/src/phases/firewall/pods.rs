//! Which networks are those of pods: other programs use the same plugins, and with them the same names.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::path::Path;

use edge_conflist::cache::{self, Entry};
use edge_conflist::conflist::{CONF_DIR, Network, files};
use edge_host::{Host, Result};
use sha2::{Digest, Sha512};

/// Files of Podman's and nerdctl's networks, their names, and their bridges.
const FOREIGN_FILES: [&str; 2] = ["87-podman", "nerdctl-"];
const FOREIGN_NAMES: [&str; 1] = ["podman"];
const FOREIGN_BRIDGES: [&str; 2] = ["cni-podman", "nerdctl"];

/// The length of a chain's name (`pkg/utils` of the CNI plugins).
const CHAIN_LENGTH: usize = 28;
const CHAIN_PREFIXES: [&str; 3] = ["CNI-", "CNI-DN-", "CNI-SN-"];

/// Whose network something is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Whose {
    /// That of pods.
    Pods,
    /// That of another program.
    Others,
    /// Neither a configuration nor an entry of libcni names it.
    Unknown,
}

/// The networks of this host.
#[derive(Debug, Default)]
pub(super) struct Pods {
    /// By name; `true` for those of pods.
    networks: BTreeMap<String, bool>,
    bridges: BTreeMap<String, bool>,
    ranges: Vec<(edge_conflist::range::Range, bool)>,
    addresses: HashMap<IpAddr, bool>,
    /// The names of chains of containers.
    chains: HashMap<String, String>,
    /// The containers, by network.
    containers: BTreeSet<(String, String)>,
}

impl Pods {
    /// Reads configurations and the entries of libcni.
    pub(super) fn read(host: &Host) -> Result<Pods> {
        let mut pods = Pods::default();
        for file in files(host, Path::new(CONF_DIR))? {
            let Ok(network) = file.content else { continue };
            let name = file.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let is_foreign = FOREIGN_FILES.iter().any(|prefix| name.starts_with(prefix));
            pods.add_network(&network, is_foreign);
        }
        cache::read(host)?.entries.iter().for_each(|entry| pods.add_entry(entry));
        Ok(pods)
    }

    fn add_network(&mut self, network: &Network, is_foreign: bool) {
        let has = |known: &[&str], name: &str| known.iter().any(|prefix| name.starts_with(prefix));
        let is_foreign = is_foreign
            || FOREIGN_NAMES.contains(&network.name.as_str())
            || network.bridge().is_some_and(|bridge| has(&FOREIGN_BRIDGES, bridge));
        // Whatever else says that it belongs to pods, it is kept.
        let is_pods = !is_foreign && self.networks.get(&network.name) != Some(&false);
        self.networks.insert(network.name.clone(), is_pods);
        if let Some(bridge) = network.bridge() {
            *self.bridges.entry(bridge.to_owned()).or_insert(is_pods) &= is_pods;
        }
        self.ranges.extend(network.ranges().into_iter().map(|range| (range, is_pods)));
    }

    fn add_entry(&mut self, entry: &Entry) {
        match &entry.conf {
            Some(conf) => self.add_network(conf, false),
            // An older entry has no configuration: a name that no file has is not known to be of pods.
            None if !self.networks.contains_key(&entry.network) => return,
            None => {}
        }
        let is_pods = self.networks.get(&entry.network) == Some(&true);
        for address in &entry.addresses {
            *self.addresses.entry(*address).or_insert(is_pods) &= is_pods;
        }
        for prefix in CHAIN_PREFIXES {
            self.chains.insert(chain_name(prefix, &entry.network, &entry.container), entry.network.clone());
        }
        self.containers.insert((entry.network.clone(), entry.container.clone()));
    }

    /// Whose a network is.
    pub(super) fn network(&self, name: &str) -> Whose {
        match self.networks.get(name) {
            Some(true) => Whose::Pods,
            Some(false) => Whose::Others,
            None => Whose::Unknown,
        }
    }

    /// The network for whose container a chain was made.
    pub(super) fn of_chain(&self, chain: &str) -> Option<&str> {
        self.chains.get(chain).map(String::as_str)
    }

    /// The network of a container.
    pub(super) fn of_container(&self, id: &str) -> Option<&str> {
        self.containers.iter().find(|(_, container)| container == id).map(|(network, _)| network.as_str())
    }

    /// Whether an address is one of pods, and of nobody else.
    pub(super) fn has_address(&self, address: IpAddr) -> bool {
        let by_entry = self.addresses.get(&address).copied();
        let by_range = self.ranges.iter().filter(|(range, _)| range.subnet.contains(&address)).map(|(_, own)| *own);
        let mut all = by_entry.into_iter().chain(by_range).peekable();
        all.peek().is_some() && all.all(|own| own)
    }

    /// Whether a bridge belongs to pods.
    pub(super) fn has_bridge(&self, name: &str) -> bool {
        self.bridges.get(name) == Some(&true)
    }

    /// Whether a network of pods allocates from this subnet.
    pub(super) fn has_subnet(&self, subnet: &str) -> bool {
        self.ranges.iter().any(|(range, own)| *own && range.subnet.to_string() == subnet)
    }
}

/// The name of a container's chain.
fn chain_name(prefix: &str, network: &str, container: &str) -> String {
    let mut name = prefix.to_owned();
    let hash = Sha512::digest(format!("{network}{container}"));
    name.extend(hash.iter().map(|byte| format!("{byte:02x}")));
    name.truncate(CHAIN_LENGTH);
    name
}

/// The network that a comment of a plugin names: `name: "NET" id: "ID"`, also after `dnat ` and `snat `.
pub(super) fn network_of(comment: &str) -> Option<&str> {
    let rest = comment.strip_prefix("dnat ").or_else(|| comment.strip_prefix("snat ")).unwrap_or(comment);
    let rest = rest.strip_prefix("name: \"")?;
    let (network, rest) = rest.split_once("\" id: \"")?;
    rest.ends_with('"').then_some(network)
}

/// The network or container that a comment of a plugin for nf_tables names.
pub(super) fn network_of_nft<'c>(pods: &'c Pods, comment: &'c str) -> Option<&'c str> {
    let by_name = comment.split_once(", net: ").and_then(|(_, rest)| rest.split_once(", if: ")).map(|(name, _)| name);
    let by_id = || {
        let id = comment.rsplit_once(", id: ").map_or(comment, |(_, id)| id);
        pods.of_container(id.strip_prefix("macspoofchk-").unwrap_or(id).split('-').next().unwrap_or_default())
    };
    by_name.or_else(by_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        edge_conflist::conflist::parse(text, "x.conflist").unwrap()
    }

    #[test]
    fn networks_of_podman_are_not_of_pods() {
        let conf = |name: &str, bridge: &str, subnet: &str| {
            network(&format!(
                r#"{{"cniVersion":"0.4.0","name":"{name}","plugins":[{{"type":"bridge","bridge":"{bridge}","ipam":{{"type":"host-local","ranges":[[{{"subnet":"{subnet}"}}]]}}}}]}}"#
            ))
        };
        let mut pods = Pods::default();
        pods.add_network(&conf("cbr0", "cni0", "10.85.0.0/16"), false);
        pods.add_network(&conf("podman", "cni-podman0", "10.88.0.0/16"), false);
        pods.add_network(&conf("mine", "cni-podman1", "10.89.0.0/24"), false);
        pods.add_network(&conf("other", "br9", "10.90.0.0/24"), true);
        assert_eq!(pods.network("cbr0"), Whose::Pods);
        for name in ["podman", "mine", "other"] {
            assert_eq!(pods.network(name), Whose::Others, "{name}");
        }
        assert_eq!(pods.network("x"), Whose::Unknown);
        assert!(pods.has_bridge("cni0") && !pods.has_bridge("cni-podman0") && !pods.has_bridge("x"));
        assert!(pods.has_address("10.85.3.4".parse().unwrap()) && !pods.has_address("10.88.0.2".parse().unwrap()));
        assert!(!pods.has_address("192.0.2.1".parse().unwrap()) && pods.has_subnet("10.85.0.0/16"));
    }

    #[test]
    fn comments_name_the_network() {
        assert_eq!(network_of("name: \"cbr0\" id: \"0a1b\""), Some("cbr0"));
        assert_eq!(network_of("dnat name: \"podman\" id: \"0a1b\""), Some("podman"));
        for other in ["name: cbr0", "a name: \"cbr0\" id: \"0a1b\"", "name: \"cbr0\" id: \"0a1b\" x", ""] {
            assert_eq!(network_of(other), None, "{other}");
        }
        let pods = Pods::default();
        assert_eq!(network_of_nft(&pods, "6fd9-287f, net: up, link, if: eth0, id: 0a1b"), Some("up, link"));
        assert_eq!(network_of_nft(&pods, "0a1b"), None);
    }

    #[test]
    fn chain_name_is_that_of_the_plugins() {
        // pkg/utils/utils_test.go of the plugins.
        assert_eq!(chain_name("CNI-", "test", "1234"), "CNI-2bbe0c48b91a7d1b8a6753a8");
    }
}
