//! From a prepared edge node to one that has joined a cloudcore, and edge-reset back. In place of cloudcore and edgecore run
//! their doubles, cloudcore's on the same machine.

use anyhow::{Context, Result, anyhow};
use edgeutils_tests::cloudcore;

use super::allowed::{JOIN_RESET, RESET_VOLATILE, VOLATILE};
use super::disk::GuestFile;
use super::guest::Guest;
use super::look::same;
use super::{Place, node};
use crate::workspace::read;

/// A release whose configuration `node::joined` has.
const VERSION: &str = "1.21.0";

/// The address is on no network, so that only this machine reaches it.
const UNIT: &str = "\
[Unit]
Description=Double of cloudcore

[Service]
ExecStartPre=/sbin/ip address replace 192.0.2.7/32 dev lo
ExecStart=/opt/cloud/cloudcore serve /opt/cloud/pki --version 1.20 --address 192.0.2.7
ExecStopPost=/sbin/ip address delete 192.0.2.7/32 dev lo

[Install]
WantedBy=multi-user.target
";

const START: &str = "/opt/cloud/cloudcore make /opt/cloud/pki --san 192.0.2.7
systemctl enable --now /opt/cloud/cloud-double.service
tries=0; until ss -ltn | grep -q 192.0.2.7:10002; do tries=$((tries + 1)); [ $tries -lt 100 ] || exit 1; sleep 0.1; done";
/// In this order: without the link of `enable`, systemd knows no unit any more.
const STOP: &str = "systemctl stop cloud-double && systemctl disable cloud-double && rm -r /opt/cloud/pki";

/// Prints the files that have the signature of the token, in the places that a join writes to.
const TOKEN: &str = "signature=$(cut -d. -f4 /opt/cloud/pki/token)
grep -rlF -e \"$signature\" /etc /run/systemd /usr/local /var/lib /var/log /var/tmp /tmp
journalctl --no-pager | grep -F -e \"$signature\"";

/// Programs and unit, which are there from the beginning.
pub(super) fn files(place: &Place<'_>) -> Result<Vec<GuestFile>> {
    let arch = place.arch.debian();
    let mut files = vec![GuestFile::text("/opt/cloud/cloud-double.service", UNIT)];
    for (name, built) in [("cloudcore", cloudcore::program_for(arch)), ("edgecore", cloudcore::edgecore(arch, VERSION))]
    {
        let program = built.map_err(|reason| anyhow!("no double of {name}: {reason}"))?;
        files.push(GuestFile { path: format!("/opt/cloud/{name}"), mode: 0o755, content: read(&program)? });
    }
    Ok(files)
}

/// A join, a reboot, and a reset, which leaves what the node had before the join but for its configuration.
pub(super) fn story(guest: &mut Guest<'_>) -> Result<()> {
    let prepared = guest.inventory().context("looking at the prepared machine")?;
    guest.run(START).context("starting the double of cloudcore")?;
    let join =
        format!("edge-join apply --cloudcore {} --version {VERSION} --archive /opt/cloud/edgecore", node::CLOUDCORE);
    guest.run(&format!("{join} --token - < /opt/cloud/pki/token"))?;
    has_joined(guest).context("after edge-join apply")?;
    guest.reboot()?;
    has_joined(guest).context("after a reboot")?;
    let again = guest.run(&join).context("joining again without a token")?;
    if again.lines().last() != Some(node::ALREADY) {
        anyhow::bail!("a second join found something to do:\n{again}");
    }
    guest.report("joined, also after a reboot");

    guest.run("edge-reset apply --yes")?;
    guest.prints("systemctl is-active edgecore; systemctl cat edgecore", "inactive")?;
    guest.prints("ls -d /etc/kubeedge /var/lib/kubeedge /usr/local/bin/edgecore; pidof edgecore", "")?;
    guest.run(STOP)?;
    let left = prepared.differences(&guest.inventory()?, &[JOIN_RESET, RESET_VOLATILE, VOLATILE].concat());
    same(&left, "the reset left something of the join")?;
    guest.report("reset, and nothing of the join is left");
    Ok(())
}

/// edgecore runs from its unit and is connected with its own pair; the token is nowhere.
fn has_joined(guest: &mut Guest<'_>) -> Result<()> {
    guest.prints("systemctl is-active edgecore; systemctl is-enabled edgecore", "active\nenabled")?;
    guest.run(
        "tries=0; until ss -tnp state established dst 192.0.2.7:10000 | grep -q edgecore; do
            tries=$((tries + 1)); [ $tries -lt 100 ] || exit 1; sleep 0.1; done",
    )?;
    guest.prints(
        "openssl verify -CAfile /opt/cloud/pki/ca.crt /etc/kubeedge/certs/server.crt",
        "/etc/kubeedge/certs/server.crt: OK",
    )?;
    guest.prints("stat -c %a /etc/kubeedge/certs/server.key", "600")?;
    guest.prints(TOKEN, "")?;
    guest.run("edge-check edge").map(drop)
}
