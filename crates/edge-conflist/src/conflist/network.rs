//! A parsed network configuration, or the reason why it cannot be used.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::range::{self, Range};
use crate::version::Cni;

/// The plugin that allocates addresses from ranges of this host.
pub const HOST_LOCAL: &str = "host-local";
const BRIDGE: &str = "bridge";
/// The link of the plugin bridge where none is set.
pub const DEFAULT_BRIDGE: &str = "cni0";
/// The default directory of host-local's leases.
pub const LEASES: &str = "/var/lib/cni/networks";

/// Why a file is not a usable configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The line, from 1, where it is not valid JSON.
    pub line: Option<usize>,
    /// The setting; none where it is the whole file.
    pub setting: Option<String>,
    /// The runtime still reports that the network is ready, and only pods fail.
    pub is_for_pods: bool,
    /// This user may not read the file, so it is unknown whether it is usable.
    pub is_unknown: bool,
    /// What is wrong.
    pub text: String,
    /// What to do.
    pub hint: Option<String>,
}

impl ConfigError {
    pub(super) fn of(text: &str) -> ConfigError {
        ConfigError {
            line: None,
            setting: None,
            is_for_pods: false,
            is_unknown: false,
            text: text.to_owned(),
            hint: None,
        }
    }

    pub(super) fn at(self, setting: &str) -> ConfigError {
        ConfigError { setting: Some(setting.to_owned()), ..self }
    }

    pub(super) fn hint(self, hint: &str) -> ConfigError {
        ConfigError { hint: Some(hint.to_owned()), ..self }
    }
}

/// A network configuration.
#[derive(Debug, Clone)]
pub struct Network {
    /// Its name; the file's name where it has none, as in CRI-O. containerd then fails each pod.
    pub name: String,
    /// Whether the file sets the name.
    pub is_named: bool,
    /// The version that the newest libcni uses: the highest one that is listed and that it supports.
    pub version: Cni,
    /// The version that a libcni without lists of versions uses: `cniVersion`.
    pub single: Cni,
    /// Entries of `cniVersions` that are not a version and have no effect, each with its setting.
    pub ignored_versions: Vec<(String, String)>,
    /// The configuration of each plugin, as it is in the file.
    pub plugins: Vec<Value>,
    /// Whether runtimes may run CHECK: `disableCheck` is not set.
    pub has_check: bool,
    /// Whether a directory with the network's name adds plugins to it; libcni reads it from 1.3.0 on.
    pub has_folder: bool,
    /// The other keys of the file, which programs add for themselves: `nerdctlID`, `args.podman_labels`.
    pub keys: Vec<String>,
}

impl Network {
    /// The version that a runtime uses whose libcni supports up to `newest`.
    pub fn version_for(&self, newest: Cni) -> Cni {
        if newest >= Cni::WITH_VERSIONS { self.version } else { self.single }
    }

    /// The programs that a runtime runs for it, each with the setting that names it.
    pub fn programs(&self) -> Vec<(String, String)> {
        let mut all = Vec::new();
        for (index, plugin) in self.plugins.iter().enumerate() {
            all.push((kind_of(plugin).to_owned(), format!("plugins[{index}].type")));
            if let Some(ipam) = ipam_of(plugin) {
                all.push((ipam.to_owned(), format!("plugins[{index}].ipam.type")));
            }
        }
        all
    }

    /// The ranges that host-local allocates from; what it would refuse is left out.
    pub fn ranges(&self) -> Vec<Range> {
        let host_local = self.plugins.iter().filter(|plugin| ipam_of(plugin) == Some(HOST_LOCAL));
        let ipams = host_local.filter_map(|plugin| plugin.get("ipam"));
        ipams
            .flat_map(|ipam| range::listed(ipam).into_iter().filter_map(|(_, value)| Range::parse(value).ok()))
            .collect()
    }

    /// The directory of the network's leases.
    pub fn leases(&self) -> PathBuf {
        let dirs = self.plugins.iter().filter_map(|plugin| plugin.get("ipam")?.get("dataDir")?.as_str());
        let dir = dirs.into_iter().find(|dir| dir.starts_with('/')).unwrap_or(LEASES);
        Path::new(dir).join(&self.name)
    }

    /// Whether the bridge gets the address of the gateway, and must have no other one.
    pub fn is_gateway(&self) -> bool {
        let is = |plugin: &Value, key: &str| plugin.get(key) == Some(&Value::Bool(true));
        let plugin = self.plugins.iter().find(|plugin| kind_of(plugin) == BRIDGE);
        plugin.is_some_and(|one| (is(one, "isGateway") || is(one, "isDefaultGateway")) && !is(one, "forceAddress"))
    }

    /// The bridge that it uses.
    pub fn bridge(&self) -> Option<&str> {
        let plugin = self.plugins.iter().find(|plugin| kind_of(plugin) == BRIDGE)?;
        Some(plugin.get("bridge").and_then(Value::as_str).filter(|name| !name.is_empty()).unwrap_or(DEFAULT_BRIDGE))
    }
}

/// A plugin's `type`: the name of its program.
pub fn kind_of(plugin: &Value) -> &str {
    plugin.get("type").and_then(Value::as_str).unwrap_or_default()
}

/// A plugin's `ipam.type`: the plugin that allocates its addresses.
pub fn ipam_of(plugin: &Value) -> Option<&str> {
    plugin.get("ipam")?.get("type")?.as_str().filter(|kind| !kind.is_empty())
}
