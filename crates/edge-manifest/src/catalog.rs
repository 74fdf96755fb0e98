//! Built-in knowledge: edge workloads, ports, EdgeMesh's published values and reserved names.

use std::collections::HashMap;
use std::sync::OnceLock;

use edge_host::{Error, Result};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use edge_objects::object::Object;

/// The longest name of an object.
const MAX_NAME: usize = 253;

#[derive(Debug, Deserialize)]
struct Workloads {
    workload: Vec<Workload>,
}

#[derive(Debug, Deserialize)]
struct Workload {
    label: Option<String>,
    value: Option<String>,
    name: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Ports {
    port: Vec<Port>,
}

/// A port of hosts.
#[derive(Debug, Deserialize)]
pub struct Port {
    /// Its number.
    pub number: u64,
    /// Who uses it.
    pub used_by: String,
    /// `error` or `warning`.
    pub severity: String,
}

/// What EdgeMesh's published manifests have.
#[derive(Debug, Deserialize)]
pub struct EdgeMesh {
    /// The SHA-256 of the published key, in hex.
    pub published_psk: String,
    /// The interface of 1.8.
    pub interface: String,
    /// The port of the server of 1.8.
    pub server_port: u64,
    /// The value of label `kubeedge` of the server.
    pub server_label: String,
}

#[derive(Debug, Deserialize)]
struct ReservedNames {
    system_namespaces: Vec<String>,
    reserved: Vec<Reserved>,
}

/// Names that must not be used.
#[derive(Debug, Deserialize)]
pub struct Reserved {
    kinds: Vec<String>,
    names: Vec<String>,
    #[serde(default)]
    except: Vec<String>,
    /// Only one product reserves them.
    #[serde(default)]
    pub note: bool,
    /// For whom, and what for.
    pub why: String,
}

/// All of it.
#[derive(Debug)]
pub struct Catalog {
    workloads: Workloads,
    ports: HashMap<u64, Port>,
    names: ReservedNames,
    /// EdgeMesh's published values.
    pub edgemesh: EdgeMesh,
}

/// The catalog, which is read once. Errors: a damaged build.
pub fn catalog() -> Result<&'static Catalog> {
    static CATALOG: OnceLock<Result<Catalog>> = OnceLock::new();
    let read = || {
        let ports: Ports = parse("ports.toml", include_str!("../data/ports.toml"))?;
        Ok(Catalog {
            workloads: parse("edge-workloads.toml", include_str!("../data/edge-workloads.toml"))?,
            ports: ports.port.into_iter().map(|port| (port.number, port)).collect(),
            names: parse("reserved-names.toml", include_str!("../data/reserved-names.toml"))?,
            edgemesh: parse("edgemesh.toml", include_str!("../data/edgemesh.toml"))?,
        })
    };
    CATALOG.get_or_init(read).as_ref().map_err(Clone::clone)
}

fn parse<T: DeserializeOwned>(file: &str, text: &str) -> Result<T> {
    toml_edit::de::from_str(text).map_err(|_| Error::failed(format!("internal error: the built-in {file} is damaged")))
}

/// Whether a workload belongs on edge nodes, or is KubeEdge's own.
pub fn is_edge_workload(object: &Object<'_>) -> Result<bool> {
    Ok(catalog()?.workloads.workload.iter().any(|known| {
        let has_label = |label: &String| {
            object.label(label).is_some_and(|value| known.value.as_ref().is_none_or(|wanted| wanted == value))
        };
        known.label.as_ref().is_some_and(has_label) || known.name.as_deref() == Some(object.name)
    }))
}

impl Reserved {
    /// True if it is of no kind in particular: many objects of a manifest may have such names.
    pub fn is_of_all_kinds(&self) -> bool {
        self.kinds.iter().any(|kind| kind == "*")
    }
}

impl Catalog {
    /// A port of hosts that is in use.
    pub fn port(&self, number: u64) -> Option<&Port> {
        self.ports.get(&number)
    }

    /// Whether a namespace is one of the system.
    pub fn is_system_namespace(&self, name: &str) -> bool {
        self.names.system_namespaces.iter().any(|known| known == name)
    }

    /// What reserves the name of an object; none if nothing does.
    pub fn reserved(&self, kind: &str, name: &str) -> Option<&Reserved> {
        let has_name = |known: &String| match known.strip_suffix('*') {
            Some(prefix) => name.starts_with(prefix),
            None => name == known,
        };
        let is_of_kind = |known: &Reserved| known.is_of_all_kinds() || known.kinds.iter().any(|own| own == kind);
        let mut fitting = self.names.reserved.iter().filter(|known| known.names.iter().any(has_name));
        fitting.find(|known| is_of_kind(known)).filter(|known| !known.except.iter().any(|other| other == name))
    }
}

/// A list of reserved names of the user.
#[derive(Debug, Default)]
pub struct Names {
    exact: HashMap<String, String>,
    prefixes: HashMap<String, String>,
}

impl Names {
    /// Reads a list: a name or `PREFIX*` in a line, and a reason after it. Errors: the line, and what was expected.
    pub fn parse(text: &str) -> std::result::Result<Names, String> {
        let mut names = Names::default();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (pattern, reason) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
            let (prefix, is_prefix) = pattern.strip_suffix('*').map_or((pattern, false), |prefix| (prefix, true));
            if prefix.contains('*') || prefix.is_empty() {
                return Err(format!("line {}: expected a name or PREFIX*, found {pattern:?}", index + 1));
            }
            let list = if is_prefix { &mut names.prefixes } else { &mut names.exact };
            list.insert(prefix.to_owned(), reason.trim().to_owned());
        }
        if names.exact.is_empty() && names.prefixes.is_empty() {
            return Err("it has no names".to_owned());
        }
        Ok(names)
    }

    /// The entry for a name, and its reason, which may be empty.
    pub fn find(&self, name: &str) -> Option<(String, &str)> {
        if let Some(reason) = self.exact.get(name) {
            return Some((name.to_owned(), reason));
        }
        let ends = (1..=name.len().min(MAX_NAME)).filter(|end| name.is_char_boundary(*end));
        ends.filter_map(|end| self.prefixes.get_key_value(&name[..end]))
            .map(|(prefix, reason)| (format!("{prefix}*"), reason.as_str()))
            .next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn catalog_can_be_read() {
        let catalog = catalog().unwrap();
        assert!(catalog.ports.values().all(|port| matches!(port.severity.as_str(), "error" | "warning")));
        assert_eq!(catalog.edgemesh.published_psk.len(), 64);
        let is_note = |kind, name| catalog.reserved(kind, name).map(|reserved| reserved.note);
        assert_eq!(is_note("Namespace", "kube-x"), Some(false));
        assert_eq!(is_note("Pod", "kube-x"), Some(true));
        assert_eq!(is_note("LimitRange", "cp-low-limitrange"), Some(true));
        assert_eq!(is_note("Service", "kubernetes"), Some(false));
        for (kind, name) in [("Service", "k"), ("Pod", "nodes-2"), ("Role", "cp-low-limitrange")] {
            assert_eq!(is_note(kind, name), None);
        }
    }

    #[test]
    fn names_are_exact_or_prefixes() {
        let names = Names::parse("# portal\nadmin\nsys-*  of the portal \n\n").unwrap();
        assert_eq!(names.find("admin"), Some(("admin".to_owned(), "")));
        assert_eq!(names.find("sys-a"), Some(("sys-*".to_owned(), "of the portal")));
        assert_eq!(names.find("admin-2").or(names.find("sys")), None);
        for (text, error) in [
            ("", "it has no names"),
            ("a\n*\n", "line 2: expected a name or PREFIX*, found \"*\""),
            ("a*b\n", "line 1: expected a name or PREFIX*, found \"a*b\""),
        ] {
            assert_eq!(Names::parse(text).unwrap_err(), error);
        }
    }
}
