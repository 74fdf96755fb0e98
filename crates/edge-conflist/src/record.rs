//! The record of the plugins and networks that edge-cni installed on a host.

use std::collections::BTreeMap;
use std::path::Path;

use edge_host::{Error, Exit, Host, Result, State};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::conflist::CONF_DIR;
use crate::plugin::{is_name, is_plugin_dir};
use crate::version::Release;
use edge_host::json::describe;

/// Its path.
pub const FILE: &str = "/var/lib/edgeutils/edge-cni.json";

/// The record.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Plugins by path.
    #[serde(default)]
    pub plugins: BTreeMap<String, Plugin>,
    /// Network configurations by path: the checksum of each.
    #[serde(default)]
    pub conflists: BTreeMap<String, String>,
    /// Checksums of files of edge-cni that were replaced by newer ones: after an interruption the older file may
    /// still be there.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub replaced: BTreeMap<String, String>,
}

/// A plugin that was installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plugin {
    /// Its SHA-256.
    pub sha256: String,
    /// None where it came from an archive of an unknown release.
    pub version: Option<Release>,
}

/// Reads the record; it is empty where nothing was installed.
///
/// Errors: it is damaged (1), or lists a path where edge-cni installs nothing (4).
pub fn read(host: &Host) -> Result<Record> {
    let Some(bytes) = host.root.read_own(Path::new(FILE))? else { return Ok(Record::default()) };
    let shown = host.root.display(Path::new(FILE));
    // serde accepts an array in place of an object.
    let object = serde_json::from_slice(&bytes).map(Value::Object);
    let record: Record = object.and_then(serde_json::from_value).map_err(|cause| {
        let cause = if cause.is_data() {
            "it is not a record of edge-cni".to_owned()
        } else {
            format!("it is not valid JSON: {}", describe(&String::from_utf8_lossy(&bytes), &cause))
        };
        Error::cannot("read", &shown, cause)
            .hint("move the file away and install again: edge-cni install --archive FILE; plugins are kept")
    })?;
    match record.foreign() {
        None => Ok(record),
        // edge-cni remove deletes what is listed.
        Some(path) => Err(Error::cannot("use", &shown, format!("it lists {path:?}, where edge-cni installs nothing"))
            .with_exit(Exit::Refused)
            .hint("it was edited: remove the entry, or move the file away; plugins are kept")),
    }
}

/// The record of `edge-crio install`, whose bundles contain plugins.
const BUNDLE: &str = "/var/lib/edgeutils/edge-crio.json";
const BUNDLE_PLUGIN: &str = "plugin";

/// The part of edge-crio's record that lists its files.
#[derive(Debug, Default, Deserialize)]
struct Bundle {
    #[serde(default)]
    files: Vec<BundleFile>,
}

#[derive(Debug, Deserialize)]
struct BundleFile {
    path: String,
    kind: String,
    sha256: String,
}

/// The plugins that a bundle of CRI-O installed, by path: the checksum of each. Those that [`Record`] lists belong to
/// edge-cni from then on; edge-crio neither replaces, reports nor removes them.
pub fn of_bundle(host: &Host) -> Result<BTreeMap<String, String>> {
    let Some(bytes) = host.root.read_own(Path::new(BUNDLE))? else { return Ok(BTreeMap::new()) };
    // edge-crio reports a damaged record itself.
    let bundle: Bundle = serde_json::from_slice(&bytes).unwrap_or_default();
    let plugins = bundle.files.into_iter().filter(|file| file.kind == BUNDLE_PLUGIN);
    Ok(plugins.map(|file| (file.path, file.sha256)).collect())
}

impl Record {
    /// Whether the plugin at this path belongs to edge-cni, which installed it last.
    pub fn owns(&self, path: &Path) -> bool {
        path.to_str().is_some_and(|path| self.plugins.contains_key(path))
    }

    /// Whether edge-cni installed the file with this checksum at this path.
    pub fn is_installed(&self, path: &str, sha256: &str) -> bool {
        let listed = self.plugins.get(path).map(|plugin| &plugin.sha256).or(self.conflists.get(path));
        [listed, self.replaced.get(path)].into_iter().flatten().any(|own| own == sha256)
    }

    /// Records that the file at `path` is about to be replaced by one with the checksum `sha256`; to be called
    /// before that one is listed.
    pub fn replace(&mut self, path: &str, before: &State, sha256: &str) {
        if let State::File { sha256: now, .. } = before
            && now != sha256
            && self.is_installed(path, now)
        {
            self.replaced.insert(path.to_owned(), now.clone());
        }
    }

    /// A listed path where edge-cni cannot have installed anything.
    fn foreign(&self) -> Option<&str> {
        let is_plugin = |path: &Path| {
            let name = path.file_name().and_then(|name| name.to_str()).is_some_and(is_name);
            name && path.parent().is_some_and(is_plugin_dir)
        };
        let is_conflist = |path: &Path| {
            path.parent() == Some(Path::new(CONF_DIR)) && path.extension().is_some_and(|kind| kind == "conflist")
        };
        let plugin = self.plugins.keys().find(|path| !is_plugin(Path::new(path)) || !is_plain(path));
        let conflist = self.conflists.keys().find(|path| !is_conflist(Path::new(path)) || !is_plain(path));
        let is_listed = |path: &String| self.plugins.contains_key(path) || self.conflists.contains_key(path);
        let replaced = self.replaced.keys().find(|path| !is_listed(path));
        plugin.or(conflist).or(replaced).map(String::as_str)
    }
}

/// Whether a path is absolute and normalized.
fn is_plain(path: &str) -> bool {
    path.strip_prefix('/').is_some_and(|rest| rest.split('/').all(|name| !["", ".", ".."].contains(&name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn record_keeps_the_replaced_checksum_until_the_new_file_is_written() {
        let file = |sha256: &str| State::File { sha256: sha256.to_owned(), mode: 0o755, uid: 0, gid: 0, xattrs: None };
        let path = "/opt/cni/bin/bridge";
        let mut record = Record::default();
        let install = |record: &mut Record, before: &State, sha256: &str| {
            record.replace(path, before, sha256);
            record.plugins.insert(path.to_owned(), Plugin { sha256: sha256.to_owned(), version: None });
        };
        install(&mut record, &file("theirs"), "one");
        assert!(record.replaced.is_empty() && !record.is_installed(path, "theirs"), "a file of someone else");
        install(&mut record, &file("one"), "two");
        let once = record.clone();
        assert!(record.is_installed(path, "one") && record.is_installed(path, "two"));
        // Again, before and after the file is written.
        install(&mut record, &file("one"), "two");
        assert_eq!(record, once);
        install(&mut record, &file("two"), "two");
        assert_eq!(record, once);
        assert_eq!(record.foreign(), None);
        record.replaced.insert("/opt/cni/bin/other".to_owned(), "one".to_owned());
        assert_eq!(record.foreign(), Some("/opt/cni/bin/other"));
    }

    #[test]
    fn record_lists_only_paths_of_plugins_and_networks() {
        let of = |plugin: &str, conflist: &str| {
            let mut record = Record::default();
            let bridge = Plugin { sha256: "0".repeat(64), version: None };
            record.plugins.insert(plugin.to_owned(), bridge);
            record.conflists.insert(conflist.to_owned(), "0".repeat(64));
            record.foreign().map(str::to_owned)
        };
        let (valid, net) = ("/opt/cni/bin/bridge", "/etc/cni/net.d/10-x.conflist");
        assert_eq!(of(valid, net), None);
        assert_eq!(of("/srv/plugins/bridge", net), None, "--bin-dir");
        for bad in [
            "/etc/passwd",
            "/usr/sbin/bridge",
            "/bin/sh",
            "/bridge",
            "opt/cni/bin/bridge",
            "/opt/cni/bin/../../../etc/bridge",
            "/opt/cni//bin/bridge",
            "/opt/cni/bin/.hidden",
            "/opt/cni/bin/",
            "",
        ] {
            assert_eq!(of(bad, net).as_deref(), Some(bad));
        }
        for bad in ["/etc/passwd", "/etc/cni/net.d/../../x.conflist", "/etc/cni/net.d/x", "/x.conflist"] {
            assert_eq!(of(valid, bad).as_deref(), Some(bad));
        }
    }
}
