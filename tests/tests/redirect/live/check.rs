//! edge-redirect check on a live host.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use edgeutils_tests::rules::each;

#[test]
fn check_finds_inactive_and_temporary_redirects_and_its_hints_repair_them() {
    each(
        "check",
        r"
        redirect check
        redirect add 10351=192.0.2.1:10003 --backend $b > /dev/null 2>&1
        redirect check
        redirect add 10351=192.0.2.1:10003 --persist | tail -1
        redirect check
        iptables-$b -t nat -F OUTPUT
        redirect check
        iptables-$b -t nat -F; iptables-$b -t nat -X
        redirect check
        redirect restore | tail -1
        redirect check
        # Complete rules, but not for the traffic that is stored.
        sed -i 's/output/forward/' /etc/edgeutils/redirect.toml
        redirect check
        redirect restore | tail -1
        redirect check
        ",
        "/etc/edgeutils/redirect.toml: error: no redirects are configured
        hint: edge-redirect add PORT=IP:PORT --persist
        1 problem found
        exit 3
        table nat of iptables-$b: error: 10351=192.0.2.1:10003: the redirect is lost on reboot
        hint: edge-redirect add 10351=192.0.2.1:10003 --persist
        1 problem found
        exit 3
        exit 0
        no problems found
        exit 0
        table nat of iptables-$b: error: EDGEUTILS-STREAM: no rule jumps to this chain
        hint: edge-redirect restore
        1 problem found
        exit 3
        /etc/edgeutils/redirect.toml: error: 10351=192.0.2.1:10003: the redirect is not active
        hint: edge-redirect restore
        1 problem found
        exit 3
        exit 0
        no problems found
        exit 0
        /etc/edgeutils/redirect.toml: error: the live rules differ from this file
        hint: edge-redirect restore
        1 problem found
        exit 3
        exit 0
        no problems found
        exit 0",
    );
}

#[test]
fn check_finds_modified_unmanaged_and_unreadable_rules() {
    each(
        "check of others",
        r"
        redirect add 10351=192.0.2.1:10003 --persist --backend $b > /dev/null 2>&1
        iptables-$b -t nat -A EDGEUTILS-STREAM -j RETURN
        redirect check
        redirect restore | tail -1
        iptables-$b -t nat -A OUTPUT -p tcp --dport 10350 -j DNAT --to 192.0.2.9:10003
        redirect check
        iptables-$b -t nat -F; iptables-$b -t nat -X; redirect remove > /dev/null
        iptables-$b -t nat -N TUNNEL-PORT
        iptables-$b -t nat -A OUTPUT -m comment --comment 'kubeedge tunnel port' -j TUNNEL-PORT
        redirect check
        iptables-$b -t nat -A TUNNEL-PORT -p tcp --dport 10351 -j DNAT --to 192.0.2.1:10003
        redirect check
        mount -t tmpfs tmpfs /usr/sbin; mount --bind /usr/sbin /sbin 2> /dev/null
        mkdir -p /etc/edgeutils && printf 'redirect = [\04210351=192.0.2.1:10003\042]\n' > /etc/edgeutils/redirect.toml
        redirect check
        ",
        "table nat of iptables-$b: error: EDGEUTILS-STREAM: its rules were modified
        hint: edge-redirect restore
        1 problem found
        exit 3
        exit 0
        table nat of iptables-$b: warning: unmanaged rule in OUTPUT ($b): port 10350 to 192.0.2.9:10003, also for connections to this host itself
        hint: edge-redirect add 10350=192.0.2.9:10003 --adopt
        no errors, 1 warning
        exit 0
        table nat of iptables-$b: error: TUNNEL-PORT: cloudcore has added no ports to this chain
        hint: add a redirect: edge-redirect add PORT=IP:PORT --persist
        1 problem found
        exit 3
        no problems found
        exit 0
        edge-redirect: note: iptables is not installed: no live rules are read or changed
        /etc/edgeutils/redirect.toml: error: iptables is not installed, so no redirect is active
        hint: install iptables: apt-get install iptables
        edge-redirect.service: error: the unit is not enabled: the redirects are not restored at boot
        hint: edge-redirect add 10351=192.0.2.1:10003 --persist
        2 problems found
        exit 3",
    );
}

#[test]
fn check_unmasks_a_mask_of_this_boot() {
    each(
        "runtime mask",
        r"
        redirect add 10351=192.0.2.1:10003 --persist --backend $b > /dev/null
        rm /etc/systemd/system/edge-redirect.service
        mkdir -p /run/systemd/system && ln -s /dev/null /run/systemd/system/edge-redirect.service
        redirect check
        redirect status | grep unit
        redirect add 10352=192.0.2.1:10003 --persist
        # Not stored: the hint to store it would be refused.
        rm /etc/edgeutils/redirect.toml
        redirect check
        ",
        "edge-redirect.service: error: the unit is masked: the redirects are not restored at boot
        hint: systemctl unmask --runtime edge-redirect.service
        1 problem found
        exit 3
        unit edge-redirect.service: masked: the redirects are not restored at boot; systemctl unmask --runtime edge-redirect.service unmasks it
        edge-redirect: cannot enable edge-redirect.service: it is masked
        hint: unmask it and run again: systemctl unmask --runtime edge-redirect.service
        exit 4
        table nat of iptables-$b: error: 10351=192.0.2.1:10003: the redirect is lost on reboot
        hint: unmask its unit first: systemctl unmask --runtime edge-redirect.service
        1 problem found
        exit 3",
    );
}

#[test]
fn check_gives_one_hint_for_all_rules_of_a_port() {
    each(
        "hints",
        r"
        iptables-$b -t nat -A OUTPUT -p tcp --dport 10350 -j DNAT --to 192.0.2.9:10003
        iptables-$b -t nat -A OUTPUT -p tcp --dport 10350 -j DNAT --to 192.0.2.8:10003
        redirect check
        redirect add 10350=192.0.2.9:10003 --adopt --persist --backend $b | tail -1
        redirect check
        # Stored, but not active: the stored address counts.
        iptables-$b -t nat -F; iptables-$b -t nat -X
        iptables-$b -t nat -A OUTPUT -p tcp --dport 10350 -j DNAT --to 192.0.2.7:10003
        redirect check
        ",
        "table nat of iptables-$b: warning: unmanaged rule in OUTPUT ($b): port 10350 to 192.0.2.9:10003, also for connections to this host itself
        hint: edge-redirect add 10350=192.0.2.9:10003 --adopt
        table nat of iptables-$b: warning: unmanaged rule in OUTPUT ($b): port 10350 to 192.0.2.8:10003, also for connections to this host itself
        hint: edge-redirect add 10350=192.0.2.9:10003 --adopt
        no errors, 2 warnings
        exit 0
        exit 0
        no problems found
        exit 0
        table nat of iptables-$b: warning: unmanaged rule in OUTPUT ($b): port 10350 to 192.0.2.7:10003, also for connections to this host itself
        hint: edge-redirect add 10350=192.0.2.9:10003 --adopt
        /etc/edgeutils/redirect.toml: error: 10350=192.0.2.9:10003: the redirect is not active
        hint: edge-redirect restore
        2 problems found
        exit 3",
    );
}
