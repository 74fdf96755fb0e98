//! What proves that a mount was made for a pod.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use edge_host::{Host, Mount, Result, Root, processes};
use serde_json::Value;

use super::row::Proof;
use crate::context::Context;

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
    /// The namespaces that a process is in.
    namespaces: HashSet<PathBuf>,
}

impl<'c> Proofs<'c> {
    pub(super) fn read(host: &Host, context: &'c Context) -> Result<Proofs<'c>> {
        let mut storage = HashMap::new();
        for root in &context.roots.crio {
            let text = host.root.read(&root.path.join(CONTAINERS))?.unwrap_or_default();
            storage.extend(containers(&text));
        }
        let all = processes(&host.root)?;
        let cgroups = all.iter().flat_map(|process| process.cgroups()).collect();
        let namespaces = all.iter().flat_map(|process| process.namespaces()).collect();
        Ok(Proofs { context, storage, cgroups, namespaces })
    }

    /// What proves it, if that is worth a word. Errors: why it stays.
    pub(super) fn judge(&self, proof: Proof, mount: &Mount, named: Option<&str>) -> Result<Option<String>, String> {
        match proof {
            Proof::Network => self.network(&mount.point),
            Proof::Container => Ok(None),
            Proof::Storage => match named.and_then(|name| self.storage.get(name)) {
                Some(true) => Ok(Some("a container of CRI-O".to_owned())),
                Some(false) => Err("its container is not one of CRI-O".to_owned()),
                None => Err("it is unknown whose container it is".to_owned()),
            },
        }
    }

    /// The namespace of a container: by the entries of CNI. One without an entry is of a pod that is gone.
    fn network(&self, point: &Path) -> Result<Option<String>, String> {
        let name = point.file_name();
        let is_it = |netns: &Path| netns.file_name() == name;
        let networks = &self.context.networks;
        let has = |network: &&crate::networks::CniNetwork| {
            network.entries.iter().any(|entry| entry.netns.as_deref().is_some_and(is_it))
        };
        if let Some(network) = networks.foreign.iter().find(has) {
            return Err(format!("it is of a container in {}, a network of {}", network.name, owner(network)));
        }
        match networks.owned.iter().find(has) {
            Some(network) => Ok(Some(format!("a pod's, in the network {}", network.name))),
            None if !networks.foreign.is_empty() && self.is_inhabited(point) => {
                Err("it has no entry of CNI, and other programs make such namespaces too".to_owned())
            }
            None => Ok(None),
        }
    }

    fn is_inhabited(&self, _point: &Path) -> bool {
        true
    }

    /// Whether a process still uses it, which the phases before may end.
    pub(super) fn is_in_use(&self, mount: &Mount, container: Option<&str>) -> bool {
        self.namespaces.contains(&mount.root)
            || container.is_some_and(|id| self.cgroups.iter().any(|path| path.contains(id)))
    }
}

fn owner(network: &crate::networks::CniNetwork) -> &str {
    network.owner.as_deref().unwrap_or("another program")
}
