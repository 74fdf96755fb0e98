//! The phase links.

use edgeutils_tests::live::{cannot_unshare, script};
use edgeutils_tests::tool;

/// A host with /etc of its own; `net FILE JSON` writes a network, `pod NAME BRIDGE VETH` attaches a pod, `links` prints
/// the names of all links.
const PRELUDE: &str = r#"
mkdir -p /mnt/up /mnt/work /run/netns
mount -t overlay overlay -o lowerdir=/etc,upperdir=/mnt/up,workdir=/mnt/work /etc || exit 99
rm -rf /etc/cni; mkdir -p /etc/cni/net.d /var/lib/cni/results /run/flannel
ip link set lo up
net() { printf %s "$2" > "/etc/cni/net.d/$1"; }
pod() {
    ip netns add "$1" && ip link add "$3" type veth peer name eth0 netns "$1" && ip link set "$3" master "$2" up
}
links() { ip -o link | cut -d' ' -f2 | tr -d : | cut -d@ -f1 | tr '\n' ' '; echo; }
reset() { edge "$@" --only links; }
FLANNEL='{"name": "cbr0", "cniVersion": "0.3.1", "plugins": [{"type": "flannel", "delegate": {"isDefaultGateway": true}}]}'
PODMAN='{"cniVersion": "0.4.0", "name": "podman", "plugins": [{"type": "bridge", "bridge": "cni-podman0",
    "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.88.0.0/16"}]]}}, {"type": "portmap"}]}'
"#;

/// Runs the script, and compares what it prints line by line.
#[track_caller]
fn transcript(test: &str, text: &str, want: &str) {
    if cannot_unshare(test) {
        return;
    }
    let program = tool::path("edge-reset").to_string_lossy().into_owned();
    let ran = script(&program, &format!("{PRELUDE}{text}"));
    let even = |text: &str| text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n");
    assert_eq!(even(&ran.stdout), even(want), "the script printed:\n{}{}", ran.stdout, ran.stderr);
}

#[test]
fn links_of_pods_go_and_those_of_podman_stay() {
    transcript(
        "links_of_pods_go_and_those_of_podman_stay",
        r#"
        net 10-flannel.conflist "$FLANNEL"
        net 87-podman-bridge.conflist "$PODMAN"
        printf 'FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.1.1/24\n' > /run/flannel/subnet.env
        for bridge in cni0 cni-podman0 edgemesh0; do ip link add $bridge type bridge; ip link set $bridge up; done
        ip address add 10.244.1.1/24 dev cni0; ip address add 10.88.0.1/16 dev cni-podman0
        ip address add 169.254.96.16/32 dev edgemesh0
        pod a cni0 veth1a2b3c4d; pod b cni0 veth00000002; pod c cni-podman0 veth00000003
        ip link add flannel.1 type vxlan id 1 dstport 8472
        ip tuntap add edge_tun0 mode tun; ip tuntap add tun7 mode tun
        ip link add eth9 type veth peer name far netns c; ip address add 192.0.2.7/24 dev eth9; ip link set eth9 up
        ip -n c link set far up
        ip route add default via 192.0.2.1; ip route add 10.244.2.0/24 via 192.0.2.8
        ip route add blackhole 10.99.0.0/26 proto 80
        reset apply -n
        reset apply --yes
        links; ip route
        reset apply --yes
        "#,
        r#"
        "#,
    );
}
