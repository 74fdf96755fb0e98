//! `edge-check edge` on a node whose cloudcore does not answer: all probes end at their deadline, at the same time.

use std::path::Path;

use anyhow::Result;

use super::case::{Case, Limit};
use super::firewall::Host;
use super::measure::{Measure, Program};

const RUNS: u16 = 3;
/// The limit for everything dead, in milliseconds.
const SLOWEST: f64 = 5000.0;
const MEMORY: f64 = 16.0;

/// A node that has joined a cloudcore behind an interface that drops everything.
const START: &str = r#"
set -e
for dir in /run /var /mnt; do mount -t tmpfs -o mode=755 tmpfs "$dir"; done
mkdir /mnt/etc /mnt/work; mount -t overlay overlay -o lowerdir=/etc,upperdir=/mnt/etc,workdir=/mnt/work /etc
ip link set lo up; ip link add out type veth peer name void
ip link set out arp off up; ip link set void up; ip address add 198.51.100.1/24 dev out
rm -rf /etc/kubeedge; mkdir -p /etc/kubeedge/config /etc/kubeedge/ca /etc/kubeedge/certs
cd /etc/kubeedge
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365 -subj /CN=KubeEdge -keyout certs/server.key -out certs/server.crt 2> /mnt/log
cp certs/server.crt ca/rootCA.crt
printf 'modules:\n  edgeHub:\n    httpServer: https://198.51.100.99:10002\n    websocket: {enable: true, server: "198.51.100.99:10000"}\n  edgeStream: {enable: true, server: "198.51.100.99:10004"}\n' > config/edgecore.yaml
echo ready
exec sleep 3600
"#;

/// The cases, and their host, which must exist while they are measured.
pub(super) fn cases(bin: &Path) -> Result<(Vec<Case>, Vec<Host>)> {
    let host = Host::of(START, &[])?;
    let own = bin.join("edge-check").to_string_lossy().into_owned();
    let edge = Program::new("edge-check", &host.argv(&[own.as_str(), "edge"])).ending_with(3);
    let name = "edge-check edge, everything dead";
    let cases = vec![
        Case::new(name, (&edge, &Program::nothing()), Measure::Wall, Limit::Millis(SLOWEST), RUNS),
        Case::new(name, (&edge, &Program::nothing()), Measure::Memory, Limit::MiB(MEMORY), RUNS),
    ];
    Ok((cases, vec![host]))
}
