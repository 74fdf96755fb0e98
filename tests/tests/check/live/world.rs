//! A host in namespaces of its own that is both cloud and edge: the double of cloudcore at 192.0.2.1, the stand-in for
//! edgecore, and an API server, of which there is only the manifest.

use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use edgeutils_tests::cloudcore::{self, Authority};
use edgeutils_tests::live::can_unshare;
use edgeutils_tests::pki::shell;
use edgeutils_tests::tool::{self, Ran};

/// Files, addresses and functions. /etc is an overlay, so that the machine's own is not changed.
const PRELUDE: &str = r#"
exec 2>&1
for dir in /run /var /mnt; do mount -t tmpfs -o size=16m,mode=755 tmpfs "$dir" || exit 99; done
mkdir /mnt/up /mnt/work
mount -t overlay overlay -o lowerdir=/etc,upperdir=/mnt/up,workdir=/mnt/work /etc || exit 99
rm -rf /etc/kubeedge /etc/systemd/system/edgecore.service /etc/systemd/system/cloudcore.service
mkdir -p /etc/kubeedge/config /etc/kubeedge/ca /etc/kubeedge/certs /etc/kubernetes/manifests
echo 'hosts: files dns' > /etc/nsswitch.conf
echo 'nameserver 198.51.100.53' > /etc/resolv.conf
ip link set lo up
ip address add 192.0.2.1/32 dev lo
ip address add 192.0.2.2/32 dev lo
ip address add 192.0.2.3/32 dev lo
ip link add out type veth peer name void
ip link set out arp off up
ip link set void up
ip address add 198.51.100.1/24 dev out
cp "$PKI/ca.crt" /etc/kubeedge/ca/rootCA.crt
cp "$PAIR/node.crt" /etc/kubeedge/certs/server.crt
cp "$PAIR/node.key" /etc/kubeedge/certs/server.key
cp "$PKI/server.crt" /etc/kubeedge/certs/stream.crt
cat > /etc/kubeedge/config/edgecore.yaml << 'END'
modules:
  edgeHub:
    httpServer: https://192.0.2.1:10002
    websocket:
      enable: true
      server: 192.0.2.1:10000
    quic:
      enable: false
  edgeStream:
    enable: true
    server: 192.0.2.1:10004
  edged:
    hostnameOverride: edge1
    nodeIP: 198.51.100.7
END
cat > /etc/kubeedge/config/cloudcore.yaml << 'END'
modules:
  cloudHub:
    advertiseAddress: [192.0.2.1]
  cloudStream:
    enable: true
END
until_true() { tries=0; until "$@" > /dev/null 2>&1; do tries=$((tries + 1)); [ "$tries" -lt 200 ] || { echo "never: $*"; exit 98; }; sleep 0.05; done; }
cloud() { "$CLOUD" serve "$PKI" --address 0.0.0.0 --ports 10000,10002,10004 --stream 10003 "$@" > /mnt/ports & until_true test -s /mnt/ports; }
edge() { "$EDGE" > /mnt/edgecore.log 2>&1 & until_true grep -q successful /mnt/edgecore.log; }
api_server() { : > /etc/kubernetes/manifests/kube-apiserver.yaml; }
redirect() { iptables-nft -t nat -A OUTPUT -p tcp --dport "${1:-10351}" -j DNAT --to-destination "${2:-192.0.2.1:10003}"; }
edit() { sed -i "$1" /etc/kubeedge/config/edgecore.yaml; }
"#;

/// The CA of the cloud, and a pair of the node.
struct World {
    authority: Authority,
    other: Authority,
    pair: tempfile::TempDir,
    edge: std::path::PathBuf,
}

fn world() -> Option<&'static World> {
    static WORLD: OnceLock<Option<World>> = OnceLock::new();
    WORLD
        .get_or_init(|| {
            let edge = cloudcore::edgecore("amd64", "1.23.1").ok()?;
            let (authority, other) = (Authority::new("192.0.2.1,192.0.2.3")?, Authority::new("192.0.2.1")?);
            let pair = tempfile::tempdir().unwrap();
            let (at, pki) = (pair.path().display(), authority.path().display());
            let issue = |name: &str, days: i32| {
                shell(&format!(
                    "cd {at} && openssl ecparam -name prime256v1 -genkey -noout -out {name}.key 2>/dev/null && \
                     openssl req -new -key {name}.key -subj /O=system:nodes/CN=system:node:edge1 -out {name}.csr && \
                     printf 'extendedKeyUsage=clientAuth\\n' > ext && \
                     openssl x509 -req -in {name}.csr -CA {pki}/ca.crt -CAkey {pki}/ca.key -CAcreateserial -days {days} -extfile ext -out {name}.crt 2>/dev/null"
                ))
            };
            issue("node", 365);
            issue("soon", 5);
            Some(World { authority, other, pair, edge })
        })
        .as_ref()
}

/// Runs a script there after the prelude; none, with a skip that is counted, where that cannot be done.
pub(super) fn run(test: &str, script: &str) -> Option<(Ran, Duration)> {
    if !can_unshare() {
        edgeutils_tests::skip(test, "private namespaces cannot be made");
        return None;
    }
    let Some(world) = world() else {
        edgeutils_tests::skip(test, "go is not on the PATH");
        return None;
    };
    let begin = Instant::now();
    let output = Command::new("timeout")
        .args(["--kill-after=1", "60", "unshare", "-mnupf", "--kill-child", "--mount-proc", "--propagation", "private"])
        .args(["sh", "-uc", &format!("{PRELUDE}{script}")])
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("CLOUD", cloudcore::program().unwrap())
        .env("EDGE", &world.edge)
        .env("PKI", world.authority.path())
        .env("OTHER", world.other.path())
        .env("PAIR", world.pair.path())
        .env("CHECK", tool::path("edge-check"))
        .output()
        .unwrap();
    let ran = Ran::of(&output);
    assert!(![98, 99].contains(&ran.code), "the world could not be made: {}", ran.stdout);
    Some((ran, begin.elapsed()))
}

/// Runs a script that ends with a call of edge-check; fails unless that ends with this code and its errors and warnings are
/// these lines, without their hints.
#[track_caller]
pub(super) fn finds(test: &str, script: &str, code: i32, expected: &[&str]) -> Option<String> {
    let (ran, _) = run(test, script)?;
    let is_finding = |line: &&str| line.contains("error: ") || line.contains("warning: ");
    let found: Vec<&str> = ran.stdout.lines().filter(is_finding).collect();
    assert_eq!(found.len(), expected.len(), "{}", ran.stdout);
    for (line, expected) in found.iter().zip(expected) {
        assert!(line.starts_with(expected), "expected {expected:?}:\n{}", ran.stdout);
    }
    assert_eq!(ran.code, code, "{}", ran.stdout);
    Some(ran.stdout)
}
