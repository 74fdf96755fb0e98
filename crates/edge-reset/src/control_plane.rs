//! Control planes: a reset without `--also control-plane` is refused as a whole, as kubelet and pods serve it too.

use std::path::Path;

use edge_host::{Error, Host, Result};

use crate::context::Context;
use crate::creator::{Creator, Keeper};
use crate::request::Also;

/// What kubeadm, kubespray and others have among the static pods of a control plane.
const MANIFESTS: [&str; 2] = ["kube-apiserver.yaml", "etcd.yaml"];
/// etcd's data where it is not a pod.
const ETCD: &str = "/var/lib/etcd/member";
/// k3s' own, below its `data-dir`.
const K3S_DATABASE: &str = "server/db";
const KUBELET: &str = "kubelet";
const K3S: &str = "k3s";

/// Refuses (exit 4) to reset a control plane of the profile unless it is named.
pub(crate) fn refuse(host: &Host, context: &Context) -> Result<()> {
    if context.request.has_also(Also::ControlPlane) {
        return Ok(());
    }
    let mut places = Vec::new();
    if is_reset(context, KUBELET) {
        let pods = context.roots.static_pods.iter().flat_map(|dir| MANIFESTS.map(|name| dir.path.join(name)));
        places.extend(pods.chain([ETCD.into()]));
    }
    if is_reset(context, K3S) {
        places.extend(context.roots.k3s.iter().map(|dir| dir.path.join(K3S_DATABASE)));
    }
    for place in places {
        if host.root.inode(&place)?.is_some() {
            return Err(refused(&host.root.display(&place)));
        }
    }
    Ok(())
}

/// Whether what an agent made is removed.
fn is_reset(context: &Context, agent: &str) -> bool {
    context.creators.keeper(&[Creator::from(agent)], context.request.profile) == Keeper::None
}

fn refused(shown: &Path) -> Error {
    let what = format!("cannot reset this host: it is part of a control plane ({} exists)", shown.display());
    Error::refused(what).hint(
        "to remove it too, add --also control-plane; where etcd has other members, remove this one first: \
         etcdctl member remove ID",
    )
}
