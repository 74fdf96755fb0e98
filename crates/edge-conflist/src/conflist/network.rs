//! A parsed network configuration, or the reason why it cannot be used.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::range::Range;
use crate::version::Cni;

/// The default directory of host-local's leases.
pub const LEASES: &str = "/var/lib/cni/networks";

/// Why a file is not a usable configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The line, from 1, where it is not valid JSON.
    pub line: Option<usize>,
    /// The setting, where the runtime still reports that the network is ready, and only pods fail.
    pub pod_setting: Option<&'static str>,
    /// What is wrong.
    pub text: String,
    /// What to do.
    pub hint: Option<String>,
}

impl ConfigError {
    pub(super) fn of(text: &str) -> ConfigError {
        ConfigError { line: None, pod_setting: None, text: text.to_owned(), hint: None }
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
    /// The configuration of each plugin, as it is in the file.
    pub plugins: Vec<Value>,
    /// Whether runtimes may run CHECK: `disableCheck` is not set.
    pub has_check: bool,
    /// Whether a directory with the network's name adds plugins to it; libcni reads it from 1.3.0 on.
    pub has_folder: bool,
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
        let host_local = self.plugins.iter().filter(|plugin| ipam_of(plugin) == Some("host-local"));
        let mut all = Vec::new();
        for ipam in host_local.filter_map(|plugin| plugin.get("ipam")) {
            let sets = ipam.get("ranges").and_then(Value::as_array).into_iter().flatten();
            let listed = sets.filter_map(Value::as_array).flatten();
            // The older form, with one subnet, is still valid.
            let old = std::iter::once(ipam).filter(|ipam| ipam.get("subnet").is_some());
            all.extend(old.chain(listed).filter_map(Range::parse));
        }
        all
    }

    /// The directory of the network's leases.
    pub fn leases(&self) -> PathBuf {
        let dirs = self.plugins.iter().filter_map(|plugin| plugin.get("ipam")?.get("dataDir")?.as_str());
        let dir = dirs.into_iter().find(|dir| dir.starts_with('/')).unwrap_or(LEASES);
        Path::new(dir).join(&self.name)
    }

    /// The bridge that it uses.
    pub fn bridge(&self) -> Option<&str> {
        let plugin = self.plugins.iter().find(|plugin| kind_of(plugin) == "bridge")?;
        Some(plugin.get("bridge").and_then(Value::as_str).filter(|name| !name.is_empty()).unwrap_or("cni0"))
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
