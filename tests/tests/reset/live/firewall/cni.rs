//! Podman and nerdctl use the same chains as pods: each goes by the network that its comment names.

use super::rulesets::CNI;
use super::{can, run};

/// Both networks, and the lines of one of them.
const PRELUDE: &str = r#"
mkdir -p /etc/cni/net.d
conf() {
    printf '{"cniVersion":"0.4.0","name":"%s","plugins":[{"type":"bridge","bridge":"%s","ipam":{"type":"host-local","ranges":[[{"subnet":"%s"}]]}},{"type":"portmap"},{"type":"firewall"}]}' $2 $3 $4 > /etc/cni/net.d/$1
}
conf 10-pods.conflist pods cni0 10.85.0.0/16
conf 87-podman.conflist podman cni-podman0 10.88.0.0/16
flush() { for table in nat filter; do "iptables-$1" -t $table -F; "iptables-$1" -t $table -X; done; }
podmans() { part cni | grep -v 'pods\|fedcba\|ffffff\|10\.85'; }
pods() { part cni | grep -v 'podman\|CNI-0123\|11111\|10\.88'; }
"#;

#[test]
fn apply_leaves_the_rules_of_podman() {
    if !can("podman") {
        return;
    }
    let printed = run(
        &[("cni", CNI)],
        &format!(
            r#"{PRELUDE}
            for b in nft legacy; do
                podmans | iptables-$b-restore --counters; saved iptables-$b-save > podmans
                part cni | iptables-$b-restore --counters
                reset apply --yes --only firewall > said
                grep kept said
                saved iptables-$b-save | diff podmans - && echo $b: only the rules of podman
                reset apply --yes --only firewall | tail -2
                flush $b
            done
            "#
        ),
    );
    let lines = |text: &str| printed.lines().filter(|line| line.contains(text)).count();
    assert_eq!(lines("only the rules of podman"), 2, "{printed}");
    assert_eq!(lines("already up to date"), 2, "{printed}");
    assert!(printed.contains("CNI-DN-11111aaaaa22222bbbbb3") && printed.contains("Podman's"), "{printed}");
}

#[test]
fn apply_removes_shared_chains_when_nothing_foreign_is_left() {
    if !can("shared") {
        return;
    }
    let printed = run(
        &[("cni", CNI)],
        &format!(
            r#"{PRELUDE}
            for b in nft legacy; do
                pods | iptables-$b-restore --counters
                reset apply --yes --only firewall | tail -2
                echo $b: $(iptables-$b-save | grep -c CNI) left
                pods | iptables-$b-restore --counters
                iptables-$b -A CNI-ADMIN -s 192.0.2.1 -j DROP
                reset apply --yes --only firewall | tail -2
                echo $b: $(iptables-$b-save | grep -c 'CNI-\|10\.85') with an admin rule
                flush $b
                # Of a network that nothing names.
                rm -f /etc/cni/net.d/10-pods.conflist
                pods | iptables-$b-restore --counters
                reset apply --yes --only firewall | tail -2
                echo $b: $(iptables-$b-save | grep -c 'name: .*pods') of an unknown network
                flush $b
                conf 10-pods.conflist pods cni0 10.85.0.0/16
            done
            "#
        ),
    );
    for backend in ["nft", "legacy"] {
        for want in ["0 left", "5 with an admin rule", "3 of an unknown network"] {
            assert!(printed.contains(&format!("{backend}: {want}\n")), "{backend}: {want}: {printed}");
        }
    }
}

#[test]
fn chains_and_marks_are_those_of_the_configuration() {
    if !can("configuration") {
        return;
    }
    let printed = run(
        &[("cni", CNI)],
        &format!(
            r#"{PRELUDE}
            admin() {{ printf '{{"cniVersion":"0.4.0","name":"pods","plugins":[{{"type":"bridge","bridge":"cni0","ipam":{{"type":"host-local","ranges":[[{{"subnet":"10.85.0.0/16"}}]]}}}},{{"type":"portmap","markMasqBit":7,"masqAll":true}},{{"type":"firewall","iptablesAdminChainName":"%s"}}]}}' $1 > /etc/cni/net.d/10-pods.conflist; }}
            # With masqAll all sources get the mark.
            marked() {{ pods | sed "s/CNI-ADMIN/$1/g; s/0x2000/0x80/g; s/-s 10.85.0.2.32 -p tcp -m tcp --dport/-p tcp -m tcp --dport/"; }}
            left() {{ echo $b $1: $(iptables-$b-save 2> /dev/null | grep -c '^:[^ ]* -\|^-A'); }}
            for b in nft legacy; do
                admin SITE; marked SITE | iptables-$b-restore --counters
                reset apply --yes --only firewall | grep 'of unknown origin'; left own
                marked SITE | iptables-$b-restore --counters; iptables-$b -A SITE -s 192.0.2.1 -j DROP
                reset apply --yes --only firewall | grep kept; left 'with a rule'
                flush $b
                # A chain that others use too stays.
                admin SITE; marked SITE | iptables-$b-restore --counters; iptables-$b -I INPUT -j SITE
                reset apply --yes --only firewall > /dev/null; left 'used by others'; flush $b
                admin DOCKER-USER; marked DOCKER-USER | iptables-$b-restore --counters
                reset apply --yes --only firewall > /dev/null; left "docker's"; flush $b
            done
            "#
        ),
    );
    for backend in ["nft", "legacy"] {
        for want in ["own: 0", "with a rule: 5", "used by others: 2", "docker's: 1"] {
            assert!(printed.contains(&format!("{backend} {want}\n")), "{backend} {want}: {printed}");
        }
    }
    assert_eq!(printed.matches("CNI-ADMIN").count(), 0, "{printed}");
    assert!(printed.contains("SITE in filter (nft): rules of others are in them"), "{printed}");
    assert!(!printed.contains("of unknown origin"), "{printed}");
}
