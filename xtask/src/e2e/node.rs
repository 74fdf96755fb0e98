//! What suites know of an edge node: its files and settings, and how it is verified; and the package that is installed on
//! every machine.

use anyhow::{Context, Result};

use super::Place;
use super::disk::GuestFile;
use super::guest::{Guest, NO_CLOUD_INIT};
use super::repository::{self, Repository};
use crate::sample;
use crate::workspace::read;

/// Where the package puts the scripts.
pub(super) const SCRIPTS: &str = "/usr/share/edgeutils/scripts";
/// Reverts every run of every utility, newest first.
pub(super) const UNDO: &str = "sh /usr/share/edgeutils/scripts/undo-node.sh";

/// The last line of a utility that finds nothing to do.
pub(super) const ALREADY: &str = "already up to date";

/// The KubeEdge release whose defaults keadm join has written.
const RELEASE: &str = "1.21";
const CONFIGURATION: &str = "/etc/kubeedge/config/edgecore.yaml";
/// A documentation address: nothing is ever sent there but to a double on the machine itself.
pub(super) const CLOUDCORE: &str = "192.0.2.7";
const PACKAGE: &str = "/opt/edgeutils.deb";

/// Files of a machine that installs the package, and boots without cloud-init.
pub(super) fn files(place: &Place<'_>) -> Result<Vec<GuestFile>> {
    Ok(vec![GuestFile::text(NO_CLOUD_INIT, ""), GuestFile::text(PACKAGE, read(place.package)?)])
}

/// Installs the package as an administrator does.
pub(super) fn install(guest: &mut Guest<'_>) -> Result<()> {
    guest.run(&format!("dpkg --install {PACKAGE} && rm {PACKAGE}")).map(drop).context("installing the package")
}

/// What keadm join has written.
pub(super) fn joined() -> Result<GuestFile> {
    Ok(GuestFile::text(CONFIGURATION, sample::edgecore_yaml(RELEASE)?))
}

/// The settings of edge-node.sh, but for the runtime.
pub(super) const HOST: [(&str, &str); 4] =
    [("CLOUDCORE", CLOUDCORE), ("SWAP", "off"), ("CNI_PLUGINS", repository::STICK), ("POD_SUBNET", "10.85.0.0/16")];

/// Those that install CRI-O from the machine's repository.
pub(super) fn crio(repository: &Repository) -> [(&'static str, String); 3] {
    let options = format!(
        "'--apt-mirror http://10.0.2.100/{} --key {} --fingerprint {} --hold'",
        repository::PLACE,
        repository::KEY,
        repository.fingerprint
    );
    [("RUNTIME", "crio".to_owned()), ("CRIO_VERSION", "1.34".to_owned()), ("CRIO_OPTIONS", options)]
}

/// Verifies the host and edgecore.yaml: each state with another program than the one that made it, then with the utility.
pub(super) fn is_prepared(guest: &mut Guest<'_>) -> Result<()> {
    guest.prints("swapon --show --noheadings", "")?;
    for (key, value) in [
        ("net.ipv4.ip_forward", "1"),
        ("net.bridge.bridge-nf-call-iptables", "1"),
        ("net.bridge.bridge-nf-call-ip6tables", "1"),
    ] {
        guest.prints(&format!("sysctl -n {key}"), value)?;
    }
    guest.prints("lsmod | grep -cE '^(overlay|br_netfilter) '", "2")?;
    guest.prints("grep -cw memory /sys/fs/cgroup/cgroup.controllers", "1")?;
    guest.prints(&format!("grep -c 'server: {CLOUDCORE}:10004$' {CONFIGURATION}"), "1")?;
    for check in ["edge-prep check", "edge-cni check", "edge-conf check"] {
        guest.run(check)?;
    }
    Ok(())
}

/// Verifies CRI-O in the same way.
pub(super) fn has_crio(guest: &mut Guest<'_>) -> Result<()> {
    guest
        .prints(&format!("grep -c 'containerRuntimeEndpoint: unix:///var/run/crio/crio.sock$' {CONFIGURATION}"), "1")?;
    guest.prints("systemctl is-active crio; systemctl is-enabled crio", "active\nenabled")?;
    guest.prints("dpkg-query -W -f '${db:Status-Abbrev}' cri-o", "hi")?;
    guest.run("edge-crio check").map(drop)
}

/// Runs a script again, once as a dry run: in neither call one of its utilities finds anything to do.
pub(super) fn second_run(guest: &mut Guest<'_>, script: &str, utilities: usize) -> Result<()> {
    for call in [format!("{script} -n"), script.to_owned()] {
        let printed = guest.run(&call)?;
        // edge-crio also reports the state of CRI-O.
        if printed.lines().filter(|line| *line == ALREADY).count() != utilities || printed.contains("wrote ") {
            anyhow::bail!("`{call}` found something to do: {printed}");
        }
    }
    Ok(())
}
