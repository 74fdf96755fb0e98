//! `edge-pkg install kubernetes`.

use edge_host::{Error, Host, Mode, Outcome, Plan, Result, apply};

use crate::catalog;
use crate::cli::KubernetesArgs;
use crate::facts::Facts;
use crate::kubernetes::{self, KUBECTL, KUBELET};
use crate::request::KubernetesRequest;

pub(crate) fn run(host: &mut Host, args: &KubernetesArgs) -> Result<Outcome> {
    let request = KubernetesRequest::of(args)?;
    host.must_be_live(
        "install packages",
        "the scripts of packages would run as root on this host",
        "run it on the host itself, for an image at its first boot",
    )?;
    let catalog = catalog::kubernetes()?;
    let facts = Facts::read(host)?;
    kubernetes::check(&facts, &request, &catalog)?;
    if request.with_kubectl && facts.foreign.contains(&KUBECTL) {
        let cause = "the installed kubectl is not a package of Kubernetes' repository, and is not replaced";
        return Err(Error::refused(format!("cannot install Kubernetes: {cause}"))
            .hint("keep it and install the rest: add --role node; or remove it first: apt-get remove kubectl"));
    }
    let before = facts.package(KUBELET).and_then(|package| package.release);
    if let Some(before) = before.filter(|before| before.minor < request.release.minor && facts.has_joined) {
        host.report.warning(&format!(
            "kubelet 1.{} must not be newer than the API server: upgrade the control plane first (kubeadm upgrade), and \
             drain this node",
            before.minor + 1
        ));
    }
    let wanted = request.to_apt(&catalog, facts.package(KUBECTL).is_some())?;
    let done = edge_apt::install(host, &wanted)?;
    if done.waits {
        host.count_unlisted();
    }
    let mut plan = Plan::new();
    // kubeadm expects it. Where it is masked, check says so.
    let kubelet = Facts::read(host)?.kubelet;
    if !kubelet.is_masked {
        kubelet.enable(&mut plan)?;
    }
    let outcome = apply(host, plan)?;
    if host.mode == Mode::Apply {
        report_installed(host, &wanted)?;
    }
    Ok(outcome)
}

/// Reports what is installed now, from dpkg's status, and fails if that is not what was requested.
fn report_installed(host: &mut Host, wanted: &edge_apt::Request) -> Result<()> {
    let facts = Facts::read(host)?;
    for requested in &wanted.packages {
        let package = facts.package(requested.name.as_str());
        let Some(package) = package.filter(|package| package.held) else {
            return Err(Error::failed(format!(
                "cannot install {}: after apt and dpkg succeeded it is not installed and held",
                requested.name
            ))
            .hint("another program changed it at the same time: run the same command again"));
        };
        host.report.line(&format!("{} {} is installed and held", package.name, package.version));
    }
    Ok(())
}
