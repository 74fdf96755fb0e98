//! What plugins need of a daemon of the cluster: data/needs.toml.
//!
//! A configuration that a removed cluster network left behind names a plugin whose daemon is gone: the runtime uses it
//! and reports that the network is ready, and each pod fails.

use std::path::{Path, PathBuf};

use edge_host::{Error, Host, Result, State};
use serde::Deserialize;
use serde_json::Value;

use crate::conflist::{Network, ipam_of, kind_of};

const TABLE: &str = include_str!("../data/needs.toml");
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
    let table = toml_edit::de::from_str::<Table>(TABLE)
        .map_err(|_| Error::failed("cannot read the built-in table of what plugins need"))?;
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

/// What is wrong with a needed file, and whether that is unknown; none if it is there.
fn state(host: &Host, plugin: &str, path: &Path) -> Result<Option<(String, bool)>> {
    let found = match host.root.find(path) {
        Ok(found) => found,
        Err(error) => return Ok(Some((format!("cannot be read: {}", error.message()), true))),
    };
    Ok(match &found.state {
        State::Absent => Some(("does not exist".to_owned(), false)),
        State::File { .. } if found.bytes.trim_ascii().is_empty() => Some(("is empty".to_owned(), false)),
        State::File { .. } if plugin == FLANNEL => missing_variable(&String::from_utf8_lossy(&found.bytes))
            .map(|name| (format!("does not set {name}"), false)),
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
