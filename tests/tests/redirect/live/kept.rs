//! What of the chain of cloudcore is in effect: every verb agrees.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use edgeutils_tests::rules::each;

use super::cloudcore::PRELUDE;

#[test]
fn add_names_what_keeps_the_redirect_of_cloudcore_from_its_effect() {
    let text = r#"
        yaml 'modules: {iptablesManager: {enable: true}}'
        # The hint repairs it.
        nat -A OUTPUT -p tcp -j ACCEPT; chain; pair 10351 192.0.2.1; add; tail -1 errors
        redirect check | sed -n 2p
        $(sed -n 's/.*hint: delete that rule: //p' errors); add
        nat -I PREROUTING -p tcp -j ACCEPT; add --from forward; tail -1 errors
        nat -D PREROUTING 1; nat -D PREROUTING 1; add --from forward; tail -1 errors
        # Another address.
        clear; chain; pair 10351 192.0.2.9; pair 10351 192.0.2.1; add; tail -1 errors
        $(sed -n 's/.*delete the outdated rule: //p' errors); add
        "#;
    each("missing", &format!("{PRELUDE}{text}"), "exit 4 cloudcore manages TUNNEL-PORT on this host (/etc/kubeedge/config/cloudcore.yaml), and its redirect is shadowed by -A OUTPUT -p tcp -j ACCEPT
        hint: delete that rule: iptables-$b -t nat -D OUTPUT -p tcp -j ACCEPT
        hint: delete that rule: iptables-$b -t nat -D OUTPUT -p tcp -j ACCEPT
        exit 0 already up to date
        exit 4 cloudcore manages TUNNEL-PORT on this host (/etc/kubeedge/config/cloudcore.yaml), and its redirect is shadowed by -A PREROUTING -p tcp -j ACCEPT
        hint: delete that rule: iptables-$b -t nat -D PREROUTING -p tcp -j ACCEPT
        exit 4 cloudcore manages TUNNEL-PORT on this host (/etc/kubeedge/config/cloudcore.yaml), and no rule of PREROUTING jumps to it
        hint: restart cloudcore, which adds it within 20 seconds, and run again: systemctl restart cloudcore; or add it now with --force
        exit 4 cloudcore manages TUNNEL-PORT on this host (/etc/kubeedge/config/cloudcore.yaml), and the chain redirects 10351 to 192.0.2.9:10003
        hint: compare with the ports of each cloudcore: kubectl get configmap -n kubeedge tunnelport -o yaml; if 10351 belongs to 192.0.2.1, delete the outdated rule: iptables-$b -t nat -D TUNNEL-PORT -p tcp -m tcp --dport 10351 -j DNAT --to-destination 192.0.2.9:10003
        exit 0 already up to date");
}

#[test]
fn add_says_who_manages_the_chain() {
    let text = r#"
        chain; pair 10351 192.0.2.1
        for text in 'mode: external' 'enable: true'; do yaml "modules: {iptablesManager: {$text}}"; add; grep note: errors; done
        "#;
    each("manager", &format!("{PRELUDE}{text}"), "exit 0 already up to date
        edge-redirect: note: TUNNEL-PORT, not managed by cloudcore on this host (/etc/kubeedge/config/cloudcore.yaml: modules.iptablesManager.mode is external), is in effect ($b): 10351 to 192.0.2.1:10003; nothing is added for IPv4 without --force
        exit 0 already up to date
        edge-redirect: note: cloudcore manages TUNNEL-PORT on this host ($b): 10351 to 192.0.2.1:10003; nothing is added for IPv4 without --force");
}

#[test]
fn every_verb_reads_the_chain_in_the_same_way() {
    let text = r#"
        yaml 'modules: {iptablesManager: {enable: true}}'
        try() { clear; chain; nat -A TUNNEL-PORT "$@" -j DNAT --to 192.0.2.1:10003
            add | sed 's/(.*)/FILE/'; redirect status | head -1; redirect check; }
        try -p tcp -m multiport --dports 10351,10352
        try -p tcp --dport 10350:10352
        try -p tcp
        try -s 10.0.0.0/8 -p tcp --dport 10351
        # Our own redirect is for the others.
        add --force --persist; redirect check
        try -p udp --dport 10351
        "#;
    each("one reader", &format!("{PRELUDE}{text}"), "exit 0 already up to date
        chain TUNNEL-PORT: active: managed by cloudcore: 10351 to 192.0.2.1:10003, 10352 to 192.0.2.1:10003  (IPv4 $b)
        no problems found
        exit 0
        exit 0 already up to date
        chain TUNNEL-PORT: active: managed by cloudcore: 10350:10352 to 192.0.2.1:10003  (IPv4 $b)
        no problems found
        exit 0
        exit 0 already up to date
        chain TUNNEL-PORT: active: managed by cloudcore: 1:65535 to 192.0.2.1:10003  (IPv4 $b)
        no problems found
        exit 0
        exit 4 cloudcore manages TUNNEL-PORT on this host FILE, and its redirect has further conditions: -A TUNNEL-PORT -s 10.0.0.0/8 -p tcp -m tcp --dport 10351 -j DNAT --to-destination 192.0.2.1:10003
        chain TUNNEL-PORT: unknown: managed by cloudcore: 10351 to 192.0.2.1:10003 is for part of the connections: -A TUNNEL-PORT -s 10.0.0.0/8 -p tcp -m tcp --dport 10351 -j DNAT --to-destination 192.0.2.1:10003  (IPv4 $b)
        table nat of iptables-$b: warning: TUNNEL-PORT: 10351 to 192.0.2.1:10003 is for part of the connections: -A TUNNEL-PORT -s 10.0.0.0/8 -p tcp -m tcp --dport 10351 -j DNAT --to-destination 192.0.2.1:10003
        no errors, 1 warning
        exit 0
        exit 0 4 changes
        no problems found
        exit 0
        exit 4 cloudcore manages TUNNEL-PORT on this host FILE, and the chain has no redirects
        chain TUNNEL-PORT: inactive: managed by cloudcore: no ports yet  (IPv4 $b)
        table nat of iptables-$b: error: TUNNEL-PORT: cloudcore has added no ports to this chain
        hint: restart cloudcore: systemctl restart cloudcore
        1 problem found
        exit 3");
}
