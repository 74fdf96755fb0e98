//! `edge-reset` on a host with many pods, against a loop that deletes one link after another.

use std::path::Path;

use anyhow::Result;

use super::case::{Case, Limit};
use super::firewall::Host;
use super::measure::{Measure, Program};

/// Such a host takes seconds to make and, for the loop, to clean.
const RUNS: u16 = 3;
const FASTER: f64 = 10.0;
const MEMORY: f64 = 32.0;

/// A host with a network of pods; their ends are in one other namespace.
const START: &str = r#"
set -e
for dir in /run /var /mnt; do mount -t tmpfs -o mode=755 tmpfs "$dir"; done
mkdir /mnt/etc /mnt/work; mount -t overlay overlay -o lowerdir=/etc,upperdir=/mnt/etc,workdir=/mnt/work /etc
rm -rf /etc/cni; mkdir -p /etc/cni/net.d
echo '{"cniVersion": "1.0.0", "name": "pods", "plugins": [{"type": "bridge"}]}' > /etc/cni/net.d/10-pods.conflist
ip netns add pods
for n in $(seq 250); do
    veth=veth$(printf %08x "$n")
    echo "link add $veth type veth peer name eth$n netns pods"
    echo "link set $veth master cni0 up"
    echo "link delete $veth" >> /mnt/delete
done > /mnt/add
for n in $(seq 250); do echo "link set eth$n up"; done > /mnt/up
echo ready
exec sleep 3600
"#;

/// The pods of a run: what the previous one has left goes first.
const PODS: &str = r#"
set -e
if ip link show cni0 > /mnt/log 2>&1; then ip link delete cni0; fi
ip -force -batch /mnt/delete > /mnt/log 2>&1 || :
ip link add cni0 type bridge; ip address add 10.85.0.1/16 dev cni0; ip link set cni0 up
ip -batch /mnt/add; ip -n pods -batch /mnt/up
rm -rf /var/lib/edgeutils
"#;

const LOOP: &str = r#"while read -r line; do ip $line || exit 1; done < /mnt/delete; ip link delete cni0"#;

/// The cases, and their hosts, which must exist while they are measured.
pub(super) fn cases(bin: &Path) -> Result<(Vec<Case>, Vec<Host>)> {
    let host = Host::of(START, &[])?;
    let own = bin.join("edge-reset").to_string_lossy().into_owned();
    let pods = host.argv(&["sh", "-c", PODS]);
    let apply = host.argv(&[own.as_str(), "--force-namespace", "apply", "--yes", "--only", "links"]);
    let apply = Program::new("edge-reset", &apply).after(&pods);
    let one_by_one = Program::new("ip link delete", &host.argv(&["sh", "-c", LOOP])).after(&pods);
    let name = "edge-reset apply, phase links, 250 pods";
    let cases = vec![
        Case::new(name, (&apply, &one_by_one), Measure::Wall, Limit::Faster(FASTER), RUNS),
        Case::new(name, (&apply, &Program::nothing()), Measure::Memory, Limit::MiB(MEMORY), RUNS),
    ];
    Ok((cases, vec![host]))
}
