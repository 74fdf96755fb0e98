//! The phase links.

use edgeutils_tests::kill::cannot_kill;

/// A host with /etc of its own; `net FILE JSON` writes a network, `pod NAME BRIDGE VETH` attaches a pod, `links` prints
/// the names of all links.
const PRELUDE: &str = r#"
mkdir -p /run/flannel
ip link set lo up
net() { printf %s "$2" > "/etc/cni/net.d/$1"; }
pod() {
    ip netns add "$1" && ip link add "$3" type veth peer name eth0 netns "$1" && ip link set "$3" master "$2" up
}
links() { ip -o link | cut -d' ' -f2 | tr -d : | cut -d@ -f1 | tr '\n' ' '; echo; }
# Without the state of the carrier, which changes by itself.
routes() { ip route | cut -d' ' -f1-3; }
FLANNEL='{"name": "cbr0", "cniVersion": "0.3.1", "plugins": [{"type": "flannel", "delegate": {"isDefaultGateway": true}}]}'
PODMAN='{"cniVersion": "0.4.0", "name": "podman", "plugins": [{"type": "bridge", "bridge": "cni-podman0",
    "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.88.0.0/16"}]]}}, {"type": "portmap"}]}'
"#;

/// Runs the script, and compares what it prints line by line.
#[track_caller]
fn transcript(test: &str, text: &str, want: &str) {
    super::transcript("links", test, &format!("{PRELUDE}{text}"), want);
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
        links; routes
        reset apply --yes
        "#,
        r#"
        kept       bridge cni-podman0: Podman's
        links      would delete route 10.244.2.0/24 via 192.0.2.8: made by flannel  [undo: none]
        links      would delete bridge cni0: made by cni  [undo: none]
        links      would delete bridge edgemesh0: made by edgemesh  [undo: none]
        links      would delete veth veth1a2b3c4d: made by cni  [undo: none]
        links      would delete veth veth00000002: made by cni  [undo: none]
        links      would delete vxlan flannel.1: made by flannel  [undo: none]
        links      would delete tun edge_tun0: made by edgemesh  [undo: none]
        7 changes would be made
        exit 3
        kept       bridge cni-podman0: Podman's
        links      deleted route 10.244.2.0/24 via 192.0.2.8: made by flannel  [undo: none]
        links      deleted bridge cni0: made by cni  [undo: none]
        links      deleted bridge edgemesh0: made by edgemesh  [undo: none]
        links      deleted veth veth1a2b3c4d: made by cni  [undo: none]
        links      deleted veth veth00000002: made by cni  [undo: none]
        links      deleted vxlan flannel.1: made by flannel  [undo: none]
        links      deleted tun edge_tun0: made by edgemesh  [undo: none]
        7 changes
        exit 0
        lo cni-podman0 veth00000003 tun7 eth9
        default via 192.0.2.1
        10.88.0.0/16 dev cni-podman0
        blackhole 10.99.0.0/26 proto
        192.0.2.0/24 dev eth9
        kept       bridge cni-podman0: Podman's
        already up to date
        exit 0
        "#,
    );
}

/// Scenario 21: the subnet has changed since the bridge was made, and flannel's network number too.
#[test]
fn bridge_of_an_old_subnet_goes_with_the_leases_that_explain_it() {
    transcript(
        "bridge_of_an_old_subnet_goes_with_the_leases_that_explain_it",
        r#"
        net 10-mine.conflist '{"cniVersion": "1.0.0", "name": "mine", "plugins": [{"type": "bridge", "bridge": "kube-bridge",
            "isGateway": true, "ipam": {"type": "host-local", "subnet": "10.86.0.0/16"}}, {"type": "flannel"}]}'
        ip link add kube-bridge type bridge; ip address add 10.85.0.1/16 dev kube-bridge
        ip link add flannel.4096 type vxlan id 4096 dstport 8472; ip link add flannel.7 type vxlan id 8 dstport 8473
        reset apply --yes; links
        mkdir -p /var/lib/cni/networks/mine; echo 10.85.0.9 > /var/lib/cni/networks/mine/last_reserved_ip.0
        reset apply --yes; links
        "#,
        r#"
        kept       vxlan flannel.7: it is not proven to be one of these: its VNI is 8
        refused    bridge kube-bridge: its address 10.85.0.1/16 is not of the network mine
        edge-reset: cannot remove bridge kube-bridge: its address 10.85.0.1/16 is not of the network mine
        hint: if nothing else uses it: ip address delete 10.85.0.1/16 dev kube-bridge
        links      deleted vxlan flannel.4096: made by flannel  [undo: none]
        1 change
        exit 4
        lo kube-bridge flannel.7
        kept       vxlan flannel.7: it is not proven to be one of these: its VNI is 8
        links      deleted bridge kube-bridge: made by cni  [undo: none]
        1 change
        exit 0
        lo flannel.7
        "#,
    );
}

/// Scenario 21: a bridge that this host itself uses.
#[test]
fn bridge_with_hardware_a_tap_or_a_default_route_is_refused() {
    transcript(
        "bridge_with_hardware_a_tap_or_a_default_route_is_refused",
        r#"
        net 10-flannel.conflist "$FLANNEL"
        ip link add cni0 type bridge; ip address add 10.244.1.1/24 dev cni0; ip link set cni0 up
        pod a cni0 veth1a2b3c4d
        pod switch cni0 uplink0
        reset apply --yes; links
        ip link set uplink0 nomaster; ip tuntap add tap0 mode tap; ip link set tap0 master cni0
        reset apply --yes 2>&1 | grep cannot
        ip link set tap0 nomaster; ip route add default via 10.244.1.9
        reset apply --yes; links
        ip route delete default
        reset apply --yes; links
        "#,
        r#"
        kept       veth veth1a2b3c4d: its bridge cni0 is not removed
        refused    bridge cni0: its member uplink0 (veth) is not of a pod
        edge-reset: cannot remove bridge cni0: its member uplink0 (veth) is not of a pod
        hint: if it does not need the bridge: ip link set dev uplink0 nomaster
        no changes
        exit 4
        lo cni0 veth1a2b3c4d uplink0
        edge-reset: cannot remove bridge cni0: its member tap0 (tap) is not of a pod
        kept       veth veth1a2b3c4d: its bridge cni0 is not removed
        refused    bridge cni0: it has a default route of this host
        edge-reset: cannot remove bridge cni0: it has a default route of this host
        hint: if this host does not need it: ip route delete default dev cni0
        no changes
        exit 4
        lo cni0 veth1a2b3c4d uplink0 tap0
        links      deleted bridge cni0: made by cni  [undo: none]
        links      deleted veth veth1a2b3c4d: made by cni  [undo: none]
        2 changes
        exit 0
        lo uplink0 tap0
        "#,
    );
}

/// Otherwise nothing would prove any more that the bridge is one of pods.
#[test]
fn files_of_a_network_stay_as_long_as_its_bridge() {
    transcript(
        "files_of_a_network_stay_as_long_as_its_bridge",
        r#"
        net 10-flannel.conflist "$FLANNEL"
        ip link add cni0 type bridge; ip tuntap add tap0 mode tap; ip link set tap0 master cni0
        mkdir -p /var/lib/rancher/k3s/agent/etc/cni/net.d; cp /etc/cni/net.d/10-flannel.conflist /var/lib/rancher/k3s/agent/etc/cni/net.d
        # A dry run says the same.
        edge apply -n --profile all --only links,files > log 2> errors; grep -E '^(refused|links|exit)|conflist' log; grep -A1 'k3s: ' errors
        edge apply --yes --profile all --only links,files > log 2> errors; grep -E '^(refused|links|exit)|conflist' log; grep -A1 'k3s: ' errors
        rm -r /var/lib/rancher; ls /etc/cni/net.d
        ip link set tap0 nomaster
        edge apply -n --only links,files | grep -E '^(refused|links|exit)|conflist'
        edge apply --yes --only links,files > log 2> errors; grep -E '^(refused|links|exit)|conflist' log; ls /etc/cni/net.d; links
        "#,
        r#"
        refused    bridge cni0: its member tap0 (tap) is not of a pod
        kept       /etc/cni/net.d/10-flannel.conflist, /var/lib/rancher/k3s/agent/etc/cni/net.d/10-flannel.conflist: its bridge cni0 still exists
        refused    /var/lib/rancher/k3s: it contains /var/lib/rancher/k3s/agent/etc/cni/net.d/10-flannel.conflist, which is kept
        exit 4
        edge-reset: cannot remove /var/lib/rancher/k3s: it contains /var/lib/rancher/k3s/agent/etc/cni/net.d/10-flannel.conflist, which is kept
        hint: once the bridge cni0 can be deleted, run the command again
        refused    bridge cni0: its member tap0 (tap) is not of a pod
        kept       /etc/cni/net.d/10-flannel.conflist, /var/lib/rancher/k3s/agent/etc/cni/net.d/10-flannel.conflist: its bridge cni0 still exists
        refused    /var/lib/rancher/k3s: it contains /var/lib/rancher/k3s/agent/etc/cni/net.d/10-flannel.conflist, which is kept
        exit 4
        edge-reset: cannot remove /var/lib/rancher/k3s: it contains /var/lib/rancher/k3s/agent/etc/cni/net.d/10-flannel.conflist, which is kept
        hint: once the bridge cni0 can be deleted, run the command again
        10-flannel.conflist
        links      would delete bridge cni0: made by cni  [undo: none]
        files      would move /etc/cni/net.d/10-flannel.conflist to the trash: made by cni, flannel, calico  [undo: exact]
        exit 3
        links      deleted bridge cni0: made by cni  [undo: none]
        files      moved /etc/cni/net.d/10-flannel.conflist to the trash: made by cni, flannel, calico  [undo: exact]
        exit 0
        lo tap0
        "#,
    );
}

#[test]
fn link_that_was_replaced_after_the_plan_is_refused() {
    transcript(
        "link_that_was_replaced_after_the_plan_is_refused",
        r#"
        net 10-flannel.conflist "$FLANNEL"
        for n in 1 4096; do ip link add flannel.$n type vxlan id $n dstport $n; done
        ip link add cni0 type bridge
        "$FIXTURE" --force-namespace apply -n --json --only links > plan.jsonl
        ip link delete flannel.1; ip link delete cni0; ip link add cni0 type bridge
        ip link add edge_tun0 type bridge; pod a cni0 veth1a2b3c4d
        reset apply --yes --plan plan.jsonl; links
        "#,
        r#"
        refused    bridge cni0: it was replaced after the plan was made
        edge-reset: cannot remove bridge cni0: it was replaced after the plan was made
        kept       veth veth1a2b3c4d: it is not in the plan
        edge-reset: note: links: 1 item of the plan removed already
        links      deleted vxlan flannel.4096: made by flannel  [undo: none]
        1 change
        exit 4
        lo cni0 edge_tun0 veth1a2b3c4d
        "#,
    );
}

/// KubeEdge up to 1.7 and EdgeMesh up to 1.8 route the services to their own bridge.
#[test]
fn route_of_edgemesh_goes_only_beside_its_chain() {
    transcript(
        "route_of_edgemesh_goes_only_beside_its_chain",
        r#"
        ip link add docker0 type bridge; ip address add 172.17.0.1/16 dev docker0; ip link set docker0 up
        ip route add 10.96.0.0/12 via 172.17.0.1; ip route add 10.200.0.0/16 via 172.17.0.2
        reset apply --yes; routes
        iptables-nft -t nat -N EDGE-MESH
        reset apply --yes; routes
        "#,
        r#"
        kept       bridge docker0: Docker's
        already up to date
        exit 0
        10.96.0.0/12 via 172.17.0.1
        10.200.0.0/16 via 172.17.0.2
        172.17.0.0/16 dev docker0
        kept       bridge docker0: Docker's
        links      deleted route 10.96.0.0/12 via 172.17.0.1: made by edgemesh, edgecore  [undo: none]
        1 change
        exit 0
        10.200.0.0/16 via 172.17.0.2
        172.17.0.0/16 dev docker0
        "#,
    );
}

#[test]
fn kill_before_any_message_leaves_what_the_next_call_removes() {
    const TEST: &str = "kill_before_any_message_leaves_what_the_next_call_removes";
    if cannot_kill(TEST) {
        return;
    }
    transcript(
        TEST,
        r#"
        net 10-flannel.conflist "$FLANNEL"
        printf 'FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.1.1/24\n' > /run/flannel/subnet.env
        ip link add eth9 type veth peer name far; ip address add 192.0.2.7/24 dev eth9; ip link set eth9 up
        ip netns add a
        # The first ones only read.
        n=4 killed=0 whole=
        while [ $n -lt 40 ] && [ -z "$whole" ]; do
            n=$((n + 1))
            ip link add cni0 type bridge; ip address add 10.244.1.1/24 dev cni0; ip link set cni0 up
            ip link add veth0000000a type veth peer name eth0 netns a; ip link set veth0000000a master cni0 up
            ip link set far up; ip route add 10.244.2.0/24 via 192.0.2.8
            strace -qq -f -o /mnt/calls -e trace=sendto -e inject=sendto:signal=KILL:when=$n \
                "$FIXTURE" --force-namespace apply --yes --only links > /mnt/log 2>&1 && whole=$n || killed=$((killed + 1))
            reset apply --yes > /mnt/log 2>&1
            tail -n 1 /mnt/log | grep -qx 'exit 0' || { echo "after a kill at $n:"; cat /mnt/log; }
            [ "$(links)$(routes)" = "lo far eth9 192.0.2.0/24 dev eth9" ] || { links; routes; }
        done
        [ "$killed" -gt 10 ] && [ -n "$whole" ] && echo done || echo "$killed kills, then $whole"
        "#,
        "done",
    );
}
