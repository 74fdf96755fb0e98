//! What else depends on rules: connections, native nft rules, route_localnet, and another utility's rules.

use super::rulesets::{FOREIGN, OURS};
use super::{can, run};

#[test]
fn apply_keeps_an_open_connection_and_lets_new_ones_in() {
    if !can("connection") {
        return;
    }
    let printed = run(
        &[("foreign", FOREIGN), ("ours", OURS)],
        r#"
        ip netns add peer; ip link add here type veth peer name there netns peer
        ip addr add 198.51.100.1/24 dev here; ip link set here up
        ip -n peer addr add 198.51.100.2/24 dev there; ip -n peer link set there up
        for b in nft legacy; do load $b foreign; load $b ours --noflush; done
        cat > serve.py <<'END'
import socket, threading
def echo(one):
    while data := one.recv(99): one.sendall(data)
server = socket.socket(); server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("198.51.100.1", 22)); server.listen()
print("ready", flush=True)
while True: threading.Thread(target=echo, args=(server.accept()[0],), daemon=True).start()
END
        cat > talk.py <<'END'
import os, socket, time
def ask(one, word):
    one.sendall(word); one.settimeout(10); assert one.recv(99) == word; print(word.decode(), flush=True)
old = socket.create_connection(("198.51.100.1", 22), 10)
ask(old, b"before"); open("talking", "w").close()
for _ in range(600):
    if os.path.exists("reset-done"): break
    time.sleep(0.1)
ask(old, b"open connection"); ask(socket.create_connection(("198.51.100.1", 22), 10), b"new connection")
END
        python3 serve.py > served & server=$!
        for i in $(seq 100); do grep -q ready served && break; sleep 0.1; done
        ip netns exec peer python3 talk.py & talk=$!
        for i in $(seq 100); do [ -e talking ] && break; sleep 0.1; done
        reset apply --yes --only firewall | tail -1
        touch reset-done; wait $talk; kill $server
        "#,
    );
    for want in ["before", "exit 0", "open connection", "new connection"] {
        assert!(printed.lines().any(|line| line == want), "{want}: {printed}");
    }
}

#[test]
fn table_with_native_rules_is_refused_if_it_has_our_chains() {
    if !can("native") {
        return;
    }
    let printed = run(
        &[],
        r#"
        iptables-nft -N KUBE-FIREWALL; iptables-nft -I INPUT -j KUBE-FIREWALL; iptables-nft -A FORWARD -j RETURN
        nft add rule ip filter FORWARD iifname { "a", "b" } meta l4proto { tcp, udp } ct state new log reject
        reset scan --only firewall
        reset apply --yes --only firewall
        nft list chain ip filter KUBE-FIREWALL | grep -c chain
        iptables-nft-save | head -1
        nft flush chain ip filter INPUT; nft delete chain ip filter KUBE-FIREWALL
        reset apply --yes --only firewall
        nft list chain ip filter FORWARD | grep -c reject
        "#,
    );
    assert!(printed.contains("refuse filter (nft): it contains native nft rules"), "{printed}");
    assert!(
        printed.contains("beside KUBE-FIREWALL\n") && printed.contains("hint: see nft list table ip filter"),
        "{printed}"
    );
    assert!(printed.contains("exit 4\n1\n# Table `filter' is incompatible"), "{printed}");
    assert!(
        printed.contains("kept       filter (nft): it contains native nft rules, which iptables does not show\n"),
        "{printed}"
    );
    assert!(printed.ends_with("exit 0\n1\n"), "{printed}");
}

#[test]
fn route_localnet_is_reset_with_the_chains_of_kube_proxy() {
    if !can("route_localnet") {
        return;
    }
    let printed = run(
        &[],
        r#"
        mount -t proc proc /proc
        value=/proc/sys/net/ipv4/conf/all/route_localnet
        proxy() { for b in nft legacy; do iptables-$b -t nat -N KUBE-SERVICES; iptables-$b -N KUBE-FIREWALL; done; echo 1 > $value; }
        proxy; reset apply --yes --only firewall | grep route_localnet; echo proxy $(cat $value)
        reset undo > /dev/null; echo undone $(cat $value)
        mkdir -p /etc/sysctl.d; echo net.ipv4.conf.all.route_localnet = 1 > /etc/sysctl.d/9.conf
        proxy; reset apply --yes --only firewall | grep route_localnet; echo asked $(cat $value)
        rm /etc/sysctl.d/9.conf
        iptables-nft -N KUBE-FIREWALL; reset apply --yes --only firewall | grep -A1 route_localnet; echo guard $(cat $value)
        "#,
    );
    for want in ["proxy 0", "undone 1", "asked 1", "guard 1"] {
        assert!(printed.lines().any(|line| line == want), "{want}: {printed}");
    }
    assert!(printed.contains("/etc/sysctl.d/9.conf sets it to 1"), "{printed}");
    assert!(printed.contains("without KUBE-FIREWALL other hosts can reach 127.0.0.1"), "{printed}");
    assert!(printed.contains("sysctl -w net.ipv4.conf.all.route_localnet=0"), "{printed}");
}

#[test]
fn rules_of_edge_redirect_are_kept_and_do_not_block_the_undo() {
    if !can("edge-redirect") {
        return;
    }
    let printed = run(
        &[],
        r#"
        for b in nft legacy; do
            iptables-$b -t nat -A OUTPUT -p tcp --dport 10350 -j DNAT --to-destination 192.0.2.1:10003
            reset apply --yes --only firewall > /dev/null
            redirect add 10351=192.0.2.1:10003 --backend $b > /dev/null
            reset apply --yes --only firewall
            reset undo > said; tail -1 said
            echo $b: $(iptables-$b -t nat -S | grep -c 10350) $(iptables-$b -t nat -S | grep -c 10351)
            redirect undo | tail -1
            echo $b: $(iptables-$b -t nat -S | grep -c 10350) $(iptables-$b -t nat -S | grep -c 10351)
            iptables-$b -t nat -F
        done
        "#,
    );
    for backend in ["nft", "legacy"] {
        assert!(printed.contains(&format!("exit 0\n{backend}: 1 1\nexit 0\n{backend}: 1 0\n")), "{printed}");
    }
    assert!(printed.contains("EDGEUTILS-STREAM in nat (nft): edge-redirect's: edge-redirect remove\n"), "{printed}");
}

#[test]
fn tables_of_nf_tables_are_unknown_without_nft() {
    if !can("without nft") {
        return;
    }
    let printed = run(
        &[],
        r#"
        nft add table ip kube-proxy; nft add chain ip kube-proxy services
        touch none; mount --bind none "$(readlink -f "$(command -v nft)")"
        reset scan --only firewall; reset apply --yes --only firewall
        "#,
    );
    let unknown =
        "tables of nf_tables other than those of iptables: nft is not installed, so whether there are any is unknown";
    assert_eq!(printed.matches(unknown).count(), 2, "{printed}");
    assert!(printed.contains("install nft and run again: apt-get install nftables"), "{printed}");
    assert!(
        printed.contains("0 to remove, 1 to keep, 0 refused") && !printed.contains("nothing of KubeEdge"),
        "{printed}"
    );
}
