//! Suite runtimes: edge-pkg installs and configures Debian's own containerd and Docker, which pull images from a mirror
//! and run them, also after a reboot; and back.

mod files;

use anyhow::{Context, Result, bail};

use super::allowed::{JOURNAL, RUNTIMES_LEFT, RUNTIMES_VOLATILE, VOLATILE};
use super::guest::Guest;
use super::look::same;
use super::{Place, Prepared, node};

/// The image of every suite has containerd already, and not the package that Debian's kernel recommends.
const SETUP: &str = "apt-get -q -y purge containerd runc && apt-get -q update && apt-get -q -y install apparmor";

const CONTAINERD: &str = "edge-pkg install containerd --wait 600 --cgroup-driver systemd \
    --pause-image registry.k8s.io/pause:3.10 --registry-mirror registry.k8s.io=http://10.0.2.100 \
    --registry-mirror docker.io=http://10.0.2.100";
const DOCKER: &str = "edge-pkg install docker --wait 600 --cgroup-driver systemd --registry-mirror http://10.0.2.100";
/// The server has no TLS.
const INSECURE: &str = "--insecure-registry 10.0.2.100:80";
const PULL_INSECURE: &str = "docker pull 10.0.2.100:80/site/pod:1";
const EDGECORE: &str = "edge-pkg settings | edge-conf enable containerd -";
const CHECKS: &str = "edge-pkg check && edge-conf check";

/// dockerd starts it again after a reboot.
const RUN: &str = "docker run -d --restart always --name web -p 8081:8080 site/pod:1 httpd -f -p 8080 -h /";
const PAGE: &str = "a page of the container";

pub(super) fn prepare(place: &Place<'_>) -> Result<Prepared> {
    Ok(Prepared { files: files::make(place)?, story: Box::new(story) })
}

/// All steps; the first one that fails ends the suite.
fn story(guest: &mut Guest<'_>) -> Result<()> {
    guest.boot()?;
    node::install(guest)?;
    guest.run(SETUP)?;
    let bare = guest.inventory().context("looking at the bare machine")?;
    guest.report(&format!("bare: {} entries", bare.len()));

    guest.ends(&format!("{CONTAINERD} -n"), 3).context("the dry run")?;
    guest.run(CONTAINERD)?;
    guest.ends("edge-pkg check", 3).context("beside an edgecore with another cgroup driver")?;
    guest.run(EDGECORE)?;
    runs_pods(guest)?;
    guest.report("containerd: installed, and a pod runs an image of the mirror");

    guest.ends(&format!("{DOCKER} -n"), 3).context("the dry run")?;
    guest.run(DOCKER)?;
    guest.ends(PULL_INSECURE, 1).context("a registry without TLS")?;
    guest.run(&format!("{DOCKER} {INSECURE}"))?;
    guest.run(PULL_INSECURE)?;
    guest.run(&format!("docker pull site/pod:1 && {RUN}"))?;
    runs_containers(guest)?;
    guest.report("Docker: installed, and a container runs an image of the mirror");

    guest.reboot()?;
    rest(guest)?;
    let allowed = [JOURNAL, RUNTIMES_LEFT, RUNTIMES_VOLATILE, VOLATILE].concat();
    same(&bare.differences(&guest.inventory()?, &allowed), "the machine is not as before")?;
    guest.report("everything undone, and the machine as before");
    guest.shut_down()
}

/// After a reboot: the same, also by a second run, and everything undone.
fn rest(guest: &mut Guest<'_>) -> Result<()> {
    runs_containers(guest).context("after a reboot")?;
    runs_pods(guest).context("after a reboot")?;
    for call in [CONTAINERD.to_owned(), format!("{DOCKER} {INSECURE}"), EDGECORE.to_owned()] {
        let printed = guest.run(&call)?;
        if printed.lines().all(|line| line != node::ALREADY) {
            bail!("`{call}` found something to do:\n{printed}");
        }
    }
    guest.report("the same after a reboot, and a second run changes nothing");

    for what in ["containerd", "docker"] {
        guest.ends(&format!("edge-pkg remove {what}"), 4).context("beside running containers")?;
    }
    guest.run("sh /opt/site/pod.sh stop && docker rm -f web")?;
    guest.run(node::UNDO).map(drop)
}

/// By what the kernel, systemd and the pod itself show, then by the utilities.
fn runs_pods(guest: &mut Guest<'_>) -> Result<()> {
    let started = guest.run("sh /opt/site/pod.sh start")?;
    if !started.ends_with(&format!("{PAGE}\n")) {
        bail!("the pod does not serve its page:\n{started}");
    }
    let scopes = "/sys/fs/cgroup/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-podweb.slice";
    guest.prints(&format!("cat {scopes}/cri-containerd-*.scope/cgroup.procs | wc -l"), "2")?;
    guest.prints("systemctl list-units --no-legend --state=running 'cri-containerd-*.scope' | wc -l", "2")?;
    guest.prints(
        "ctr --namespace k8s.io images list -q name==registry.k8s.io/pause:3.10",
        "registry.k8s.io/pause:3.10",
    )?;
    guest.prints("systemctl is-enabled containerd", "enabled")?;
    is_checked(guest)
}

fn runs_containers(guest: &mut Guest<'_>) -> Result<()> {
    guest.prints("curl -sf --retry 60 --retry-all-errors --retry-delay 1 http://10.0.2.15:8081/page", PAGE)?;
    guest.prints(
        "docker info --format '{{.CgroupDriver}} {{.RegistryConfig.Mirrors}}'",
        "systemd [http://10.0.2.100/]",
    )?;
    guest.prints("cat /sys/fs/cgroup/system.slice/docker-*.scope/cgroup.procs | wc -l", "1")?;
    guest.prints("systemctl is-enabled docker", "enabled")?;
    is_checked(guest)
}

fn is_checked(guest: &mut Guest<'_>) -> Result<()> {
    let printed = guest.run(CHECKS)?;
    if printed.lines().filter(|line| *line == "no problems found").count() != 2 {
        bail!("`{CHECKS}` found problems:\n{printed}");
    }
    Ok(())
}
