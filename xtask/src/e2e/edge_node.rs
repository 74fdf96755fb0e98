//! Suite edge-node: from a bare image by the user-data of scripts/cloud-init alone to a prepared node, and back.

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha2::{Digest, Sha256};

use super::allowed::{LEFT, VOLATILE};
use super::disk::GuestFile;
use super::guest::{Guest, QUICK};
use super::look::{Look, same};
use super::repository::{self, Repository};
use super::seed;
use super::{Place, Prepared};
use crate::dist;
use crate::sample;
use crate::workspace::{read, write};

/// The KubeEdge release whose defaults keadm join has written.
const RELEASE: &str = "1.21";

const CONFIGURATION: &str = "/etc/kubeedge/config/edgecore.yaml";

/// A documentation address: nothing is ever sent there.
const CLOUDCORE: &str = "192.0.2.7";

/// The redirect of a cluster with the API server on this host.
const REDIRECT: &str = "10351=192.0.2.7:10003";

/// Builds everything that the machine gets: on its disk what keadm join has written, a cloud-init with nothing to do,
/// and a stick; on the server the package and a repository.
pub(super) fn prepare(place: &Place<'_>) -> Result<Prepared> {
    let repository = Repository::make(place)?;
    let mut files = Vec::from(seed::files("bare", seed::NOTHING));
    files.push(GuestFile::text(CONFIGURATION, sample::edgecore_yaml(RELEASE)?));
    files.extend(repository.stick(place)?);
    let user_data = user_data(place, &repository)?;
    Ok(Prepared { files, story: Box::new(move |guest| story(guest, &user_data)) })
}

/// All steps; the first one that fails ends the suite.
fn story(guest: &mut Guest<'_>, user_data: &str) -> Result<()> {
    guest.boot()?;
    let before = guest.inventory().context("looking at the bare machine")?;
    guest.report(&format!("bare: {} entries, swap on {}", before.len(), before.names("swap").join(", ")));
    is_bare(&before)?;

    first_boot(guest, "edge-node", user_data).context("the first boot with the user-data")?;
    is_prepared(guest).context("after the user-data")?;
    guest.report("prepared by the user-data alone");
    guest.run(&format!("edge-redirect add {REDIRECT} --persist")).context("the redirect")?;
    is_redirected(guest).context("after edge-redirect add")?;

    guest.reboot()?;
    is_prepared(guest).context("after a reboot")?;
    is_redirected(guest).context("after a reboot")?;
    guest.report("the same after a reboot");

    let inventory = guest.inventory().context("looking at the prepared machine")?;
    second_run(guest).context("the second run")?;
    let unchanged = inventory.differences(&guest.inventory()?, VOLATILE);
    same(&unchanged, "a second run changed something")?;
    guest.report("a second run changes nothing");

    undo_all(guest).context("undo")?;
    guest
        .reset_during("edge-prep apply --for edgecore --swap off", "grep -qs '\"done\"' $journals /dev/null")
        .context("a hard reset in the middle of an apply")?;
    guest.run("sh /usr/share/edgeutils/scripts/edge-node.sh").context("resuming after a hard reset")?;
    is_prepared(guest).context("after the hard reset and the resumed command")?;
    guest.report("reset in the middle, and the same command resumed");

    undo_all(guest).context("undo")?;
    guest.run("apt-get -q -y purge edgeutils").context("the purge of the package")?;
    guest.reboot()?;
    let differences = before.differences(&guest.inventory()?, &[LEFT, VOLATILE].concat());
    same(&differences, "the machine is not as before")?;
    guest.report("everything undone, the package purged, and the machine as before");
    guest.shut_down()
}

/// Serves the package of the utilities, and names it in the user-data.
fn user_data(place: &Place<'_>, repository: &Repository) -> Result<String> {
    let package = read(&dist::debian_package(place.workspace, place.arch.target())?)?;
    let sum: String = Sha256::digest(&package).iter().map(|byte| format!("{byte:02x}")).collect();
    write(&place.served.join("edgeutils.deb"), package)?;
    let text = read(&place.workspace.root.join("scripts/cloud-init/edge-node.yaml"))?;
    let crio = format!(
        "'--apt-mirror http://10.0.2.100/{} --key {} --fingerprint {} --hold'",
        repository::PLACE,
        repository::KEY,
        repository.fingerprint
    );
    let values = [
        ("PACKAGE", "http://10.0.2.100/edgeutils.deb"),
        ("SHA256", sum.as_str()),
        ("CLOUDCORE", CLOUDCORE),
        ("SWAP", "off"),
        ("CNI_PLUGINS", repository::STICK),
        ("POD_SUBNET", "10.85.0.0/16"),
        ("RUNTIME", "crio"),
        ("CRIO_VERSION", "1.34"),
        ("CRIO_OPTIONS", crio.as_str()),
    ];
    seed::filled(&String::from_utf8_lossy(&text), &values)
}

/// How often edge-node.sh calls a utility, and its last line the second time.
const STEPS: usize = 6;
const ALREADY: &str = "already up to date";

/// The image has the swap and modules that the suite removes.
fn is_bare(look: &Look) -> Result<()> {
    let swaps = look.names("swap");
    if swaps != ["/dev/zram0", "/swapfile", "/swapfile2"] {
        bail!("the bare machine swaps to {swaps:?}, not from fstab, a unit and zram");
    }
    if look.names("module").contains(&"br_netfilter") {
        bail!("the bare machine has br_netfilter loaded");
    }
    Ok(())
}

/// A new instance, as a cloud makes one from an image: cloud-init sees another id and begins anew.
fn first_boot(guest: &mut Guest<'_>, instance: &str, user_data: &str) -> Result<()> {
    for file in seed::files(instance, user_data) {
        let content = BASE64.encode(&file.content);
        guest.machine.sh(&format!("echo {content} | base64 -d >{}", file.path), QUICK)?;
    }
    guest.reboot()
}

/// Verifies each state with another program than the one that made it, then with the utility.
fn is_prepared(guest: &mut Guest<'_>) -> Result<()> {
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
    guest
        .prints(&format!("grep -c 'containerRuntimeEndpoint: unix:///var/run/crio/crio.sock$' {CONFIGURATION}"), "1")?;
    guest.prints("systemctl is-active crio; systemctl is-enabled crio", "active\nenabled")?;
    guest.prints("dpkg-query -W -f '${db:Status-Abbrev}' cri-o", "hi")?;
    for check in ["edge-prep check", "edge-cni check", "edge-crio check", "edge-conf check"] {
        guest.run(check)?;
    }
    Ok(())
}

/// iptables has the rule, once.
fn is_redirected(guest: &mut Guest<'_>) -> Result<()> {
    let rule = "-A EDGEUTILS-STREAM.* --dport 10351 .*-j DNAT --to-destination 192.0.2.7:10003";
    guest.prints(&format!("iptables-save -t nat | grep -cE -e '{rule}'"), "1")?;
    guest.prints("iptables-save -t nat | grep -c -e '-j EDGEUTILS-STREAM$'", "1")
}

/// The same script again, once as a dry run: neither finds anything to do.
fn second_run(guest: &mut Guest<'_>) -> Result<()> {
    for call in ["/usr/share/edgeutils/scripts/edge-node.sh -n", "/usr/share/edgeutils/scripts/edge-node.sh"] {
        let printed = guest.run(&format!("sh {call}"))?;
        // edge-crio also reports the state of CRI-O.
        if printed.lines().filter(|line| *line == ALREADY).count() != STEPS || printed.contains("wrote ") {
            bail!("`{call}` found something to do: {printed}");
        }
    }
    Ok(())
}

/// Every run of every utility, newest first.
fn undo_all(guest: &mut Guest<'_>) -> Result<()> {
    guest
        .run(
            "for tool in edge-redirect edge-conf edge-crio edge-cni edge-prep; do
            until [ -z \"$($tool undo --list | grep -v undone)\" ]; do $tool undo || exit; done
        done",
        )
        .map(drop)
}
