//! The nodes of a cluster and the ports of its cloudcores, as `kubectl get` prints them.

pub mod judge;
mod versions;

use edge_host::{Error, Result};
use edge_kubeedge::kubernetes::{Reported, reported};
use edge_kubeedge::tunnelport::{self, Recorded};
use edge_objects::end::End;
use edge_objects::object::{Object, at};
use edge_objects::source::Source;
use edge_objects::stream::{nothing_in, parts};
use edge_yaml::Value;

/// The label of edge nodes.
const EDGE: &str = "node-role.kubernetes.io/edge";
/// Those of control-plane nodes, the second before Kubernetes 1.24.
const CONTROL_PLANE: [&str; 2] = ["node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"];
/// The config map in which cloudcores record their ports.
const RECORD: (&str, &str) = ("kubeedge", "tunnelport");

/// A node, without what is not judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// The line of its document in the input, from 1.
    pub line: usize,
    /// What its kubelet or edgecore reports as its version.
    pub version: Reported,
    /// Whether it has the label of edge nodes.
    pub has_edge_label: bool,
    /// Whether it has a label of control-plane nodes.
    pub is_control_plane: bool,
    /// Its addresses of type InternalIP.
    pub internal_ips: Vec<String>,
    /// The port that the API server connects to; none if it is not set or 0.
    pub port: Option<u64>,
    /// The keys of its taints.
    pub taints: Vec<String>,
    /// Its condition Ready: status and reason.
    pub ready: Option<(String, String)>,
    /// The reason of its condition NetworkUnavailable, if that is true.
    pub network_unavailable: Option<String>,
}

/// What was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cluster {
    /// The nodes.
    pub nodes: Vec<Node>,
    /// The ports that cloudcores have recorded; none without the config map.
    pub recorded: Option<Vec<Recorded>>,
}

impl Node {
    /// Whether it is an edge node, by what it reports or by its label.
    pub fn is_edge(&self) -> bool {
        self.has_edge_label || matches!(self.version, Reported::EdgeCore(_) | Reported::UnknownEdgeCore(_))
    }
}

impl Cluster {
    /// Adds the nodes of a stream, and the config map `tunnelport` if it is in it.
    ///
    /// # Errors
    /// Exit 1 if the stream is not complete or has an object that cannot be used, 4 if it is too large.
    pub fn read(&mut self, source: &Source) -> Result<()> {
        let name = &source.name;
        let mut end = End::of(name, &source.text)?;
        let mut is_empty = true;
        for part in parts(name, &source.text)? {
            let Some(read) = part.read(name)? else {
                end.frame();
                continue;
            };
            let value = read.value();
            is_empty = is_empty && value.is_null();
            end.document(&value);
            for object in read.objects(name, &value)? {
                self.add(name, &object, read.line)?;
            }
        }
        if is_empty {
            return Err(nothing_in(name));
        }
        end.require()
    }

    fn add(&mut self, source: &str, object: &Object<'_>, line: usize) -> Result<()> {
        let cannot = |cause: String| Error::cannot("use", source, format!("line {line}: {cause}"));
        if !object.group.is_empty() {
            return Ok(());
        }
        match &*object.kind {
            "Node" if object.name.is_empty() => {
                let error = cannot("Node has no metadata.name".to_owned());
                return Err(error.hint("check that the input is complete"));
            }
            "Node" => self.nodes.push(node(object, line)),
            "ConfigMap" if (object.namespace, object.name) == RECORD => {
                let record = object.text(&["metadata", "annotations", tunnelport::ANNOTATION]);
                let ports = record.map_or(Ok(Vec::new()), tunnelport::ports);
                let ports = ports.map_err(|why| cannot(format!("ConfigMap {}/{}: {why}", RECORD.0, RECORD.1)))?;
                self.recorded.get_or_insert_default().extend(ports);
            }
            _ => {}
        }
        Ok(())
    }
}

fn node(object: &Object<'_>, line: usize) -> Node {
    let labels = object.get(&["metadata", "labels"]).and_then(Value::as_mapping);
    let has = |label: &str| labels.is_some_and(|labels| labels.contains_key(label));
    let list = |keys: &[&str]| object.get(keys).and_then(Value::as_sequence).map_or(&[][..], Vec::as_slice);
    let field = |value: &Value, key: &str| at(value, &[key]).and_then(Value::as_str).unwrap_or_default().to_owned();
    let addresses = list(&["status", "addresses"]).iter();
    let condition =
        |kind: &str| list(&["status", "conditions"]).iter().find(|condition| field(condition, "type") == kind);
    let port = object.get(&["status", "daemonEndpoints", "kubeletEndpoint", "Port"]).and_then(Value::as_u64);
    Node {
        name: object.name.to_owned(),
        line,
        version: reported(object.text(&["status", "nodeInfo", "kubeletVersion"]).unwrap_or_default()),
        has_edge_label: has(EDGE),
        is_control_plane: CONTROL_PLANE.iter().any(|label| has(label)),
        internal_ips: addresses
            .filter(|address| field(address, "type") == "InternalIP")
            .map(|address| field(address, "address"))
            .collect(),
        port: port.filter(|port| *port != 0),
        taints: list(&["spec", "taints"]).iter().map(|taint| field(taint, "key")).collect(),
        ready: condition("Ready").map(|ready| (field(ready, "status"), field(ready, "reason"))),
        network_unavailable: condition("NetworkUnavailable")
            .filter(|network| field(network, "status") == "True")
            .map(|network| field(network, "reason")),
    }
}

#[cfg(test)]
mod tests;
