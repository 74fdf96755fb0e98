//! The phase firewall, with real iptables of both backends, nft and ipset.

mod cni;
mod genuine;
mod host;
mod kill;
mod others;
mod rulesets;

use edgeutils_tests::rules::{can_run, script_on};
use edgeutils_tests::skip;

use rulesets::{FOREIGN, OURS};

/// `load NAME` loads a set of rules of `$RULES` in both families of a backend; `all` prints everything that exists.
const PRELUDE: &str = r#"
part() { sed -n "/^=== $1\$/,/^===/p" "$RULES" | grep -v ^===; }
# Rules with addresses of IPv4 are not for IPv6.
six() { grep -vE '[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+|icmp-port' | grep -v checksum; }
load() {
    part "$2" | "iptables-$1-restore" --counters ${3-} || echo cannot load
    part "$2" | six | "ip6tables-$1-restore" --counters ${3-} || echo cannot load
}
all() {
    for program in iptables ip6tables; do for b in nft legacy; do echo "$program $b"; saved "$program-$b-save"; done; done
    nft list table inet mine 2> /dev/null
    ipset list 2> /dev/null
}
"#;

/// Runs a script with these sets of rules.
fn run(sets: &[(&str, &str)], text: &str) -> String {
    let rules: String = sets.iter().map(|(name, rules)| format!("=== {name}\n{rules}")).collect();
    script_on(&format!("{rules}===\n"), &format!("{PRELUDE}{text}")).stdout
}

fn can(test: &str) -> bool {
    let has =
        |program: &str| std::process::Command::new(program).arg("-v").output().is_ok_and(|ran| ran.status.success());
    let can = can_run() && has("nft") && has("ipset");
    if !can {
        skip(
            &format!("reset_live_firewall {test}"),
            "no network namespace with iptables, nft and ipset can be made here",
        );
    }
    can
}

#[test]
fn apply_removes_ours_and_keeps_foreign_rules_to_the_byte() {
    if !can("foreign") {
        return;
    }
    let printed = run(
        &[("foreign", FOREIGN), ("ours", OURS)],
        r#"
        nft -f - <<'END'
table inet mine { chain in { type filter hook input priority 10; policy accept; tcp dport 22 counter packets 5 bytes 300 accept comment "KUBE-FIREWALL cali:abc"; }; }
END
        ipset create mine hash:ip; ipset add mine 192.0.2.9
        for b in nft legacy; do load $b foreign; done
        all > before 2> /dev/null
        for b in nft legacy; do load $b ours --noflush; done
        ipset create KUBE-CLUSTER-IP hash:ip,port; ipset create cali40all-ipam-pools hash:net
        ipset create KUBE-LOOP-BACK bitmap:ip range 192.0.2.0/24
        nft add table ip kube-proxy; nft add chain ip kube-proxy services; nft add table ip calico; nft add chain ip calico filter-FORWARD
        nft add table ip6 flannel-ipv6
        iptables-nft -t nat -A OUTPUT -p tcp --dport 10350 -j DNAT --to-destination 192.0.2.1:10003
        all > with 2> /dev/null
        reset scan --only firewall
        all 2> /dev/null | cmp - with && echo scan changes nothing
        reset apply -n --only firewall > planned; tail -2 planned
        reset apply --yes --only firewall
        ipset destroy KUBE-LOOP-BACK; nft delete table ip6 flannel-ipv6
        all > after 2> /dev/null
        diff before after && echo foreign rules are as before
        nft list tables | grep -c 'kube-proxy\|calico'
        reset apply --yes --only firewall | tail -2
        for save in /var/lib/edgeutils/edge-reset/*; do stat -c '%a %n' $save; grep -c KUBE- $save; done
        reset undo | tail -2
        iptables-nft -t nat -S OUTPUT 2> /dev/null | tail -1
        "#,
    );
    for want in [
        "scan changes nothing",
        "foreign rules are as before\n0\nalready up to date\nexit 0\n",
        "firewall   deleted 10 chains, 8 jumps and 1 rule in nat (legacy): made by ",
        "firewall   deleted 2 sets: made by calico, kube-proxy  [undo: none]",
        "kept       table ip6 flannel-ipv6: it does not have the chains of that program",
        "kept       KUBE-LOOP-BACK in the sets: its type is bitmap:ip",
        "27 changes would be made\nexit 3\n",
        "600 /var/lib/edgeutils/edge-reset/ip6tables-legacy.1.save\n27\n",
        "600 /var/lib/edgeutils/edge-reset/iptables-nft.1.save\n32\n",
        "exit 0\n-A OUTPUT -p tcp -m tcp --dport 10350 -j DNAT --to-destination 192.0.2.1:10003\n",
    ] {
        assert!(printed.contains(want), "{want}: {printed}");
    }
}
