//! Rules of others that decide before ours.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use edgeutils_tests::rules::each;

/// `first RULE` puts a rule before all others; `try RULE` adds a redirect after it and prints exit code, warning and state.
const PRELUDE: &str = r#"
nat() { iptables-$b -t nat "$@"; }
clear() { nat -F; nat -X; rm -rf /etc/edgeutils /var/lib/edgeutils; }
try() { clear; nat -N theirs; nat -A OUTPUT "$@" || echo bad rule
    /mnt/bin/edge-redirect --force-namespace add 10351=192.0.2.1:10003 --backend $b > said 2> errors; code=$?
    echo "$code $(sed -n 's/.*shadowed by -A OUTPUT //p' errors | tail -1): $(/mnt/bin/edge-redirect status | sed -n 's/^redirect [^:]*:10003: \([a-z]*\):.*/\1/p')"; }
"#;

#[test]
fn rules_that_decide_first_shadow_a_redirect() {
    let text = r#"
        try -p tcp --dport 10351 -j REDIRECT --to-ports 9
        try -p tcp -m multiport --dports 22,10300:10400 -j ACCEPT
        try -p tcp --dport 10000:11000 -j RETURN
        try -p tcp --dport 10351 -j DNAT --to 192.0.2.9:10003
        try ! -d 127.0.0.0/8 -p tcp ! --dport 22 -j ACCEPT
        try -p tcp -m conntrack --ctstate NEW -j ACCEPT
        # These do not.
        try -p tcp --dport 10350 -j ACCEPT
        try -p udp --dport 10351 -j ACCEPT
        try -d 127.0.0.0/8 -j ACCEPT
        try -p tcp --dport 10351 -j DNAT --to 192.0.2.1:10003
        try -m addrtype --dst-type LOCAL -j ACCEPT
        try -p tcp --dport 10351 -j theirs
        # For an address the others are still redirected.
        try -d 198.51.100.0/24 -p tcp --dport 10351 -j ACCEPT
        /mnt/bin/edge-redirect status | grep -c 'partly shadowed by -A OUTPUT -d 198.51.100.0/24'
        # In a chain of others, and in another order.
        clear; nat -N theirs; nat -A theirs -p tcp --dport 10351 -j ACCEPT; nat -A OUTPUT -p tcp -j theirs
        redirect add 10351=192.0.2.1:10003 --backend $b 2>&1 | tail -4
        redirect add 10351=192.0.2.1:10003 --backend $b 2>&1 | tail -2
        redirect status | head -1
        nat -D OUTPUT 1; nat -A OUTPUT -p tcp -j theirs; redirect add 10351=192.0.2.1:10003 2>&1
        redirect status | head -1
        "#;
    each(
        "shadows",
        &format!("{PRELUDE}{text}"),
        "3 -p tcp -m tcp --dport 10351 -j REDIRECT --to-ports 9: shadowed
        3 -p tcp -m multiport --dports 22,10300:10400 -j ACCEPT: shadowed
        3 -p tcp -m tcp --dport 10000:11000 -j RETURN: shadowed
        3 -p tcp -m tcp --dport 10351 -j DNAT --to-destination 192.0.2.9:10003: shadowed
        3 ! -d 127.0.0.0/8 -p tcp -m tcp ! --dport 22 -j ACCEPT: shadowed
        3 -p tcp -m conntrack --ctstate NEW -j ACCEPT: shadowed
        0 : active
        0 : active
        0 : active
        0 : active
        0 : active
        0 : active
        0 : active
        1
        edge-redirect: warning: 10351=192.0.2.1:10003 has no effect: shadowed by -A theirs -p tcp -m tcp --dport 10351 -j ACCEPT
        edge-redirect: hint: delete that rule: iptables-$b -t nat -D theirs -p tcp -m tcp --dport 10351 -j ACCEPT
        1 change, manual step required
        exit 3
        no changes, manual step required
        exit 3
        redirect 10351 to 192.0.2.1:10003: shadowed: no effect, shadowed by -A theirs -p tcp -m tcp --dport 10351 -j ACCEPT, 0 connections so far, lost on reboot  (EDGEUTILS-STREAM, IPv4 $b)
        already up to date
        exit 0
        redirect 10351 to 192.0.2.1:10003: active: from this host, 0 connections so far, lost on reboot  (EDGEUTILS-STREAM, IPv4 $b)",
    );
}

#[test]
fn check_finds_shadowed_redirects_and_its_hints_repair_them() {
    let text = r#"
        clear; nat -N theirs; nat -A OUTPUT -p tcp --dport 10351 -j DNAT --to 192.0.2.9:10003
        redirect add 10351=192.0.2.1:10003 --persist --backend $b > /dev/null 2>&1
        redirect check
        $(/mnt/bin/edge-redirect check | sed -n 's/.*hint: replace that rule: edge-redirect/redirect/p') | tail -1
        redirect check
        nat -I OUTPUT -p tcp -m tcp --dport 10351 -j REDIRECT --to-ports 9
        redirect restore
        redirect check
        $(/mnt/bin/edge-redirect check | sed -n 's/.*hint: delete that rule: //p')
        redirect check
        "#;
    each(
        "check of shadows",
        &format!("{PRELUDE}{text}"),
        "table nat of iptables-$b: error: 10351=192.0.2.1:10003: the redirect has no effect, shadowed by -A OUTPUT -p tcp -m tcp --dport 10351 -j DNAT --to-destination 192.0.2.9:10003
        hint: replace that rule: edge-redirect add 10351=192.0.2.1:10003 --adopt
        1 problem found
        exit 3
        exit 0
        no problems found
        exit 0
        edge-redirect: warning: 10351=192.0.2.1:10003 has no effect: shadowed by -A OUTPUT -p tcp -m tcp --dport 10351 -j REDIRECT --to-ports 9
        edge-redirect: hint: delete that rule: iptables-$b -t nat -D OUTPUT -p tcp -m tcp --dport 10351 -j REDIRECT --to-ports 9
        already up to date
        exit 0
        table nat of iptables-$b: error: 10351=192.0.2.1:10003: the redirect has no effect, shadowed by -A OUTPUT -p tcp -m tcp --dport 10351 -j REDIRECT --to-ports 9
        hint: delete that rule: iptables-$b -t nat -D OUTPUT -p tcp -m tcp --dport 10351 -j REDIRECT --to-ports 9
        1 problem found
        exit 3
        no problems found
        exit 0",
    );
}

#[test]
fn rules_that_take_a_part_are_reported() {
    let text = r#"
        part() { try "$@"; /mnt/bin/edge-redirect status | sed -n 's/^redirect .*from this host\(.*\), 0 conn.*/\1/p'
            /mnt/bin/edge-redirect check | grep -c 'warning: .*partly shadowed'; }
        part -d 198.51.100.0/24 -j ACCEPT
        part -m iprange --dst-range 198.51.100.1-198.51.100.9 -j ACCEPT
        part -m mark --mark 1 -p tcp -j RETURN
        part -p tcp --sport 1024:65535 -j ACCEPT
        part -p tcp --sport 1:65535 -j ACCEPT
        clear; nat -N theirs; nat -A theirs -p tcp -j REDIRECT --to-ports 9; nat -A OUTPUT -d 198.51.100.0/24 -g theirs
        redirect add 10351=192.0.2.1:10003 --backend $b > /dev/null 2>&1; redirect status | head -1
        # The chain of cloudcore.
        clear; nat -A OUTPUT -d 198.51.100.0/24 -j ACCEPT; nat -N TUNNEL-PORT; nat -A OUTPUT -p tcp -j TUNNEL-PORT
        nat -A TUNNEL-PORT -p tcp --dport 10351 -j DNAT --to 192.0.2.1:10003; redirect status | head -1; redirect check
        # Many.
        clear; for i in 1 2 3 4 5 6 7 8; do nat -A OUTPUT -d 198.51.100.$i -j ACCEPT; done
        redirect add 10351=192.0.2.1:10003 --backend $b --persist > /dev/null 2>&1; redirect check | tail -3
        "#;
    each(
        "part",
        &format!("{PRELUDE}{text}"),
        "0 : active
        , partly shadowed by -A OUTPUT -d 198.51.100.0/24 -j ACCEPT
        1
        0 : active
        , partly shadowed by -A OUTPUT -m iprange --dst-range 198.51.100.1-198.51.100.9 -j ACCEPT
        1
        0 : active
        , partly shadowed by -A OUTPUT -p tcp -m mark --mark 0x1 -j RETURN
        1
        0 : active
        , partly shadowed by -A OUTPUT -p tcp -m tcp --sport 1024:65535 -j ACCEPT
        1
        3 -p tcp -m tcp --sport 1:65535 -j ACCEPT: shadowed
        0
        redirect 10351 to 192.0.2.1:10003: active: from this host, partly shadowed by -A theirs -p tcp -j REDIRECT --to-ports 9, 0 connections so far, lost on reboot  (EDGEUTILS-STREAM, IPv4 $b)
        chain TUNNEL-PORT: active: managed by cloudcore: 10351 to 192.0.2.1:10003; 10351 to 192.0.2.1:10003 is partly shadowed by -A OUTPUT -d 198.51.100.0/24 -j ACCEPT  (IPv4 $b)
        table nat of iptables-$b: warning: TUNNEL-PORT: 10351 to 192.0.2.1:10003 is partly shadowed by -A OUTPUT -d 198.51.100.0/24 -j ACCEPT
        no errors, 1 warning
        exit 0
        table nat of iptables-$b: warning: 10351=192.0.2.1:10003: partly shadowed by 4 more rules
        no errors, 5 warnings
        exit 0",
    );
}

#[test]
fn usual_rules_of_other_programs_are_no_problem() {
    let text = r#"
        nat() { iptables-$b -t nat "$@"; }
        for chain in DOCKER KUBE-SERVICES KUBE-SVC-A CNI-HOSTPORT-DNAT NETAVARK-HOSTPORT-DNAT PREROUTING_direct PRE_public; do nat -N $chain; done
        for chain in PREROUTING OUTPUT; do
            nat -A $chain -m comment --comment 'kubernetes service portals' -j KUBE-SERVICES
            nat -A $chain -m addrtype --dst-type LOCAL -j DOCKER
            nat -A $chain -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT
            nat -A $chain -m addrtype --dst-type LOCAL -j NETAVARK-HOSTPORT-DNAT
            nat -A $chain -j PREROUTING_direct
        done
        nat -A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
        nat -A PREROUTING -i eth0 -g PRE_public; nat -A PRE_public -p tcp --dport 80 -j DNAT --to 192.0.2.9:8080
        nat -A DOCKER -i docker0 -j RETURN; nat -A DOCKER ! -i docker0 -p tcp --dport 8080 -j DNAT --to 172.17.0.2:80
        nat -A KUBE-SERVICES -d 10.96.0.1 -p tcp --dport 443 -j KUBE-SVC-A; nat -A KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-SVC-A
        nat -A KUBE-SVC-A -p tcp -j DNAT --to 192.0.2.1:6443
        nat -A NETAVARK-HOSTPORT-DNAT -p tcp --dport 81 -j ACCEPT
        redirect add 10351=192.0.2.1:10003 --backend $b --from forward --persist 2>&1 | tail -1; redirect check
        "#;
    each(
        "usual rules",
        text,
        "exit 0
        no problems found
        exit 0",
    );
}
