//! The record of what edge-cni put on a host.

use std::collections::BTreeMap;
use std::path::Path;

use edge_host::{Error, Host, Result, State};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::conflist::CONF_DIR;
use crate::plugin::{is_name, is_place};
use crate::version::Release;

/// Where it is.
pub const FILE: &str = "/var/lib/edgeutils/edge-cni.json";

/// The record.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Installed {
    /// Plugins by path.
    #[serde(default)]
    pub plugins: BTreeMap<String, Plugin>,
    /// Network configurations by path: the checksum of each.
    #[serde(default)]
    pub conflists: BTreeMap<String, String>,
    /// The checksums of what ours took the place of, where that was ours too: it is still there where an
    /// interruption came between this record and the file.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub replaced: BTreeMap<String, String>,
}

/// A plugin that was installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plugin {
    /// Its checksum.
    pub sha256: String,
    /// None of an archive that is not known.
    pub version: Option<Release>,
}

/// Reads the record; an empty one where nothing was installed.
pub fn read(host: &Host) -> Result<Installed> {
    let Some(bytes) = host.root.read_own(Path::new(FILE))? else { return Ok(Installed::default()) };
    let shown = host.root.display(Path::new(FILE));
    // An array would be taken for a record without names, and an empty one for none.
    let object = serde_json::from_slice(&bytes).map(Value::Object);
    let record: Installed = object.and_then(serde_json::from_value).map_err(|cause| {
        Error::failed(format!("cannot read {}: {cause}", shown.display()))
            .hint("move it away; plugins stay, and edge-cni install writes it again")
    })?;
    match record.foreign() {
        None => Ok(record),
        // What is listed is taken for ours, and removed.
        Some(path) => Err(Error::refused(format!(
            "cannot use {}: it lists {path:?}, where edge-cni puts nothing",
            shown.display()
        ))
        .hint("it was changed by someone else: take that out, or move the file away; plugins stay")),
    }
}

impl Installed {
    /// Whether a file of this checksum in this place was put there by edge-cni.
    pub fn is_ours(&self, path: &str, sha256: &str) -> bool {
        let listed = self.plugins.get(path).map(|plugin| &plugin.sha256).or(self.conflists.get(path));
        [listed, self.replaced.get(path)].into_iter().flatten().any(|own| own == sha256)
    }

    /// Notes that what is in this place is about to be replaced by another file, before that one is listed.
    pub fn replaces(&mut self, path: &str, standing: &State, sha256: &str) {
        if let State::File { sha256: now, .. } = standing
            && now != sha256
            && self.is_ours(path, now)
        {
            self.replaced.insert(path.to_owned(), now.clone());
        }
    }

    /// A path that cannot be ours.
    fn foreign(&self) -> Option<&str> {
        let is_plugin = |path: &Path| {
            let name = path.file_name().and_then(|name| name.to_str()).is_some_and(is_name);
            name && path.parent().is_some_and(is_place)
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

/// `/a/b` and nothing that means it in other words.
fn is_plain(path: &str) -> bool {
    path.strip_prefix('/').is_some_and(|rest| rest.split('/').all(|name| !["", ".", ".."].contains(&name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn record_knows_what_was_replaced_until_the_new_file_is_there() {
        let file = |sha256: &str| State::File { sha256: sha256.to_owned(), mode: 0o755, uid: 0, gid: 0, xattrs: None };
        let path = "/opt/cni/bin/bridge";
        let mut record = Installed::default();
        let install = |record: &mut Installed, standing: &State, sha256: &str| {
            record.replaces(path, standing, sha256);
            record.plugins.insert(path.to_owned(), Plugin { sha256: sha256.to_owned(), version: None });
        };
        install(&mut record, &file("theirs"), "one");
        assert!(record.replaced.is_empty() && !record.is_ours(path, "theirs"), "what others put there is not ours");
        install(&mut record, &file("one"), "two");
        let once = record.clone();
        assert!(record.is_ours(path, "one") && record.is_ours(path, "two"));
        // The same again, before and after the file is there.
        install(&mut record, &file("one"), "two");
        assert_eq!(record, once);
        install(&mut record, &file("two"), "two");
        assert_eq!(record, once);
        assert_eq!(record.foreign(), None);
        record.replaced.insert("/opt/cni/bin/other".to_owned(), "one".to_owned());
        assert_eq!(record.foreign(), Some("/opt/cni/bin/other"));
    }

    #[test]
    fn only_places_of_plugins_and_networks_are_ours() {
        let of = |plugin: &str, conflist: &str| {
            let mut record = Installed::default();
            let bridge = Plugin { sha256: "0".repeat(64), version: None };
            record.plugins.insert(plugin.to_owned(), bridge);
            record.conflists.insert(conflist.to_owned(), "0".repeat(64));
            record.foreign().map(str::to_owned)
        };
        let (good, net) = ("/opt/cni/bin/bridge", "/etc/cni/net.d/10-x.conflist");
        assert_eq!(of(good, net), None);
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
            assert_eq!(of(good, bad).as_deref(), Some(bad));
        }
    }
}
