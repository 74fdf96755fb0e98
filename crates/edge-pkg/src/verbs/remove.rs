//! `edge-pkg remove` and `undo`.

use std::time::Duration;

use edge_apt::{PackageName, Removal};
use edge_host::{Error, Host, Mode, Outcome, Plan, Result, UndoArgs, apply, undo as host_undo};

use crate::cli::{Remove, RemoveKubernetesArgs};
use crate::facts::{Facts, KUBELET_CONF};
use crate::kubernetes::{NAME, PINNED, TOOLS};

pub(crate) fn run(host: &mut Host, what: &Remove) -> Result<Outcome> {
    match what {
        Remove::Kubernetes(args) => remove_kubernetes(host, args),
    }
}

fn remove_kubernetes(host: &mut Host, args: &RemoveKubernetesArgs) -> Result<Outcome> {
    host.must_be_live(
        "remove packages",
        "the scripts of packages would run as root on this host",
        "run it on the host itself",
    )?;
    let facts = Facts::read(host)?;
    if facts.has_joined && !facts.packages.is_empty() && !args.yes {
        return Err(Error::refused(format!(
            "cannot remove Kubernetes: this node is part of a cluster ({KUBELET_CONF} exists)"
        ))
        .hint(
            "leave the cluster first: kubeadm reset; to remove the packages anyway: edge-pkg remove kubernetes --yes",
        ));
    }
    let packages = PINNED.into_iter().chain(TOOLS).map(PackageName::parse).collect::<Result<_>>()?;
    let wait = Duration::from_secs(args.wait);
    edge_apt::remove(host, &Removal { packages, source: Some(NAME.to_owned()), pin: Some(NAME.to_owned()), wait })?;
    apply(host, Plan::new())
}

/// `undo`, which may use apt and waits for others that do.
pub(crate) fn undo(host: &mut Host, args: &UndoArgs) -> Result<Outcome> {
    if !args.list && host.mode == Mode::Apply && host.root.is_live() && edge_apt::status_if_any(host)?.is_some() {
        edge_apt::wait(host, edge_apt::DEFAULT_WAIT)?;
    }
    host_undo::run(host, args, &[&edge_apt::PackageRemovals])
}
