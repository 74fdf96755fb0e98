//! Ports of a host that a workload shares with KubeEdge or the kubelet.

use edge_host::{Result, Severity};
use edge_yaml::{Step, Value};

use super::Found;
use crate::catalog::{Catalog, catalog, is_edge_workload};
use crate::pod::{Pod, list, spec_steps};
use edge_objects::object::{Object, at};

const METRICS_SERVER: &str = "metrics-server";

/// The conflicts of a workload.
pub(super) fn check(object: &Object<'_>, pod: Pod<'_>) -> Result<Vec<Found>> {
    let catalog = catalog()?;
    let is_own = is_edge_workload(object)?;
    let mut found = Vec::new();
    for (index, container) in pod.containers().iter().enumerate() {
        let steps = |rest: &[Step]| {
            let mut steps = spec_steps(&["containers"]);
            steps.push(Step::Index(index));
            steps.extend_from_slice(rest);
            steps
        };
        let ports = list(container, &["ports"]);
        for (at_port, port) in ports.iter().enumerate() {
            // With hostNetwork both are the same.
            let number = |key| at(port, &[key]).and_then(Value::as_u64).filter(|number| *number != 0);
            let on_host = number("hostPort").or_else(|| number("containerPort").filter(|_| pod.has_host_network()));
            let place = [Step::Key("ports".to_owned()), Step::Index(at_port)];
            found.extend(on_host.and_then(|number| conflict(catalog, object, is_own, number, steps(&place))));
        }
        let is_listed = ports.iter().any(|port| at(port, &["containerPort"]).is_some());
        if pod.has_host_network()
            && !is_listed
            && let Some((at_flag, number)) = secure_port(container)
        {
            let place = [Step::Key("args".to_owned()), Step::Index(at_flag)];
            found.extend(conflict(catalog, object, is_own, number, steps(&place)));
        }
    }
    Ok(found)
}

/// Programs of Kubernetes name their port with this flag.
fn secure_port(container: &Value) -> Option<(usize, u64)> {
    let flags = list(container, &["args"]).iter().enumerate();
    flags.rev().find_map(|(index, word)| Some((index, word.as_str()?.strip_prefix("--secure-port=")?.parse().ok()?)))
}

fn conflict(catalog: &Catalog, object: &Object<'_>, is_own: bool, number: u64, steps: Vec<Step>) -> Option<Found> {
    let port = catalog.port(number)?;
    let mesh = &catalog.edgemesh;
    let is_server = object.label("kubeedge") == Some(&mesh.server_label) && number == mesh.server_port;
    if is_own && !is_server {
        return None;
    }
    let severity = if port.severity == "error" || is_server { Severity::Error } else { Severity::Warning };
    let text = format!("{} uses port {number} of its host, which is that of {}", object.title(), port.used_by);
    let hint = match object.name {
        _ if is_server => "use EdgeMesh 1.9 or later, which uses port 20004",
        METRICS_SERVER => "pass the manifest through: edge-manifest metrics-server",
        _ if Pod::of(object).is_some_and(Pod::has_host_network) => "use another port, or do without hostNetwork",
        _ => "use another hostPort",
    };
    Some(Found::new(severity, object, steps, text, hint))
}
