//! edge-redirect with native nft rules in the tables of iptables; nft confirms the result.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use edgeutils_tests::rules::{can_run, script};
use edgeutils_tests::skip;

/// `native TEXT` loads rules with nft; `jumps` counts the jumps to our chain and `rules` the rules in it, both with nft;
/// `call` runs edge-redirect for one family and prints exit code and counts; `said` has the output of the last one.
const PRELUDE: &str = r#"
case $f in ip) to=192.0.2.1:10003 iptables=iptables-nft ;; ip6) to='[2001:db8::1]:10003' iptables=ip6tables-nft ;; esac
nft=$(command -v nft)
native() { printf '%s\n' "$1" | tr ';' '\n' | sed "s/FAMILY/$f/" | $nft -f - || echo cannot load; }
judge() { $nft "$@" 2> /dev/null; }
jumps() { judge list ruleset | grep -c 'jump EDGEUTILS-STREAM'; }
rules() { judge list chain $f nat EDGEUTILS-STREAM | grep -c dnat; }
call() { $REDIRECT --force-namespace "$@" > said 2>&1; echo "$1: exit $?, $(jumps) jumps, $(rules) rules"; }
add() { call add "10351=$to" "$@"; }
all() { add; add; call status; call remove; call undo; call undo; call undo; }
without_nft() {
    mkdir /mnt/sbin /mnt/sbin-work && mount -t overlay overlay -o lowerdir=/usr/sbin,upperdir=/mnt/sbin,workdir=/mnt/sbin-work /usr/sbin
    cp /usr/sbin/nft /mnt/bin/nft && nft=/mnt/bin/nft && rm /usr/sbin/nft
}
REDIRECT=/mnt/bin/edge-redirect
"#;

fn can(test: &str) -> bool {
    let has_nft = std::process::Command::new("nft").arg("-v").output().is_ok_and(|output| output.status.success());
    if !(can_run() && has_nft) {
        skip(
            &format!("redirect_live_native {test}"),
            "no network namespace with both iptables and nft can be made here",
        );
    }
    can_run() && has_nft
}

fn even(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

/// Runs the script for a family and compares what it printed.
#[track_caller]
fn transcript(family: &str, text: &str, want: &str) {
    let ran = script(&format!("f={family}\n{PRELUDE}\n{text}"));
    assert_eq!(even(&ran.stdout), even(want), "{family} {text} printed:\n{}", ran.stdout);
}

/// The result is the same as without native rules: never more than one jump.
const WORKS: &str = "
    add: exit 0, 1 jumps, 1 rules
    add: exit 0, 1 jumps, 1 rules
    status: exit 0, 1 jumps, 1 rules
    remove: exit 0, 0 jumps, 0 rules
    undo: exit 0, 1 jumps, 1 rules
    undo: exit 0, 0 jumps, 0 rules
    undo: exit 0, 0 jumps, 0 rules";

/// Nothing is written, and no success is claimed.
const REFUSED: &str = "
    add: exit 4, 0 jumps, 0 rules
    add: exit 4, 0 jumps, 0 rules
    status: exit 0, 0 jumps, 0 rules
    remove: exit 4, 0 jumps, 0 rules
    undo: exit 0, 0 jumps, 0 rules
    undo: exit 0, 0 jumps, 0 rules
    undo: exit 0, 0 jumps, 0 rules";

/// Native rules in chains that edge-redirect neither reads nor changes.
const OTHERS: [&str; 5] = [
    "table FAMILY nat {; chain POSTROUTING {; type nat hook postrouting priority 100; oifname { \"a\", \"b\" } masquerade; }; }",
    "table FAMILY nat {; chain mine {; masquerade; }; }",
    "table FAMILY filter {; chain FORWARD {; type filter hook forward priority 0; ct state new log reject; }; }",
    "table FAMILY nat {; chain mine {; type nat hook output priority -90; }; }",
    "table FAMILY nat {; chain INPUT {; type nat hook input priority 90; }; chain POSTROUTING {; masquerade; }; }",
];

#[test]
fn native_rules_in_other_chains_are_not_read() {
    if !can("others") {
        return;
    }
    for (family, others, with) in [
        ("ip", &OTHERS[..], ""),
        ("ip", &OTHERS[..2], "without_nft"),
        ("ip6", &OTHERS[..1], ""),
        ("ip6", &OTHERS[..1], "without_nft"),
    ] {
        for native in others {
            let text = format!(
                "{with}\nnative '{native}'\nall\ncall status; grep -v note: said; judge list ruleset | grep -c -e masquerade -e reject"
            );
            let shown = i32::from(native.contains("masquerade") || native.contains("reject"));
            let want = format!(
                "{WORKS}\nstatus: exit 0, 0 jumps, 0 rules\nredirect: none: add one: edge-redirect add PORT=IP:PORT\n{shown}"
            );
            transcript(family, &text, &want);
        }
    }
}

#[test]
fn native_rules_in_our_hooks_are_read_with_nft_or_refused() {
    if !can("our hooks") {
        return;
    }
    for chain in ["OUTPUT", "PREROUTING"] {
        let hook = chain.to_lowercase();
        let native = format!(
            "table FAMILY nat {{; chain {chain} {{; type nat hook {hook} priority -100; tcp dport 7 counter redirect to :9; }}; }}"
        );
        for family in ["ip", "ip6"] {
            transcript(
                family,
                &format!("native '{native}'\nall\njudge list ruleset | grep -c 'redirect to'"),
                &format!("{WORKS}\n1"),
            );
            let text = format!("without_nft\nnative '{native}'\nall\nadd; cat said; call status; cat said");
            let tables = if family == "ip" { "iptables" } else { "ip6tables" };
            let shown = if family == "ip" { "IPv4 nft" } else { "IPv6 nft" };
            let cause = format!(
                "cannot read table nat of {tables}-nft: iptables cannot show chain {chain}, and nft is not installed"
            );
            let hint = "install nftables: apt-get install nftables";
            let want = format!(
                "{REFUSED}\nadd: exit 4, 0 jumps, 0 rules\nedge-redirect: {cause}\nhint: {hint}\nstatus: exit 0, 0 jumps, 0 rules
                edge-redirect: note: {tables}-nft-save does not show table nat, which contains native nft rules: see nft list table {family} nat
                table nat: unknown: {cause}; {hint}  ({shown})"
            );
            transcript(family, &text, &want);
        }
    }
}

#[test]
fn native_rules_that_decide_first_are_understood() {
    if !can("deciding") {
        return;
    }
    for (rule, state) in [
        ("tcp dport 10351 redirect to :9", "shadowed"),
        ("tcp dport 10300-10400 counter accept", "shadowed"),
        ("tcp dport { 7, 10351 } return", "shadowed"),
        ("meta l4proto tcp accept", "shadowed"),
        ("tcp dport 7 redirect to :9", "active"),
        ("ip daddr 198.51.100.0/24 accept", "active"),
        ("tcp dport 10351 counter dnat to 192.0.2.1:10003", "active"),
    ] {
        let native =
            format!("table FAMILY nat {{; chain OUTPUT {{; type nat hook output priority -100; {rule}; }}; }}");
        transcript(
            "ip",
            &format!("native \"{native}\"; add; call status; grep -o ':10003: [a-z]*' said"),
            &format!(
                "add: exit {}, 1 jumps, 1 rules\nstatus: exit 0, 1 jumps, 1 rules\n:10003: {state}",
                if state == "active" { 0 } else { 3 }
            ),
        );
    }
}

#[test]
fn earlier_chains_of_nft_may_redirect_connections() {
    if !can("earlier") {
        return;
    }
    let earlier = "chain ip mine out of nft comes first, and may redirect connections elsewhere";
    for (hook, rule, state) in [
        ("output priority -101", "tcp dport 10351 redirect to :9", "unknown"),
        ("output priority -150", "ip daddr 198.51.100.0/24 tcp dport 10351 dnat to 192.0.2.9", "unknown"),
        ("output priority -101", "tcp dport 7 redirect to :9", "active"),
        ("output priority -101", "tcp dport 10351 accept", "active"),
        ("output priority -101", "tcp dport 10351 dnat to 192.0.2.1:10003", "active"),
        // As kube-proxy and Docker do; and other traffic.
        ("output priority -100", "tcp dport 10351 redirect to :9", "active"),
        ("prerouting priority -150", "tcp dport 10351 redirect to :9", "active"),
    ] {
        let native = format!("table ip mine {{; chain out {{; type nat hook {hook}; {rule}; }}; }}");
        let is_active = state == "active";
        let (count, why) = if is_active { (0, "") } else { (1, earlier) };
        transcript(
            "ip",
            &format!(
                "native \"{native}\"; add; call status; grep -o ':10003: [a-z]*' said; grep -o 'chain ip mine.*elsewhere' said
                call check; grep -c 'warning: .*: it is unknown whether the redirect is in effect: chain ip mine' said
                $iptables -t nat -F; $iptables -t nat -N TUNNEL-PORT; $iptables -t nat -A OUTPUT -p tcp -j TUNNEL-PORT
                $iptables -t nat -A TUNNEL-PORT -p tcp --dport 10351 -j DNAT --to $to
                call status; grep -o 'TUNNEL-PORT: [a-z]*' said"
            ),
            &format!(
                "add: exit 0, 1 jumps, 1 rules\nstatus: exit 0, 1 jumps, 1 rules\n:10003: {state}\n{why}
                check: exit 3, 1 jumps, 1 rules\n{count}\nstatus: exit 0, 0 jumps, 0 rules\nTUNNEL-PORT: {state}"
            ),
        );
    }
}

#[test]
fn hooks_that_iptables_does_not_use_are_refused() {
    if !can("other hooks") {
        return;
    }
    for chain in ["type nat hook output priority -90;", "", "type nat hook output priority -90; masquerade;"] {
        let native = format!(
            "table FAMILY nat {{; chain OUTPUT {{; {} }}; }}",
            chain.replace("; masquerade", "; tcp dport 7 redirect to :9")
        );
        transcript(
            "ip",
            &format!("native '{native}'\nall\nls /var/lib/edgeutils/journal"),
            &format!("{REFUSED}\nls: cannot access '/var/lib/edgeutils/journal': No such file or directory"),
        );
    }
}

#[test]
fn active_rules_are_never_reported_as_missing() {
    if !can("live rules") {
        return;
    }
    // Native rules are added after ours: to our chain, to OUTPUT, and without nft.
    let ours = "native 'table FAMILY nat {; chain EDGEUTILS-STREAM {; tcp dport 7 dnat to ADDRESS; }; }'";
    let output = "native 'table FAMILY nat {; chain OUTPUT {; tcp dport 7 redirect to :9; }; }'";
    for (family, address) in [("ip", "192.0.2.7:9"), ("ip6", "[2001:db8::7]:9")] {
        let text = format!(
            "add --persist\n{}\nadd; call status; grep -c unknown said; call remove; call restore; call undo
            eval \"$(sed -n 's/^hint: show them: .*run again: //p' said)\"\ncall remove; call undo; call undo",
            ours.replace("ADDRESS", address)
        );
        transcript(
            family,
            &text,
            "add: exit 0, 1 jumps, 1 rules
            add: exit 4, 1 jumps, 2 rules
            status: exit 0, 1 jumps, 2 rules
            2
            remove: exit 4, 1 jumps, 2 rules
            restore: exit 4, 1 jumps, 2 rules
            undo: exit 4, 1 jumps, 2 rules
            remove: exit 0, 0 jumps, 0 rules
            undo: exit 0, 1 jumps, 0 rules
            undo: exit 0, 0 jumps, 0 rules",
        );
        transcript(
            family,
            &format!(
                "add --persist\n{output}\nwithout_nft\nadd; call status; grep -c unknown said; call remove; call restore; call undo"
            ),
            "add: exit 0, 1 jumps, 1 rules
            add: exit 4, 1 jumps, 1 rules
            status: exit 0, 1 jumps, 1 rules
            2
            remove: exit 4, 1 jumps, 1 rules
            restore: exit 4, 1 jumps, 1 rules
            undo: exit 4, 1 jumps, 1 rules",
        );
        // With nft everything works, also at boot.
        transcript(
            family,
            &format!(
                "add --persist\n{output}\ncall restore; $iptables -t nat -F EDGEUTILS-STREAM; call restore; call remove; call undo; call undo"
            ),
            "add: exit 0, 1 jumps, 1 rules
            restore: exit 0, 1 jumps, 1 rules
            restore: exit 0, 1 jumps, 1 rules
            remove: exit 0, 0 jumps, 0 rules
            undo: exit 0, 1 jumps, 1 rules
            undo: exit 0, 0 jumps, 0 rules",
        );
    }
}

#[test]
fn leftover_jumps_are_removed_and_unknown_ones_are_refused() {
    if !can("left jumps") {
        return;
    }
    let output = "native 'table FAMILY nat {; chain OUTPUT {; tcp dport 7 redirect to :9; }; }'";
    transcript(
        "ip",
        &format!(
            "add; for _ in 1 2 3; do $iptables -t nat -S OUTPUT | sed -n 's/^-A/-I/p' | head -1 | xargs $iptables -t nat; done\njumps\n{output}
            add; call remove; add
            native 'table FAMILY nat {{; chain OUTPUT {{; counter jump EDGEUTILS-STREAM; }}; }}'\n$iptables -t nat -F EDGEUTILS-STREAM; jumps; call remove; jumps"
        ),
        "add: exit 0, 1 jumps, 1 rules
        4
        add: exit 0, 1 jumps, 1 rules
        remove: exit 0, 0 jumps, 0 rules
        add: exit 0, 1 jumps, 1 rules
        2
        remove: exit 1, 2 jumps, 0 rules
        2",
    );
    transcript(
        "ip",
        "native 'table FAMILY nat {; chain EDGEUTILS-STREAM {; }; chain OUTPUT {; type nat hook output priority -100; tcp dport 7 redirect to :9; counter jump EDGEUTILS-STREAM; }; }'
            call remove; grep -c 'an unknown rule in chain OUTPUT jumps to EDGEUTILS-STREAM' said\neval \"$(sed -n 's/^hint: delete it and run again: //p' said)\"\njumps; call remove; add",
        "remove: exit 4, 1 jumps, 0 rules
        1
        0
        remove: exit 0, 0 jumps, 0 rules
        add: exit 0, 1 jumps, 1 rules",
    );
}
