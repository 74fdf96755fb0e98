//! `edge-pkg remove`.

use std::path::Path;
use std::time::Duration;

use edge_apt::{PackageName, Removal};
use edge_host::{Error, Host, Outcome, Plan, Result, apply};
use edge_systemd::{Link, UnitFacts};

use crate::cli::{Remove, RemoveArgsOf};
use crate::containerd::{self, PACKAGES, config::CERTS_D, edit::MARK, refuse_running};
use crate::docker;
use crate::facts::{Facts, KUBELET_CONF};
use crate::kubernetes::NAME;

pub(crate) fn run(host: &mut Host, what: &Remove) -> Result<Outcome> {
    match what {
        Remove::Kubernetes(args) => remove_kubernetes(host, args),
        Remove::Containerd(args) => remove_containerd(host, args),
        Remove::Docker(args) => remove_docker(host, args),
    }
}

fn remove_kubernetes(host: &mut Host, args: &RemoveArgsOf) -> Result<Outcome> {
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
    let packages = facts.names()?;
    let wait = Duration::from_secs(args.wait);
    edge_apt::remove(host, &Removal { packages, source: Some(NAME.to_owned()), pin: Some(NAME.to_owned()), wait })?;
    let mut plan = Plan::new();
    for name in &facts.foreign {
        plan.note(format!("{name} is not a package of Kubernetes' repository, and is kept"));
    }
    disable(host, &facts.kubelet, &mut plan)?;
    apply(host, plan)
}

fn remove_containerd(host: &mut Host, args: &RemoveArgsOf) -> Result<Outcome> {
    let facts = containerd::Facts::read(host, &[])?;
    if !args.yes {
        let hint = "drain the node first (kubectl drain NODE); to remove it anyway: edge-pkg remove containerd --yes";
        refuse_running(host, &facts.socket(), "remove containerd", hint)?;
    }
    let packages = PACKAGES.into_iter().map(PackageName::parse).collect::<Result<_>>()?;
    if facts.package.is_some() {
        let wait = Duration::from_secs(args.wait);
        edge_apt::remove(host, &Removal { packages, source: None, pin: None, wait })?;
    }
    host.prepare_change()?;
    let mut plan = Plan::new();
    if facts.package.is_some() {
        disable(host, &facts.unit, &mut plan)?;
    }
    let dir = facts.config.as_ref().map_or_else(|_| Path::new(CERTS_D).to_path_buf(), |config| config.hosts_dir());
    for registry in host.root.list(&dir)? {
        let path = dir.join(registry).join("hosts.toml");
        let found = host.root.find(&path)?;
        if found.bytes.starts_with(MARK.as_bytes()) {
            plan.remove(path, found, "written by edge-pkg");
        }
    }
    if facts.package.is_none() && facts.is_installed {
        plan.note("containerd was not installed by a package, and is kept");
    }
    apply(host, plan)
}

fn remove_docker(host: &mut Host, args: &RemoveArgsOf) -> Result<Outcome> {
    let facts = docker::Facts::read(host)?;
    if facts.is_installed
        && !args.yes
        && let Some(found) = docker::running(host, &facts, true)?
    {
        return Err(Error::refused(format!("cannot remove Docker: {found}"))
            .hint(format!("{}; to remove it anyway: edge-pkg remove docker --yes", docker::STOP)));
    }
    // containerd.io may be the runtime of pods.
    let packages = [docker::DOCKER_IO].into_iter().chain(docker::PINNED).chain(docker::TOOLS);
    let packages: Vec<PackageName> =
        packages.filter(|name| !PACKAGES.contains(name)).map(PackageName::parse).collect::<Result<_>>()?;
    if facts.package.is_some() {
        let name = || Some(docker::NAME.to_owned());
        let wait = Duration::from_secs(args.wait);
        edge_apt::remove(host, &Removal { packages, source: name(), pin: name(), wait })?;
    }
    host.prepare_change()?;
    let mut plan = Plan::new();
    if facts.package.is_some() {
        disable(host, &facts.unit, &mut plan)?;
    } else if facts.is_installed {
        plan.note("Docker was not installed by a package, and is kept");
    }
    apply(host, plan)
}

/// Plans the removal of the links that enabled the unit of a package, unless the package has removed them.
fn disable(host: &Host, unit: &UnitFacts, plan: &mut Plan) -> Result<()> {
    let mut links = Vec::new();
    for Link { path, .. } in &unit.links {
        links.push(Link { path: path.clone(), itself: host.root.find_link(path)? });
    }
    UnitFacts { links, ..unit.clone() }.disable(plan);
    Ok(())
}
