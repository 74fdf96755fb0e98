//! Rules of networks and programs that have cleaners of their own, or that no profile removes.

use super::rulesets::OURS;
use super::{can, run};

/// docker 28, tailscale 1.50, nerdctl, cilium, Istio's CNI plugin, kube-router as k3s runs it, libvirt, LXD, and Podman's
/// netavark, in the shapes that each writes. Without IPv6 addresses, for both families.
const OTHERS: &str = r#"*raw
:CILIUM_OUTPUT_raw - [0:0]
:CILIUM_PRE_raw - [0:0]
-A PREROUTING -m comment --comment "cilium-feeder: CILIUM_PRE_raw" -j CILIUM_PRE_raw
-A CILIUM_PRE_raw -m mark --mark 0x200/0xf00 -m comment --comment "cilium: NOTRACK for proxy traffic" -j CT --notrack
COMMIT
*mangle
:LIBVIRT_PRT - [0:0]
-A POSTROUTING -j LIBVIRT_PRT
-A LIBVIRT_PRT -o virbr0 -p udp -m udp --dport 68 -j RETURN
COMMIT
*nat
:DOCKER - [0:0]
:ISTIO_OUTPUT - [0:0]
:ISTIO_POSTRT - [0:0]
:LIBVIRT_PRT - [0:0]
:NETAVARK-HOSTPORT-DNAT - [0:0]
:ts-postrouting - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A PREROUTING -m addrtype --dst-type LOCAL -j NETAVARK-HOSTPORT-DNAT
-A OUTPUT -j ISTIO_OUTPUT
-A POSTROUTING -j ISTIO_POSTRT
-A POSTROUTING -j LIBVIRT_PRT
-A POSTROUTING -j ts-postrouting
-A POSTROUTING -o lxdbr0 -m comment --comment "generated for LXD network lxdbr0" -j MASQUERADE
-A ISTIO_OUTPUT -p tcp -m mark --mark 0x539/0xfff -j RETURN
-A NETAVARK-HOSTPORT-DNAT -p tcp -m tcp --dport 8081 -m comment --comment "dnat name: podman id: aaaa" -j RETURN
-A ts-postrouting -m mark --mark 0x40000/0xff0000 -j MASQUERADE
COMMIT
*filter
:DOCKER-BRIDGE - [0:0]
:DOCKER-CT - [0:0]
:DOCKER-FORWARD - [0:0]
:DOCKER-INTERNAL - [0:0]
:DOCKER-USER - [0:0]
:KUBE-ROUTER-FORWARD - [0:0]
:KUBE-POD-FW-ABCDEFGHIJKLMNOP - [0:0]
:KUBE-NWPLCY-ABCDEFGHIJKLMNOP - [0:0]
:NETAVARK_FORWARD - [0:0]
:ts-forward - [0:0]
:ts-input - [0:0]
-A INPUT -j ts-input
-A INPUT -i lxdbr0 -p udp -m udp --dport 53 -m comment --comment "generated for LXD network lxdbr0" -j ACCEPT
-A FORWARD -m comment --comment "kube-router netpol - TEMCG2JMHZYE7H7T" -j KUBE-ROUTER-FORWARD
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-FORWARD
-A FORWARD -m comment --comment "netavark firewall rules" -j NETAVARK_FORWARD
-A FORWARD -j ts-forward
-A FORWARD -o nerdctl0 -m comment --comment "KUBE-FORWARD" -j ACCEPT
-A DOCKER-FORWARD -j DOCKER-CT
-A DOCKER-FORWARD -j DOCKER-INTERNAL
-A DOCKER-FORWARD -j DOCKER-BRIDGE
-A DOCKER-CT -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A KUBE-ROUTER-FORWARD -m comment --comment "rule to jump traffic to POD name:web namespace: default to chain KUBE-POD-FW-ABCDEFGHIJKLMNOP" -j KUBE-POD-FW-ABCDEFGHIJKLMNOP
-A KUBE-POD-FW-ABCDEFGHIJKLMNOP -m comment --comment "run through nw policy default" -j KUBE-NWPLCY-ABCDEFGHIJKLMNOP
-A ts-forward -i tailscale0 -j MARK --set-xmark 0x40000/0xff0000
COMMIT
"#;

#[test]
fn apply_keeps_rules_of_other_networks_to_the_byte() {
    if !can("others") {
        return;
    }
    let printed = run(
        &[("others", OTHERS), ("ours", OURS)],
        r#"
        # nft tables of docker 29, LXD, netavark, firewalld and tailscale, and one that only looks like kube-proxy's.
        for table in 'ip docker-bridges' 'inet lxd' 'inet netavark' 'inet firewalld' 'ip kube-proxy' 'inet kube-proxy' 'ip calico'; do
            nft add table $table; nft add chain $table mine; nft add rule $table mine tcp dport 22 counter accept
        done
        ipset create cilium_node_set_v4 hash:ip; ipset create kube-router-local-pods hash:ip
        part ours | sed '/KUBE-MYOWN/d' > own
        for b in nft legacy; do load $b others; for t in raw mangle nat filter; do printf '*%s
COMMIT
' $t; done | iptables-$b-restore --noflush; done
        tables() { nft list table ip docker-bridges; for t in lxd netavark firewalld kube-proxy; do nft list table inet $t; done; nft list table ip kube-proxy; nft list table ip calico; }
        all > before 2> /dev/null; tables > tables-before
        for b in nft legacy; do iptables-$b-restore --noflush < own; six < own | ip6tables-$b-restore --noflush; done
        reset apply --yes --only firewall > said 2>&1; tail -1 said
        all > after 2> /dev/null; diff before after && echo rules are as before
        tables | diff tables-before - && echo tables are as before
        grep -o 'to remove.*: [a-z]*-*[a-z]* .*' said | sed 's/.*: //' | sort -u
        "#,
    );
    assert!(printed.contains("exit 3\nrules are as before\ntables are as before\n"), "{printed}");
    for cleaner in ["cilium-dbg post-uninstall-cleanup", "kube-router --cleanup-config"] {
        assert!(printed.lines().any(|line| line == cleaner), "{cleaner}: {printed}");
    }
}
