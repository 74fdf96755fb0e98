//! What proves that a mount was made for a pod.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use edge_host::{Host, Mount, MountTree, Result, Root, namespaces_in_use, processes};
use serde_json::Value;

use super::NAMESPACE;
use super::row::Proof;
use crate::context::Context;
use crate::networks::CniNetwork;

/// Below CRI-O's root, which it shares with Podman.
const CONTAINERS: &str = "overlay-containers/containers.json";
/// What CRI-O records of each of its containers.
const POD: &str = "pod-name";

/// What is known of containers and networks.
pub(super) struct Proofs<'c> {
    context: &'c Context,
    /// The containers of CRI-O by their ID and by their layer, and whose the others are.
    storage: HashMap<String, bool>,
    /// The control groups of all processes.
    cgroups: HashSet<String>,
    /// The namespaces that a process is in, if some are mounted.
    namespaces: HashSet<PathBuf>,
}

impl<'c> Proofs<'c> {
    pub(super) fn read(host: &Host, context: &'c Context, mounts: &MountTree<'_>) -> Result<Proofs<'c>> {
        let mut storage = HashMap::new();
        for root in &context.roots.crio {
            // One that cannot be read proves nothing.
            let text = host.root.read(&root.path.join(CONTAINERS)).ok().flatten().unwrap_or_default();
            storage.extend(containers(&text));
        }
        let cgroups = processes(&host.root)?.iter().flat_map(|process| process.cgroups()).collect();
        let has_namespaces = mounts.post_order().iter().any(|mount| mount.kind == NAMESPACE);
        let namespaces = if has_namespaces { namespaces_in_use(&host.root)? } else { HashSet::new() };
        Ok(Proofs { context, storage, cgroups, namespaces })
    }

    /// What proves it, if that is worth a word. Errors: why it stays.
    pub(super) fn judge(&self, proof: Proof, mount: &Mount, named: Option<&str>) -> Result<Option<String>, String> {
        match proof {
            Proof::Network => self.network(mount),
            Proof::Container => Ok(None),
            Proof::Storage => match named.and_then(|name| self.storage.get(name)) {
                Some(true) => Ok(Some("a container of CRI-O".to_owned())),
                Some(false) => Err("its container is not one of CRI-O".to_owned()),
                None => Err("it is unknown whose container it is".to_owned()),
            },
        }
    }

    /// The namespace of a container, by the entries of CNI; one without an entry is of a pod that is gone.
    fn network(&self, mount: &Mount) -> Result<Option<String>, String> {
        let networks = &self.context.networks;
        let has = |network: &&CniNetwork| {
            let mut namespaces = network.entries.iter().filter_map(|entry| entry.netns.as_ref());
            // The same directory has two paths: /run/netns and /var/run/netns.
            namespaces.any(|netns| netns.file_name() == mount.point.file_name())
        };
        if let Some(network) = networks.foreign.iter().find(has) {
            let owner = network.owner.as_deref().unwrap_or_default();
            return Err(format!("{owner}: it is of a container in the network {}", network.name));
        }
        match networks.owned.iter().find(has) {
            Some(network) => Ok(Some(format!("of a pod in the network {}", network.name))),
            None if self.namespaces.contains(&mount.root)
                && !(networks.foreign.is_empty() && networks.unknown.is_empty()) =>
            {
                Err("it is in use and has no entry of CNI, and other programs make such namespaces too".to_owned())
            }
            None => Ok(None),
        }
    }

    /// Whether a process still uses it, which the phases before may end.
    pub(super) fn is_in_use(&self, mount: &Mount, container: Option<&str>) -> bool {
        self.namespaces.contains(&mount.root)
            || container.is_some_and(|id| self.cgroups.iter().any(|path| names(path, id)))
    }
}

/// The containers in containers.json by their ID and by their layer, and whether each is of a pod.
fn containers(text: &[u8]) -> Vec<(String, bool)> {
    let all: Vec<Value> = serde_json::from_slice(text).unwrap_or_default();
    let one = |container: &Value| {
        let field = |key: &str| Some(container.get(key)?.as_str()?.to_owned());
        let metadata = field("metadata").and_then(|text| serde_json::from_str::<Value>(&text).ok());
        let is_of_pod = metadata.is_some_and(|metadata| metadata.get(POD).is_some_and(|name| name != ""));
        [field("id"), field("layer")].into_iter().flatten().map(move |name| (name, is_of_pod))
    };
    all.iter().flat_map(one).collect()
}

/// Whether a control group is named after a container: `…/ID` or `…/cri-containerd-ID.scope`.
fn names(cgroup: &str, container: &str) -> bool {
    cgroup.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == container)
}

/// A process in a control group of a container, for people.
pub(super) fn process_of(root: &Root, container: &str) -> Result<Option<String>> {
    let all = processes(root)?;
    let one = all.iter().find(|process| process.cgroups().iter().any(|path| names(path, container)));
    Ok(one.map(|process| match process.executable() {
        Some(program) => format!("process {} ({})", process.pid(), program.display()),
        None => format!("process {}", process.pid()),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_of_crio_are_told_from_those_of_podman() {
        let text = br#"[
            {"id": "c1", "names": ["k8s_x"], "layer": "l1", "metadata": "{\"pod-name\":\"p\",\"pod-id\":\"1\"}"},
            {"id": "c2", "names": ["web"], "layer": "l2", "metadata": "{\"image-name\":\"x\",\"name\":\"web\"}"},
            {"id": "c3", "layer": "l3"}]"#;
        let all: Vec<_> = containers(text);
        let want = [("c1", true), ("l1", true), ("c2", false), ("l2", false), ("c3", false), ("l3", false)];
        assert_eq!(all, want.map(|(name, is)| (name.to_owned(), is)));
    }
}
