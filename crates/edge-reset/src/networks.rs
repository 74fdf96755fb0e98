//! The CNI networks of this host: those of pods, and those of other programs.
//!
//! Podman and nerdctl use the same plugins, and with them the same names of chains, links and files. A network is
//! theirs by its file, its keys, its bridge, its name or the namespace of a container (`[[network]]` in the data); all others, of the directories of the
//! container runtimes and of libcni's entries, are networks of pods.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use edge_conflist::cache::{self, Entry};
use edge_conflist::conflist::{CONF_DIR, DEFAULT_BRIDGE, LEASES, Network, files, kind_of};
use edge_conflist::containerd::Containerd;
use edge_conflist::{crio, record};
use edge_host::{Host, Pattern, Result};
use edge_link::Snapshot;
use ipnet::IpNet;
use serde::Deserialize;
use serde_json::Value;

use crate::ownership::{Ownership, Row};

/// Where k3s writes the networks of its own runtime.
const K3S_CONF_DIR: &str = "/var/lib/rancher/k3s/agent/etc/cni/net.d";
/// Where the plugin flannel keeps the configuration of each container.
const FLANNEL_DIR: &str = "/var/lib/cni/flannel";
/// host-local's last address of a range, beside the leases.
const LAST_RESERVED: &str = "last_reserved_ip.";
const BRIDGE: &str = "bridge";
const FLANNEL: &str = "flannel";
/// Keys of the plugins firewall and portmap.
const ADMIN_CHAIN: &str = "iptablesAdminChainName";
const MARK_BIT: &str = "markMasqBit";

/// A `[[network]]` of the data: what shows that a network, or only its file, belongs to another program.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Other {
    /// Names of networks.
    #[serde(default)]
    name: Vec<Pattern>,
    /// Names of files in the directory of networks.
    #[serde(default)]
    file: Vec<Pattern>,
    /// Bridges.
    #[serde(default)]
    bridge: Vec<Pattern>,
    /// Plugins that only this program uses.
    #[serde(default)]
    plugin: Vec<Pattern>,
    /// Keys of the configuration that only this program writes.
    #[serde(default)]
    key: Vec<Pattern>,
    /// Names of the network namespaces of its containers.
    #[serde(default)]
    netns: Vec<Pattern>,
    /// Whether only the file belongs to it, and the network is one of pods.
    #[serde(default)]
    only_file: bool,
}

/// A configuration file of a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Conf {
    pub(crate) path: PathBuf,
    /// Why it is kept although its network is one of pods.
    pub(crate) keeper: Option<String>,
}

/// A network.
#[derive(Debug, Clone, Default)]
pub(crate) struct CniNetwork {
    pub(crate) name: String,
    /// Its files.
    pub(crate) confs: Vec<Conf>,
    /// The names of its bridges.
    pub(crate) bridges: BTreeSet<String>,
    /// The types of its plugins.
    pub(crate) plugins: BTreeSet<String>,
    /// The chains that its plugin firewall leaves to the administrator, where they have a name of their own.
    pub(crate) admin_chains: BTreeSet<String>,
    /// The bits of the marks that its plugin portmap sets, where they are not the usual one.
    pub(crate) mark_bits: BTreeSet<u32>,
    /// The subnets that its files set.
    pub(crate) subnets: Vec<IpNet>,
    /// The addresses that it has given to containers or to its bridge.
    pub(crate) addresses: BTreeSet<IpAddr>,
    /// libcni's entries: the containers that are attached to it.
    pub(crate) entries: Vec<Entry>,
    /// The directory of its leases.
    pub(crate) leases: PathBuf,
    /// Files of the plugin flannel for it.
    pub(crate) flannel_files: Vec<PathBuf>,
    /// Whose it is, if it is not one of pods: `Podman's`.
    pub(crate) owner: Option<String>,
}

/// All networks.
#[derive(Debug, Clone, Default)]
pub(crate) struct Networks {
    /// Those of pods.
    pub(crate) owned: Vec<CniNetwork>,
    /// Those of other programs.
    pub(crate) foreign: Vec<CniNetwork>,
    /// Files that are not understood: it is unknown whose they are, and they are kept.
    pub(crate) unknown: Vec<PathBuf>,
}

impl Networks {
    pub(crate) fn read(host: &Host, ownership: &Ownership) -> Result<Networks> {
        let mut reading = Reading { others: ownership.rows("network")?, ..Reading::default() };
        let cache = cache::read(host)?;
        reading.claim(&cache.entries);
        let record = record::read(host)?;
        for dir in conf_dirs(host)? {
            for file in files(host, &dir)? {
                match &file.content {
                    Ok(network) => {
                        let is_own = file.path.to_str().is_some_and(|path| record.conflists.contains_key(path));
                        reading.add_conf(&file.path, network, is_own);
                    }
                    Err(_) => reading.unknown.push(file.path),
                }
            }
        }
        reading.unknown.extend(cache.unknown);
        cache.entries.into_iter().for_each(|entry| reading.add_entry(entry));
        reading.add_state(host)?;
        let (foreign, owned) = reading.networks.into_values().partition(|network| network.owner.is_some());
        Ok(Networks { owned, foreign, unknown: reading.unknown })
    }

    /// The network of pods of a name; a name that another program uses too is not unambiguous.
    pub(crate) fn owned(&self, name: &str) -> Option<&CniNetwork> {
        let is_ambiguous = self.foreign.iter().any(|network| network.name == name);
        self.owned.iter().find(|network| network.name == name && !is_ambiguous)
    }

    /// The network of pods that uses a bridge; one that another program uses too is not unambiguous.
    pub(crate) fn of_bridge(&self, bridge: &str) -> Option<&CniNetwork> {
        let uses = |network: &&CniNetwork| network.bridges.contains(bridge);
        self.owned.iter().find(uses).filter(|_| !self.foreign.iter().any(|network| uses(&network)))
    }

    /// The network of pods that an interface of this host was made for, by libcni's entries.
    pub(crate) fn of_interface(&self, name: &str) -> Option<&CniNetwork> {
        self.owned.iter().find(|network| network.has_interface(name))
    }

    /// The network of another program that an interface of this host was made for, by libcni's entries.
    pub(crate) fn foreign_of_interface(&self, name: &str) -> Option<&CniNetwork> {
        self.foreign.iter().find(|network| network.has_interface(name))
    }

    /// Whether some network of pods uses a plugin.
    pub(crate) fn use_plugin(&self, kind: &str) -> bool {
        self.owned.iter().any(|network| network.plugins.contains(kind))
    }
}

impl CniNetwork {
    fn has_interface(&self, name: &str) -> bool {
        self.entries.iter().any(|entry| entry.host_interfaces.iter().any(|own| own == name))
    }

    /// Why an address of its bridge belongs to it; none if nothing of the network explains it.
    pub(crate) fn explains(&self, address: IpNet) -> Option<&'static str> {
        let subnet = address.trunc();
        if self.subnets.iter().any(|own| own.contains(&address.addr())) {
            Some("in its range")
        } else if self.addresses.iter().any(|own| subnet.contains(own)) {
            Some("in the subnet of its leases")
        } else if self.subnets.is_empty() && is_first(address) {
            // The range comes from a daemon, such as flannel, and the bridge has its first address.
            Some("the first one of its subnet")
        } else {
            None
        }
    }

    fn add(&mut self, network: &Network) {
        for plugin in &network.plugins {
            self.plugins.insert(kind_of(plugin).to_owned());
            self.bridges.extend(bridge_of(plugin));
            self.admin_chains.extend(plugin.get(ADMIN_CHAIN).and_then(Value::as_str).map(str::to_owned));
            let bit = plugin.get(MARK_BIT).and_then(Value::as_u64).and_then(|bit| u32::try_from(bit).ok());
            self.mark_bits.extend(bit.filter(|bit| *bit < u32::BITS));
        }
        self.subnets.extend(network.ranges().iter().map(|range| range.subnet));
        self.leases = network.leases();
    }
}

/// Whether an address is the one that plugins give to a bridge where none is set.
fn is_first(address: IpNet) -> bool {
    let number = |address: IpAddr| match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    };
    number(address.network()).checked_add(1) == Some(number(address.addr()))
}

/// The bridge of a plugin: that of `bridge`, or the one that flannel has it make.
fn bridge_of(plugin: &Value) -> Option<String> {
    let named = |value: Option<&Value>| {
        let name = value.and_then(|value| value.get(BRIDGE)?.as_str()).filter(|name| !name.is_empty());
        Some(name.unwrap_or(DEFAULT_BRIDGE).to_owned())
    };
    let delegate = plugin.get("delegate");
    match kind_of(plugin) {
        BRIDGE => named(Some(plugin)),
        FLANNEL if delegate.is_none_or(|delegate| ["", BRIDGE].contains(&kind_of(delegate))) => named(delegate),
        _ => None,
    }
}

/// The bridges that exist now; none on an image.
pub(crate) fn bridges(host: &Host) -> Result<BTreeSet<String>> {
    if !host.root.is_live() {
        return Ok(BTreeSet::new());
    }
    let links = Snapshot::read()?.links.into_iter();
    Ok(links.filter(|link| link.is(BRIDGE)).map(|link| link.name).collect())
}

/// The directories of networks: the usual one, and those that the runtimes are set to use.
fn conf_dirs(host: &Host) -> Result<BTreeSet<PathBuf>> {
    let mut dirs = BTreeSet::from([PathBuf::from(CONF_DIR), PathBuf::from(K3S_CONF_DIR)]);
    dirs.insert(crio::places(host)?.conf_dir);
    dirs.extend(Containerd::read(host)?.map(|containerd| containerd.conf_dir().value));
    Ok(dirs)
}

/// Networks by owner and name.
#[derive(Debug, Default)]
struct Reading {
    others: Vec<Row<Other>>,
    networks: BTreeMap<(Option<String>, String), CniNetwork>,
    /// Networks that have a container of another program, by its network namespace: whose they are.
    claimed: BTreeMap<String, String>,
    unknown: Vec<PathBuf>,
}

impl Reading {
    /// A network of another program can have any name, file and bridge: the namespace of a container tells.
    fn claim(&mut self, entries: &[Entry]) {
        for entry in entries {
            let name = entry.netns.as_ref().and_then(|path| path.file_name()?.to_str());
            let row = name.and_then(|name| self.others.iter().find(|row| matches(&row.own.netns, name)));
            if let Some(row) = row {
                self.claimed.insert(entry.network.clone(), row.entry.text.clone());
            }
        }
    }

    fn add_conf(&mut self, path: &Path, network: &Network, is_of_edge_cni: bool) {
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        let of_file = self.others.iter().filter(|row| matches(&row.own.file, &file));
        let keeper = of_file.clone().find(|row| row.own.only_file).map(|row| row.entry.text.clone());
        let owner = of_file.clone().find(|row| !row.own.only_file).map(|row| row.entry.text.clone());
        let owner = owner.or_else(|| self.owner_of(&network.name, Some(network), &[]));
        let keeper = keeper.or_else(|| is_of_edge_cni.then(|| "edge-cni's: edge-cni remove".to_owned()));
        let own = self.network(owner, &network.name);
        own.confs.push(Conf { path: path.to_path_buf(), keeper });
        own.add(network);
    }

    fn add_entry(&mut self, entry: Entry) {
        let owner = self.owner_of(&entry.network, entry.conf.as_ref(), &entry.host_interfaces);
        // Without its configuration an entry belongs to whoever has a network of its name.
        let is_of = |(owner, name): &&(Option<String>, String)| owner.is_some() && *name == entry.network;
        let owner = owner.or_else(|| match &entry.conf {
            Some(_) => None,
            None => self.networks.keys().find(is_of).and_then(|(owner, _)| owner.clone()),
        });
        let own = self.network(owner, &entry.network);
        if let Some(conf) = &entry.conf {
            own.add(conf);
        }
        own.addresses.extend(&entry.addresses);
        own.entries.push(entry);
    }

    /// The program that a network belongs to; none if it is one of pods.
    fn owner_of(&self, name: &str, network: Option<&Network>, interfaces: &[String]) -> Option<String> {
        let plugins = network.map(|network| network.plugins.as_slice()).unwrap_or_default();
        let bridges: Vec<String> = plugins.iter().filter_map(bridge_of).chain(interfaces.iter().cloned()).collect();
        let is_its = |row: &&Row<Other>| {
            let other = &row.own;
            !other.only_file
                && (matches(&other.name, name)
                    || bridges.iter().any(|bridge| matches(&other.bridge, bridge))
                    || plugins.iter().any(|plugin| matches(&other.plugin, kind_of(plugin)))
                    || network.is_some_and(|network| network.keys.iter().any(|key| matches(&other.key, key))))
        };
        let row = self.others.iter().find(is_its).map(|row| &row.entry.text);
        row.or_else(|| self.claimed.get(name)).cloned()
    }

    fn network(&mut self, owner: Option<String>, name: &str) -> &mut CniNetwork {
        self.networks.entry((owner.clone(), name.to_owned())).or_insert_with(|| CniNetwork {
            name: name.to_owned(),
            leases: Path::new(LEASES).join(name),
            owner,
            ..CniNetwork::default()
        })
    }

    /// Adds leases, and what the plugin flannel keeps.
    fn add_state(&mut self, host: &Host) -> Result<()> {
        for network in self.networks.values_mut() {
            for name in host.root.list(&network.leases)? {
                let name = name.to_string_lossy();
                let last = name.starts_with(LAST_RESERVED).then(|| host.root.read(&network.leases.join(&*name)));
                let text = match last {
                    Some(bytes) => String::from_utf8_lossy(&bytes?.unwrap_or_default()).trim().to_owned(),
                    None => name.into_owned(),
                };
                network.addresses.extend(text.parse::<IpAddr>());
            }
        }
        for name in host.root.list(Path::new(FLANNEL_DIR))? {
            let path = Path::new(FLANNEL_DIR).join(name);
            let text = host.root.read(&path)?.unwrap_or_default();
            let conf: Option<Value> = serde_json::from_slice(&text).ok();
            let name = conf.as_ref().and_then(|conf| conf.get("name")?.as_str());
            match name {
                Some(name) => {
                    let (name, bridge) = (name.to_owned(), conf.as_ref().and_then(bridge_of));
                    let network = self.network(None, &name);
                    network.bridges.extend(bridge);
                    network.flannel_files.push(path);
                }
                None => self.unknown.push(path),
            }
        }
        Ok(())
    }
}

fn matches(patterns: &[Pattern], name: &str) -> bool {
    patterns.iter().any(|pattern| pattern.matches(name))
}

#[cfg(test)]
mod tests;
