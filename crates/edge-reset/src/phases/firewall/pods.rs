//! Which networks are those of pods: other programs use the same plugins, and with them the same names.

use std::collections::HashMap;
use std::net::IpAddr;

use sha2::{Digest, Sha512};

use crate::networks::Networks;

/// The length of a chain's name (`pkg/utils` of the CNI plugins).
const CHAIN_LENGTH: usize = 28;
const CHAIN_PREFIXES: [&str; 3] = ["CNI-", "CNI-DN-", "CNI-SN-"];

/// Whose network something is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Whose {
    /// That of pods.
    Pods,
    /// That of another program: `Podman's`.
    Others(String),
    /// Neither a configuration nor an entry of libcni names it.
    Unknown,
}

/// The networks of this host, by what is in rules.
#[derive(Debug)]
pub(super) struct Pods<'c> {
    networks: &'c Networks,
    /// The networks of the chains of containers, and of containers.
    chains: HashMap<String, &'c str>,
    containers: HashMap<&'c str, &'c str>,
}

impl<'c> Pods<'c> {
    pub(super) fn of(networks: &'c Networks) -> Pods<'c> {
        let all = networks.owned.iter().chain(&networks.foreign);
        let entries = all.flat_map(|network| network.entries.iter());
        let mut pods = Pods { networks, chains: HashMap::new(), containers: HashMap::new() };
        for entry in entries {
            for prefix in CHAIN_PREFIXES {
                pods.chains.insert(chain_name(prefix, &entry.network, &entry.container), &entry.network);
            }
            pods.containers.insert(&entry.container, &entry.network);
        }
        pods
    }

    /// Whose a network is; a name that another program uses too is not one of pods.
    pub(super) fn network(&self, name: &str) -> Whose {
        let other = self.networks.foreign.iter().find(|network| network.name == name);
        match other.and_then(|network| network.owner.clone()) {
            Some(owner) => Whose::Others(owner),
            None if self.networks.owned(name).is_some() => Whose::Pods,
            None => Whose::Unknown,
        }
    }

    /// The network for whose container a chain was made.
    pub(super) fn of_chain(&self, chain: &str) -> Option<&'c str> {
        self.chains.get(chain).copied()
    }

    /// The network of a container.
    pub(super) fn of_container(&self, id: &str) -> Option<&'c str> {
        self.containers.get(id).copied()
    }

    /// Whether an address is one of pods, and of nobody else.
    pub(super) fn has_address(&self, address: IpAddr) -> bool {
        let has = |network: &crate::networks::CniNetwork| {
            network.addresses.contains(&address) || network.subnets.iter().any(|subnet| subnet.contains(&address))
        };
        self.networks.owned.iter().any(has) && !self.networks.foreign.iter().any(has)
    }

    /// Whether a bridge belongs to pods.
    pub(super) fn has_bridge(&self, name: &str) -> bool {
        self.networks.of_bridge(name).is_some()
    }

    /// The chains that plugins of networks of pods leave to the administrator.
    pub(super) fn admin_chains(&self) -> impl Iterator<Item = &str> {
        self.networks.owned.iter().flat_map(|network| &network.admin_chains).map(String::as_str)
    }

    /// The bits of the marks that plugins of networks of pods set.
    pub(super) fn mark_bits(&self) -> impl Iterator<Item = u32> {
        self.networks.owned.iter().flat_map(|network| &network.mark_bits).copied()
    }

    /// Whether a network of pods allocates from this subnet.
    pub(super) fn has_subnet(&self, subnet: &str) -> bool {
        let all = self.networks.owned.iter().flat_map(|network| &network.subnets);
        all.into_iter().any(|own| own.to_string() == subnet)
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
pub(super) fn network_of_nft<'t>(pods: &Pods<'t>, comment: &'t str) -> Option<&'t str> {
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
    use crate::networks::CniNetwork;

    fn network(name: &str, bridge: &str, subnet: &str, owner: Option<&str>) -> CniNetwork {
        CniNetwork {
            name: name.into(),
            bridges: [bridge.to_owned()].into(),
            subnets: vec![subnet.parse().unwrap()],
            owner: owner.map(str::to_owned),
            ..CniNetwork::default()
        }
    }

    #[test]
    fn networks_of_podman_are_not_of_pods() {
        let networks = Networks {
            owned: vec![network("cbr0", "cni0", "10.85.0.0/16", None), network("both", "br9", "10.90.0.0/24", None)],
            foreign: vec![
                network("podman", "cni-podman0", "10.88.0.0/16", Some("Podman's")),
                network("both", "br9", "10.90.0.0/24", Some("Podman's")),
            ],
            ..Networks::default()
        };
        let pods = Pods::of(&networks);
        assert_eq!(pods.network("cbr0"), Whose::Pods);
        for name in ["podman", "both"] {
            assert_eq!(pods.network(name), Whose::Others("Podman's".into()), "{name}");
        }
        assert_eq!(pods.network("x"), Whose::Unknown);
        assert!(pods.has_bridge("cni0") && ["cni-podman0", "br9", "x"].iter().all(|bridge| !pods.has_bridge(bridge)));
        assert!(pods.has_address("10.85.3.4".parse().unwrap()) && pods.has_subnet("10.85.0.0/16"));
        for address in ["10.88.0.2", "10.90.0.2", "192.0.2.1"] {
            assert!(!pods.has_address(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn comments_name_the_network() {
        assert_eq!(network_of("name: \"cbr0\" id: \"0a1b\""), Some("cbr0"));
        assert_eq!(network_of("dnat name: \"podman\" id: \"0a1b\""), Some("podman"));
        for other in ["name: cbr0", "a name: \"cbr0\" id: \"0a1b\"", "name: \"cbr0\" id: \"0a1b\" x", ""] {
            assert_eq!(network_of(other), None, "{other}");
        }
        let networks = Networks::default();
        let pods = Pods::of(&networks);
        assert_eq!(network_of_nft(&pods, "6fd9-287f, net: up, link, if: eth0, id: 0a1b"), Some("up, link"));
        assert_eq!(network_of_nft(&pods, "0a1b"), None);
    }

    #[test]
    fn chain_name_is_that_of_the_plugins() {
        // pkg/utils/utils_test.go of the plugins.
        assert_eq!(chain_name("CNI-", "test", "1234"), "CNI-2bbe0c48b91a7d1b8a6753a8");
    }
}
