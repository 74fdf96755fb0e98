//! Suite cloud-node: the host of cloudcore and of the API server, by scripts/cloud-node.sh, across a reboot, and back.

use anyhow::{Context, Result};

use super::allowed::{JOURNAL, VOLATILE};
use super::disk::GuestFile;
use super::guest::Guest;
use super::look::same;
use super::{Place, Prepared, node};
use crate::sample;
use crate::sh::Sh;
use crate::workspace::read;

/// The newest release whose cloudcore does not manage the redirect.
const RELEASE: &str = "1.7";

/// The address is the one that cloudcore.yaml advertises.
pub(super) const SCRIPT: &str = "KUBEEDGE_VERSION=1.7.2 sh /usr/share/edgeutils/scripts/cloud-node.sh";
/// How many utilities it calls.
const UTILITIES: usize = 3;

const CONFIGURATION: &str = "/etc/kubeedge/config/cloudcore.yaml";
/// The address in the sample, and the machine's.
const ADVERTISED: &str = "192.0.2.2";
const ADDRESS: &str = "10.0.2.15";
const CA: &str = "/etc/kubernetes/pki/ca.crt";

/// A connection as the API server makes it to the kubelet port of an edge node: cloudcore answers at its stream port, here
/// a web server in its place. Nobody has the address that is called.
const CONNECT: &str = "systemd-run --quiet --collect --unit=stream --working-directory=/run \
    python3 -m http.server --bind 10.0.2.15 10003
curl -sf -o /dev/null --retry 60 --retry-all-errors --retry-delay 1 http://10.0.2.15:10003/ || exit
curl -s -o /dev/null --max-time 20 -w '%{http_code}' http://10.0.2.77:10351/
systemctl stop stream";

/// The backend of iptables on a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Backend {
    Nft,
    Legacy,
}

impl Backend {
    /// The program that prints its rules of nat, and a command that prints those of the other one.
    fn saves(self) -> (&'static str, &'static str) {
        match self {
            Backend::Nft => ("iptables-nft-save -t nat", "cat /proc/net/ip_tables_names 2>/dev/null"),
            Backend::Legacy => ("iptables-legacy-save -t nat", "nft list ruleset"),
        }
    }
}

pub(super) fn prepare(place: &Place<'_>, backend: Backend) -> Result<Prepared> {
    let mut files = node::files(place)?;
    files.extend(self::files(place)?);
    Ok(Prepared { files, story: Box::new(move |guest| story(guest, backend)) })
}

/// What kubeadm init and keadm init have written: the cluster's CA and cloudcore.yaml.
pub(super) fn files(place: &Place<'_>) -> Result<Vec<GuestFile>> {
    Sh::new("openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj /CN=kubernetes -keyout ca.key -out ca.crt")
        .dir(&place.dir)
        .capture()?;
    let key =
        GuestFile { mode: 0o600, ..GuestFile::text("/etc/kubernetes/pki/ca.key", read(&place.dir.join("ca.key"))?) };
    let ca = GuestFile::text(CA, read(&place.dir.join("ca.crt"))?);
    let configuration = sample::cloudcore_yaml(RELEASE)?.replace(ADVERTISED, ADDRESS);
    Ok(vec![ca, key, GuestFile::text(CONFIGURATION, configuration)])
}

/// All steps; the first one that fails ends the suite.
fn story(guest: &mut Guest<'_>, backend: Backend) -> Result<()> {
    guest.boot()?;
    node::install(guest)?;
    if backend == Backend::Legacy {
        guest.run("for name in iptables ip6tables; do update-alternatives --set $name /usr/sbin/$name-legacy; done")?;
    }
    let before = guest.inventory().context("looking at the bare machine")?;
    guest.report(&format!("bare: {} entries", before.len()));

    guest.ends(&format!("{SCRIPT} -n"), 3).context("the dry run")?;
    guest.run(SCRIPT)?;
    is_prepared(guest, backend)?;
    guest.report("prepared: certificates, cloudcore.yaml, and a redirect that works");

    guest.reboot()?;
    is_prepared(guest, backend).context("after a reboot")?;
    node::second_run(guest, SCRIPT, UTILITIES).context("the second run")?;
    guest.report("the same after a reboot, and a second run changes nothing");

    guest.run(node::UNDO)?;
    guest.reboot()?;
    let differences = before.differences(&guest.inventory()?, &[JOURNAL, VOLATILE].concat());
    same(&differences, "the machine is not as before")?;
    guest.report("everything undone, and the machine as before");
    guest.shut_down()
}

/// Verifies each state with another program than the one that made it, then with the utility.
pub(super) fn is_prepared(guest: &mut Guest<'_>, backend: Backend) -> Result<()> {
    guest.prints(
        &format!("cd /etc/kubeedge/certs && cmp ../ca/streamCA.crt {CA} && openssl verify -CAfile {CA} stream.crt"),
        "stream.crt: OK",
    )?;
    guest.prints(
        "cd /etc/kubeedge/certs && openssl x509 -noout -checkip 10.0.2.15 -in stream.crt",
        "IP 10.0.2.15 does match certificate",
    )?;
    guest.run(
        "cd /etc/kubeedge/certs && [ \"$(openssl pkey -in stream.key -pubout)\" = \"$(openssl x509 -in stream.crt -noout -pubkey)\" ]",
    )?;
    guest.prints(&format!("grep -A1 '  cloudStream:' {CONFIGURATION} | tail -n 1"), "enable: true")?;
    let (save, other) = backend.saves();
    let rule = "-A EDGEUTILS-STREAM.* --dport 10351 .*-j DNAT --to-destination 10.0.2.15:10003";
    guest.prints(&format!("{save} | grep -cE -e '{rule}'"), "1")?;
    guest.prints(&format!("{save} | grep -c -e '-j EDGEUTILS-STREAM$'"), "1")?;
    guest.prints(other, "")?;
    guest.prints(CONNECT, "200").context("a connection that is redirected")?;
    guest.prints("systemctl is-enabled edge-redirect", "enabled")?;
    for check in ["edge-certgen check", "edge-conf --kubeedge-version 1.7.2 check", "edge-redirect check"] {
        guest.run(check)?;
    }
    Ok(())
}
