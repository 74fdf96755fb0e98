//! What EdgeMesh's published manifests have that a cluster must not use.

use std::fmt::Write as _;

use edge_host::{Result, Severity};
use edge_yaml::{Mapping, Value};
use sha2::{Digest, Sha256};

use super::Found;
use crate::catalog::{EdgeMesh, catalog};
use edge_objects::object::{Object, at, keys};

/// The modules of EdgeMesh 1.8 that listen on an interface.
const LISTENERS: [&str; 2] = ["edgeDNS", "edgeProxy"];

/// The problems of a ConfigMap or Secret of EdgeMesh.
pub(super) fn check(object: &Object<'_>) -> Result<Vec<Found>> {
    let mesh = &catalog()?.edgemesh;
    let is_config =
        object.kind == "ConfigMap" && (object.name.contains("edgemesh") || object.label("kubeedge").is_some());
    let none = Mapping::new();
    let data = object.get(&["data"]).and_then(Value::as_mapping).filter(|_| is_config).unwrap_or(&none);
    let mut found = Vec::new();
    for (name, text) in data.iter().filter_map(|(name, text)| Some((name.as_str()?, text.as_str()?))) {
        if is_published(mesh, text) {
            found.push(published(object, name));
        } else if text.contains("modules") || text.contains("psk") {
            // A configuration that is not valid YAML is EdgeMesh's to report.
            let Ok(config) = edge_yaml::read(text) else { continue };
            found.extend(configuration(object, name, &config, mesh));
        }
    }
    Ok(found)
}

fn configuration(object: &Object<'_>, name: &str, config: &Value, mesh: &EdgeMesh) -> Vec<Found> {
    let mut found = Vec::new();
    let psks = [&["modules", "edgeTunnel", "psk", "path"] as &[&str], &["modules", "edgeTunnel", "psk"], &["psk"]];
    if psks.iter().filter_map(|place| at(config, place)?.as_str()).any(|psk| is_published(mesh, psk)) {
        found.push(published(object, name));
    }
    let listens = |module: &&str| {
        let own = ["modules", module, "listenInterface"];
        at(config, &own).and_then(Value::as_str) == Some(&mesh.interface)
    };
    let listeners: Vec<&str> = LISTENERS.into_iter().filter(|module| listens(module)).collect();
    if !listeners.is_empty() {
        let text = format!(
            "{}: {} of EdgeMesh 1.8 {} on {}, which exists only with Docker as the container runtime",
            object.title(),
            listeners.join(" and "),
            if listeners.len() == 1 { "listens" } else { "listen" },
            mesh.interface
        );
        let hint = "use EdgeMesh 1.9 or later, which makes an interface of its own";
        found.push(Found::new(Severity::Error, object, keys(&["data", name]), text, hint));
    }
    found
}

fn published(object: &Object<'_>, name: &str) -> Found {
    let text = format!(
        "{}: the key of EdgeMesh is the published one, with which everybody can join the network of the agents",
        object.title()
    );
    Found::new(Severity::Error, object, keys(&["data", name]), text, "make one: openssl rand -base64 32")
}

fn is_published(mesh: &EdgeMesh, text: &str) -> bool {
    let mut sum = String::new();
    for byte in Sha256::digest(text.trim().as_bytes()) {
        // Writing to a String cannot fail.
        let _ = write!(sum, "{byte:02x}");
    }
    sum == mesh.published_psk
}
