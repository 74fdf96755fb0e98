//! What the programs whose chains are removed write into them, in their own words: none of it is taken for a rule of others.

use super::{can, run};

/// kube-proxy 1.17 to 1.34 in the modes iptables and ipvs, kubelet, dockershim, CRI-O, cloudcore, EdgeMesh 1.8 and 1.17,
/// flannel, felix, and portmap. Input for iptables-restore.
const GENUINE: &str = r#"*nat
:KUBE-SERVICES - [0:0]
:KUBE-NODEPORTS - [0:0]
:KUBE-POSTROUTING - [0:0]
:KUBE-MARK-MASQ - [0:0]
:KUBE-MARK-DROP - [0:0]
:KUBE-FIREWALL - [0:0]
:KUBE-LOAD-BALANCER - [0:0]
:KUBE-NODE-PORT - [0:0]
:KUBE-SVC-ERIFXISQEP7F7OF4 - [0:0]
:KUBE-SVL-ERIFXISQEP7F7OF4 - [0:0]
:KUBE-EXT-ERIFXISQEP7F7OF4 - [0:0]
:KUBE-FW-ERIFXISQEP7F7OF4 - [0:0]
:KUBE-XLB-ERIFXISQEP7F7OF4 - [0:0]
:KUBE-SEP-IT2ZTR26TO4XFPTO - [0:0]
:KUBE-SEP-ABCDEFGHIJKLMNOP - [0:0]
:KUBE-HOSTPORTS - [0:0]
:KUBE-HP-IT2ZTR26TO4XFPTO - [0:0]
:CRIO-HOSTPORTS-MASQ - [0:0]
:CRIO-MASQ-IT2ZTR26TO4XFPTO - [0:0]
:TUNNEL-PORT - [0:0]
:EDGE-MESH - [0:0]
:EDGE-MESH-TCP - [0:0]
:KUBE-PORTALS-CONTAINER - [0:0]
:KUBE-NODEPORT-HOST - [0:0]
:FLANNEL-POSTRTG - [0:0]
:cali-PREROUTING - [0:0]
-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A PREROUTING -m comment --comment "kube hostport portals" -m addrtype --dst-type LOCAL -j KUBE-HOSTPORTS
-A POSTROUTING -m comment --comment "kube hostport masquerading" -m conntrack --ctstate DNAT -j CRIO-HOSTPORTS-MASQ
-A POSTROUTING -m comment --comment "SNAT for localhost access to hostports" -o cbr0 -s 127.0.0.0/8 -j MASQUERADE
-A KUBE-SERVICES -s 127.0.0.0/8 -j RETURN
-A KUBE-SERVICES -m comment --comment "kube-system/kube-dns:dns-tcp cluster IP" -m tcp -p tcp -d 10.96.0.10/32 --dport 53 -j KUBE-SVC-ERIFXISQEP7F7OF4
-A KUBE-SERVICES -m comment --comment "default/web external IP" -m tcp -p tcp -d 192.0.2.7 --dport 80 -m physdev ! --physdev-is-in -m addrtype ! --src-type LOCAL -j KUBE-EXT-ERIFXISQEP7F7OF4
-A KUBE-SERVICES -m comment --comment "default/web loadbalancer IP" -m tcp -p tcp -d 192.0.2.8 --dport 80 -j KUBE-FW-ERIFXISQEP7F7OF4
-A KUBE-SERVICES -m comment --comment "kubernetes service nodeports; NOTE: this must be the last rule in this chain" -m addrtype --dst-type LOCAL ! -d 127.0.0.0/8 -j KUBE-NODEPORTS
-A KUBE-SERVICES -m comment --comment "Kubernetes service cluster ip + port for masquerade purpose" -m set --match-set KUBE-CLUSTER-IP dst,dst ! -s 10.244.0.0/16 -j KUBE-MARK-MASQ
-A KUBE-SERVICES -m comment --comment "Kubernetes service external ip + port for masquerade and filter purpose" -m set --match-set KUBE-CLUSTER-IP dst,dst -m physdev ! --physdev-is-in -m addrtype ! --src-type LOCAL -j ACCEPT
-A KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-NODE-PORT
-A KUBE-SERVICES -m set --match-set KUBE-CLUSTER-IP dst,dst -j ACCEPT
-A KUBE-NODE-PORT -p tcp -m comment --comment "Kubernetes nodeport TCP port with externalTrafficPolicy=local" -m set --match-set KUBE-NODE-PORT-TCP dst -j RETURN
-A KUBE-LOAD-BALANCER -j KUBE-MARK-MASQ
-A KUBE-NODEPORTS -m comment --comment default/web -m tcp -p tcp --dport 30080 -j KUBE-EXT-ERIFXISQEP7F7OF4
-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
-A KUBE-POSTROUTING -j MARK --xor-mark 0x4000
-A KUBE-POSTROUTING -m comment --comment "Kubernetes endpoints dst ip:port, source ip for solving hairpin purpose" -m set --match-set KUBE-LOOP-BACK dst,dst,src -j MASQUERADE
-A KUBE-POSTROUTING -m comment --comment "kubernetes service traffic requiring SNAT" -j MASQUERADE --random-fully
-A KUBE-MARK-MASQ -j MARK --or-mark 0x4000
-A KUBE-MARK-DROP -j MARK --or-mark 0x8000
-A KUBE-FIREWALL -j KUBE-MARK-DROP
-A KUBE-SVC-ERIFXISQEP7F7OF4 -m comment --comment "kube-system/kube-dns:dns-tcp cluster IP" -m tcp -p tcp -d 10.96.0.10/32 --dport 53 ! -s 10.244.0.0/16 -j KUBE-MARK-MASQ
-A KUBE-SVC-ERIFXISQEP7F7OF4 -m comment --comment "kube-system/kube-dns:dns-tcp -> 10.244.0.2:53" -m statistic --mode random --probability 0.5000000000 -j KUBE-SEP-IT2ZTR26TO4XFPTO
-A KUBE-SVC-ERIFXISQEP7F7OF4 -m recent --name KUBE-SEP-IT2ZTR26TO4XFPTO --rcheck --seconds 10800 --reap -j KUBE-SEP-IT2ZTR26TO4XFPTO
-A KUBE-SVL-ERIFXISQEP7F7OF4 -j KUBE-SEP-IT2ZTR26TO4XFPTO
-A KUBE-EXT-ERIFXISQEP7F7OF4 -m comment --comment "masquerade traffic for default/web external destinations" -j KUBE-MARK-MASQ
-A KUBE-EXT-ERIFXISQEP7F7OF4 -m comment --comment "pod traffic for default/web external destinations" -s 10.244.0.0/16 -j KUBE-SVC-ERIFXISQEP7F7OF4
-A KUBE-EXT-ERIFXISQEP7F7OF4 -j KUBE-SVC-ERIFXISQEP7F7OF4
-A KUBE-FW-ERIFXISQEP7F7OF4 -m comment --comment "default/web loadbalancer IP" -s 198.51.100.0/24 -j KUBE-EXT-ERIFXISQEP7F7OF4
-A KUBE-FW-ERIFXISQEP7F7OF4 -m comment --comment "other traffic to default/web will be dropped by KUBE-PROXY-FIREWALL"
-A KUBE-XLB-ERIFXISQEP7F7OF4 -m comment --comment "Redirect pods trying to reach external loadbalancer VIP to clusterIP" -s 10.244.0.0/16 -j KUBE-SVC-ERIFXISQEP7F7OF4
-A KUBE-XLB-ERIFXISQEP7F7OF4 -m comment --comment "masquerade LOCAL traffic for default/web LB IP" -m addrtype --src-type LOCAL -j KUBE-MARK-MASQ
-A KUBE-XLB-ERIFXISQEP7F7OF4 -m comment --comment "default/web has no local endpoints" -j KUBE-MARK-DROP
-A KUBE-XLB-ERIFXISQEP7F7OF4 -m comment --comment "Balancing rule 0 for default/web" -j KUBE-SEP-IT2ZTR26TO4XFPTO
-A KUBE-SEP-IT2ZTR26TO4XFPTO -m comment --comment kube-system/kube-dns:dns-tcp -s 10.244.0.2 -j KUBE-MARK-MASQ
-A KUBE-SEP-IT2ZTR26TO4XFPTO -m comment --comment kube-system/kube-dns:dns-tcp -m tcp -p tcp -j DNAT --to-destination 10.244.0.2:53
-A KUBE-SEP-ABCDEFGHIJKLMNOP -s 10.244.0.3 -j KUBE-MARK-MASQ
-A KUBE-SEP-ABCDEFGHIJKLMNOP -m recent --name KUBE-SEP-ABCDEFGHIJKLMNOP --set -m udp -p udp -j DNAT --to-destination 10.244.0.3:53
-A KUBE-SEP-ABCDEFGHIJKLMNOP -m tcp -p tcp -j DNAT --to-destination 10.244.0.3:53
-A KUBE-HOSTPORTS -m comment --comment "k8s_web_default_0_0 hostport 8080" -m tcp -p tcp --dport 8080 -j KUBE-HP-IT2ZTR26TO4XFPTO
-A KUBE-HP-IT2ZTR26TO4XFPTO -m comment --comment "k8s_web_default_0_0 hostport 8080" -s 10.244.0.2 -j KUBE-MARK-MASQ
-A KUBE-HP-IT2ZTR26TO4XFPTO -m comment --comment "k8s_web_default_0_0 hostport 8080" -m tcp -p tcp -d 192.0.2.7 -j DNAT --to-destination=10.244.0.2:80
-A CRIO-HOSTPORTS-MASQ -m comment --comment "k8s_web_default_0_0 hostport 8080" -j CRIO-MASQ-IT2ZTR26TO4XFPTO
-A CRIO-MASQ-IT2ZTR26TO4XFPTO -m comment --comment "k8s_web_default_0_0 hostport 8080" -m conntrack --ctorigdstport 8080 -m tcp -p tcp --dport 80 -s 10.244.0.2 -d 10.244.0.2 -j MASQUERADE
-A TUNNEL-PORT -p tcp -j DNAT --dport 10351 --to 192.0.2.1:10003
-A EDGE-MESH -d 10.96.0.1/32 -m comment --comment "ignore kubernetes.default service" -j RETURN
-A EDGE-MESH -p tcp -d 10.96.0.0/12 -m comment --comment "tcp service proxy" -j EDGE-MESH-TCP
-A EDGE-MESH -p tcp -j DNAT --to-destination 172.17.0.1:40001
-A EDGE-MESH-TCP -p tcp -j DNAT --to-destination 169.254.96.16:40001
-A KUBE-PORTALS-CONTAINER -m comment --comment default/web:http -p tcp -m tcp -d 10.96.0.20/32 --dport 80 -j DNAT --to-destination 169.254.96.16:41000
-A KUBE-NODEPORT-HOST -m comment --comment default/web:http -p tcp -m tcp --dport 30080 -j REDIRECT --to-ports 41000
-A FLANNEL-POSTRTG -m mark --mark 0x4000/0x4000 -m comment --comment "flanneld masq" -j RETURN
-A FLANNEL-POSTRTG -s 10.244.0.0/16 ! -d 224.0.0.0/4 -m comment --comment "flanneld masq" -j MASQUERADE --random-fully
-A cali-PREROUTING -m comment --comment "cali:r6XmIziWUJsdOK6Z" -m comment --comment "Policy default/web ingress" -j RETURN
COMMIT
*filter
:KUBE-FIREWALL - [0:0]
:KUBE-FORWARD - [0:0]
:KUBE-SERVICES - [0:0]
:KUBE-EXTERNAL-SERVICES - [0:0]
:KUBE-NODEPORTS - [0:0]
:KUBE-PROXY-FIREWALL - [0:0]
:KUBE-SOURCE-RANGES-FIREWALL - [0:0]
:KUBE-IPVS-FILTER - [0:0]
:KUBE-NODE-PORT - [0:0]
:KUBE-NODEPORT-NON-LOCAL - [0:0]
:FLANNEL-FWD - [0:0]
-A INPUT -j KUBE-FIREWALL
-A KUBE-FIREWALL -m comment --comment "kubernetes firewall for dropping marked packets" -m mark --mark 0x8000/0x8000 -j DROP
-A KUBE-FIREWALL -m comment --comment "block incoming localnet connections" -d 127.0.0.0/8 ! -s 127.0.0.0/8 -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP
-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP
-A KUBE-FORWARD -m comment --comment "kubernetes forwarding rules" -m mark --mark 0x4000/0x4000 -j ACCEPT
-A KUBE-FORWARD -s 10.244.0.0/16 -m comment --comment "kubernetes forwarding conntrack pod source rule" -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A KUBE-SERVICES -m comment --comment "default/web has no endpoints" -m tcp -p tcp -d 10.96.0.20/32 --dport 80 -j REJECT
-A KUBE-EXTERNAL-SERVICES -m comment --comment "default/web has no local endpoints" -m addrtype --dst-type LOCAL -m tcp -p tcp --dport 30080 -j DROP
-A KUBE-NODEPORTS -m comment --comment "default/web health check node port" -m tcp -p tcp --dport 31000 -j ACCEPT
-A KUBE-PROXY-FIREWALL -m comment --comment "default/web traffic not accepted by KUBE-FW-ERIFXISQEP7F7OF4" -m tcp -p tcp -d 192.0.2.8 --dport 80 -j DROP
-A KUBE-SOURCE-RANGES-FIREWALL -j DROP
-A KUBE-IPVS-FILTER -m set --match-set KUBE-CLUSTER-IP dst,dst -j RETURN
-A KUBE-IPVS-FILTER -m conntrack --ctstate NEW -m set --match-set KUBE-NODE-PORT-TCP dst -j REJECT
-A KUBE-NODE-PORT -m comment --comment "Kubernetes health check node port" -m set --match-set KUBE-NODE-PORT-TCP dst -j ACCEPT
-A KUBE-NODEPORT-NON-LOCAL -m comment --comment "Ensure that non-local NodePort traffic can flow" -m mark --mark 0x1/0x1 -m state --state NEW -j ACCEPT
-A FLANNEL-FWD -s 10.244.0.0/16 -m comment --comment "flanneld forward" -j ACCEPT
COMMIT
"#;

const SETS: &str = "ipset create KUBE-CLUSTER-IP hash:ip,port; ipset create KUBE-LOOP-BACK hash:ip,port,ip
    ipset create KUBE-NODE-PORT-TCP bitmap:port range 0-65535; ipset add KUBE-CLUSTER-IP 10.96.0.1,tcp:443";

#[test]
fn rules_that_the_programs_write_are_not_of_others() {
    if !can("genuine") {
        return;
    }
    let printed = run(
        &[("genuine", GENUINE)],
        &format!(
            r#"
            {SETS}
            for b in nft legacy; do
                part genuine | iptables-$b-restore || echo cannot load
                echo $b: $(iptables-$b-save | grep -c '^-A') rules
                reset scan --only firewall --profile all | grep 'of unknown origin\|^exit'
            done
            reset apply --yes --only firewall 2> /dev/null | tail -1
            for b in nft legacy; do echo $b: $(iptables-$b-save 2> /dev/null | grep -c '^-A') rules; done; ipset list -name
            "#
        ),
    );
    assert_eq!(printed, "nft: 72 rules\nexit 0\nlegacy: 72 rules\nexit 0\nexit 0\nnft: 0 rules\nlegacy: 0 rules\n");
}

#[test]
fn rules_of_others_in_removed_chains_are_named_and_kept() {
    if !can("rules of others") {
        return;
    }
    let printed = run(
        &[("genuine", GENUINE)],
        &format!(
            r#"
            {SETS}
            for b in nft legacy; do
                part genuine | iptables-$b-restore
                iptables-$b -A KUBE-FIREWALL -s 192.0.2.9 -m comment --comment "it's \"mine\" \$HOME" -j ACCEPT
                iptables-$b -A KUBE-FIREWALL -s 192.0.2.19 -j ACCEPT
                iptables-$b -t nat -I KUBE-SERVICES -d 203.0.113.1 -j RETURN
                iptables-$b -t nat -A TUNNEL-PORT -p udp -j RETURN
            done
            reset apply -n --only firewall | grep 'of unknown origin'
            reset apply --yes --only firewall > said; grep 'of unknown origin\|keeps the rules' said; tail -1 said
            reset undo > undone 2>&1; cat undone
            sed -n 's/.*hint: to restore a rule of others: //p' undone > commands; sh commands
            for b in nft legacy; do iptables-$b-save | grep '192.0.2.1\?9\|203.0.113.1\|udp -j RETURN'; done
            stat -c '%a %n' /var/lib/edgeutils/edge-reset/ip*
            reset purge --yes | tail -1; ls /var/lib/edgeutils/edge-reset
            "#
        ),
    );
    let lines = |text: &str| printed.lines().filter(|line| line.contains(text)).count();
    let own = r#"-A KUBE-FIREWALL -s 192.0.2.9/32 -m comment --comment "it\'s \"mine\" \$HOME" -j ACCEPT"#
        .replace(r"\$", "$");
    for (want, count) in [
        (format!("also removes 2 rules of unknown origin: {own}; -A KUBE-FIREWALL -s 192.0.2.19/32 -j ACCEPT"), 4),
        ("also removes 2 rules of unknown origin: -A KUBE-SERVICES -d 203.0.113.1/32 -j RETURN; -A TUNNEL-PORT -p udp -j RETURN".to_owned(), 4),
        ("/iptables-nft.1.save keeps the rules of others that are removed".to_owned(), 2),
        ("/iptables-legacy.1.save keeps the rules of others that are removed".to_owned(), 2),
        ("76 of its rules are missing".to_owned(), 2),
        ("to see what was removed: less /var/lib/edgeutils/edge-reset/iptables-nft.1.save".to_owned(), 1),
        ("to restore it: ipset -exist restore -file /var/lib/edgeutils/edge-reset/ipset.1.save".to_owned(), 1),
        ("600 /var/lib/edgeutils/edge-reset/iptables-legacy.1.save".to_owned(), 1),
    ] {
        assert_eq!(lines(&want), count, "{want}: {printed}");
    }
    let restored = printed.lines().filter(|line| line.starts_with("-A ")).count();
    assert_eq!(restored, 8, "{printed}");
    assert!(printed.ends_with("exit 0\n"), "{printed}");
}

#[test]
fn undo_removes_a_save_when_all_of_it_is_there_again() {
    if !can("save restored") {
        return;
    }
    let printed = run(
        &[],
        r#"
        for b in nft legacy; do
            iptables-$b -N KUBE-FIREWALL; iptables-$b -A KUBE-FIREWALL -s 192.0.2.9 -j ACCEPT; iptables-$b -A INPUT -j KUBE-FIREWALL
        done
        nft add table ip kube-proxy; nft add chain ip kube-proxy services; nft add chain ip kube-proxy mine
        nft add rule ip kube-proxy mine tcp dport 22 accept
        reset apply --yes --only firewall | grep 'did not create'
        for b in nft legacy; do iptables-$b-restore < /var/lib/edgeutils/edge-reset/iptables-$b.1.save; done
        reset undo | grep kube-proxy; ls /var/lib/edgeutils/edge-reset
        nft -f /var/lib/edgeutils/edge-reset/nft-ip-kube-proxy.1.save; nft list chain ip kube-proxy mine | grep -c 'dport 22'
        "#,
    );
    assert!(printed.contains("also removes chain mine, which that program did not create"), "{printed}");
    assert!(
        printed.contains("to restore it: nft -f /var/lib/edgeutils/edge-reset/nft-ip-kube-proxy.1.save"),
        "{printed}"
    );
    assert!(printed.ends_with("\nnft-ip-kube-proxy.1.save\n1\n"), "{printed}");
}
