//! Whether an object is complete. YAML does not show it: most cuts between two lines leave a valid document.

use edge_host::{Error, Result};
use edge_objects::object::{Object, at};
use edge_yaml::Value;

use crate::pod::{Pod, is_workload, list, text};

/// An object without a name, and a workload without its containers or their volumes, are what is left of a manifest that was
/// cut off; the API server accepts none of them. Errors: exit 1.
pub(crate) fn require_complete(name: &str, object: &Object<'_>, line: usize) -> Result<()> {
    let incomplete = |cause: String| {
        Err(Error::cannot("use", name, format!("line {line}: {cause}")).hint("check that the input is complete"))
    };
    if object.name.is_empty() && object.text(&["metadata", "generateName"]).is_none_or(str::is_empty) {
        return incomplete(format!("{} has no metadata.name", object.kind));
    }
    let Some(pod) = Pod::of(object) else {
        if is_workload(object) {
            return incomplete(format!("{} has no containers in spec.template.spec", object.title()));
        }
        return Ok(());
    };
    match missing_volume(object, pod) {
        Some(volume) => incomplete(format!(
            "{}: a container mounts the volume {volume}, which the pod does not have",
            object.title()
        )),
        None => Ok(()),
    }
}

/// A volume that a container mounts and its pod does not have.
fn missing_volume<'v>(object: &Object<'v>, pod: Pod<'v>) -> Option<&'v str> {
    let volumes = list(pod.spec(), &["volumes"]).iter().filter_map(|volume| text(volume, "name"));
    let claims = object.get(&["spec", "volumeClaimTemplates"]).and_then(Value::as_sequence).into_iter().flatten();
    let claims = claims.filter_map(|claim| at(claim, &["metadata", "name"])?.as_str());
    let known: std::collections::HashSet<&str> = volumes.chain(claims).collect();
    let containers = list(pod.spec(), &["initContainers"]).iter().chain(pod.containers());
    let mut mounts = containers.flat_map(|container| list(container, &["volumeMounts"]));
    mounts.find_map(|mount| text(mount, "name").filter(|volume| !known.contains(volume)))
}
