//! A network configuration that was read, or the reason why it cannot be used.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::range::Range;
use crate::version::Cni;

/// Where host-local keeps leases by default.
pub const LEASES: &str = "/var/lib/cni/networks";

/// Why a file is no configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// From 1, where the text itself is wrong.
    pub line: Option<usize>,
    /// The place in it, where only a pod meets it: a runtime takes the network for ready all the same.
    pub later: Option<&'static str>,
    /// What is wrong.
    pub text: String,
    /// What to do.
    pub hint: Option<String>,
}

impl Broken {
    pub(super) fn of(text: &str) -> Broken {
        Broken { line: None, later: None, text: text.to_owned(), hint: None }
    }

    pub(super) fn hint(self, hint: &str) -> Broken {
        Broken { hint: Some(hint.to_owned()), ..self }
    }
}

/// A network.
#[derive(Debug, Clone)]
pub struct Network {
    /// Its name; that of its file where it has none, as CRI-O does it. containerd then fails each pod.
    pub name: String,
    /// Whether the name is its own.
    pub is_named: bool,
    /// The version that the newest libcni takes: the highest of all that are listed and it knows.
    pub version: Cni,
    /// The version that a libcni without lists of versions takes: `cniVersion` alone.
    pub single: Cni,
    /// Each plugin's part as it is in the file.
    pub plugins: Vec<Value>,
    /// Whether it may be checked once it is up: `disableCheck` is not set.
    pub has_check: bool,
    /// Whether a directory named as the network adds plugins to it, as libcni reads it from 1.3.0 on.
    pub has_folder: bool,
}

impl Network {
    /// The version that a runtime takes whose libcni reads up to this one.
    pub fn version_for(&self, reads: Cni) -> Cni {
        if reads >= Cni::WITH_VERSIONS { self.version } else { self.single }
    }

    /// The programs that a runtime runs for it, with where each is named.
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

    /// What host-local gives away; what it would not understand is left out, and its own error tells.
    pub fn ranges(&self) -> Vec<Range> {
        let host_local = self.plugins.iter().filter(|plugin| ipam_of(plugin) == Some("host-local"));
        let mut all = Vec::new();
        for ipam in host_local.filter_map(|plugin| plugin.get("ipam")) {
            let sets = ipam.get("ranges").and_then(Value::as_array).into_iter().flatten();
            let listed = sets.filter_map(Value::as_array).flatten();
            // Before ranges there was one subnet, and it still works.
            let old = std::iter::once(ipam).filter(|ipam| ipam.get("subnet").is_some());
            all.extend(old.chain(listed).filter_map(Range::parse));
        }
        all
    }

    /// Where host-local keeps the leases of this network.
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

/// A plugin's type: the name of its program.
pub fn kind_of(plugin: &Value) -> &str {
    plugin.get("type").and_then(Value::as_str).unwrap_or_default()
}

/// The plugin that gives a plugin its addresses.
pub fn ipam_of(plugin: &Value) -> Option<&str> {
    plugin.get("ipam")?.get("type")?.as_str().filter(|kind| !kind.is_empty())
}
