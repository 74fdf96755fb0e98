//! The part of edgecore.yaml that is about certificates: how the API server reaches this node.

use edge_host::Host;
use edge_kubeedge::Kind;
use edge_kubeedge::settings::written;
use edge_kubeedge::unit::config_in_use;
use edge_pki::names::{self, Name};
use edge_yaml::Value;

use crate::request::node_name;

/// Address and name of the edge node on this host, as far as its configuration has them.
pub(crate) fn names(host: &Host) -> Vec<Name> {
    let file = config_in_use(&host.root, Kind::EdgeCore).ok();
    let bytes = file.and_then(|file| host.root.read(&file.path).ok().flatten()).unwrap_or_default();
    let value = std::str::from_utf8(&bytes).ok().and_then(|text| edge_yaml::read(text).ok()).unwrap_or(Value::Null);
    let text = |path| written(&value, path).and_then(Value::as_str);
    let address = text("modules.edged.nodeIP").and_then(|text| names::address("", text).ok());
    let name = text("modules.edged.hostnameOverride").and_then(|text| node_name("", text).ok());
    address.into_iter().chain(name).collect()
}
