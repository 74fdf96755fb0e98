//! Suite edge-node: from a bare image by the user-data of scripts/cloud-init alone to a prepared node and a
//! joined one, and back.

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha2::{Digest, Sha256};

use super::allowed::{LEFT, VOLATILE};
use super::guest::{Guest, QUICK};
use super::look::{Look, same};
use super::repository::Repository;
use super::{Place, Prepared, joined, node, seed};
use crate::workspace::{read, write};

/// The redirect of a cluster with the API server on this host.
const REDIRECT: &str = "10351=192.0.2.7:10003";

const SCRIPT: &str = "sh /usr/share/edgeutils/scripts/edge-node.sh";
/// How often it calls a utility.
const STEPS: usize = 6;

/// Builds everything that the machine gets: on its disk what keadm join has written, a cloud-init with nothing to do,
/// and a stick; on the server the package and a repository.
pub(super) fn prepare(place: &Place<'_>) -> Result<Prepared> {
    let repository = Repository::make(place)?;
    let mut files = Vec::from(seed::files("bare", seed::NOTHING));
    files.push(node::joined()?);
    files.extend(joined::files(place)?);
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
    node::second_run(guest, SCRIPT, STEPS).context("the second run")?;
    let unchanged = inventory.differences(&guest.inventory()?, VOLATILE);
    same(&unchanged, "a second run changed something")?;
    guest.report("a second run changes nothing");

    guest.run(node::UNDO)?;
    guest
        .reset_during("edge-prep apply --for edgecore --swap off", "grep -qs '\"done\"' $journals /dev/null")
        .context("a hard reset in the middle of an apply")?;
    guest.run(SCRIPT).context("resuming after a hard reset")?;
    is_prepared(guest).context("after the hard reset and the resumed command")?;
    guest.report("reset in the middle, and the same command resumed");

    joined::story(guest).context("the join")?;

    guest.run(node::UNDO)?;
    guest.run("apt-get -q -y purge edgeutils").context("the purge of the package")?;
    guest.reboot()?;
    let differences = before.differences(&guest.inventory()?, &[LEFT, VOLATILE].concat());
    same(&differences, "the machine is not as before")?;
    guest.report("everything undone, the package purged, and the machine as before");
    guest.shut_down()
}

/// Serves the package for the machine, and names it in the user-data.
fn user_data(place: &Place<'_>, repository: &Repository) -> Result<String> {
    let package = read(place.package)?;
    let sum: String = Sha256::digest(&package).iter().map(|byte| format!("{byte:02x}")).collect();
    write(&place.served.join("edgeutils.deb"), package)?;
    let text = read(&place.workspace.root.join("scripts/cloud-init/edge-node.yaml"))?;
    let mut values = vec![("PACKAGE", "http://10.0.2.100/edgeutils.deb".to_owned()), ("SHA256", sum)];
    values.extend(node::HOST.map(|(name, value)| (name, value.to_owned())));
    values.extend(node::crio(repository));
    seed::filled(&String::from_utf8_lossy(&text), &values)
}

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

/// The host, edgecore.yaml and CRI-O.
pub(super) fn is_prepared(guest: &mut Guest<'_>) -> Result<()> {
    node::is_prepared(guest)?;
    node::has_crio(guest)
}

/// iptables has the rule, once.
fn is_redirected(guest: &mut Guest<'_>) -> Result<()> {
    let rule = "-A EDGEUTILS-STREAM.* --dport 10351 .*-j DNAT --to-destination 192.0.2.7:10003";
    guest.prints(&format!("iptables-save -t nat | grep -cE -e '{rule}'"), "1")?;
    guest.prints("iptables-save -t nat | grep -c -e '-j EDGEUTILS-STREAM$'", "1")
}
