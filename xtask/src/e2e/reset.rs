//! Suite reset: pods of a real container runtime, and everything else of an edge node in the kernel and in files, beside
//! a site's own things of the same kinds; removed by edge-reset, restored, and removed again across power cuts.

mod files;

use anyhow::{Context, Result, bail};

use super::allowed::{RESET_LEFT, RESET_TRASH, RESET_VOLATILE, VOLATILE};
use super::guest::Guest;
use super::look::{Allowed, Look, same};
use super::{Place, Prepared, node};

/// The reset, as a user calls it.
const RESET: &str = "edge-reset apply --yes";

/// Until both pods run and one answers through the port of the host, with a file of the site.
const PODS_RUN: &str = "tries=0
until [ \"$(curl -sf http://10.0.2.15:30180/sub/file)\" = 'data of the site' ] &&
    [ \"$(ctr --namespace k8s.io tasks list -q | wc -l)\" = 4 ]; do
    tries=$((tries + 1)); [ $tries -lt 100 ] || { journalctl -n 9 -u edgecore; exit 1; }; sleep 1
done";

/// No packet gets to the file server or comes back: its clients wait for it forever.
const CUT_SERVER_OFF: &str = "iptables -I INPUT -i lo -p tcp --dport 2049 -j DROP";
const CONNECT_SERVER: &str = "iptables -D INPUT -i lo -p tcp --dport 2049 -j DROP";

/// What a dry run could change; find(1) would wait for a dead file server below /var/lib/kubelet.
const STATE: &str =
    "cat /proc/self/mountinfo; ip address; ip route; iptables-save | grep -v '^#'; ipset save; ipvsadm-save -n
find /sys/fs/cgroup/kubepods.slice /etc /var/lib/kubeedge; systemctl is-active edgecore; systemctl is-enabled edgecore";

/// What an undo restores, without what edgecore writes.
const JOINED: &str = "cd /; dirs='etc/kubeedge etc/cni etc/systemd/system usr/local/bin var/lib/kubeedge'
find $dirs var/lib/kubelet -maxdepth 2 ! -name '.edgeutils*' -printf '%p %y %m %U:%G %l\n' | sort
find $dirs -type f -exec md5sum {} + | sort
sysctl net.ipv4.conf.all.route_localnet; systemctl is-active edgecore; systemctl is-enabled edgecore";

pub(super) fn prepare(place: &Place<'_>) -> Result<Prepared> {
    Ok(Prepared { files: files::make(place)?, story: Box::new(story) })
}

/// All steps; the first one that fails ends the suite.
fn story(guest: &mut Guest<'_>) -> Result<()> {
    guest.boot()?;
    node::install(guest)?;
    guest.run("sh /opt/site/install.sh").context("installing what the site has")?;
    let bare = guest.inventory().context("looking at the bare machine")?;
    guest.report(&format!("bare: {} entries", bare.len()));

    guest.run("tar -C /opt/keadm -c . | tar -C / -x --no-overwrite-dir && systemctl enable edgecore")?;
    join(guest).context("joining")?;
    let joined = guest.run(JOINED)?;
    guest.report("joined: pods run, and one serves a page");

    guest.run(CUT_SERVER_OFF)?;
    dry_runs(guest)?;
    guest.report("a file server is dead: scan and dry run");
    dead_server(guest)?;
    guest.run(CONNECT_SERVER)?;
    is_bare(guest, &bare, RESET_TRASH)?;
    guest.report("reset, and the machine as before");

    undo_all(guest).context("undo")?;
    let restored = guest.run(JOINED)?;
    unchanged(&joined, &restored, "undo did not restore everything")?;
    join(guest).context("joining again")?;
    guest.report("undone: files as before, and edgecore runs its pods again");

    let one_pod_is_gone = "[ $(ctr --namespace k8s.io containers list -q | wc -l) -lt 4 ]";
    guest.reset_during(RESET, one_pod_is_gone).context("a power cut while pods end")?;
    guest.reset_during(RESET, "ls -d /var/lib/.edgeutils-trash-*").context("a power cut while files are moved")?;
    guest.run(RESET).context("the reset after two power cuts")?;
    guest.report("reset across two power cuts");

    guest.ends("edge-reset purge -n", 3)?;
    guest.run("edge-reset purge --yes")?;
    guest.prints("find / -xdev -name '.edgeutils-trash-*'", "")?;
    is_bare(guest, &bare, &[])?;
    guest.report("purged, and the machine as before");
    guest.shut_down()
}

/// Makes what a node has in the kernel, and waits for the pods.
fn join(guest: &mut Guest<'_>) -> Result<()> {
    guest.run("sh /opt/site/node.sh && systemctl start edgecore")?;
    guest.run(PODS_RUN)?;
    guest.prints("ls -d /sys/fs/cgroup/kubepods.slice/*/*-pod*.slice | wc -l", "2")?;
    guest.prints("findmnt -t nfs4 -n -o SOURCE", "127.0.0.1:/")?;
    guest.prints("ipvsadm -Sn | grep -c ^-A", "3")
}

/// Neither waits for the file server, and neither changes anything.
fn dry_runs(guest: &mut Guest<'_>) -> Result<()> {
    let before = guest.run(STATE)?;
    guest.run("timeout 100 edge-reset scan").context("scan beside a dead file server")?;
    guest.ends("timeout 100 edge-reset apply -n", 3).context("a dry run beside a dead file server")?;
    unchanged(&before, &guest.run(STATE)?, "a dry run changed something")
}

/// Fails with the lines that only one of two texts has.
fn unchanged(before: &str, after: &str, what: &str) -> Result<()> {
    let only = |one: &str, other: &str, sign: char| -> String {
        let others: Vec<&str> = other.lines().collect();
        one.lines().filter(|line| !others.contains(line)).map(|line| format!("\n  | {sign} {line}")).collect()
    };
    if before != after {
        bail!("{what}:{}{}", only(before, after, '-'), only(after, before, '+'));
    }
    Ok(())
}

/// The process that writes to the server cannot be ended before the mount is gone. So the first call leaves its pod, and
/// says so; the second one ends it, and the third finds nothing.
fn dead_server(guest: &mut Guest<'_>) -> Result<()> {
    let first = guest.ends(RESET, 1).context("a reset beside a dead file server")?;
    for line in ["could not end pod default/remote", "volumes/kubernetes.io~nfs/share", "ended pod default/web"] {
        if !first.stdout.contains(line) {
            bail!("the reset did not print {line:?}:{}", first.output());
        }
    }
    guest.run(RESET).context("the second reset")?;
    let third = guest.run(RESET)?;
    if third.lines().last() != Some("already up to date") {
        bail!("the third reset found something to do:\n{third}");
    }
    guest.prints("ps -o stat= -C edge-reset", "")
}

/// What is left is listed, and what the site has is whole.
fn is_bare(guest: &mut Guest<'_>, bare: &Look, also: &[Allowed]) -> Result<()> {
    let differences = bare.differences(&guest.inventory()?, &[RESET_LEFT, also, RESET_VOLATILE, VOLATILE].concat());
    same(&differences, "the machine is not as before")
}

/// Every run, newest first.
fn undo_all(guest: &mut Guest<'_>) -> Result<()> {
    let script =
        "while edge-reset undo --list > /run/list || exit; grep -qv undone /run/list; do edge-reset undo || exit; done";
    guest.run(script).map(drop)
}
